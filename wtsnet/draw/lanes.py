"""Drawing lanes on a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from wtsnet.draw.boxes import class_color
from wtsnet.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.decode import Lane


def draw_lanes(image: npt.NDArray[np.uint8], lanes: Sequence[Lane]) -> npt.NDArray[np.uint8]:
    """A copy of a picture (height, width, 3) uint8 RGB with a line through each lane's points, its index, and the names
    of its attributes' classes.

    A lane of one index has the same colour in every picture. Its text stands at the end that is nearer to the car,
    moved into the picture.

    Raises:
        ImageError: `image` is no such array.
    """
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape or image.dtype != np.uint8:
        raise ImageError(f"expected a (height, width, 3) uint8 picture, got {image.shape} of {image.dtype}")
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    scale = min(canvas.size)
    line, letters = max(2, round(scale / 150)), max(12, round(scale / 32))
    shown = [lane for lane in lanes if len(lane.points)]
    for lane in shown:
        points = [(float(x), float(y)) for x, y in lane.points]
        pen.line(points, fill=class_color(lane.index), width=line, joint="curve")
        for x, y in points:
            pen.ellipse((x - line, y - line, x + line, y + line), fill=class_color(lane.index))
    font, margin = ImageFont.load_default(letters), max(2, letters // 4)
    for lane in shown:
        text = ", ".join([str(lane.index), *(one.name for one in lane.attributes)])
        width, height = round(pen.textlength(text, font=font)) + 2 * margin, letters + margin
        x, y = max(((float(x), float(y)) for x, y in lane.points), key=lambda point: point[1])
        left = min(max(round(x - width / 2), 0), max(canvas.width - width, 0))
        top = min(max(round(y - height), 0), max(canvas.height - height, 0))
        pen.rectangle((left, top, left + width - 1, top + height - 1), fill=(0, 0, 0))
        pen.text((left + width / 2, top + height / 2), text, fill=class_color(lane.index), font=font, anchor="mm")
    return np.array(canvas)
