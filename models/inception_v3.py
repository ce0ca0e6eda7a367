"""Inception v3 (Szegedy et al. 2015), with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.inception import basic_conv, half_normalized
from wtsnet.definition import model, option
from wtsnet.network import module
from wtsnet.ops import avg_pool2d, cat, linear, max_pool2d

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor

POINT, ROW, COLUMN = (1, 1), (1, 7), (7, 1)  # kernels, height first


@dataclass(frozen=True)
class InceptionV3:
    """The one variant."""

    transform_input: bool = option(True, "whether the weights want (p − 0.5)/0.5, as the published ones do")


@model(
    "inception_v3",
    image=imagenet(299, 342),
    task="classify",
    upstream="torchvision",
    variants={"inception_v3": InceptionV3()},
)
def inception_v3(s: Scope, x: Tensor, cfg: InceptionV3) -> Mapping[str, Tensor]:
    """Five convolutions, eleven modules of branches side by side, and a linear classifier.

    The input is normalized by ImageNet's mean and deviation. Published weights were trained on another normalization,
    to which the network turns it; `transform_input` off leaves that out, for weights trained without.
    """
    s.leave_modules("AuxLogits")  # a classifier for training alone
    if cfg.transform_input:
        x = half_normalized(x)
    x = basic_conv(s / "Conv2d_1a_3x3", x, 32, 3, stride=2)
    x = basic_conv(s / "Conv2d_2a_3x3", x, 32, 3)
    x = basic_conv(s / "Conv2d_2b_3x3", x, 64, 3, padding=1)
    x = max_pool2d(x, 3, stride=2)
    x = basic_conv(s / "Conv2d_3b_1x1", x, 80)
    x = basic_conv(s / "Conv2d_4a_3x3", x, 192, 3)
    x = max_pool2d(x, 3, stride=2)
    for letter, pooled in (("b", 32), ("c", 64), ("d", 64)):
        x = _fine(s / f"Mixed_5{letter}", x, pooled)
    x = _fine_to_middle(s / "Mixed_6a", x)
    for letter, width in (("b", 128), ("c", 160), ("d", 160), ("e", 192)):
        x = _middle(s / f"Mixed_6{letter}", x, width)
    x = _middle_to_coarse(s / "Mixed_7a", x)
    for letter in "bc":
        x = _coarse(s / f"Mixed_7{letter}", x)
    return {"logits": linear(s / "fc", x.mean((2, 3)), -1)}


def _conv(s: Scope, x: Tensor, out: int, k: int | tuple[int, int] = 1) -> Tensor:
    """A convolution that keeps the size."""
    return basic_conv(s, x, out, k, padding="same")


def _pooled(s: Scope, x: Tensor, out: int) -> Tensor:
    return _conv(s / "branch_pool", avg_pool2d(x, 3, stride=1, padding=1), out)


@module
def _fine(s: Scope, x: Tensor, pooled: int) -> Tensor:
    """Figure 5 of the paper, 5×5 kernels in the second branch."""
    one = _conv(s / "branch1x1", x, 64)
    five = _conv(s / "branch5x5_2", _conv(s / "branch5x5_1", x, 48), 64, 5)
    double = _conv(s / "branch3x3dbl_2", _conv(s / "branch3x3dbl_1", x, 64), 96, 3)
    double = _conv(s / "branch3x3dbl_3", double, 96, 3)
    return cat((one, five, double, _pooled(s, x, pooled)), 1)


@module
def _fine_to_middle(s: Scope, x: Tensor) -> Tensor:
    """Figure 10: half the size."""
    three = basic_conv(s / "branch3x3", x, 384, 3, stride=2)
    double = _conv(s / "branch3x3dbl_2", _conv(s / "branch3x3dbl_1", x, 64), 96, 3)
    double = basic_conv(s / "branch3x3dbl_3", double, 96, 3, stride=2)
    return cat((three, double, max_pool2d(x, 3, stride=2)), 1)


@module
def _middle(s: Scope, x: Tensor, width: int) -> Tensor:
    """Figure 6: a 7×7 kernel as a row and a column."""
    one = _conv(s / "branch1x1", x, 192)
    seven = double = x
    for i, (out, k) in enumerate(((width, POINT), (width, ROW), (192, COLUMN)), 1):
        seven = _conv(s / f"branch7x7_{i}", seven, out, k)
    for i, (out, k) in enumerate(((width, POINT), (width, COLUMN), (width, ROW), (width, COLUMN), (192, ROW)), 1):
        double = _conv(s / f"branch7x7dbl_{i}", double, out, k)
    return cat((one, seven, double, _pooled(s, x, 192)), 1)


@module
def _middle_to_coarse(s: Scope, x: Tensor) -> Tensor:
    """Half the size again."""
    three = basic_conv(s / "branch3x3_2", _conv(s / "branch3x3_1", x, 192), 320, 3, stride=2)
    seven = x
    for i, k in enumerate((POINT, ROW, COLUMN), 1):
        seven = _conv(s / f"branch7x7x3_{i}", seven, 192, k)
    seven = basic_conv(s / "branch7x7x3_4", seven, 192, 3, stride=2)
    return cat((three, seven, max_pool2d(x, 3, stride=2)), 1)


@module
def _coarse(s: Scope, x: Tensor) -> Tensor:
    """Figure 7: a row and a column side by side."""
    one = _conv(s / "branch1x1", x, 320)
    three = _spread(s, "branch3x3_2", _conv(s / "branch3x3_1", x, 384))
    double = _conv(s / "branch3x3dbl_2", _conv(s / "branch3x3dbl_1", x, 448), 384, 3)
    double = _spread(s, "branch3x3dbl_3", double)
    return cat((one, three, double, _pooled(s, x, 192)), 1)


def _spread(s: Scope, name: str, x: Tensor) -> Tensor:
    return cat((_conv(s / f"{name}a", x, 384, (1, 3)), _conv(s / f"{name}b", x, 384, (3, 1))), 1)
