"""wtsnet/trt/flavours.py: which TensorRT it is, and what it says."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
import tensorrt_rtx

from wtsnet.errors import TensorRTError
from wtsnet.trt import flavours as trt
from wtsnet.trt.dtypes import MEMBERS


def test_the_installed_one() -> None:
    assert trt.module() is tensorrt_rtx or trt.flavour() == "tensorrt"
    assert trt.version() == trt.module().__version__


def test_the_full_one_goes_first_and_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    full = ModuleType("tensorrt")
    full.__version__ = "10.3.0.26"  # type: ignore[attr-defined]  # a module takes what it is given
    monkeypatch.setitem(sys.modules, "tensorrt", full)
    assert (trt.flavour(), trt.version()) == ("tensorrt", "10.3.0.26")
    monkeypatch.setenv("WTSNET_TENSORRT", "tensorrt_rtx")
    assert trt.flavour() == "tensorrt_rtx"


def test_none_is_installed() -> None:
    code = """
import sys
sys.modules["tensorrt"] = sys.modules["tensorrt_rtx"] = None
import wtsnet
try:
    wtsnet.define("lenet", {})
except wtsnet.WtsnetError as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("TensorRTError no TensorRT can be imported (tensorrt: ")
    assert done.stdout.endswith("pip install tensorrt-rtx (builds with no GPU), or tensorrt (needs one)\n")


def test_a_builder_that_needs_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    full = ModuleType("tensorrt")
    full.__dict__.update(__version__="10.3.0.26", ILogger=tensorrt_rtx.ILogger)

    def refuse(logger: object) -> None:
        logger.log(tensorrt_rtx.ILogger.ERROR, "CUDA initialization failure with error: 35.\n Please check")  # type: ignore[attr-defined]  # an ILogger
        raise TypeError("pybind11::init(): factory function returned nullptr")

    full.__dict__["Builder"] = refuse
    monkeypatch.setitem(sys.modules, "tensorrt", full)
    with pytest.raises(TensorRTError) as caught:
        trt.builder()
    assert str(caught.value) == (
        "tensorrt 10.3.0.26 can't build here: CUDA initialization failure with error: 35. Please check; "
        "it needs a CUDA device (tensorrt_rtx builds without one)"
    )


@pytest.mark.parametrize("name", list(MEMBERS))
def test_dtype_names_go_both_ways(name: str) -> None:
    if not hasattr(tensorrt_rtx.DataType, MEMBERS[name]):
        pytest.skip(f"this release has no {name}")
    assert trt.dtype_name(trt.dtype(name)) == name


def test_every_dtype_of_tensorrt_has_a_name() -> None:
    members = {name for name in dir(tensorrt_rtx.DataType) if name.isupper()}
    assert members == set(MEMBERS.values()) & members
    assert {trt.dtype_name(getattr(tensorrt_rtx.DataType, name)) for name in members} <= set(MEMBERS)
    for name in ("float32", "float16", "int64", "int32", "int8", "uint8", "bool"):
        assert tensorrt_rtx.nptype(trt.dtype(name)) in (np.dtype(name), np.dtype(name).type)


def test_a_dtype_that_is_none() -> None:
    with pytest.raises(TensorRTError, match=r"dtype: unknown 'flaot32' in tensorrt.*; did you mean 'float32'"):
        trt.dtype("flaot32")


def test_the_log_keeps_errors_as_one_line() -> None:
    log = trt.Log()
    assert log.last_error() == "TensorRT gave no reason"
    severity = tensorrt_rtx.ILogger
    log.add(severity.WARNING, "a warning")
    log.add(severity.ERROR, "[x.cpp::1] Error Code 6:\n  too  bad")
    log.add(severity.INTERNAL_ERROR, "worse")
    log.add(severity.ERROR, "Error Code 1: Cuda Runtime (no CUDA-capable device is detected)")
    assert list(log.errors) == ["[x.cpp::1] Error Code 6:\n  too  bad", "worse"]
    log.errors.pop()
    assert log.last_error() == "[x.cpp::1] Error Code 6: too bad"


def test_listening() -> None:
    with trt.log.listening() as lines:
        trt.log.add(tensorrt_rtx.ILogger.VERBOSE, "a")
        with trt.log.listening() as inner:
            trt.log.add(tensorrt_rtx.ILogger.INFO, "b")
        trt.log.add(tensorrt_rtx.ILogger.INFO, "c")
    trt.log.add(tensorrt_rtx.ILogger.INFO, "d")
    assert (lines, inner) == (["a", "c"], ["b"])


def test_one_logger() -> None:
    assert trt.logger() is trt.logger()


def test_networks_are_strongly_typed() -> None:
    made = trt.builder()
    network = trt.create_network(made)
    assert network.get_flag(tensorrt_rtx.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def test_it_is_the_only_file_that_imports_tensorrt() -> None:
    from pathlib import Path

    package = Path(importlib.import_module("wtsnet").__path__[0])
    files = [*package.rglob("*.py"), *(package.parent / "models").rglob("*.py")]
    naming = [
        file.name
        for file in files
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(("import tensorrt", "from tensorrt"))
    ]
    assert naming == []
