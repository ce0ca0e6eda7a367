"""What the pixels of pictures are as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from wtsnet.errors import ImageError
from wtsnet.manifest import numbers
from wtsnet.pictures.frames import Picture, as_picture, several

Floats: TypeAlias = npt.NDArray[np.float32]


def to_input(images: Picture | Sequence[Picture]) -> Floats:
    """One picture or several of one size as a contiguous (N, channels, height, width) float32 array from 0 to 1.

    Raises:
        ImageError: no picture, one that is no (height, width, channels) uint8 array, or pictures of several sizes.
    """
    return planes_of([as_picture(image, None) for image in several(images)], 255.0)


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
    """Pictures of one size as (N, channels, height, width) float32, divided by `scale`."""
    height, width, channels = one_shape(pictures)
    batch = np.empty((len(pictures), channels, height, width), np.float32)
    for planes, picture in zip(batch, pictures, strict=True):
        planes[:] = picture.transpose(2, 0, 1)
    batch /= np.float32(scale)
    return batch


def one_shape(pictures: Sequence[Picture]) -> tuple[int, int, int]:
    """The shape that all pictures have; else ImageError."""
    shapes = sorted({picture.shape for picture in pictures})
    if len(shapes) > 1:
        found = ", ".join("×".join(map(str, shape)) for shape in shapes)
        raise ImageError(f"the pictures of one batch must have one size, got {found}")
    height, width, channels = shapes[0]
    return height, width, channels
