"""What one network wants done to a picture, as plain data for a manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wtsnet.errors import ManifestError, ModelError, nearest
from wtsnet.manifest import height_width, numbers, one_of, whole_number
from wtsnet.pictures.placement import Placement, Stretch
from wtsnet.pictures.reading import (
    FILTERS,
    Floats,
    Picture,
    center_crop_resize,
    letterbox,
    luma,
    normalize,
    planes_of,
    several,
    stretch,
)

_KEYS = {
    "letterbox": ("size", "fill"),
    "crop": ("size", "resize", "interpolation"),
    "stretch": ("size", "interpolation"),
    "gray": ("size",),
}
_COMMON_KEYS = ("kind", "dtype", "order")
_FLOAT_KEYS = ("scale", "mean", "std", "layout")
_DEFAULTS = {"fill": 114, "resize": 256, "interpolation": "bilinear", "scale": 255.0, "layout": "NCHW"}


@dataclass(frozen=True)
class Preprocess:
    """What one network wants done to a picture, in the words of its manifest.

    kind: "letterbox" (detectors), "crop" (classifiers: `center_crop_resize`), "stretch" or "gray" (`grayscale`).
    size: the input's (height, width); a single number makes a square.
    fill: grey level of the padding, for "letterbox". resize: shorter side before the crop, for "crop".
    interpolation: "bilinear" or "bicubic", for "crop" and "stretch".
    dtype: "float32", or "uint8" for pixels as they are, (N, height, width, channels): the network does the rest.
    order: of the channels: "RGB" or "BGR".
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
    dtype: str = "float32"
    order: str = "RGB"
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
        one_of("kind", self.kind, _KEYS)
        one_of("layout", self.layout, ("NCHW", "NHWC"))
        one_of("interpolation", self.interpolation, FILTERS)
        one_of("dtype", self.dtype, ("float32", "uint8"))
        one_of("order", self.order, ("RGB", "BGR"))
        channels = 1 if self.kind == "gray" else 3
        size = height_width(self.size)
        resize = whole_number("resize", self.resize, 1)
        if self.kind == "crop" and max(size) > resize:
            raise ModelError(f"resize is {resize}, smaller than size {size[0]}x{size[1]}")
        for key in ("fill", "resize", "interpolation"):
            if key not in _KEYS[self.kind] and getattr(self, key) != _DEFAULTS[key]:
                raise ModelError(f"{key} has no meaning for kind {self.kind!r}")
        for key in _FLOAT_KEYS if self.dtype == "uint8" else ():
            if getattr(self, key) != _DEFAULTS.get(key):
                raise ModelError(f"{key} has no meaning for dtype 'uint8': the network does it")
        if self.kind == "gray" and self.order != "RGB":
            raise ModelError("order has no meaning for kind 'gray'")
        return {
            "size": size,
            "resize": resize,
            "fill": whole_number("fill", self.fill, 0, 255),
            "scale": numbers("scale", self.scale, 1, above=0)[0],
            "mean": None if self.mean is None else numbers("mean", self.mean, channels),
            "std": None if self.std is None else numbers("std", self.std, channels, above=0),
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
        of_kind = _KEYS.get(str(data["kind"]), ("size", "fill", "resize", "interpolation"))
        known = (*_COMMON_KEYS, *_FLOAT_KEYS, *of_kind)
        for key in data:
            if key not in known:
                raise ManifestError(
                    f"preprocess: unknown key {key!r} for kind {data['kind']!r}{nearest(str(key), known)}"
                )
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        """The plain data that `from_dict` takes, without what is None."""
        more = _FLOAT_KEYS if self.dtype == "float32" else ()
        values = {key: getattr(self, key) for key in ("kind", *_KEYS[self.kind], *_COMMON_KEYS[1:], *more)}
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in values.items()
            if value is not None
        }

    @property
    def channels_last(self) -> bool:
        """Whether the input is (N, height, width, channels)."""
        return self.dtype == "uint8" or self.layout == "NHWC"

    def __call__(self, images: Picture | Sequence[Picture]) -> tuple[Floats | Picture, list[Placement | None]]:
        """One picture or several, of any sizes, as the network's input, and how each was placed in it.

        Returns:
            A contiguous array, (N, channels, height, width) or (N, height, width, channels), float32 or uint8, and
            for each picture its `Letterbox` or `Stretch`, or None for the other kinds.

        Raises:
            ImageError: no picture, or one that is no (height, width, 3) uint8 array.
        """
        placed = [self._place(image) for image in several(images)]
        pictures = [picture[:, :, ::-1] if self.order == "BGR" else picture for picture, _ in placed]
        return self._values(pictures), [geometry for _, geometry in placed]

    def _values(self, pictures: Sequence[Picture]) -> Floats | Picture:
        if self.dtype == "uint8":
            return np.stack(pictures)
        batch = planes_of(pictures, self.scale)
        channels = batch.shape[1]
        if self.mean is not None or self.std is not None:
            batch = normalize(batch, self.mean or (0.0,) * channels, self.std or (1.0,) * channels)
        return batch if self.layout == "NCHW" else np.ascontiguousarray(batch.transpose(0, 2, 3, 1))

    def _place(self, image: Picture) -> tuple[Picture, Placement | None]:
        if self.kind == "letterbox":
            return letterbox(image, self.size, fill=self.fill)
        if self.kind == "crop":
            return center_crop_resize(image, self.resize, self.size, interpolation=self.interpolation), None
        if self.kind == "stretch":
            placed = stretch(image, self.size, interpolation=self.interpolation)
            return placed, Stretch((image.shape[0], image.shape[1]), self.size)
        return luma(image, self.size), None
