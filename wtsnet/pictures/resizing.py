"""Fitting pictures to a size. A picture is a (height, width, channels) uint8 array of any number of channels."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from wtsnet.errors import ModelError
from wtsnet.manifest import height_width, one_of, whole_number
from wtsnet.pictures.frames import Picture, as_picture
from wtsnet.pictures.placement import Letterbox

Floats: TypeAlias = npt.NDArray[np.float32]
Size: TypeAlias = "int | tuple[int, int]"

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def letterbox(image: Picture, size: Size, *, fill: int = 114, scale_up: bool = True) -> tuple[Picture, Letterbox]:
    """Fit a picture into `size` (a number, or (height, width)), its proportions kept, centred on grey `fill`.

    The geometry is that of YOLOv5 and its successors: sides rounded to whole pixels, an odd row or column of
    padding below or on the right. The resize is bilinear between pixel centres, without antialiasing, as
    OpenCV's INTER_LINEAR. With `scale_up=False` a picture smaller than `size` is only padded.

    Raises:
        ImageError: `image` is no (height, width, channels) uint8 array.
        ModelError: a size below 1 or a fill outside 0…255.
    """
    image = as_picture(image, None)
    height, width = height_width(size)
    fill = whole_number("fill", fill, 0, 255)
    source = image.shape[0], image.shape[1]
    ratio = min(height / source[0], width / source[1])
    if not scale_up:
        ratio = min(ratio, 1.0)
    inner = max(1, round(source[0] * ratio)), max(1, round(source[1] * ratio))
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    padded = np.full((height, width, image.shape[2]), fill, np.uint8)
    padded[top : top + inner[0], left : left + inner[1]] = resize_bilinear(image, inner)
    return padded, Letterbox(ratio, left, top, source, (height, width))


def resize_bilinear(image: Picture, size: tuple[int, int]) -> Picture:
    """Resize (height, width, channels) uint8 to `size` (height, width), without antialiasing.

    Within one grey level of cv2.resize with INTER_LINEAR, whose fixed-point weights round down a little.
    """
    height, width, channels = image.shape
    if (height, width) == size:
        return image
    above, below, down = _taps(height, size[0])
    before, after, across = _taps(width, size[1])
    # Rows are flat: gathering single bytes by one index list is several times faster than gathering pixels.
    rows = image.reshape(height, width * channels)
    channel = np.arange(channels)
    before = (before[:, None] * channels + channel).ravel()
    after = (after[:, None] * channels + channel).ravel()
    across = across.repeat(channels)

    def blend_columns(taken: Picture) -> Floats:
        return _blend(taken.take(before, axis=1), taken.take(after, axis=1), across)

    blended = _blend(blend_columns(rows[above]), blend_columns(rows[below]), down[:, None])
    blended += 0.5  # so that the cast, which cuts, rounds
    return blended.astype(np.uint8).reshape(*size, channels)


def _taps(count: int, wanted: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    # For each wanted pixel: the source pixels before and after its centre, and how far it is past the first.
    centres = np.clip((np.arange(wanted) + 0.5) * (count / wanted) - 0.5, 0, count - 1)
    first = centres.astype(np.intp)
    return first, np.minimum(first + 1, count - 1), (centres - first).astype(np.float32)


def _blend(first: npt.NDArray[Any], second: npt.NDArray[Any], share: Floats) -> Floats:
    blended = second.astype(np.float32)
    blended -= first
    blended *= share
    blended += first
    return blended


def center_crop_resize(
    image: Picture,
    resize: int = 256,
    crop: Size = 224,
    *,
    interpolation: str = "bilinear",
    antialias: bool = True,
) -> Picture:
    """Scale the shorter side to `resize`, as `stretch` does, and cut `crop` out of the middle, as torchvision does.

    Raises:
        ImageError: `image` is no (height, width, channels) uint8 array.
        ModelError: a size below 1, a crop larger than `resize`, or an interpolation that there is not.
    """
    image = as_picture(image, None)
    resize = whole_number("resize", resize, 1)
    height, width = height_width(crop)
    if max(height, width) > resize:
        raise ModelError(f"a crop of {height}x{width} does not fit a picture whose shorter side is {resize}")
    shorter = min(image.shape[:2])
    inner_h, inner_w = (resize * side // shorter for side in image.shape[:2])
    scaled = stretch(image, (inner_h, inner_w), interpolation=interpolation, antialias=antialias)
    top, left = round((inner_h - height) / 2), round((inner_w - width) / 2)
    cropped: Picture = scaled[top : top + height, left : left + width].copy()
    return cropped


def middle_resize(image: Picture, size: Size, *, interpolation: str = "bilinear", antialias: bool = True) -> Picture:
    """Cut the largest part of the proportions of `size` out of the middle, and scale it to that, as `stretch` does.

    It is what `center_crop_resize` gives, but that none of what was cut off is mixed into the edges, and that whole
    source pixels are cut; a square without antialiasing is what YOLOv5's classifiers are trained on.

    Raises:
        ImageError: `image` is no (height, width, channels) uint8 array.
        ModelError: a size below 1, or an interpolation that there is not.
    """
    image = as_picture(image, None)
    size = height_width(size)
    ratio = max(wanted / side for wanted, side in zip(size, image.shape[:2], strict=True))
    height, width = (max(1, round(wanted / ratio)) for wanted in size)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    part = image[top : top + height, left : left + width]
    return stretch(part, size, interpolation=interpolation, antialias=antialias)


def stretch(image: Picture, size: Size, *, interpolation: str = "bilinear", antialias: bool = True) -> Picture:
    """Scale a picture to `size` (a number, or (height, width)), without regard to its proportions.

    Antialiased, it is Pillow's and torchvision's resize; without, that of `letterbox`: OpenCV's INTER_LINEAR.
    `interpolation` is "bilinear" or, antialiased, "bicubic".

    Raises:
        ImageError: `image` is no (height, width, channels) uint8 array.
        ModelError: a size below 1, or an interpolation that there is not.
    """
    image = as_picture(image, None)
    size = height_width(size)
    check_filter(interpolation, antialias)
    if not antialias:
        return resize_bilinear(image, size)
    if image.shape[2] == 3:
        return _resample(image, size, interpolation)
    # Pillow would scale colours by alpha, and knows no pictures of other numbers of channels.
    planes = [_resample(image[:, :, channel], size, interpolation) for channel in range(image.shape[2])]
    return np.stack(planes, axis=2)


def check_filter(interpolation: str, antialias: bool) -> None:
    """Raise ModelError unless pictures can be scaled so."""
    one_of("interpolation", interpolation, FILTERS)
    if not isinstance(antialias, bool):
        raise ModelError(f"antialias is {antialias!r}, expected true or false")
    if not antialias and interpolation != "bilinear":
        raise ModelError(f"interpolation is {interpolation!r}, expected bilinear where antialias is false")


def _resample(image: Picture, size: tuple[int, int], interpolation: str) -> Picture:
    return np.asarray(Image.fromarray(image).resize(size[::-1], FILTERS[interpolation]))
