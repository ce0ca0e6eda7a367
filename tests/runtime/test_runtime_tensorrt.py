"""wtsnet/runtime/tensorrt.py, on a pycuda whose device memory is the host's and on an engine made of Python."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorrt_rtx as trt

from wtsnet import runtime
from wtsnet import trt as tensorrt
from wtsnet.device import Driver, Gpu
from wtsnet.errors import EngineError, RunnerError
from wtsnet.manifest import Input

Arrays = dict[str, np.ndarray[Any, Any]]


class Error(Exception):
    pass


class Cuda(ModuleType):
    """pycuda.driver: memory is numpy's, copies happen when the stream is waited for, contexts are counted."""

    Error = Error

    def __init__(self) -> None:
        super().__init__("pycuda.driver")
        self.stack: list[Any] = []
        self.memory: dict[int, np.ndarray[Any, Any]] = {}
        self.retained = self.allocations = 0
        self.fail: str | None = None
        cuda = self

        class Context:
            def push(self) -> None:
                cuda.stack.append(self)

            @staticmethod
            def pop() -> None:
                cuda.stack.pop()

            def __del__(self) -> None:
                cuda.retained -= 1

        class Device:
            def __init__(self, number: int) -> None:
                if number:
                    raise Error("cuDeviceGet failed: invalid device ordinal")

            def retain_primary_context(self) -> Context:
                cuda.retained += 1
                return Context()

        class Stream:
            handle = 77

            def __init__(self) -> None:
                cuda.check("Stream")
                self.work: list[Callable[[], None]] = []

            def synchronize(self) -> None:
                cuda.check("synchronize")
                for step in self.work:
                    step()
                self.work.clear()

        class Memory:
            def __init__(self, size: int) -> None:
                self.bytes = np.zeros(size, np.uint8)
                self.address = self.bytes.ctypes.data
                cuda.memory[self.address] = self.bytes

            def __int__(self) -> int:
                return self.address

            def free(self) -> None:
                cuda.check("free")
                del cuda.memory[self.address]

        self.Context, self.Device, self.Stream, self._Memory = Context, Device, Stream, Memory

    def check(self, what: str) -> None:
        assert self.stack, f"{what} without a context"
        if self.fail == what:
            raise Error(f"{what} failed: as wished")

    def init(self) -> None:
        pass

    def pagelocked_empty(self, shape: int, dtype: Any) -> np.ndarray[Any, Any]:
        self.check("pagelocked_empty")
        return np.full(shape, 85, dtype)

    def mem_alloc(self, size: int) -> Any:
        self.check("mem_alloc")
        self.allocations += 1
        return self._Memory(size)

    def memcpy_htod_async(self, device: Any, host: np.ndarray[Any, Any], stream: Any) -> None:
        self.check("memcpy_htod_async")
        assert host.flags.c_contiguous
        stream.work.append(
            lambda: device.bytes[: host.nbytes].__setitem__(slice(None), host.reshape(-1).view(np.uint8))
        )

    def memcpy_dtoh_async(self, host: np.ndarray[Any, Any], device: Any, stream: Any) -> None:
        self.check("memcpy_dtoh_async")
        assert host.flags.c_contiguous
        stream.work.append(
            lambda: host.reshape(-1).view(np.uint8).__setitem__(slice(None), device.bytes[: host.nbytes])
        )


