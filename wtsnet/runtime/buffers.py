"""How the inputs and outputs of one execution context travel: its memory on both sides, and the copies between."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wtsnet.errors import RunnerError
from wtsnet.runtime import cuda
from wtsnet.runtime.arrays import DeviceArray, OnDevice
from wtsnet.runtime.memory import DevicePool, HostBlock, HostPool, is_page_locked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.runtime.memory import Block
    from wtsnet.runtime.ports import Port

Shape = tuple[int, ...]
ALIGNMENT = 256
"""In bytes, of each address that TensorRT is given."""
SMALL = 1 << 16
"""Up to so many bytes an output is copied out of a page-locked buffer that stays; a larger one gets page-locked
memory of its own, since copying it would take longer than its way over the bus."""
LIMIT = 1 << 30
"""Of page-locked memory, in bytes: who keeps more results than that gets copies in ordinary memory."""


class Memory(NamedTuple):
    """The pools of a runner."""

    device: DevicePool
    host: HostPool


class Buffer:
    """Device memory and page-locked memory of one tensor, grown when a larger shape comes, and kept."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._device: Block | None = None
        self._host: HostBlock | None = None

    def device(self, size: int, stream: Any) -> int:
        """The address of at least `size` bytes on the device."""
        if self._device is None or self._device.size < size:
            self._device = None
            self._device = taken(self._memory.device, size, stream)
        return self._device.address

    def host(self, size: int) -> HostBlock:
        """At least `size` page-locked bytes."""
        if self._host is None or self._host.size < size:
            self._host = None
            self._host = self._memory.host.take(size)
        return self._host


def taken(pool: DevicePool, size: int, stream: Any) -> Block:
    """A block of device memory that `stream` may use."""
    block: Block = pool.take(size)
    stream.wait_for_event(pool.released)
    return block


class Feed:
    """One input of an execution context.

    Attributes:
        name: its own.
        address: where TensorRT is to read it.
        staged: how many bytes were copied on the host, for the run at hand.
        copied: how many go to the device.
    """

    def __init__(self, port: Port, memory: Memory) -> None:
        self.name, self.dtype, self.is_host = port.name, port.dtype, port.host
        self.address = self.staged = self.copied = 0
        self._buffer = Buffer(memory)
        self._source: Any = None  # what is copied to the device, if anything
        self._stage: tuple[Shape | None, Any, Any] = (None, None, None)

    def take(self, array: NDArray[Any] | OnDevice, stream: Any) -> bool:
        """Take over a value, and give whether TensorRT must infer shapes from it."""
        self._source, self.staged, self.copied = None, 0, 0
        if self.is_host:
            return self._take_shape(array)
        if isinstance(array, OnDevice):
            self.address = array.address
            if array.address % ALIGNMENT or not array.nbytes:
                self.address = self._buffer.device(array.nbytes, stream)
                self._source, self.copied = array, array.nbytes
            return False
        size = array.nbytes
        self.address = self._buffer.device(size, stream)
        if size:
            self.copied = size
            self._source = _flat(array) if is_page_locked(array) else self._staged(array, size)
        return False

    def _take_shape(self, array: NDArray[Any] | OnDevice) -> bool:
        if isinstance(array, OnDevice):
            raise RunnerError(
                f"input {self.name!r}: found an array on the device; it decides shapes: give a host array"
            )
        block = self._buffer.host(max(array.nbytes, 1))
        values = block.array(array.shape, array.dtype)
        changed = block.address != self.address or not np.array_equal(values, array)
        values[...] = array
        self.address = block.address
        return changed

    def _staged(self, array: NDArray[Any], size: int) -> NDArray[np.uint8]:
        if self._stage[0] != array.shape:
            block = self._buffer.host(size)
            flat = block.array((size,), np.uint8)
            self._stage = array.shape, flat.view(array.dtype).reshape(array.shape), flat
        _, shaped, flat = self._stage
        shaped[...] = array
        self.staged = size
        staged: NDArray[np.uint8] = flat
        return staged

    def copy(self, stream: Any) -> None:
        """Bring it to the device."""
        source, self._source = self._source, None
        if isinstance(source, OnDevice):
            if source.nbytes:
                cuda.copy_over(self.address, source.address, source.nbytes, stream)
        elif source is not None:
            cuda.copy_in(self.address, source, stream)


