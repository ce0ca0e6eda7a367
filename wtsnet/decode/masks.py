"""Instance masks: from a box's coefficients and a network's prototypes to the pixels of each object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import lcm
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from wtsnet.decode.boxes import Detections
from wtsnet.errors import RunnerError

if TYPE_CHECKING:
    from wtsnet.pictures import Placement

Floats: TypeAlias = npt.NDArray[np.float32]
Size: TypeAlias = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Instances(Detections):
    """The objects found in one picture, with the pixels of each.

    masks: (n, H, W) bool, H and W being the picture's.

    Raises:
        RunnerError: arrays of other shapes.
    """

    masks: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.masks.ndim != 3 or len(self.masks) != len(self.boxes):
            raise RunnerError(f"masks of {len(self)} detections have shape {self.masks.shape}, expected (n, H, W)")

    def to_source(self, place: Placement) -> Instances:
        """The same objects in the pixels of the picture that was placed; of a mask, the nearest pixels."""
        top, left, _, _ = place.area
        across, down = place.ratios()
        # The middle of each source pixel lies in one pixel of the input.
        rows = (top + (np.arange(place.source[0]) + 0.5) * down).astype(np.intp)
        columns = (left + (np.arange(place.source[1]) + 0.5) * across).astype(np.intp)
        masks = self.masks[:, rows[:, None], columns]
        return replace(self, boxes=place.to_source(self.boxes), masks=masks)


def instances(
    found: Detections, coefficients: npt.ArrayLike, prototypes: npt.ArrayLike, size: Size, place: Placement | None
) -> Instances:
    """The mask of each object: σ(coefficients · prototypes) > ½ within its box (Bolya et al. 2019, "YOLACT").

    The logits are scaled up to the picture's pixels, bilinearly between pixel centres, and cut off at 0 and at the box
    there: ultralytics' `process_mask_native`, its "retina masks". It cuts the padding off where that is on whole
    pixels, for which the prototypes may have to be scaled up before. An object of no pixel is left out, as there.

    Args:
        found: with boxes in input pixels.
        coefficients: (n, m).
        prototypes: (m, h, w), over the whole input.
        size: height and width of the input, multiples of the prototypes'.
        place: where the picture lies in it; None where it fills it, and the masks are wanted in input pixels.

    Returns:
        Boxes and masks in source pixels.

    Raises:
        RunnerError: arrays that do not fit each other; logits that are NaN.
    """
    weights, planes = np.asarray(coefficients, np.float32), np.asarray(prototypes, np.float32)
    if planes.ndim != 3 or weights.shape != (len(found), len(planes)):
        raise RunnerError(
            f"coefficients and prototypes have shapes {weights.shape} and {planes.shape}, "
            f"expected ({len(found)}, m) and (m, h, w)"
        )
    if 0 in planes.shape or any(whole % part for whole, part in zip(size, planes.shape[1:], strict=True)):
        raise RunnerError(f"prototypes have shape {planes.shape}, which an input of {size} is no multiple of")
    source = size if place is None else place.source
    boxes = found.boxes if place is None else place.to_source(found.boxes)
    top, left, height, width = (0, 0, *size) if place is None else place.area
    steps = size[0] // planes.shape[1], size[1] // planes.shape[2]
    finer = _finer(steps, ((top, top + height), (left, left + width)))
    down = _scaling(planes.shape[1], steps[0], finer, top, height, source[0])
    across = _scaling(planes.shape[2], steps[1], finer, left, width, source[1])
    logits = (weights @ planes.reshape(len(planes), -1)).reshape(-1, *planes.shape[1:])
    if broken := np.count_nonzero(np.isnan(logits)):
        raise RunnerError(f"{broken} of {logits.size} logits are NaN: the network's weights or precision are at fault")
    masks = np.zeros((len(found), *source), bool)
    for mask, plane, box in zip(masks, logits, np.ceil(boxes).clip(0).astype(int), strict=True):
        # Pixels count whose left and upper side is within the box; only these are reckoned.
        rows, columns = slice(box[1], box[3]), slice(box[0], box[2])
        mask[rows, columns] = _inside(plane, down[rows], across[columns])
    seen = masks.any(axis=(1, 2))
    return Instances(boxes[seen], found.scores[seen], found.classes[seen], masks if seen.all() else masks[seen])


def _inside(plane: Floats, down: Floats, across: Floats) -> npt.NDArray[np.bool_]:
    """Where down · plane · acrossᵀ is above 0, without the rows and columns of the plane that have no part in it."""
    rows, columns = (np.flatnonzero(part.any(axis=0)) for part in (down, across))
    if not len(rows) or not len(columns):
        return np.zeros((len(down), len(across)), bool)
    own = np.s_[rows[0] : rows[-1] + 1], np.s_[columns[0] : columns[-1] + 1]
    scaled: Floats = down[:, own[0]] @ plane[own] @ across[:, own[1]].T
    return scaled > 0


def _finer(steps: tuple[int, int], edges: tuple[tuple[int, int], tuple[int, int]]) -> int:
    """The smallest whole number by which the prototypes are scaled up so that all edges lie between their pixels."""

    def whole(factor: int) -> bool:
        return all(edge * factor % step == 0 for step, own in zip(steps, edges, strict=True) for edge in own)

    return next(filter(whole, range(1, lcm(*steps) + 1)))


def _scaling(count: int, step: int, finer: int, first: int, length: int, wanted: int) -> Floats:
    """The weights (wanted, count) with which `count` pixels make `wanted`: they are scaled up by `finer`, then of these
    the ones from `first` on over `length`, in input pixels of which a pixel is `step`, are scaled to `wanted`."""
    fine = _scaled(np.eye(count, dtype=np.float32), count * finer)
    return _scaled(fine[first * finer // step : (first + length) * finer // step], wanted)


def _scaled(rows: Floats, wanted: int) -> Floats:
    """Rows (n, m) scaled to (wanted, m), bilinearly between their centres."""
    count = len(rows)
    centres = np.clip((np.arange(wanted) + 0.5) * (count / wanted) - 0.5, 0, count - 1)
    before = centres.astype(np.intp)
    share = (centres - before).astype(np.float32)[:, None]
    blended: Floats = rows[before] * (1 - share) + rows[np.minimum(before + 1, count - 1)] * share
    return blended
