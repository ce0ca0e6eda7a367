"""Boxes: from a detector's output arrays to `Detections`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from wtsnet.decode.nms import batched_nms, nms
from wtsnet.errors import ModelError, RunnerError

if TYPE_CHECKING:
    from wtsnet.placement import Placement

Floats: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]

MAX_NMS = 30000  # candidates of one picture that suppression looks at, the best-scored ones, as YOLOv5 has it


@dataclass(frozen=True)
class Detection:
    """One found object: its box x1 y1 x2 y2 in pixels, its score from 0 to 1, its class's index."""

    box: tuple[float, float, float, float]
    score: float
    index: int


@dataclass(frozen=True, eq=False)
class Detections:
    """The objects found in one picture.

    boxes: (n, 4) float32, x1 y1 x2 y2 in pixels. scores: (n,) float32. classes: (n,) int64.
    Iterating gives each `Detection`, best score first.

    Raises:
        RunnerError: arrays of other shapes.
    """

    boxes: Floats
    scores: Floats
    classes: Integers

    def __post_init__(self) -> None:
        count = len(self.boxes)
        for name, shape in (("boxes", (count, 4)), ("scores", (count,)), ("classes", (count,))):
            got = getattr(self, name).shape
            if got != shape:
                raise RunnerError(f"{name} of {count} detections have shape {got}, expected {shape}")

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[Detection]:
        for i in np.argsort(-self.scores, kind="stable"):
            x1, y1, x2, y2 = self.boxes[i].tolist()
            yield Detection((x1, y1, x2, y2), float(self.scores[i]), int(self.classes[i]))

    def to_source(self, place: Placement) -> Detections:
        """The same objects in the pixels of the picture that was placed, clipped to it."""
        return Detections(place.to_source(self.boxes), self.scores, self.classes)


def yolov5_raw(levels: Sequence[npt.ArrayLike], anchors: npt.ArrayLike, strides: Sequence[float]) -> Floats:
    """Decode YOLOv5's raw head outputs (v6 and v7 formula, https://github.com/ultralytics/yolov5/issues/471).

    With s the sigmoid: centre = (2s - 0.5 + cell) · stride, size = (2s)² · anchor.

    Args:
        levels: one array a level, (N, A·(5 + nc), H, W): logits of x y w h, objectness, classes.
        anchors: (levels, A, 2), width and height in input pixels.
        strides: input pixels a cell, by level.

    Returns:
        (N, candidates, 5 + nc): x y w h in input pixels, objectness, class scores; candidates in the order
        (level, anchor, row, column).

    Raises:
        RunnerError: arrays that do not fit each other.
    """
    arrays = [np.asarray(level, np.float32) for level in levels]
    sizes = np.asarray(anchors, np.float32)
    if sizes.ndim != 3 or sizes.shape[2] != 2 or not 0 < len(sizes) == len(arrays) == len(strides):
        raise RunnerError(
            f"got {len(arrays)} levels, anchors of shape {sizes.shape} and {len(strides)} strides, "
            "expected as many of each, anchors as (levels, A, 2)"
        )
    per_anchor = sizes.shape[1]
    for array in arrays:
        if array.ndim != 4 or array.shape[1] % per_anchor or array.shape[1] < 6 * per_anchor:
            raise RunnerError(f"a level has shape {array.shape}, expected (N, A·(5 + nc), H, W) with A = {per_anchor}")
        if (array.shape[0], array.shape[1]) != arrays[0].shape[:2]:
            raise RunnerError(f"levels have shapes {[a.shape for a in arrays]}, expected one N and one A·(5 + nc)")
    return np.concatenate(list(map(_decode_level, arrays, sizes, strides)), axis=1)


