"""A CUDA made of Python, and a real one."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.runtime.fake_cuda import Cuda


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cuda]:
    """The fake, in the place of pycuda and libcuda."""
    fake, package = Cuda(), ModuleType("pycuda")
    package.driver = fake  # type: ignore[attr-defined]  # a module takes what it is given
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", fake)
    module = importlib.import_module("wtsnet.runtime.cuda")
    monkeypatch.setattr(module, "driver", fake)
    monkeypatch.setattr(module, "_devices", {})
    fake.in_place_of_libcuda(monkeypatch)
    yield fake
    gc.collect()  # runners that a traceback has kept are closed on this CUDA
    assert fake.stack == [], "a context was left on the stack"


@pytest.fixture
def launch(cuda: Cuda) -> Callable[[int, Callable[[], None], bool], None]:
    """Gives work to a stream of the fake, and waits for it if told so."""

    def give(handle: int, work: Callable[[], None], now: bool) -> None:
        assert cuda.stack, "an engine ran without a context"
        cuda.streams[handle].add(work)
        if now:
            cuda.streams[handle].run()

    return give


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """pycuda.driver, where there is a GPU."""
    from wtsnet.trt.device import driver

    if problem := driver().problem:
        pytest.skip(problem)
    real = pytest.importorskip("pycuda.driver", exc_type=ImportError)
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA")
    module = importlib.import_module("wtsnet.runtime.cuda")
    monkeypatch.setattr(module, "driver", real)
    return real
