"""The classes of a whole picture, named on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wtsnet.draw.boxes import canvas_of, class_color
from wtsnet.draw.legend import write_legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.decode import ClassScore


def draw_scores(image: npt.NDArray[np.uint8], found: Sequence[ClassScore]) -> npt.NDArray[np.uint8]:
    """A copy of a picture (height, width, 3) uint8 RGB with the names and scores of its classes, from the top left
    down, as many as there is place for. A class has the same colour in every picture.

    Raises:
        ImageError: `image` is no such array.
    """
    canvas = canvas_of(image)
    write_legend(canvas, [(f"{one.name} {one.score:.2f}", class_color(one.index)) for one in found])
    return np.array(canvas)
