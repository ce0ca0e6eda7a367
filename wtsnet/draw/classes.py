"""A class for each pixel, as a tint of the picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from wtsnet.decode import ClassMap, Names, class_name
from wtsnet.draw.boxes import class_color
from wtsnet.draw.legend import write_legend
from wtsnet.errors import ImageError, ModelError

_LEAST = 0.005  # share of a picture from which on a class is named on it


def draw_classes(
    image: npt.NDArray[np.uint8], found: ClassMap, names: Names | None = None, *, opacity: float = 0.5
) -> npt.NDArray[np.uint8]:
    """A copy of a picture (height, width, 3) uint8 RGB, tinted by class, with the names of the classes that it shows.

    A class has the same colour in every picture. Names are written from the top left down, that of the largest first.

    Raises:
        ImageError: `image` is no such array, or not of the map's size.
        ModelError: an opacity outside 0…1.
        ManifestError: `names` lacks a class.
    """
    if image.ndim != 3 or image.shape != (*found.classes.shape, 3) or image.dtype != np.uint8:
        expected = (*found.classes.shape, 3)
        raise ImageError(f"expected a picture of shape {expected} of uint8, got {image.shape} of {image.dtype}")
    if not 0 <= opacity <= 1:
        raise ModelError(f"opacity is {opacity!r}, expected a number from 0 to 1")
    shares = found.shares()
    present, places = np.unique(found.classes, return_inverse=True)
    colors = np.array([class_color(int(index)) for index in present], np.float32)
    tinted = image * np.float32(1 - opacity) + colors[places.reshape(found.classes.shape)] * np.float32(opacity)
    canvas = Image.fromarray((tinted + 0.5).astype(np.uint8))
    shown = [(index, share) for index, share in shares.items() if share >= _LEAST]
    write_legend(canvas, [(f"{class_name(names, index)} {share:.0%}", class_color(index)) for index, share in shown])
    return np.array(canvas)
