"""Semantic segmentation: from a network's output array to a class for each pixel of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from wtsnet.errors import RunnerError

Floats: TypeAlias = npt.NDArray[np.float32]
Size: TypeAlias = tuple[int, int]

_AT_ONCE = 1 << 22  # logits that are scaled up at one time


@dataclass(frozen=True, eq=False)
class ClassMap:
    """The class of each pixel of one picture: (height, width) int32.

    Raises:
        RunnerError: an array of another shape.
    """

    classes: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        if self.classes.ndim != 2 or 0 in self.classes.shape:
            raise RunnerError(f"a map of classes has shape {self.classes.shape}, expected (height, width)")

    def shares(self) -> dict[int, float]:
        """Of each class that is in the picture, how much of it it covers, from 0 to 1, the largest first."""
        found, counts = np.unique(self.classes, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return {int(found[i]): float(counts[i] / self.classes.size) for i in order}


def maps_from_logits(logits: npt.ArrayLike, sizes: Sequence[Size]) -> list[ClassMap]:
    """The best class of each pixel, the logits being scaled up bilinearly between pixel centres, as upstream does.

    Args:
        logits: (N, classes, h, w). Where there is one, a pixel's class is 1 if the sigmoid of it is above ½, else 0.
        sizes: the height and width in pixels that each of the N maps is wanted in: those of the picture, where it was
            stretched to the network's input.

    Raises:
        RunnerError: an array of another shape, or with NaN; not as many sizes as maps.
    """
    values = np.asarray(logits, np.float32)
    if values.ndim != 4 or 0 in values.shape:
        raise RunnerError(f"logits have shape {values.shape}, expected (N, classes, height, width)")
    _check_sizes(sizes, len(values))
    if broken := np.count_nonzero(np.isnan(values)):
        raise RunnerError(f"{broken} of {values.size} logits are NaN: the network's weights or precision are at fault")
    return [ClassMap(_best(picture, size)) for picture, size in zip(values, sizes, strict=True)]


def maps_from_classes(classes: npt.ArrayLike, sizes: Sequence[Size]) -> list[ClassMap]:
    """Maps of classes (N, h, w), which the network itself chose, in other sizes: a pixel has the class of the nearest.

    Raises:
        RunnerError: an array of another shape; not as many sizes as maps.
    """
    maps = np.asarray(classes)
    if maps.ndim != 3 or 0 in maps.shape or maps.dtype.kind not in "iu":
        raise RunnerError(f"classes have shape {maps.shape} of {maps.dtype}, expected (N, height, width) of integers")
    _check_sizes(sizes, len(maps))
    made = []
    for picture, size in zip(maps, sizes, strict=True):
        rows, columns = (
            ((np.arange(wanted) + 0.5) * (count / wanted)).astype(np.intp)
            for wanted, count in zip(size, picture.shape, strict=True)
        )
        made.append(ClassMap(np.ascontiguousarray(picture[rows[:, None], columns], np.int32)))
    return made


def _check_sizes(sizes: Sequence[Size], count: int) -> None:
    if len(sizes) != count:
        raise RunnerError(f"found {len(sizes)} sizes, expected one for each of {count} maps")


def _best(logits: Floats, size: Size) -> npt.NDArray[np.int32]:
    """The best class of each pixel, some rows at a time: all logits of a large picture would fill the memory."""
    above, below, down = _taps(logits.shape[1], size[0])
    before, after, across = _taps(logits.shape[2], size[1])
    best = np.empty(size, np.int32)
    step = max(1, _AT_ONCE // (len(logits) * size[1]))
    for start in range(0, size[0], step):
        rows = slice(start, start + step)
        blended = _blend(logits[:, above[rows]], logits[:, below[rows]], down[rows, None])
        scaled = _blend(blended[..., before], blended[..., after], across)
        best[rows] = scaled.argmax(axis=0) if len(scaled) > 1 else scaled[0] > 0
    return best


def _taps(count: int, wanted: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    """For each wanted pixel: the pixels before and after its centre, and how far it is past the first."""
    centres = np.clip((np.arange(wanted) + 0.5) * (count / wanted) - 0.5, 0, count - 1)
    first = centres.astype(np.intp)
    return first, np.minimum(first + 1, count - 1), (centres - first).astype(np.float32)


def _blend(first: Floats, second: Floats, share: Floats) -> Floats:
    blended: Floats = first + (second - first) * share
    return blended
