"""The heads that lists of the yolov5 package name: Detect and Segment with anchors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wtsnet.blocks.heads.anchors import best, predictions
from wtsnet.blocks.heads.detectors import prototypes
from wtsnet.blocks.heads.heads import HeadCall, head
from wtsnet.errors import ModelError
from wtsnet.ops import conv2d

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.network import Scope, Tensor


@head("Detect", package="yolov5")
def detect(
    s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int, anchors: object = None, *, masks: int = 0
) -> dict[str, Tensor]:
    """Boxes and classes. "decoded" is (N, candidates, 5+nc): x y w h in input pixels, objectness, class scores.

    The numbers of the anchors in `call.architecture` count, and those in the weights before them.
    """
    pixels = _pixel_anchors(s, call, len(xs))
    count = pixels.shape[1]
    values = -1 if classes == -1 else count * (classes + 5 + masks)
    levels = [conv2d(s / "m" / i, x, values, 1) for i, x in enumerate(xs)]
    found = levels[0].shape[1] // count - 5 - masks
    call.tell(s, "segment" if masks else "detect", "yolov5", found, anchors=pixels.tolist())
    if call.kind == "raw":
        return call.raw(s, levels)
    rows = predictions(levels, pixels, call.strides, masks)
    if call.kind == "decoded":
        return {"predictions": rows.named(s[0])}
    return best(rows, call.most(s.net, count), masks)


@head("Segment", package="yolov5")
def segment(
    s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int, anchors: object, masks: int = 32, width: int = 256
) -> dict[str, Tensor]:
    """And for each box the coefficients of its mask, behind the class scores, and `prototypes` (N, masks, H/4, W/4)."""
    found = detect(s, xs, call, classes, masks=masks)
    width = call.architecture.channels_of(width)
    made = prototypes(s / "proto", xs[0], width, masks, call, learnt=False)
    return found | {"prototypes": made.named(s[1])}


def _pixel_anchors(s: Scope, call: HeadCall, levels: int) -> NDArray[np.float32]:
    """Widths and heights in input pixels, (levels, A, 2). The head stores them divided by the stride."""
    s.leave("anchor_grid", "strides", "stride")  # some writers add them: they follow from the others
    if s.has("anchors"):
        stored = s.take("anchors", levels, -1, 2)
        return stored * np.array(call.strides, np.float32)[:, None, None]
    if not call.architecture.anchors:
        raise ModelError(
            f"{s.net.weights.origin}: {s.key('anchors')}: neither the weights nor the architecture hold anchors"
        )
    return np.array(call.architecture.anchors, np.float32).reshape(levels, -1, 2)