class Drain:
    """One output of an execution context.

    Attributes:
        name: its own.
        address: where TensorRT is to write it.
        open: whether only the values decide its size: then TensorRT asks for memory (`reallocate`, `resize`).
        copied: how many bytes go to the host.
        staged: how many are copied there once more.
        error: what went wrong while TensorRT was asking.
    """

    def __init__(self, port: Port, memory: Memory) -> None:
        self.name, self.dtype, self.is_host = port.name, port.dtype, port.host
        self.address = self.copied = self.staged = 0
        self.open = False
        self.error: Exception | None = None
        self._memory = memory
        self._buffer = Buffer(memory)
        self._shape: Shape = ()
        self._size = 0
        self._block: Block | None = None  # the result's own memory on the device
        self._result: NDArray[Any] | None = None  # the result on the host, or the buffer that it is to be copied from
        self._held: tuple[Shape | None, Any, Any] = (None, None, None)

    def bind(self, shape: Shape, on_device: bool, own: bool, stream: Any) -> None:
        """Have memory for a run.

        Args:
            on_device: whether the result stays on the device.
            own: whether TensorRT may write right into the result's memory; else, for a graph, into memory that stays.
        """
        self._shape, self._size = shape, prod(shape) * self.dtype.itemsize
        self._block, self._result, self.error = None, None, None
        self.open = min(shape, default=0) < 0
        self.copied = self.staged = 0
        if self.open:
            return
        if self.is_host:
            block = self._buffer.host(max(self._size, 1))
            self.address, self._result = block.address, block.array(shape, self.dtype)
        elif on_device and own:
            self._block = taken(self._memory.device, self._size, stream)
            self.address = self._block.address
        else:
            self.address = self._buffer.device(self._size, stream)

    def reallocate(self, size: int, stream: Any) -> int:
        """TensorRT asks for memory for an output whose size it does not know; 0 where there is none."""
        try:
            self._block = None
            self._block = taken(self._memory.device, size, stream)
            return self._block.address
        except Exception as error:  # it must not go through TensorRT
            self.error = error
            return 0

    def resize(self, shape: Shape) -> None:
        """TensorRT tells the shape of such an output."""
        self._shape, self._size = shape, prod(shape) * self.dtype.itemsize

    def fetch(self, on_device: bool, stream: Any) -> None:
        """Bring what was computed to where the result is to be."""
        if self.is_host:
            return
        address = self._block.address if self.open and self._block else self.address
        if on_device:
            if self._block is None:
                self._block = taken(self._memory.device, self._size, stream)
                if self._size:
                    cuda.copy_over(self._block.address, address, self._size, stream)
            return
        self._result, flat = self._landing()
        if self._size:
            cuda.copy_out(flat, address, stream)
            self.copied = self._size

    def _landing(self) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Page-locked memory for the result: as an array, and as bytes."""
        if self._size > SMALL and self._memory.host.affords(self._size, LIMIT):
            array = self._memory.host.take(self._size).array(self._shape, self.dtype)
            return array, _flat(array)
        if self._held[0] != self._shape:
            array = self._buffer.host(max(self._size, 1)).array(self._shape, self.dtype)
            self._held = self._shape, array, _flat(array)
        self.staged = self._size
        return self._held[1], self._held[2]

    def result(self, on_device: bool) -> NDArray[Any] | DeviceArray:
        """What was computed, in memory of its own."""
        block, array, self._block, self._result = self._block, self._result, None, None
        if on_device and not self.is_host:
            assert block is not None
            return DeviceArray(block, self._shape, self.dtype)
        assert array is not None
        return array.copy() if self.staged or self.is_host else array


def _flat(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The bytes of a C-contiguous array."""
    return array.reshape(-1).view(np.uint8)
