"""wtsnet/bench/timing.py and inputs.py: on a clock of its own, with the reference runner, on a CUDA made of Python."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import wtsnet
from tests.runtime import conftest as of_runtime
from tests.runtime.engines import spec
from tests.runtime.reference_engine import ReferenceEngine
from tests.small import lenet
from wtsnet.bench import timing as module
from wtsnet.bench.inputs import bench_arrays
from wtsnet.bench.timing import STAGES, Measurement, bench
from wtsnet.errors import RunnerError, VerifyError, WtsnetError
from wtsnet.runtime import choosing as runtime
from wtsnet.runtime.stats import Stage, Stats
from wtsnet.trt.device import Driver

cuda, launch, gpu = of_runtime.cuda, of_runtime.launch, of_runtime.gpu


def alike(count: int) -> Stats:
    """The stats of so many runs of `Runner`."""
    stage = Stage(count, 8 * count, 0.5 * count)
    return Stats(stage, stage, stage, stage, stage)


class Clock:
    """perf_counter, in the hands of a runner."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Runner:
    """Each run takes the device, which has one at a time; TensorRTRunner's order of events.

    Attributes:
        seconds: how long.
        seen: what it was given, each run.
        stop: the run that is interrupted, as by ctrl-C.
    """

    kind, reason = "tensorrt", "tensorrt: made up"

    def __init__(self, clock: Clock) -> None:
        self.clock, self.contexts, self.free, self.seconds = clock, 1, 0.0, 1.0
        self.seen: list[Mapping[str, Any]] = []
        self.stop: int | None = None
        self.closed = False

    def empty(self, name: str, shape: tuple[int, ...]) -> Any:
        return np.empty(shape, np.float32)

    def begin(self, frame: Mapping[str, Any]) -> float:
        if len(self.seen) == self.stop:
            raise KeyboardInterrupt
        self.seen.append(frame)
        self.free = max(self.free, self.clock.now) + self.seconds
        return self.free

    def run(self, frame: Mapping[str, Any]) -> dict[str, Any]:
        self.clock.now = self.begin(frame)
        return {}

    def stream(self, frames: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        running: deque[float] = deque()
        for frame in frames:
            if len(running) == self.contexts:
                self.clock.now = running.popleft()
                yield {}
            running.append(self.begin(frame))
        while running:
            self.clock.now = running.popleft()
            yield {}

    def stats(self) -> Stats:
        count = len(self.seen)
        return alike(count)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Runner:
    clock = Clock()
    monkeypatch.setattr(module, "perf_counter", clock)
    return Runner(clock)


def engine_of(runner: Runner, **inputs: Any) -> Any:
    def give(kind: str, contexts: int = 1, **options: Any) -> Runner:
        runner.contexts = contexts
        return runner

    takes = inputs or {"x": ("float32", [1, 2], [4, 2])}
    manifest = SimpleNamespace(inputs=[spec(name, *args) for name, args in takes.items()], axes={}, options={})
    return SimpleNamespace(manifest=manifest, runner=give)


@pytest.mark.parametrize(
    ("warm_up", "duration", "iterations", "before", "runs"),
    [(3, 5, 1, 3, 5), (0, 5, 1, 2, 5), (3, 0.1, 7, 3, 7), (2.5, 4.5, 2, 3, 5)],
)
def test_how_long(made: Runner, warm_up: float, duration: float, iterations: int, before: int, runs: int) -> None:
    found = bench(engine_of(made), warm_up=warm_up, duration=duration, iterations=iterations)
    assert len(made.seen) == before + runs
    assert found.latencies.tolist() == [1.0] * runs, "the warm-up is not counted"
    assert (found.seconds, found.per_second) == (runs, 1.0)
    assert found.stats == alike(runs), "nor here"
    assert made.closed


def test_latency_with_several_streams_is_from_when_a_context_is_free(made: Runner) -> None:
    found = bench(engine_of(made), streams=3, warm_up=0, duration=9, iterations=1)
    assert len(made.seen) - len(found.latencies) == 6, "each context runs twice before"
    assert found.latencies.tolist()[:5] == [1, 2, 3, 3, 3], "a frame that the pipeline takes ahead waits for its turn"
    assert set(found.latencies.tolist()[2:]) == {3}
    assert found.seconds == len(found.latencies)


def test_all_runs_have_the_same_arrays(made: Runner) -> None:
    x = np.arange(6).reshape(3, 2)
    bench(engine_of(made), inputs={"x": x}, duration=2, iterations=1)
    assert len({id(frame["x"]) for frame in made.seen}) == 1
    np.testing.assert_array_equal(made.seen[0]["x"], x)


def test_an_interrupted_one_gives_nothing(made: Runner) -> None:
    made.stop = 5
    with pytest.raises(KeyboardInterrupt):
        bench(engine_of(made), duration=9)
    assert made.closed


def test_progress_is_told_seldom_and_not_in_a_run(made: Runner) -> None:
    told: list[tuple[str, int, int]] = []

    def progress(*word: Any) -> None:
        told.append(word)
        made.clock.now += 0.25  # drawing takes its time

    made.seconds = 0.125
    found = bench(engine_of(made), warm_up=0.25, duration=3, iterations=4, progress=progress)
    assert told == [
        *(("Warming up", done, 1000) for done in (0, 1000)),
        *(("Measuring", done, 1000) for done in (0, 166, 416, 666, 916, 1000)),
    ]
    assert set(found.latencies) == {0.125}
    assert found.seconds == 3.125, "the last run begins when the last word was told"


def measurement(latencies: Any, **changed: Any) -> Measurement:
    values: dict[str, Any] = {
        "runner": "tensorrt",
        "reason": "tensorrt: it fits",
        "tensorrt": "tensorrt_rtx 1.7.1",
        "shapes": {"ids": (8, 2), "images": (4, 3, 8, 8)},
        "streams": 2,
        "copies": True,
        "graph": False,
        "warm_up": 0.2,
        "seconds": 2.0,
        "latencies": np.array(latencies, np.float64),
        "stats": Stats(Stage(4, 0, 0.0), Stage(4, 8000, 0.002), Stage(4, 0, 0.008), Stage(4, 400, 0.0)),
    }
    return Measurement(**{**values, **changed})


@pytest.mark.parametrize(
    ("percent", "latency"), [(0, 1), (10, 1), (10.1, 2), (50, 5), (90, 9), (95, 10), (99, 10), (100, 10)]
)
def test_percentiles_are_latencies_that_occurred(percent: float, latency: float) -> None:
    assert measurement([7, 1, 3, 2, 9, 10, 4, 5, 6, 8]).percentile(percent) == latency


def test_as_a_dict() -> None:
    found = measurement([0.004, 0.001, 0.002, 0.009]).to_dict([90, 99.9])
    assert found["latency_ms"] == {
        "min": 1, "mean": 4, "median": 2, "max": 9, "percentiles": {"90": 9, "99.9": 9}
    }  # fmt: skip
    assert (found["inferences"], found["inferences_per_second"], found["pictures_per_second"]) == (4, 2, 8)
    assert found["inputs"] == {"ids": [8, 2], "images": [4, 3, 8, 8]}
    assert list(found["stages"]) == list(STAGES)
    assert found["stages"]["host_to_device"] == {"mean_ms": 0.5, "bytes": 2000, "gb_per_second": pytest.approx(0.004)}
    assert found["stages"]["compute"] == {"mean_ms": 2, "bytes": 0, "gb_per_second": None}
    assert found["stages"]["device_to_host"] == {"mean_ms": 0, "bytes": 100, "gb_per_second": None}
    assert measurement([1], shapes={"x": (4, 8)}).to_dict([])["pictures_per_second"] is None


TWO = {"x": ("float32", [1, 2], [4, 2]), "size": ("int64", [3], [3]), "mask": ("uint8", [2, 1], [8, 1])}


@pytest.mark.parametrize(
    ("options", "shapes"),
    [
        ({}, {"x": (1, 2), "size": (3,), "mask": (2, 1)}),
        ({"batch": 4}, {"x": (4, 2), "size": (3,), "mask": (4, 1)}),
        ({"shapes": {"mask": [7, 1]}}, {"x": (1, 2), "size": (3,), "mask": (7, 1)}),
        ({"inputs": {"x": np.zeros((3, 2)), "size": np.ones(3, np.int32), "mask": np.zeros((5, 1), np.uint8)}},
         {"x": (3, 2), "size": (3,), "mask": (5, 1)}),
    ],
)  # fmt: skip
def test_shapes(made: Runner, options: dict[str, Any], shapes: dict[str, Any]) -> None:
    found = bench(engine_of(made, **TWO), **options, duration=1, iterations=1)
    assert found.shapes == {name: array.shape for name, array in made.seen[0].items()} == shapes


def test_inputs_that_decide_shapes_have_their_usual_values(made: Runner) -> None:
    engine = engine_of(made, **TWO)
    engine.manifest.options = {"values": {"size": [[1, 1, 1], [2, 7, 9], [5, 8, 9]]}}
    bench(engine, duration=1, iterations=1)
    assert made.seen[0]["size"].tolist() == [2, 7, 9]
    given = {"x": np.zeros((1, 2)), "size": np.array([3, 3, 3]), "mask": np.zeros((2, 1), np.uint8)}
    bench(engine, inputs=given, duration=1, iterations=1)
    assert made.seen[-1]["size"].tolist() == [3, 3, 3]


def test_random_inputs_of_every_dtype_and_rank() -> None:
    kinds = ("float32", "float16", "bfloat16", "int8", "uint8", "int32", "int64", "bool")
    takes = [spec(f"{name}{rank}", name, [2] * rank, [3] * rank) for name in kinds for rank in range(6)]
    made = bench_arrays(takes, None, None, {"int645": (2, 3, 2, 3, 2)})
    assert {name: (array.dtype.name, array.shape) for name, array in made.items()} == {
        one["name"]: (one["dtype"], (2, 3, 2, 3, 2) if one["name"] == "int645" else tuple(one["opt"])) for one in takes
    }
    assert set(made["int645"].flat) == {0, 1}
    assert set(made["bool5"].flat) == {False, True}


def test_an_npz(made: Runner, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.full((2, 2), 7, np.float16))
    bench(engine_of(made), inputs=tmp_path / "in.npz", duration=1, iterations=1)
    np.testing.assert_array_equal(made.seen[0]["x"], np.full((2, 2), 7, np.float32))


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"duration": 0}, RunnerError, "duration: found 0, expected seconds above 0"),
        ({"duration": float("nan")}, RunnerError, "duration: found nan"),
        ({"duration": float("inf")}, RunnerError, "duration: found inf"),
        ({"warm_up": -1}, RunnerError, "warm_up: found -1, expected seconds from 0"),
        ({"iterations": 0}, RunnerError, "iterations: found 0, expected a number from 1"),
        ({"streams": 0}, RunnerError, "streams: found 0, expected a number from 1"),
        ({"batch": 5}, RunnerError, r"input 'x': found shape \(5, 2\), expected \(1..4, 2\); "
         "the batch is the first axis: where it is another, give shapes instead$"),
        ({"batch": 1}, RunnerError, r"input 'mask': found shape \(1, 1\), expected \(2..8, 1\)"),
        ({"shapes": {"size": (4,)}}, RunnerError, r"input 'size': found shape \(4,\), expected \(3\)$"),
        ({"shapes": {"x": (10**9, 10**9)}}, RunnerError, "input 'x': found shape"),
        ({"shapes": {"mas": (4, 1)}}, RunnerError, r"input 'mas': unknown; did you mean 'mask'\? \(the engine takes x"),
        ({"batch": 2, "shapes": {"x": (2, 2)}}, RunnerError, "batch: found 2, and shapes too"),
        ({"batch": 2, "inputs": "in.npz"}, RunnerError, "batch and shapes are of random inputs"),
        ({"inputs": "in.jpg"}, RunnerError, "in.jpg: expected an .npz of the inputs by name"),
        ({"inputs": "none.npz"}, VerifyError, "none.npz: can't be read as an .npz"),
        ({"inputs": {"x": np.zeros((1, 2))}}, VerifyError, "input size: not given"),
        ({"inputs": {"x": np.zeros((8, 2)), "size": np.ones(3, int), "mask": np.zeros((8, 1), bool)}}, RunnerError,
         r"input 'x': found shape \(8, 2\), expected \(1..4, 2\)"),
        ({"runner": "reference", "streams": 2}, RunnerError,
         "2 streams: only where the plan runs on a GPU; found the reference runner"),
        ({"runner": "reference", "graph": True, "copies": False}, RunnerError, "no copies and a graph: only where"),
    ],
)  # fmt: skip
def test_errors(made: Runner, options: dict[str, Any], kind: type[WtsnetError], message: str) -> None:
    with pytest.raises(kind, match=f"^{message}"):
        bench(engine_of(made, **TWO), **options)
    assert made.seen == []


