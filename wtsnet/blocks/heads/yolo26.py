"""The heads of YOLOv10 and YOLO26, as lists name them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from wtsnet.blocks.heads.detectors import Task, detector, pose_task, prototypes, segmenter, with_prototypes
from wtsnet.blocks.heads.heads import HeadCall, head
from wtsnet.blocks.yolo.convs import conv_block
from wtsnet.errors import ModelError
from wtsnet.ops import conv2d, interpolate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Scope, Tensor


@head("v10Detect")
def v10_detect(s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int) -> dict[str, Tensor]:
    """Boxes and classes; "decoded" is (N, 300, 6): x1 y1 x2 y2 in input pixels, score, class."""
    architecture = dataclasses.replace(call.architecture, end2end=True)
    return detector(s, xs, dataclasses.replace(call, architecture=architecture), classes, Task())


@head("Segment26")
def segment26(
    s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int, masks: int = 32, width: int = 256
) -> dict[str, Tensor]:
    """Masks, the prototypes of which are made of all levels."""
    found = segmenter(s, xs, call, classes, masks)
    proto, refined = s / "proto", xs[0]
    proto.leave_modules("semseg")  # the classes of all pixels, for training
    for i, x in enumerate(xs[1:]):
        y = conv_block(proto / "feat_refine" / i, x, xs[0].shape[1], act=call.act)
        refined = refined + interpolate(y, xs[0].dims[2:])
    channels = call.architecture.channels_of(width)
    fused = conv_block(proto / "feat_fuse", refined, channels, 3, act=call.act)
    return with_prototypes(s, found, prototypes(proto, fused, channels, masks, call), call)


@head("Pose26")
def pose26(
    s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int, shape: Sequence[int] | None = None
) -> dict[str, Tensor]:
    """Key points from a branch of their own."""
    s.leave_modules("flow_model", "cv4_kpts", "cv4_sigma", "one2one_cv4_sigma")  # for training, or not this branch
    task = pose_task(s, shape, spread=1.0)
    count = task.channels // (shape or [1, 1])[1]
    width = max(xs[0].shape[1] // 4, task.channels + 2 * count)

    def branch(s: Scope, xs: Sequence[Tensor], call: HeadCall, prefix: str) -> list[Tensor]:
        maps = []
        for i, x in enumerate(xs):
            inner = s / f"{prefix}cv4" / i
            y = conv_block(inner / 1, conv_block(inner / 0, x, width, 3, act=call.act), width, 3, act=call.act)
            maps.append(conv2d(s / f"{prefix}cv4_kpts" / i, y.named(inner), task.channels, 1))
        return maps

    task = dataclasses.replace(task, branch=branch)
    return detector(s, xs, call, classes, task, kpt_shape=list(shape or ()), spread=1.0)


@head("OBB26")
def obb26(s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int, angles: int = 1) -> dict[str, Tensor]:
    """Boxes that are turned by an angle that the network gives as it is."""
    if angles != 1:
        raise ModelError(f"{s.path}: found {angles} angles a box, expected 1")
    return detector(s, xs, call, classes, Task("obb", 1, turned=True), angle="radians")
