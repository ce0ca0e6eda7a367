"""Pools of page-locked and of device memory: a block goes back to its pool when nothing refers to it any more."""

from __future__ import annotations

import sys
from collections import deque
from math import prod
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import RunnerError
from wtsnet.runtime import cuda

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

    from wtsnet.runtime.cuda import Device


class Block:
    """Memory of a pool.

    Attributes:
        address: where it is.
        size: in bytes.
        memory: what frees it.
        pool: whose it is.
        shared: on a device: whether something may still use it, on a stream of its own, when we let go of it.
    """

    __slots__ = ("address", "memory", "pool", "shared", "size")

    def __init__(self, pool: Pool, memory: Any, address: int, size: int) -> None:
        self.pool, self.memory, self.address, self.size = pool, memory, address, size
        self.shared = False

    def __del__(self) -> None:
        self.pool.give_back(self)


class HostBlock(Block):
    """Page-locked memory, which numpy arrays can lie in."""

    __slots__ = ()

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {"version": 3, "shape": (self.size,), "typestr": "|u1", "data": (self.address, False)}

    def array(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """An array in the memory, and that keeps it."""
        dtype = np.dtype(dtype)
        flat: NDArray[np.uint8] = np.asarray(self)
        return flat[: prod(shape) * dtype.itemsize].view(dtype).reshape(shape)


def is_page_locked(array: NDArray[Any]) -> bool:
    """Whether an array lies in a `HostBlock`."""
    base = array.base
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, HostBlock)


class Pool:
    """Blocks of a few sizes, each kept for the next one that asks for that size.

    Taking and closing happen with the device's context current. Giving back happens on any thread and at any moment
    (Python's garbage collector may run inside of anything), and so waits for no other thread's work.

    Attributes:
        device: whose context the memory belongs to.
        bytes: what the pool holds, in use or not.
    """

    kind = "device"
    block: type[Block] = Block

    def __init__(self, device: Device) -> None:
        self.device = device
        self.bytes = 0
        self._closed = False
        self._free: dict[int, deque[tuple[Any, int]]] = {}
        self._lock = RLock()  # a collection inside of it may give a block back

    def take(self, size: int) -> Any:
        """A block of at least `size` bytes.

        Raises:
            RunnerError: there is not so much.
        """
        size = _rounded(size)
        try:
            memory, address = self._free[size].pop()
        except (KeyError, IndexError):
            memory, address = self._new(size)
        return self.block(self, memory, address, size)

    def affords(self, size: int, limit: int) -> bool:
        """Whether a block of `size` bytes can be had without holding more than `limit`."""
        size = _rounded(size)
        return self.bytes + size <= limit or bool(self._free.get(size))

    def _new(self, size: int) -> tuple[Any, int]:
        try:
            made = self._allocate(size)
        except Exception as error:
            if not cuda.is_out_of_memory(error):
                raise
            self.trim()
            made = self._again(size)
        with self._lock:
            self.bytes += size
        return made

    def _again(self, size: int) -> tuple[Any, int]:
        try:
            return self._allocate(size)
        except Exception as error:
            if not cuda.is_out_of_memory(error):
                raise
            free, total = cuda.memory_info()
            state = f" ({free:,} of {total:,} bytes are free)" if self.kind == "device" else ""
            raise RunnerError(f"out of {self.kind} memory: {size:,} bytes were asked for{state}") from error

    def _allocate(self, size: int) -> tuple[Any, int]:
        return cuda.device_memory(size)

    def give_back(self, block: Block) -> None:
        """Keep a block's memory for the next one."""
        if sys.is_finalizing():  # the driver is going too, and takes it all
            return
        if self._closed:
            self._release(block)
        else:
            self._free.setdefault(block.size, deque()).append((block.memory, block.address))

    def _release(self, block: Block) -> None:
        try:
            with self.device:
                block.memory.free()
        except RunnerError:
            pass  # a device that is lost has no memory left to free

    def trim(self) -> None:
        """Free what is not in use."""
        for size, free in list(self._free.items()):
            while free:
                free.pop()[0].free()
                with self._lock:
                    self.bytes -= size

    def close(self) -> None:
        """Free what is not in use, now, and each block that is, as soon as it comes back."""
        self._closed = True
        self.trim()
        self.bytes = 0


class HostPool(Pool):
    """Page-locked memory."""

    kind = "page-locked host"
    block = HostBlock

    def _allocate(self, size: int) -> tuple[Any, int]:
        return cuda.page_locked(size)


class DevicePool(Pool):
    """Memory on the device.

    What was on the legacy default stream (torch's and CuPy's) when a block came back may still read it: the next one
    to use the pool's memory has its stream wait for `released`. A block that was given to other streams is not kept:
    freeing it waits for all of the device.
    """

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        with device:
            self.released = cuda.event(timing=False)

    def give_back(self, block: Block) -> None:
        if sys.is_finalizing():
            return
        if block.shared and not self._closed:
            self._release(block)
            with self._lock:
                self.bytes -= block.size
            return
        try:
            with self.device:
                if self.released is not None:
                    self.released.record()
        except RunnerError:
            return
        super().give_back(block)

    def close(self) -> None:
        super().close()
        self.released = None


def _rounded(size: int) -> int:
    """A size of which there are few: four for each power of two, at most a quarter too much."""
    if size <= 512:
        return 512
    step = 1 << ((size - 1).bit_length() - 3)
    return -(-size // step) * step
