"""wtsnet/runtime/ports.py and asking.py: what an engine itself tells, on a CUDA made of Python."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import tensorrt_rtx as trt

from tests.runtime.engines import doubling, sized
from tests.runtime.fake_cuda import Cuda
from tests.runtime.reference_engine import FunctionEngine, Launch
from wtsnet import trt as tensorrt
from wtsnet.errors import EngineError, RunnerError
from wtsnet.runtime import ask, choosing
from wtsnet.trt.device import Driver, Gpu


class Plans:
    """TensorRT's Runtime, which makes of a plan what a test wants.

    Attributes:
        engine: what it makes; None for a plan that it refuses.
        opened: the plans that it was given.
    """

    def __init__(self, cuda: Cuda, engine: FunctionEngine | None) -> None:
        self.cuda, self.engine = cuda, engine
        self.opened: list[bytes] = []

    def __call__(self, logger: Any) -> Plans:
        assert isinstance(logger, trt.ILogger)
        return self

    def deserialize_cuda_engine(self, plan: bytes) -> FunctionEngine | None:
        assert self.cuda.stack, "a plan was opened without a context"
        self.opened.append(plan)
        if self.engine is None:
            tensorrt.log.errors.append("Error Code 6: API Usage Error\n(as wished)")
        return self.engine


@pytest.fixture(autouse=True)
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "driver", lambda: Driver("13.0", "", (Gpu(0, "Some GPU", (8, 9), 1),)))


def asked(monkeypatch: pytest.MonkeyPatch, cuda: Cuda, engine: FunctionEngine | None) -> Any:
    monkeypatch.setattr(trt, "Runtime", Plans(cuda, engine))
    return ask(b"plan")


def test_names_dtypes_and_the_profile(cuda: Cuda, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FunctionEngine(
        {"x": ("float16", (-1, 3, -1)), "ids": ("int64", (2, 4)), "scale": ("float32", ())},
        {"y": ("bfloat16", (-1,)), "z": ("bool", (1, 2))},
        dict,
        launch,
    )
    engine.profile = {"x": ((1, 3, 8), (2, 3, 16), (4, 3, 64))}  # TensorRT is not asked of what is fixed
    found = asked(monkeypatch, cuda, engine)
    fixed = {"min": [2, 4], "opt": [2, 4], "max": [2, 4]}
    assert found.inputs == [
        {"name": "x", "dtype": "float16", "shape": [-1, 3, -1], "min": [1, 3, 8], "opt": [2, 3, 16], "max": [4, 3, 64]},
        {"name": "ids", "dtype": "int64", "shape": [2, 4], **fixed},
        {"name": "scale", "dtype": "float32", "shape": [], "min": [], "opt": [], "max": []},
    ]
    assert found.outputs == [
        {"name": "y", "dtype": "bfloat16", "shape": [-1]},
        {"name": "z", "dtype": "bool", "shape": [1, 2]},
    ]
    assert found.values == {}
    numbers = [number for spec in found.inputs for key in ("shape", "min", "opt", "max") for number in spec[key]]
    assert {type(number) for number in numbers} == {int}, "plain data, as YAML has it"


def test_an_input_that_decides_shapes(cuda: Cuda, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sized(launch)
    engine.profile = {"x": ((1, 3), (4, 3), (64, 3)), "size": ((1,), (5,), (9,))}
    found = asked(monkeypatch, cuda, engine)
    assert found.values == {"size": [[1], [5], [9]]}
    assert found.inputs[1] == {"name": "size", "dtype": "int64", "shape": [1], "min": [1], "opt": [1], "max": [1]}


def test_a_tensor_that_is_no_array(cuda: Cuda, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = doubling(launch)
    engine.profile = {"x": ((1, 3), (4, 3), (64, 3))}
    engine.formats = {"y": trt.TensorFormat.CHW4}
    with pytest.raises(EngineError, match=r"^tensor 'y': found the format CHW4, which no array has; expected LINEAR$"):
        asked(monkeypatch, cuda, engine)
    engine.formats = {}
    engine.outputs = {"y": ("int4", (-1, 3))}
    with pytest.raises(EngineError, match="tensor 'y': found dtype int4, which has no array"):
        asked(monkeypatch, cuda, engine)


def test_a_plan_that_tensorrt_refuses(cuda: Cuda, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match=r"^the plan can't be opened: Error Code 6: API Usage Error \(as wished\)$"):
        asked(monkeypatch, cuda, None)


def test_where_nothing_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> Any:
        raise AssertionError("the plan was opened")

    monkeypatch.setattr(trt, "Runtime", refuse)
    with pytest.raises(RunnerError, match="there is no CUDA device 3, only 1 from 0"):
        ask(b"plan", 3)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(RunnerError, match=r"pycuda can't be imported .*; pip install pycuda"):
        ask(b"plan")
    monkeypatch.setattr(choosing, "driver", lambda: Driver(None, "no CUDA device"))
    with pytest.raises(RunnerError, match=r"^no CUDA device$"):
        ask(b"plan")
