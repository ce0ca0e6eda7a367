"""YOLO from lists: the published ones are upstream's, and one's own come from a checkpoint or a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tests.models.conftest import Twin, own_ultralytics, run
from tests.upstream import ultralytics
from tests.upstream.realistic import realistic
from tests.upstream.yolov5 import architecture_file, hub_lists
from wtsnet import define
from wtsnet.blocks.yolo.lists import Architecture
from wtsnet.blocks.yolo.published import published_lists
from wtsnet.definition.registry import find_block, models
from wtsnet.errors import ModelError
from wtsnet.manifest.manifest import WeightsManifest, manifest_path
from wtsnet.proof.verifying import relative_error

PUBLISHED = {name: model.config for name, model in models().items() if getattr(model.config, "lists", ())}
SMALL = {"scales": {"n": [0.33, 0.125, 512]}, "scale": "n", "nc": 4}


def upstream_lists(name: str) -> dict[str, Any] | None:
    """What the package's own file holds of the architecture that wtsnet calls `name`; None where there is no file."""
    if found := ultralytics.architecture_name(name):
        known = ultralytics.architectures()
        held = ultralytics.lists(found if found in known else ultralytics.letterless(found))
        letter = re.match(r"\D+\d+([nslmx])(?![a-z])", found)
        return held | {"scale": letter[1] if letter else ""}
    if name.startswith("yolov3"):
        return hub_lists(name)
    if name.endswith("-cls"):
        return None  # these are made of a detector in code
    return dict(yaml.safe_load(architecture_file(name.removeprefix("yolov5")).read_text("utf-8")))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_lists_are_upstreams(name: str) -> None:
    config = PUBLISHED[name]
    held = upstream_lists(name)
    if held is None:
        assert config.lists == ("yolov5", "yolov5-cls", "cls")
        held = yaml.safe_load(architecture_file(config.letter).read_text("utf-8"))
        held |= {"backbone": held["backbone"][:-1], "head": [[-1, 1, "Classify", ["nc"]]], "anchors": None}
    ours = Architecture.read(published_lists(*config.lists) | {"nc": -1, "scale": config.letter}, "ours")
    theirs = Architecture.read(held | {"nc": -1}, "theirs")
    widths = [row.args[0] for row in ours.rows[:-1] if find_block(row.block, name).scaled]
    assert [ours.channels_of(width) for width in widths] == [theirs.channels_of(width) for width in widths]
    # What no width exceeds is not told by all; nor is a letter where a file has one size.
    same: dict[str, Any] = {"activation": theirs.activation, "most": theirs.most, "yolov5": theirs.yolov5}
    same |= {"scale": theirs.scale} if len(held.get("scales", ())) < 2 else {}
    assert replace(ours, **same) == theirs
    assert ours.yolov5 == (config.lists[1] in ("yolov3", "yolov5", "yolov5-seg", "yolov5-cls"))
    assert (ours.activation is theirs.activation) or "activation" in held


def defined(twin: Twin, **options: Any) -> dict[str, Any]:
    n, _, height, width = twin.x.shape
    return run(define(twin.name, twin.weights, batch=n, imgsz=(height, width), head="decoded", **options), twin.x)


