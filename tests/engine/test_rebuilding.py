"""wtsnet/engine/rebuilding.py: a plan built again as its manifest says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wtsnet
from tests.small import lenet, lenet_file, tiny, tiny_file, yolo_file
from tests.small_onnx import relu
from wtsnet.errors import EngineError, ManifestError, WtsnetError

X = np.random.default_rng(0).random((1, 1, 32, 32), np.float32)


def outputs(engine: wtsnet.Engine) -> Any:
    with engine.runner("reference") as runner:
        return runner(data=X)["prob"]


@pytest.fixture
def other(tmp_path: Path) -> Path:
    wtsnet.write_wts(tmp_path / "other.wts", {name: 0.5 * values for name, values in lenet().items()})
    return tmp_path / "other.wts"


def test_other_weights_and_all_else_as_before(tmp_path: Path, other: Path) -> None:
    how: dict[str, Any] = {"target": "sm89", "flags": "tf32", "workspace": 64, "level": 1}
    options: dict[str, Any] = {"batch": (1, 2, 4), "precision": "fp16"}
    wtsnet.build("lenet", lenet_file(tmp_path), **how, **options).save(tmp_path / "a.plan")
    made = wtsnet.rebuild(tmp_path / "a.plan", other)
    wanted = wtsnet.build("lenet", other, **how, **options)
    for name in (
        "model",
        "options",
        "tensorrt",
        "target",
        "flags",
        "workspace",
        "level",
        "inputs",
        "outputs",
        "decode",
    ):
        assert getattr(made.manifest, name) == getattr(wanted.manifest, name), name
    assert (made.manifest.workspace, made.manifest.level, made.manifest.target) == (64, 1, ["sm89"])
    np.testing.assert_array_equal(outputs(made), outputs(wanted))
    assert not np.array_equal(outputs(made), outputs(wtsnet.load(tmp_path / "a.plan")))


def test_the_same_weights_for_another_release(tmp_path: Path) -> None:
    """The plan itself need not be loadable, nor be there."""
    wtsnet.build("lenet", lenet_file(tmp_path)).save(tmp_path / "a.plan")
    beside = tmp_path / "a.plan.yaml"
    before = outputs(wtsnet.load(tmp_path / "a.plan"))
    beside.write_text(beside.read_text().replace("version: ", "version: 1"))
    with pytest.raises(EngineError, match=r"build it again: wtsnet rebuild .*a.plan$"):
        wtsnet.load(tmp_path / "a.plan")
    (tmp_path / "a.plan").unlink()
    wtsnet.rebuild(tmp_path / "a.plan").save(tmp_path / "a.plan")
    np.testing.assert_array_equal(outputs(wtsnet.load(tmp_path / "a.plan")), before)


def test_a_file_of_ones_own_and_what_a_checkpoint_told(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    wtsnet.write_wts(tmp_path / "tiny.wts", tiny())
    name = tiny_file(tmp_path / "code")
    wtsnet.build(name, tmp_path / "tiny.wts", preprocess="stretch").save(tmp_path / "t.plan")
    made = wtsnet.rebuild(tmp_path / "t.plan")
    assert (made.manifest.model, made.manifest.preprocess) == (name, {"kind": "stretch", "size": [8, 8]})
    weights = yolo_file(tmp_path)
    wtsnet.build("yolov5", weights, imgsz=64).save(tmp_path / "y.plan")
    shutil.copy(weights, tmp_path / "bare.wts")  # without its manifest: the plan's tells the architecture
    assert wtsnet.rebuild(tmp_path / "y.plan", tmp_path / "bare.wts").manifest.names == ["one", "two"]


def test_an_onnx_file(tmp_path: Path) -> None:
    path = relu(tmp_path / "x.onnx", (-1, 3))
    wtsnet.build(str(path), batch=(1, 2, 4)).save(tmp_path / "x.plan")
    assert wtsnet.rebuild(tmp_path / "x.plan").manifest.inputs == wtsnet.load(tmp_path / "x.plan").manifest.inputs
    with pytest.raises(WtsnetError, match="found weights as well, expected none"):
        wtsnet.rebuild(tmp_path / "x.plan", lenet_file(tmp_path))


def test_what_can_not_be_built_again(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"none.plan.yaml: can't be read"):
        wtsnet.rebuild(tmp_path / "none.plan")
    weights = lenet_file(tmp_path)
    wtsnet.build("lenet", weights).save(tmp_path / "a.plan")
    weights.unlink()
    with pytest.raises(EngineError, match=r"a.plan: needs the weights that the plan was built from \(lenet.wts\)"):
        wtsnet.rebuild(tmp_path / "a.plan")
