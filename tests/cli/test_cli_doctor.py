"""wtsnet/cli/doctor.py: `wtsnet doctor`."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from wtsnet import trt
from wtsnet.trt import flavours
from wtsnet.trt.device import Driver, Gpu

module = importlib.import_module("wtsnet.cli.doctor")  # its function goes by the same name


def answers(out: str) -> dict[str, str]:
    """What one may want to do, and yes or the reason why not."""
    rows = [re.split(r"  +", line, maxsplit=2) for line in out.partition("\n\n")[2].splitlines()]
    return {row[1]: row[2] if row[0] == "no" else "yes" for row in rows}


def with_gpu(monkeypatch: pytest.MonkeyPatch, *capability: int) -> None:
    gpus = (Gpu(0, "Some GPU", (capability[0], capability[1]), 24 << 30),) if capability else ()
    monkeypatch.setattr(module, "driver", lambda: Driver("13.0", "" if gpus else "no CUDA device", gpus))


def test_without_a_gpu(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    done = cli("doctor")
    assert (done.status, done.err) == (0, "")
    assert re.search(rf"^{trt.flavour()} +{re.escape(trt.version())}$", done.out, re.MULTILINE)
    assert re.search(r"^driver +CUDA 13.0, no CUDA device$", done.out, re.MULTILINE)
    assert answers(done.out) == {
        "read and write .wts": "yes",
        "export checkpoints": "yes",
        "define networks and build plans": "yes",
        "run and verify with the reference runtime": "yes",
        "run plans with TensorRT": "no CUDA device",
    }


def test_no_driver(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "driver", lambda: Driver(None, "no NVIDIA driver (x is not there)"))
    assert re.search(r"^driver +no NVIDIA driver \(x is not there\)$", cli("doctor").out, re.MULTILINE)


def test_with_a_gpu(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycuda", ModuleType("pycuda"))
    monkeypatch.setitem(sys.modules, "pycuda.driver", ModuleType("pycuda.driver"))
    monkeypatch.setattr(trt, "flavour", lambda: "tensorrt_rtx")
    with_gpu(monkeypatch, 8, 9)
    out = cli("doctor").out
    assert re.search(r"^GPU 0 +Some GPU, sm89, 24 GiB$", out, re.MULTILINE)
    assert answers(out)["run plans with TensorRT"] == "yes"
    with_gpu(monkeypatch, 9, 0)
    reason = answers(cli("doctor").out)["run plans with TensorRT"]
    assert reason == "TensorRT-RTX does not run on Some GPU (sm90); install tensorrt"
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with_gpu(monkeypatch, 8, 9)
    assert "pip install pycuda" in answers(cli("doctor").out)["run plans with TensorRT"]


def test_without_torch(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = cli("doctor")
    assert done.status == 0
    found = answers(done.out)
    for what in ("export checkpoints", "run and verify with the reference runtime"):
        assert found[what].endswith("; pip install torch")
    assert found["define networks and build plans"] == "yes"


def test_without_tensorrt(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in trt.FLAVOURS:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(flavours, "_failures", {})
    with_gpu(monkeypatch, 8, 9)
    done = cli("doctor")
    assert done.status == 0
    found = answers(done.out)
    assert found["read and write .wts"] == found["export checkpoints"] == "yes"
    for what in ("define networks and build plans", "run and verify with the reference runtime"):
        assert "no TensorRT can be imported" in found[what]
    assert "no TensorRT can be imported" in found["run plans with TensorRT"]


def test_damaged_installations(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    original = importlib.import_module

    def broken(name: str, package: str | None = None) -> Any:
        if name == "torch":
            raise OSError("libtorch.so:\n cannot open shared object file")
        if name == "pycuda":
            raise ImportError("libcuda.so.1: cannot open shared object file")
        return original(name, package)

    monkeypatch.setattr(module.importlib, "import_module", broken)
    done = cli("doctor")
    assert done.status == 0
    assert "does not import: libtorch.so: cannot open shared object file\n" in done.out
    assert "does not import: libcuda.so.1: cannot open" in done.out


def test_the_environment_variable(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WTSNET_TENSORRT", "tensorflow")
    done = cli("doctor")
    assert done.status == 0
    assert re.search("^WTSNET_TENSORRT +tensorflow$", done.out, re.MULTILINE)
    assert "expected one of tensorrt, tensorrt_rtx" in answers(done.out)["define networks and build plans"]
