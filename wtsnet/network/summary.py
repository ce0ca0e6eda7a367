"""What a network holds, in figures: layers by kind, and weights as TensorRT has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.trt import PACKED, LayerView, view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wtsnet.network.network import Network

# Where the kinds of layers that hold weights have them.
_WEIGHTS = {
    "CONSTANT": ("weights",),
    "CONVOLUTION": ("kernel", "bias"),
    "DECONVOLUTION": ("kernel", "bias"),
    "SCALE": ("shift", "scale", "power"),
}


class LayerFacts(NamedTuple):
    """A layer: its name and kind, each output's dtype and shape in words, and the values and bytes of its weights."""

    name: str
    kind: str
    outputs: str
    values: int
    bytes: int


def layers(net: Network) -> Iterator[LayerFacts]:
    """Every layer, in TensorRT's order."""
    for index in range(net.trt.num_layers):
        layer = view(net.trt, index)
        outputs = ", ".join(_described(layer.get_output(i)) for i in range(layer.num_outputs))
        held = list(_weights(layer))
        yield LayerFacts(layer.name, layer.layer_type, outputs, sum(w.size for w in held), sum(map(_bytes, held)))


def _weights(layer: LayerView) -> Iterator[Any]:
    """A layer's weights, each a numpy array, or TensorRT's own Weights for a dtype that numpy lacks."""
    for name in _WEIGHTS.get(layer.layer_type, ()):
        held = getattr(layer, name)
        if held is not None:
            yield held


def _bytes(weights: Any) -> int:
    """How many bytes weights take; of values of four bits TensorRT itself can't say."""
    packed = not isinstance(weights, np.ndarray) and tensorrt.dtype_name(weights.dtype) in PACKED
    return (int(weights.size) + 1) // 2 if packed else int(weights.nbytes)


def _described(tensor: Any) -> str:
    try:
        return f"{tensorrt.dtype_name(tensor.dtype)} {shape_text(tensor)}"
    except (RuntimeError, ValueError, KeyError):  # TensorRT itself can't say before the input sizes are set
        return "unknown"


def shape_text(tensor: Any) -> str:
    """An ITensor's shape; a dynamic axis by its name where it has one, else as -1."""
    sizes = [size if size >= 0 else tensor.get_dimension_name(axis) or size for axis, size in enumerate(tensor.shape)]
    return "×".join(map(str, sizes)) or "()"
