"""The classifiers of torchvision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch

from tests.upstream.made import Made
from tools import torchvision_models

MODELS = torchvision_models.models()

FULL = (
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "squeezenet1_0",
    "swin_t",
    "swin_v2_t",
    "vgg11",
    "vgg11_bn",
    "vit_b_32",
)
# Inceptions with the input that published weights expect and without classifiers for training alone; small pictures
# for the transformers, whose position tables have a place for each patch.
INCEPTION = {"transform_input": True, "aux_logits": False, "init_weights": False}
OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": INCEPTION,
    "inception_v3": INCEPTION,
    **{f"vit_{size}_{patch}": {"image_size": 4 * patch} for size in "bl" for patch in (16, 32)},
}
SHAPES = {
    "inception_v3": (3, 107, 139),  # nearly the smallest that leaves something to its last convolutions
    **{name: (3, options["image_size"], options["image_size"]) for name, options in OPTIONS.items() if "vit" in name},
}

BUILT = {r"features\..*\.attn\.cpb_mlp(\.\d)?": "does not depend on the picture: computed when the network is built"}


def make(name: str, **options: Any) -> Made | None:
    if name not in MODELS.list_models(MODELS):
        return None
    with _widths_computed():
        module = MODELS.get_model(name, weights=None, **(OPTIONS.get(name, {}) | options))
    return Made(module, SHAPES.get(name, (3, 64, 96)), hidden=BUILT if name.startswith("swin_v2") else {})


@contextmanager
def _widths_computed() -> Iterator[None]:
    """RegNet's widths come from tensors, which must have values where the weights need none."""
    params = MODELS.regnet.BlockParams
    compute = params.from_init_params

    def on_cpu(**parameters: Any) -> Any:
        with torch.device("cpu"):
            return compute(**parameters)

    with patch.object(params, "from_init_params", on_cpu):
        yield
