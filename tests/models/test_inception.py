"""What is left to say about GoogLeNet and Inception v3: their input, and their classifiers for training."""

from __future__ import annotations

import pytest
import torch

from tests.models.conftest import run
from tests.upstream import torchvision
from tests.upstream.realistic import realistic
from wtsnet import define
from wtsnet.proof.verifying import relative_error

NAMES = ("googlenet", "inception_v3")


@pytest.mark.parametrize("name", NAMES)
def test_classifiers_for_training_are_left(name: str) -> None:
    with torch.device("meta"):
        made = torchvision.make(name, aux_logits=True)
    assert made
    weights = {key: torch.zeros(tensor.shape) for key, tensor in made.module.state_dict().items()}
    auxiliary = {key for key in weights if key.lower().startswith("aux")}
    assert len(auxiliary) > 10
    assert not define(name, weights, imgsz=made.shape[1:]).weights.unused()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("transform_input", [True, False])
def test_input(name: str, transform_input: bool) -> None:
    torch.manual_seed(0)
    made = torchvision.make(name, transform_input=transform_input)
    assert made
    module, x = realistic(made.module, torch.randn(1, *made.shape))
    net = define(name, module.state_dict(), imgsz=made.shape[1:], transform_input=transform_input)
    with torch.no_grad():
        assert relative_error(run(net, x)["logits"], module(x).numpy()) <= 1e-5
