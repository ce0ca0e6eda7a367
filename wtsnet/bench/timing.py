"""How fast a plan runs, as `trtexec --loadEngine` tells it, but through a runner: what an application gets."""

from __future__ import annotations

import warnings
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.bench.inputs import bench_arrays, in_host_memory
from wtsnet.errors import RunnerError, WtsnetWarning
from wtsnet.runtime import Stage, Stats

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from wtsnet.engine import Engine
    from wtsnet.runtime import Runner

    Progress = Callable[[str, int, int], None]

STAGES = ("staging", "host_to_device", "compute", "device_to_host")
"""The stages of a run that `Stats` tells, in their order."""
_SECONDS_BETWEEN_WORDS = 0.5  # of progress: drawing a bar takes about a millisecond, which no run is to wait for often


@dataclass(frozen=True, eq=False)
class Measurement:
    """What `bench` has measured.

    Attributes:
        runner, reason: the kind that ran, and why it was taken.
        tensorrt: the TensorRT that is installed, as in "tensorrt_rtx 1.7.1".
        shapes: of the inputs, by name.
        streams, copies, graph, warm_up: as they were asked for.
        seconds: from the beginning of the first run to the end of the last.
        latencies: of each run, in the order of their ends, in seconds: from when it was given to the runner, which
            had an execution context free for it, until its outputs were there, on the host's clock. float64.
        stats: what the runner tells of these runs.
    """

    runner: str
    reason: str
    tensorrt: str
    shapes: Mapping[str, tuple[int, ...]]
    streams: int
    copies: bool
    graph: bool
    warm_up: float
    seconds: float
    latencies: NDArray[np.float64]
    stats: Stats

    @property
    def per_second(self) -> float:
        """Inferences a second."""
        return len(self.latencies) / self.seconds

    @property
    def pictures_per_second(self) -> float | None:
        """The same times the batch of the first input with four axes; None where there is no such input."""
        batch = next((shape[0] for shape in self.shapes.values() if len(shape) == 4), None)
        return None if batch is None else batch * self.per_second

    def percentile(self, percent: float) -> float:
        """The latency that `percent` % of the runs did not exceed: one that occurred (nearest rank), in seconds."""
        return float(np.percentile(self.latencies, percent, method="inverted_cdf"))

    def to_dict(self, percentiles: Iterable[float]) -> dict[str, Any]:
        """All of it but for the single latencies, for JSON; units are in the names.

        Args:
            percentiles: which ones, from 0 to 100.
        """
        latencies = self.latencies * 1000
        return {
            "runner": self.runner,
            "reason": self.reason,
            "tensorrt": self.tensorrt,
            "inputs": {name: list(shape) for name, shape in self.shapes.items()},
            "streams": self.streams,
            "copies": self.copies,
            "graph": self.graph,
            "warm_up_s": self.warm_up,
            "inferences": len(latencies),
            "seconds": self.seconds,
            "inferences_per_second": self.per_second,
            "pictures_per_second": self.pictures_per_second,
            "latency_ms": {
                "min": float(latencies.min()),
                "mean": float(latencies.mean()),
                "median": 1000 * self.percentile(50),
                "max": float(latencies.max()),
                "percentiles": {f"{percent:g}": 1000 * self.percentile(percent) for percent in percentiles},
            },
            "stages": {name: _facts(getattr(self.stats, name)) for name in STAGES},
        }


def _facts(stage: Stage) -> dict[str, float | None]:
    return {
        "mean_ms": 1000 * stage.seconds / stage.count,
        "bytes": stage.bytes / stage.count,
        "gb_per_second": stage.bytes / stage.seconds / 1e9 if stage.bytes and stage.seconds else None,
    }


def bench(
    engine: Engine,
    *,
    runner: str = "auto",
    device: str | int | None = None,
    inputs: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    warm_up: float = 0.2,
    duration: float = 3.0,
    iterations: int = 10,
    copies: bool = True,
    streams: int = 1,
    graph: bool = False,
    progress: Progress | None = None,
) -> Measurement:
    """Run an engine over and over on the same inputs, and measure.

    Args:
        runner, device: as for `Engine.runner`.
        inputs: arrays by name, or an .npz of such; None for random ones as in `wtsnet.proof.compare`, and the
            profile's usual values of those that decide shapes.
        batch: of random inputs: the first axis of those that take it in a range; None for the profile's usual one.
        shapes: of random inputs, by name.
        warm_up: for how many seconds to run before; each execution context runs twice at least, so that its memory
            is there and its graph captured.
        duration: for how many seconds to begin runs.
        iterations: how many runs there are at least.
        copies: whether inputs come from page-locked memory and outputs go back to the host; else both stay on the
            device.
        streams: how many runs are in flight, each in an execution context of its own.
        graph: whether the engine's work is replayed from a CUDA graph.
        progress: is told, now and then, what is done, and how many of how many steps.

    Raises:
        RunnerError: a value that an option can't take, inputs that do not fit the plan's profile, or what only a GPU
            has (`copies=False`, `streams`, `graph`) where the reference runner is to run; as the runner.
        VerifyError: the .npz can't be read, or has other inputs.
    """
    _check("warm_up", warm_up, 0 <= warm_up < inf, "seconds from 0")
    _check("duration", duration, 0 < duration < inf, "seconds above 0")
    _check("iterations", iterations, iterations >= 1, "a number from 1")
    _check("streams", streams, streams >= 1, "a number from 1")
    arrays = bench_arrays(engine.manifest.inputs, inputs, batch, shapes, engine.manifest.axes)
    if inputs is None:
        arrays |= _usual_values(engine, arrays)
    with closing(_open(engine, runner, device, copies, streams, graph)) as made:
        frame = in_host_memory(made, arrays) if copies else _on_device(arrays, device)
        _measure(made, frame, streams, warm_up, 2 * streams, _words("Warming up", progress))
        before = made.stats()
        seconds, latencies = _measure(made, frame, streams, duration, iterations, _words("Measuring", progress))
        return Measurement(
            made.kind,
            made.reason,
            f"{tensorrt.flavour()} {tensorrt.version()}",
            {name: array.shape for name, array in arrays.items()},
            streams,
            copies,
            graph,
            warm_up,
            seconds,
            latencies,
            _since(before, made.stats()),
        )


