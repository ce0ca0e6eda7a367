"""The reference runner: a TensorRT network, executed by torch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wtsnet.errors import RunnerError, nearest
from wtsnet.reference import (
    attention,
    conv,
    fill,
    index,
    linear,
    nms,
    norm,
    pointwise,
    pool,
    quantize,
    reduce,
    resize,
    shape,
    slices,
)
from wtsnet.reference.graph import Graph
from wtsnet.reference.program import Program
from wtsnet.reference.readback import TORCH_DTYPES, TensorSpec
from wtsnet.trt import numpy_dtype

# The families of layers: importing one registers its functions.
FAMILIES = (
    attention, conv, fill, index, linear, nms, norm, pointwise, pool, quantize, reduce, resize, shape, slices,
)  # fmt: skip


class ReferenceRunner:
    """Executes a TensorRT `INetworkDefinition` with torch.

    The network may be ours or a parser's. It is read once, here; its weights are not copied on the CPU, so what
    owns them (the arrays that were passed in, or the OnnxParser) must outlive the runner. Values are computed in the
    dtypes that TensorRT gives them and freed after their last use.

    Args:
        network: the INetworkDefinition, or a `wtsnet.Network`.
        device: a torch device: "cpu" or "cuda". Convolutions on CUDA do not use TF32.

    Attributes:
        inputs: name -> TensorSpec of each network input, in the network's order.
        outputs: the same of each output.

    Raises:
        UnsupportedLayerError: a layer of a kind that is not executed, with its name.
        RunnerError: a network that can't be read.
    """

    def __init__(self, network: Any, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        graph = Graph(getattr(network, "trt", network), self.device)
        self._graph: Graph | None = graph
        self._program = self._assemble(graph, fuse=True)
        self.inputs = {graph.specs[slot].name: graph.specs[slot] for slot in graph.inputs}
        self.outputs = {graph.specs[slot].name: graph.specs[slot] for slot in graph.outputs}

    @staticmethod
    def _assemble(graph: Graph, fuse: bool) -> Program:
        return Program(graph, range(len(graph.nodes)), graph.inputs, graph.outputs, fuse)

    def __call__(self, **inputs: Any) -> dict[str, np.ndarray[Any, Any]]:
        """`run` with the inputs as keyword arguments."""
        return self.run(inputs)

    def run(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
        """The network's outputs by name, for inputs by name.

        An input is an array, a torch tensor or anything that numpy.asarray takes; it is cast where no
        kind is lost (float64 to float32, integers to floats, integers to narrower ones that hold the values).
        Outputs are in TensorRT's dtype; what numpy lacks (bfloat16, fp8, int4 …) is in ml_dtypes' types.

        Raises:
            RunnerError: an input that is missing, unknown, or of a shape or dtype that does not fit; a layer that
                fails, with its name, kind and the shapes and dtypes of its inputs.
        """
        given = self._checked(inputs)
        with torch.inference_mode(), self._exact():
            results = self._program.run(given)
            borrowed = {t.untyped_storage().data_ptr() for t in (*given, *self._open().values)}
            pairs = zip(self.outputs.values(), results, strict=True)
            return {spec.name: _to_numpy(spec, t, borrowed) for spec, t in pairs}

    @torch.inference_mode()
    def tensors(self, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        """`run` with torch tensors of the runner's device as outputs, which may share memory with inputs and weights.

        What is on the device already stays there: on CUDA all work is given to torch's current stream, and not waited
        for.
        """
        with self._exact():
            return dict(zip(self.outputs, self._program.run(self._checked(inputs)), strict=True))

    @torch.inference_mode()
    def trace(self, inputs: Mapping[str, Any], names: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """Run, yielding each tensor whose name is in `names` as soon as it is computed.

        Inputs and constants can be asked for and come first. Two tensors of one name are both yielded. What is not
        asked for is freed after its last use, as in `run`.

        Raises:
            RunnerError: as `run`; also for a name that no tensor has, and for a tensor inside of a loop or
                conditional, which has no single value.
        """
        graph = self._open()
        given = self._checked(inputs)
        wanted = {slot for slot, spec in enumerate(graph.specs) if slot and spec.name in names}
        self._check_names(graph, names, wanted)
        program = self._program if wanted.isdisjoint(self._program.hidden) else self._assemble(graph, fuse=False)
        first = [*graph.inputs, *(slot for n in sorted(graph.constants) for slot in graph.targets[n])]
        with self._exact():
            for step, values in program.walk(given):
                for slot in first if step is None else step.outputs:
                    if slot in wanted:
                        yield graph.specs[slot].name, values[slot]

    def _check_names(self, graph: Graph, names: Collection[str], wanted: set[int]) -> None:
        known = {spec.name for slot, spec in enumerate(graph.specs) if slot}
        for name in names:
            if name not in known:
                raise RunnerError(f"the network has no tensor {name!r}{nearest(name, known)}")
        shown = {slot for step in self._program.steps for slot in step.outputs} | self._program.hidden
        shown.update(graph.inputs, *(graph.targets[n] for n in graph.constants))
        for slot in sorted(wanted - shown):
            name = graph.specs[slot].name
            raise RunnerError(f"tensor {name!r} is inside of a loop or conditional: it has no single value")

    def close(self) -> None:
        """Let go of the network, the weights and all values. Running afterwards is an error."""
        if self._graph is not None:
            self._graph = None
            del self._program

    def __enter__(self) -> ReferenceRunner:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self) -> Graph:
        if self._graph is None:
            raise RunnerError("the runner is closed")
        return self._graph

    def _exact(self) -> AbstractContextManager[object]:
        if self.device.type != "cuda":
            return nullcontext()
        return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)

    def _checked(self, inputs: Mapping[str, Any]) -> list[Tensor]:
        self._open()
        unknown = [name for name in inputs if name not in self.inputs]
        missing = [name for name in self.inputs if name not in inputs]
        if unknown:
            known = ", ".join(map(str, self.inputs.values()))
            raise RunnerError(f"unknown input {unknown[0]!r}{nearest(unknown[0], missing)}; the network takes {known}")
        if missing:
            raise RunnerError(f"missing input {self.inputs[missing[0]]}")
        return [_fitting(spec, inputs[name], self.device) for name, spec in self.inputs.items()]


def _fitting(spec: TensorSpec, value: Any, device: torch.device) -> Tensor:
    """An input as a tensor of the network's dtype, on the device. Raises RunnerError where it does not fit."""
    tensor = value.detach() if isinstance(value, Tensor) else _from_numpy(spec, value)
    got = f"got {str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
    fits = len(tensor.shape) == len(spec.shape) and all(
        want in (-1, have) for want, have in zip(spec.shape, tensor.shape, strict=True)
    )
    if not fits:
        raise RunnerError(f"input {spec.name!r}: {got}, expected {spec.dtype}{list(spec.shape)}")
    dtype = TORCH_DTYPES[spec.dtype]
    if not _casts(tensor, dtype):
        raise RunnerError(f"input {spec.name!r}: {got}, which {spec.dtype} can't hold")
    return tensor.to(device=device, dtype=dtype)


