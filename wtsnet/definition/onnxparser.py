"""The ONNX route: TensorRT's own parser fills the network that ops would otherwise write.

What comes out is a `Network` like any other: it is built, saved, run and compared in the same way. The types in the
file are the network's, as everywhere in a strongly typed one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wtsnet import trt as tensorrt
from wtsnet.definition.axes import Axes
from wtsnet.definition.preprocessing import finished, merged
from wtsnet.errors import ModelError, NetworkError
from wtsnet.network import PRECISIONS, Network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wtsnet.definition.axes import Shape
    from wtsnet.definition.onnxfile import OnnxFile


@dataclass(frozen=True)
class Refusal:
    """Something in a file that TensorRT's parser does not take.

    Attributes:
        node: the ONNX node's name, its number where it has none; empty where it is not about a node.
        op: the node's operator, such as "Unique".
        reason: TensorRT's own words, its error code first.
    """

    node: str
    op: str
    reason: str

    def __str__(self) -> str:
        return f"node {self.node} ({self.op}): {self.reason}" if self.node else self.reason


def parse(file: OnnxFile) -> tuple[Network, list[Refusal]]:
    """A file's network, all its inputs as the file has them, and what the parser refuses. Where it refuses something
    the network is not whole."""
    net = Network(file)
    parser = net.hold(tensorrt.module().OnnxParser(net.trt, tensorrt.logger()))  # it owns the weights
    tensorrt.log.errors.clear()
    done = parser.parse_from_file(str(file.path))
    refused = [_refusal(parser.get_error(i)) for i in range(parser.num_errors)]
    if not done and not refused:
        refused = [Refusal("", "", tensorrt.log.last_error())]
    net.precision = _precision(net)
    net.facts |= {"task": "none", "preprocess": {}, "names": []}
    return net, refused


def _refusal(error: Any) -> Refusal:
    node = (error.node_name() or f"number {error.node()}") if error.node_operator() else ""
    words = error.desc() if node or not tensorrt.log.errors else tensorrt.log.errors[0]
    code = error.code().name
    return Refusal(node, error.node_operator(), code if words == "false" else f"{code}: {' '.join(words.split())}")


def _precision(net: Network) -> str:
    """The narrowest of the types of `PRECISIONS` that a layer gives."""
    layers = [net.trt.get_layer(i) for i in range(net.trt.num_layers)]
    found = {layer.get_output(i).dtype for layer in layers for i in range(layer.num_outputs)}
    return next((short for short in ("bf16", "fp16") if tensorrt.dtype(PRECISIONS[short]) in found), "fp32")


def define_onnx(
    file: OnnxFile,
    *,
    batch: Any = None,
    imgsz: Any = None,
    shapes: Mapping[str, Shape] | None = None,
    precision: str | None = None,
    fold_bn: bool | None = None,
    preprocess: str | Mapping[str, Any] | None = None,
    task: str | None = None,
    class_names: Sequence[str] | None = None,
    **options: Any,
) -> Network:
    """The network of an ONNX file.

    Args:
        batch: the first axis of all inputs that have it dynamic: a number or (min, opt, max).
        imgsz: height and width of the inputs (N, C, H, W) that have them dynamic, as for `wtsnet.define`.
        shapes: by an input's name its shape, or its (min, opt, max) shapes.
        precision: None, or what the file has.
        preprocess, task, class_names: as for `wtsnet.define`; a file says nothing of these.
        fold_bn, options: nothing that a file knows.

    Raises:
        ModelError: an option that a file has not; a dynamic axis that is not set, or a fixed one that is set otherwise.
        NetworkError: TensorRT's parser refuses a node, or the sizes.
    """
    for name, value in {"fold_bn": fold_bn, **options}.items():
        if value is not None:
            raise ModelError(f"{file.path}: {name}: found {value!r}, expected none: an ONNX file is taken as it is")
    net, refused = parse(file)
    if refused:
        more = f"; and {len(refused) - 1} more, see: wtsnet inspect {file.path}" if refused[1:] else ""
        raise NetworkError(f"{file.path}: TensorRT's parser refuses it: {refused[0]}{more}")
    if precision not in (None, net.precision):
        raise ModelError(
            f"{file.path}: precision: found {precision!r}, expected {net.precision}: the types in the file decide"
        )
    inputs = [net.trt.get_input(i) for i in range(net.trt.num_inputs)]
    axes = Axes(str(file.path), {tensor.name: tuple(tensor.shape) for tensor in inputs})
    axes.set_shapes(shapes or {})
    if batch is not None:
        axes.set_batch(batch)
    if imgsz is not None:
        axes.set_imgsz(imgsz)
    net.profile = axes.profile()
    tensorrt.log.errors.clear()
    for tensor in inputs:
        low, _, high = net.profile[tensor.name]
        tensor.shape = [a if a == b else -1 for a, b in zip(low, high, strict=True)]
    net.axes = _axes(inputs)
    try:
        net.outputs()
    except (RuntimeError, ValueError):  # TensorRT finds the shapes now, and so what contradicts them
        raise NetworkError(f"{file.path}: TensorRT refuses these sizes: {tensorrt.log.last_error()}") from None
    made = merged({}, preprocess, str(file.path))
    net.facts |= {"task": task or "none", "preprocess": finished(net.inputs(), str(file.path), made)}
    net.facts["names"] = [str(name) for name in class_names or ()]
    return net


def _axes(inputs: Sequence[Any]) -> dict[str, list[str]]:
    """The names that a file gives to dynamic axes, by the input's name."""
    named = {
        tensor.name: [tensor.get_dimension_name(i) or "" if size == -1 else "" for i, size in enumerate(tensor.shape)]
        for tensor in inputs
    }
    return {name: axes for name, axes in named.items() if any(axes)}
