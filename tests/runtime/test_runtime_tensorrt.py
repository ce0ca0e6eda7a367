"""wtsnet/runtime/tensorrt.py and slot.py, on a CUDA made of Python."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import tensorrt_rtx as trt
import torch

from tests.runtime.engines import X, copying, doubling, positive, reference, runner_of, sized, spec
from tests.runtime.fake_cuda import Cuda
from tests.runtime.reference_engine import FunctionEngine, Launch
from wtsnet import trt as tensorrt
from wtsnet.errors import EngineError, RunnerError
from wtsnet.runtime import choosing as runtime
from wtsnet.trt.device import Driver, Gpu
from wtsnet.trt.dtypes import numpy_dtype

SIX = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_runs_and_gives_arrays_of_its_own(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch))
    assert (runner.kind, runner.reason) == ("tensorrt", "tensorrt: asked for")
    first, second = runner(x=SIX)["y"], runner(x=SIX + 1)["y"]
    np.testing.assert_array_equal(first, SIX * 2)
    np.testing.assert_array_equal(second, SIX * 2 + 2)
    assert not np.shares_memory(first, second)


def test_large_outputs_are_not_copied_on_the_host(cuda: Cuda, launch: Launch) -> None:
    """They come in page-locked memory of their own, which is used again once nobody has them."""
    runner = runner_of(doubling(launch), {"x": spec("x", "float32", [1, 3], [10**6, 3])})
    x = np.random.default_rng(0).random((10_000, 3), np.float32)
    results = [runner(x=x + i)["y"] for i in range(3)]
    for i, result in enumerate(results):
        np.testing.assert_array_equal(result, (x + i) * 2)
    assert runner.stats().staging.bytes == 3 * x.nbytes, "the inputs alone"
    pinned = len(cuda.pinned)
    del results, result
    runner(x=x)
    assert len(cuda.pinned) == pinned
    view = runner(x=x)["y"][5:6].T
    runner(x=x + 9)
    np.testing.assert_array_equal(view, x[5:6].T * 2, "a view keeps the memory")


def test_who_keeps_much_gets_ordinary_memory(cuda: Cuda, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wtsnet.runtime.buffers.LIMIT", 1 << 20)
    runner = runner_of(doubling(launch), {"x": spec("x", "float32", [1, 3], [10**6, 3])})
    x = np.random.default_rng(0).random((10_000, 3), np.float32)
    results = [runner(x=x + i)["y"] for i in range(20)]
    for i, result in enumerate(results):
        np.testing.assert_array_equal(result, (x + i) * 2)
    assert sum(block.size for block in cuda.pinned.values()) < 1 << 21


def test_arrays_of_the_runner_are_copied_from_directly(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch))
    frames = runner.empty("x", (4, 2, 3))
    assert (frames.shape, frames.dtype) == ((4, 2, 3), np.float32)
    frames[...] = np.arange(24).reshape(4, 2, 3)
    for frame in frames:
        np.testing.assert_array_equal(runner(x=frame)["y"], frame * 2)
    assert runner.stats().staging.bytes == runner.stats().device_to_host.bytes, "the outputs alone"
    with pytest.raises(RunnerError, match=r"input 'y': unknown.*\(the engine takes x float32 \(1\.\.64, 3\)\)"):
        runner.empty("y", (1,))


def test_memory_grows_and_is_kept(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), {"x": spec("x", "float32", [1, 3], [9999, 3])})
    for batch, allocations in ((2, 2), (1, 2), (2, 2), (500, 4), (300, 4), (1, 4)):
        x = np.random.default_rng(batch).random((batch, 3), np.float32)
        np.testing.assert_array_equal(runner(x=x)["y"], x * 2)
        assert cuda.allocations == allocations


def test_tensorrt_is_told_only_what_is_new(cuda: Cuda, launch: Launch) -> None:
    engine = doubling(launch)
    runner = runner_of(engine)
    for _ in range(3):
        runner(x=SIX)
    told = engine.contexts[0].calls
    assert told == [
        "set_input_shape", "set_tensor_address", "infer_shapes", "set_tensor_address", *["execute_async_v3"] * 3
    ]  # fmt: skip
    runner(x=SIX[:1])
    assert told[-3:] == ["set_input_shape", "infer_shapes", "execute_async_v3"]


@pytest.mark.parametrize(
    "dtype", ["bool", "int64", "int32", "uint8", "int8", "float16", "bfloat16", "float8_e4m3fn"]
)  # fmt: skip
def test_dtypes(cuda: Cuda, launch: Launch, dtype: str) -> None:
    x = np.array([[0, 1, 1], [1, 0, 1]]).astype(numpy_dtype(dtype))
    runner = runner_of(copying(dtype, launch), {"x": spec("x", dtype, [1, 3], [4, 3])})
    y = runner(x=x)["y"]
    assert y.dtype == numpy_dtype(dtype)
    np.testing.assert_array_equal(y, x)
    frame = runner.empty("x", (2, 3))
    assert frame.dtype == x.dtype
    frame[...] = x
    np.testing.assert_array_equal(runner(x=frame)["y"], x)


@pytest.mark.parametrize("dtype", ["int4", "float4_e2m1fn"])
def test_dtypes_of_four_bits(cuda: Cuda, launch: Launch, dtype: str) -> None:
    engine = FunctionEngine({"x": ("float32", (-1, 3))}, {"y": (dtype, (-1, 3))}, dict, launch)
    with pytest.raises(EngineError, match=f"tensor 'y': found dtype {dtype}, which has no array; cast it in the"):
        runner_of(engine)


def test_several_inputs_and_outputs(cuda: Cuda, launch: Launch) -> None:
    engine = FunctionEngine(
        {"a": ("float32", (-1,)), "b": ("int32", (-1,))},
        {"sum": ("float32", (-1,)), "count": ("int64", ()), "none": ("float32", (0, 4))},
        lambda given: {
            "sum": given["a"] + given["b"],
            "count": torch.tensor(given["a"].numel()),
            "none": torch.zeros(0, 4),
        },
        launch,
    )
    runner = runner_of(engine, {"a": spec("a", "float32", [0], [9]), "b": spec("b", "int32", [0], [9])})
    made = runner(b=np.array([1, 2], np.int64), a=[0.5, 0.5])
    np.testing.assert_array_equal(made["sum"], [1.5, 2.5])
    assert (made["count"].shape, made["count"], made["none"].shape) == ((), 2, (0, 4))
    assert list(made) == ["sum", "count", "none"]
    assert runner(a=[], b=np.zeros(0, np.int32))["sum"].shape == (0,)
    on_device = runner.run({"a": [], "b": np.zeros(0, np.int32)}, outputs="device")
    assert (on_device["none"].shape, on_device["none"].numpy().shape) == ((0, 4), (0, 4))


def test_a_size_that_the_values_decide(cuda: Cuda, launch: Launch) -> None:
    engine = positive(launch)
    runner = runner_of(engine)
    for x in (SIX - 3, SIX * 0, SIX + 1, SIX - 4):
        for place in ("numpy", "device"):
            made = runner.run({"x": x}, outputs=place)
            y, count = (made[name] if place == "numpy" else made[name].numpy() for name in ("y", "count"))
            np.testing.assert_array_equal(y, x[x > 0])
            assert count == y.size
    assert engine.contexts[0].calls.count("set_output_allocator") == 1
    cuda.limit = sum(block.size for block in cuda.memory.values())
    runner = runner_of(engine, {"x": spec("x", "float32", [1, 3], [10**6, 3])})
    cuda.limit += 400_000
    with pytest.raises(RunnerError, match=r"output 'y': out of device memory: .* bytes were asked for"):
        runner(x=np.ones((30_000, 3), np.float32))
    np.testing.assert_array_equal(runner(x=SIX)["y"], SIX[SIX > 0])


def test_shapes_that_are_read_on_the_host(cuda: Cuda, launch: Launch) -> None:
    engine = sized(launch)
    inputs = {**X, "size": spec("size", "int64", [1], [1])}
    runner = runner_of(engine, inputs)
    for size in (2, 2, 5, 3):
        made = runner(x=SIX, size=[size])
        np.testing.assert_array_equal(made["y"], [5] * size)
        assert made["twice"] == [2 * size]
    assert engine.contexts[0].calls.count("infer_shapes") == 3
    assert runner.run({"x": SIX, "size": [4]}, outputs="device")["twice"] == [8], "it is on the host anyway"
    with pytest.raises(EngineError, match="graph=True: input 'size' decides shapes, and is read on the host"):
        runner_of(engine, inputs, graph=True)


def test_a_network_of_tensorrt(cuda: Cuda, launch: Launch) -> None:
    engine, inputs, _kept = reference("cpu", launch)
    runner = runner_of(engine, inputs, contexts=2)
    x = np.random.default_rng(0).random((11, 3, 8, 8), np.float32)
    expected = [engine.runner.run({"x": piece}) for piece in (x[:4], x[4:8], x[8:])]
    made = runner(x=x)
    for name in ("features", "mean"):
        np.testing.assert_array_equal(made[name], np.concatenate([one[name] for one in expected]))
    on_device = runner.run({"x": x}, outputs="device")
    np.testing.assert_array_equal(on_device["mean"].numpy(), made["mean"])


def test_inputs_are_checked_before_anything_happens(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch))
    before = len(cuda.log)
    for given, message in (
        ({"x": np.zeros((64, 4))}, r"expected \(1..64, 3\)"),
        ({"z": 1}, "input 'z': unknown"),
        ({}, "input 'x': missing"),
        ({"x": np.zeros((1, 3), complex)}, "can't hold"),
    ):
        with pytest.raises(RunnerError, match=message):
            runner(**given)
    assert not {"mem_alloc", "memcpy_htod_async"}.intersection(cuda.log[before:])


@pytest.mark.parametrize(
    ("fail", "message"),
    [
        ("set_input_shape", r"input 'x': shape \(2, 3\): Error Code 1: Cuda Driver .as wished."),
        ("set_tensor_address", "tensor 'x': Error Code 1"),
        ("infer_shapes", "these inputs do not go together: Error Code 1"),
        ("execute_async_v3", "the engine failed: Error Code 1: Cuda Driver .as wished."),
    ],
)
def test_failures_of_tensorrt(cuda: Cuda, launch: Launch, fail: str, message: str) -> None:
    engine = doubling(launch)
    runner = runner_of(engine)
    engine.fail = fail
    with pytest.raises(RunnerError, match=message):
        runner(x=SIX)
    engine.fail = None
    np.testing.assert_array_equal(runner(x=SIX)["y"], SIX * 2)
    assert not tensorrt.log.errors


@pytest.mark.parametrize("fail", ["mem_alloc", "pagelocked_empty", "memcpy_htod_async", "memcpy_dtoh_async", "record"])
def test_failures_of_cuda(cuda: Cuda, launch: Launch, fail: str) -> None:
    runner = runner_of(doubling(launch))
    cuda.fail = fail
    with pytest.raises(RunnerError, match=f"^CUDA: {fail} failed: as wished$"):
        runner(x=SIX)
    cuda.fail = None
    np.testing.assert_array_equal(runner(x=SIX)["y"], SIX * 2)


def test_out_of_memory(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), {"x": spec("x", "float32", [1, 3], [10**6, 3])})
    runner(x=SIX)
    cuda.limit = 1 << 20
    with pytest.raises(RunnerError) as caught:
        runner(x=np.zeros((10**5, 3), np.float32))
    assert str(caught.value) == (
        "out of device memory: 1,310,720 bytes were asked for (1,048,064 of 1,048,576 bytes are free)"
    )
    np.testing.assert_array_equal(runner(x=SIX)["y"], SIX * 2)


def test_memory_that_is_not_in_use_is_given_up_for_what_is(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), {"x": spec("x", "float32", [1, 3], [10**6, 3])}, outputs="device")
    cuda.limit = 5 << 20
    runner(x=np.zeros((10**5, 3), np.float32))
    assert runner(x=np.zeros((160_000, 3), np.float32))["y"].shape == (160_000, 3)


def test_a_device_that_disappears(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), contexts=2)
    runner(x=SIX)
    cuda.fail = "synchronize"
    with pytest.raises(RunnerError) as caught:
        runner(x=SIX)
    assert str(caught.value) == (
        "CUDA: synchronize failed: as wished; CUDA's context on device 0 is lost for this process, "
        "and the runner is closed"
    )
    for again in (lambda: runner(x=SIX), lambda: list(runner.stream([{"x": SIX}])), lambda: runner.empty("x", (1,))):
        with pytest.raises(RunnerError, match=r"^the runner is closed: CUDA: synchronize failed: as wished$"):
            again()
    runner.close()


def test_failures_when_it_is_made(cuda: Cuda, launch: Launch) -> None:
    engine = doubling(launch)
    engine.fail = "create_execution_context"
    with pytest.raises(EngineError, match="no execution context"):
        runner_of(engine)
    engine.fail, cuda.fail = None, "Stream"
    with pytest.raises(RunnerError, match="CUDA: Stream failed"):
        runner_of(engine)
    cuda.fail = None
    with pytest.raises(RunnerError, match="CUDA device 3: cuDeviceGet failed: invalid device ordinal"):
        runner_of(engine, device=3)
    for inputs in ({}, {**X, "z": X["x"]}):
        with pytest.raises(EngineError, match=r"input '[xz]': it is either not in the plan or not in its manifest"):
            runner_of(engine, inputs)
    for contexts in (0, "2"):
        with pytest.raises(RunnerError, match=f"contexts: found {contexts!r}, expected a number from 1"):
            runner_of(engine, contexts=contexts)
    with pytest.raises(RunnerError, match="outputs: found 'gpu', expected one of numpy, device"):
        runner_of(engine, outputs="gpu")


def test_close(cuda: Cuda, launch: Launch) -> None:
    with runner_of(doubling(launch), contexts=2, graph=True) as runner:
        runner(x=SIX)
        kept, on_device = runner.empty("x", (1, 3)), runner.run({"x": SIX}, outputs="device")["y"]
        assert cuda.graphs
    runner.close()
    assert (len(cuda.memory), len(cuda.pinned), cuda.graphs) == (1, 1, {}), "what the caller still has"
    kept[...] = 1
    np.testing.assert_array_equal(on_device.numpy(), SIX * 2)
    del kept, on_device
    assert (cuda.memory, cuda.pinned) == ({}, {})
    with pytest.raises(RunnerError, match="the runner is closed"):
        runner(x=SIX)
    with pytest.raises(RunnerError, match="the runner is closed"):
        runner.submit(x=SIX)


def test_the_last_reference_closes_it(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch))
    runner(x=SIX)
    runner.submit(x=SIX).result()
    del runner
    gc.collect()
    assert (cuda.memory, cuda.pinned) == ({}, {})


def test_many_calls_leave_memory_where_it_was(cuda: Cuda, launch: Launch) -> None:
    engine = doubling(launch)
    runner = runner_of(engine, graph=True)

    def calls(count: int) -> None:
        for i in range(count):
            runner.run({"x": SIX[: 1 + i % 2]}, outputs=("numpy", "device")[i % 2])
        cuda.log.clear()
        engine.contexts[0].calls.clear()
        gc.collect()

    calls(300)
    before = cuda.allocations, len(cuda.memory), len(cuda.pinned), len(cuda.graphs), runner.stats().device_bytes
    tracemalloc.start()
    calls(300)
    start = tracemalloc.get_traced_memory()[0]
    calls(3000)
    grown = tracemalloc.get_traced_memory()[0] - start
    tracemalloc.stop()
    after = cuda.allocations, len(cuda.memory), len(cuda.pinned), len(cuda.graphs), runner.stats().device_bytes
    assert after == before
    assert grown < 20_000


def test_stats(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch))
    for _ in range(3):
        runner(x=SIX)
    stats = runner.stats()
    for stage in (stats.staging, stats.host_to_device, stats.compute, stats.device_to_host, stats.total):
        assert stage.count == 3
        assert stage.seconds > 0
    assert (stats.host_to_device.bytes, stats.device_to_host.bytes) == (72, 72)
    assert (stats.staging.bytes, stats.total.bytes) == (144, 144)
    assert stats.device_bytes == sum(block.size for block in cuda.memory.values())
    assert stats.host_bytes == sum(block.size for block in cuda.pinned.values())


class Manifest:
    inputs = (X["x"],)
    axes: ClassVar[dict[str, list[str]]] = {}


def test_a_plan_is_opened(cuda: Cuda, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    from wtsnet.runtime.tensorrt import TensorRTRunner

    class Runtime:
        def __init__(self, logger: Any) -> None:
            assert isinstance(logger, trt.ILogger)

        def deserialize_cuda_engine(self, plan: bytes) -> FunctionEngine | None:
            assert cuda.stack
            if plan != b"good":
                tensorrt.log.errors.append("Error Code 6: API Usage Error (as wished)")
            return doubling(launch) if plan == b"good" else None

    monkeypatch.setattr(trt, "Runtime", Runtime)
    manifest: Any = Manifest()
    with TensorRTRunner.from_plan(b"good", manifest, "it fits", contexts=2) as runner:
        assert runner.reason == "tensorrt: it fits"
        np.testing.assert_array_equal(runner(x=SIX)["y"], SIX * 2)
    with pytest.raises(EngineError, match=r"^the plan can't be opened: Error Code 6: API Usage Error .as wished.$"):
        TensorRTRunner.from_plan(b"bad", manifest)
    assert cuda.retained == 1, "the device's context is kept, and shared"


def test_auto_takes_tensorrt_where_it_can_run(cuda: Cuda, monkeypatch: pytest.MonkeyPatch) -> None:
    import wtsnet
    from tests.small import lenet
    from wtsnet.runtime.tensorrt import TensorRTRunner

    gpus = Gpu(0, "NVIDIA L4", (8, 9), 1), Gpu(1, "NVIDIA L40", (8, 9), 1)
    monkeypatch.setattr(runtime, "driver", lambda: Driver("13.0", "", gpus))
    taken: list[tuple[Any, ...]] = []
    monkeypatch.setattr(TensorRTRunner, "from_plan", lambda *args, **options: taken.append((args[2], options)))
    engine = wtsnet.build("lenet", lenet())
    options: Sequence[dict[str, Any]] = ({}, {"device": 1, "contexts": 3, "graph": True}, {"device": "cuda:1"})
    for choice in ("auto", "tensorrt"):
        for given in options:
            engine.runner(choice, **given)
    expected = [("NVIDIA L4 fits the plan", {"device": 0})]
    expected += [("NVIDIA L40 fits the plan", {"device": 1, "contexts": 3, "graph": True})]
    expected += [("NVIDIA L40 fits the plan", {"device": 1})]
    assert taken == expected * 2
    with pytest.raises(RunnerError, match="unknown option 'context'; did you mean 'contexts'"):
        engine.runner("tensorrt", context=1)
    with pytest.raises(RunnerError, match="there is no CUDA device 2, only 2 from 0"):
        engine.runner("tensorrt", device=2)
    with pytest.raises(RunnerError, match="device 'cpu' is not a GPU"):
        engine.runner("tensorrt", device="cpu")
    assert engine.runner(device="cpu").reason == "reference on cpu: device 'cpu' is not a GPU"
