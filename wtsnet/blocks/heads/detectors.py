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
from wtsnet.ops import amax, argmax, concat, conv_transpose, cut, reshape, sigmoid, take, topk, transpose, upsample

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
    value: Callable[[Scope, Tensor, Places], Tensor] = lambda s, x, at: x
    shown: Callable[[Scope, Tensor], dict[str, Tensor]] = lambda s, x: {}
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
    task = Task("segment", masks, shown=lambda s, x: {"masks": transpose(s, x, 1, 2, suffix="masks")})
    return detector(s, xs, call, classes, task, masks=masks)


def with_prototypes(s: Scope, found: dict[str, Tensor], made: Tensor, call: HeadCall) -> dict[str, Tensor]:
    """The outputs with prototypes beside them."""
    if call.kind == "decoded":
        s.net.record(f"{s.path}[0][0]", found["predictions"])
        s.net.record(f"{s.path}[0][1]", made)
    return found | {"prototypes": made}


def pose_task(s: Scope, shape: Sequence[int] | None, spread: float = 2.0) -> Task:
    """Key points of `shape` [how many, values of each]. A logit of 1 is `spread` cells; 0 lies in the middle of the
    cell or, at a spread of 2, in its corner."""
    if shape is None or isinstance(shape, str):
        raise ModelError(f"{s.path}: found no kpt_shape, expected [key points, 2 or 3] in the manifest or the lists")
    count, values = shape

    def value(s: Scope, x: Tensor, at: Places) -> Tensor:
        n, _, candidates = x.dims
        x = reshape(s, x, (n, count, values, candidates), suffix="points")
        place, stride = (reshape(s, t, (*t.dims[:1], 1, *t.dims[1:]), suffix="point") for t in at)
        parts = [(cut(s, x, 2, 0, 2, suffix="points:xy") * spread + (place - (spread - 1) / 2)) * stride]
        if values == 3:
            parts.append(sigmoid(s, cut(s, x, 2, 2, 3, suffix="points:seen"), suffix="seen"))
        return reshape(s, concat(s, parts, 2, suffix="points:decoded"), (n, count * values, candidates), suffix="kpts")

    def shown(s: Scope, x: Tensor) -> dict[str, Tensor]:
        y = transpose(s, x, 1, 2, suffix="kpts:last")
        return {"keypoints": reshape(s, y, (*y.dims[:2], count, values), suffix="keypoints")}

    return Task("pose", count * values, value, shown)


@head("OBB")
def obb(s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int, angles: int = 1) -> dict[str, Tensor]:
    """Boxes that are turned: by an angle from −π/4 to 3π/4 about their middle."""
    if angles != 1:
        raise ModelError(f"{s.path}: found {angles} angles a box, expected 1")
    task = Task("obb", 1, lambda s, x, at: (sigmoid(s, x, suffix="angle") - 0.25) * math.pi, turned=True)
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
        return call.raw(s, made.maps(s))
    found = [rows(s, maps, name) for name, maps in vars(made).items() if maps]
    if call.kind == "decoded":
        at = everywhere(s, xs, call.strides)
        boxes, scores, *extra = (s.cast(x, "float32") for x in found)
        more = [task.value(s, x, at) for x in extra]
        sides = distances(s, boxes, bins)
        if end2end and not task.turned:
            boxes = corners(s, sides, at)
        else:
            boxes = centred(s, sides, at, *(more if task.turned else []))
        if end2end:
            y = joined(s, [boxes, *more], *best_pairs(s, scores, call))
        else:
            y = concat(s, [boxes, sigmoid(s, scores, suffix="scores:sigmoid"), *more], 1, suffix="predictions")
        return {"predictions": s.net.record(f"{s.path}[0]", y)}
    logits, index, kinds = (best_pairs if end2end else best_candidates)(s, found[1], call)
    at = places(s, index, xs, call.strides)
    chosen = (found[0], *found[2:])
    boxes, *extra = (s.cast(take(s, x, index, 2, batched=1, suffix="chosen"), "float32") for x in chosen)
    more = [task.value(s, x, at) for x in extra]
    sides = distances(s, boxes, bins)
    boxes = centred(s, sides, at, *more) if task.turned else corners(s, sides, at)
    scores = sigmoid(s, logits, suffix="scores:best")
    if task.turned:
        boxes = concat(s, [boxes, *more], 1, suffix="turned:boxes")
    outputs = {"rboxes" if task.turned else "boxes": transpose(s, boxes, 1, 2, suffix="boxes")}
    outputs |= {"scores": scores, "classes": kinds}
    for x in more:
        outputs |= task.shown(s, x)
    return outputs


def best_candidates(s: Scope, scores: Tensor, call: HeadCall) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, numbers and classes, each (N, k), of the candidates with the best logits (N, nc, candidates), each with
    its best class. σ rises with its argument, so the best can be found before it."""
    best = s.cast(amax(s, scores, 1, suffix="best"), "float32")
    logits, index = topk(s, best, call.most(s.net), 1, suffix="topk")
    chosen = s.cast(take(s, scores, index, 2, batched=1, suffix="chosen"), "float32")
    return logits, index, argmax(s, chosen, 1, suffix="classes")


def prototypes(s: Scope, x: Tensor, width: int, masks: int, call: HeadCall, learnt: bool = True) -> Tensor:
    """Masks to be added up, of twice the size of the finest level: (N, masks, 2H, 2W).

    `learnt` is whether the enlargement has weights, as it has not in YOLOv5.
    """
    x = conv_block(s / "cv1", x, width, 3, act=call.act)
    x = conv_transpose(s / "upsample", x, width, 2, 2) if learnt else upsample(s / "upsample", x, 2)
    x = conv_block(s / "cv2", x, width, 3, act=call.act)
    return s.net.record(s.path, conv_block(s / "cv3", x, masks, act=call.act))
