"""U-Net as it was published over the years, and the classes of its pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.models.conftest import Twin, run
from tests.models.test_parity import compare
from tests.upstream import realistic_one
from tests.upstream.realistic import realistic
from tests.upstream.unet import UNet
from wtsnet import Image, define
from wtsnet.definition.registry import models
from wtsnet.errors import ModelError
from wtsnet.proof import record
from wtsnet.proof.verifying import relative_error


def twin(x: torch.Tensor, **options: Any) -> Twin:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module, x = realistic(UNet(width=8, **options), x)
    return Twin("unet", module, x, module.state_dict())


def pictures(n: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("fold_bn", [True, False])
def test_every_module_of_the_bilinear_one(tmp_path: Path, fold_bn: bool) -> None:
    """What tells it apart is that the weights hold no transposed convolutions; these are of the years with biases."""
    made = twin(pictures(2, 67, 93), classes=2, bilinear=True, bias=True)
    record(made.module, made.x, tmp_path / "golden.npz")
    compare(made, tmp_path / "golden.npz", fold_bn)


@pytest.mark.parametrize("bilinear", [False, True])
def test_pictures_of_any_size(bilinear: bool) -> None:
    made = twin(pictures(1, 64, 96), classes=3, bilinear=bilinear)
    dynamic = define("unet", made.weights, batch=(1, 1, 2), imgsz=((16, 64, 80), (16, 96, 100)))
    for n, height, width in ((1, 64, 96), (2, 31, 77), (1, 17, 100)):
        x = pictures(n, height, width)
        with torch.no_grad():
            wanted = made.module(x)
        assert relative_error(run(dynamic, x)["logits"], wanted.numpy()) <= 1e-5


@pytest.mark.parametrize("classes", [1, 3])
def test_the_class_of_each_pixel(classes: int) -> None:
    made = twin(pictures(2, 48, 61), classes=classes)
    with torch.no_grad():
        logits = made.module(made.x)
    found = run(define("unet", made.weights, batch=2, imgsz=(48, 61), head="classes"), made.x)["classes"]
    best = logits.topk(2, 1).values if classes > 1 else torch.cat([logits, -logits], 1)
    sure = ((best[:, 0] - best[:, 1]).abs() > 1e-4).numpy()
    assert sure.mean() > 0.99
    wanted = logits.argmax(1) if classes > 1 else (logits[:, 0].sigmoid() > 0.5).int()
    assert found.dtype == np.int32
    assert len(np.unique(found)) == max(classes, 2)
    np.testing.assert_array_equal(found[sure], wanted.numpy()[sure])


def test_the_published_width() -> None:
    """1024 channels at the bottom, and 512 where there is nothing to scale up with."""
    for bilinear, millions in ((False, 31.0), (True, 17.3)):
        with torch.device("meta"):
            shapes = {key: value.shape for key, value in UNet(2, bilinear=bilinear).state_dict().items()}
        weights = {key: np.zeros(shape, np.float32) for key, shape in shapes.items()}
        net = define("unet", weights, imgsz=(64, 96))
        assert tuple(net.trt.get_output(0).shape) == (1, 2, 64, 96)
        parameters = sum(array.size for key, array in weights.items() if key.endswith(("weight", "bias")))
        assert round(parameters / 1e6, 1) == millions


def test_what_decoders_are_told() -> None:
    made, _ = realistic_one("unet")
    net = define("unet", made.module.state_dict(), imgsz=(67, 93))
    assert net.facts["decode"] == {"kind": "semantic", "head": "raw", "classes": 3}
    assert net.facts["task"] == "semantic"
    assert net.facts["preprocess"] == {"kind": "stretch", "interpolation": "bicubic", "size": [67, 93]}
    image = models()["unet"].inputs
    assert isinstance(image, Image)
    assert image.size == (640, 959)
    with pytest.raises(ModelError, match=r"^head: found 'best', expected one of raw, decoded, classes$"):
        define("unet", made.module.state_dict(), head="best")
