"""Pictures: reading them, fitting them to a size, and what their pixels are as numbers.

A picture is a (height, width, 3) uint8 array, red first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from wtsnet.errors import ImageError, ModelError
from wtsnet.manifest import height_width, numbers, one_of, whole_number
from wtsnet.pictures.placement import Letterbox

Picture: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
Size: TypeAlias = "int | tuple[int, int]"

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_GRAY16 = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def read_image(path: str | os.PathLike[str]) -> Picture:
    """Read a picture as (height, width, 3) uint8 RGB, upright as its EXIF orientation says.

    Palette and grey pictures become RGB, 16-bit grey is scaled to 8 bits, transparency is dropped, and of an
    animation the first frame is taken.

    Raises:
        ImageError: no such file, not a picture, a damaged one, or one whose pixels have no known range.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            image.load()
            if image.mode in _GRAY16:
                image = _gray8(image)
            elif image.mode == "F":
                raise ValueError("its pixels are floating-point numbers of unknown range")
            return np.array(image.convert("RGB"))
    except FileNotFoundError:
        raise ImageError(f"{os.fspath(path)}: no such file") from None
    except Exception as error:  # a damaged file makes Pillow's parsers raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{os.fspath(path)}: not a readable picture ({reason})") from error


def _gray8(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips everything above 255 to white.
    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise ValueError("its grey values do not fit 16 bits")
    return Image.fromarray(((pixels + 128) // 257).astype(np.uint8))


def letterbox(image: Picture, size: Size, *, fill: int = 114, scale_up: bool = True) -> tuple[Picture, Letterbox]:
    """Fit a picture into `size` (a number, or (height, width)), its proportions kept, centred on grey `fill`.

    The geometry is that of YOLOv5 and its successors: sides rounded to whole pixels, an odd row or column of
    padding below or on the right. The resize is bilinear between pixel centres, without antialiasing, as
    OpenCV's INTER_LINEAR. With `scale_up=False` a picture smaller than `size` is only padded.

    Raises:
        ImageError: `image` is no (height, width, 3) uint8 array.
        ModelError: a size below 1 or a fill outside 0…255.
    """
    image = _picture(image)
    height, width = height_width(size)
    fill = whole_number("fill", fill, 0, 255)
    source = image.shape[0], image.shape[1]
    ratio = min(height / source[0], width / source[1])
    if not scale_up:
        ratio = min(ratio, 1.0)
    inner = max(1, round(source[0] * ratio)), max(1, round(source[1] * ratio))
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    padded = np.full((height, width, 3), fill, np.uint8)
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
    image: Picture, resize: int = 256, crop: Size = 224, *, interpolation: str = "bilinear"
) -> Picture:
    """Scale the shorter side to `resize`, antialiased, and cut `crop` out of the middle, as torchvision does.

    `interpolation` is "bilinear" or "bicubic".

    Raises:
        ImageError: `image` is no (height, width, 3) uint8 array.
        ModelError: a size below 1, a crop larger than `resize`, or an unknown interpolation.
    """
    image = _picture(image)
    resize = whole_number("resize", resize, 1)
    height, width = height_width(crop)
    if max(height, width) > resize:
        raise ModelError(f"a crop of {height}x{width} does not fit a picture whose shorter side is {resize}")
    shorter = min(image.shape[:2])
    inner_h, inner_w = (resize * side // shorter for side in image.shape[:2])
    scaled = stretch(image, (inner_h, inner_w), interpolation=interpolation)
    top, left = round((inner_h - height) / 2), round((inner_w - width) / 2)
    cropped: Picture = scaled[top : top + height, left : left + width].copy()
    return cropped


def stretch(image: Picture, size: Size, *, interpolation: str = "bilinear") -> Picture:
    """Scale a picture to `size` (a number, or (height, width)), antialiased, without regard to its proportions.

    Raises:
        ImageError: `image` is no (height, width, 3) uint8 array.
        ModelError: a size below 1, or an unknown interpolation.
    """
    image = _picture(image)
    height, width = height_width(size)
    one_of("interpolation", interpolation, FILTERS)
    return np.asarray(Image.fromarray(image).resize((width, height), FILTERS[interpolation]))


def grayscale(image: Picture, size: Size) -> Floats:
    """A picture as (1, height, width) float32 luma (ITU-R 601) from 0 to 1, stretched to `size`, antialiased.

    Raises:
        ImageError: `image` is no (height, width, 3) uint8 array.
        ModelError: a size below 1.
    """
    plane: Floats = planes_of([luma(image, size)], 255.0)[0]
    return plane


def luma(image: Picture, size: Size) -> Picture:
    height, width = height_width(size)
    gray = Image.fromarray(_picture(image)).convert("L").resize((width, height), FILTERS["bilinear"])
    return np.asarray(gray)[:, :, None]


def to_input(images: Picture | Sequence[Picture]) -> Floats:
    """One picture or several of one size as a contiguous (N, 3, height, width) float32 array from 0 to 1.

    Raises:
        ImageError: no picture, one that is no (height, width, 3) uint8 array, or pictures of several sizes.
    """
    return planes_of([_picture(image) for image in several(images)], 255.0)


def normalize(x: Floats, mean: Sequence[float], std: Sequence[float]) -> Floats:
    """(x - mean) / std by channel, for x of (…, channels, height, width).

    Raises:
        ModelError: as many means or deviations as channels are wanted, and deviations above 0.
    """
    channels = x.shape[-3] if x.ndim >= 3 else 0
    shape = (channels, 1, 1)
    means = np.array(numbers("mean", mean, channels), np.float32).reshape(shape)
    stds = np.array(numbers("std", std, channels, above=0), np.float32).reshape(shape)
    normalized: Floats = (x - means) / stds
    return normalized


def planes_of(pictures: Sequence[Picture], scale: float) -> Floats:
    if len({picture.shape for picture in pictures}) > 1:
        sizes = ", ".join(sorted({f"{picture.shape[0]}x{picture.shape[1]}" for picture in pictures}))
        raise ImageError(f"the pictures of one batch must have one size, got {sizes}")
    height, width, channels = pictures[0].shape
    batch = np.empty((len(pictures), channels, height, width), np.float32)
    for planes, picture in zip(batch, pictures, strict=True):
        planes[:] = picture.transpose(2, 0, 1)
    batch /= np.float32(scale)
    return batch


def several(images: Picture | Sequence[Picture]) -> Sequence[Picture]:
    pictures = [images] if isinstance(images, np.ndarray) and images.ndim == 3 else list(images)
    if not pictures:
        raise ImageError("no picture given")
    return pictures


def _picture(image: Picture) -> Picture:
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape or image.dtype != np.uint8:
        raise ImageError(f"a picture must be a (height, width, 3) array of uint8, got {image.shape} of {image.dtype}")
    return image
