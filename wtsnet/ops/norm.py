"""Normalizations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet.ops.pointwise import add, div, maximum, mul, sqrt
from wtsnet.ops.reduce import mean, total
from wtsnet.ops.shape import reshape, spatial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wtsnet.network import Scope, Tensor


def affine_of_batch_norm(s: Scope, channels: int, eps: float = 1e-5) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A batch norm's inference as scale and shift, each (channels,) float64: y = x·scale + shift.

    `eps` counts where no manifest tells the module's own. A module without `weight` and `bias`
    (affine=False) has scale 1/√(v+eps).
    """
    mean = s.take("running_mean", channels).astype(np.float64)
    variance = s.take("running_var", channels).astype(np.float64)
    s.leave("num_batches_tracked")
    scale = 1.0 / np.sqrt(variance + s.net.weights.eps(s.path, eps))
    if not s.has("weight") and not s.has("bias"):
        return scale, -mean * scale
    scale = scale * s.take("weight", channels)
    return scale, s.take("bias", channels) - mean * scale


def batch_norm(s: Scope, x: Tensor, eps: float = 1e-5) -> Tensor:
    """`torch.nn.BatchNorm1d`, `2d` or `3d` with running statistics: (N, C, …) to the same shape."""
    scale, shift = affine_of_batch_norm(s, x.shape[1], eps)
    return scale_shift(s, x, scale, shift)


def scale_shift(
    s: Scope,
    x: Tensor,
    scale: NDArray[np.floating],
    shift: NDArray[np.floating],
    axis: int = 1,
    suffix: str = "",
) -> Tensor:
    """x·scale + shift, with one scale and shift for each index of `axis`."""
    if axis == 1 and x.rank in (4, 5):  # the ranks that TensorRT's scale layer takes
        mode = s.enum("ScaleMode", "CHANNEL")
        power = s.convert(np.ones(len(scale)), x.dtype)  # given, since empty weights would be float32 of their own
        shift, scale = s.convert(shift, x.dtype), s.convert(scale, x.dtype)
        return s.emit("add_scale_nd", x, mode, shift, scale, power, 1, suffix=suffix)
    shape = [1] * x.rank
    shape[axis] = -1
    y = mul(s, x, s.constant(scale.reshape(shape), x.dtype, suffix="scale"), suffix="scaled")
    return add(s, y, s.constant(shift.reshape(shape), x.dtype, suffix="shift"), suffix=suffix)


def layer_norm(
    s: Scope,
    x: Tensor,
    dims: int | Sequence[int] = 1,
    eps: float = 1e-5,
    affine: bool = True,
    bias: bool = True,
    suffix: str = "",
) -> Tensor:
    """`torch.nn.LayerNorm` over the last dimensions of `x` (Ba et al. 2016).

    Args:
        dims: how many of the last dimensions are normalized, or their sizes as PyTorch's `normalized_shape`.
        affine: whether the module has `weight` (and, with `bias`, `bias`).
    """
    count = dims if isinstance(dims, int) else len(tuple(dims))
    if not 1 <= count <= x.rank:
        raise s.error(f"dims: found {dims}, expected 1 to {x.rank} of the dimensions of {x.shape}")
    sizes = x.shape[-count:]
    if not isinstance(dims, int) and tuple(dims) != sizes:
        raise s.error(f"normalized_shape: found {tuple(dims)}, expected the last sizes of {x.shape}")
    shape = (*(1,) * (x.rank - count), *sizes)
    weight = s.take("weight", *sizes).reshape(shape) if affine else np.ones((1,) * x.rank, np.float32)
    offset = s.take("bias", *sizes).reshape(shape) if affine and bias else np.zeros_like(weight)
    return _normalize(s, x, weight, offset, range(-count, 0), eps, suffix)


