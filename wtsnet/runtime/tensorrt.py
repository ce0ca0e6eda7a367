"""The TensorRT runner: the plan on a GPU, through pycuda. The only file that imports pycuda."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pycuda.driver as cuda

from wtsnet import trt as tensorrt
from wtsnet.errors import EngineError, RunnerError
from wtsnet.runtime import check_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from wtsnet.manifest import Input, PlanManifest


class _Buffer:
    """A pinned host array and device memory for one tensor, grown when a larger shape comes."""

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.host: NDArray[Any] = np.empty(0, self.dtype)
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
    """

    kind = "tensorrt"

    def __init__(self, engine: Any, inputs: Mapping[str, Input], reason: str = "", device: int = 0) -> None:
        self.reason = f"tensorrt: {reason}"
        self._specs = inputs
        cuda.init()
        self._context = cuda.Device(device).retain_primary_context()
        trt = tensorrt.module()
        with self._current():
            self._engine = engine
            self._execution = engine.create_execution_context()
            if self._execution is None:
                raise EngineError(f"no execution context: {tensorrt.log.last_error()}")
            self._stream = cuda.Stream()
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        self._outputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT]
        self._buffers = {name: _Buffer(tensorrt.dtype_name(engine.get_tensor_dtype(name))) for name in names}

    @classmethod
    def from_plan(cls, plan: bytes, manifest: PlanManifest, reason: str = "", device: int = 0) -> TensorRTRunner:
        """Deserialize a plan and run it.

        Raises:
            EngineError: TensorRT can't open it; TensorRT's own words are given.
        """
        cuda.init()
        context = cuda.Device(device).retain_primary_context()
        context.push()
        try:
            tensorrt.log.errors.clear()
            runtime = tensorrt.module().Runtime(tensorrt.logger())
            engine = runtime.deserialize_cuda_engine(plan)
        finally:
            cuda.Context.pop()
        if engine is None:
            raise EngineError(f"the plan can't be opened: {tensorrt.log.last_error()}")
        runner = cls(engine, {spec["name"]: spec for spec in manifest.inputs}, reason, device)
        runner._runtime = runtime  # must outlive the engine
        return runner

    _runtime: Any = None

    def __call__(self, **inputs: Any) -> dict[str, NDArray[Any]]:
        """The outputs by name (see `Runner`)."""
        if self._execution is None:
            raise RunnerError("the runner is closed")
        arrays = check_inputs(self._specs, inputs)
        with self._current():
            for name, array in arrays.items():
                self._copy_in(name, array)
            results = {name: self._prepare_output(name) for name in self._outputs}
            tensorrt.log.errors.clear()
            if not self._execution.execute_async_v3(self._stream.handle):
                raise RunnerError(f"the engine failed: {tensorrt.log.last_error()}")
            for name, host in results.items():
                cuda.memcpy_dtoh_async(host, self._buffers[name].device, self._stream)
            self._stream.synchronize()
            return {name: host.copy() for name, host in results.items()}

    def _copy_in(self, name: str, array: NDArray[Any]) -> None:
        buffer = self._buffers[name]
        host = buffer.fit(array.shape)
        host[...] = array
        if not self._execution.set_input_shape(name, array.shape):
            raise RunnerError(f"input {name!r}: shape {array.shape}: {tensorrt.log.last_error()}")
        cuda.memcpy_htod_async(buffer.device, host, self._stream)
        self._execution.set_tensor_address(name, int(buffer.device))

    def _prepare_output(self, name: str) -> NDArray[Any]:
        host = self._buffers[name].fit(tuple(self._execution.get_tensor_shape(name)))
        self._execution.set_tensor_address(name, int(self._buffers[name].device))
        return host

    @contextmanager
    def _current(self) -> Iterator[None]:
        """The primary context on this thread, for the time of the block."""
        self._context.push()
        try:
            yield
        finally:
            cuda.Context.pop()

    def close(self) -> None:
        """Free the buffers, the stream, the execution context and the engine."""
        if self._execution is None:
            return
        with self._current():
            for buffer in self._buffers.values():
                buffer.free()
            self._execution = self._engine = self._stream = self._runtime = None

    def __enter__(self) -> TensorRTRunner:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
