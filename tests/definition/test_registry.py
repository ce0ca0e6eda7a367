"""wtsnet/definition/registry.py: finding models, those of the zoo and one's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wtsnet
from tests.small import TINY, tiny, tiny_file
from wtsnet.decode import Seen, decoders
from wtsnet.definition import registry
from wtsnet.errors import ModelError
from wtsnet.network.weights import Weights


@pytest.fixture(autouse=True)
def only_the_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.models()
    monkeypatch.setattr(registry, "_MODELS", dict(registry._MODELS))
    monkeypatch.setattr(registry, "_BLOCKS", dict(registry._BLOCKS))


def test_the_zoo_is_found() -> None:
    letters = [f"yolov5{letter}{p6}" for p6 in ("", "6") for letter in "nsmlx"]
    resnets = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "wide_resnet50_2"]
    assert {"lenet", "yolo", "yolov5", *resnets, *letters} <= set(registry.models())


@pytest.mark.parametrize(
    ("name", "nearest"), [("resnet81", "; did you mean 'resnet18'?"), ("xyz", ""), ("yolov5", None)]
)
def test_unknown_names(name: str, nearest: str | None) -> None:
    if nearest is None:
        assert registry.find(name).name == name
        return
    with pytest.raises(ModelError) as caught:
        registry.find(name)
    assert str(caught.value) == f"unknown model '{name}'{nearest} (see: wtsnet models)"


def test_unknown_options() -> None:
    for options, message in (
        ({"hed": "raw"}, r"yolov5s: unknown option 'hed'; did you mean 'head'\? \(it has head, k, cfg, scale\)"),
        ({"k": "many"}, "yolov5s: k: found 'many', expected int as in 1000"),
        ({"k": True}, "yolov5s: k: found True, expected int"),
        ({"head": 3}, "yolov5s: head: found 3, expected str as in 'topk'"),
        ({"bacth": 3}, r"yolov5s: unknown option 'bacth'; did you mean 'batch'\? \(it has head, k, cfg, scale\)"),
    ):
        with pytest.raises(ModelError, match=message):
            wtsnet.define("yolov5s", {}, **options)
    with pytest.raises(ModelError, match=r"lenet: unknown option 'head' \(it has none\)"):
        wtsnet.define("lenet", {}, head="raw")


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    name = tiny_file(tmp_path)
    assert registry.find(name).name == "tiny"
    assert "tiny" not in registry.models()
    for wrong in ("tinny", "resnet18"):
        with pytest.raises(ModelError, match=rf"unknown model '{wrong}'.* \({tmp_path}/mine.py registers tiny\)"):
            registry.find(name.replace(":tiny", f":{wrong}"))


def test_the_one_model_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    tiny_file(tmp_path)
    assert registry.find(str(path)) is registry.find(f"{path}:tiny")
    for source, told in ((TINY + TINY.replace('"tiny"', '"small"'), "tiny, small"), ("x = 1", "no model")):
        path.write_text(source)
        with pytest.raises(ModelError, match=rf"^{path} registers {told}; expected one, or mine.py:NAME$"):
            registry.find(str(path))


def test_the_decoders_of_a_file_are_its_own(tmp_path: Path) -> None:
    name = tiny_file(tmp_path, TINY + "\n@wtsnet.decoder('count')\ndef count(outputs, seen): return 3\n")
    assert registry.decoders_of(name)["count"]({}, Seen(None, {})) == 3
    assert "count" not in registry.decoders_of("resnet18")
    assert "count" not in decoders()


def test_two_files_may_use_one_name_and_one_of_the_zoo(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    lenet = TINY.replace('"tiny"', '"lenet"')
    names = [tiny_file(tmp_path / folder, lenet).replace(":tiny", ":lenet") for folder in "ab"]
    a, b = (registry.find(name).function for name in names)
    assert a is not b
    assert a is registry.find(names[0]).function
    assert registry.find("lenet").function.__module__ == "wtsnet.models.lenet"


def test_a_relative_path_is_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, size in (("a", 8), ("b", 16)):
        (tmp_path / folder).mkdir()
        tiny_file(tmp_path / folder, TINY.replace("size=8", f"size={size}"))
        monkeypatch.chdir(tmp_path / folder)
        image = registry.find("mine.py:tiny").inputs
        assert isinstance(image, wtsnet.Image)
        assert image.size == size


def test_a_file_is_run_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    name = tiny_file(tmp_path)
    first = registry.find(name).function
    assert registry.find(name).function is first
    tiny_file(tmp_path, TINY + "\n# changed")
    assert registry.find(name).function is not first


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "mine.py: can't be read \\(No such file or directory\\); expected a file that registers a model"),
        ("x = 1", "unknown model 'tiny' \\(.*mine.py registers no model\\)"),
        ("a = 1\nimport nothing_of_this_name", "mine.py, line 2: ModuleNotFoundError: No module named"),
        ("def f(:", "mine.py, line 1: SyntaxError: "),
        ("\n\nraise ValueError('x')", "mine.py, line 3: ValueError: x"),
    ],
)
def test_files_that_can_not_be_used(tmp_path: Path, source: str | None, message: str) -> None:
    if source is not None:
        (tmp_path / "mine.py").write_text(source)
    with pytest.raises(ModelError, match=message) as caught:
        registry.find(f"{tmp_path / 'mine.py'}:tiny")
    assert "\n" not in str(caught.value)
    assert "resnet18" in registry.models()


def test_a_file_of_blocks_goes_with_the_zoo(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "ConvPool" in block)
    (tmp_path / "blocks.py").write_text(code, encoding="utf-8")
    arrays = {"model.0.cv.conv.weight": np.ones((8, 3, 3, 3)), "model.1.m.0.bias": np.zeros(14)}
    arrays |= {f"model.0.cv.bn.{name}": np.ones(8) for name in ("weight", "bias", "running_mean", "running_var")}
    arrays |= {"model.1.m.0.weight": np.ones((14, 8, 1, 1)), "model.1.anchors": np.ones((1, 2, 2))}
    weights = Weights(arrays).told(
        {
            "yaml": {
                "nc": 2,
                "anchors": [[1, 1, 1, 1]],
                "backbone": [[-1, 1, "ConvPool", [8]]],
                "head": [[-1, 1, "Detect", ["nc", "anchors"]]],
            }
        }
    )
    net = wtsnet.define(f"{tmp_path / 'blocks.py'}:yolov5", weights, imgsz=32, head="raw")
    assert tuple(net.modules["model.0"][0].shape) == (1, 8, 16, 16)
    with pytest.raises(ModelError, match="unknown model 'yolov6'"):
        registry.find(f"{tmp_path / 'blocks.py'}:yolov6")


def test_a_file_hides_no_module_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(TINY)
    before = sys.modules["json"]
    registry.find(f"{tmp_path / 'json.py'}:tiny")
    assert sys.modules["json"] is before


def test_a_name_of_the_zoo_is_not_taken_over() -> None:
    with pytest.raises(ModelError, match=r"model 'lenet': registered by .*test_registry, but wtsnet.models.lenet has"):
        wtsnet.model("lenet", image=wtsnet.Image())(lambda s, x: x)
    with pytest.raises(ModelError, match="block 'C3': registered by"):
        wtsnet.block("C3")(lambda s, x: x)


def test_a_script_registers_before_the_zoo_is_loaded() -> None:
    code = """
