"""Turned boxes: objects that lie at an angle, as in pictures from above."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from wtsnet.errors import RunnerError
from wtsnet.pictures import Letterbox

if TYPE_CHECKING:
    from wtsnet.pictures import Placement

Floats: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RotatedDetection:
    """One found object: its box x y w h angle in pixels and radians, its score from 0 to 1, its class's index."""

    box: tuple[float, float, float, float, float]
    score: float
    index: int


@dataclass(frozen=True, eq=False)
class RotatedDetections:
    """The objects found in one picture, with turned boxes.

    boxes: (n, 5) float32: the middle's x y, sides w h, and the angle from the picture's x to w, toward y; pixels and
    radians. scores: (n,) float32. classes: (n,) int64. Iterating gives each `RotatedDetection`, best score first.

    Raises:
        RunnerError: arrays of other shapes.
    """

    boxes: Floats
    scores: Floats
    classes: Integers

    def __post_init__(self) -> None:
        count = len(self.boxes)
        for name, shape in (("boxes", (count, 5)), ("scores", (count,)), ("classes", (count,))):
            got = getattr(self, name).shape
            if got != shape:
                raise RunnerError(f"{name} of {count} turned detections have shape {got}, expected {shape}")

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[RotatedDetection]:
        for i in np.argsort(-self.scores, kind="stable"):
            x, y, width, height, angle = self.boxes[i].tolist()
            yield RotatedDetection((x, y, width, height, angle), float(self.scores[i]), int(self.classes[i]))

    def corners(self) -> Floats:
        """The corners of each box, (n, 4, 2) x y: those at (w, h), (w, −h), (−w, −h), (−w, h) from its middle."""
        angle = self.boxes[:, 4:]
        along = self.boxes[:, 2:3] / 2 * np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
        across = self.boxes[:, 3:4] / 2 * np.concatenate([-np.sin(angle), np.cos(angle)], axis=1)
        offsets = np.stack([along + across, along - across, -along - across, across - along], axis=1)
        corners: Floats = self.boxes[:, None, :2] + offsets
        return corners

    def to_source(self, place: Placement) -> RotatedDetections:
        """The same objects in the pixels of the picture that was placed. A box may reach out of it.

        Sides are divided by the ratios across and down, whatever the angle, as upstream does; they differ by as much
        as the picture's sides were rounded.

        Raises:
            RunnerError: the picture was stretched: a turned box would be none any more.
        """
        if not isinstance(place, Letterbox):
            raise RunnerError("turned boxes can't be taken back to a picture that was stretched")
        middles = place.points_to_source(self.boxes[:, :2], clip=False)
        boxes = np.concatenate([middles, self.boxes[:, 2:4] / place.ratios(), self.boxes[:, 4:]], axis=1)
        return RotatedDetections(boxes, self.scores, self.classes)
