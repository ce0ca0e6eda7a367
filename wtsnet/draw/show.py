"""Results of any task on their picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wtsnet.decode import ClassMap, ClassScore, Detections, Instances, Lane, Poses, RotatedDetections
from wtsnet.draw.boxes import draw
from wtsnet.draw.classes import draw_classes
from wtsnet.draw.keypoints import draw_keypoints
from wtsnet.draw.lanes import draw_lanes
from wtsnet.draw.masks import draw_masks
from wtsnet.draw.rotated import draw_rotated
from wtsnet.draw.scores import draw_scores
from wtsnet.errors import ImageError
from wtsnet.pictures import displayable

if TYPE_CHECKING:
    from wtsnet.decode import Names, Result

SHOWN = ("classify", "detect", "segment", "pose", "obb", "semantic", "lanes")  # tasks whose results `show` draws


def show(image: npt.NDArray[np.uint8], result: Result, names: Names | None = None) -> npt.NDArray[np.uint8]:
    """What was found in a picture (height, width, channels) uint8, drawn on a copy of it: (height, width, 3) RGB.

    Pictures of other than 3 channels are shown as `wtsnet.pictures.displayable` makes them.

    Raises:
        ImageError: `image` is no such array, or the result is none of wtsnet's own.
        ManifestError: `names` lacks a class.
    """
    image = displayable(image)
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
    if isinstance(result, tuple) and all(isinstance(one, Lane) for one in result):
        return draw_lanes(image, result)
    if isinstance(result, list) and all(isinstance(one, ClassScore) for one in result):
        return draw_scores(image, result)
    raise ImageError(f"result: found {type(result).__name__}, expected one of wtsnet's own, which it can draw")
