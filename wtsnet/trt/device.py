"""Which GPUs are here, asked of NVIDIA's driver itself: no CUDA toolkit and no Python package is needed."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """A CUDA device.

    Attributes:
        index: its number.
        name: such as "NVIDIA GeForce RTX 4090".
        capability: its compute capability, such as (8, 9).
        memory: its memory in bytes.
    """

    index: int
    name: str
    capability: tuple[int, int]
    memory: int

    @property
    def target(self) -> str:
        """What a build for this device is called: "sm89"."""
        return "sm{}{}".format(*self.capability)


@dataclass(frozen=True)
class Driver:
    """NVIDIA's driver.

    Attributes:
        cuda: the newest CUDA that it runs, such as "13.0"; None where there is no driver.
        problem: why there are no GPUs; empty when there are.
        gpus: the devices.
    """

    cuda: str | None
    problem: str
    gpus: tuple[Gpu, ...] = ()


def library() -> str:
    """The file name of the driver's library, libcuda."""
    return "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def driver() -> Driver:
    """What the driver says now. Nothing is cached: a device may disappear."""
    name = library()
    try:
        cuda = ctypes.CDLL(name)
    except OSError:
        return Driver(None, f"no NVIDIA driver ({name} is not there)")
    if code := cuda.cuInit(0):
        if code == 100:  # CUDA_ERROR_NO_DEVICE, also where CUDA_VISIBLE_DEVICES hides them
            return Driver(_version(cuda), "no CUDA device")
        return Driver(None, f"the NVIDIA driver does not start (cuInit: error {code})")
    count = ctypes.c_int()
    cuda.cuDeviceGetCount(ctypes.byref(count))
    gpus = tuple(_gpu(cuda, index) for index in range(count.value))
    return Driver(_version(cuda), "" if gpus else "no CUDA device", gpus)


def _version(cuda: ctypes.CDLL) -> str:
    number = ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(number))
    return f"{number.value // 1000}.{number.value % 1000 // 10}"


def _gpu(cuda: ctypes.CDLL, index: int) -> Gpu:
    handle = ctypes.c_int()
    cuda.cuDeviceGet(ctypes.byref(handle), index)
    name = ctypes.create_string_buffer(256)
    cuda.cuDeviceGetName(name, len(name), handle)
    memory = ctypes.c_size_t()
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), handle)
    major, minor = (_attribute(cuda, code, handle) for code in (75, 76))  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
    return Gpu(index, name.value.decode(errors="replace"), (major, minor), memory.value)


def _attribute(cuda: ctypes.CDLL, code: int, handle: ctypes.c_int) -> int:
    value = ctypes.c_int()
    cuda.cuDeviceGetAttribute(ctypes.byref(value), code, handle)
    return value.value
