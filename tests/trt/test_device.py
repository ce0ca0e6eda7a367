"""wtsnet/trt/device.py, on a libcuda made of Python."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pytest

from wtsnet.trt.device import Driver, Gpu, driver


class Libcuda:
    """NVIDIA's driver with these devices: name, capability, memory."""

    def __init__(self, *gpus: tuple[str, tuple[int, int], int], start: int = 0) -> None:
        self.gpus, self.start = gpus, start

    def cuInit(self, flags: int) -> int:
        return self.start

    def cuDriverGetVersion(self, version: Any) -> int:
        version._obj.value = 13000
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = len(self.gpus)
        return 0

    def cuDeviceGet(self, handle: Any, index: int) -> int:
        handle._obj.value = index + 10
        return 0

    def cuDeviceGetName(self, name: Any, size: int, handle: Any) -> int:
        name.value = self.gpus[handle.value - 10][0].encode()
        return 0

    def cuDeviceTotalMem_v2(self, memory: Any, handle: Any) -> int:
        memory._obj.value = self.gpus[handle.value - 10][2]
        return 0

    def cuDeviceGetAttribute(self, value: Any, code: int, handle: Any) -> int:
        value._obj.value = self.gpus[handle.value - 10][1][code - 75]
        return 0


def with_driver(monkeypatch: pytest.MonkeyPatch, library: Any) -> list[str]:
    asked: list[str] = []

    def load(name: str) -> Any:
        asked.append(name)
        if library is None:
            raise OSError("not there")
        return library

    monkeypatch.setattr(ctypes, "CDLL", load)
    return asked


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    with_driver(monkeypatch, Libcuda(("NVIDIA L4", (8, 9), 23 << 30), ("NVIDIA B", (12, 0), 5 << 30)))
    assert driver() == Driver("13.0", "", (Gpu(0, "NVIDIA L4", (8, 9), 23 << 30), Gpu(1, "NVIDIA B", (12, 0), 5 << 30)))
    assert [gpu.target for gpu in driver().gpus] == ["sm89", "sm120"]


@pytest.mark.parametrize(
    ("library", "found"),
    [
        (None, Driver(None, "no NVIDIA driver (libcuda.so.1 is not there)")),
        (Libcuda(start=999), Driver(None, "the NVIDIA driver does not start (cuInit: error 999)")),
        (Libcuda(start=100), Driver("13.0", "no CUDA device")),
        (Libcuda(), Driver("13.0", "no CUDA device")),
    ],
)
def test_no_devices(monkeypatch: pytest.MonkeyPatch, library: Any, found: Driver) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    with_driver(monkeypatch, library)
    assert driver() == found


def test_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    asked = with_driver(monkeypatch, None)
    assert driver().problem == "no NVIDIA driver (nvcuda.dll is not there)"
    assert asked == ["nvcuda.dll"]


@pytest.mark.gpu
def test_the_devices_of_this_machine() -> None:
    gpus = driver().gpus
    if not gpus:
        pytest.skip(driver().problem)
    assert gpus[0].name.startswith(("NVIDIA", "Tesla", "GeForce", "Quadro"))
    assert gpus[0].memory > 1 << 30
