"""Where a picture lies in a network's input, and how boxes get from one to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Letterbox:
    """How a picture was placed in a network's input: all in pixels.

    ratio: input pixels per source pixel. left, top: padding before the picture. source, size: (height, width)
    of the picture and of the input.
    """

    ratio: float
    left: int
    top: int
    source: tuple[int, int]
    size: tuple[int, int]

    def to_source(self, boxes: npt.ArrayLike) -> Floats:
        """Boxes (…, 4) x1 y1 x2 y2 from input pixels to source pixels, clipped to the picture."""
        height, width = self.source
        moved = (np.asarray(boxes, np.float32) - self._offset()) / np.float32(self.ratio)
        clipped: Floats = np.clip(moved, np.float32(0), np.array([width, height] * 2, np.float32))
        return clipped

    def from_source(self, boxes: npt.ArrayLike) -> Floats:
        """Boxes (…, 4) x1 y1 x2 y2 from source pixels to input pixels."""
        moved: Floats = np.asarray(boxes, np.float32) * np.float32(self.ratio) + self._offset()
        return moved

    def _offset(self) -> Floats:
        return np.array([self.left, self.top] * 2, np.float32)


@dataclass(frozen=True)
class Stretch:
    """How a picture was stretched to a network's input: source and size, (height, width) of each, in pixels."""

    source: tuple[int, int]
    size: tuple[int, int]

    def to_source(self, boxes: npt.ArrayLike) -> Floats:
        """Boxes (…, 4) x1 y1 x2 y2 from input pixels to source pixels, clipped to the picture."""
        height, width = self.source
        moved = np.asarray(boxes, np.float32) / self._ratios()
        clipped: Floats = np.clip(moved, np.float32(0), np.array([width, height] * 2, np.float32))
        return clipped

    def from_source(self, boxes: npt.ArrayLike) -> Floats:
        """Boxes (…, 4) x1 y1 x2 y2 from source pixels to input pixels."""
        moved: Floats = np.asarray(boxes, np.float32) * self._ratios()
        return moved

    def _ratios(self) -> Floats:
        vertical, horizontal = (size / source for size, source in zip(self.size, self.source, strict=True))
        return np.array([horizontal, vertical] * 2, np.float32)


Placement: TypeAlias = Letterbox | Stretch
