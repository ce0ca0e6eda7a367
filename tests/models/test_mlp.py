"""Perceptrons of any layout: what the weights' names and shapes tell."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from tests.models.conftest import run
from tests.upstream.realistic import realistic
from wtsnet import define
from wtsnet.errors import ModelError, NetworkError, ShapeError
from wtsnet.proof.verifying import relative_error


def named(**layers: nn.Module) -> nn.Module:
    return nn.Sequential(OrderedDict(layers))


LAYOUTS = {
    "alone": named(linear=nn.Linear(1, 1)),
    "torchvision": torchvision.ops.MLP(6, [9, 5, 4]),
    "torchvision with batch norms": torchvision.ops.MLP(6, [9, 5, 4], norm_layer=nn.BatchNorm1d),
    "named": named(fc1=nn.Linear(6, 9), relu=nn.ReLU(), fc2=nn.Linear(9, 4)),
    "inside": named(net=nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 4))),
}


def made(module: nn.Module, features: int) -> tuple[nn.Module, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return realistic(module, torch.randn(3, features))


def assert_twin(module: nn.Module, x: torch.Tensor, data: torch.Tensor, weights: Any = None, **options: Any) -> Any:
    net = define("mlp", weights or module.state_dict(), batch=3, **options)
    assert relative_error(run(net, data)["logits"], module(x).numpy()) <= 1e-6
    return net


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name: str) -> None:
    module, x = made(LAYOUTS[name], 1 if name == "alone" else 6)
    net = assert_twin(module, x, x[:, :, None, None])
    assert {path for path, part in module.named_modules() if isinstance(part, nn.Linear | nn.BatchNorm1d)} == set(
        net.modules
    )
    flat = {key: value.reshape(-1) for key, value in module.state_dict().items()}
    assert_twin(module, x, x[:, :, None, None], flat)


def test_pictures_go_in_flattened() -> None:
    for channels, kind in ((1, "gray"), (3, "stretch")):
        module, x = made(nn.Sequential(nn.Linear(16 * channels, 9), nn.ReLU(), nn.Linear(9, 4)), 16 * channels)
        net = assert_twin(module, x, x.reshape(3, channels, 4, 4), channels=channels)
        assert net.facts["preprocess"] == {"kind": kind, "size": [4, 4]}
        assert_twin(module, x, x.reshape(3, channels, 2, 8), channels=channels, imgsz=(2, 8))


def test_another_activation() -> None:
    module, x = made(nn.Sequential(nn.Linear(6, 9), nn.GELU(), nn.Linear(9, 4)), 6)
    assert_twin(module, x, x[:, :, None, None], activation="GELU")
    with pytest.raises(AssertionError):
        assert_twin(module, x, x[:, :, None, None])


WEIGHTS = {"0.weight": np.zeros((3, 12)), "0.bias": np.zeros(3)}


@pytest.mark.parametrize(
    ("weights", "options", "error", "text"),
    [
        ({"x": np.zeros(3)}, {}, ModelError, r"weights: found no layers, expected names such as 0\.weight and 0\.bias"),
        (WEIGHTS, {"activation": "RELU"}, ModelError, "activation: unknown 'RELU'; did you mean"),
        (WEIGHTS, {"channels": 2}, ModelError, "channels: found 2, expected 1 or 3 of a picture, or 0 for plain valu"),
        (WEIGHTS, {"imgsz": 2}, NetworkError, r"network: input: found 48 values, expected the 12 that 0\.weight takes"),
        (WEIGHTS, {"channels": 1}, NetworkError, "network: input: found 9 values, expected the 12 that"),
        (WEIGHTS | {"2.weight": np.zeros((5, 4)), "2.bias": np.zeros(5)}, {}, ShapeError, r"weights: 2\.weight: found"),
    ],
)
def test_errors(weights: dict[str, Any], options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"^{text}"):
        define("mlp", weights, **options)