def test_a_batch_for_an_engine_without_one(made: Runner) -> None:
    with pytest.raises(RunnerError, match="batch: found 2, but no input has a batch axis"):
        bench(engine_of(made, x=("float32", [], [])), batch=2)
    with pytest.raises(RunnerError, match=r"input 'x': found shape \(2, 3\), expected \(1, 3\)"):
        bench(engine_of(made, x=("float32", [1, 3], [1, 3])), batch=2)


@pytest.fixture(scope="module")
def built() -> wtsnet.Engine:
    return wtsnet.build("lenet", lenet(), batch=(1, 2, 4))


def test_the_reference_runner(built: wtsnet.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "driver", lambda: Driver(None, "no CUDA device"))
    found = bench(built, warm_up=0, duration=0.05, iterations=3, batch=4)
    assert (found.runner, found.reason) == ("reference", "reference on cpu: no CUDA device")
    assert found.shapes == {"data": (4, 1, 32, 32)}
    assert found.pictures_per_second == 4 * found.per_second
    assert found.stats.compute.count == len(found.latencies) >= 3
    assert 0 < found.stats.compute.seconds <= found.latencies.sum() <= found.seconds
    assert found.seconds >= 0.05
    with pytest.raises(RunnerError, match=r"^3 streams and a graph: the plan can't run here: no CUDA device"):
        bench(built, streams=3, graph=True)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest, built: wtsnet.Engine, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The fake CUDA, or None for a real one; the reference runtime takes the place of TensorRT's kernels."""
    fake = work = None
    if request.param == "fake":
        fake, work = request.getfixturevalue("cuda"), request.getfixturevalue("launch")
    else:
        request.getfixturevalue("gpu")
    from wtsnet.runtime.tensorrt import TensorRTRunner

    def from_plan(plan: bytes, manifest: Any, reason: str, **options: Any) -> TensorRTRunner:
        engine = ReferenceEngine(built.network().trt, "cpu" if fake else "cuda:0", work)
        return TensorRTRunner(engine, {one["name"]: one for one in manifest.inputs}, reason, **options)

    monkeypatch.setattr(runtime, "why_not_tensorrt", lambda engine, number: "")
    monkeypatch.setattr(TensorRTRunner, "from_plan", from_plan)
    if fake:
        gpus = (SimpleNamespace(name="a GPU"),)
        monkeypatch.setattr(runtime, "driver", lambda: SimpleNamespace(problem="", gpus=gpus))
    return fake


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize("copies", [True, False])
def test_the_tensorrt_runner(built: wtsnet.Engine, device: Any, copies: bool, streams: int, graph: bool) -> None:
    found = bench(
        built, copies=copies, streams=streams, graph=graph, warm_up=0, duration=0.01, iterations=8, device="cuda:0"
    )
    count, stats = len(found.latencies), found.stats
    assert count >= 8
    assert (found.runner, found.streams, found.copies, found.graph) == ("tensorrt", streams, copies, graph)
    assert found.shapes == {"data": (2, 1, 32, 32)}
    assert {getattr(stats, name).count for name in STAGES} == {count}
    assert stats.host_to_device.bytes == copies * count * 2 * 32 * 32 * 4
    assert stats.device_to_host.bytes == stats.staging.bytes == copies * count * 2 * 10 * 4, "the outputs alone"
    assert 0 < min(found.latencies) <= max(found.latencies) < found.seconds
    if device is not None:
        assert device.captures == graph * streams, "one each, before the measurement"
        gc.collect()
        assert (device.memory, device.pinned) == ({}, {}), "all is freed"


def test_inputs_on_the_device_are_those_given(built: wtsnet.Engine, device: Any) -> None:
    """Whatever their dtype and size."""
    from wtsnet.runtime.ondevice import on_device

    arrays = {"a": np.arange(5, dtype=np.int64), "b": np.array(True), "c": np.zeros((0, 3), np.float16)}
    for name, array in on_device(arrays, 0).items():
        np.testing.assert_array_equal(array.numpy(), arrays[name])
        assert (array.shape, array.dtype) == (arrays[name].shape, arrays[name].dtype)
