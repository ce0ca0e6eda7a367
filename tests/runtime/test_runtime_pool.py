"""Several contexts: threads, futures and streams of frames, on a CUDA made of Python."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests.runtime.engines import doubling, runner_of, spec
from tests.runtime.fake_cuda import Cuda
from tests.runtime.reference_engine import Launch
from wtsnet.errors import RunnerError

X4 = {"x": spec("x", "float32", [1, 3], [4, 3])}


def frames(count: int) -> list[dict[str, Any]]:
    return [{"x": np.full((1 + i % 4, 3), i, np.float32)} for i in range(count)]


def check(outputs: list[dict[str, Any]], given: list[dict[str, Any]]) -> None:
    assert len(outputs) == len(given)
    for made, frame in zip(outputs, given, strict=True):
        np.testing.assert_array_equal(made["y"], frame["x"] * 2)


@pytest.mark.parametrize("contexts", [1, 3])
def test_threads(cuda: Cuda, launch: Launch, contexts: int) -> None:
    engine = doubling(launch)
    runner = runner_of(engine, X4, contexts=contexts)
    assert len(engine.contexts) == contexts
    given = frames(200)
    with ThreadPoolExecutor(8) as threads:
        check(list(threads.map(runner.run, given)), given)
    futures = [runner.submit(**frame) for frame in given]
    check([future.result() for future in futures], given)
    assert runner.stats().total.count == 400
    with pytest.raises(RunnerError, match="input 'x': missing"):
        runner.submit().result()


@pytest.mark.parametrize("contexts", [1, 2, 5])
@pytest.mark.parametrize("outputs", ["numpy", "device"])
def test_a_stream_is_in_order(cuda: Cuda, launch: Launch, contexts: int, outputs: str) -> None:
    runner = runner_of(doubling(launch), X4, contexts=contexts)
    given = [*frames(17), {"x": np.arange(30, dtype=np.float32).reshape(10, 3)}, *frames(3)]
    made = list(runner.stream(given, outputs=outputs))
    check([{"y": out["y"] if outputs == "numpy" else out["y"].numpy()} for out in made], given)


def test_as_many_frames_as_contexts_are_on_their_way(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), X4, contexts=3)
    taken = []

    def source() -> Iterator[dict[str, Any]]:
        for i, frame in enumerate(frames(6)):
            taken.append(i)
            yield frame

    cuda.log.clear()
    stream = runner.stream(source())
    assert taken == []
    next(stream)
    assert taken == [0, 1, 2, 3], "the first is waited for when the fourth needs its place"
    assert cuda.log.count("synchronize") == 1
    assert cuda.log.count("memcpy_dtoh_async") == 3, "all of what came before was given to the device"
    assert len(list(stream)) == 5


def test_two_streams_and_calls_in_between(cuda: Cuda, launch: Launch) -> None:
    """One thread, which must never wait for a slot that it holds itself."""
    runner = runner_of(doubling(launch), X4, contexts=2)
    given = frames(9)
    a: list[Any] = []
    b: list[Any] = []
    c: list[Any] = []
    for one, two in zip(runner.stream(given), runner.stream(given), strict=True):
        a.append(one)
        b.append(two)
        c.append(runner(**given[len(c)]))
    for made in (a, b, c):
        check(made, given)


def test_a_source_that_raises(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), X4, contexts=3)

    def source() -> Iterator[dict[str, Any]]:
        yield from frames(5)
        raise OSError("the camera is gone")

    made: list[dict[str, Any]] = []
    with pytest.raises(OSError, match="the camera is gone"):
        made.extend(runner.stream(source()))
    check(made, frames(5)[: len(made)])
    assert len(made) == 2
    check(list(runner.stream(frames(7))), frames(7))


@pytest.mark.parametrize("contexts", [1, 3])
def test_a_frame_that_fails(cuda: Cuda, launch: Launch, contexts: int) -> None:
    engine = doubling(launch)
    runner = runner_of(engine, X4, contexts=contexts)
    with pytest.raises(RunnerError, match="input 'x': found shape"):
        list(runner.stream([*frames(4), {"x": np.zeros((1, 4))}]))

    def source() -> Iterator[dict[str, Any]]:
        yield from frames(4)
        engine.fail = "execute_async_v3"
        yield from frames(4)

    with pytest.raises(RunnerError, match="the engine failed"):
        list(runner.stream(source()))
    engine.fail = None
    check(list(runner.stream(frames(7))), frames(7))


def test_who_stops_reading_gives_all_back(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), X4, contexts=3)
    stream = runner.stream(frames(9))
    next(stream)
    stream.close()
    for outputs in runner.stream(frames(9)):
        assert outputs
        break
    check(list(runner.stream(frames(5))), frames(5))


def test_a_device_that_disappears_in_the_middle(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), X4, contexts=3)
    stream = runner.stream(frames(9))
    next(stream)
    cuda.fail = "synchronize"
    with pytest.raises(RunnerError, match="context on device 0 is lost for this process, and the runner is closed"):
        next(stream)
    with pytest.raises(RunnerError, match="the runner is closed: CUDA: synchronize failed"):
        next(runner.stream(frames(1)))
    with pytest.raises(RunnerError, match="the runner is closed"):
        runner.submit(**frames(1)[0]).result()


def test_closing_wakes_those_who_wait(cuda: Cuda, launch: Launch) -> None:
    inside, go_on = threading.Event(), threading.Event()
    engine = doubling(launch)
    function = engine.function

    def slow(given: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            assert go_on.wait(20)
        return function(given)

    engine.function = slow
    runner = runner_of(engine, X4)
    runner(**frames(1)[0])
    running = runner.submit(**frames(1)[0])
    assert inside.wait(20)
    waiting: list[Exception] = []

    def wait() -> None:
        try:
            runner(**frames(1)[0])
        except RunnerError as error:
            waiting.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    queued = runner.submit(**frames(1)[0])
    runner.close()
    thread.join(20)
    assert [str(error) for error in waiting] == ["the runner is closed"]
    assert cuda.memory, "what runs is not disturbed"
    go_on.set()
    check([running.result(20)], frames(1))
    with pytest.raises(RunnerError, match="the runner is closed"):
        queued.result(20)
    for _ in range(100):
        if not cuda.memory:
            break
        threading.Event().wait(0.05)
    assert (cuda.memory, cuda.pinned) == ({}, {}), "the last one to come back frees everything"


def test_a_stream_that_is_left_when_the_runner_closes(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), X4, contexts=3)
    stream = runner.stream(frames(9))
    next(stream)
    runner.close()
    with pytest.raises(RunnerError, match="the runner is closed"):
        list(stream)
    assert (cuda.memory, cuda.pinned) == ({}, {})