class Execution:
    """An IExecutionContext that runs a Python function on what lies at the addresses."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.handles: list[int] = []

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        assert self.engine.cuda.stack
        if self.engine.fail == "set_input_shape":
            return False
        self.shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.engine.shape_of(name, self.shapes)

    def set_tensor_address(self, name: str, address: int) -> bool:
        if self.engine.fail == "set_tensor_address":
            return False
        self.addresses[name] = address
        return True

    def execute_async_v3(self, handle: int) -> bool:
        assert self.engine.cuda.stack
        self.handles.append(handle)
        if self.engine.fail == "execute":
            tensorrt.log.errors.append("Error Code 1: Cuda Driver (as wished)")
            return False
        self.engine.stream.work.append(self._compute)
        return True

    def _compute(self) -> None:
        memory, inputs = self.engine.cuda.memory, {}
        for name, shape in self.shapes.items():
            count = int(np.prod(shape))
            inputs[name] = memory[self.addresses[name]].view(self.engine.dtypes[name])[:count].reshape(shape)
        for name, array in self.engine.function(inputs).items():
            raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            memory[self.addresses[name]][: raw.size] = raw


class Engine:
    """An ICudaEngine with the inputs and outputs of `function`."""

    def __init__(
        self,
        cuda: Cuda,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        function: Callable[[Arrays], Arrays],
        shape_of: Callable[[str, Mapping[str, tuple[int, ...]]], tuple[int, ...]],
    ) -> None:
        self.cuda, self.function, self.shape_of = cuda, function, shape_of
        self.dtypes, self.outputs = {**inputs, **outputs}, set(outputs)
        self.fail: str | None = None
        self.stream: Any = None
        self.execution: Execution | None = None

    @property
    def num_io_tensors(self) -> int:
        return len(self.dtypes)

    def get_tensor_name(self, index: int) -> str:
        return list(self.dtypes)[index]

    def get_tensor_mode(self, name: str) -> Any:
        return trt.TensorIOMode.OUTPUT if name in self.outputs else trt.TensorIOMode.INPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return tensorrt.dtype(self.dtypes[name])

    def create_execution_context(self) -> Execution | None:
        assert self.cuda.stack
        self.execution = None if self.fail == "create" else Execution(self)
        return self.execution


def spec(name: str, dtype: str, low: list[int], high: list[int]) -> Input:
    return {"name": name, "dtype": dtype, "shape": low, "min": low, "opt": low, "max": high}


X = {"x": spec("x", "float32", [1, 3], [64, 3])}


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cuda]:
    fake, package = Cuda(), ModuleType("pycuda")
    package.driver = fake  # type: ignore[attr-defined]  # a module takes what it is given
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", fake)
    monkeypatch.delitem(sys.modules, "wtsnet.runtime.tensorrt", raising=False)
    yield fake
    sys.modules.pop("wtsnet.runtime.tensorrt", None)
    assert fake.stack == [], "a context was left on the stack"


def doubling(cuda: Cuda) -> Engine:
    return Engine(
        cuda, {"x": "float32"}, {"y": "float32"}, lambda given: {"y": given["x"] * 2}, lambda name, shapes: shapes["x"]
    )


def runner_of(engine: Engine, inputs: Mapping[str, Input] = X) -> Any:
    runner = importlib.import_module("wtsnet.runtime.tensorrt").TensorRTRunner(engine, inputs, "asked for")
    engine.stream = runner._stream
    return runner


def test_runs_and_gives_arrays_of_its_own(cuda: Cuda) -> None:
    engine = doubling(cuda)
    runner = runner_of(engine)
    assert (runner.kind, runner.reason) == ("tensorrt", "tensorrt: asked for")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = runner(x=x)["y"]
    second = runner(x=x + 1)["y"]
    np.testing.assert_array_equal(first, x * 2)
    np.testing.assert_array_equal(second, x * 2 + 2)
    assert not np.shares_memory(first, second)
    assert engine.execution is not None
    assert engine.execution.handles == [77, 77]


def test_memory_grows_and_is_kept(cuda: Cuda) -> None:
    runner = runner_of(doubling(cuda))
    for batch, allocations in ((2, 2), (1, 2), (2, 2), (5, 4), (3, 4)):
        x = np.random.default_rng(batch).random((batch, 3), np.float32)
        np.testing.assert_array_equal(runner(x=x)["y"], x * 2)
        assert (cuda.allocations, len(cuda.memory)) == (allocations, 2)


@pytest.mark.parametrize("dtype", ["bool", "int64", "int32", "uint8", "int8", "float16"])
def test_dtypes(cuda: Cuda, dtype: str) -> None:
    engine = Engine(cuda, {"x": dtype}, {"y": dtype}, lambda given: {"y": given["x"]}, lambda name, shapes: shapes["x"])
    x = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    y = runner_of(engine, {"x": spec("x", dtype, [1, 3], [4, 3])})(x=x)["y"]
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize("dtype", ["int4", "float4_e2m1fn"])
def test_dtypes_of_four_bits(cuda: Cuda, dtype: str) -> None:
    engine = Engine(cuda, {"x": "float32"}, {"y": dtype}, dict, lambda name, shapes: shapes["x"])
    with pytest.raises(EngineError, match=f"tensor 'y': found dtype {dtype}, which has no array; cast it in the"):
        runner_of(engine)


def test_several_inputs_and_outputs(cuda: Cuda) -> None:
    engine = Engine(
        cuda,
        {"a": "float32", "b": "int32"},
        {"sum": "float32", "count": "int64"},
        lambda given: {"sum": given["a"] + given["b"].astype(np.float32), "count": np.array(given["a"].size, np.int64)},
        lambda name, shapes: shapes["a"] if name == "sum" else (),
    )
    runner = runner_of(engine, {"a": spec("a", "float32", [1], [9]), "b": spec("b", "int32", [1], [9])})
    made = runner(b=np.array([1, 2], np.int64), a=[0.5, 0.5])
    np.testing.assert_array_equal(made["sum"], [1.5, 2.5])
    assert made["count"].shape == ()
    assert made["count"] == 2
    assert list(made) == ["sum", "count"]


def test_empty_outputs(cuda: Cuda) -> None:
    engine = Engine(
        cuda,
        {"x": "float32"},
        {"y": "float32"},
        lambda given: {"y": np.zeros((0, 4), np.float32)},
        lambda name, shapes: (0, 4),
    )
    assert runner_of(engine)(x=np.zeros((1, 3)))["y"].shape == (0, 4)


def test_inputs_are_checked_before_anything_happens(cuda: Cuda) -> None:
    runner = runner_of(doubling(cuda))
    for given, message in (
        ({"x": np.zeros((65, 3))}, "expected \\(1..64, 3\\)"),
        ({"z": 1}, "input 'z': unknown"),
        ({}, "input 'x': missing"),
        ({"x": np.zeros((1, 3), complex)}, "can't hold"),
    ):
        with pytest.raises(RunnerError, match=message):
            runner(**given)
    assert cuda.allocations == 0


@pytest.mark.parametrize(
    ("fail", "message"),
    [
        ("set_input_shape", r"input 'x': shape \(1, 3\): TensorRT gave no reason"),
        ("set_tensor_address", "tensor 'x': TensorRT gave no reason"),
        ("execute", "the engine failed: .*Cuda Driver .as wished."),
    ],
)
def test_failures_of_tensorrt(cuda: Cuda, fail: str, message: str) -> None:
    engine = doubling(cuda)
    runner = runner_of(engine)
    engine.fail = fail
    with pytest.raises(RunnerError, match=message):
        runner(x=np.zeros((1, 3)))
    assert cuda.stack == []
    engine.fail = None
    np.testing.assert_array_equal(runner(x=np.ones((1, 3)))["y"], np.full((1, 3), 2))


@pytest.mark.parametrize(
    "fail", ["mem_alloc", "pagelocked_empty", "memcpy_htod_async", "memcpy_dtoh_async", "synchronize"]
)
def test_failures_of_cuda(cuda: Cuda, fail: str) -> None:
    runner = runner_of(doubling(cuda))
    cuda.fail = fail
    with pytest.raises(RunnerError, match=f"^CUDA: {fail} failed: as wished$"):
        runner(x=np.zeros((1, 3)))
    assert cuda.stack == []
    cuda.fail = None
    np.testing.assert_array_equal(runner(x=np.ones((2, 3)))["y"], np.full((2, 3), 2))


def test_failures_when_it_is_made(cuda: Cuda) -> None:
    engine = doubling(cuda)
    engine.fail = "create"
    with pytest.raises(EngineError, match="no execution context"):
        runner_of(engine)
    engine.fail, cuda.fail = None, "Stream"
    with pytest.raises(RunnerError, match="CUDA: Stream failed"):
        runner_of(engine)
    cuda.fail = None
    runner = importlib.import_module("wtsnet.runtime.tensorrt").TensorRTRunner
    with pytest.raises(RunnerError, match="CUDA device 3: cuDeviceGet failed: invalid device ordinal"):
        runner(engine, X, device=3)
    for inputs in ({}, {**X, "z": X["x"]}):
        with pytest.raises(EngineError, match=r"input '[xz]': it is either not in the plan or not in its manifest"):
            runner(engine, inputs)
    assert cuda.retained == 0


def test_a_size_that_the_values_decide(cuda: Cuda) -> None:
    engine = Engine(cuda, {"x": "float32"}, {"y": "float32"}, dict, lambda name, shapes: (-1, 4))
    with pytest.raises(RunnerError, match=r"output 'y': found shape \(-1, 4\): a size that the values decide"):
        runner_of(engine)(x=np.zeros((1, 3)))


def test_close(cuda: Cuda) -> None:
    with runner_of(doubling(cuda)) as runner:
        runner(x=np.zeros((1, 3)))
        assert (len(cuda.memory), cuda.retained) == (2, 1)
    runner.close()
    assert (cuda.memory, cuda.retained) == ({}, 0)
    with pytest.raises(RunnerError, match="the runner is closed"):
        runner(x=np.zeros((1, 3)))


class Manifest:
    inputs = (X["x"],)


def test_a_plan_is_opened(cuda: Cuda, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = doubling(cuda)

    class Runtime:
        def __init__(self, logger: Any) -> None:
            assert isinstance(logger, trt.ILogger)

        def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
            assert cuda.stack
            if plan != b"good":
                tensorrt.log.errors.append("Error Code 6: API Usage Error (as wished)")
            return engine if plan == b"good" else None

    monkeypatch.setattr(trt, "Runtime", Runtime)
    kind = importlib.import_module("wtsnet.runtime.tensorrt").TensorRTRunner
    runner = kind.from_plan(b"good", Manifest(), "it fits")
    engine.stream = runner._stream
    assert runner.reason == "tensorrt: it fits"
    np.testing.assert_array_equal(runner(x=np.ones((1, 3)))["y"], np.full((1, 3), 2))
    assert cuda.retained == 1
    runner.close()
    with pytest.raises(EngineError, match=r"^the plan can't be opened: Error Code 6: API Usage Error .as wished.$"):
        kind.from_plan(b"bad", Manifest())
    assert cuda.retained == 0


def test_auto_takes_tensorrt_where_it_can_run(cuda: Cuda, monkeypatch: pytest.MonkeyPatch) -> None:
    import wtsnet
    from tests.small import lenet

    monkeypatch.setattr(runtime, "driver", lambda: Driver("13.0", "", (Gpu(0, "NVIDIA L4", (8, 9), 1),)))
    kind = importlib.import_module("wtsnet.runtime.tensorrt").TensorRTRunner
    taken: list[tuple[Any, ...]] = []
    monkeypatch.setattr(kind, "from_plan", lambda *args: taken.append(args))
    engine = wtsnet.build("lenet", lenet())
    for choice in ("auto", "tensorrt"):
        engine.runner(choice)
    assert taken == [(engine.plan, engine.manifest, "NVIDIA L4 fits the plan")] * 2
    with pytest.raises(RunnerError, match=r"unknown option 'device' \(the tensorrt runner takes none\)"):
        engine.runner("tensorrt", device="cpu")


@pytest.mark.gpu
def test_on_a_real_device() -> None:
    """The same with real memory, streams and contexts; the engine copies its input to its output on the stream."""
    real = pytest.importorskip("pycuda.driver", exc_type=ImportError)
    real.init()
    if not real.Device.count():
        pytest.skip("no CUDA device")

    class Copies(Execution):
        def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
            self.shapes[name] = tuple(shape)
            return True

        def execute_async_v3(self, handle: int) -> bool:
            assert handle == self.engine.stream.handle
            count = int(np.prod(self.shapes["x"])) * 4
            real.memcpy_dtod_async(self.addresses["y"], self.addresses["x"], count, self.engine.stream)
            return True

    engine = Engine(Cuda(), {"x": "float32"}, {"y": "float32"}, dict, lambda name, shapes: shapes["x"])
    engine.create_execution_context = lambda: Copies(engine)  # type: ignore[method-assign]  # the device's own
    with runner_of(engine) as runner:
        for batch in (1, 64, 3):
            x = np.random.default_rng(batch).random((batch, 3), np.float32)
            np.testing.assert_array_equal(runner(x=x)["y"], x)
    assert real.Context.get_current() is None
