"""A network's input picture: float32 (N, C, H, W), or the pixels themselves, which the network then prepares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import ModelError, nearest
from wtsnet.ops import div, sub

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.definition.axes import Range
    from wtsnet.definition.registry import Image
    from wtsnet.network import Network, Tensor

KINDS = ("float32", "uint8", "uint8-bgr")
"""What a network can be given: prepared values, pixels of red, green and blue, or of blue, green and red."""


def add_picture(net: Network, image: Image, batch: Range, height: Range, width: Range, kind: str) -> Tensor:
    """Add the input and, where it is pixels, the layers that prepare them; gives (N, C, H, W) in float32.

    Pixels are uint8 (N, H, W, C). What `Preprocess` does to them outside of the network is done in it, in the same
    order and in float32: division by `scale`, then − mean, then / std.

    Raises:
        ModelError: an unknown kind, or pixels for a model that does not say how they become its input.
    """
    if kind not in KINDS:
        raise ModelError(f"input: found {kind!r}, expected one of {', '.join(KINDS)}{nearest(kind, KINDS)}")
    if kind == "float32":
        return net.input(image.name, (batch, image.channels, height, width))
    if not image.preprocess:
        raise ModelError(f"input: found {kind!r}, but the model does not say how pixels become its input")
    if kind == "uint8-bgr" and image.channels != 3:
        raise ModelError(f"input: found {kind!r}, expected uint8: the model has {image.channels} channels")
    x = net.input(image.name, (batch, height, width, image.channels), "uint8").float().permute(0, 3, 1, 2)
    if kind == "uint8-bgr":
        x = x.flip(1)
    x = x / image.preprocess.get("scale", 255)
    for op, key in ((sub, "mean"), (div, "std")):
        if values := image.preprocess.get(key):
            x = op(x, net.constant(np.reshape(values, (1, -1, 1, 1)), "float32", label=key))
    return x


def told(preprocess: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What is left to do to a picture outside of the network, for a manifest."""
    if not preprocess or kind == "float32":
        return dict(preprocess)
    inside = ("scale", "mean", "std", "layout")
    left = {key: value for key, value in preprocess.items() if key not in inside}
    return {**left, "dtype": "uint8", "order": "BGR" if kind == "uint8-bgr" else "RGB"}
