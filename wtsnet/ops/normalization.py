"""Normalizations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network import module, op
from wtsnet.network.functions import sqrt
from wtsnet.network.shape import fixed_size, reshape, to
from wtsnet.ops.windows import spatial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.network import Scope, Tensor


def affine_of_batch_norm(
    s: Scope, num_features: int, eps: float = 1e-5, affine: bool = True, bias: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A batch norm's inference as scale and shift, each (num_features,) float64: y = x·scale + shift.

    `eps` counts where no manifest tells the module's own. A module without `weight` and `bias`
    (affine=False) has scale 1/√(v+eps).
    """
    mean = s.take("running_mean", num_features).astype(np.float64)
    variance = s.take("running_var", num_features).astype(np.float64)
    s.leave("num_batches_tracked")
    scale = 1.0 / np.sqrt(variance + s.net.weights.eps(s.path, eps))
    if not affine or not (s.has("weight") or s.has("bias")):
        return scale, -mean * scale
    scale = scale * s.take("weight", len(mean))
    return scale, (s.take("bias", len(mean)) if bias else 0.0) - mean * scale


@op("torch.nn.BatchNorm2d")
def batch_norm(s: Scope, input: Tensor, eps: float = 1e-5, *, affine: bool = True, bias: bool = True) -> Tensor:
    """A batch norm over 1, 2 or 3 spatial dimensions, or none, with its running statistics: (N, C, …) to the same.

    `affine` may stay True for a module without `weight` and `bias`: the weights tell.
    """
    _check_rank(input)
    return scaled(input, *affine_of_batch_norm(s, input.shape[1], eps, affine, bias))


def _check_rank(x: Tensor) -> None:
    if x.rank < 2:
        raise x.error(f"input: found shape {x.shape}, expected (N, C, …)")


@module
def scale_shift(s: Scope, x: Tensor, scale: NDArray[np.floating], shift: NDArray[np.floating], axis: int = 1) -> Tensor:
    """x·scale + shift, with one scale and shift for each index of `axis`, as what module `s` gives."""
    return scaled(x, scale, shift, axis)


def scaled(x: Tensor, scale: NDArray[np.floating], shift: NDArray[np.floating], axis: int = 1) -> Tensor:
    """x·scale + shift, with one scale and shift for each index of `axis`."""
    if axis == 1 and x.rank in (4, 5):  # the ranks that TensorRT's scale layer takes
        mode = tensorrt.enum("ScaleMode", "CHANNEL")
        power = x.net.convert(np.ones(len(scale)), x.dtype)  # given, since empty weights would be float32 of their own
        shift, scale = x.net.convert(shift, x.dtype), x.net.convert(scale, x.dtype)
        return x.net.emit("add_scale_nd", x, mode, shift, scale, power, 1)
    shape = [1] * x.rank
    shape[axis] = -1
    factor = x.net.constant(scale.reshape(shape), x.dtype, label="scale")
    return x * factor + x.net.constant(shift.reshape(shape), x.dtype, label="shift")


@op("torch.nn.LayerNorm")
def layer_norm(
    s: Scope,
    input: Tensor,
    normalized_shape: int | Sequence[int] | None = None,
    eps: float = 1e-5,
    *,
    elementwise_affine: bool = True,
    bias: bool = True,
) -> Tensor:
    """A layer norm over the last dimensions of `input` (Ba et al. 2016).

    Args:
        normalized_shape: the sizes of these; None for the last alone, whatever its size.
    """
    sizes = _last_sizes(input, normalized_shape)
    shape = (*(1,) * (input.rank - len(sizes)), *sizes)
    weight = s.take("weight", *sizes).reshape(shape) if elementwise_affine else np.ones((1,) * input.rank, np.float32)
    offset = s.take("bias", *sizes).reshape(shape) if elementwise_affine and bias else np.zeros_like(weight)
    return _normalized(input, weight, offset, range(input.rank - len(sizes), input.rank), eps)


def _last_sizes(x: Tensor, normalized_shape: int | Sequence[int] | None) -> tuple[int, ...]:
    if normalized_shape is None:
        sizes = x.shape[-1:]
    else:
        sizes = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not sizes or -1 in sizes or x.shape[-len(sizes) :] != sizes:
        raise x.error(f"normalized_shape: found {normalized_shape}, expected the last sizes of {x.shape}, fixed ones")
    return sizes


