"""wtsnet/runtime/choosing.py and options.py: what `auto` does where the plan can't run, and that it says so once."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import wtsnet
from tests.small import lenet
from wtsnet.errors import EngineError, RunnerError, WtsnetWarning
from wtsnet.runtime import choosing as module
from wtsnet.trt.device import Driver, Gpu

X = np.zeros((1, 1, 32, 32), np.float32)
INSTEAD = "the plan can't run here: no CUDA device; torch executes its network on the CPU instead"


@pytest.fixture(scope="module")
def engine() -> wtsnet.Engine:
    return wtsnet.build("lenet", lenet())


@pytest.fixture(autouse=True)
def without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "driver", lambda: Driver(None, "no CUDA device"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, INSTEAD),
        ({"contexts": 4, "graph": True}, f"{INSTEAD}, without contexts=4, graph=True"),
        ({"outputs": "device"}, f"{INSTEAD}, without outputs='device' (outputs are numpy arrays)"),
        ({"device": 0}, f"{INSTEAD}, without device=0"),
        ({"device": "cuda:1", "contexts": 2}, f"{INSTEAD}, without device='cuda:1', contexts=2"),
        ({"device": "cpu", "graph": True}, f"{INSTEAD}, without graph=True"),
        ({"contexts": 1, "graph": False, "outputs": "numpy"}, INSTEAD),
    ],
)
def test_one_warning_says_what_is_done_without(engine: wtsnet.Engine, options: dict[str, Any], text: str) -> None:
    with pytest.warns(WtsnetWarning) as caught:
        runner = engine.runner("auto", **options)
    assert [str(one.message) for one in caught] == [text]
    assert caught[0].filename == __file__, "at the user's line"
    assert runner.reason == "reference on cpu: no CUDA device"
    made = runner(data=X)["prob"]
    assert (type(made), made.shape) == (np.ndarray, (1, 10))


def test_nothing_is_said_where_the_cpu_or_the_reference_runner_was_asked_for(engine: wtsnet.Engine) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert engine.runner("auto", device="cpu", contexts=1).kind == "reference"
        assert engine.runner("reference").kind == "reference"


def test_a_gpu_that_the_plan_does_not_fit(engine: wtsnet.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "driver", lambda: Driver("13.0", "", (Gpu(0, "Some GPU", (9, 0), 1),)))
    with pytest.warns(WtsnetWarning, match=r"the plan is for sm80, .*; Some GPU is sm90; torch executes"):
        engine.runner(contexts=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": 4}, "runner: unknown option 'context'; did you mean 'contexts'?"),
        ({"contexts": 0}, "contexts: found 0, expected a number from 1"),
        ({"contexts": "4"}, "contexts: found '4', expected a number from 1"),
        ({"outputs": "gpu"}, "outputs: found 'gpu', expected one of numpy, device"),
        ({"device": "gpu"}, "device: found 'gpu', expected cpu or a cuda device"),
    ],
)
def test_what_is_an_error_on_a_gpu_is_one_here(engine: wtsnet.Engine, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RunnerError) as caught:
        engine.runner("auto", **options)
    assert str(caught.value).startswith(message)


def test_a_plan_without_its_network_runs_on_a_gpu_only(engine: wtsnet.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_network", None)
    monkeypatch.setattr(engine.manifest, "model", "")
    for kind in ("auto", "tensorrt"):
        with pytest.raises(RunnerError) as caught:
            engine.runner(kind)
        expected = (
            "the plan can't run here: no CUDA device; it comes without its network's definition, so only a GPU can"
        )
        assert str(caught.value).startswith(expected)
    with pytest.raises(EngineError, match="knows nothing of its network but inputs and outputs"):
        engine.runner("reference")
    with pytest.raises(EngineError, match="knows nothing of its network"):
        engine.network()
