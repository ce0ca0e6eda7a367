"""Arrays on the device: other libraries' as inputs, and our own as outputs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import RunnerError
from wtsnet.runtime import cuda, dlpack, libcuda

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wtsnet.runtime.cuda import Device
    from wtsnet.runtime.memory import Block

_LEGACY = 1  # the legacy default stream, as CUDA and __cuda_array_interface__ number it


@dataclass(frozen=True)
class OnDevice:
    """An input that is on the device.

    Attributes:
        address, shape, dtype: of its memory.
        contiguous: whether it is C-contiguous.
        owner: what keeps the memory.
    """

    address: int
    shape: tuple[int, ...]
    dtype: Any
    contiguous: bool
    owner: Any

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return prod(self.shape) * int(self.dtype.itemsize)

    def __getitem__(self, rows: slice) -> OnDevice:
        row = self.nbytes // self.shape[0]
        shape = (rows.stop - rows.start, *self.shape[1:])
        return replace(self, address=self.address + rows.start * row, shape=shape)


class Arrivals:
    """Takes over arrays that other libraries have on the device.

    Each call has a stream (a lane) of its own, which waits for the producers; the runner's waits for the lane.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._lanes: deque[Lane] = deque()

    def lane(self) -> Lane:
        """A lane, for one call."""
        try:
            return self._lanes.pop()
        except IndexError:
            with self._device:
                return Lane(self._device)

    def give_back(self, lane: Lane) -> None:
        """Keep a lane, for whose call all is done, for another call."""
        lane.used = False
        self._lanes.append(lane)

    def close(self) -> None:
        """Let go of the lanes; the device's context is current."""
        self._lanes.clear()


class Lane:
    """The arrays of one call.

    Attributes:
        stream: waits for whoever made them.
        used: whether there are any.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self.stream = cuda.stream()
        self._ready = cuda.event(timing=False)
        self.used = False

    def take(self, value: Any) -> OnDevice | None:
        """A value as it lies on the device; None for one that does not.

        Raises:
            RunnerError: it is on another device, or can't be had.
        """
        if isinstance(value, DeviceArray):  # another runner's: it is there, and stays there as long as we refer to it
            self._check_device(value.device)
            return OnDevice(value.address, value.shape, value.dtype, True, value)
        try:
            found = self._by_dlpack(value)
            return self._by_cuda_array_interface(value) if found is None else found
        except (BufferError, RuntimeError, TypeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise RunnerError(f"an array on the device can't be taken over: {reason}") from error

    def _by_dlpack(self, value: Any) -> OnDevice | None:
        if not hasattr(value, "__dlpack_device__"):
            return None
        kind, number = value.__dlpack_device__()
        if kind not in (dlpack.CUDA, dlpack.CUDA_MANAGED):
            return None
        self._check_device(number)
        if getattr(value, "requires_grad", False):
            value = value.detach()
        self.used = True
        with self._device:
            capsule = value.__dlpack__(stream=self.stream.handle)
        address, shape, dtype, contiguous, _ = dlpack.read(capsule)
        return OnDevice(address, shape, dtype, contiguous, (capsule, value))

    def _by_cuda_array_interface(self, value: Any) -> OnDevice | None:
        facts = getattr(value, "__cuda_array_interface__", None)
        if facts is None:
            return None
        self.used = True
        address, shape, dtype = facts["data"][0] or 0, tuple(facts["shape"]), np.dtype(facts["typestr"])
        contiguous = dlpack.is_contiguous(shape, facts.get("strides"), dtype.itemsize)
        producer = facts.get("stream") if facts.get("version", 0) >= 3 and "stream" in facts else _LEGACY
        with self._device:
            if address:
                self._check_device(libcuda.device_of(address))
            if producer is not None:
                libcuda.follow(self.stream.handle, producer)
        return OnDevice(address, shape, dtype, contiguous, value)

    def _check_device(self, number: int) -> None:
        if number != self._device.number:
            raise RunnerError(
                f"an array is on CUDA device {number}, the runner on device {self._device.number}; copy it there, or "
                f"make a runner with device={number}"
            )

    def hold(self, stream: Any) -> None:
        """Make a stream wait for all that was taken; the device's context is current."""
        if self.used:
            self._ready.record(self.stream)
            stream.wait_for_event(self._ready)


class DeviceArray:
    """An output on the device, in memory of its own: what the runner does later does not change it.

    It is there already: any stream may read it. `torch.from_dlpack`, `torch.as_tensor`, `cupy.from_dlpack` and
    `cupy.asarray` take it without a copy. The memory is used again once nothing refers to it; with DLPack and the
    default stream that costs nothing, with another stream, and with `__cuda_array_interface__`, which does not say
    what stream reads it, the device is waited for.

    Attributes:
        shape, dtype: as numpy's.
        device: the CUDA device's number.
    """

    def __init__(self, block: Block, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._block, self.shape, self.dtype = block, shape, dtype
        self.device = block.pool.device.number

    @property
    def address(self) -> int:
        """Where it is."""
        return self._block.address

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if self.dtype.isbuiltin == 2:  # there is no letter for ml_dtypes' types
            raise AttributeError(f"__cuda_array_interface__ has no {self.dtype}; DLPack has")
        self._block.shared = True
        address = self.address if self.nbytes else 0
        return {
            "version": 3,
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (address, False),
            "strides": None,
            "stream": None,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CUDA, self.device

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule of the older form, which every `max_version` may be answered with."""
        if dl_device not in (None, self.__dlpack_device__()):
            raise BufferError(f"the array is on CUDA device {self.device} and stays there; found dl_device={dl_device}")
        if copy:
            raise BufferError("the array is shared, not copied; found copy=True")
        if stream not in (None, 0, _LEGACY):
            self._block.shared = True
        return dlpack.write(self._block, self.address, self.shape, self.dtype.name, self.device)

    def numpy(self) -> NDArray[Any]:
        """A copy on the host."""
        array = np.empty(self.shape, self.dtype)
        if array.nbytes:
            with self._block.pool.device:
                cuda.read(array.reshape(-1).view(np.uint8), self.address)
        return array

    def __repr__(self) -> str:
        return f"DeviceArray({self.dtype} {self.shape} on CUDA device {self.device})"


def concatenated(arrays: list[DeviceArray], take: Callable[[int], Block], stream: Any) -> DeviceArray:
    """Arrays joined along the first axis, in memory from `take`; the device's context is current."""
    rows = sum(array.shape[0] for array in arrays)
    whole = DeviceArray(take(sum(array.nbytes for array in arrays)), (rows, *arrays[0].shape[1:]), arrays[0].dtype)
    target = whole.address
    for array in arrays:
        if array.nbytes:
            cuda.copy_over(target, array.address, array.nbytes, stream)
        target += array.nbytes
    stream.synchronize()
    return whole
