"""Where a picture lies in a network's input, and how boxes and points get from one to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Size: TypeAlias = tuple[int, int]


class _Placed:
    """What every way of placing a picture has in common: where it lies decides how coordinates move."""

    @property
    def area(self) -> tuple[int, int, int, int]:
        """Top, left, height and width, in input pixels, of where the picture lies."""
        raise NotImplementedError

    def _sizes(self) -> tuple[Size, Size]:
        """Height and width of the picture and of the place that it has."""
        raise NotImplementedError

    def to_source(self, boxes: npt.ArrayLike) -> Floats:
        """Boxes (…, 4) x1 y1 x2 y2 from input pixels to source pixels, clipped to the picture."""
        corners = np.asarray(boxes, np.float32)
        return self.points_to_source(corners.reshape(*corners.shape[:-1], 2, 2)).reshape(corners.shape)

    def from_source(self, boxes: npt.ArrayLike) -> Floats:
        """Boxes (…, 4) x1 y1 x2 y2 from source pixels to input pixels."""
        corners = np.asarray(boxes, np.float32)
        return self.points_from_source(corners.reshape(*corners.shape[:-1], 2, 2)).reshape(corners.shape)

    def points_to_source(self, points: npt.ArrayLike, *, clip: bool = True) -> Floats:
        """Points (…, 2) x y from input pixels to source pixels; with `clip`, moved into the picture."""
        (height, width), _ = self._sizes()
        moved: Floats = (np.asarray(points, np.float32) - self._offset()) / self.ratios()
        return np.clip(moved, np.float32(0), np.array([width, height], np.float32)) if clip else moved

    def points_from_source(self, points: npt.ArrayLike) -> Floats:
        """Points (…, 2) x y from source pixels to input pixels."""
        moved: Floats = np.asarray(points, np.float32) * self.ratios() + self._offset()
        return moved

    def ratios(self) -> Floats:
        """Input pixels for a source pixel, across and down: (2,) float32."""
        (height, width), (inner_h, inner_w) = self._sizes()
        return np.array([inner_w / width, inner_h / height], np.float32)

    def _offset(self) -> Floats:
        top, left, _, _ = self.area
        return np.array([left, top], np.float32)


@dataclass(frozen=True)
class Letterbox(_Placed):
    """How a picture was placed in a network's input: all in pixels.

    ratio: input pixels per source pixel, before the sides are rounded to whole pixels. left, top: padding before the
    picture. source, size: (height, width) of the picture and of the input.
    """

    ratio: float
    left: int
    top: int
    source: Size
    size: Size

    @property
    def area(self) -> tuple[int, int, int, int]:
        """Top, left, height and width, in input pixels, of where the picture lies."""
        height, width = (max(1, round(side * self.ratio)) for side in self.source)
        return self.top, self.left, height, width

    def _sizes(self) -> tuple[Size, Size]:
        return self.source, self.area[2:]


@dataclass(frozen=True)
class Stretch(_Placed):
    """How a picture was stretched to a network's input: source and size, (height, width) of each, in pixels."""

    source: Size
    size: Size

    @property
    def area(self) -> tuple[int, int, int, int]:
        """Top, left, height and width, in input pixels, of where the picture lies: everywhere."""
        return 0, 0, *self.size

    def _sizes(self) -> tuple[Size, Size]:
        return self.source, self.size


Placement: TypeAlias = Letterbox | Stretch
