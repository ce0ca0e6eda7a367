"""A network that is given pixels computes what one does that is given what `Preprocess` makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wtsnet
from tests.small import lenet, tiny, tiny_file, yolo_file
from wtsnet import Network, ReferenceRunner
from wtsnet.errors import ModelError
from wtsnet.pictures.preprocess import Preprocess
from wtsnet.proof.verifying import relative_error

NORMALIZED = """
import wtsnet
from wtsnet.ops import conv2d

@wtsnet.model("tiny", image=wtsnet.Image(size=8, preprocess={
    "kind": "crop", "resize": 9, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}))
def tiny(s, x):
    return conv2d(s / "conv", x, 4, 3, padding=1).mean((2, 3), keepdim=True)
"""


def pictures(*sizes: tuple[int, int]) -> list[Any]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def outputs(net: Network, images: list[Any]) -> dict[str, Any]:
    """What a network makes of pictures, prepared as its facts say."""
    given, _ = Preprocess.from_dict(net.facts["preprocess"])(images)
    (name,) = net.profile
    assert given.dtype == net.inputs()[0]["dtype"]
    return ReferenceRunner(net.trt).run({name: given})


@pytest.mark.parametrize("kind", ["uint8", "uint8-bgr"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("batch", [2, (1, 2, 4)])
@pytest.mark.parametrize("case", ["detector", "normalized", "gray"])
def test_pixels_are_as_good(case: str, kind: str, precision: str, batch: Any, tmp_path: Any) -> None:
    if case == "gray" and kind == "uint8-bgr":
        pytest.skip("a grey picture has no order of channels")
    cases: dict[str, tuple[str, Any]] = {
        "detector": ("yolov5", yolo_file(tmp_path)),
        "normalized": (tiny_file(tmp_path, NORMALIZED), tiny()),
        "gray": ("lenet", lenet()),
    }
    model, weights = cases[case]
    options: dict[str, Any] = {"precision": precision, "batch": batch}
    if case == "detector":
        options |= {"imgsz": (64, 96), "head": "decoded"}
    images = pictures((50, 70), (90, 40))
    wanted = outputs(wtsnet.define(model, weights, **options), images)
    net = wtsnet.define(model, weights, input=kind, **options)
    (spec,) = net.inputs()
    assert (spec["dtype"], spec["shape"][-1]) == ("uint8", 1 if case == "gray" else 3)
    found = outputs(net, images)
    # Half-precision convolutions of torch round otherwise where channels lie innermost in memory.
    tolerance = 1e-6 if precision == "fp32" else 2e-3
    for name, array in wanted.items():
        assert relative_error(found[name], array) <= tolerance, name


def test_the_order_of_channels_matters(tmp_path: Any) -> None:
    model = tiny_file(tmp_path, NORMALIZED)
    red = np.zeros((1, 8, 8, 3), np.uint8)
    red[..., 0] = 255
    rgb, bgr = (
        ReferenceRunner(wtsnet.define(model, tiny(), input=kind).trt).run({"images": array})["output"]
        for kind, array in (("uint8", red), ("uint8-bgr", red[..., ::-1]))
    )
    assert relative_error(bgr, rgb) <= 1e-6
    other = ReferenceRunner(wtsnet.define(model, tiny(), input="uint8-bgr").trt).run({"images": red})["output"]
    assert relative_error(other, rgb) > 0.1


def test_a_plan_that_takes_pixels(tmp_path: Any) -> None:
    engine = wtsnet.build(
        "yolov5", yolo_file(tmp_path), input="uint8", target="sm89", batch=(1, 2, 4), imgsz=((64, 96, 128), 64)
    )
    engine.save(tmp_path / "x.plan")
    loaded = wtsnet.load(tmp_path / "x.plan")
    (spec,) = loaded.manifest.inputs
    assert (spec["dtype"], spec["min"], spec["max"]) == ("uint8", [1, 64, 64, 3], [4, 128, 64, 3])
    assert loaded.manifest.preprocess == {
        "kind": "letterbox",
        "fill": 114,
        "size": [96, 64],
        "dtype": "uint8",
        "order": "RGB",
    }
    given, _ = Preprocess.from_dict(loaded.manifest.preprocess)(pictures((80, 80)))
    assert set(loaded.runner("reference")(images=given)) == {"boxes", "scores", "classes"}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("uint9", "input: found 'uint9', expected one of float32, uint8, uint8-bgr; did you mean 'uint8'?"),
        ("uint8-bgr", "input: found 'uint8-bgr', expected uint8: the model has 1 channels"),
    ],
)
def test_what_is_no_input(kind: str, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        wtsnet.define("lenet", lenet(), input=kind)
    assert str(caught.value) == said


def test_a_model_that_says_nothing_of_pixels(tmp_path: Any) -> None:
    image, function = NORMALIZED.split(", preprocess={")[0], NORMALIZED.split("}))")[1]
    source = f"{image})){function}"
    with pytest.raises(ModelError, match="input: found 'uint8', but the model does not say how pixels become its"):
        wtsnet.define(tiny_file(tmp_path, source), tiny(), input="uint8")
