"""Non-maximum suppression: of boxes that overlap, only the best-scored one stays."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from wtsnet.errors import ModelError, RunnerError

Indices: TypeAlias = npt.NDArray[np.intp]
_Array: TypeAlias = npt.NDArray[Any]

CLASS_STEP = 7680.0  # pixels between the classes' planes in `batched_nms`, as YOLOv5 has it
_BLOCK = 256  # candidates judged at a time: small enough to stop early, large enough to be vectorised


def nms(boxes: npt.ArrayLike, scores: npt.ArrayLike, iou: float, *, max_det: int | None = None) -> Indices:
    """Greedy suppression over all boxes, whatever their class.

    From the best score down, a box stays unless its intersection over union with one that stayed is above
    `iou`. Of equal scores the lower index goes first. A box without area has no overlap with anything, so it
    stays. The arithmetic is in the boxes' precision (at least float32), in torchvision's order of operations.

    Args:
        boxes: (n, 4), x1 y1 x2 y2.
        scores: (n,).
        iou: threshold from 0 to 1.
        max_det: stop after so many; None keeps all.

    Returns:
        The indices of the boxes that stay, best score first.

    Raises:
        ModelError: an `iou` outside 0…1 or a `max_det` below 1.
        RunnerError: arrays of other shapes, or with NaN or infinite values.
    """
    boxes, scores = _checked(boxes, scores)
    if not 0 <= iou <= 1:
        raise ModelError(f"iou is {iou!r}, expected a number from 0 to 1")
    if max_det is not None and max_det < 1:
        raise ModelError(f"max_det is {max_det!r}, expected a whole number of 1 or more")
    order = np.argsort(-scores, kind="stable")
    # One row a coordinate, so that each operation runs over contiguous memory.
    corners = np.ascontiguousarray(boxes[order].T)
    limit = len(order) if max_det is None else max_det
    kept = np.empty(0, np.intp)
    for start in range(0, len(order), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(order)))
        block = block[~_overlaps(corners[:, kept], corners[:, block], iou).any(axis=0)]
        kept = np.concatenate([kept, block[_greedy(_overlaps(corners[:, block], corners[:, block], iou))]])
        if len(kept) >= limit:
            break
    return order[kept[:limit]]


def batched_nms(
    boxes: npt.ArrayLike,
    scores: npt.ArrayLike,
    classes: npt.ArrayLike,
    iou: float,
    *,
    max_det: int | None = None,
) -> Indices:
    """`nms` in which only boxes of the same class suppress each other.

    Each class is shifted to a plane of its own, 7680 pixels further than the one before (further still when
    the boxes spread wider), and one pass is made over all. This is YOLOv5's way, rounding included: float32
    resolves 1/16 pixel at class 79, so an overlap close to `iou` is judged as YOLOv5 judges it, not exactly.

    Args and errors as for `nms`, and classes (n,), whole numbers.
    """
    boxes, scores = _checked(boxes, scores)
    labels = np.asarray(classes)
    if labels.shape != scores.shape:
        raise RunnerError(f"classes have shape {labels.shape}, expected {scores.shape}, one a box")
    spread = float(boxes.max() - boxes.min()) + 1 if len(boxes) else 0.0
    planes = labels.astype(boxes.dtype) * boxes.dtype.type(max(CLASS_STEP, spread))
    return nms(boxes + planes[:, None], scores, iou, max_det=max_det)


def _checked(boxes: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[_Array, _Array]:
    boxes, scores = np.asarray(boxes), np.asarray(scores)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise RunnerError(f"boxes have shape {boxes.shape}, expected (n, 4)")
    if scores.shape != boxes.shape[:1]:
        raise RunnerError(f"scores have shape {scores.shape}, expected {boxes.shape[:1]}, one a box")
    boxes = boxes.astype(np.result_type(boxes, np.float32), copy=False)
    scores = scores.astype(np.result_type(scores, np.float32), copy=False)
    broken = np.count_nonzero(~(np.isfinite(boxes).all(axis=1) & np.isfinite(scores)))
    if broken:
        raise RunnerError(f"{broken} of {len(boxes)} boxes or scores are NaN or infinite")
    return boxes, scores


def _overlaps(first: _Array, second: _Array, iou: float) -> npt.NDArray[np.bool_]:
    # first (4, n) against second (4, m): (n, m), where the intersection over union is above `iou`.
    intersection = _shared(first[0], first[2], second[0], second[2])
    intersection *= _shared(first[1], first[3], second[1], second[3])
    with np.errstate(invalid="ignore", over="ignore"):  # 0/0, of boxes without area, is NaN: no overlap
        union = _areas(first)[:, None] + _areas(second)
        union -= intersection
        intersection /= union
    above: npt.NDArray[np.bool_] = intersection > _round_down(iou, intersection.dtype)
    return above


def _shared(low: _Array, high: _Array, other_low: _Array, other_high: _Array) -> _Array:
    # The length that two intervals have in common: (n,) and (m,) to (n, m).
    length: _Array = np.minimum(high[:, None], other_high)
    length -= np.maximum(low[:, None], other_low)
    return np.maximum(length, 0, out=length)


def _areas(corners: _Array) -> _Array:
    areas: _Array = (corners[2] - corners[0]) * (corners[3] - corners[1])
    return areas


def _round_down(value: float, dtype: np.dtype[Any]) -> Any:
    # The largest number of `dtype` up to `value`: comparing with it is comparing with the exact `value`.
    rounded = dtype.type(value)
    return np.nextafter(rounded, dtype.type(-1)) if float(rounded) > value else rounded


def _greedy(overlaps: npt.NDArray[np.bool_]) -> Indices:
    # overlaps (n, n) among boxes in score order. One turn for each box that stays.
    apart = ~overlaps
    alive = np.ones(len(overlaps), bool)
    kept = []
    while alive.any():
        best = int(alive.argmax())
        kept.append(best)
        alive &= apart[best]
        alive[best] = False
    return np.array(kept, np.intp)
