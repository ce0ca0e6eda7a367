"""From a picture file to a network's input: reading, letterbox, crop, grey, normalisation.

A picture is a (height, width, 3) uint8 array, red first. `Preprocess` holds, as plain data for a manifest,
what one network wants done to it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from wtsnet.errors import ImageError, ManifestError, ModelError, nearest
from wtsnet.placement import Letterbox, Placement, Stretch

Picture: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
Size: TypeAlias = "int | tuple[int, int]"

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
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
    height, width = _height_width(size)
    fill = _whole_number("fill", fill, 0, 255)
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
    resize = _whole_number("resize", resize, 1)
    height, width = _height_width(crop)
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
    height, width = _height_width(size)
    _one_of("interpolation", interpolation, _FILTERS)
    return np.asarray(Image.fromarray(image).resize((width, height), _FILTERS[interpolation]))


def grayscale(image: Picture, size: Size) -> Floats:
    """A picture as (1, height, width) float32 luma (ITU-R 601) from 0 to 1, stretched to `size`, antialiased.

    Raises:
        ImageError: `image` is no (height, width, 3) uint8 array.
        ModelError: a size below 1.
    """
    plane: Floats = _planes([_luma(image, size)], 255.0)[0]
    return plane


def _luma(image: Picture, size: Size) -> Picture:
    height, width = _height_width(size)
    gray = Image.fromarray(_picture(image)).convert("L").resize((width, height), _FILTERS["bilinear"])
    return np.asarray(gray)[:, :, None]


def to_input(images: Picture | Sequence[Picture]) -> Floats:
    """One picture or several of one size as a contiguous (N, 3, height, width) float32 array from 0 to 1.

    Raises:
        ImageError: no picture, one that is no (height, width, 3) uint8 array, or pictures of several sizes.
    """
    return _planes([_picture(image) for image in _several(images)], 255.0)


def normalize(x: Floats, mean: Sequence[float], std: Sequence[float]) -> Floats:
    """(x - mean) / std by channel, for x of (…, channels, height, width).

    Raises:
        ModelError: as many means or deviations as channels are wanted, and deviations above 0.
    """
    channels = x.shape[-3] if x.ndim >= 3 else 0
    shape = (channels, 1, 1)
    means = np.array(_numbers("mean", mean, channels), np.float32).reshape(shape)
    stds = np.array(_numbers("std", std, channels, above=0), np.float32).reshape(shape)
    normalized: Floats = (x - means) / stds
    return normalized


_KEYS = {
    "letterbox": ("size", "fill"),
    "crop": ("size", "resize", "interpolation"),
    "stretch": ("size", "interpolation"),
    "gray": ("size",),
}
_COMMON_KEYS = ("kind", "scale", "mean", "std", "layout")


@dataclass(frozen=True)
class Preprocess:
    """What one network wants done to a picture, in the words of its manifest.

    kind: "letterbox" (detectors), "crop" (classifiers: `center_crop_resize`), "stretch" or "gray" (`grayscale`).
    size: the input's (height, width); a single number makes a square.
    fill: grey level of the padding, for "letterbox". resize: shorter side before the crop, for "crop".
    interpolation: "bilinear" or "bicubic", for "crop" and "stretch".
    scale: what pixel values are divided by, 255 for inputs from 0 to 1.
    mean, std: one number a channel, applied after `scale`; None leaves the values as they are.
    layout: "NCHW" or "NHWC".

    Raises:
        ManifestError: a value that its key can't take, named.
    """

    kind: str
    size: tuple[int, int]
    fill: int = 114
    resize: int = 256
    interpolation: str = "bilinear"
    scale: float = 255.0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    layout: str = "NCHW"

    def __post_init__(self) -> None:
        try:
            checked = self._checked()
        except ModelError as error:
            raise ManifestError(f"preprocess: {error}") from None
        for key, value in checked.items():
            object.__setattr__(self, key, value)

    def _checked(self) -> dict[str, Any]:
        _one_of("kind", self.kind, _KEYS)
        _one_of("layout", self.layout, ("NCHW", "NHWC"))
        _one_of("interpolation", self.interpolation, _FILTERS)
        channels = 1 if self.kind == "gray" else 3
        size = _height_width(self.size)
        resize = _whole_number("resize", self.resize, 1)
        if self.kind == "crop" and max(size) > resize:
            raise ModelError(f"resize is {resize}, smaller than size {size[0]}x{size[1]}")
        for key, default in (("fill", 114), ("resize", 256), ("interpolation", "bilinear")):
            if key not in _KEYS[self.kind] and getattr(self, key) != default:
                raise ModelError(f"{key} has no meaning for kind {self.kind!r}")
        return {
            "size": size,
            "resize": resize,
            "fill": _whole_number("fill", self.fill, 0, 255),
            "scale": _numbers("scale", self.scale, 1, above=0)[0],
            "mean": None if self.mean is None else _numbers("mean", self.mean, channels),
            "std": None if self.std is None else _numbers("std", self.std, channels, above=0),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocess:
        """From a manifest's mapping: `kind` and `size`, and what else that kind takes.

        Raises:
            ManifestError: a missing or unknown key, or a value that a key can't take, named.
        """
        if not isinstance(data, Mapping):
            raise ManifestError(f"preprocess: expected keys with values, got {data!r}")
        for key in ("kind", "size"):
            if key not in data:
                raise ManifestError(f"preprocess: {key} is missing")
        known = (*_COMMON_KEYS, *_KEYS.get(str(data["kind"]), ("size", "fill", "resize", "interpolation")))
        for key in data:
            if key not in known:
                raise ManifestError(
                    f"preprocess: unknown key {key!r} for kind {data['kind']!r}{nearest(str(key), known)}"
                )
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        """The plain data that `from_dict` takes, without what is None."""
        values = {key: getattr(self, key) for key in ("kind", *_KEYS[self.kind], *_COMMON_KEYS[1:])}
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in values.items()
            if value is not None
        }

    def __call__(self, images: Picture | Sequence[Picture]) -> tuple[Floats, list[Placement | None]]:
        """One picture or several, of any sizes, as the network's input, and how each was placed in it.

        Returns:
            A contiguous float32 array, (N, channels, height, width) or (N, height, width, channels), and for
            each picture its `Letterbox` or `Stretch`, or None for the other kinds.

        Raises:
            ImageError: no picture, or one that is no (height, width, 3) uint8 array.
        """
        placed = [self._place(image) for image in _several(images)]
        batch = _planes([picture for picture, _ in placed], self.scale)
        channels = batch.shape[1]
        if self.mean is not None or self.std is not None:
            batch = normalize(batch, self.mean or (0.0,) * channels, self.std or (1.0,) * channels)
        if self.layout == "NHWC":
            batch = np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
        return batch, [geometry for _, geometry in placed]

    def _place(self, image: Picture) -> tuple[Picture, Placement | None]:
        if self.kind == "letterbox":
            return letterbox(image, self.size, fill=self.fill)
        if self.kind == "crop":
            return center_crop_resize(image, self.resize, self.size, interpolation=self.interpolation), None
        if self.kind == "stretch":
            placed = stretch(image, self.size, interpolation=self.interpolation)
            return placed, Stretch((image.shape[0], image.shape[1]), self.size)
        return _luma(image, self.size), None


def _planes(pictures: Sequence[Picture], scale: float) -> Floats:
    if len({picture.shape for picture in pictures}) > 1:
        sizes = ", ".join(sorted({f"{picture.shape[0]}x{picture.shape[1]}" for picture in pictures}))
        raise ImageError(f"the pictures of one batch must have one size, got {sizes}")
    height, width, channels = pictures[0].shape
    batch = np.empty((len(pictures), channels, height, width), np.float32)
    for planes, picture in zip(batch, pictures, strict=True):
        planes[:] = picture.transpose(2, 0, 1)
    batch /= np.float32(scale)
    return batch


def _several(images: Picture | Sequence[Picture]) -> Sequence[Picture]:
    pictures = [images] if isinstance(images, np.ndarray) and images.ndim == 3 else list(images)
    if not pictures:
        raise ImageError("no picture given")
    return pictures


def _picture(image: Picture) -> Picture:
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape or image.dtype != np.uint8:
        raise ImageError(f"a picture must be a (height, width, 3) array of uint8, got {image.shape} of {image.dtype}")
    return image


def _one_of(key: str, value: Any, known: Mapping[str, Any] | Sequence[str]) -> None:
    if value not in tuple(known):
        raise ModelError(f"{key} is {value!r}, expected {' or '.join(known)}{nearest(str(value), known)}")


def _height_width(size: Any) -> tuple[int, int]:
    sides = size if isinstance(size, (list, tuple)) else (size, size)
    if len(sides) != 2 or not all(_is_whole(side, 1) for side in sides):
        raise ModelError(f"size is {size!r}, expected a whole number of 1 or more, or height and width")
    return int(sides[0]), int(sides[1])


def _whole_number(key: str, value: Any, low: int, high: float = math.inf) -> int:
    if not _is_whole(value, low, high):
        bounds = f"from {low} to {high}" if math.isfinite(high) else f"of {low} or more"
        raise ModelError(f"{key} is {value!r}, expected a whole number {bounds}")
    return int(value)


def _is_whole(value: Any, low: int, high: float = math.inf) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and low <= int(value) <= high


def _numbers(key: str, values: Any, count: int, above: float = -math.inf) -> tuple[float, ...]:
    numbers: list[Any] = list(values) if isinstance(values, (list, tuple, np.ndarray)) else [values]
    right = all(isinstance(n, (int, float, np.number)) and not isinstance(n, bool) for n in numbers)
    if not right or len(numbers) != count or not all(math.isfinite(n) and n > above for n in numbers):
        bounds = f" above {above:g}" if math.isfinite(above) else ""
        raise ModelError(f"{key} is {values!r}, expected {count} finite number{'s' * (count != 1)}{bounds}")
    return tuple(float(n) for n in numbers)
