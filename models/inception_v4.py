"""Inception v4 (Szegedy et al. 2016), with timm's weight names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.timm_layers import conv_norm_act
from wtsnet.definition import model
from wtsnet.network import module
from wtsnet.ops import avg_pool2d, cat, linear, max_pool2d

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor

HALF = (0.5, 0.5, 0.5)
ROW, COLUMN = (1, 7), (7, 1)  # kernels, height first
IMAGE = imagenet(299, 341, interpolation="bicubic", mean=HALF, std=HALF)


@model("inception_v4", image=IMAGE, task="classify", upstream="timm")
def inception_v4(s: Scope, x: Tensor) -> Mapping[str, Tensor]:
    """Figure 9: a stem, three kinds of modules of branches side by side with reductions between, a classifier."""
    features = s / "features"
    x = _conv(features / 0, x, 32, 3, 2)
    x = _conv(features / 1, x, 32, 3, 1)
    x = _conv(features / 2, x, 64, 3)
    rest = [_stem3, _stem4, _stem5, *[_fine] * 4, _fine_to_middle, *[_middle] * 7, _middle_to_coarse, *[_coarse] * 3]
    for i, part in enumerate(rest, 3):
        x = part(features / i, x)
    return {"logits": linear(s / "last_linear", x.named(features).mean((2, 3)), -1)}


def _conv(s: Scope, x: Tensor, out: int, k: int | tuple[int, int] = 1, stride: int | None = None) -> Tensor:
    """A convolution that keeps the size or, where it has a stride, one without padding."""
    return conv_norm_act(s, x, out, k, stride or 1, padding=0 if stride else "same", eps=1e-3)


@module
def _branch(s: Scope, x: Tensor, *steps: tuple[int, int | tuple[int, int]] | tuple[int, int, int]) -> Tensor:
    """Convolutions one behind the other, each step being (channels, kernel) or (channels, kernel, stride)."""
    for i, step in enumerate(steps):
        x = _conv(s / i, x, *step)
    return x


@module
def _pooled(s: Scope, x: Tensor, out: int) -> Tensor:
    return _conv(s / 1, avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False), out)


@module
def _stem3(s: Scope, x: Tensor) -> Tensor:
    """Figure 3, the first pair of branches: half the size."""
    return cat((max_pool2d(x, 3, stride=2), _conv(s / "conv", x, 96, 3, 2)), 1)


@module
def _stem4(s: Scope, x: Tensor) -> Tensor:
    """Figure 3, the second pair."""
    short = _branch(s / "branch0", x, (64, 1), (96, 3, 1))
    return cat((short, _branch(s / "branch1", x, (64, 1), (64, ROW), (64, COLUMN), (96, 3, 1))), 1)


@module
def _stem5(s: Scope, x: Tensor) -> Tensor:
    """Figure 3, the third pair: half the size."""
    return cat((_conv(s / "conv", x, 192, 3, 2), max_pool2d(x, 3, stride=2)), 1)


@module
def _fine(s: Scope, x: Tensor) -> Tensor:
    """Figure 4, Inception-A."""
    one = _conv(s / "branch0", x, 96)
    three = _branch(s / "branch1", x, (64, 1), (96, 3))
    double = _branch(s / "branch2", x, (64, 1), (96, 3), (96, 3))
    return cat((one, three, double, _pooled(s / "branch3", x, 96)), 1)


@module
def _fine_to_middle(s: Scope, x: Tensor) -> Tensor:
    """Figure 7, Reduction-A: half the size."""
    three = _conv(s / "branch0", x, 384, 3, 2)
    double = _branch(s / "branch1", x, (192, 1), (224, 3), (256, 3, 2))
    return cat((three, double, max_pool2d(x, 3, stride=2)), 1)


@module
def _middle(s: Scope, x: Tensor) -> Tensor:
    """Figure 5, Inception-B: a 7×7 kernel as a row and a column."""
    one = _conv(s / "branch0", x, 384)
    seven = _branch(s / "branch1", x, (192, 1), (224, ROW), (256, COLUMN))
    double = _branch(s / "branch2", x, (192, 1), (192, COLUMN), (224, ROW), (224, COLUMN), (256, ROW))
    return cat((one, seven, double, _pooled(s / "branch3", x, 128)), 1)


@module
def _middle_to_coarse(s: Scope, x: Tensor) -> Tensor:
    """Figure 8, Reduction-B: half the size again."""
    three = _branch(s / "branch0", x, (192, 1), (192, 3, 2))
    seven = _branch(s / "branch1", x, (256, 1), (256, ROW), (320, COLUMN), (320, 3, 2))
    return cat((three, seven, max_pool2d(x, 3, stride=2)), 1)


@module
def _coarse(s: Scope, x: Tensor) -> Tensor:
    """Figure 6, Inception-C: a row and a column side by side."""
    one = _conv(s / "branch0", x, 256)
    three = _conv(s / "branch1_0", x, 384)
    double = _conv(s / "branch2_1", _conv(s / "branch2_0", x, 384), 448, (3, 1))
    double = _conv(s / "branch2_2", double, 512, (1, 3))
    spread = (*_spread(s, "branch1_1", three), *_spread(s, "branch2_3", double))
    return cat((one, *spread, _pooled(s / "branch3", x, 256)), 1)


def _spread(s: Scope, name: str, x: Tensor) -> tuple[Tensor, Tensor]:
    return _conv(s / f"{name}a", x, 256, (1, 3)), _conv(s / f"{name}b", x, 256, (3, 1))
