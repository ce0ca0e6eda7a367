"""Networks of each kind are ones that TensorRT builds a plan from, with no GPU, for another GPU."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models.conftest import Twin
from wtsnet import build
from wtsnet.trt.flavours import flavour

BUILDS: list[dict[str, Any]] = [
    {"precision": precision, **batch} for precision in ("fp32", "fp16") for batch in ({}, {"batch": (1, 2, 8)})
]
# Built otherwise too: of each kind of layer that might mind, one.
OTHERWISE: list[dict[str, Any]] = [{"precision": "bf16"}, {"precision": "fp32", "fold_bn": False}]
THESE = ("lenet", "resnet18", "yolov5", "yolov8n-seg", "yolo26n", "swin_v2_t", "segformer-b0", "shufflenet_v2_x0_5")
# Detectors whose pictures change in size are built with each head.
HEADS = [("raw", "fp32"), ("decoded", "fp16"), ("topk", "fp32"), ("topk", "fp16")]

pytestmark = pytest.mark.skipif(flavour() != "tensorrt_rtx", reason="only tensorrt_rtx builds with no GPU")


def test_builds(twin: Twin) -> None:
    """Of the ways to build, the one that leaves least as it was."""
    check_plan(twin, BUILDS[-1])


@pytest.mark.zoo
def test_builds_in_other_ways(twin: Twin) -> None:
    for options in BUILDS[:-1]:
        check_plan(twin, options)


@pytest.mark.parametrize("twin", THESE, indirect=True)
def test_builds_otherwise(twin: Twin) -> None:
    for options in OTHERWISE:
        check_plan(twin, options)


def check_plan(twin: Twin, options: dict[str, Any]) -> None:
    engine = build(twin.name, twin.weights, target="sm89", imgsz=tuple(twin.x.shape[2:]), **options)
    assert engine.manifest.target == ["sm89"]
    (spec,) = engine.manifest.inputs
    assert (spec["min"][0], spec["opt"][0], spec["max"][0]) == options.get("batch", (1, 1, 1))
    # A plan holds the weights, and little else where they are many.
    bytes_each = len(engine.plan) / (twin.millions * 1e6)
    assert bytes_each > {"fp32": 4, "fp16": 2, "bf16": 2}[options["precision"]] * 0.9
    assert bytes_each < 6 or twin.millions < 4


@pytest.mark.parametrize("twin", ["yolov5n", "yolov8n-seg", "yolo26n"], indirect=True)
@pytest.mark.parametrize(("head", "precision"), HEADS)
def test_detectors_of_pictures_of_any_size(twin: Twin, head: str, precision: str) -> None:
    build_any_size(twin, head=head, precision=precision)


@pytest.mark.parametrize("twin", ["resnet18"], indirect=True)
def test_classifiers_of_pictures_of_any_size(twin: Twin) -> None:
    build_any_size(twin)


def build_any_size(twin: Twin, **options: Any) -> None:
    engine = build(twin.name, twin.weights, target="sm89", batch=(1, 2, 4), imgsz=(64, 256, 320), **options)
    (spec,) = engine.manifest.inputs
    assert spec["shape"] == [-1, 3, -1, -1]
    assert (spec["min"], spec["opt"], spec["max"]) == ([1, 3, 64, 64], [2, 3, 256, 256], [4, 3, 320, 320])