import wtsnet
wtsnet.model("lenet", image=wtsnet.Image())(lambda s, x: x)
try:
    wtsnet.define("resnet18", {})
except wtsnet.WtsnetError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "model 'lenet': registered by wtsnet.models.lenet, but __main__ has one too\n"


def test_a_model_registered_by_a_script_is_found_and_may_be_registered_again() -> None:
    for _ in range(2):
        wtsnet.model("mine", image=wtsnet.Image(size=4))(lambda s, x: {"y": -x})
    assert wtsnet.define("mine", {}).outputs() == [{"name": "y", "dtype": "float32", "shape": [1, 3, 4, 4]}]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, r"^mine: output: found NoneType, expected a Tensor; does the function return what it makes\?$"),
        ({}, r"^mine: found no outputs, expected a Tensor or several, in a tuple or by name$"),
        ((), r"^mine: found no outputs, expected a Tensor or several, in a tuple or by name$"),
        ({"y": np.zeros(3)}, r"^mine: y: found ndarray, expected a Tensor$"),
        ((3.0,), r"^mine: output0: found float, expected a Tensor$"),
    ],
)
def test_what_a_model_function_gives(made: Any, message: str) -> None:
    wtsnet.model("mine", image=wtsnet.Image(size=4))(lambda s, x: made)
    with pytest.raises(wtsnet.WtsnetError, match=message):
        wtsnet.define("mine", {})


def test_unknown_blocks() -> None:

    assert registry.find_block("nn.Upsample", "row 1").name == "Upsample"
    with pytest.raises(ModelError, match=r"^row 3: unknown block 'C33'; did you mean 'C3'\?; register it with"):
        registry.find_block("C33", "row 3")


def test_a_users_model_computes(tmp_path: Path) -> None:
    from wtsnet.reference import ReferenceRunner

    weights = tiny()
    net = wtsnet.define(tiny_file(tmp_path), weights, imgsz=(4, 6))
    x = np.random.default_rng(0).normal(size=(1, 3, 4, 6)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    maps = np.einsum("nchwij,ocij->nohw", windows, weights["conv.weight"]) + weights["conv.bias"][:, None, None]
    wanted = np.maximum(maps.mean((2, 3), keepdims=True), 0)
    np.testing.assert_allclose(ReferenceRunner(net.trt)(images=x)["output"], wanted, rtol=1e-5, atol=1e-6)


def test_a_block_that_is_one_op_is_noted_once() -> None:
    net = wtsnet.Network({})
    x = net.input("images", (1, 2, 4, 4))
    registry.find_block("Concat", "row 0").function(net.root / "model" / 0, [x, x])
    assert len(net.modules["model.0"]) == 1
