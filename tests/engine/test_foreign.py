"""wtsnet/engine/foreign.py: plans without a manifest, opened on a CUDA made of Python."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorrt_rtx as trt

import wtsnet
from tests.engine.test_planfile import PLAN, headed
from tests.runtime import conftest as of_runtime
from tests.runtime.engines import sized
from tests.runtime.fake_cuda import Cuda
from tests.runtime.reference_engine import FunctionEngine, Launch
from tests.runtime.test_runtime_ports import Plans
from wtsnet import trt as tensorrt
from wtsnet.engine import foreign
from wtsnet.errors import EngineError, ManifestError, RunnerError, WtsnetError
from wtsnet.manifest.files import sha256
from wtsnet.manifest.manifest import PlanManifest, manifest_path
from wtsnet.runtime import choosing
from wtsnet.trt.device import Driver, Gpu

cuda, launch = of_runtime.cuda, of_runtime.launch
SIX = np.arange(6, dtype=np.float32).reshape(2, 3)
METADATA = {"task": "detect", "imgsz": [64, 64], "names": {"0": "one", "1": "two"}, "stride": 32, "end2end": False}


def gpu_of(monkeypatch: pytest.MonkeyPatch, *capability: int) -> None:
    gpus = (Gpu(0, "Some GPU", (capability[0], capability[1]), 1),) if capability else ()
    found = Driver("13.0", "" if gpus else "no CUDA device", gpus)
    for module in (choosing, foreign):
        monkeypatch.setattr(module, "driver", lambda: found)


@pytest.fixture
def runtime(cuda: Cuda, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> Plans:
    """TensorRT, which makes of any plan an engine that reads `size` on the host; and a GPU that no RTX plan is for
    unless it says so."""
    engine = sized(launch)
    engine.profile = {"x": ((1, 3), (4, 3), (64, 3)), "size": ((1,), (5,), (9,))}
    made = Plans(cuda, engine)
    monkeypatch.setattr(trt, "Runtime", made)
    gpu_of(monkeypatch, 9, 0)
    return made


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    (tmp_path / "x.plan").write_bytes(PLAN)
    return tmp_path / "x.plan"


@pytest.fixture
def ultralytics(tmp_path: Path) -> Path:
    (tmp_path / "y.engine").write_bytes(headed(METADATA))
    return tmp_path / "y.engine"


def runs(engine: wtsnet.Engine) -> None:
    with engine.runner(contexts=2) as runner:
        assert runner.reason == "tensorrt: Some GPU fits the plan"
        made = runner(x=SIX, size=[3])
    np.testing.assert_array_equal(made["y"], [5, 5, 5])
    assert made["twice"] == [6]


def test_without_trust_it_is_not_opened(runtime: Plans, plan: Path, ultralytics: Path) -> None:
    for path in (plan, ultralytics):
        with pytest.raises(ManifestError) as caught:
            wtsnet.load(path)
        assert str(caught.value) == (
            f"{path}: no manifest beside it ({path.name}.yaml); on a GPU that the plan fits, `wtsnet manifest {path}` "
            "writes one, and wtsnet.load(…, trust=True) does without; both open the plan, which runs what is in it: "
            "only for plans from a source that you trust"
        )
    assert runtime.opened == []


def test_the_engine_tells_all(runtime: Plans, plan: Path) -> None:
    engine = wtsnet.load(plan, trust=True)
    assert engine.manifest == PlanManifest(
        wtsnet=wtsnet.__version__,
        model="",
        source=None,
        options={"values": {"size": [[1], [5], [9]]}},
        weights={"file": None, "sha256": ""},
        architecture={},
        tensorrt={"flavour": tensorrt.flavour(), "version": tensorrt.version()},
        target=[],
        gpu={"name": "Some GPU", "compute_capability": "9.0"},
        flags=[],
        workspace=None,
        level=None,
        inputs=[
            {"name": "x", "dtype": "float32", "shape": [-1, 3], "min": [1, 3], "opt": [4, 3], "max": [64, 3]},
            {"name": "size", "dtype": "int64", "shape": [1], "min": [1], "opt": [1], "max": [1]},
        ],
        axes={},
        outputs=[
            {"name": "y", "dtype": "float32", "shape": [-1]},
            {"name": "twice", "dtype": "int64", "shape": [1]},
        ],
        plan={"file": "x.plan", "sha256": sha256(plan), "bytes": len(PLAN)},
        preprocess={},
        decode={"task": "none"},
        names=[],
    )
    assert (engine.plan, engine.path) == (PLAN, plan)
    assert engine.decoder() is None
    runs(engine)


def test_ultralytics_header_is_not_the_plans(runtime: Plans, ultralytics: Path) -> None:
    engine = wtsnet.load(ultralytics, trust=True)
    assert engine.plan == PLAN
    assert engine.manifest.plan == {
        "file": "y.engine", "sha256": sha256(ultralytics), "bytes": ultralytics.stat().st_size
    }  # fmt: skip
    assert engine.manifest.names == ["one", "two"]
    assert engine.manifest.decode == {"task": "none"}, "its outputs are not those of a detector"
    runs(engine)
    assert runtime.opened == [PLAN, PLAN]


def test_what_it_means_where_the_outputs_are_as_the_header_says(
    runtime: Plans, launch: Launch, ultralytics: Path
) -> None:
    engine = FunctionEngine({"images": ("float32", (1, 3, 64, 64))}, {"output0": ("float32", (1, 6, 84))}, dict, launch)
    runtime.engine = engine
    found = wtsnet.load(ultralytics, trust=True).manifest
    assert found.preprocess == {"kind": "letterbox", "size": [64, 64], "fill": 114}
    assert (found.decode["task"], found.decode["kind"], found.decode["classes"]) == ("detect", "dfl", 2)


@pytest.mark.parametrize("name", ["plan", "ultralytics"])
def test_with_its_manifest_it_loads_as_any_other(
    runtime: Plans, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, name: str
) -> None:
    path: Path = request.getfixturevalue(name)
    known = wtsnet.load(path, trust=True).manifest
    known.write(manifest_path(path))
    runtime.opened.clear()
    engine = wtsnet.load(path)
    assert runtime.opened == []
    assert (engine.manifest, engine.plan) == (known, PLAN)
    runs(engine)
    gpu_of(monkeypatch)
    assert wtsnet.load(path).manifest == known, "it needs no GPU now"
    with pytest.raises(RunnerError, match=r"can't run here: no CUDA device; .* so only a GPU can run it"):
        wtsnet.load(path).runner()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EngineError, match="the plan changed since its manifest was written"):
        wtsnet.load(path, trust=True)


def test_a_gpu_that_has_not_opened_it_is_guessed_about(
    runtime: Plans, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = wtsnet.load(plan, trust=True)
    gpu_of(monkeypatch, 10, 0)
    with pytest.raises(RunnerError, match=r"the plan is for sm80, .*; Some GPU is sm100"):
        engine.runner()
    gpu_of(monkeypatch, 8, 9)
    runs(engine)


def test_another_release_can_not_build_it_again(runtime: Plans, plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wtsnet.load(plan, trust=True).manifest.write(manifest_path(plan))
    monkeypatch.setattr(tensorrt, "version", lambda: "99.0.0")
    with pytest.raises(EngineError, match=r"can't run; build it again$"):
        wtsnet.load(plan)


def test_saved_elsewhere(runtime: Plans, ultralytics: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    engine = wtsnet.load(ultralytics, trust=True)
    engine.save(tmp_path / "copy/z.plan")
    assert (tmp_path / "copy/z.plan").read_bytes() == PLAN
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["z.plan", "z.plan.yaml"]
    again = wtsnet.load(tmp_path / "copy/z.plan")
    assert again.manifest == engine.manifest
    assert again.manifest.names == ["one", "two"]
    runs(again)
    assert engine.path == tmp_path / "copy/z.plan"
    shutil.copy(ultralytics, tmp_path / "copy")
    wtsnet.load(tmp_path / "copy/y.engine", trust=True).save(tmp_path / "copy/y.engine")  # over itself
    runs(wtsnet.load(tmp_path / "copy/y.engine"))


@pytest.mark.parametrize("trust", [False, True])
def test_what_is_no_plan_is_not_opened(runtime: Plans, tmp_path: Path, trust: bool) -> None:
    contents = {
        "x.png": (b"\x89PNG\r\n", "found b'\\x89PNG' at its beginning, expected a TensorRT plan"),
        "x.wts": (b"1\na 1 0\n", "found b'1\\na ' at its beginning, expected a TensorRT plan"),
        "cut.engine": (headed(METADATA)[:50], "found b'"),
        "header.engine": (headed(METADATA, b""), "nothing is behind a header of "),
    }
    for name, (data, message) in contents.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(EngineError) as caught:
            wtsnet.load(path, trust=trust)
        assert str(caught.value).startswith(f"{path}: {message}")
    for path, reason in ((tmp_path, "Is a directory"), (tmp_path / "none.plan", "No such file or directory")):
        with pytest.raises(EngineError) as caught:
            wtsnet.load(path, trust=trust)
        assert str(caught.value) == f"{path}: can't be read ({reason})"
    assert runtime.opened == []


def test_a_plan_that_tensorrt_refuses(runtime: Plans, plan: Path) -> None:
    runtime.engine = None
    with pytest.raises(EngineError) as caught:
        wtsnet.load(plan, trust=True)
    assert str(caught.value) == f"{plan}: the plan can't be opened: Error Code 6: API Usage Error (as wished)"


def test_where_there_is_no_gpu(runtime: Plans, plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu_of(monkeypatch)
    with pytest.raises(WtsnetError) as caught:
        wtsnet.load(plan, trust=True)
    assert str(caught.value) == (
        f"{plan}: without a manifest a plan tells what it takes only to a GPU that it fits: no CUDA device; there, "
        "`wtsnet manifest x.plan` writes the manifest (x.plan.yaml)"
    )
    assert runtime.opened == []
