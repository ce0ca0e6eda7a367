"""wtsnet/definition/defining.py: the options that every model takes; and the public names that lead there."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wtsnet
from tests.small import lenet, lenet_file, tiny, tiny_file, yolo_file
from wtsnet.errors import ModelError, NetworkError, WtsnetError

NAMES = ("read_wts", "write_wts", "define", "build", "load", "ReferenceRunner", "WtsnetError", "WtsError")


def test_public_names_do_not_depend_on_what_is_imported_before() -> None:
    modules = [path.stem for path in Path(wtsnet.__file__).parent.iterdir() if path.stem not in ("__init__", "py")]
    modules = sorted(name for name in modules if not name.startswith((".", "__")))
    code = f"""
import importlib, wtsnet
for module in {modules!r}:
    importlib.import_module(f"wtsnet.{{module}}")
for name in wtsnet.__all__:
    value = getattr(wtsnet, name)
    assert type(value).__name__ != "module", name
for name in {NAMES!r}:
    assert callable(getattr(wtsnet, name)), name
from wtsnet import *
assert build is wtsnet.build
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_wtsnet_loads_nothing_heavy() -> None:
    code = (
        "import sys, wtsnet; wtsnet.read_wts, wtsnet.WtsError; "
        "print([m for m in ('torch', 'numpy', 'tensorrt', 'tensorrt_rtx', 'pycuda') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_unknown_names_of_the_package() -> None:
    with pytest.raises(AttributeError, match="module 'wtsnet' has no attribute 'biuld'"):
        wtsnet.biuld  # noqa: B018  # the access is the test


@pytest.mark.parametrize("form", ["path", "str", "read", "numpy", "flat", "torch"])
def test_weights_in_any_form_give_one_network(tmp_path: Path, form: str) -> None:
    import torch

    from wtsnet.reference import ReferenceRunner

    arrays, path = lenet(), lenet_file(tmp_path)
    weights: Any = {
        "path": path,
        "str": str(path),
        "read": wtsnet.read_wts(path),
        "numpy": arrays,
        "flat": {key: array.ravel() for key, array in arrays.items()},
        "torch": {key: torch.from_numpy(array) for key, array in arrays.items()},
    }[form]
    x = np.random.default_rng(0).random((1, 1, 32, 32), np.float32)
    net, twin = wtsnet.define("lenet", weights), wtsnet.define("lenet", arrays)
    np.testing.assert_array_equal(ReferenceRunner(net.trt)(data=x)["prob"], ReferenceRunner(twin.trt)(data=x)["prob"])


@pytest.mark.parametrize(
    ("batch", "shapes"),
    [
        (3, [3, 3, 3]),
        (np.int64(3), [3, 3, 3]),
        ((1, 4, 8), [1, 4, 8]),
        ([1, 4, 8], [1, 4, 8]),
        ((4, 4, 4), [4, 4, 4]),
    ],
)
def test_batch(batch: Any, shapes: list[int]) -> None:
    net = wtsnet.define("lenet", lenet(), batch=batch)
    assert [shape[0] for shape in net.profile["data"]] == shapes
    assert net.inputs()[0]["shape"][0] == (shapes[0] if len(set(shapes)) == 1 else -1)
    assert net.outputs() == [{"name": "prob", "dtype": "float32", "shape": [net.inputs()[0]["shape"][0], 10]}]


@pytest.mark.parametrize("batch", [0, -1, 1.5, "4", (1, 4), (4, 2, 8), (1, 2, 3, 4), (1, "2", 3), {}])
def test_batches_that_are_none(batch: Any) -> None:
    with pytest.raises(ModelError, match=r"^batch: found .*, expected a number or \(min, opt, max\)"):
        wtsnet.define("lenet", lenet(), batch=batch)


@pytest.mark.parametrize(
    ("imgsz", "low", "high"),
    [
        (None, (8, 8), (8, 8)),
        (10, (10, 10), (10, 10)),
        ((4, 6), (4, 6), (4, 6)),
        ([4, 6], (4, 6), (4, 6)),
        ((4, 8, 12), (4, 4), (12, 12)),
        (((4, 8, 12), 6), (4, 6), (12, 6)),
        ([[4, 8, 12], [2, 2, 2]], (4, 2), (12, 2)),
        (np.int32(6), (6, 6), (6, 6)),
    ],
)
def test_picture_sizes(tmp_path: Path, imgsz: Any, low: tuple[int, int], high: tuple[int, int]) -> None:
    net = wtsnet.define(tiny_file(tmp_path), tiny(), imgsz=imgsz)
    smallest, usual, largest = net.profile["images"]
    assert (smallest[2:], largest[2:]) == (low, high)
    assert net.facts["preprocess"]["size"] == list(usual[2:])
    assert net.facts["preprocess"]["resize"] == round(10 * max(usual[2:]) / 8)


@pytest.mark.parametrize(
    ("imgsz", "message"),
    [
        (7, "imgsz: found 7, expected a multiple of 2 for"),
        ((8, (4, 5, 8)), "imgsz: found 5, expected a multiple of 2"),
        (0, "imgsz: found 0, expected a number or"),
        ("640", "imgsz: found '640', expected a number or"),
        ((8, 8, 8, 8), "imgsz: found .*, expected a number or"),
        (8.0, "imgsz: found 8.0, expected a number or"),
    ],
)
def test_picture_sizes_that_are_none(tmp_path: Path, imgsz: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        wtsnet.define(tiny_file(tmp_path), tiny(), imgsz=imgsz)


def test_a_size_that_the_architecture_does_not_allow() -> None:
    with pytest.raises(WtsnetError, match=r"fc1.*: found 48000 values, expected \(120, 784\)|fc1.weight: found shape"):
        wtsnet.define("lenet", lenet(), imgsz=40)
    with pytest.raises(NetworkError, match=r"^(flatten|fc1)"):
        wtsnet.define("lenet", lenet(), imgsz=(32, 40, 48))


@pytest.mark.parametrize(("precision", "tolerance"), [("fp16", 1e-2), ("bf16", 5e-2)])
def test_precision_changes_the_layers_but_not_the_ends(precision: str, tolerance: float) -> None:
    from wtsnet.reference import ReferenceRunner

    weights = {key: array * 0.3 for key, array in lenet().items()}
    x = np.random.default_rng(0).random((1, 1, 32, 32), np.float32)
    full = wtsnet.define("lenet", weights)
    net = wtsnet.define("lenet", weights, precision=precision)
    assert net.inputs() == full.inputs()
    assert net.outputs() == full.outputs()
    a, b = (ReferenceRunner(made.trt)(data=x)["prob"] for made in (net, full))
    assert 0 < np.abs(a - b).max() <= tolerance * np.abs(b).max()


@pytest.mark.parametrize("precision", ["fp64", "", 16])
def test_precisions_that_are_none(precision: Any) -> None:
    with pytest.raises(NetworkError, match=r"precision: found .*, expected one of"):
        wtsnet.define("lenet", lenet(), precision=precision)


def test_weights_left_over_and_missing() -> None:
    with pytest.raises(WtsnetError, match="1 of 11 weights were never used: extra"):
        wtsnet.define("lenet", {**lenet(), "extra": np.zeros(1)})
    short = lenet()
    del short["fc2.bias"]
    with pytest.raises(WtsnetError, match=r"fc2.bias: the network wants it, the weights lack it"):
        wtsnet.define("lenet", short)


def test_fold_bn_keeps_the_values_and_drops_the_layers(tmp_path: Path) -> None:
    from wtsnet.reference import ReferenceRunner

    path = yolo_file(tmp_path)
    nets = [wtsnet.define("yolov5", path, imgsz=64, head="raw", fold_bn=fold) for fold in (True, False)]
    counts = [net.trt.num_layers for net in nets]
    assert counts[0] < counts[1]
    x = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    folded, apart = (ReferenceRunner(net.trt)(images=x) for net in nets)
    assert list(folded) == ["p2", "p3"]
    for name, array in apart.items():
        assert np.abs(folded[name] - array).max() <= 1e-5 * np.abs(array).max()


def test_facts(tmp_path: Path) -> None:
    facts = wtsnet.define("yolov5", yolo_file(tmp_path), imgsz=64).facts
    assert facts["task"] == "detect"
    assert facts["names"] == ["one", "two"]
    assert facts["preprocess"] == {"kind": "letterbox", "fill": 114, "size": [64, 64]}
    assert facts["decode"]["strides"] == [4, 8]
    assert wtsnet.define("lenet", lenet()).facts["names"] == []


def test_the_network_definition_is_tensorrts() -> None:
    import tensorrt_rtx as trt

    assert isinstance(wtsnet.define("lenet", lenet()).trt, trt.INetworkDefinition)


def test_options_in_every_order() -> None:
    options: dict[str, Any] = {"batch": 2, "precision": "fp16", "fold_bn": False}
    made = [wtsnet.define("lenet", lenet(), **dict(order)) for order in itertools.permutations(options.items())]
    assert len({net.trt.num_layers for net in made}) == 1
