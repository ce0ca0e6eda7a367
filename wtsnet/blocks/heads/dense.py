"""The heads of YOLO26 that say something of every pixel: its class, or how far away it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.heads.heads import HeadCall, classes_of, head
from wtsnet.blocks.yolo.convs import conv_block
from wtsnet.ops import argmax, clamp, conv2d, conv_transpose2d, exp, interpolate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Scope, Tensor

RANGE = (-4.0, 5.0)


@head("SemanticSegment")
def semantic_segment(s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int) -> dict[str, Tensor]:
    """`logits` (N, nc, H/8, W/8) of the finest level; of "topk" `classes` (N, H/8, W/8) int32, the best."""
    s.leave_modules("aux_head")  # the same of the coarser level, for training
    classes = classes_of(s, "classifier.1", classes)
    call.tell(s, "semantic", "semantic", classes)
    inner = s / "classifier"
    x = conv_block(inner / 0, xs[0], xs[0].shape[1], 3, act=call.act)
    logits = conv2d(inner / 1, x, classes, 1).named(inner).named(s)
    return {"classes": argmax(logits, 1)} if call.kind == "topk" else {"logits": logits}


@head("Depth")
def depth(s: Scope, xs: Sequence[Tensor], call: HeadCall, width: int = 256) -> dict[str, Tensor]:
    """`depth` (N, 1, H/4, W/4); "raw" is `log_depth`, its logarithm before that is held within RANGE and calibrated."""
    call.tell(s, "depth", "depth", 1)
    levels = [conv_block(s / "proj" / i, x, width, act=call.act) for i, x in enumerate(xs)]
    y = levels[-1]
    for i in range(len(xs) - 2, -1, -1):  # from coarse to fine
        stage, size = s / "refine" / i, levels[i].dims[2:]
        y = levels[i] + interpolate(y, size, mode="bilinear", align_corners=True)
        for j in (0, 1):
            y = conv_block(stage / j, y, width, 3, act=call.act)
        y.named(stage)
    last = s / "head"
    y = conv_block(last / 0, y, width // 2, 3, act=call.act)
    y = conv_transpose2d(last / 1, y, width // 2, 2, 2)
    y = conv2d(last / 3, conv_block(last / 2, y, width // 4, 3, act=call.act), 1, 1).named(last)
    factor, shift = float(s.take("cal_a", 1)[0]), float(s.take("cal_b", 1)[0])  # calibration
    if call.kind == "raw":
        return {"log_depth": y}
    return {"depth": exp(clamp(y.float(), *RANGE) * factor + shift).named(s)}
