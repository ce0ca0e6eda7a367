"""What the Inception networks share: a convolution with batch norm and ReLU, and the input of published weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet.blocks.classifiers.imagenet import MEAN, STD
from wtsnet.network import module
from wtsnet.ops import conv_bn, relu
from wtsnet.ops.normalization import scaled

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


@module
def basic_conv(
    s: Scope, x: Tensor, out: int, k: int | tuple[int, int] = 1, stride: int = 1, *, padding: int | str = 0
) -> Tensor:
    """Convolution `conv`, batch norm `bn`, ReLU."""
    return relu(conv_bn(s / "conv", s / "bn", x, out, k, stride, padding=padding, eps=1e-3))


def half_normalized(x: Tensor) -> Tensor:
    """A picture p, normalized by ImageNet's mean and deviation, as (p − 0.5)/0.5, for which the published weights of
    GoogLeNet and Inception v3 were trained: upstream's `transform_input`."""
    mean, std = np.array(MEAN), np.array(STD)
    return scaled(x, std / 0.5, (mean - 0.5) / 0.5)
