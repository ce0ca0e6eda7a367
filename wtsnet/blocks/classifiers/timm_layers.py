"""Compositions that timm's models share, with its module names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.mobile import squeeze_excitation
from wtsnet.blocks.yolo.rep import folded
from wtsnet.ops import conv, conv_bn, flatten, global_avg_pool, identity, relu
from wtsnet.ops.conv import emit_conv
from wtsnet.ops.norm import affine_of_batch_norm, scale_shift

if TYPE_CHECKING:
    from wtsnet.blocks.classifiers.mobile import Activation
    from wtsnet.network import Scope, Tensor


def norm_act(s: Scope, x: Tensor, act: Activation = relu, eps: float = 1e-5) -> Tensor:
    """A batch norm with its activation inside: what it does before that is the output of `drop`."""
    x = scale_shift(s / "drop", x, *affine_of_batch_norm(s, x.shape[1], eps))
    return s.net.record(s.path, act(s / "act", x))


def conv_norm_act(
    s: Scope,
    x: Tensor,
    out: int,
    k: int | tuple[int, int] = 1,
    stride: int = 1,
    pad: int | tuple[int, int] = 0,
    groups: int = 1,
    *,
    act: Activation = relu,
    eps: float = 1e-5,
    norm: str = "bn",
) -> Tensor:
    """A convolution `conv` and, called `norm`, a batch norm with its activation inside (see `norm_act`)."""
    bn = s / norm
    if s.net.fold_bn:
        kernel, bias = folded(s / "conv", bn, x, out, k, groups, eps)
        x = emit_conv(bn / "drop", x, kernel, bias, stride, pad, 1, groups)
        x = s.net.record(bn.path, act(bn / "act", x))
    else:
        x = norm_act(bn, conv(s / "conv", x, out, k, stride, pad, 1, groups, bias=False), act, eps)
    return s.net.record(s.path, x)


def squeeze_excite(s: Scope, x: Tensor) -> Tensor:
    """Squeeze and excitation as in timm's ResNets, with an unused norm between the first convolution and its ReLU."""
    names = ("mean", "fc1", "act", "fc2", "gate")
    return squeeze_excitation(s, x, act=lambda at, y: relu(at, identity(s / "bn", y)), names=names)


def basic_block(s: Scope, x: Tensor, channels: int) -> Tensor:
    """ResNet's block of two 3×3 convolutions (He et al. 2015) between equal sizes."""
    y = identity(s / "drop_block", conv_bn(s / "conv1", s / "bn1", x, channels, 3, 1, 1))
    y = identity(s / "aa", relu(s / "act1", y))
    y = conv_bn(s / "conv2", s / "bn2", y, channels, 3, 1, 1)
    return s.net.record(s.path, relu(s / "act2", y + x))


def bottleneck(
    s: Scope, x: Tensor, width: int, out: int, stride: int = 1, groups: int = 1, squeeze: Activation | None = None
) -> Tensor:
    """ResNet's bottleneck, with `width` channels inside; `squeeze(scope, y)` is its module `se` behind `bn3`."""
    y = relu(s / "act1", conv_bn(s / "conv1", s / "bn1", x, width, 1))
    y = identity(s / "drop_block", conv_bn(s / "conv2", s / "bn2", y, width, 3, stride, 1, groups=groups))
    y = identity(s / "aa", relu(s / "act2", y))
    y = conv_bn(s / "conv3", s / "bn3", y, out, 1)
    if squeeze:
        y = squeeze(s / "se", y)
    if stride != 1 or x.shape[1] != out:
        down = s / "downsample"
        x = s.net.record(down.path, conv_bn(down / 0, down / 1, x, out, 1, stride))
    return s.net.record(s.path, relu(s / "act3", y + x))


def global_pool(s: Scope, x: Tensor, flat: bool = True) -> Tensor:
    """The mean over the picture: (N, C, H, W) to (N, C) or, where it is not `flat`, (N, C, 1, 1)."""
    x = (flatten if flat else identity)(s / "flatten", global_avg_pool(s / "pool", x))
    return s.net.record(s.path, x)
