"""What the Inception networks share: a convolution with batch norm and ReLU, and the input of published weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet.blocks.classifiers.imagenet import MEAN, STD
from wtsnet.ops import conv_bn, relu
from wtsnet.ops.norm import scale_shift

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor

EPS = 1e-3
# The weights that basic_conv takes.
_BASIC_CONV = ("conv.weight", *(f"bn.{name}" for name in ("weight", "bias", "running_mean", "running_var")))


def basic_conv(
    s: Scope, x: Tensor, out: int, k: int | tuple[int, int] = 1, stride: int = 1, pad: int | tuple[int, int] = 0
) -> Tensor:
    """Convolution `conv`, batch norm `bn`, ReLU."""
    return relu(s, conv_bn(s / "conv", s / "bn", x, out, k, stride, pad, eps=EPS))


def leave_basic_conv(s: Scope) -> None:
    """Leave the weights of a `basic_conv` unused."""
    s.leave(*_BASIC_CONV, "bn.num_batches_tracked")


def half_normalized(s: Scope, x: Tensor) -> Tensor:
    """A picture p, normalized by ImageNet's mean and deviation, as (p − 0.5)/0.5, for which the published weights of
    GoogLeNet and Inception v3 were trained: upstream's `transform_input`."""
    mean, std = np.array(MEAN), np.array(STD)
    return scale_shift(s / "transform_input", x, std / 0.5, (mean - 0.5) / 0.5)
