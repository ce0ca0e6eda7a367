"""wtsnet/engine/engine.py: save, load, what load refuses, and the reference runner of a loaded engine."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from onnx import helper

import wtsnet
from tests.small import TINY, lenet, lenet_file, tiny, tiny_file, yolo_file
from tests.small_onnx import KERNEL, conv, two_inputs, write
from wtsnet import trt as tensorrt
from wtsnet.decode import Seen, collected, decoder
from wtsnet.errors import EngineError, ManifestError, RunnerError, WtsnetError, WtsnetWarning
from wtsnet.manifest.files import sha256
from wtsnet.manifest.manifest import PlanManifest
from wtsnet.predict import Predictor
from wtsnet.runtime import Runner
from wtsnet.runtime.fitting import misfit
from wtsnet.trt.device import Gpu

X = np.random.default_rng(1).random((1, 1, 32, 32), np.float32)


def edit(manifest: Path, **changes: Any) -> None:
    data = yaml.safe_load(manifest.read_text())
    for key, value in changes.items():
        outer, _, inner = key.partition("__")
        if inner:
            data[outer][inner] = value
        else:
            data[outer] = value
    manifest.write_text(yaml.safe_dump(data))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with lenet.wts, lenet.plan and its manifest."""
    folder = tmp_path_factory.mktemp("built")
    wtsnet.build("lenet", lenet_file(folder)).save(folder / "lenet.plan")
    return folder


