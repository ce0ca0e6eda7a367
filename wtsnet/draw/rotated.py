"""Drawing turned boxes on a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wtsnet.draw.boxes import Mark, canvas_of, class_color, clipped, draw_marks, label

if TYPE_CHECKING:
    from wtsnet.decode import Names, RotatedDetections


def draw_rotated(
    image: npt.NDArray[np.uint8], found: RotatedDetections, names: Names | None = None
) -> npt.NDArray[np.uint8]:
    """A copy of a picture (height, width, 3) uint8 RGB with a turned box, a name and a score for each object.

    Raises:
        ImageError: `image` is no such array.
        ManifestError: `names` lacks an object's class.
    """
    canvas = canvas_of(image)
    marks = []
    corners = found.corners()
    for i in np.argsort(-found.scores, kind="stable"):
        (left, top), (right, bottom) = corners[i].min(axis=0).tolist(), corners[i].max(axis=0).tolist()
        box = clipped((left, top, right, bottom), canvas.size)
        if box is not None:
            index = int(found.classes[i])
            own = tuple((float(x), float(y)) for x, y in corners[i])
            marks.append(Mark(box, label(names, index, float(found.scores[i])), class_color(index), own))
    draw_marks(canvas, marks)
    return np.array(canvas)
