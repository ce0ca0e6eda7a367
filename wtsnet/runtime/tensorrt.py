"""The TensorRT runner: the plan on a GPU, through pycuda. The only file that imports pycuda."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pycuda.driver as cuda

from wtsnet import trt as tensorrt
from wtsnet.dtypes import PACKED, numpy_dtype
from wtsnet.errors import EngineError, RunnerError
from wtsnet.runtime import check_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from wtsnet.manifest import Input, PlanManifest


class _Buffer:
    """A pinned host array and device memory for one tensor, grown when a larger shape comes."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.host: NDArray[Any] = np.empty(0, dtype)
        self.device: Any = None

    def fit(self, shape: Sequence[int]) -> NDArray[Any]:
        """The host array as `shape`, with as much memory on the device."""
        count = int(np.prod(shape))
        if self.device is None or count > self.host.size:
            self.free()
            self.host = cuda.pagelocked_empty(max(count, 1), self.dtype)
            self.device = cuda.mem_alloc(self.host.nbytes)
        return self.host[:count].reshape(shape)

    def free(self) -> None:
        if self.device is not None:
            self.device.free()
        self.device, self.host = None, np.empty(0, self.dtype)


class TensorRTRunner:
    """Runs an engine on one stream, in the device's primary context: the one that torch and CuPy use.

    Args:
        engine: an ICudaEngine.
        inputs: what it takes, by name.
        reason: why this runner was taken.
        device: the CUDA device's number.

    Raises:
        EngineError: an engine with other inputs than `inputs`, or with a tensor of a 4-bit dtype.
        RunnerError: CUDA failed.
    """

    kind = "tensorrt"

    def __init__(self, engine: Any, inputs: Mapping[str, Input], reason: str = "", device: int = 0) -> None:
        self.reason = f"tensorrt: {reason}"
        self._specs = inputs
        self._runtime: Any = None  # what the engine came from must outlive it
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        output = tensorrt.module().TensorIOMode.OUTPUT
        self._outputs = [name for name in names if engine.get_tensor_mode(name) == output]
        if taken := set(names).difference(self._outputs).symmetric_difference(inputs):
            raise EngineError(f"input {min(taken)!r}: it is either not in the plan or not in its manifest")
        self._buffers = {name: _Buffer(_numpy_dtype(engine, name)) for name in names}
        self._context = _primary_context(device)
        with _current(self._context):
            self._engine = engine
            self._execution = engine.create_execution_context()
            if self._execution is None:
                raise EngineError(f"no execution context: {tensorrt.log.last_error()}")
            self._stream = cuda.Stream()

    @classmethod
    def from_plan(cls, plan: bytes, manifest: PlanManifest, reason: str = "", device: int = 0) -> TensorRTRunner:
        """Deserialize a plan and run it.

        Raises:
            EngineError: TensorRT can't open it; TensorRT's own words are given.
        """
        tensorrt.log.errors.clear()
        with _current(_primary_context(device)):
            runtime = tensorrt.module().Runtime(tensorrt.logger())
            engine = runtime.deserialize_cuda_engine(plan)
            if engine is None:
                raise EngineError(f"the plan can't be opened: {tensorrt.log.last_error()}")
            runner = cls(engine, {spec["name"]: spec for spec in manifest.inputs}, reason, device)
        runner._runtime = runtime
        return runner

    def __call__(self, **inputs: Any) -> dict[str, NDArray[Any]]:
        """The outputs by name (see `Runner`)."""
        if self._execution is None:
            raise RunnerError("the runner is closed")
        arrays = check_inputs(self._specs, inputs)
        tensorrt.log.errors.clear()
        with _current(self._context):
            for name, array in arrays.items():
                self._copy_in(name, array)
            results = {name: self._prepare_output(name) for name in self._outputs}
            if not self._execution.execute_async_v3(self._stream.handle):
                raise RunnerError(f"the engine failed: {tensorrt.log.last_error()}")
            for name, host in results.items():
                cuda.memcpy_dtoh_async(host, self._buffers[name].device, self._stream)
            self._stream.synchronize()
            return {name: host.copy() for name, host in results.items()}

    def _copy_in(self, name: str, array: NDArray[Any]) -> None:
        host = self._fit(name, array.shape)
        host[...] = array
        if not self._execution.set_input_shape(name, array.shape):
            raise RunnerError(f"input {name!r}: shape {array.shape}: {tensorrt.log.last_error()}")
        cuda.memcpy_htod_async(self._buffers[name].device, host, self._stream)

    def _prepare_output(self, name: str) -> NDArray[Any]:
        shape = tuple(self._execution.get_tensor_shape(name))
        if min(shape, default=0) < 0:
            raise RunnerError(f"output {name!r}: found shape {shape}: a size that the values decide is not supported")
        return self._fit(name, shape)

    def _fit(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """The host array of a tensor, with its device memory known to TensorRT."""
        buffer = self._buffers[name]
        host = buffer.fit(shape)
        if not self._execution.set_tensor_address(name, int(buffer.device)):
            raise RunnerError(f"tensor {name!r}: {tensorrt.log.last_error()}")
        return host

    def close(self) -> None:
        """Free the buffers, the stream, the execution context and the engine."""
        if self._execution is None:
            return
        with _current(self._context):
            for buffer in self._buffers.values():
                buffer.free()
            self._execution = self._engine = self._runtime = self._stream = None
        self._context = None

    def __enter__(self) -> TensorRTRunner:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _numpy_dtype(engine: Any, name: str) -> np.dtype[Any]:
    dtype = tensorrt.dtype_name(engine.get_tensor_dtype(name))
    if dtype in PACKED:
        raise EngineError(f"tensor {name!r}: found dtype {dtype}, which has no array; cast it in the network")
    return numpy_dtype(dtype)


def _primary_context(device: int) -> Any:
    try:
        cuda.init()
        return cuda.Device(device).retain_primary_context()
    except cuda.Error as error:
        raise RunnerError(f"CUDA device {device}: {error}") from error


@contextmanager
def _current(context: Any) -> Iterator[None]:
    """The context on this thread, for the time of the block. CUDA's errors become wtsnet's."""
    context.push()
    try:
        yield
    except cuda.Error as error:
        raise RunnerError(f"CUDA: {error}") from error
    finally:
        cuda.Context.pop()