def _decode_level(level: Floats, anchors: Floats, stride: float) -> Floats:
    n, channels, height, width = level.shape
    with np.errstate(over="ignore"):  # exp of a large number is infinite and the sigmoid then 0, as it should be
        y: Floats = np.reciprocal(1 + np.exp(-level.reshape(n, len(anchors), -1, height, width)))
    y = np.ascontiguousarray(np.moveaxis(y, 2, -1))  # (N, A, H, W, 5 + nc)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    y[..., :2] = (y[..., :2] * 2 - np.float32(0.5) + np.stack([columns, rows], axis=-1)) * np.float32(stride)
    y[..., 2:4] = (y[..., 2:4] * 2) ** 2 * anchors[:, None, None]
    return y.reshape(n, -1, channels // len(anchors))


def detections_from_predictions(
    predictions: npt.ArrayLike,
    *,
    conf: float = 0.25,
    iou: float = 0.45,
    max_det: int = 300,
    classes: Sequence[int] | None = None,
    agnostic: bool = False,
    multi_label: bool = False,
) -> list[Detections]:
    """Select the objects from all candidates, as YOLOv5's non-maximum suppression does.

    A candidate whose objectness is above `conf` gives an object of its best class, or with `multi_label` of
    each class, where objectness × class score is above `conf`. Of these the best 30,000 go through NMS.

    Args:
        predictions: (N, candidates, 5 + nc), x y w h in input pixels, objectness, class scores.
        conf: objects score above this.
        iou: of two overlapping by more than this, the better stays.
        max_det: at most so many objects a picture.
        classes: only these classes; None for all.
        agnostic: objects of different classes suppress each other, too.
        multi_label: a box may have several classes.

    Returns:
        For each of the N pictures its objects, best score first, in input pixels.

    Raises:
        ModelError: an option with a value that it can't take.
        RunnerError: an array of another shape; scores that are NaN, or boxes that are not finite.
    """
    array = np.asarray(predictions, np.float32)
    if array.ndim != 3 or array.shape[2] < 6:
        raise RunnerError(f"predictions have shape {array.shape}, expected (N, candidates, 5 + classes)")
    _check_options(conf, iou, max_det, classes)
    found = []
    for picture in array:
        _check_scores(picture[:, 4:])
        rows = picture[picture[:, 4] > conf]
        scores = rows[:, 5:] * rows[:, 4:5]
        if multi_label:
            row, label = np.nonzero(scores > conf)
        else:
            label = scores.argmax(axis=1)
            row = np.flatnonzero(scores[np.arange(len(rows)), label] > conf)
            label = label[row]
        centre, half = rows[row, :2], rows[row, 2:4] / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1)
        found.append(_select(boxes, scores[row, label], label, iou, max_det, classes, agnostic))
    return found


def detections_from_topk(
    boxes: npt.ArrayLike,
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    conf: float = 0.25,
    iou: float = 0.45,
    max_det: int = 300,
    classes: Sequence[int] | None = None,
    agnostic: bool = False,
) -> list[Detections]:
    """Select the objects from the best candidates, which the network itself chose.

    Args:
        boxes: (N, K, 4), x1 y1 x2 y2 in input pixels.
        scores: (N, K).
        labels: (N, K), the class of each box.
        conf, iou, max_det, classes, agnostic: as for `detections_from_predictions`.

    Returns and errors as for `detections_from_predictions`.
    """
    arrays = np.asarray(boxes, np.float32), np.asarray(scores, np.float32), np.asarray(labels, np.int64)
    shapes = [array.shape for array in arrays]
    if len(shapes[0]) != 3 or shapes[0][2] != 4 or not shapes[0][:2] == shapes[1] == shapes[2]:
        raise RunnerError(
            f"boxes, scores and labels have shapes {shapes[0]}, {shapes[1]} and {shapes[2]}, "
            "expected (N, K, 4), (N, K) and (N, K)"
        )
    _check_options(conf, iou, max_det, classes)
    found = []
    for box, score, label in zip(*arrays, strict=True):
        _check_scores(score)
        chosen = score > conf
        found.append(_select(box[chosen], score[chosen], label[chosen], iou, max_det, classes, agnostic))
    return found


def _select(
    boxes: Floats,
    scores: Floats,
    labels: Integers,
    iou: float,
    max_det: int,
    classes: Sequence[int] | None,
    agnostic: bool,
) -> Detections:
    if classes is not None:
        wanted = np.isin(labels, np.asarray(classes, np.int64))
        boxes, scores, labels = boxes[wanted], scores[wanted], labels[wanted]
    best = np.argsort(-scores, kind="stable")[:MAX_NMS]
    boxes, scores, labels = boxes[best], scores[best], labels[best]
    if agnostic:
        kept = nms(boxes, scores, iou, max_det=max_det)
    else:
        kept = batched_nms(boxes, scores, labels, iou, max_det=max_det)
    return Detections(boxes[kept], scores[kept], labels[kept].astype(np.int64))


def _check_options(conf: float, iou: float, max_det: int, classes: Sequence[int] | None) -> None:
    for name, value in (("conf", conf), ("iou", iou)):
        if not 0 <= value <= 1:
            raise ModelError(f"{name} is {value!r}, expected a number from 0 to 1")
    if max_det < 1:
        raise ModelError(f"max_det is {max_det!r}, expected a whole number of 1 or more")
    if classes is not None and any(index < 0 for index in classes):
        raise ModelError(f"classes are {list(classes)!r}, expected class indices of 0 or more")


def _check_scores(scores: Floats) -> None:
    # A NaN is above no threshold: without this, a network that overflowed would just find nothing.
    broken = np.count_nonzero(np.isnan(scores))
    if broken:
        raise RunnerError(f"{broken} of {scores.size} scores are NaN: the network's weights or precision are at fault")
