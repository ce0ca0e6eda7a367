"""Drawing detections on a picture, and writing pictures."""

from __future__ import annotations

import colorsys
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from wtsnet.decode import class_name
from wtsnet.errors import ImageError, nearest
from wtsnet.manifest import whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.decode import Detections, Names

Color: TypeAlias = tuple[int, int, int]
Rectangle: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom; the last two are outside
Font: TypeAlias = "ImageFont.ImageFont | ImageFont.FreeTypeFont"

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".webp": "WEBP"}
WRITTEN = tuple(_FORMATS)
"""The suffixes of pictures that `save_image` writes."""


@dataclass(frozen=True)
class Mark:
    """What is drawn of one object: a frame and a label at it.

    box: the frame in whole pixels within the picture. text, color: of the label. corners: where the frame is turned,
    its corners, in the pixels of the picture.
    """

    box: Rectangle
    text: str
    color: Color
    corners: tuple[tuple[float, float], ...] = ()


def draw(image: npt.NDArray[np.uint8], detections: Detections, names: Names | None = None) -> npt.NDArray[np.uint8]:
    """A copy of a picture (height, width, 3) uint8 RGB with a box, a name and a score for each detection.

    Boxes are in the picture's pixels and clipped to it. A class has the same colour in every picture. Lines
    and letters grow with the picture; the better-scored object is drawn over the other.

    Raises:
        ImageError: `image` is no such array.
        ManifestError: `names` lacks a detection's class.
    """
    canvas = canvas_of(image)
    marks = []
    for found in detections:
        box = clipped(found.box, canvas.size)
        if box is not None:
            marks.append(Mark(box, label(names, found.index, found.score), class_color(found.index)))
    draw_marks(canvas, marks)
    return np.array(canvas)


def canvas_of(image: npt.NDArray[np.uint8]) -> Image.Image:
    """A picture to draw on.

    Raises:
        ImageError: `image` is no (height, width, 3) uint8 array.
    """
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape or image.dtype != np.uint8:
        raise ImageError(f"expected a (height, width, 3) uint8 picture, got {image.shape} of {image.dtype}")
    return Image.fromarray(image)


def label(names: Names | None, index: int, score: float) -> str:
    """What is written at an object."""
    return f"{class_name(names, index)} {score:.2f}"


def draw_marks(canvas: Image.Image, marks: Sequence[Mark]) -> None:
    """Draw frames and labels, the first on top; no label covers another where there is place for both."""
    pen = ImageDraw.Draw(canvas)
    scale = min(canvas.size)
    line, letters = max(2, round(scale / 220)), max(12, round(scale / 32))
    taken: list[Rectangle] = []
    labels = []
    for mark in marks:
        font, area = _label(pen, mark.text, letters, canvas.size)
        place = _place(area, mark.box, canvas.size, taken)
        taken.append(place)
        labels.append((mark, place, font))
    for mark, _, _ in reversed(labels):
        if mark.corners:
            pen.line([*mark.corners, *mark.corners[:2]], fill=mark.color, width=line, joint="curve")
        else:
            left, top, right, bottom = mark.box
            pen.rectangle((left, top, right - 1, bottom - 1), outline=mark.color, width=line)
    for mark, place, font in reversed(labels):
        pen.rectangle((place[0], place[1], place[2] - 1, place[3] - 1), fill=mark.color)
        middle = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
        pen.text(middle, mark.text, fill=_ink(mark.color), font=font, anchor="mm")


def class_color(index: int) -> Color:
    """The colour of a class, RGB: hues a golden section of the circle apart, in three shades."""
    hue = (0.03 + index * 0.6180339887) % 1
    saturation, value = ((0.85, 0.95), (0.60, 1.00), (0.95, 0.70))[index // 8 % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def _ink(background: Color) -> Color:
    # Black or white, whichever stands out more: by relative luminance as WCAG 2 defines it.
    linear = [(c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in background]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)


def clipped(box: tuple[float, float, float, float], size: tuple[int, int]) -> Rectangle | None:
    """A box in whole pixels within a picture of this width and height; None where it lies outside."""
    width, height = size
    left, top = max(0, round(box[0])), max(0, round(box[1]))
    right, bottom = min(width, round(box[2])), min(height, round(box[3]))
    return (left, top, right, bottom) if left < right and top < bottom else None


def _label(pen: ImageDraw.ImageDraw, text: str, letters: int, size: tuple[int, int]) -> tuple[Font, tuple[int, int]]:
    # The font, made smaller until the label fits the picture's width, and the label's width and height.
    while True:
        font = ImageFont.load_default(letters)
        margin = max(2, letters // 4)
        width = round(pen.textlength(text, font=font)) + 2 * margin
        if width <= size[0] or letters <= 6:
            return font, (min(width, size[0]), min(letters + margin, size[1]))
        letters -= 1


def _place(area: tuple[int, int], box: Rectangle, size: tuple[int, int], taken: list[Rectangle]) -> Rectangle:
    # On top of the box, inside its top, below it, inside its bottom: the first free place in the picture.
    # When none is free, inside its top, over the others.
    width, height = area
    left = min(box[0], size[0] - width)
    inside = min(box[1], size[1] - height)
    for top in (box[1] - height, inside, box[3], box[3] - height):
        place = (left, top, left + width, top + height)
        if 0 <= top <= size[1] - height and not any(_meet(place, other) for other in taken):
            return place
    return left, inside, left + width, inside + height


def _meet(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def save_image(path: str | os.PathLike[str], image: npt.NDArray[np.uint8]) -> None:
    """Write a picture (height, width, 3) uint8 RGB, whole or not at all; the suffix chooses the format.

    Raises:
        ImageError: an unknown suffix, a folder that can't be written to, or an array that is no such picture.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        known = f"{', '.join(_FORMATS)}{nearest(suffix, _FORMATS)}"
        raise ImageError(f"{os.fspath(path)}: unknown suffix {suffix!r}, expected one of {known}")
    options = {"quality": 95, "subsampling": 0} if _FORMATS[suffix] == "JPEG" else {}
    try:
        with whole(path) as (part,):
            Image.fromarray(image).save(part, format=_FORMATS[suffix], **options)
    except (OSError, ValueError, TypeError) as error:
        raise ImageError(f"{os.fspath(path)}: can't write the picture ({error})") from error
