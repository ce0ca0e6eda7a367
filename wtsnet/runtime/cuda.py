"""CUDA through pycuda: the one file that imports it. Nothing happens on a device until `device` is called."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pycuda.driver as driver

from wtsnet.errors import RunnerError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: not ordered with the legacy default stream, on which torch's work is
_devices: dict[int, Device] = {}
_lock = Lock()


def device(number: int) -> Device:
    """A CUDA device, the same object each time: its primary context is kept until the process ends.

    Raises:
        RunnerError: there is no such device, or CUDA does not start.
    """
    with _lock:
        if number not in _devices:
            _devices[number] = Device(number)
        return _devices[number]


class Device:
    """A CUDA device's primary context: the one that torch and CuPy use, so that memory and streams are shared.

    `with device:` makes it current on this thread, whichever that is, and the one before it afterwards. CUDA's errors
    leave the block as RunnerError. Everything below is to be called in such a block.

    Attributes:
        number: the device's.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        try:
            driver.init()
            self._context = driver.Device(number).retain_primary_context()
        except driver.Error as error:
            raise RunnerError(f"CUDA device {number}: {error}") from error

    def __enter__(self) -> Device:
        try:
            self._context.push()
        except driver.Error as error:
            raise RunnerError(f"CUDA device {self.number}: {error}") from error
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        driver.Context.pop()
        if isinstance(error, driver.Error):
            raise RunnerError(f"CUDA: {error}") from error


def stream() -> Any:
    """A stream of its own, ordered with no other."""
    return driver.Stream(_NON_BLOCKING)


def event(timing: bool = True) -> Any:
    """An event; one that keeps no time is cheaper."""
    flags = driver.event_flags
    return driver.Event(flags.DEFAULT if timing else flags.DISABLE_TIMING)


def device_memory(size: int) -> tuple[Any, int]:
    """`size` bytes on the device: what frees them, and their address."""
    memory = driver.mem_alloc(size)
    return memory, int(memory)


def page_locked(size: int) -> tuple[Any, int]:
    """`size` bytes of page-locked host memory: what frees them, and their address."""
    array = driver.pagelocked_empty(size, np.uint8)
    return array.base, array.ctypes.data


def is_out_of_memory(error: BaseException) -> bool:
    """Whether CUDA failed for want of memory."""
    return isinstance(error, driver.MemoryError)


def memory_info() -> tuple[int, int]:
    """The device's free and total bytes."""
    free, total = driver.mem_get_info()
    return int(free), int(total)


def copy_in(address: int, host: NDArray[np.uint8], stream: Any) -> None:
    """Page-locked bytes to the device."""
    driver.memcpy_htod_async(address, host, stream)


def copy_out(host: NDArray[np.uint8], address: int, stream: Any) -> None:
    """Bytes of the device to page-locked ones."""
    driver.memcpy_dtoh_async(host, address, stream)


def copy_over(target: int, source: int, size: int, stream: Any) -> None:
    """Bytes from one place on the device to another."""
    driver.memcpy_dtod_async(target, source, size, stream)


def read(host: NDArray[np.uint8], address: int) -> None:
    """Bytes of the device to any host memory; they are there afterwards."""
    driver.memcpy_dtoh(host, address)
