"""YOLOv5 from the architecture lists that a checkpoint carries."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.models.conftest import OWN, Twin, original, own_detector, published_lists, run
from tests.upstream import upstream
from tests.upstream.yolov5 import hub_lists
from wtsnet import define, write_wts
from wtsnet.errors import ModelError
from wtsnet.manifest.manifest import WeightsManifest, manifest_path
from wtsnet.proof.verifying import relative_error

SMALL = {"depth_multiple": 0.33, "width_multiple": 0.125, "nc": 4}
# Other architectures of the package's, made small: two, four and five levels, three necks, an activation, other blocks.
OTHERS = ["yolov5-p2", "yolov5-p34", "yolov5-p6", "yolov5-p7", "yolov5-fpn", "yolov5-panet", "yolov5-bifpn"]
OTHERS += ["yolov5s-LeakyReLU", "yolov5s-ghost", "yolov5s-transformer", "yolov3", "yolov3-spp", "yolov3-tiny"]


def hub(name: str) -> dict[str, Any]:
    lists = hub_lists(name)
    if isinstance(lists["anchors"], int):  # so many a level, to be found in training
        lists["anchors"] = [[4 << i, 5 << i, 7 << i, 6 << i] for i in range(len(lists["head"][-1][0]))]
    return lists | SMALL


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Twin:
    return own_detector(tmp_path_factory.mktemp("own"), published_lists(**OWN))


@pytest.fixture
def own(exported: Twin, tmp_path: Path) -> Twin:
    """A checkpoint's twin with a .wts and a manifest that the test may change."""
    for file in (exported.weights, manifest_path(exported.weights)):
        shutil.copy(file, tmp_path)
    return replace(exported, weights=tmp_path / exported.weights.name)


