"""The classifiers of timm, from configurations: nothing is downloaded."""

from __future__ import annotations

from typing import Any

import tests.upstream.torchvision  # noqa: F401  # declares the operators that the package's imports ask for
from tests.upstream.made import Made

FULL = (
    "convnextv2_atto",
    "convnextv2_tiny",
    "ghostnet_050",
    "ghostnetv2_100",
    "hrnet_w18_small",
    "inception_v4",
    "repvgg_a0",
    "seresnext50_32x4d",
)
PREFIXES = ("convnextv2_", "ghostnet", "hrnet_", "inception_v4", "repvgg_", "seresne")  # it has torchvision's names too
SHAPES = {"inception_v4": (3, 107, 139)}  # nearly the smallest that leaves something to its last convolutions
HIDDEN = {
    "repvgg": {r".*\.(conv_1x1|conv_kxk|identity|drop_path)(\..*)?": "the branches are one convolution, named `attn`"},
}


def make(name: str) -> Made | None:
    if not name.startswith(PREFIXES) or not package().is_model(name):
        return None
    family = name.partition("_")[0]
    return Made(package().create_model(name), SHAPES.get(name, (3, 64, 96)), hidden=HIDDEN.get(family, {}))


def package() -> Any:
    """timm, which takes a second to import."""
    import timm

    return timm
