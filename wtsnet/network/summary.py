"""What a network holds, in figures: layers by kind, and weights as TensorRT has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from wtsnet import trt as tensorrt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wtsnet.network.network import Network

# The kinds of layers that hold weights: the class that shows them, and where.
_WEIGHTS = {
    "CONSTANT": ("IConstantLayer", ("weights",)),
    "CONVOLUTION": ("IConvolutionLayer", ("kernel", "bias")),
    "DECONVOLUTION": ("IDeconvolutionLayer", ("kernel", "bias")),
    "SCALE": ("IScaleLayer", ("shift", "scale", "power")),
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
        layer = net.trt.get_layer(index)
        kind = layer.type.name
        outputs = ", ".join(_described(layer.get_output(i)) for i in range(layer.num_outputs))
        held = list(_weights(layer, kind))
        yield LayerFacts(layer.name, kind, outputs, sum(w.size for w in held), sum(w.nbytes for w in held))


def _weights(holder: Any, kind: str) -> Iterator[Any]:
    """A layer's weights, each a numpy array, or TensorRT's own Weights for a dtype that numpy lacks."""
    if kind not in _WEIGHTS:
        return
    interface, attributes = _WEIGHTS[kind]
    holder.__class__ = getattr(tensorrt.module(), interface)  # get_layer gives the base class
    for name in attributes:
        held = getattr(holder, name)
        if held is not None:
            yield held


def _described(tensor: Any) -> str:
    try:
        return f"{tensorrt.dtype_name(tensor.dtype)} {shape_text(tensor)}"
    except (RuntimeError, ValueError, KeyError):  # TensorRT itself can't say before the input sizes are set
        return "unknown"


def shape_text(tensor: Any) -> str:
    """An ITensor's shape; a dynamic axis by its name where it has one, else as -1."""
    sizes = [size if size >= 0 else tensor.get_dimension_name(axis) or size for axis, size in enumerate(tensor.shape)]
    return "×".join(map(str, sizes)) or "()"
