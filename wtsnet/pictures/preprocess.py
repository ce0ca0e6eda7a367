"""What one network wants done to a picture, as plain data for a manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wtsnet.errors import ManifestError, ModelError, nearest
from wtsnet.manifest import height_width, numbers, one_of, whole_number
from wtsnet.pictures.frames import Frame, Picture, as_picture, several, swapped
from wtsnet.pictures.placement import Letterbox, Placement, Stretch
from wtsnet.pictures.resizing import center_crop_resize, check_filter, letterbox, middle_resize, stretch
from wtsnet.pictures.values import Floats, normalize, one_shape, planes_of

_KEYS = {
    "letterbox": ("size", "fill"),
    "crop": ("size", "resize", "interpolation", "antialias"),
    "middle": ("size", "interpolation", "antialias"),
    "stretch": ("size", "interpolation", "antialias"),
    "gray": ("size",),
    "keep": (),
}
_COMMON_KEYS = ("kind", "channels", "dtype", "order")
_FLOAT_KEYS = ("scale", "mean", "std", "layout")
_DEFAULTS = {
    "fill": 114,
    "resize": 256,
    "interpolation": "bilinear",
    "antialias": True,
    "scale": 255.0,
    "layout": "NCHW",
}
_OWN_KEYS = ("fill", "resize", "interpolation", "antialias")  # of some kinds only
_UNWRITTEN = {"channels": 3, "antialias": True}  # as every manifest has them that does not say it


@dataclass(frozen=True)
class Preprocess:
    """What one network wants done to a picture, in the words of its manifest.

    kind: "letterbox" (detectors: the whole picture, padded), "crop" (classifiers: its middle, cut out of the scaled
    picture), "middle" (its middle, cut out and then scaled), "stretch" (to the size, without regard to proportions),
    "keep" (nothing: at its own size), or "gray" (stretch with one channel).
    size: the input's (height, width); a single number makes a square. None for "keep", whatever is given.
    fill: grey level of the padding, for "letterbox". resize: shorter side before the crop, for "crop".
    interpolation: "bilinear" or "bicubic", for "crop", "middle" and "stretch".
    antialias: for the same, whether pictures are scaled as Pillow and torchvision do; else as OpenCV's
    INTER_LINEAR, as for "letterbox".
    channels: 3; 1 for grey pictures; or any other number, for pictures that have it (see `as_picture`).
    dtype: "float32", or "uint8" for pixels as they are, (N, height, width, channels): the network does the rest.
    order: of 3 channels, or of the first three of 4: "RGB" or "BGR".
    scale: what pixel values are divided by, 255 for inputs from 0 to 1.
    mean, std: one number a channel, applied after `scale`; None leaves the values as they are.
    layout: "NCHW" or "NHWC".

    Raises:
        ManifestError: a value that its key can't take, named.
    """

    kind: str
    size: tuple[int, int] | None = None
    fill: int = 114
    resize: int = 256
    interpolation: str = "bilinear"
    dtype: str = "float32"
    order: str = "RGB"
    scale: float = 255.0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    layout: str = "NCHW"
    channels: int = 3
    antialias: bool = True

    def __post_init__(self) -> None:
        try:
            checked = self._checked()
        except ModelError as error:
            raise ManifestError(f"preprocess: {error}") from None
        for key, value in checked.items():
            object.__setattr__(self, key, value)

    def _checked(self) -> dict[str, Any]:
        one_of("kind", self.kind, _KEYS)
        one_of("layout", self.layout, ("NCHW", "NHWC"))
        check_filter(self.interpolation, self.antialias)
        one_of("dtype", self.dtype, ("float32", "uint8"))
        one_of("order", self.order, ("RGB", "BGR"))
        channels = whole_number("channels", self.channels, 1)
        if self.kind == "gray":
            if channels not in (1, _UNWRITTEN["channels"]):
                raise ModelError(f"channels is {channels}, expected 1 for kind 'gray'")
            channels = 1
        size = None if self.kind == "keep" else height_width(self.size)
        resize = whole_number("resize", self.resize, 1)
        if self.kind == "crop" and size is not None and max(size) > resize:
            raise ModelError(f"resize is {resize}, smaller than size {size[0]}x{size[1]}")
        for key in _OWN_KEYS:
            if key not in _KEYS[self.kind] and getattr(self, key) != _DEFAULTS[key]:
                raise ModelError(f"{key} has no meaning for kind {self.kind!r}")
        for key in _FLOAT_KEYS if self.dtype == "uint8" else ():
            if getattr(self, key) != _DEFAULTS.get(key):
                raise ModelError(f"{key} has no meaning for dtype 'uint8': the network does it")
        if self.order == "BGR" and channels not in (3, 4):
            what = "kind 'gray'" if self.kind == "gray" else f"{channels} channel{'s' * (channels > 1)}"
            raise ModelError(f"order has no meaning for {what}")
        return {
            "size": size,
            "resize": resize,
            "channels": channels,
            "fill": whole_number("fill", self.fill, 0, 255),
            "scale": numbers("scale", self.scale, 1, above=0)[0],
            "mean": None if self.mean is None else numbers("mean", self.mean, channels),
            "std": None if self.std is None else numbers("std", self.std, channels, above=0),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocess:
        """From a manifest's mapping: `kind`, `size` except for "keep", and what else that kind takes.

        Raises:
            ManifestError: a missing or unknown key, or a value that a key can't take, named.
        """
        if not isinstance(data, Mapping):
            raise ManifestError(f"preprocess: expected keys with values, got {data!r}")
        for key in ("kind", "size"):
            if key not in data and data.get("kind") != "keep":
                raise ManifestError(f"preprocess: {key} is missing")
        known = (*_COMMON_KEYS, *_FLOAT_KEYS, "size", *_KEYS.get(str(data["kind"]), _OWN_KEYS))
        for key in data:
            if key not in known:
                raise ManifestError(
                    f"preprocess: unknown key {key!r} for kind {data['kind']!r}{nearest(str(key), known)}"
                )
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        """The plain data that `from_dict` takes, without what is None, or said by not being there."""
        more = _FLOAT_KEYS if self.dtype == "float32" else ()
        values = {key: getattr(self, key) for key in ("kind", *_KEYS[self.kind], *_COMMON_KEYS[1:], *more)}
        if self.kind == "gray":
            del values["channels"]
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in values.items()
            if value is not None and _UNWRITTEN.get(key) != value
        }

    @property
    def channels_last(self) -> bool:
        """Whether the input is (N, height, width, channels)."""
        return self.dtype == "uint8" or self.layout == "NHWC"

    def size_of(self, batch: Floats | Picture) -> tuple[int, int]:
        """Height and width of an input that this has made; of kind "keep" nothing else tells them."""
        height, width = batch.shape[1:3] if self.channels_last else batch.shape[2:4]
        return height, width

    def __call__(self, images: Frame | Sequence[Frame]) -> tuple[Floats | Picture, list[Placement | None]]:
        """One picture or several as the network's input, and how each was placed in it.

        Pictures are of any sizes (for "keep" of one size), and such as `as_picture` takes, red first.

        Returns:
            A contiguous array, (N, channels, height, width) or (N, height, width, channels), float32 or uint8, and
            for each picture its `Letterbox` or `Stretch`, or None for "crop" and "middle".

        Raises:
            ImageError: no picture, one that is no array of uint8 or has other channels, or sizes that differ.
        """
        placed = [self._place(as_picture(image, self.channels)) for image in several(images)]
        pictures = [swapped(picture) if self.order == "BGR" else picture for picture, _ in placed]
        return self._values(pictures), [geometry for _, geometry in placed]

    def _values(self, pictures: Sequence[Picture]) -> Floats | Picture:
        one_shape(pictures)
        if self.dtype == "uint8":
            return np.stack(pictures)
        batch = planes_of(pictures, self.scale)
        if self.mean is not None or self.std is not None:
            batch = normalize(batch, self.mean or (0.0,) * self.channels, self.std or (1.0,) * self.channels)
        return batch if self.layout == "NCHW" else np.ascontiguousarray(batch.transpose(0, 2, 3, 1))

    def _place(self, picture: Picture) -> tuple[Picture, Placement | None]:
        source = picture.shape[0], picture.shape[1]
        if self.size is None:
            return picture, Letterbox(1.0, 0, 0, source, source)
        if self.kind == "letterbox":
            return letterbox(picture, self.size, fill=self.fill)
        how: dict[str, Any] = {"interpolation": self.interpolation, "antialias": self.antialias}
        if self.kind == "crop":
            return center_crop_resize(picture, self.resize, self.size, **how), None
        if self.kind == "middle":
            return middle_resize(picture, self.size, **how), None
        return stretch(picture, self.size, **how), Stretch(source, self.size)
