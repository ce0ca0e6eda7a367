"""Boxes without anchors, as YOLOv8 and its kin find them.

A cell tells how far the sides of its box lie from its own point (x, y), its middle: left, top, right and bottom, each
as a distribution over `reg_max` bins, of which the expectation counts (Li et al. 2020, "Generalized Focal Loss", eq.
4). In cells, the box is (x − l, y − t) to (x + r, y + b); times the stride it is in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.yolo.convs import conv_block
from wtsnet.network import module
from wtsnet.ops import cat, conv2d, cos, sin, softmax

if TYPE_CHECKING:
    from wtsnet.blocks.heads.cells import Places
    from wtsnet.blocks.heads.heads import HeadCall
    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class Branches:
    """What the convolutions of a head give, a map (N, …, H, W) for each level.

    Attributes:
        boxes: 4·reg_max channels, logits of the bins of left, top, right and bottom.
        scores: a logit for each class.
        extra: what the task adds; empty where it adds nothing.
    """

    boxes: Sequence[Tensor]
    scores: Sequence[Tensor]
    extra: Sequence[Tensor] = ()

    def maps(self) -> list[Tensor]:
        """All channels of each level in one map: boxes, scores, extra."""
        levels = zip(self.boxes, self.scores, *([self.extra] if self.extra else []), strict=True)
        return [cat(parts, 1) for parts in levels]


def branches(
    s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int, extra: int = 0, prefix: str = ""
) -> Branches:
    """The branches `cv2`, `cv3` and, for `extra` channels, `cv4`; `prefix` stands before these names."""
    first, bins = xs[0].shape[1], call.architecture.reg_max
    score = plain if call.architecture.legacy else separable
    widths = max(16, first // 4, 4 * bins), max(first, min(classes, 100)), max(first // 4, extra)
    return Branches(
        [plain(s / f"{prefix}cv2" / i, x, widths[0], 4 * bins, call) for i, x in enumerate(xs)],
        [score(s / f"{prefix}cv3" / i, x, widths[1], classes, call) for i, x in enumerate(xs)],
        [plain(s / f"{prefix}cv4" / i, x, widths[2], extra, call) for i, x in enumerate(xs)] if extra else [],
    )


@module
def plain(s: Scope, x: Tensor, width: int, out: int, call: HeadCall) -> Tensor:
    """Two convolution blocks 3×3 and a convolution 1×1 to `out` channels."""
    for i in (0, 1):
        x = conv_block(s / i, x, width, 3, act=call.act)
    return conv2d(s / 2, x, out, 1)


@module
def separable(s: Scope, x: Tensor, width: int, out: int, call: HeadCall) -> Tensor:
    """The same with each 3×3 a depthwise one and a 1×1 behind it, as from YOLO11 on."""
    for i in (0, 1):
        x = conv_block(s / i / 0, x, x.shape[1], 3, groups=x.shape[1], act=call.act)
        x = conv_block(s / i / 1, x, width, act=call.act).named(s / i)
    return conv2d(s / 2, x, out, 1)


def rows(levels: Sequence[Tensor]) -> Tensor:
    """All candidates of the maps (N, C, H, W) side by side: (N, C, candidates)."""
    return cat([level.flatten(2) for level in levels], 2)


@module
def distances(s: Scope, boxes: Tensor, bins: int) -> Tensor:
    """How far each side is, (N, 4, n) in cells, from the logits of its bins (N, 4·bins, n); of one bin it is the value
    itself. float32: a half has no place behind the point left for large ones."""
    boxes = boxes.float()
    if bins == 1:
        return boxes
    sides = boxes.unflatten(1, (4, bins)).transpose(1, 2)
    return conv2d(s / "conv", softmax(sides, 1), 1, 1, bias=False).squeeze(1)


def corners(sides: Tensor, at: Places) -> Tensor:
    """x1 y1 x2 y2 in pixels, (N, 4, n), of the boxes whose sides lie so far from their places."""
    lt, rb = sides.chunk(2, 1)
    return cat((at.points - lt, at.points + rb), 1) * at.stride


def centred(sides: Tensor, at: Places, angle: Tensor | None = None) -> Tensor:
    """x y w h in pixels, (N, 4, n), of the same boxes, each turned by `angle` (N, 1, n) about its place."""
    lt, rb = sides.chunk(2, 1)
    shift = (rb - lt) * 0.5
    if angle is not None:
        shift = _turned(shift, angle)
    return cat((at.points + shift, lt + rb), 1) * at.stride


def _turned(shift: Tensor, angle: Tensor) -> Tensor:
    x, y = shift.chunk(2, 1)
    along, across = cos(angle), sin(angle)
    return cat((x * along - y * across, x * across + y * along), 1)
