"""Re-parametrised convolutions: branches in training, one convolution at inference (Ding et al. 2021, RepVGG)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet.blocks.yolo.convs import EPS, conv_block
from wtsnet.network import module
from wtsnet.ops import silu
from wtsnet.ops.convolution import convolution_as, kernel_of
from wtsnet.ops.normalization import affine_of_batch_norm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wtsnet.network import Scope, Tensor


def sum_of_convs(s: Scope, x: Tensor, c: int, branches: Mapping[str, int], groups: int = 1) -> Tensor:
    """The sum of two convolutions with batch norms: (N, C, H, W) to (N, c, H, W).

    With batch norms folded it is one convolution, whose kernel and bias are the sums of theirs in float64;
    else each branch has layers of its own.

    Args:
        branches: for the name of each convolution block in `s` the size of its kernel, which is odd.
    """
    if not s.net.fold_bn:
        y, z = (conv_block(s / name, x, c, k, groups=groups, activate=False) for name, k in branches.items())
        return y + z
    parts = [folded(s / name / "conv", s / name / "bn", x, c, k, groups, EPS) for name, k in branches.items()]
    return one_conv(s / "fused", x, parts, groups=groups)


@module
def rep_conv(s: Scope, x: Tensor, c: int) -> Tensor:
    """A 3×3 and a 1×1 convolution on the same input, added before a SiLU."""
    return silu(sum_of_convs(s, x, c, {"conv1": 3, "conv2": 1}))


def folded(
    s: Scope, bn: Scope, x: Tensor, out: int, k: int | tuple[int, int], groups: int = 1, eps: float = 1e-5
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The kernel (out, C/groups, k …) and the bias (out,) of the convolution `s` with the batch norm `bn` behind it
    folded in (see `conv_bn`)."""
    scale, shift = affine_of_batch_norm(bn, out, eps)
    return kernel_of(s, x, out, k, groups) * scale.reshape(-1, 1, 1, 1), shift


def one_conv(
    s: Scope,
    x: Tensor,
    parts: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    stride: int = 1,
    groups: int = 1,
) -> Tensor:
    """The sum of convolutions as one, as what module `s` gives.

    Args:
        parts: the kernel (out, C/groups, k, k) and the bias (out,) of each; k is odd, and the input padded by k // 2.
    """
    largest = max(kernel.shape[2] for kernel, _ in parts)
    margins = [((largest - kernel.shape[2]) // 2,) * 2 for kernel, _ in parts]
    kernels = [np.pad(kernel, [(0, 0), (0, 0), m, m]) for (kernel, _), m in zip(parts, margins, strict=True)]
    bias = np.sum([shift for _, shift in parts], 0)
    return convolution_as(s, x, np.sum(kernels, 0), bias, stride, padding=largest // 2, groups=groups)
