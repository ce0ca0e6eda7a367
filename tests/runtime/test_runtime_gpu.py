"""The runtime on a real GPU: real memory, streams, graphs and contexts; in TensorRT's place engines on torch.

What needs TensorRT's own kernels is at the end, and skips where TensorRT does not run.
"""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wtsnet.errors import EngineError, RunnerError
from wtsnet.runtime.fitting import RTX_CAPABILITIES
from wtsnet.trt.device import driver, library
from wtsnet.trt.dtypes import numpy_dtype

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("gpu")]
torch = pytest.importorskip("torch")
engines = pytest.importorskip("tests.runtime.engines")
SIX = np.arange(6, dtype=np.float32).reshape(2, 3)
LARGE = {"x": engines.spec("x", "float32", [1, 3], [1 << 24, 3])}


def batch(size: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).random((size, 3), np.float32)


def current_context() -> int:
    context = ctypes.c_void_p()
    ctypes.CDLL(library()).cuCtxGetCurrent(ctypes.byref(context))
    return context.value or 0


def test_runs_and_grows() -> None:
    with engines.runner_of(engines.doubling(), LARGE) as runner:
        for size in (1, 64, 3, 100_000, 5):
            np.testing.assert_array_equal(runner(x=batch(size))["y"], batch(size) * 2)


def test_the_context_is_torchs() -> None:
    mine = current_context()
    torch.zeros(1, device="cuda")
    theirs = current_context()
    with engines.runner_of(engines.doubling()) as runner:
        runner(x=SIX)
        assert current_context() == theirs
        seen: list[int] = []

        def elsewhere() -> None:
            before = current_context()
            np.testing.assert_array_equal(runner(x=SIX)["y"], SIX * 2)
            seen.extend((before, current_context()))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert seen == [0, 0], "a thread is left as it was"
        with runner._device:
            assert current_context() == theirs, "the primary context"
    assert mine in (0, theirs)


@pytest.mark.parametrize("dtype", ["bool", "int64", "int32", "uint8", "int8", "float16", "bfloat16", "float8_e4m3fn"])
def test_dtypes(dtype: str) -> None:
    x = np.array([[0, 1, 1], [1, 0, 1]]).astype(numpy_dtype(dtype))
    with engines.runner_of(engines.copying(dtype), {"x": engines.spec("x", dtype, [1, 3], [4, 3])}) as runner:
        for place in ("numpy", "device"):
            y = runner.run({"x": x}, outputs=place)["y"]
            y = y if place == "numpy" else y.numpy()
            assert y.dtype == x.dtype
            np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize("graph", [False, True])
def test_a_network_is_executed_as_by_the_reference_runner(graph: bool) -> None:
    engine, inputs, _kept = engines.reference("cuda:0")
    x = np.random.default_rng(0).random((11, 3, 8, 8), np.float32)
    expected = [engine.runner.run({"x": piece}) for piece in (x[:4], x[4:8], x[8:])]
    with engines.runner_of(engine, inputs, contexts=2, graph=graph) as runner:
        for _ in range(3):
            made = runner(x=x)
            on_device = runner.run({"x": torch.from_numpy(x).cuda()}, outputs="device")
            for name in ("features", "mean"):
                whole = np.concatenate([one[name] for one in expected])
                np.testing.assert_array_equal(made[name], whole)
                np.testing.assert_array_equal(on_device[name].numpy(), whole)


def late(values: np.ndarray[Any, Any]) -> Any:
    """A tensor that the current stream makes only after a while."""
    made = torch.zeros(values.shape, device="cuda")
    source = torch.from_numpy(values).cuda()
    torch.cuda.current_stream().synchronize()
    torch.cuda._sleep(100_000_000)
    made.copy_(source)
    return made


class Interface:
    """A tensor's `__cuda_array_interface__` alone, with or without its stream."""

    def __init__(self, tensor: Any, **facts: Any) -> None:
        self.tensor = tensor
        self.__cuda_array_interface__ = {**tensor.__cuda_array_interface__, **facts}


def test_producers_are_waited_for() -> None:
    with engines.runner_of(engines.doubling()) as runner:
        x = batch(4)
        np.testing.assert_array_equal(runner(x=late(x))["y"], x * 2)
        np.testing.assert_array_equal(runner(x=Interface(late(x)))["y"], x * 2, "the default stream")
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            np.testing.assert_array_equal(runner(x=late(x))["y"], x * 2)
            tensor = late(x)
        given = Interface(tensor, version=3, stream=side.cuda_stream)
        np.testing.assert_array_equal(runner(x=given)["y"], x * 2)
        assert runner.stats().host_to_device.bytes == 0


