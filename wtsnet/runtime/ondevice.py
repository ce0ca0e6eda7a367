"""Arrays of the host on a device, for who keeps them there between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.runtime import cuda
from wtsnet.runtime.arrays import DeviceArray
from wtsnet.runtime.memory import DevicePool, HostPool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def on_device(arrays: Mapping[str, NDArray[Any]], device: str | int | None) -> dict[str, Any]:
    """The arrays on a CUDA device."""
    number = str(device).rpartition(":")[2]
    frame = {}
    with cuda.device(int(number) if number.isdecimal() else 0) as gpu:
        there, here, stream = DevicePool(gpu), HostPool(gpu), cuda.stream()
        for name, array in arrays.items():
            block, staged = there.take(array.nbytes), here.take(array.nbytes).array((array.nbytes,), np.uint8)
            staged[...] = array.reshape(-1).view(np.uint8)
            cuda.copy_in(block.address, staged, stream)
            stream.synchronize()
            frame[name] = DeviceArray(block, array.shape, array.dtype)
        there.close()  # frees what comes back
        here.close()
    return frame
