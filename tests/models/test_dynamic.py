"""A network of several sizes computes at each what one of that size alone does; lower precisions come near."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.models.conftest import Twin, run
from wtsnet import define
from wtsnet.definition.registry import models
from wtsnet.proof.verifying import relative_error

CLASSIFIERS = ["lenet", "resnet18", "resnext50_32x4d", "mlp", "segformer-b0", "swin_t", "swin_v2_t", "vit-tiny-patch16"]
CLASSIFIERS += ["alexnet", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_0"]
CLASSIFIERS += ["convnextv2_atto", "ghostnetv2_100", "hrnet_w18_small"]
CLASSIFIERS += ["unet", "lane_detector_18"]
DETECTORS = ["yolov5", "yolov5n", "yolov5n6", "yolov8n-seg", "yolov8n-obb", "yolo12n"]
# The largest differences seen are a third of these.
TOLERANCES = {"fp16": 2e-2, "bf16": 1e-1}


def pictures(twin: Twin, n: int, height: int, width: int) -> Tensor:
    """The twin's own input, repeated or cut to size."""
    x = twin.x.repeat(n, 1, 4, 4)[:n, :, :height, :width]
    assert x.shape[2:] == (height, width)
    return x * torch.linspace(0.5, 1, n).view(-1, 1, 1, 1)  # no two pictures of a batch are equal


def assert_equal(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        assert relative_error(found[name], array) <= 1e-6, name


def heads(name: str) -> list[dict[str, Any]]:
    return [{"head": head} for head in ("raw", "decoded")] if hasattr(models()[name].config, "head") else [{}]


@pytest.mark.parametrize("twin", CLASSIFIERS + DETECTORS, indirect=True)
def test_batches(twin: Twin) -> None:
    height, width = twin.x.shape[2:]
    for head in heads(twin.name):
        dynamic = define(twin.name, twin.weights, batch=(1, 2, 3), imgsz=(height, width), **head)
        assert dynamic.trt.get_input(0).shape[0] == -1
        for n in (1, 3):
            x = pictures(twin, n, height, width)
            fixed = define(twin.name, twin.weights, batch=n, imgsz=(height, width), **head)
            assert_equal(run(dynamic, x), run(fixed, x))


@pytest.mark.parametrize(
    "twin", ["resnet18", "shufflenet_v2_x0_5", "squeezenet1_0", "hrnet_w18_small", *DETECTORS], indirect=True
)
def test_picture_sizes(twin: Twin) -> None:
    """Height and width change from run to run, each for itself."""
    for head in heads(twin.name):
        sizes = ((64, 128, 256), (64, 128, 192))
        dynamic = define(twin.name, twin.weights, batch=(1, 1, 2), imgsz=sizes, **head)
        assert tuple(dynamic.trt.get_input(0).shape) == (-1, 3, -1, -1)
        for n, height, width in ((1, 64, 192), (2, 256, 64), (1, 128, 128)):
            x = pictures(twin, n, height, width)
            fixed = define(twin.name, twin.weights, batch=n, imgsz=(height, width), **head)
            assert_equal(run(dynamic, x), run(fixed, x))


@pytest.mark.parametrize("twin", DETECTORS, indirect=True)
def test_one_dimension_alone(twin: Twin) -> None:
    for sizes in ((64, (64, 64, 192)), ((64, 64, 192), 128)):
        dynamic = define(twin.name, twin.weights, batch=2, imgsz=sizes, head="decoded")
        height, width = (size if isinstance(size, int) else 192 for size in sizes)
        x = pictures(twin, 2, height, width)
        fixed = define(twin.name, twin.weights, batch=2, imgsz=(height, width), head="decoded")
        assert_equal(run(dynamic, x), run(fixed, x))


@pytest.mark.parametrize("twin", DETECTORS, indirect=True)
def test_the_best_of_pictures_of_several_sizes(twin: Twin) -> None:
    dynamic = define(twin.name, twin.weights, batch=(1, 1, 2), imgsz=(64, 128, 192), k=20)
    for n, height, width in ((2, 64, 128), (1, 192, 64)):
        x = pictures(twin, n, height, width)
        fixed = define(twin.name, twin.weights, batch=n, imgsz=(height, width), k=20)
        found, wanted = run(dynamic, x), run(fixed, x)
        assert_equal(found, wanted)
        np.testing.assert_array_equal(found["classes"], wanted["classes"])


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("twin", CLASSIFIERS + DETECTORS, indirect=True)
def test_lower_precisions(twin: Twin, precision: str) -> None:
    n, _, height, width = twin.x.shape
    for head in heads(twin.name):
        wanted = run(define(twin.name, twin.weights, batch=n, imgsz=(height, width), **head), twin.x)
        net = define(twin.name, twin.weights, batch=n, imgsz=(height, width), precision=precision, **head)
        found = run(net, twin.x)
        kinds = {net.trt.get_layer(i).get_output(0).dtype.name for i in range(net.trt.num_layers)}
        assert {"fp16": "HALF", "bf16": "BF16"}[precision] in kinds
        for name, array in wanted.items():
            assert found[name].dtype == np.float32
            error = relative_error(found[name], array)
            print(f"{twin.name} {precision} {name}: {error:.1e}")
            assert 1e-6 < error <= TOLERANCES[precision], name
