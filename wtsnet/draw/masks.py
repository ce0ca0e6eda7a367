"""Drawing instance masks on a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wtsnet.draw.boxes import canvas_of, class_color, draw
from wtsnet.errors import ImageError, ModelError

if TYPE_CHECKING:
    from wtsnet.decode import Instances, Names


def draw_masks(
    image: npt.NDArray[np.uint8], found: Instances, names: Names | None = None, *, opacity: float = 0.5
) -> npt.NDArray[np.uint8]:
    """A copy of a picture (height, width, 3) uint8 RGB with each object's pixels tinted in its class's colour, and a
    box, a name and a score for it.

    Raises:
        ImageError: `image` is no such array, or not of the masks' size.
        ModelError: an opacity outside 0…1.
        ManifestError: `names` lacks an object's class.
    """
    canvas_of(image)
    if image.shape[:2] != found.masks.shape[1:]:
        raise ImageError(f"expected a picture of the masks' size {found.masks.shape[1:]}, got {image.shape[:2]}")
    if not 0 <= opacity <= 1:
        raise ModelError(f"opacity is {opacity!r}, expected a number from 0 to 1")
    tinted = image.copy()
    for i in np.argsort(found.scores, kind="stable"):  # the best last, over the others
        mask = found.masks[i]
        color = np.array(class_color(int(found.classes[i])), np.float32)
        tinted[mask] = (image[mask] * (1 - opacity) + color * opacity + 0.5).astype(np.uint8)
    return draw(tinted, found, names)
