"""GoogLeNet (Szegedy et al. 2014) with batch norms, with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.inception import basic_conv, half_normalized
from wtsnet.definition import model, option
from wtsnet.network import module
from wtsnet.ops import cat, linear, max_pool2d

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor


@dataclass(frozen=True)
class GoogLeNet:
    """The one variant."""

    transform_input: bool = option(True, "whether the weights want (p − 0.5)/0.5, as the published ones do")


# Channels of the modules of a stage: 1×1; 3×3 reduced and out; 5×5 reduced and out; behind the pooling.
STAGES = {
    "3": {"a": (64, 96, 128, 16, 32, 32), "b": (128, 128, 192, 32, 96, 64)},
    "4": {
        "a": (192, 96, 208, 16, 48, 64),
        "b": (160, 112, 224, 24, 64, 64),
        "c": (128, 128, 256, 24, 64, 64),
        "d": (112, 144, 288, 32, 64, 64),
        "e": (256, 160, 320, 32, 128, 128),
    },
    "5": {"a": (256, 160, 320, 32, 128, 128), "b": (384, 192, 384, 48, 128, 128)},
}


@model("googlenet", image=imagenet(), task="classify", upstream="torchvision", variants={"googlenet": GoogLeNet()})
def googlenet(s: Scope, x: Tensor, cfg: GoogLeNet) -> Mapping[str, Tensor]:
    """Three convolutions, nine modules of four branches in three stages, and a linear classifier.

    The input is normalized by ImageNet's mean and deviation. Published weights were trained on another normalization,
    to which the network turns it; `transform_input` off leaves that out, for weights trained without.
    """
    s.leave_modules("aux1", "aux2")  # classifiers for training alone
    if cfg.transform_input:
        x = half_normalized(x)
    x = basic_conv(s / "conv1", x, 64, 7, stride=2, padding=3)
    x = max_pool2d(x, 3, stride=2, ceil_mode=True)
    x = basic_conv(s / "conv2", x, 64)
    x = basic_conv(s / "conv3", x, 192, 3, padding=1)
    x = max_pool2d(x, 3, stride=2, ceil_mode=True)
    for stage, modules in STAGES.items():
        for letter, widths in modules.items():
            x = _inception(s / f"inception{stage}{letter}", x, *widths)
        if stage != "5":
            x = max_pool2d(x, 3 if stage == "3" else 2, stride=2, ceil_mode=True)
    return {"logits": linear(s / "fc", x.mean((2, 3)), -1)}


@module
def _inception(s: Scope, x: Tensor, one: int, less3: int, three: int, less5: int, five: int, pooled: int) -> Tensor:
    """The branch called 5×5 has 3×3 kernels: so have the published weights."""
    branches = [basic_conv(s / "branch1", x, one)]
    for name, less, out in (("branch2", less3, three), ("branch3", less5, five)):
        y = basic_conv(s / name / 0, x, less)
        branches.append(basic_conv(s / name / 1, y, out, 3, padding=1).named(s / name))
    y = max_pool2d(x, 3, stride=1, padding=1, ceil_mode=True)
    branches.append(basic_conv(s / "branch4" / 1, y, pooled).named(s / "branch4"))
    return cat(branches, 1)