@op("torch.nn.InstanceNorm2d")
def instance_norm(
    s: Scope,
    input: Tensor,
    eps: float = 1e-5,
    *,
    affine: bool = False,
    track_running_stats: bool = False,
    bias: bool = True,
) -> Tensor:
    """An instance norm over 1, 2 or 3 spatial dimensions (Ulyanov et al. 2016).

    Statistics are the instance's own, or the running ones with `track_running_stats` or where the weights hold such.
    """
    spatial(input)
    if track_running_stats or s.has("running_mean"):
        return scaled(input, *affine_of_batch_norm(s, input.shape[1], eps, affine, bias))
    shape = (1, input.shape[1], *(1,) * (input.rank - 2))
    weight = s.take("weight", input.shape[1]) if affine else np.ones(fixed_size(input, 1), np.float32)
    offset = s.take("bias", input.shape[1]) if affine and bias else np.zeros_like(weight)
    return _normalized(input, weight.reshape(shape), offset.reshape(shape), range(2, input.rank), eps)


@op("torch.nn.GroupNorm")
def group_norm(
    s: Scope, input: Tensor, num_groups: int, eps: float = 1e-5, *, affine: bool = True, bias: bool = True
) -> Tensor:
    """A group norm (Wu & He 2018): (N, C, …), normalized over each group of C / num_groups channels.

    Releases differ in whether TensorRT's own group norm scales by group or by channel, so the groups become
    rows of a layer norm and the channels are scaled behind it.
    """
    _check_rank(input)
    channels = fixed_size(input, 1)
    if num_groups < 1 or channels % num_groups:
        raise input.error(f"num_groups: found {num_groups}, expected a divisor of {channels} channels")
    rows = reshape(input, (input.dims[0], num_groups, -1))
    one = np.ones((1, 1, 1), np.float32)
    y = reshape(_normalized(rows, one, one * 0, (2,), eps), input.dims)
    if not affine:
        return y
    weight = s.take("weight", channels)
    return scaled(y, weight, s.take("bias", channels) if bias else np.zeros_like(weight))


def _normalized(
    x: Tensor, weight: NDArray[np.float32], bias: NDArray[np.float32], axes: Sequence[int], eps: float
) -> Tensor:
    """(x − mean)/√(var + eps)·weight + bias over `axes`."""
    mask = sum(1 << axis for axis in axes)
    scale = x.net.constant(weight, x.dtype, label="weight")
    shift = x.net.constant(bias, x.dtype, label="bias")
    return x.net.emit("add_normalization", x, scale, shift, mask, epsilon=eps)


@op("torch.nn.RMSNorm")
def rms_norm(
    s: Scope,
    input: Tensor,
    normalized_shape: int | Sequence[int] | None = None,
    eps: float | None = None,
    *,
    elementwise_affine: bool = True,
) -> Tensor:
    """x / √(mean(x²) + eps) · weight over the last dimensions (Zhang & Sennrich 2019).

    The division is done in float32, since squares overflow half precision. `eps` is 2⁻²³ where it is None, as PyTorch's
    is for every dtype.
    """
    sizes = _last_sizes(input, normalized_shape)
    wide = to(input, "float32")
    power = (wide * wide).mean(tuple(range(-len(sizes), 0)), keepdim=True)
    y = to(wide / sqrt(power + (2.0**-23 if eps is None else eps)), input.dtype)
    if not elementwise_affine:
        return y
    weight = s.take("weight", *sizes).reshape(*(1,) * (input.rank - len(sizes)), *sizes)
    return y * input.net.constant(weight, input.dtype, label="weight")


@op("torch.nn.functional.local_response_norm")
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, *, k: float = 1.0) -> Tensor:
    """x / (k + alpha/size·Σ x² over `size` neighbouring channels)^beta (Krizhevsky et al. 2012), (N, C, …).

    Of an even `size` one neighbour more counts before a channel than behind it, as in PyTorch; TensorRT's own layer
    takes odd ones alone.
    """
    if size < 1:
        raise input.error(f"size: found {size}, expected at least 1")
    _check_rank(input)
    squares = to(input, "float32")
    squares = squares * squares
    channels = fixed_size(input, 1)
    near = np.zeros((channels, channels))
    for out in range(channels):
        near[out, max(out - size // 2, 0) : out + (size - 1) // 2 + 1] = alpha / size
    n, c, *rest = input.dims
    rows = reshape(squares, (n, c, -1))
    total = input.net.constant(near[None], "float32", label="neighbours") @ rows
    scale = (reshape(total, (n, c, *rest)) + k) ** beta
    return to(to(input, "float32") / scale, input.dtype)
