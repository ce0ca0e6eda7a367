"""TensorRT's way to ask for memory for an output whose size only the values decide."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from wtsnet import trt as tensorrt

if TYPE_CHECKING:
    from wtsnet.runtime.buffers import Drain


def output_allocator(drain: Drain, stream: Any) -> Any:
    """An IOutputAllocator that writes into the memory of `drain`."""
    return _kind(tensorrt.module())(drain, stream)


@cache
def _kind(trt: Any) -> Any:
    class OutputAllocator(trt.IOutputAllocator):  # type: ignore[misc]  # TensorRT ships no stubs
        def __init__(self, drain: Drain, stream: Any) -> None:
            trt.IOutputAllocator.__init__(self)
            self._drain, self._stream = drain, stream

        def reallocate_output_async(self, name: str, memory: int, size: int, alignment: int, stream: int) -> int:
            return self._drain.reallocate(size, self._stream)

        def reallocate_output(self, name: str, memory: int, size: int, alignment: int) -> int:
            return self._drain.reallocate(size, self._stream)

        def notify_shape(self, name: str, shape: Any) -> None:
            self._drain.resize(tuple(shape))

    return OutputAllocator
