"""The heads of YOLOv8 and its kin that need non-maximum suppression behind them: Detect, Segment, Pose, OBB."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wtsnet.blocks.heads.cells import Places, everywhere, places
from wtsnet.blocks.heads.dfl import branches, centred, corners, distances, rows
from wtsnet.blocks.heads.end2end import best_pairs, joined
from wtsnet.blocks.heads.heads import HeadCall, classes_of, head
from wtsnet.blocks.yolo.convs import conv_block
from wtsnet.errors import ModelError
from wtsnet.network import module
from wtsnet.ops import argmax, cat, conv_transpose2d, index_select, interpolate, sigmoid, topk

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class Task:
    """What a head finds beside boxes and classes.

    Attributes:
        name: of the task.
        channels: how many values each candidate has more, in the branch `cv4`.
        value: these values (N, channels, n) from what the branch gives, as upstream's inference output has them.
        shown: "topk"'s own outputs from them.
        turned: whether the value is the angle of the box.
        branch: its maps of each level, from the head's inputs and a prefix of the branch's name, where they come from
            elsewhere than `cv4`.
    """

    name: str = "detect"
    channels: int = 0
    value: Callable[[Tensor, Places], Tensor] = lambda x, at: x
    shown: Callable[[Tensor], dict[str, Tensor]] = lambda x: {}
    turned: bool = False
    branch: Callable[[Scope, Sequence[Tensor], HeadCall, str], list[Tensor]] | None = None


@head("Detect")
def detect(s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int) -> dict[str, Tensor]:
    """Boxes and classes. "decoded" is (N, 4+nc, candidates): x y w h in input pixels, class scores."""
    return detector(s, xs, call, classes, Task())


@head("Segment")
def segment(
    s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int, masks: int = 32, width: int = 256
) -> dict[str, Tensor]:
    """And for each box the coefficients of its mask, a sum of `prototypes` (N, masks, H/4, W/4) (Bolya et al. 2019,
    "YOLACT")."""
    found = segmenter(s, xs, call, classes, masks)
    made = prototypes(s / "proto", xs[0], call.architecture.channels_of(width), masks, call)
    return with_prototypes(s, found, made, call)


@head("Pose")
def pose(
    s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int, shape: Sequence[int] | None = None
) -> dict[str, Tensor]:
    """And for each box its key points: x y in input pixels and, of three values, the score of being seen."""
    return detector(s, xs, call, classes, pose_task(s, shape), kpt_shape=list(shape or ()), spread=2.0)


def segmenter(s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int, masks: int) -> dict[str, Tensor]:
    """The outputs of a segmentation but for its prototypes."""
    task = Task("segment", masks, shown=lambda x: {"masks": x.transpose(1, 2)})
    return detector(s, xs, call, classes, task, masks=masks)


def with_prototypes(s: Scope, found: dict[str, Tensor], made: Tensor, call: HeadCall) -> dict[str, Tensor]:
    """The outputs with prototypes beside them."""
    if call.kind == "decoded":
        found["predictions"].named(s[0][0])
        made.named(s[0][1])
    return found | {"prototypes": made}


def pose_task(s: Scope, shape: Sequence[int] | None, spread: float = 2.0) -> Task:
    """Key points of `shape` [how many, values of each]. A logit of 1 is `spread` cells; 0 lies in the middle of the
    cell or, at a spread of 2, in its corner."""
    if shape is None or isinstance(shape, str):
        raise ModelError(f"{s.path}: found no kpt_shape, expected [key points, 2 or 3] in the manifest or the lists")
    count, values = shape

    def value(x: Tensor, at: Places) -> Tensor:
        x = x.unflatten(1, (count, values))
        place, stride = (t.unsqueeze(1) for t in at)
        parts = [(x[:, :, :2] * spread + (place - (spread - 1) / 2)) * stride]
        if values == 3:
            parts.append(sigmoid(x[:, :, 2:]))
        return cat(parts, 2).flatten(1, 2)

    def shown(x: Tensor) -> dict[str, Tensor]:
        return {"keypoints": x.transpose(1, 2).unflatten(2, (count, values))}

    return Task("pose", count * values, value, shown)


@head("OBB")
def obb(s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int, angles: int = 1) -> dict[str, Tensor]:
    """Boxes that are turned: by an angle from −π/4 to 3π/4 about their middle."""
    if angles != 1:
        raise ModelError(f"{s.path}: found {angles} angles a box, expected 1")
    task = Task("obb", 1, lambda x, at: (sigmoid(x) - 0.25) * math.pi, turned=True)
    return detector(s, xs, call, classes, task, angle="logit")


def detector(
    s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int, task: Task, **facts: object
) -> dict[str, Tensor]:
    """The outputs of a task. `facts` are what decoding must know of it."""
    end2end = bool(call.architecture.end2end)
    prefix = "one2one_" if end2end else ""
    if end2end:
        s.leave_modules("cv2", "cv3", "cv4")  # several boxes an object, for training
    classes = classes_of(s, f"{prefix}cv3.0.2", classes)
    bins = call.architecture.reg_max
    call.tell(s, task.name, "dfl", classes, reg_max=bins, end2end=end2end, **facts)
    made = branches(s, xs, call, classes, 0 if task.branch else task.channels, prefix)
    if task.branch:
        made = replace(made, extra=task.branch(s, xs, call, prefix))
    if call.kind == "raw":
        s.leave("dfl.conv.weight")  # the numbers of the bins, to decode with
        return call.raw(s, made.maps())
    found = [rows(maps) for maps in (made.boxes, made.scores, made.extra) if maps]
    if call.kind == "decoded":
        at = everywhere(xs, call.strides)
        boxes, scores, *extra = (x.float() for x in found)
        more = [task.value(x, at) for x in extra]
        sides = distances(s / "dfl", boxes, bins)
        if end2end and not task.turned:
            boxes = corners(sides, at)
        else:
            boxes = centred(sides, at, *(more if task.turned else []))
        y = joined([boxes, *more], *best_pairs(scores, call)) if end2end else cat((boxes, sigmoid(scores), *more), 1)
        return {"predictions": y.named(s[0])}
    logits, index, kinds = (best_pairs if end2end else best_candidates)(found[1], call)
    at = places(index, xs, call.strides)
    boxes, *extra = (index_select(x, 2, index, batch_dims=1).float() for x in (found[0], *found[2:]))
    more = [task.value(x, at) for x in extra]
    sides = distances(s / "dfl", boxes, bins)
    boxes = cat((centred(sides, at, *more), *more), 1) if task.turned else corners(sides, at)
    outputs = {"rboxes" if task.turned else "boxes": boxes.transpose(1, 2), "scores": sigmoid(logits), "classes": kinds}
    for x in more:
        outputs |= task.shown(x)
    return outputs


def best_candidates(scores: Tensor, call: HeadCall) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, numbers and classes, each (N, k), of the candidates with the best logits (N, nc, candidates), each with
    its best class. σ rises with its argument, so the best can be found before it."""
    logits, index = topk(scores.amax(1).float(), call.most(scores.net), 1)
    chosen = index_select(scores, 2, index, batch_dims=1).float()
    return logits, index, argmax(chosen, 1)


@module
def prototypes(s: Scope, x: Tensor, width: int, masks: int, call: HeadCall, learnt: bool = True) -> Tensor:
    """Masks to be added up, of twice the size of the finest level: (N, masks, 2H, 2W).

    `learnt` is whether the enlargement has weights, as it has not in YOLOv5.
    """
    x = conv_block(s / "cv1", x, width, 3, act=call.act)
    x = conv_transpose2d(s / "upsample", x, width, 2, 2) if learnt else interpolate(x, scale_factor=2)
    x = conv_block(s / "cv2", x, width, 3, act=call.act)
    return conv_block(s / "cv3", x, masks, act=call.act)
