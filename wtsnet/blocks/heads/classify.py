"""The classifying head of YOLOv5 and its kin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wtsnet.blocks.heads.heads import HeadCall, classes_of, head
from wtsnet.blocks.yolo.convs import EPS, conv_block
from wtsnet.ops import concat, flatten, global_avg_pool, identity, linear, softmax, topk
from wtsnet.ops.reduce import TOPK_LIMIT

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor

WIDTH = 1280  # of the last convolution, whatever the size


@head("Classify")
def classify(
    s: Scope,
    xs: Sequence[Tensor],
    call: HeadCall,
    classes: int,
    k: int = 1,
    stride: int = 1,
    pad: int | None = None,
    groups: int = 1,
) -> dict[str, Tensor]:
    """A convolution, a mean over the picture and a linear layer. "raw" is `logits` (N, classes), "decoded" what the
    package's own module gives: `prob`, or of yolov5 the logits. "topk" is the best `scores` and their `classes`."""
    arch = call.architecture
    classes = classes_of(s, "linear", classes)
    call.tell(s, "classify", "classify", classes)
    x = concat(s, xs, suffix="concat") if len(xs) > 1 else xs[0]
    # The yolov5 package puts this head on a detector, whose batch norms have another eps than a fresh one.
    eps = 1e-5 if arch.yolov5 else EPS
    x = conv_block(s / "conv", x, WIDTH, k, stride, pad, groups, act=call.act, eps=eps)
    x = flatten(s, global_avg_pool(s / "pool", x), suffix="flat")
    logits = linear(s / "linear", identity(s / "drop", x), classes)
    if call.kind == "raw" or (call.kind == "decoded" and arch.yolov5):
        return {"logits": s.net.record(s.path, logits)}
    prob = softmax(s, s.cast(logits, "float32"), 1, suffix="prob")
    if call.kind == "decoded":
        s.net.record(f"{s.path}[1]", logits)
        return {"prob": s.net.record(f"{s.path}[0]", prob)}
    scores, best = topk(s, prob, min(call.k, classes, TOPK_LIMIT), 1, suffix="topk")
    return {"scores": scores, "classes": best}
