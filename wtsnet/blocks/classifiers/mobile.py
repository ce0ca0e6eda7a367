"""What mobile networks are made of, with torchvision's weight names: convolution, norm and activation in a row,
squeeze and excitation, and the inverted residual."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops import conv, conv_bn, global_avg_pool, identity, mul, relu, sigmoid

if TYPE_CHECKING:
    from collections.abc import Callable

    from wtsnet.network import Scope, Tensor

    Activation = Callable[[Scope, Tensor], Tensor]


def conv_norm_act(
    s: Scope,
    x: Tensor,
    out: int,
    k: int = 3,
    stride: int = 1,
    groups: int = 1,
    *,
    act: Activation | None = relu,
    eps: float = 1e-5,
) -> Tensor:
    """A Sequential of convolution `0`, batch norm `1` and, where there is one, activation `2`. Odd `k` keep the size at
    stride 1."""
    x = conv_bn(s / 0, s / 1, x, out, k, stride, k // 2, groups=groups, eps=eps)
    return s.net.record(s.path, act(s / 2, x) if act else x)


def squeeze_excitation(
    s: Scope,
    x: Tensor,
    *,
    act: Activation = relu,
    gate: Activation = sigmoid,
    names: tuple[str, str, str, str, str] = ("avgpool", "fc1", "activation", "fc2", "scale_activation"),
) -> Tensor:
    """Every channel times a gate that all means decide on (Hu et al. 2017): x·gate(fc2(act(fc1(mean(x))))).

    Args:
        names: of the mean, the 1×1 convolution to fewer channels (its weight tells how many), the activation, the
            convolution back, and the gate.
    """
    pool, reduce, activation, expand, scale = names
    y = act(s / activation, conv(s / reduce, global_avg_pool(s / pool, x), -1, 1))
    return mul(s, x, gate(s / scale, conv(s / expand, y, x.shape[1], 1)))


def inverted_residual(
    s: Scope,
    x: Tensor,
    wide: int,
    out: int,
    k: int,
    stride: int,
    *,
    act: Activation,
    squeeze: Activation | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Sandler et al. 2018: 1×1 to `wide` channels (left out where x has as many), k×k on each channel, a gate
    `squeeze(scope, x)` where there is one (Tan et al. 2018), 1×1 to `out` channels. These are the steps of the
    Sequential `block`; x is added where size and channels stay.
    """
    steps: list[Activation] = []
    if wide != x.shape[1]:
        steps.append(lambda at, y: conv_norm_act(at, y, wide, 1, act=act, eps=eps))
    steps.append(lambda at, y: conv_norm_act(at, y, wide, k, stride, wide, act=act, eps=eps))
    if squeeze:
        steps.append(squeeze)
    steps.append(lambda at, y: conv_norm_act(at, y, out, 1, act=None, eps=eps))
    y = x
    for i, step in enumerate(steps):
        y = step(s / "block" / i, y)
    s.net.record(f"{s.path}.block", y)
    return shortcut(s, x, y, stride)


def shortcut(s: Scope, x: Tensor, y: Tensor, stride: int) -> Tensor:
    """y as the output of the block `s`, x added where size and channels stay. Where they do, the block may have a
    module `stochastic_depth`, which does nothing at inference."""
    if stride != 1 or x.shape != y.shape:
        return s.net.record(s.path, y)
    return s.net.record(s.path, identity(s / "stochastic_depth", y) + x)