def test_what_is_on_the_device_must_fit() -> None:
    with engines.runner_of(engines.doubling()) as runner:
        tensor = torch.zeros(4, 3, device="cuda")
        for value, message in (
            (tensor.half(), "found float16 on the device, expected float32"),
            (tensor.double(), "found float64 on the device, expected float32"),
            (torch.zeros(3, 4, device="cuda").T, "found strides on the device"),
            (tensor[:, :2].contiguous(), r"found shape \(4, 2\), expected"),
        ):
            with pytest.raises(RunnerError, match=f"^input 'x': {message}"):
                runner(x=value)
        grad = tensor.clone().requires_grad_()
        assert runner(x=grad)["y"].shape == (4, 3)
        part = torch.arange(30, device="cuda", dtype=torch.float32).reshape(10, 3)[1:5]
        np.testing.assert_array_equal(runner(x=part)["y"], part.cpu() * 2, "an address that is not aligned")


def test_outputs_for_torch() -> None:
    with engines.runner_of(engines.doubling(), outputs="device") as runner:
        x = batch(5)
        y = runner(x=x)["y"]
        shared, viewed = torch.from_dlpack(y), torch.as_tensor(y, device="cuda")
        assert shared.data_ptr() == viewed.data_ptr() == y.address, "no copy"
        del y
        for i in range(20):
            runner(x=batch(5, i + 1))
        gc.collect()
        for tensor in (shared, viewed):
            np.testing.assert_array_equal(tensor.cpu(), x * 2)
    np.testing.assert_array_equal(shared.cpu(), x * 2, "it outlives the runner")


def test_outputs_that_torch_reads_late() -> None:
    """What was given up is not written to while torch, on any stream, has yet to read it."""
    with engines.runner_of(engines.doubling(), LARGE, outputs="device") as runner:
        for stream in (torch.cuda.default_stream(), torch.cuda.Stream()):
            x = batch(100_000)
            with torch.cuda.stream(stream):
                tensor = torch.from_dlpack(runner(x=x)["y"])
                torch.cuda._sleep(200_000_000)
                copy = tensor * 1
                del tensor
            for i in range(5):
                runner(x=batch(100_000, i + 1))
            stream.synchronize()
            np.testing.assert_array_equal(copy.cpu(), x * 2)


def test_bfloat16_for_torch() -> None:
    inputs = {"x": engines.spec("x", "bfloat16", [1, 3], [4, 3])}
    with engines.runner_of(engines.copying("bfloat16"), inputs, outputs="device") as runner:
        x = torch.ones(2, 3, dtype=torch.bfloat16, device="cuda") * 3
        y = torch.from_dlpack(runner(x=x)["y"])
        assert y.dtype == torch.bfloat16
        assert torch.equal(x, y)


def test_cupy() -> None:
    cupy = pytest.importorskip("cupy")
    with engines.runner_of(engines.doubling()) as runner:
        for stream in (cupy.cuda.Stream.null, cupy.cuda.Stream(non_blocking=True)):
            with stream:
                x = cupy.arange(6, dtype=cupy.float32).reshape(2, 3)
                y = runner.run({"x": x}, outputs="device")["y"]
                for theirs in (cupy.from_dlpack(y), cupy.asarray(y)):
                    assert theirs.data.ptr == y.address
                    np.testing.assert_array_equal(cupy.asnumpy(theirs), SIX * 2)


def test_a_size_that_the_values_decide() -> None:
    with engines.runner_of(engines.positive(), LARGE) as runner:
        for size in (1, 100, 50_000, 3):
            x = batch(size) - 0.5
            made = runner(x=x)
            np.testing.assert_array_equal(made["y"], x[x > 0])
            on_device = runner.run({"x": x}, outputs="device")
            np.testing.assert_array_equal(torch.from_dlpack(on_device["y"]).cpu(), x[x > 0])


def test_shapes_that_are_read_on_the_host() -> None:
    inputs = {**engines.X, "size": engines.spec("size", "int64", [1], [1])}
    with engines.runner_of(engines.sized(), inputs) as runner:
        for size in (2, 5, 3):
            made = runner(x=SIX, size=[size])
            np.testing.assert_array_equal(made["y"], [5] * size)
            assert made["twice"] == [2 * size]


def test_graphs() -> None:
    engine = engines.doubling()
    with engines.runner_of(engine, LARGE, graph=True) as runner:
        for i, size in enumerate((2, 2, 3, 2, 100_000, 3, 2)):
            x = batch(size, i)
            np.testing.assert_array_equal(runner(x=x)["y"], x * 2)
            tensor = torch.from_numpy(x).cuda()
            np.testing.assert_array_equal(runner.run({"x": tensor}, outputs="device")["y"].numpy(), x * 2)
        count = engine.contexts[0].calls.count("execute_async_v3")
        for _ in range(10):
            runner(x=batch(2))
        assert engine.contexts[0].calls.count("execute_async_v3") == count, "replayed"