def edited(weights: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """The same weights with another architecture in the manifest."""
    manifest = WeightsManifest.read(manifest_path(weights))
    edit(manifest.architecture)
    manifest.write(manifest_path(weights))
    return weights


@pytest.mark.parametrize("name", OTHERS)
def test_other_architectures(name: str, tmp_path: Path) -> None:
    size = (128, 256) if name == "yolov5-p7" else (64, 128)
    twin = own_detector(tmp_path, hub(name), size=size)
    net = define("yolov5", twin.weights, batch=2, imgsz=size, head="decoded")
    assert relative_error(run(net, twin.x)["predictions"], original(twin)[0].numpy()) <= 1e-5


def test_a_letter_takes_the_activation_from_the_manifest(tmp_path: Path) -> None:
    """Another one changes no weight, and so would not be missed."""
    twin = own_detector(tmp_path, published_lists(activation="nn.LeakyReLU(0.1)"))
    net = define("yolov5n", twin.weights, batch=2, imgsz=(64, 96), head="decoded")
    assert relative_error(run(net, twin.x)["predictions"], original(twin)[0].numpy()) <= 1e-5


@pytest.mark.parametrize(
    "activation",
    [
        *("nn.ReLU()", "nn.LeakyReLU(0.2)", "nn.LeakyReLU(negative_slope=0.2, inplace=True)", "torch.nn.Hardswish()"),
        *("nn.ELU(0.5, True)", "nn.Hardtanh(-2, 3)", "nn.Softplus(2, 10.5)", "nn.GELU()", "nn.Mish()"),
    ],
)
def test_activations(activation: str, tmp_path: Path) -> None:
    twin = own_detector(tmp_path, published_lists(**OWN, activation=activation))
    net = define("yolov5", twin.weights, batch=2, imgsz=(64, 96), head="decoded")
    assert relative_error(run(net, twin.x)["predictions"], original(twin)[0].numpy()) <= 1e-5


def test_an_unknown_block(own: Twin) -> None:
    """The error names it, its row, what is near, and how to register it; and so of a head."""
    text = (
        r"""architecture row 2: unknown block 'C3Ghosst'; did you mean 'C3Ghost'\?; register it with @wtsnet.block\("""
    )
    with pytest.raises(ModelError, match=text + r"\"C3Ghosst\"\) on a function \(scope, x, \*args\)"):
        define("yolov5", edited(own.weights, set_row(2, [-1, 3, "C3Ghosst", [128]])))
    last = [[17, 20, 23], 1, "Detekt", ["nc", "anchors"]]
    text = (
        r"architecture row 24: found 'Detekt', expected a head as the last row; did you mean 'Detect'\? \(Classify, .*"
    )
    edited(own.weights, set_row(2, [-1, 3, "C3", [128]]))
    with pytest.raises(ModelError, match=text + r"register it with @wtsnet.blocks.heads.head\(\"Detekt\"\)"):
        define("yolov5", edited(own.weights, lambda facts: facts["yaml"]["head"].__setitem__(-1, last)), imgsz=64)


def test_the_picture_is_what_it_was_trained_on(own: Twin) -> None:
    def trained(imgsz: Any) -> tuple[int, ...]:
        weights = edited(own.weights, lambda facts: facts.update(imgsz=imgsz))
        return define("yolov5", weights).profile["images"][1]

    assert define("yolov5", own.weights).profile["images"][1] == (1, 3, 640, 640)
    assert trained(96) == (1, 3, 96, 96)
    assert trained(100) == (1, 3, 128, 128)
    assert trained([64, 96]) == (1, 3, 96, 96)


def test_the_coarsest_level_says_what_sizes_are(tmp_path: Path) -> None:
    twin = own_detector(tmp_path, hub("yolov5-p7"), size=(128, 256))
    with pytest.raises(ModelError, match="imgsz: found 192, expected a multiple of 128 for yolov5"):
        define("yolov5", twin.weights, imgsz=192)


def test_strides_follow_from_the_layers_where_nothing_tells(own: Twin) -> None:
    """With sizes known only at run time, from a small network of fixed ones."""
    sizes: dict[str, Any] = {"batch": 2, "imgsz": ((64, 64, 128), (96, 96, 160)), "head": "decoded"}
    told = run(define("yolov5", own.weights, **sizes), own.x)
    untold = define("yolov5", edited(own.weights, lambda facts: facts.pop("stride")), **sizes)
    assert untold.facts["decode"]["strides"] == [8, 16, 32]
    np.testing.assert_array_equal(run(untold, own.x)["predictions"], told["predictions"])


def test_weights_without_a_manifest(own: Twin) -> None:
    manifest_path(own.weights).unlink()
    with pytest.raises(ModelError, match=f"{re.escape(str(own.weights))}: the architecture is taken from the manifest"):
        define("yolov5", own.weights)
    with pytest.raises(ModelError, match=r"weights: the architecture is taken .* name a published one such as yolov5s"):
        define("yolov5", own.module.state_dict())


def test_a_state_dict_has_no_architecture(tmp_path: Path) -> None:
    module, _ = upstream("yolov5n")
    write_wts(tmp_path / "n.wts", module.state_dict())
    assert define("yolov5n", tmp_path / "n.wts", imgsz=64).facts["decode"]["classes"] == 80
    with pytest.raises(ModelError, match="name a published one such as yolov5s"):
        define("yolov5", tmp_path / "n.wts")


def set_row(index: int, row: Any) -> Callable[[dict[str, Any]], object]:
    return lambda facts: facts["yaml"]["backbone"].__setitem__(index, row)


WRONG = {
    "a misspelt block": (set_row(1, [-1, 1, "Cnov", [128, 3, 2]]), "row 1: unknown block 'Cnov'; did you mean 'Conv'"),
    "too short a row": (
        set_row(1, [-1, 1, "Conv"]),
        r"row 1: found \[-1, 1, 'Conv'\], expected \[from, number, block, arg",
    ),
    "no row": (set_row(2, "Conv"), r"row 2: found 'Conv', expected \[from, number, block, arguments\]"),
    "a source behind": (set_row(1, [5, 1, "Conv", [128, 3, 2]]), "row 1: found source 5, expected a layer before it"),
    "a source too far": (set_row(1, [-3, 1, "Conv", [128, 3, 2]]), "row 1: found source -3, expected a layer before"),
    "a source that is no number": (set_row(1, ["x", 1, "Conv", [8]]), "row 1: from: found 'x', expected an integer"),
    "a number that is none": (
        set_row(1, [-1, "many", "Conv", [128, 3, 2]]),
        "row 1: number: found 'many', expected an int",
    ),
    "arguments that are no list": (set_row(1, [-1, 1, "Conv", 128]), "row 1: arguments: found 128, expected a list"),
    "two inputs for one": (set_row(2, [[-1, 0], 3, "C3", [128]]), "row 2: C3 takes one input, found 2"),
    "no channels": (
        set_row(1, [-1, 1, "Conv", []]),
        r"row 1: Conv: found arguments \[\], expected a number of channels",
    ),
    "too many arguments": (
        set_row(1, [-1, 1, "Conv", [128, 3, 2, 1, 1, 1, True, 9]]),
        "row 1: Conv does not take the arg",
    ),
    "no head": (
        lambda facts: facts["yaml"]["head"].pop(),
        "architecture row 23: found 'C3', expected a head as the last row",
    ),
    "no backbone": (lambda facts: facts["yaml"].pop("backbone"), "own.wts: no 'backbone' in the architecture"),
    "rows that are no list": (lambda facts: facts["yaml"].update(head=7), "own.wts: head: found 7, expected a list"),
    "anchors": (
        lambda facts: facts["yaml"].update(anchors=[[1, "2"]]),
        "own.wts: anchors: found '2', expected a number",
    ),
    "an activation": (lambda facts: facts["yaml"].update(activation="nn.Swash()"), "unknown activation 'nn.Swash"),
    "an argument by name": (
        lambda facts: facts["yaml"].update(activation="nn.Softplus(threshold=3)"),
        "activation 'nn.Softplus\\(threshold=3\\)': found argument 'threshold=3', expected numbers in order",
    ),
    "an argument that is no number": (
        lambda facts: facts["yaml"].update(activation="nn.GELU('tanh')"),
        "found argument \"'tanh'\", expected numbers in order",
    ),
    "no classes": (lambda facts: facts.pop("nc") and facts["yaml"].pop("nc"), "own.wts: no 'nc' in the architecture"),
    "a depth": (
        lambda facts: facts["yaml"].update(depth_multiple="deep"),
        "depth_multiple: found 'deep', expected a num",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_manifest_that_does_not_make_sense(case: str, own: Twin) -> None:
    edit, text = WRONG[case]
    with pytest.raises(ModelError, match=text):
        define("yolov5", edited(own.weights, edit), imgsz=64)
