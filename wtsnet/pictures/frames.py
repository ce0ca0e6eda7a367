"""Frames of any source as pictures: (height, width, channels) uint8 arrays, red first where there are colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from wtsnet.errors import ImageError
from wtsnet.manifest import one_of, whole_number

Picture: TypeAlias = npt.NDArray[np.uint8]
Frame: TypeAlias = "npt.NDArray[Any] | Image.Image"

_GRAY16 = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_EXPECTED = "(height, width) or (height, width, channels) of uint8"


def as_picture(frame: Frame, channels: int | None = 3, order: str = "rgb") -> Picture:
    """A frame as a contiguous (height, width, channels) uint8 array, red first.

    Args:
        frame: uint8, (height, width) or (height, width, channels), or a PIL image.
        channels: how many are wanted; None for as many as there are. Three or four become one by ITU-R 601's luma,
            one becomes three alike, and of four, for three, the last (alpha) is dropped. Any other number is taken as
            it is.
        order: "rgb"; or "bgr" where the first three of an array's 3 or 4 channels are blue, green and red, as in
            OpenCV's frames.

    Returns:
        The frame itself, not a copy, where it is such an array already.

    Raises:
        ImageError: `frame` is no frame, or has another number of channels, which do not become those wanted.
        ModelError: an unknown order, or channels below 1.
    """
    one_of("order", order, ("rgb", "bgr"))
    if channels is not None:
        whole_number("channels", channels, 1)
    if isinstance(frame, Image.Image):
        return from_pil(frame, channels)
    picture = _checked(frame, channels)
    if order == "bgr" and picture.shape[2] in (3, 4):
        picture = swapped(picture)
    return np.ascontiguousarray(_with_channels(picture, picture.shape[2] if channels is None else channels))


def from_pil(image: Image.Image, channels: int | None) -> Picture:
    """A PIL image, upright, as `as_picture` gives it; 16 bits are scaled to 8.

    Raises:
        ImageError: a number of channels that it doesn't have, or pixels of unknown range.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode in _GRAY16:
        image = _gray8(image)
    elif image.mode == "F":
        raise ImageError("frame: found floating-point pixels of unknown range, expected 8 or 16 bits")
    found = 4 if image.has_transparency_data else 1 if image.mode in ("1", "L") else 3
    channels = found if channels is None else channels
    mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(channels)
    if mode is None or found < channels == 4:
        raise ImageError(f"frame: found {_count(found)}, expected {channels}")
    return np.atleast_3d(np.array(image.convert(mode)))


def displayable(picture: Picture) -> Picture:
    """A picture of any number of channels as (height, width, 3) uint8 RGB, to be drawn on or saved.

    Grey is repeated and alpha dropped. Of more channels the first three are shown, of two the first.

    Raises:
        ImageError: no (height, width) or (height, width, channels) array of uint8.
    """
    picture = as_picture(picture, None)
    return as_picture(picture[:, :, : 3 if picture.shape[2] >= 3 else 1])


def several(images: Frame | Sequence[Frame]) -> Sequence[Frame]:
    """One frame or several, as several."""
    one = isinstance(images, Image.Image) or (isinstance(images, np.ndarray) and images.ndim < 4)
    frames: Sequence[Frame] = [images] if one else list(images)  # type: ignore[list-item, arg-type]
    if not frames:
        raise ImageError("no picture given")
    return frames


def _checked(frame: Any, channels: int | None) -> Picture:
    # A frame as (height, width, channels), whatever their number.
    if not hasattr(frame, "__array__"):
        raise ImageError(f"frame: found {type(frame).__name__}, expected {_EXPECTED}, or a PIL image")
    array = np.asarray(frame)
    if array.dtype == np.uint8 and array.ndim in (2, 3) and 0 not in array.shape:
        return array if array.ndim == 3 else array[:, :, None]
    hint = ""
    if array.ndim == 4:
        hint = "; of a batch give a list of frames"
    elif array.ndim == 3 and _planes_first(array.shape, channels):
        hint = "; with the channels first it needs transpose(1, 2, 0)"
    elif array.dtype.kind == "f":
        hint = "; values from 0 to 1 multiply by 255 and cast to uint8"
    raise ImageError(f"frame: found {array.shape} of {array.dtype}, expected {_EXPECTED}{hint}")


def _planes_first(shape: tuple[int, ...], channels: int | None) -> bool:
    likely = (1, 3, 4, channels)
    return shape[0] in likely and shape[2] not in likely


def _with_channels(picture: Picture, channels: int) -> Picture:
    found = picture.shape[2]
    if found == channels:
        return picture
    if found == 1 and channels == 3:
        return picture.repeat(3, axis=2)
    if found == 4 and channels == 3:
        return picture[:, :, :3]
    if found in (3, 4) and channels == 1:
        colours = Image.fromarray(np.ascontiguousarray(picture[:, :, :3]))
        return np.asarray(colours.convert("L"))[:, :, None]
    hint = "; with the channels first it needs transpose(1, 2, 0)" if _planes_first(picture.shape, channels) else ""
    raise ImageError(f"frame: found {_count(found)}, expected {channels}{hint}")


def _count(channels: int) -> str:
    return f"{channels} channel{'s' * (channels > 1)}"


def swapped(picture: Picture) -> Picture:
    # Red and blue change places. Plane by plane this is several times faster than copying a reversed view.
    swapped = np.empty_like(picture)
    for to, of in enumerate((2, 1, 0, 3)[: picture.shape[2]]):
        swapped[:, :, to] = picture[:, :, of]
    return swapped


def _gray8(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips everything above 255 to white.
    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise ImageError("frame: found grey values that do not fit 16 bits, expected 8 or 16 bits")
    return Image.fromarray(((pixels + 128) // 257).astype(np.uint8))
