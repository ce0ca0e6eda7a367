"""Candidates: what a detector offers for a picture, and the choice of those that count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from wtsnet.decode.nms import batched_nms, nms
from wtsnet.decode.rotated_nms import rotated_nms
from wtsnet.errors import ModelError, RunnerError

Floats: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]

MAX_NMS = 30000  # candidates of one picture that suppression looks at, the best-scored ones, as upstream has it


@dataclass(frozen=True)
class Choice:
    """Which candidates count.

    conf: those that score above this.
    iou: of two that overlap by more than this, the better; None where nothing is to be suppressed.
    max_det: at most so many a picture.
    classes: only these classes; None for all.
    agnostic: those of different classes suppress each other, too.
    multi_label: a box may have several classes: each one above `conf`, not only the best.

    Raises:
        ModelError: a value that it can't take.
    """

    conf: float = 0.25
    iou: float | None = 0.45
    max_det: int = 300
    classes: Sequence[int] | None = None
    agnostic: bool = False
    multi_label: bool = False

    def __post_init__(self) -> None:
        for name, value in (("conf", self.conf), ("iou", 0 if self.iou is None else self.iou)):
            if not 0 <= value <= 1:
                raise ModelError(f"{name} is {value!r}, expected a number from 0 to 1")
        if self.max_det < 1:
            raise ModelError(f"max_det is {self.max_det!r}, expected a whole number of 1 or more")
        if self.classes is not None and any(index < 0 for index in self.classes):
            raise ModelError(f"classes are {list(self.classes)!r}, expected class indices of 0 or more")


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates of one picture.

    boxes: (n, 4) x1 y1 x2 y2, or turned ones (n, 5) x y w h angle, in input pixels. scores: (n,). classes: (n,).
    extra: (n, m), what the task adds: coefficients of masks, or key points.
    """

    boxes: Floats
    scores: Floats
    classes: Integers
    extra: Floats

    def take(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Candidates:
        """These of them."""
        return Candidates(self.boxes[index], self.scores[index], self.classes[index], self.extra[index])


def scored(
    boxes: Floats, scores: Floats, extra: Floats, conf: float, multi_label: bool = False, *, centred: bool = True
) -> Candidates:
    """Candidates of boxes, each with its best class, or with `multi_label` each class, if it scores above `conf`.

    Args:
        boxes: (n, 4), with `centred` as x y w h, or turned ones (n, 5).
        scores: (n, classes).
        extra: (n, m).
    """
    if multi_label:
        row, label = np.nonzero(scores > conf)
    else:
        label = scores.argmax(axis=1)
        row = np.flatnonzero(scores[np.arange(len(scores)), label] > conf)
        label = label[row]
    boxes = boxes[row]
    if centred and boxes.shape[1] == 4:
        boxes = corners_of(boxes)
    return Candidates(boxes, scores[row, label], label.astype(np.int64), extra[row])


def candidates_from_topk(
    boxes: npt.ArrayLike,
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    conf: float,
    extra: npt.ArrayLike | None = None,
    *,
    rotated: bool = False,
) -> list[Candidates]:
    """For each picture the candidates that score above `conf`, of those that the network itself chose.

    Args:
        boxes: (N, K, 4), x1 y1 x2 y2 in input pixels; with `rotated` (N, K, 5), x y w h angle.
        scores: (N, K).
        labels: (N, K), the class of each box.
        extra: (N, K, …), what the task adds.

    Raises:
        RunnerError: arrays of other shapes; scores that are NaN.
    """
    arrays = np.asarray(boxes, np.float32), np.asarray(scores, np.float32), np.asarray(labels, np.int64)
    shapes = [array.shape for array in arrays]
    sides = 5 if rotated else 4
    if len(shapes[0]) != 3 or shapes[0][2] != sides or not shapes[0][:2] == shapes[1] == shapes[2]:
        raise RunnerError(
            f"boxes, scores and labels have shapes {shapes[0]}, {shapes[1]} and {shapes[2]}, "
            f"expected (N, K, {sides}), (N, K) and (N, K)"
        )
    more = np.empty((*shapes[1], 0), np.float32) if extra is None else np.asarray(extra, np.float32)
    if more.shape[:2] != shapes[1]:
        count, most = shapes[1]
        raise RunnerError(f"what is added to the boxes has shape {more.shape}, expected ({count}, {most}, …)")
    check_scores(arrays[1])
    pictures = zip(*arrays, more.reshape(*shapes[1], prod(more.shape[2:])), strict=True)
    return [Candidates(*picture).take(picture[1] > conf) for picture in pictures]


def candidates_from_final(predictions: npt.ArrayLike, conf: float, *, rotated: bool = False) -> list[Candidates]:
    """The same of one array, as upstream's NMS-free detectors give it.

    Args:
        predictions: (N, K, 6 + m), x1 y1 x2 y2 in input pixels, score, class, what the task adds; with `rotated`
            x y w h, score, class, angle.

    Raises:
        RunnerError: an array of another shape; scores that are NaN.
    """
    array = np.asarray(predictions, np.float32)
    if array.ndim != 3 or (array.shape[2] != 7 if rotated else array.shape[2] < 6):
        raise RunnerError(f"predictions have shape {array.shape}, expected (N, K, {'7' if rotated else '6 + …'})")
    scores, labels = array[..., 4], array[..., 5]
    if rotated:
        return candidates_from_topk(array[..., [0, 1, 2, 3, 6]], scores, labels, conf, rotated=True)
    return candidates_from_topk(array[..., :4], scores, labels, conf, array[..., 6:])


def select(found: Candidates, choice: Choice) -> Candidates:
    """Those of one picture that count, best score first; of equal scores the first. `choice.conf` has been minded.

    Raises:
        RunnerError: boxes that are not finite, where something is to be suppressed.
    """
    if choice.classes is not None:
        found = found.take(np.isin(found.classes, np.asarray(choice.classes, np.int64)))
    found = found.take(np.argsort(-found.scores, kind="stable")[:MAX_NMS])
    if choice.iou is None:
        return found.take(np.arange(min(len(found.scores), choice.max_det)))
    boxes, scores, most = found.boxes, found.scores, choice.max_det
    if boxes.shape[1] == 5:
        classes = np.zeros_like(found.classes) if choice.agnostic else found.classes
        return found.take(rotated_nms(boxes, scores, classes, choice.iou, max_det=most))
    if choice.agnostic:
        return found.take(nms(boxes, scores, choice.iou, max_det=most))
    return found.take(batched_nms(boxes, scores, found.classes, choice.iou, max_det=most))


def corners_of(boxes: Floats) -> Floats:
    """x1 y1 x2 y2 of boxes (n, 4) given as x y w h."""
    centre, half = boxes[:, :2], boxes[:, 2:4] / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def check_scores(scores: Floats) -> None:
    """
    Raises:
        RunnerError: one is NaN. It is above no threshold: a network that overflowed would just find nothing.
    """
    if broken := np.count_nonzero(np.isnan(scores)):
        raise RunnerError(f"{broken} of {scores.size} scores are NaN: the network's weights or precision are at fault")