def _from_numpy(spec: TensorSpec, value: Any) -> Tensor:
    try:
        array = np.asarray(value)
        if array.dtype.isbuiltin == 2:  # added to numpy by ml_dtypes: bfloat16, float8_e4m3fn, int4 …
            array = array.astype(np.int8 if "int" in array.dtype.name else np.float32)
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)
        return torch.from_numpy(array if array.flags.writeable else array.copy())
    except (TypeError, ValueError) as error:
        raise RunnerError(f"input {spec.name!r}: {error}; expected {spec.dtype}{list(spec.shape)}") from error


def _casts(tensor: Tensor, dtype: torch.dtype) -> bool:
    """Whether the values survive: not float to integer, nor an integer that is out of range."""
    if tensor.dtype == dtype or not tensor.numel():
        return True
    if not torch.can_cast(tensor.dtype, dtype) or (dtype == torch.bool):
        return False
    if dtype.is_floating_point or tensor.dtype == torch.bool:
        return True
    low, high = tensor.aminmax()
    return int(low) >= torch.iinfo(dtype).min and int(high) <= torch.iinfo(dtype).max


def _to_numpy(spec: TensorSpec, tensor: Tensor, borrowed: set[int]) -> np.ndarray[Any, Any]:
    """An array of the network's dtype that shares memory with no input and no weight."""
    dtype = numpy_dtype(spec.dtype)
    if dtype.isbuiltin == 2:  # of ml_dtypes, which torch does not know: float32 holds each of its values
        widened: np.ndarray[Any, Any] = tensor.float().cpu().numpy()
        return widened.astype(dtype)
    if tensor.untyped_storage().data_ptr() in borrowed:
        tensor = tensor.clone()
    array: np.ndarray[Any, Any] = tensor.cpu().numpy()
    return array
