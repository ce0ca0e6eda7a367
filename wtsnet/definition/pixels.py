"""A network's input picture: float32 (N, C, H, W), or the pixels themselves, which the network then prepares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import ModelError
from wtsnet.ops import cat, div, sub

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wtsnet.definition.axes import Range
    from wtsnet.network import Network, Tensor

KINDS = ("float32", "uint8", "uint8-bgr")
"""What a network can be given: prepared values, pixels of red, green and blue, or of blue, green and red."""


def add_picture(
    net: Network, name: str, channels: int, sizes: Sequence[Range], kind: str, preprocess: Mapping[str, Any]
) -> Tensor:
    """Add the input and, where it is pixels, the layers that prepare them; gives (N, C, H, W) in float32.

    Pixels are uint8 (N, H, W, C). What `Preprocess` does to them outside of the network is done in it, in the same
    order and in float32: division by `scale`, then − mean, then / std.

    Args:
        name, channels: of the input.
        sizes: of its axes.
        kind: one of `KINDS`.
        preprocess: what is done to a picture.

    Raises:
        ModelError: pixels for a model that does not say how they become its input.
    """
    if kind == "float32":
        return net.input(name, sizes)
    if not preprocess:
        raise ModelError(
            f"input: found {kind!r}, but the model does not say how pixels become its input (--preprocess)"
        )
    if kind == "uint8-bgr" and channels not in (3, 4):
        raise ModelError(f"input: found {kind!r}, expected uint8: the model has {channels} channels")
    x = net.input(name, sizes, "uint8").float().permute(0, 3, 1, 2)
    if (kind == "uint8-bgr") != (preprocess.get("order") == "BGR"):
        x = cat([x[:, :3].flip(1), x[:, 3:]], 1) if channels > 3 else x.flip(1)
    x = x / preprocess.get("scale", 255)
    for op, key in ((sub, "mean"), (div, "std")):
        if values := preprocess.get(key):
            x = op(x, net.constant(np.reshape(values, (1, -1, 1, 1)), "float32", label=key))
    return x


def told(preprocess: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What is left to do to a picture outside of the network, for a manifest."""
    if not preprocess or kind == "float32":
        return dict(preprocess)
    inside = ("scale", "mean", "std", "layout")
    left = {key: value for key, value in preprocess.items() if key not in inside}
    return {**left, "dtype": "uint8", "order": "BGR" if kind == "uint8-bgr" else "RGB"}
