"""Facts about torchvision's models beside their layers."""

from __future__ import annotations

import numpy as np
import pytest
import torchvision.models as published
from torch import nn

from tests.upstream import find
from wtsnet import Image, define
from wtsnet.definition.registry import models
from wtsnet.trt.flavours import module as tensorrt

NAMES = [name for name, model in models().items() if model.upstream == "torchvision"]


@pytest.mark.parametrize("name", NAMES)
def test_preprocessing(name: str) -> None:
    """As torchvision does it for the weights that it calls DEFAULT."""
    wanted = published.get_model_weights(name).DEFAULT.transforms()
    model = models()[name]
    image = model.inputs_of(model.config)
    assert isinstance(image, Image)
    assert image.size == wanted.crop_size[0]
    assert image.preprocess == {
        "kind": "crop",
        "resize": wanted.resize_size[0],
        "size": wanted.crop_size[0],
        "interpolation": wanted.interpolation.value,
        "mean": list(wanted.mean),
        "std": list(wanted.std),
    }


def test_all_of_its_classifiers_are_here() -> None:
    missing = set(published.list_models(published)) - set(NAMES)
    assert missing == {
        "maxvit_t",
        "regnet_y_128gf",  # 645 million parameters
        "vit_h_14",  # 632 million
    }


@pytest.mark.parametrize("name", ["convnext_tiny", "swin_t", "swin_v2_t", "vit_b_32"])
def test_eps_of_layer_norms(name: str) -> None:
    """Where the signal is as large as it should be, 1e-5 and 1e-6 compute nearly the same."""
    made = find(name, shapes_only=True)
    weights = {key: np.zeros(tensor.shape, np.float32) for key, tensor in made.module.state_dict().items()}
    wanted = {part.eps for part in made.module.modules() if isinstance(part, nn.LayerNorm)}
    trt, network = tensorrt(), define(name, weights, imgsz=made.shape[1:]).trt
    found = []
    for layer in map(network.get_layer, range(network.num_layers)):
        if layer.type == trt.LayerType.NORMALIZATION:
            layer.__class__ = trt.INormalizationLayer
            found.append(layer.epsilon)
    assert found
    assert found == pytest.approx([*wanted] * len(found), rel=1e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("efficientnet")])
def test_eps_of_batch_norms(name: str) -> None:
    """It differs between variants of one family."""
    norms = [part for part in find(name, shapes_only=True).module.modules() if isinstance(part, nn.BatchNorm2d)]
    assert {norm.eps for norm in norms} == {models()[name].config.eps}
