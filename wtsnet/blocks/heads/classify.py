"""The classifying head of YOLOv5 and its kin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wtsnet.blocks.heads.heads import HeadCall, classes_of, head
from wtsnet.blocks.yolo.convs import EPS, conv_block
from wtsnet.ops import cat, linear, softmax, topk

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
    x = cat(xs, 1) if len(xs) > 1 else xs[0]
    # The yolov5 package puts this head on a detector, whose batch norms have another eps than a fresh one.
    eps = 1e-5 if arch.yolov5 else EPS
    x = conv_block(s / "conv", x, WIDTH, k, stride, pad, groups, act=call.act, eps=eps)
    logits = linear(s / "linear", x.mean((2, 3)), classes)
    if call.kind == "raw" or (call.kind == "decoded" and arch.yolov5):
        return {"logits": logits.named(s)}
    prob = softmax(logits.float(), 1)
    if call.kind == "decoded":
        logits.named(s[1])
        return {"prob": prob.named(s[0])}
    scores, best = topk(prob, min(call.k, classes), 1)
    return {"scores": scores, "classes": best}
