"""wtsnet/runtime/graphs.py, on a CUDA made of Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.runtime.engines import doubling, positive, runner_of
from tests.runtime.fake_cuda import Cuda
from tests.runtime.reference_engine import Launch
from wtsnet.errors import RunnerError


def batch(size: int, start: int = 0) -> np.ndarray[Any, Any]:
    return np.arange(start, start + 3 * size, dtype=np.float32).reshape(size, 3)


def runs(engine: Any) -> int:
    count: int = engine.contexts[0].calls.count("execute_async_v3")
    return count


def test_a_shape_is_captured_once(cuda: Cuda, launch: Launch) -> None:
    engine = doubling(launch)
    runner = runner_of(engine, graph=True)
    for i, (size, captures) in enumerate(((2, 1), (2, 1), (3, 2), (2, 2), (3, 2))):
        for place in ("numpy", "device"):
            made = runner.run({"x": batch(size, i)}, outputs=place)["y"]
            np.testing.assert_array_equal(made if place == "numpy" else made.numpy(), batch(size, i) * 2)
            assert cuda.captures == captures
    assert runs(engine) == 4, "once to warm up and once to capture, for each shape"


def test_other_addresses_are_captured_anew(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), graph=True)
    runner(x=batch(2))
    runner(x=batch(60))
    assert cuda.captures == 2
    runner(x=batch(2))
    assert cuda.captures == 3, "the buffers have grown"
    np.testing.assert_array_equal(runner(x=batch(2, 7))["y"], batch(2, 7) * 2)


def test_only_a_few_are_kept(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), graph=True)
    runner(x=batch(40))
    for size in (*range(1, 30), 1):
        np.testing.assert_array_equal(runner(x=batch(size, 5))["y"], batch(size, 5) * 2)
    assert len(cuda.graphs) == 8
    runner.close()
    assert cuda.graphs == {}


def test_several_contexts_have_their_own(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), contexts=3, graph=True)
    given = [{"x": batch(2, i)} for i in range(9)]
    for made, frame in zip(runner.stream(given), given, strict=True):
        np.testing.assert_array_equal(made["y"], frame["x"] * 2)
    assert cuda.captures == 3


@pytest.mark.parametrize("fail", ["end_capture", "execute_async_v3"])
def test_what_can_not_be_captured(cuda: Cuda, launch: Launch, fail: str) -> None:
    engine = doubling(launch)
    runner = runner_of(engine, graph=True)

    def refuse(handle: int) -> bool:
        if cuda.streams[handle].captured is not None and fail == "execute_async_v3":
            return False
        launch(handle, lambda: None, False)
        return True

    engine.contexts[0].execute_async_v3 = refuse  # type: ignore[method-assign]  # for this context alone
    cuda.fail = fail
    with pytest.raises(RunnerError, match=r"^graph=True: the network can't be captured \(.*\); run it without$"):
        runner(x=batch(2))
    cuda.fail = None
    del engine.contexts[0].execute_async_v3
    np.testing.assert_array_equal(runner(x=batch(2))["y"], batch(2) * 2)


def test_a_size_that_the_values_decide(cuda: Cuda, launch: Launch) -> None:
    with pytest.raises(RunnerError, match="graph=True: only the values decide the size of output 'y'; run without"):
        runner_of(positive(launch), graph=True)(x=batch(2))