def _check(name: str, value: float, good: bool, expected: str) -> None:
    if not good:
        raise RunnerError(f"{name}: found {value}, expected {expected}")


def _usual_values(engine: Engine, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The inputs that decide shapes: random values would ask for any shape, and the profile says what is usual."""
    values = engine.manifest.options.get("values", {})
    return {
        name: np.array(usual, arrays[name].dtype).reshape(arrays[name].shape) for name, (_, usual, _) in values.items()
    }


def _open(engine: Engine, kind: str, device: str | int | None, copies: bool, streams: int, graph: bool) -> Runner:
    options: dict[str, Any] = {} if device is None else {"device": device}
    asked = []
    for wanted, name, option, value in (
        (not copies, "no copies", "outputs", "device"),
        (streams > 1, f"{streams} streams", "contexts", streams),
        (graph, "a graph", "graph", True),
    ):
        if wanted:
            asked.append(name)
            options[option] = value
    if not asked:
        with warnings.catch_warnings():  # what runs, and why, is part of what is told of the measurement
            warnings.simplefilter("ignore", WtsnetWarning)
            return engine.runner(kind, **options)
    if kind == "reference":
        raise RunnerError(f"{' and '.join(asked)}: only where the plan runs on a GPU; found the reference runner")
    try:
        return engine.runner("tensorrt" if kind == "auto" else kind, **options)
    except RunnerError as error:
        raise RunnerError(f"{' and '.join(asked)}: {error}") from error


def _measure(
    runner: Runner,
    frame: Mapping[str, Any],
    streams: int,
    duration: float,
    at_least: int,
    tell: Callable[[float], None] | None,
) -> tuple[float, NDArray[np.float64]]:
    """Run for a while: the seconds from the first beginning to the last end, and the latency of each run.

    With several streams the runner's own pipeline runs: it takes frames ahead, but a frame can begin only when the one
    that is `streams` before it has ended.
    """
    given: deque[float] = deque()
    ends = deque([0.0] * streams, streams)
    latencies: list[float] = []
    if tell:
        tell(0.0)
    began = perf_counter()
    frames = _frames(frame, began, duration, at_least, given, tell)
    for _ in runner.stream(frames) if streams > 1 else map(runner.run, frames):
        end = perf_counter()
        latencies.append(end - max(given.popleft(), ends[0]))
        ends.append(end)
    if tell:
        tell(1.0)
    return ends[-1] - began, np.array(latencies)


def _frames(
    frame: Mapping[str, Any],
    began: float,
    duration: float,
    at_least: int,
    given: deque[float],
    tell: Callable[[float], None] | None,
) -> Iterator[Mapping[str, Any]]:
    """The same frame for a while; when it was given is noted."""
    count, now, next_word = 0, began, began + _SECONDS_BETWEEN_WORDS
    while count < at_least or now - began < duration:
        if tell and now >= next_word:
            tell(min(count / at_least, (now - began) / duration if duration else 1.0, 1.0))
            now = perf_counter()
            next_word = now + _SECONDS_BETWEEN_WORDS
        count += 1
        given.append(now)
        yield frame
        now = perf_counter()


def _words(what: str, progress: Progress | None) -> Callable[[float], None] | None:
    """Tells the share of `what` that is done, in thousandths."""
    return None if progress is None else lambda share: progress(what, int(1000 * share), 1000)


def _since(before: Stats, after: Stats) -> Stats:
    """What was done between."""
    stages = {}
    for name in (*STAGES, "total"):
        a, b = getattr(before, name), getattr(after, name)
        stages[name] = Stage(b.count - a.count, b.bytes - a.bytes, b.seconds - a.seconds)
    return Stats(**stages, device_bytes=after.device_bytes, host_bytes=after.host_bytes)


def _on_device(arrays: Mapping[str, NDArray[Any]], device: str | int | None) -> dict[str, Any]:
    from wtsnet.runtime.ondevice import on_device  # pycuda is there: a runner was made

    return on_device(arrays, device)