def test_what_can_not_be_captured() -> None:
    def waits(given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"y": given["x"] * given["x"].max().item()}

    engine = engines.doubling()
    engine.function = waits
    with engines.runner_of(engine, graph=True) as runner:
        with pytest.raises((RunnerError, RuntimeError), match="captur"):
            runner(x=SIX)
        engine.function = engines.doubling().function
        np.testing.assert_array_equal(runner(x=SIX)["y"], SIX * 2)


@pytest.mark.parametrize("graph", [False, True])
def test_sixteen_threads(graph: bool) -> None:
    engine, inputs, _kept = engines.reference("cuda:0")
    x = np.random.default_rng(0).random((1000, 2, 3, 8, 8), np.float32)
    with engines.runner_of(engine, inputs, contexts=4, graph=graph) as runner:
        alone = [runner(x=one) for one in x]
        with ThreadPoolExecutor(16) as threads:
            for made in threads.map(lambda _: [runner(x=one) for one in x], range(16)):
                for one, other in zip(alone, made, strict=True):
                    assert one["features"].tobytes() == other["features"].tobytes()
                    assert one["mean"].tobytes() == other["mean"].tobytes()


def test_a_stream_of_frames() -> None:
    with engines.runner_of(engines.doubling(), LARGE, contexts=3) as runner:
        ring = runner.empty("x", (8, 100_000, 3))

        def source() -> Any:
            for i in range(50):
                ring[i % 8] = i
                yield {"x": ring[i % 8]}

        for i, made in enumerate(runner.stream(source())):
            assert (made["y"] == 2 * i).all()
        futures = [runner.submit(x=batch(100, i)) for i in range(50)]
        for i, future in enumerate(futures):
            np.testing.assert_array_equal(future.result()["y"], batch(100, i) * 2)


def test_stats() -> None:
    with engines.runner_of(engines.doubling(), LARGE) as runner:
        x = runner.empty("x", (1 << 24, 3))
        x[...] = 1
        for _ in range(3):
            runner(x=x)
        first = runner.stats()
        runner(x=x)
        stats = runner.stats()
    seconds = stats.host_to_device.seconds - first.host_to_device.seconds
    assert 2e9 < x.nbytes / seconds < 2e11, "bytes a second over the bus"
    stages = stats.host_to_device.seconds + stats.compute.seconds + stats.device_to_host.seconds
    assert 0 < stages < stats.total.seconds


def test_many_calls_leave_memory_where_it_was(gpu: Any) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    with engines.runner_of(engines.doubling(), contexts=2) as runner:
        engine_calls = [context.calls for context in runner_contexts(runner)]

        def calls(count: int) -> tuple[int, int]:
            for i in range(count):
                out = runner.run({"x": SIX[: 1 + i % 2]}, outputs=("numpy", "device")[i % 2])["y"]
                if i % 2:
                    torch.from_dlpack(out)
            for made in engine_calls:
                made.clear()
            gc.collect()
            with runner._device:
                return gpu.mem_get_info()[0], resident()

        calls(2000)
        free, host = calls(1000)
        free_after, host_after = calls(10_000)
        assert free_after == free
        assert host_after - host < 2 << 20


def runner_contexts(runner: Any) -> list[Any]:
    return [slot._execution for slot in runner._slots._free]


def test_close_gives_memory_back(gpu: Any) -> None:
    runner = engines.runner_of(engines.doubling(), LARGE, contexts=2)
    runner(x=batch(10))
    torch.cuda.empty_cache()
    with runner._device:
        before = gpu.mem_get_info()[0]
    big = engines.runner_of(engines.copying("float32"), LARGE)
    big(x=np.zeros((1 << 22, 3), np.float32))
    device = runner._device
    with device:
        assert gpu.mem_get_info()[0] < before - (64 << 20)
    big.close()
    torch.cuda.empty_cache()
    with device:
        assert gpu.mem_get_info()[0] >= before - (4 << 20)
    runner.close()


def test_out_of_memory() -> None:
    engine = engines.doubling()
    with engines.runner_of(engine, LARGE, outputs="device") as runner:
        runner(x=SIX)
        context = engine.contexts[0]
        shapes = context._shapes
        context._shapes = lambda: {"y": (1 << 40, 3)}
        with pytest.raises(
            RunnerError, match=r"out of device memory: [\d,]{18} bytes were asked for \([\d,]+ of [\d,]+"
        ):
            runner(x=batch(5))
        context._shapes = shapes
        np.testing.assert_array_equal(runner(x=SIX)["y"].numpy(), SIX * 2)


