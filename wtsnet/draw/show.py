"""Results of any task on their picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wtsnet.decode import ClassMap, Detections, Instances, Poses, RotatedDetections
from wtsnet.draw.boxes import draw
from wtsnet.draw.classes import draw_classes
from wtsnet.draw.keypoints import draw_keypoints
from wtsnet.draw.lanes import draw_lanes
from wtsnet.draw.masks import draw_masks
from wtsnet.draw.rotated import draw_rotated
from wtsnet.errors import ImageError

if TYPE_CHECKING:
    from wtsnet.decode import Names, Result

SHOWN = ("detect", "segment", "pose", "obb", "semantic", "lanes")  # tasks whose results lie somewhere in the picture


def show(image: npt.NDArray[np.uint8], result: Result, names: Names | None = None) -> npt.NDArray[np.uint8]:
    """A copy of a picture (height, width, 3) uint8 RGB with what was found in it.

    Raises:
        ImageError: `image` is no such array, or the result is a list of classes, which lie nowhere.
        ManifestError: `names` lacks a class.
    """
    if isinstance(result, Instances):
        return draw_masks(image, result, names)
    if isinstance(result, Poses):
        return draw_keypoints(image, result, names)
    if isinstance(result, Detections):
        return draw(image, result, names)
    if isinstance(result, RotatedDetections):
        return draw_rotated(image, result, names)
    if isinstance(result, ClassMap):
        return draw_classes(image, result, names)
    if isinstance(result, tuple):
        return draw_lanes(image, result)
    raise ImageError("classes of a whole picture can't be drawn on it")
