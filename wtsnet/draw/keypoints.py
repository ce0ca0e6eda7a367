"""Drawing key points on a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from wtsnet.draw.boxes import class_color, draw

if TYPE_CHECKING:
    from wtsnet.decode import Names, Poses

# COCO's 17 points of a person: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; each left, then right.
COCO_LIMBS = (
    *((0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
    *((5, 6), (5, 7), (7, 9), (6, 8), (8, 10)),
    *((5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
)


def draw_keypoints(
    image: npt.NDArray[np.uint8], found: Poses, names: Names | None = None, *, least: float = 0.25
) -> npt.NDArray[np.uint8]:
    """A copy of a picture (height, width, 3) uint8 RGB with a box, a name and a score for each object, and its points.

    The 17 points of a person, as COCO numbers them, are joined by limbs. A point has the same colour in every picture.
    Of points that have scores, those below `least` are left out.

    Raises:
        ImageError: `image` is no such array.
        ManifestError: `names` lacks an object's class.
    """
    canvas = Image.fromarray(draw(image, found, names))
    pen = ImageDraw.Draw(canvas)
    dot = max(3, round(min(canvas.size) / 130))
    limbs = COCO_LIMBS if found.keypoints.shape[1] == 17 else ()
    for i in np.argsort(found.scores, kind="stable"):  # the best last, over the others
        points = found.keypoints[i]
        seen = points[:, 2] >= least if points.shape[1] == 3 else np.ones(len(points), bool)
        places = [(float(x), float(y)) for x, y in points[:, :2]]
        for first, second in limbs:
            if seen[first] and seen[second]:
                pen.line([places[first], places[second]], fill=class_color(second), width=max(2, dot - 1))
        for index in np.flatnonzero(seen):
            x, y = places[index]
            pen.ellipse((x - dot, y - dot, x + dot, y + dot), fill=class_color(int(index)))
    return np.array(canvas)
