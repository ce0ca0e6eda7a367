"""Every model's network is one that TensorRT builds a plan from, with no GPU, for another GPU."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models.conftest import Twin
from wtsnet import build
from wtsnet.trt import flavour

# Building takes time in proportion to the weights. Up to so many million parameters, all of these are built; up to
# so many, the last alone; beyond, none: their layers are the smaller variants', only more and larger ones.
EACH, ONE = 13, 50
BUILDS: dict[str, dict[str, Any]] = {
    "fp32": {"precision": "fp32"},
    "fp32, dynamic batch": {"precision": "fp32", "batch": (1, 2, 8)},
    "fp16": {"precision": "fp16"},
    "bf16": {"precision": "bf16"},
    "fp16, dynamic batch": {"precision": "fp16", "batch": (1, 4, 8)},
}
SIZES: dict[str, dict[str, Any]] = {
    f"{head} {precision}": {"head": head, "precision": precision, "batch": (1, 2, 4), "imgsz": (64, 256, 320)}
    for head in ("raw", "decoded", "topk")
    for precision in ("fp32", "fp16")
}


@pytest.fixture(autouse=True)
def _builds_without_a_gpu() -> None:
    if flavour() != "tensorrt_rtx":
        pytest.skip("only tensorrt_rtx builds with no GPU")


@pytest.mark.parametrize("case", BUILDS)
def test_builds(twin: Twin, case: str) -> None:
    if twin.millions > (ONE if case == list(BUILDS)[-1] else EACH):
        pytest.skip(f"{twin.millions:.0f} million parameters")
    options = BUILDS[case] | ({} if twin.name == "lenet" else {"imgsz": 256})
    engine = build(twin.name, twin.weights, target="sm89", **options)
    assert engine.manifest.target == ["sm89"]
    batch = options.get("batch", (1, 1, 1))
    (spec,) = engine.manifest.inputs
    assert [spec[end][0] for end in ("min", "opt", "max")] == list(batch)
    wide = {"fp32": 4, "fp16": 2, "bf16": 2}[options["precision"]]
    assert 0.9 < len(engine.plan) / (twin.millions * 1e6 * wide) < 3 or twin.millions < 1


@pytest.mark.parametrize("twin", ["resnet18", "yolov5", "yolov5n", "yolov5n6"], indirect=True)
@pytest.mark.parametrize("case", SIZES)
def test_dynamic_sizes(twin: Twin, case: str) -> None:
    options = dict(SIZES[case])
    if twin.name == "resnet18" and options.pop("head") != "raw":
        pytest.skip("has no head")
    engine = build(twin.name, twin.weights, target="sm89", **options)
    (spec,) = engine.manifest.inputs
    assert spec["shape"] == [-1, 3, -1, -1]
    assert (spec["min"], spec["opt"], spec["max"]) == ([1, 3, 64, 64], [2, 3, 256, 256], [4, 3, 320, 320])