def instance_norm(s: Scope, x: Tensor, eps: float = 1e-5, affine: bool = False) -> Tensor:
    """`torch.nn.InstanceNorm1d`, `2d` or `3d` (Ulyanov et al. 2016): statistics are the instance's own, or the running
    ones where the weights hold them (`track_running_stats=True`)."""
    spatial(s, x)
    if s.has("running_mean"):
        return batch_norm(s, x, eps)
    shape = (1, x.shape[1], *(1,) * (x.rank - 2))
    weight = s.take("weight", x.shape[1]) if affine else np.ones(shape, np.float32)
    offset = s.take("bias", x.shape[1]) if affine else np.zeros(shape, np.float32)
    return _normalize(s, x, weight.reshape(shape), offset.reshape(shape), range(2, x.rank), eps)


def group_norm(s: Scope, x: Tensor, groups: int, eps: float = 1e-5, affine: bool = True) -> Tensor:
    """`torch.nn.GroupNorm` (Wu & He 2018): (N, C, …), normalized over each group of C / groups channels.

    Releases differ in whether TensorRT's own group norm scales by group or by channel, so the groups become
    rows of a layer norm and the channels are scaled behind it.
    """
    channels = x.shape[1]
    if groups < 1 or channels % groups:
        raise s.error(f"groups: found {groups}, expected a divisor of {channels} channels")
    rows = reshape(s, x, (x.dims[0], groups, -1), suffix="groups")
    one = np.ones((1, 1, 1), np.float32)
    y = _normalize(s, rows, one, one * 0, (2,), eps, suffix="normalized")
    if not affine:
        return reshape(s, y, x.dims)
    y = reshape(s, y, x.dims, suffix="channels")
    return scale_shift(s, y, s.take("weight", channels), s.take("bias", channels))


def _normalize(
    s: Scope,
    x: Tensor,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
    axes: Sequence[int],
    eps: float,
    suffix: str = "",
) -> Tensor:
    """(x − mean)/√(var + eps)·weight + bias over `axes`."""
    mask = sum(1 << (axis % x.rank) for axis in axes)
    scale = s.constant(weight, x.dtype, suffix="weight")
    shift = s.constant(bias, x.dtype, suffix="bias")
    return s.emit("add_normalization", x, scale, shift, mask, suffix=suffix, epsilon=eps)


def normalize(s: Scope, x: Tensor, dim: int = 1, eps: float = 1e-12, suffix: str = "") -> Tensor:
    """`torch.nn.functional.normalize` with p = 2: x / max(√Σx², eps) over `dim`.

    The length is found in float32, since squares overflow half precision.
    """
    wide = s.cast(x, "float32")
    power = total(s, mul(s, wide, wide, suffix="square"), dim, keepdim=True, suffix="sum")
    length = maximum(s, sqrt(s, power, suffix="root"), eps, suffix="length")
    if x.dtype == "float32":
        return div(s, wide, length, suffix=suffix)
    # The last layer carries the name: here it is the cast back.
    return s.emit("add_cast", div(s, wide, length, suffix="normalized"), x.trt.dtype, suffix=suffix)


def rms_norm(s: Scope, x: Tensor, eps: float = 2.0**-23, affine: bool = True) -> Tensor:
    """`torch.nn.RMSNorm` over the last dimension (Zhang & Sennrich 2019): x / √(mean(x²) + eps) · weight.

    The division is done in float32, since squares overflow half precision. The default `eps` is PyTorch's for every
    dtype.
    """
    wide = s.cast(x, "float32")
    power = mean(s, mul(s, wide, wide, suffix="square"), -1, keepdim=True, suffix="mean")
    y = div(s, wide, sqrt(s, add(s, power, eps, suffix="eps"), suffix="root"), suffix="normalized")
    weight = s.take("weight", x.shape[-1]) if affine else np.ones(1, np.float32)
    scale = s.constant(weight.reshape(*(1,) * (x.rank - 1), -1), x.dtype, suffix="weight")
    return mul(s, s.cast(y, x.dtype), scale)