def upstream_output(twin: Twin) -> Any:
    with torch.no_grad():
        out = twin.module(twin.x)[0]
    return (out[0] if isinstance(out, tuple) else out).numpy()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("yolov8", {"activation": "torch.nn.LeakyReLU(0.1)", "nc": 1}),
        ("yolov8-p2", {}),
        ("yolov8-p6", {}),
        ("yolov8-ghost-p2", {}),
        ("yolov8-ghost-p6", {"reg_max": 8}),
        ("yolov8-seg-p6", {}),
        ("yolov8-obb", {"nc": 2}),
        ("yolov8-cls-resnet50", {"nc": 7}),
        ("yolov8-cls", {"nc": 7, "activation": "nn.ReLU()"}),
        ("yolov3", {"width_multiple": 0.125, "depth_multiple": 0.33, "scales": None}),
        ("yolov8", {"ch": 1}),
    ],
)
def test_architectures_of_ones_own(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    task = next((task for task in ("seg", "obb", "cls") if f"-{task}" in name), "")
    size = (128, 192) if "p6" in name else (64, 96)
    twin = own_ultralytics(tmp_path, ultralytics.lists(name) | SMALL | changes, task, size)
    facts = WeightsManifest.read(manifest_path(twin.weights)).architecture
    settings: dict[str, Any] = SMALL | changes
    assert (facts["task"], facts["imgsz"], facts["yaml"]["scale"]) == (ultralytics.TASKS[task], 96, "n")
    assert facts["names"] == [str(i) for i in range(settings["nc"])]
    found = next(iter(defined(twin).values()))
    assert relative_error(found, upstream_output(twin)) <= 1e-5
    assert not define("yolo", twin.weights, imgsz=size).weights.unused()


def test_torch_modules_by_name(tmp_path: Path) -> None:
    rows = [
        [-1, 1, "Conv", [32, 3, 2]],
        [-1, 1, "nn.BatchNorm2d", []],
        [-1, 1, "nn.Hardswish", []],
        [-1, 1, "nn.ZeroPad2d", [[1, 0, 1, 0]]],
        [-1, 1, "nn.MaxPool2d", [2, 2, 0]],
        [-1, 1, "nn.Identity", []],
        [-1, 1, "nn.AvgPool2d", [2]],
        [-1, 1, "nn.ConvTranspose2d", [32, 2, 2]],
        [-1, 1, "nn.Dropout", [0.5]],
        [[0, -1], 1, "nn.Upsample", ["None", 2]],
        [-1, 2, "Conv", [32, 3]],
    ]
    rows[9][0] = -1
    lists = {"nc": 2, "backbone": rows, "head": [[[0, -1], 1, "Detect", ["nc"]]]}
    twin = own_ultralytics(tmp_path, lists)
    assert relative_error(defined(twin)["predictions"], upstream_output(twin)) <= 1e-5


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Twin:
    return own_ultralytics(tmp_path_factory.mktemp("own"), ultralytics.lists("yolov8") | SMALL)


def test_the_picture_is_what_it_was_trained_on(own: Twin) -> None:
    net = define("yolo", own.weights)
    assert net.profile["images"][1] == (1, 3, 96, 96)
    assert (net.facts["task"], net.facts["decode"]["task"], net.facts["decode"]["classes"]) == ("detect", "detect", 4)
    assert net.facts["names"] == ["0", "1", "2", "3"]


def test_strides_follow_from_the_layers_where_nothing_tells(own: Twin, tmp_path: Path) -> None:
    """With sizes known only at run time, from a small network of fixed ones."""
    sizes: dict[str, Any] = {"batch": 2, "imgsz": ((64, 64, 128), (96, 96, 160)), "head": "decoded"}
    told = run(define("yolo", own.weights, **sizes), own.x)
    assert relative_error(told["predictions"], upstream_output(own)) <= 1e-5
    weights = copied(own, tmp_path, lambda facts: facts.pop("stride"))
    untold = define("yolo", weights, **sizes)
    assert untold.facts["decode"]["strides"] == [8, 16, 32]
    np.testing.assert_array_equal(run(untold, own.x)["predictions"], told["predictions"])


def copied(twin: Twin, folder: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """The same weights with another architecture in the manifest."""
    path = folder / "own.wts"
    path.write_bytes(Path(twin.weights).read_bytes())
    manifest = WeightsManifest.read(manifest_path(twin.weights))
    edit(manifest.architecture)
    manifest.write(manifest_path(path))
    return path


@pytest.fixture(scope="module")
def untold() -> Twin:
    """With no manifest, and classes that the file does not tell."""
    lists = ultralytics.lists("yolov8") | SMALL | {"nc": 3}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module, x = realistic(ultralytics.module(lists), torch.rand(1, 3, 64, 64))
    return Twin("yolo", module, x, module.state_dict())


class TestFiles:
    """Lists that the user gives."""

    def lists(self, **changes: Any) -> dict[str, Any]:
        return ultralytics.lists("yolov8") | {"scales": {"n": [1, 1, 9999], "s": [0.33, 0.125, 512]}} | changes

    def write(self, path: Path, lists: Any) -> str:
        path.write_text(yaml.safe_dump(lists), "utf-8")
        return str(path)

    def test_the_letter_is_in_the_name(self, untold: Twin, tmp_path: Path) -> None:
        cfg = self.write(tmp_path / "my-yolov8s.yaml", self.lists())
        found = defined(untold, cfg=cfg)["predictions"]
        assert found.shape[1] == 4 + 3
        assert relative_error(found, upstream_output(untold)) <= 1e-5

    def test_the_letter_is_in_the_file_or_given(self, untold: Twin, tmp_path: Path) -> None:
        told = defined(untold, cfg=self.write(tmp_path / "my.yaml", self.lists(scale="s")))
        given = defined(untold, cfg=self.write(tmp_path / "my-yolov8n.yaml", self.lists()), scale="s")
        for found in (told, given):
            assert relative_error(found["predictions"], upstream_output(untold)) <= 1e-5

    def test_a_file_counts_before_the_manifest(self, own: Twin, tmp_path: Path) -> None:
        """And before a name."""
        cfg = self.write(tmp_path / "my.yaml", self.lists(backbone=[[-1, 1, "Cnov", [8]]]))
        for name in ("yolo", "yolov8s"):
            with pytest.raises(ModelError, match="architecture row 0: unknown block 'Cnov'; did you mean 'Conv'"):
                define(name, own.weights, cfg=cfg)

    def test_files_that_are_none(self, own: Twin, tmp_path: Path) -> None:
        for path, text in {
            str(tmp_path / "none.yaml"): "none.yaml: can't be read as a YAML file of lists .*No such file",
            self.write(tmp_path / "list.yaml", [1, 2]): "list.yaml: found list, expected a mapping with backbone and h",
        }.items():
            with pytest.raises(ModelError, match=text):
                define("yolo", own.weights, cfg=path)
        (tmp_path / "no.yaml").write_text("a: [", "utf-8")
        with pytest.raises(ModelError, match=r"no.yaml: can't be read as a YAML file of lists \(while parsing"):
            define("yolo", own.weights, cfg=str(tmp_path / "no.yaml"))


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no such letter": (lambda facts: facts["yaml"].update(scale="q"), "scale: found 'q', expected one of n"),
    "scales that are none": (
        lambda facts: facts["yaml"].update(scales=[1]),
        r"scales: found \[1\], expected a mapping",
    ),
    "too few numbers": (
        lambda facts: facts["yaml"]["scales"].update(n=[1, 2]),
        r"scales: n: found \[1, 2\], expected \[depth, width, most channels\]",
    ),
    "a number that is none": (
        lambda facts: facts["yaml"]["scales"].update(n=[1, "2", 3]),
        "scales: n: found '2', expected a number",
    ),
    "key points": (
        lambda facts: facts.update(kpt_shape=[5, 4]),
        r"kpt_shape: found \[5, 4\], expected \[key points, 2 or 3\]",
    ),
    "arguments of a head": (
        lambda facts: facts["yaml"]["head"][-1].__setitem__(3, ["nc", 1, 2, 3]),
        "architecture row 22: Detect does not take the arguments",
    ),
    "key points that nobody tells": (
        lambda facts: facts["yaml"]["head"].__setitem__(-1, [[15, 18, 21], 1, "Pose", ["nc", "kpt_shape"]]),
        r"model.22: found no kpt_shape, expected \[key points, 2 or 3\] in the manifest or the lists",
    ),
    "two angles": (
        lambda facts: facts["yaml"]["head"].__setitem__(-1, [[15, 18, 21], 1, "OBB", ["nc", 2]]),
        "model.22: found 2 angles a box, expected 1",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_manifest_that_does_not_make_sense(case: str, own: Twin, tmp_path: Path) -> None:
    edit, text = WRONG[case]
    with pytest.raises(ModelError, match=text):
        define("yolo", copied(own, tmp_path, edit), imgsz=64)


def test_a_name_says_its_letter(own: Twin) -> None:
    with pytest.raises(ModelError, match="scale: found 's', but the name says 'n'"):
        define("yolov8n", own.weights, scale="s")


def test_a_published_name_takes_its_own_key_points(tmp_path: Path) -> None:
    lists = ultralytics.lists("yolov8-pose") | {"scale": "n", "kpt_shape": [4, 2], "nc": 2}
    twin = own_ultralytics(tmp_path, lists, "pose")
    net = define("yolov8n-pose", twin.weights, imgsz=64)
    assert (net.facts["decode"]["kpt_shape"], net.facts["decode"]["classes"]) == ([4, 2], 2)
    assert tuple(net.trt.get_output(3).shape) == (1, 84, 4, 2)
    found = run(define("yolov8n-pose", twin.weights, batch=2, imgsz=(64, 96), head="decoded"), twin.x)
    assert relative_error(found["predictions"], upstream_output(twin)) <= 1e-5