@pytest.fixture
def plan(built: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    return tmp_path / "lenet.plan"


def run(engine: wtsnet.Engine) -> np.ndarray[Any, Any]:
    prob: np.ndarray[Any, Any] = engine.runner("reference")(data=X)["prob"]
    return prob


def test_save_and_load(plan: Path) -> None:
    engine = wtsnet.load(plan)
    assert engine.plan == plan.read_bytes()
    assert engine.path == plan
    manifest = engine.manifest
    assert manifest.plan == {"file": "lenet.plan", "sha256": sha256(plan), "bytes": len(engine.plan)}
    assert manifest.weights == {"file": "lenet.wts", "sha256": sha256(plan.with_name("lenet.wts"))}
    assert manifest.tensorrt == {"flavour": tensorrt.flavour(), "version": tensorrt.version()}
    assert (manifest.model, manifest.target, manifest.flags, manifest.options) == ("lenet", [], [], {})
    assert manifest.preprocess == {"kind": "gray", "size": [32, 32]}
    assert [tensor["name"] for tensor in (*manifest.inputs, *manifest.outputs)] == ["data", "prob"]


def test_a_loaded_engine_computes_what_the_built_one_did(plan: Path) -> None:
    built = wtsnet.build("lenet", lenet())
    np.testing.assert_array_equal(run(wtsnet.load(plan)), run(built))
    assert built.path is None


def test_the_plan_is_what_tensorrt_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import tensorrt_rtx as trt

    kept = []
    original = trt.Builder.build_serialized_network

    def spy(*args: Any) -> Any:
        kept.append(original(*args))
        return kept[-1]

    monkeypatch.setattr(trt.Builder, "build_serialized_network", spy)
    wtsnet.build("lenet", lenet()).save(tmp_path / "x.plan")
    assert (tmp_path / "x.plan").read_bytes() == bytes(kept[0])


def test_load_does_not_open_the_plan(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorrt_rtx as trt

    def refuse(*args: Any) -> Any:
        raise AssertionError("load opened the plan")

    monkeypatch.setattr(trt, "Runtime", refuse)
    run(wtsnet.load(plan))


def test_what_load_refuses(plan: Path) -> None:
    manifest = plan.with_name("lenet.plan.yaml")
    kept, version = manifest.read_text(), tensorrt.version()
    major, minor, *rest = version.split(".")
    other_release = ".".join([major, str(int(minor) + 1), *rest])

    def refused(message: str, kind: type[WtsnetError] = EngineError) -> None:
        with pytest.raises(kind, match=f"^{re.escape(str(plan))}.*{message}") as caught:
            wtsnet.load(plan)
        assert "\n" not in str(caught.value)
        manifest.write_text(kept)

    edit(manifest, tensorrt__flavour="tensorrt")
    refused(
        f"built by tensorrt {version}, which tensorrt_rtx {version} can't run; install tensorrt .*, or build it again: "
    )
    edit(manifest, tensorrt__version="99.0.0.1")
    refused(f"tensorrt_rtx 99.0.0.1, which tensorrt_rtx {version} can't run; build it again: wtsnet rebuild {plan}$")
    edit(manifest, tensorrt__version=other_release)
    refused(f"built by tensorrt_rtx {other_release}, which tensorrt_rtx {version} can't run")
    edit(manifest, inputs=3)
    refused(r"\.yaml: inputs: found 3, expected a list", ManifestError)
    manifest.write_text("a: [")
    refused(r"\.yaml: not YAML", ManifestError)
    manifest.write_bytes(b"\xff\x00")
    refused(r"\.yaml: not YAML", ManifestError)
    manifest.unlink()
    refused(r": no manifest beside it \(lenet.plan.yaml\); on a GPU .* `wtsnet manifest .*` writes one", ManifestError)

    data = bytearray(plan.read_bytes())
    data[len(data) // 2] ^= 1
    plan.write_bytes(data)
    found, expected = sha256(plan)[:12], yaml.safe_load(kept)["plan"]["sha256"][:12]
    refused(f"found sha256 {found}…, expected {expected}…: the plan changed since its manifest was written")
    plan.unlink()
    refused("can't be read .No such file")
    plan.mkdir()
    refused("can't be read .Is a directory")


def test_the_fourth_part_of_a_version_does_not_matter(plan: Path) -> None:
    edit(plan.with_name("lenet.plan.yaml"), tensorrt__version=".".join(tensorrt.version().split(".")[:3]) + ".9999")
    wtsnet.load(plan)


@pytest.mark.parametrize(
    ("release", "installed", "flags", "fits"),
    [
        ("10.3.0.26", "10.3.0.26", [], True),
        ("10.3.0.26", "10.4.0.1", [], False),
        ("10.3.0.26", "10.4.0.1", ["version_compatible"], True),
        ("10.4.0.1", "10.3.0.26", ["version_compatible"], False),
        ("10.3.0.26", "11.0.0.1", ["version_compatible"], True),
        ("11.0.0.1", "12.0.0.1", ["version_compatible"], False),
        ("10.3.0.26", "12.0.0.1", ["version_compatible"], False),
    ],
)
def test_releases_of_full_tensorrt(
    plan: Path, monkeypatch: pytest.MonkeyPatch, release: str, installed: str, flags: list[str], fits: bool
) -> None:
    edit(plan.with_name("lenet.plan.yaml"), tensorrt={"flavour": "tensorrt", "version": release}, flags=flags)
    monkeypatch.setattr(tensorrt, "flavour", lambda: "tensorrt")
    monkeypatch.setattr(tensorrt, "version", lambda: installed)
    if fits:
        wtsnet.load(plan)
    else:
        with pytest.raises(EngineError, match=f"built by tensorrt {release}, which tensorrt {installed} can't run"):
            wtsnet.load(plan)


def test_weights_that_are_gone_or_changed(plan: Path) -> None:
    weights, engine = plan.with_name("lenet.wts"), wtsnet.load(plan)
    wtsnet.write_wts(weights, lenet(seed=5))
    with pytest.raises(EngineError, match=f"^{weights}: found sha256 .*, expected .*: not the weights that {plan} was"):
        engine.runner("reference")
    weights.unlink()
    with pytest.raises(EngineError, match=f"^{plan}: needs the weights .*lenet.wts.* neither there nor beside"):
        engine.runner("auto")


def test_plan_and_weights_move_together(plan: Path, tmp_path: Path) -> None:
    shutil.move(plan.parent, tmp_path.with_name("moved"))
    moved = tmp_path.with_name("moved") / "lenet.plan"
    np.testing.assert_array_equal(run(wtsnet.load(moved)), run(wtsnet.build("lenet", lenet())))


def test_weights_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("weights", "plans", "alone", "both"):
        (tmp_path / name).mkdir()
    lenet_file(tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    engine = wtsnet.build("lenet", "weights/lenet.wts")
    monkeypatch.chdir(tmp_path / "alone")  # relative paths are those of the moment when they were given
    engine.save("../plans/x.plan")
    assert engine.manifest.weights["file"] == "../weights/lenet.wts"
    wanted = run(wtsnet.build("lenet", lenet()))
    engine = wtsnet.load("../plans/x.plan")
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(run(engine), wanted)
    for path in [*(tmp_path / "plans").iterdir(), tmp_path / "weights/lenet.wts"]:
        shutil.copy(path, tmp_path / "both")
    shutil.rmtree(tmp_path / "weights")
    np.testing.assert_array_equal(run(wtsnet.load(tmp_path / "both/x.plan")), wanted)


def test_a_loaded_engine_is_saved_elsewhere(plan: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    engine = wtsnet.load(plan)
    engine.save(tmp_path / "copy/y.plan")
    assert (tmp_path / "copy/y.plan").read_bytes() == plan.read_bytes()
    again = wtsnet.load(tmp_path / "copy/y.plan")
    assert again.manifest.weights["file"] == "../lenet.wts"
    np.testing.assert_array_equal(run(again), run(wtsnet.load(plan)))


def test_weights_from_a_mapping_are_written_beside(tmp_path: Path) -> None:
    engine = wtsnet.build("lenet", lenet())
    before = run(engine)
    (tmp_path / "second").mkdir()
    for path in (tmp_path / "x.plan", tmp_path / "second/y.plan"):
        engine.save(path)
        assert sorted(file.name for file in path.parent.glob("*.*")) == sorted(
            [path.name, f"{path.name}.wts", f"{path.name}.yaml"]
        )
        loaded = wtsnet.load(path)
        assert loaded.manifest.weights == {"file": f"{path.name}.wts", "sha256": sha256(f"{path}.wts")}
        np.testing.assert_array_equal(run(loaded), before)


def test_facts_and_eps_travel_with_the_plan(tmp_path: Path) -> None:
    weights = yolo_file(tmp_path, eps=0.3)
    x = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    engine = wtsnet.build("yolov5", weights, imgsz=64, head="decoded", batch=(1, 1, 2))
    engine.save(tmp_path / "y.plan")
    (tmp_path / "yolo.wts.yaml").unlink()
    loaded = wtsnet.load(tmp_path / "y.plan")
    assert loaded.manifest.names == ["one", "two"]
    before, after = engine.runner("reference")(images=x), loaded.runner("reference")(images=x)
    np.testing.assert_array_equal(after["predictions"], before["predictions"])
    data = yaml.safe_load((tmp_path / "y.plan.yaml").read_text())
    data["architecture"]["bn_eps"] = {}
    (tmp_path / "y.plan.yaml").write_text(yaml.safe_dump(data))
    other = wtsnet.load(tmp_path / "y.plan").runner("reference")(images=x)
    assert np.abs(other["predictions"] - before["predictions"]).max() > 1e-3  # so the eps did matter


def test_a_model_of_ones_own_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reference() -> Runner:
        return wtsnet.load(tmp_path / "plans/t.plan").runner("reference")

    (tmp_path / "code").mkdir()
    (tmp_path / "plans").mkdir()
    tiny_file(tmp_path / "code")
    x = np.random.default_rng(0).random((1, 3, 8, 8), np.float32)
    monkeypatch.chdir(tmp_path / "code")
    engine = wtsnet.build("mine.py:tiny", tiny())
    wanted = engine.runner("reference")(images=x)["output"]
    engine.save("../plans/t.plan")
    assert engine.manifest.model == "../code/mine.py:tiny"
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(reference()(images=x)["output"], wanted)
    shutil.move(tmp_path / "code/mine.py", tmp_path / "plans")
    np.testing.assert_array_equal(reference()(images=x)["output"], wanted)
    (tmp_path / "plans/mine.py").write_text(TINY.replace("x, 4, 3, padding=1", "x, 4, 3"))
    with pytest.warns(WtsnetWarning, match=r"t.plan: .*plans/mine.py has changed since the plan was built; torch exec"):
        reference()  # has the same inputs and outputs
    (tmp_path / "plans/mine.py").write_text(TINY.replace("size=8", "size=16").replace("10", "20"))
    with pytest.raises(
        EngineError, match=r"mine.py:tiny has changed since the plan was built: it now has other inputs"
    ):
        reference()
    (tmp_path / "plans/mine.py").unlink()
    with pytest.raises(EngineError, match=r"needs the model's file \(\.\./code/mine.py\), which is neither there nor"):
        reference()


@pytest.mark.parametrize("mapping", [True, False])
def test_save_leaves_nothing_behind_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapping: bool
) -> None:
    engine = wtsnet.build("lenet", lenet() if mapping else lenet_file(tmp_path))
    folder = tmp_path / "out"
    with pytest.raises(EngineError, match=f"^{folder / 'x.plan'}: can't be written .No such file"):
        engine.save(folder / "x.plan")
    (folder / "x.plan.yaml").mkdir(parents=True)  # the manifest can't be put there
    with pytest.raises(EngineError, match=r"x.plan: can't be written .Is no regular file"):
        engine.save(folder / "x.plan")
    assert [path.name for path in folder.iterdir()] == ["x.plan.yaml"]
    (folder / "x.plan.yaml").rmdir()

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PlanManifest, "write", full)
        with pytest.raises(EngineError, match="No space left on device"):
            engine.save(folder / "x.plan")
    assert list(folder.iterdir()) == []
    assert engine.path is None
    engine.save(folder / "x.plan")
    wtsnet.load(folder / "x.plan")


def test_a_failed_save_keeps_what_was_there(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in plan.parent.iterdir()}
    engine = wtsnet.build("lenet", lenet(), batch=2)
    monkeypatch.setattr(type(engine.manifest), "to_yaml", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine.save(plan)
    assert {path: path.read_bytes() for path in plan.parent.iterdir()} == before


def test_an_option_that_is_one_of_numpys_numbers(tmp_path: Path) -> None:
    engine = wtsnet.build("lenet", lenet(), batch=np.int64(2))
    engine.save(tmp_path / "x.plan")
    assert wtsnet.load(tmp_path / "x.plan").manifest == engine.manifest
    assert wtsnet.load(tmp_path / "x.plan").runner("reference")(data=np.concatenate([X, X]))["prob"].shape == (2, 10)


def gpu(major: int, minor: int) -> Gpu:
    return Gpu(0, "Some GPU", (major, minor), 1)


@pytest.mark.parametrize(
    ("target", "fits", "misfits"),
    [
        ([], [(8, 0), (8, 6), (8, 9), (12, 0)], [(7, 5), (9, 0), (10, 0)]),
        (["sm89"], [(8, 9)], [(8, 6), (9, 0)]),
        (["sm75", "sm86"], [(7, 5), (8, 6)], [(8, 9)]),
        (["sm120"], [(12, 0)], [(12, 1)]),
    ],
)
def test_gpus_that_fit_a_plan_of_rtx(
    plan: Path, target: list[str], fits: list[tuple[int, int]], misfits: list[tuple[int, int]]
) -> None:
    edit(plan.with_name("lenet.plan.yaml"), target=target)
    engine = wtsnet.load(plan)
    assert [misfit(engine.manifest, gpu(*capability)) for capability in fits] == [""] * len(fits)
    for major, minor in misfits:
        reason = misfit(engine.manifest, gpu(major, minor))
        assert reason == f"the plan is for {reason[16:].partition(';')[0]}; Some GPU is sm{major}{minor}"
        assert all(name in reason for name in target or ["sm80, sm86"])
    major, minor = misfits[0]
    edit(plan.with_name("lenet.plan.yaml"), gpu={"name": "Some GPU", "compute_capability": f"{major}.{minor}"})
    assert misfit(wtsnet.load(plan).manifest, gpu(major, minor)), "a GPU that it was built on need not run it"


def test_gpus_that_fit_a_plan_of_full_tensorrt(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = plan.with_name("lenet.plan.yaml")
    monkeypatch.setattr(tensorrt, "flavour", lambda: "tensorrt")
    built = {"name": "NVIDIA L4", "compute_capability": "8.9"}
    edit(manifest, tensorrt__flavour="tensorrt", gpu=built)
    engine = wtsnet.load(plan)
    assert misfit(engine.manifest, gpu(8, 9)) == ""
    assert misfit(engine.manifest, gpu(9, 0)) == "the plan is for compute capability 8.9 (NVIDIA L4); Some GPU is sm90"
    edit(manifest, target=["ampere_plus"])
    engine = wtsnet.load(plan)
    assert misfit(engine.manifest, gpu(9, 0)) == ""
    assert misfit(engine.manifest, gpu(7, 5)) == "the plan is for ampere_plus; Some GPU is sm75"
    edit(manifest, target=[], gpu=None)
    assert misfit(wtsnet.load(plan).manifest, gpu(8, 9)).startswith("the plan is for no GPU")


DECODER = (
    TINY
    + """
import wtsnet.decode

@wtsnet.decode.decoder("tiny-task")
def theirs(outputs, seen):
    return "of the model's file"
"""
)


def test_the_decoder_of_the_models_own_file(tmp_path: Path) -> None:
    """It is found beside the plan too, and goes before one of the same task that this process has."""
    task = 'wtsnet.Image(size=8, multiple=2, preprocess={"kind": "crop", "resize": 10}), task="tiny-task"'
    model = tiny_file(tmp_path, re.sub(r"wtsnet.Image\(.*\)(?=\))", lambda _: task, DECODER))
    wtsnet.build(model, tiny()).save(tmp_path / "t.plan")
    engine, seen = wtsnet.load(tmp_path / "t.plan"), Seen(None, {})
    assert engine.manifest.decode["task"] == "tiny-task"
    with collected():
        decoder("tiny-task")(lambda outputs, seen: "of this process")
        found = engine.decoder()
        assert found is not None
        assert found({}, seen) == "of the model's file"
        (tmp_path / "mine.py").unlink()
        found = engine.decoder()
        assert found is not None
        assert found({}, seen) == "of this process"
    with pytest.raises(EngineError, match=r"t.plan: needs the model's file \(mine.py\), which is neither there nor"):
        engine.decoder()


def test_tasks_that_have_no_decoder_of_ones_own(plan: Path) -> None:
    manifest = plan.with_name("lenet.plan.yaml")
    with collected():
        decoder("mine")(lambda outputs, seen: seen)
        decoder("none")(lambda outputs, seen: seen)
        for task, found in (("classify", False), ("none", False), ("mine", True), ("other", False)):
            edit(manifest, decode={"task": task})
            assert (wtsnet.load(plan).decoder() is not None) == found
        edit(manifest, decode={})
        assert wtsnet.load(plan).decoder() is None


def test_runner_errors_are_wtsnets(plan: Path) -> None:
    with pytest.raises(RunnerError, match="runner: found 'referenc', expected one of auto, tensorrt, reference; did"):
        wtsnet.load(plan).runner("referenc")


PICTURE = np.random.default_rng(1).random((1, 3, 8, 8), np.float32)


@pytest.fixture
def onnx_plan(tmp_path: Path) -> Path:
    """plans/x.plan of onnx/x.onnx, whose weights are in onnx/x.data."""
    for name in ("onnx", "plans"):
        (tmp_path / name).mkdir()
    conv(tmp_path / "onnx/x.onnx", external="x.data")
    wtsnet.build(str(tmp_path / "onnx/x.onnx")).save(tmp_path / "plans/x.plan")
    return tmp_path / "plans/x.plan"


def test_a_plan_of_an_onnx_file(onnx_plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(path.name for path in onnx_plan.parent.iterdir()) == ["x.plan", "x.plan.yaml"]
    manifest = wtsnet.load(onnx_plan).manifest
    assert manifest.model == manifest.weights["file"] == "../onnx/x.onnx"
    monkeypatch.chdir(tmp_path / "onnx")
    built = wtsnet.build("x.onnx")  # relative paths are those of the moment when they were given
    monkeypatch.chdir("/")
    wanted = built.runner("reference")(x=PICTURE)["y"]
    np.testing.assert_array_equal(wtsnet.load(onnx_plan).runner("reference")(x=PICTURE)["y"], wanted)
    shutil.move(onnx_plan, tmp_path / "onnx")
    shutil.move(f"{onnx_plan}.yaml", tmp_path / "onnx")
    moved = wtsnet.load(tmp_path / "onnx/x.plan")  # beside it now, and not where the manifest says
    np.testing.assert_array_equal(moved.runner("reference")(x=PICTURE)["y"], wanted)


def test_an_onnx_file_that_is_gone_or_changed(onnx_plan: Path, tmp_path: Path) -> None:
    path, data = tmp_path / "onnx/x.onnx", tmp_path / "onnx/x.data"
    data.write_bytes((2 * KERNEL).tobytes())
    there = rf"^{onnx_plan.parent / '../onnx/x.onnx'}: "
    with pytest.raises(EngineError, match=rf"{there}found sha256 .*: not the weights that {onnx_plan} was built from"):
        wtsnet.load(onnx_plan).runner("reference")
    data.unlink()
    with pytest.raises(WtsnetError, match=rf"{there}has weights in x.data, which is not in"):
        wtsnet.load(onnx_plan).runner("reference")
    conv(path)
    with pytest.raises(EngineError, match="found sha256 "):
        wtsnet.load(onnx_plan).runner("reference")
    path.unlink()
    with pytest.raises(EngineError, match=r"needs the weights that .* \(../onnx/x.onnx\), which is neither there nor"):
        wtsnet.load(onnx_plan).runner("reference")


def test_shapes_travel_with_the_plan(tmp_path: Path) -> None:
    shapes = {"bias": ((1, 1, 1, 2), (1, 1, 1, 5), (1, 1, 1, np.int64(8)))}
    path = str(two_inputs(tmp_path / "x.onnx"))
    wtsnet.build(path, batch=2, imgsz=((4, 4, 6), (2, 5, 8)), shapes=shapes).save(tmp_path / "x.plan")
    loaded = wtsnet.load(tmp_path / "x.plan")
    assert loaded.manifest.options["shapes"] == {"bias": [[1, 1, 1, 2], [1, 1, 1, 5], [1, 1, 1, 8]]}
    images, bias = np.ones((2, 3, 6, 8), np.float32), np.full((1, 1, 1, 8), 2, np.float32)
    assert loaded.runner("reference")(images=images, bias=bias)["total"].mean() == 3
    with pytest.raises(RunnerError, match="input 'bias': found shape"):
        loaded.runner("reference")(images=images, bias=np.ones((1, 1, 1, 9), np.float32))


def test_who_completes_the_manifest_can_decode(tmp_path: Path) -> None:
    """An ONNX file does not say what goes in and what comes out; its plan's manifest may."""
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)
    wtsnet.build(str(write(tmp_path / "x.onnx", [node], {"x": (1, 3, 8, 8)}))).save(tmp_path / "x.plan")
    engine = wtsnet.load(tmp_path / "x.plan")
    with pytest.raises(ManifestError, match=r"x.plan: "):
        Predictor(engine, engine.runner("reference"))
    preprocess = {"kind": "crop", "size": [8, 8], "resize": 8}
    edit(tmp_path / "x.plan.yaml", preprocess=preprocess, decode={"task": "classify"}, names=["red", "green", "blue"])
    engine = wtsnet.load(tmp_path / "x.plan")
    green = np.zeros((9, 9, 3), np.uint8) + np.array([0, 200, 0], np.uint8)
    (best,) = Predictor(engine, engine.runner("reference"), limit=1)([green])
    assert best.found[0].name == "green"
