"""Key points: objects with points of theirs, such as a person's joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from wtsnet.decode.boxes import Detections
from wtsnet.errors import RunnerError

if TYPE_CHECKING:
    from wtsnet.decode.candidates import Candidates
    from wtsnet.pictures import Placement

Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Poses(Detections):
    """The objects found in one picture, with the key points of each.

    keypoints: (n, K, D) float32, x y in pixels and, where D is 3, the score of being seen, from 0 to 1.

    Raises:
        RunnerError: arrays of other shapes.
    """

    keypoints: Floats

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = self.keypoints.shape
        if len(shape) != 3 or shape[0] != len(self.boxes) or shape[2] not in (2, 3):
            raise RunnerError(f"keypoints of {len(self)} detections have shape {shape}, expected (n, K, 2 or 3)")

    def to_source(self, place: Placement) -> Poses:
        """The same objects in the pixels of the picture that was placed; boxes and points are moved into it."""
        points = np.concatenate([place.points_to_source(self.keypoints[..., :2]), self.keypoints[..., 2:]], axis=2)
        return replace(self, boxes=place.to_source(self.boxes), keypoints=points)


def poses(chosen: Candidates, shape: Sequence[int]) -> Poses:
    """The objects that candidates, already chosen, stand for. `shape` is (K, D).

    Raises:
        RunnerError: candidates with another number of values.
    """
    count, values = shape
    if chosen.extra.shape[1] != count * values:
        raise RunnerError(f"found {chosen.extra.shape[1]} values a candidate, expected {count}×{values} of key points")
    return Poses(chosen.boxes, chosen.scores, chosen.classes, chosen.extra.reshape(-1, count, values))
