"""Engines with the calls of TensorRT's ICudaEngine and IExecutionContext, on torch.

They take the addresses and the stream handle that TensorRT would be given, compute with torch on that stream, and write
the results to those addresses: so all of the runtime but TensorRT's kernels runs on any CUDA GPU, and on the fake one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from math import prod
from typing import Any

import tensorrt_rtx as trt
import torch
from torch import Tensor

from wtsnet import trt as tensorrt
from wtsnet.reference import ReferenceRunner
from wtsnet.reference.readback import TORCH_DTYPES

Shape = tuple[int, ...]
Tensors = dict[str, Tensor]
Specs = Mapping[str, tuple[str, Shape]]
Launch = Callable[[int, Callable[[], None], bool], None]


class FunctionEngine:
    """An ICudaEngine that computes a function of torch tensors.

    Args:
        inputs, outputs: dtype and shape (-1 where dynamic) by name.
        function: from the inputs to the outputs, by name.
        launch: gives work to the stream of a handle, and waits for it if told so; None for torch on CUDA.
        host: the inputs and outputs that are on the host.
        open: the outputs whose size only the values decide.
        device: torch's, without `launch`.

    Attributes:
        fail: the call of an execution context that is to fail.
        contexts: all execution contexts.
        profile: by name an input's (min, opt, max) shapes in the first optimization profile, or the values of one that
            is on the host.
        formats: by name the TensorFormat of what does not lie in memory as an array does.
    """

    def __init__(
        self,
        inputs: Specs,
        outputs: Specs,
        function: Callable[[Tensors], Mapping[str, Tensor]],
        launch: Launch | None = None,
        host: Sequence[str] = (),
        open: Sequence[str] = (),
        device: str = "cuda:0",
    ) -> None:
        self.inputs, self.outputs, self.function, self.launch = inputs, outputs, function, launch
        self.device = torch.device("cpu" if launch else device)
        self.host, self.open = host, open
        self.fail: str | None = None
        self.contexts: list[Context] = []
        self.profile: dict[str, tuple[Shape, Shape, Shape]] = {}
        self.formats: dict[str, Any] = {}

    @property
    def num_io_tensors(self) -> int:
        return len(self.inputs) + len(self.outputs)

    def get_tensor_name(self, index: int) -> str:
        return [*self.inputs, *self.outputs][index]

    def get_tensor_mode(self, name: str) -> Any:
        return trt.TensorIOMode.OUTPUT if name in self.outputs else trt.TensorIOMode.INPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return tensorrt.dtype({**self.inputs, **self.outputs}[name][0])

    def get_tensor_shape(self, name: str) -> Shape:
        return {**self.inputs, **self.outputs}[name][1]

    def get_tensor_location(self, name: str) -> Any:
        return trt.TensorLocation.HOST if name in self.host else trt.TensorLocation.DEVICE

    def get_tensor_format(self, name: str) -> Any:
        return self.formats.get(name, trt.TensorFormat.LINEAR)

    def get_tensor_profile_shape(self, name: str, index: int) -> list[Any]:
        assert name not in self.host, "its profile is of values"
        assert index == 0
        return [trt.Dims(shape) for shape in self.profile[name]]

    def get_tensor_profile_values(self, index: int, name: str) -> list[list[int]]:
        assert name in self.host, "its profile is of shapes"
        assert index == 0
        return [list(values) for values in self.profile[name]]

    def create_execution_context(self) -> Context | None:
        if self.fail == "create_execution_context":
            return None
        self.contexts.append(Context(self))
        return self.contexts[-1]


class ReferenceEngine(FunctionEngine):
    """An ICudaEngine of a network, executed by the reference runtime.

    Args:
        network: an INetworkDefinition.
        device: torch's.
        launch: see `FunctionEngine`.
    """

    def __init__(self, network: Any, device: str = "cuda:0", launch: Launch | None = None) -> None:
        self.runner = ReferenceRunner(network, device)
        inputs, outputs = (
            {name: (spec.dtype, tuple(spec.shape)) for name, spec in specs.items()}
            for specs in (self.runner.inputs, self.runner.outputs)
        )
        super().__init__(inputs, outputs, self.runner.tensors, launch, device=device)


class Context:
    """An IExecutionContext.

    Attributes:
        calls: the names of the calls that change it.
    """

    def __init__(self, engine: FunctionEngine) -> None:
        self.engine = engine
        self.shapes: dict[str, Shape] = {}
        self.addresses: dict[str, int] = {}
        self.allocators: dict[str, Any] = {}
        self.calls: list[str] = []
        self._made: dict[Any, dict[str, Shape]] = {}
        self._pool = _pool() if engine.launch is None else None

    def _does(self, what: str) -> bool:
        self.calls.append(what)
        if self.engine.fail == what:
            tensorrt.log.errors.append("Error Code 1: Cuda Driver (as wished)")
        return self.engine.fail != what

    def set_input_shape(self, name: str, shape: Shape) -> bool:
        self.shapes[name] = tuple(shape)
        return self._does("set_input_shape")

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert address, "no address"
        self.addresses[name] = address
        return self._does("set_tensor_address")

    def set_output_allocator(self, name: str, allocator: Any) -> bool:
        self.allocators[name] = allocator
        return self._does("set_output_allocator")

    def infer_shapes(self) -> list[str]:
        if not self._does("infer_shapes"):
            raise RuntimeError("shape inference failed")
        return [name for name in self.engine.inputs if name not in self.shapes]

    def get_tensor_shape(self, name: str) -> Shape:
        if name in self.engine.open:
            return self.engine.outputs[name][1]
        return self._shapes()[name]

    def _shapes(self) -> dict[str, Shape]:
        """The outputs' shapes, found by computing with zeros, and with what is on the host."""
        host = [self._at(name, self.addresses[name], self.shapes[name]) for name in self._host_inputs()]
        key = (*self.shapes.items(), *(tuple(value.flatten().tolist()) for value in host))
        if key not in self._made:
            zeros = {
                name: torch.zeros(self.shapes[name], dtype=TORCH_DTYPES[dtype], device=self.engine.device)
                for name, (dtype, _) in self.engine.inputs.items()
            }
            zeros.update(zip(self._host_inputs(), host, strict=True))
            self._made[key] = {name: tuple(made.shape) for name, made in self.engine.function(zeros).items()}
        return self._made[key]

    def _host_inputs(self) -> list[str]:
        return [name for name in self.engine.inputs if name in self.engine.host]

    def execute_async_v3(self, handle: int) -> bool:
        if not self._does("execute_async_v3"):
            return False
        addresses, shapes = self.addresses.copy(), self.shapes.copy()
        if self.engine.open:
            return self._execute_open(handle, addresses, shapes)

        def work() -> None:
            made = self._compute(addresses, shapes)
            for name, tensor in made.items():
                self._at(name, addresses[name], tuple(tensor.shape)).copy_(tensor)

        self._launch(handle, work)
        return True

    def _execute_open(self, handle: int, addresses: dict[str, int], shapes: dict[str, Shape]) -> bool:
        """As TensorRT does, wait for the values on which sizes depend, and ask for memory then."""
        good = []

        def work() -> None:
            for name, tensor in self._compute(addresses, shapes).items():
                address = addresses.get(name, 0)
                if name in self.engine.open:
                    allocator = self.allocators[name]
                    size = max(tensor.numel() * tensor.element_size(), 1)
                    address = allocator.reallocate_output_async(name, 0, size, 256, handle)
                    if not address:
                        return
                    allocator.notify_shape(name, trt.Dims(list(tensor.shape)))
                self._at(name, address, tuple(tensor.shape)).copy_(tensor)
            good.append(True)

        self._launch(handle, work, now=True)
        return bool(good)

    def _compute(self, addresses: Mapping[str, int], shapes: Mapping[str, Shape]) -> Mapping[str, Tensor]:
        inputs = {name: self._at(name, addresses[name], shapes[name]) for name in self.engine.inputs}
        return self.engine.function(inputs)

    def _launch(self, handle: int, work: Callable[[], None], now: bool = False) -> None:
        if self._pool is None:
            assert self.engine.launch is not None
            self.engine.launch(handle, work, now)
            return
        stream: Any = torch.cuda.ExternalStream
        with ExitStack() as stack:
            stack.enter_context(torch.cuda.stream(stream(handle, device=self.engine.device)))
            stack.enter_context(torch.cuda.use_mem_pool(self._pool, self.engine.device))
            work()

    def _at(self, name: str, address: int, shape: Shape) -> Tensor:
        """What lies at an address, as a tensor."""
        dtype = TORCH_DTYPES[{**self.engine.inputs, **self.engine.outputs}[name][0]]
        size = prod(shape) * dtype.itemsize
        if not size:
            return torch.empty(shape, dtype=dtype, device=self.engine.device)
        if self.engine.launch is not None or name in self.engine.host:
            flat = torch.frombuffer((ctypes.c_uint8 * size).from_address(address), dtype=torch.uint8)
        else:
            flat = torch.as_tensor(Bytes(address, size), device=self.engine.device)
        return flat.view(dtype).view(shape)


def _pool() -> Any:
    """Memory of its own for what torch allocates: a graph that is replayed uses it again, and nothing else may.

    It is never freed: torch ends the process when a pool goes from which something was captured.
    """
    pool = torch.cuda.MemPool()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(pool))
    return pool


class Bytes:
    """Memory on the device, for torch to see."""

    def __init__(self, address: int, size: int) -> None:
        self.__cuda_array_interface__ = {
            "version": 3, "shape": (size,), "typestr": "|u1", "data": (address, False), "strides": None, "stream": None,
        }  # fmt: skip