def test_another_device() -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("there is one CUDA device")
    engine = engines.doubling(device="cuda:1")
    with engines.runner_of(engine, device=1, outputs="device", contexts=2) as runner:
        y = torch.from_dlpack(runner(x=SIX)["y"])
        assert y.device.index == 1
        np.testing.assert_array_equal(y.cpu(), SIX * 2)
        for value in (torch.zeros(2, 3, device="cuda:0"), Interface(torch.zeros(2, 3, device="cuda:0"))):
            with pytest.raises(
                RunnerError, match="an array is on CUDA device 0, the runner on device 1; copy it there"
            ):
                runner(x=value)
        np.testing.assert_array_equal(runner(x=torch.from_numpy(SIX).to("cuda:1"))["y"].numpy(), SIX * 2)
        assert torch.cuda.current_device() == 0
        assert torch.zeros(1, device="cuda").device.index == 0
    with pytest.raises(RunnerError, match=r"^CUDA device 99: .*invalid device ordinal"):
        engines.runner_of(engines.doubling(), device=99)


LOST = """
import numpy as np
import cupy
from tests.runtime.engines import doubling, runner_of
from wtsnet.errors import RunnerError

bad = cupy.RawKernel('extern "C" __global__ void bad(float* p) { p[threadIdx.x] = 1; }', "bad")
engine = doubling()
function = engine.function
runner = runner_of(engine, contexts=3)
x = np.ones((2, 3), np.float32)
stream = runner.stream({"x": x} for _ in range(100))
next(stream)
def wrong(given):
    import torch
    with cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream):
        bad((1,), (32,), (np.uint64(64),))
    return function(given)
engine.function = wrong
for call in (lambda: list(stream), lambda: runner(x=x), lambda: runner.submit(x=x).result()):
    try:
        call()
    except RunnerError as error:
        print(error)
runner.close()
print("closed")
"""


def test_an_illegal_address_closes_the_runner() -> None:
    """In a process of its own, whose context it ends."""
    pytest.importorskip("cupy")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", LOST], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 4, done
    assert "illegal memory access" in lines[0]
    assert lines[0].endswith("context on device 0 is lost for this process, and the runner is closed")
    assert all(line.startswith("the runner is closed: CUDA: ") for line in lines[1:3])
    assert lines[3] == "closed"


# TensorRT's own: a plan that this file builds.
def plan() -> tuple[bytes, Any]:
    """A plan that doubles, and a manifest of what it takes."""
    from wtsnet import trt as tensorrt

    builder = tensorrt.builder()
    network = tensorrt.create_network(builder)
    trt = tensorrt.module()
    x = network.add_input("x", trt.float32, (-1, 3))
    double = network.add_elementwise(x, x, trt.ElementWiseOperation.SUM)
    double.get_output(0).name = "y"
    network.mark_output(double.get_output(0))
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    profile.set_shape("x", (1, 3), (4, 3), (64, 3))
    config.add_optimization_profile(profile)
    built = builder.build_serialized_network(network, config)
    return bytes(built), type("Manifest", (), {"inputs": (engines.X["x"],), "axes": {}})()


def needs(runs: bool) -> None:
    """Skip unless TensorRT runs here, or unless it does not."""
    from wtsnet import trt as tensorrt

    capability = driver().gpus[0].capability
    supported = tensorrt.flavour() == "tensorrt" or capability in RTX_CAPABILITIES
    if supported != runs:
        text = "{}.{}".format(*capability)
        pytest.skip(f"{tensorrt.flavour()} {'runs' if supported else 'does not run'} on compute capability {text}")


def test_a_plan_of_tensorrts_runs() -> None:
    needs(runs=True)
    from wtsnet.runtime.tensorrt import TensorRTRunner

    for options in ({}, {"contexts": 3}, {"graph": True}):
        with TensorRTRunner.from_plan(*plan(), **options) as runner:
            for size in (1, 5, 64, 100, 5):
                np.testing.assert_array_equal(runner(x=batch(size))["y"], batch(size) * 2)
            on_device = runner.run({"x": torch.from_numpy(batch(5)).cuda()}, outputs="device")["y"]
            np.testing.assert_array_equal(torch.from_dlpack(on_device).cpu(), batch(5) * 2)


def test_a_plan_for_another_gpu_is_refused() -> None:
    needs(runs=False)
    from wtsnet.runtime.tensorrt import TensorRTRunner

    with pytest.raises(EngineError, match=r"the plan can't be opened: .*Error Code"):
        TensorRTRunner.from_plan(*plan())
    test_runs_and_grows()
