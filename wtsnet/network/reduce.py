"""Reductions, softmax, and what is the best of a dimension."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network.declaring import op
from wtsnet.network.dims import Dim
from wtsnet.network.indexing import index_select
from wtsnet.network.pointwise import FLOATS, elementwise, unary
from wtsnet.network.shape import axes_of, axis_of, fixed_size, flatten, squeeze, to, transpose, unsqueeze

if TYPE_CHECKING:
    from wtsnet.network.checks import DType
    from wtsnet.network.tensor import Tensor

TOPK_LIMIT = 3840  # the largest k of TensorRT's top-k layer


class Found(NamedTuple):
    """What topk, sort, and max and min along a dimension give: the values, and where they were (int32)."""

    values: Tensor
    indices: Tensor


def reduce(operation: str, x: Tensor, dim: int | Sequence[int] | None, keepdim: bool) -> Tensor:
    """TensorRT's ReduceOperation `operation` over `dim` (a number, several, or None for all)."""
    axes = axes_of(x, dim) or tuple(range(x.rank))  # torch's reductions, too, take no dimensions for all
    mask = builtins.sum(1 << axis for axis in axes)
    return x.net.emit("add_reduce", x, tensorrt.enum("ReduceOperation", operation), mask, keepdim)


@op("torch.mean")
def mean(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The mean over `dim`; None stands for all."""
    x = input if dtype is None else to(input, dtype)
    if x.dtype not in FLOATS:
        raise input.error(f'found {x.dtype}, expected floats, or dtype="float32"')
    return reduce("AVG", x, dim, keepdim)


@op("torch.sum")
def sum(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The sum over `dim`; of bools, as int32, how many are true."""
    x = _summand(input, dtype)
    return reduce("SUM", x, dim, keepdim)


@op("torch.prod")
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The product over `dim`."""
    return reduce("PROD", _summand(input, dtype), dim, keepdim)


def _summand(x: Tensor, dtype: str | None) -> Tensor:
    return to(x, dtype or ("int32" if x.dtype in ("bool", "uint8", "int8") else x.dtype))


@op("torch.amax")
def amax(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """The largest over `dim`."""
    return reduce("MAX", input, dim, keepdim)


@op("torch.amin")
def amin(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """The smallest over `dim`."""
    return reduce("MIN", input, dim, keepdim)


@op("torch.max")
def max(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The largest of all; with `dim`, the largest along it and where they are (int32)."""
    return reduce("MAX", input, None, False) if dim is None else _best(input, dim, keepdim, True)


@op("torch.min")
def min(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The smallest of all; with `dim`, the smallest along it and where they are (int32)."""
    return reduce("MIN", input, None, False) if dim is None else _best(input, dim, keepdim, False)


@op("torch.any")
def any(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """Whether any over `dim` is true; numbers are where they are not 0."""
    x = input if input.dtype == "bool" else input.ne(0)
    return elementwise("GREATER", reduce("MAX", to(x, "int32"), dim, keepdim), 0)


@op("torch.all")
def all(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """Whether all over `dim` are true; numbers are where they are not 0."""
    x = input if input.dtype == "bool" else input.ne(0)
    return elementwise("GREATER", reduce("MIN", to(x, "int32"), dim, keepdim), 0)


@op("torch.var")
def var(
    input: Tensor, dim: int | Sequence[int] | None = None, *, correction: float = 1, keepdim: bool = False
) -> Tensor:
    """The variance over `dim`: Σ(x − mean)² / (n − correction), in float32, since squares overflow half precision."""
    return to(_variance(input, dim, correction, keepdim), input.dtype)


@op("torch.std")
def std(
    input: Tensor, dim: int | Sequence[int] | None = None, *, correction: float = 1, keepdim: bool = False
) -> Tensor:
    """The root of the variance."""
    return to(unary("SQRT", _variance(input, dim, correction, keepdim)), input.dtype)


def _variance(x: Tensor, dim: int | Sequence[int] | None, correction: float, keepdim: bool) -> Tensor:
    wide = to(x, "float32")
    apart = wide - reduce("AVG", wide, dim, True)
    if not correction:
        return reduce("AVG", apart * apart, dim, keepdim)
    axes = axes_of(x, dim) or tuple(range(x.rank))
    count: int | Dim = 1
    for axis in axes:
        count = x.dims[axis] * count
    if not isinstance(count, Dim) and isinstance(correction, int) and count <= correction:
        raise x.error(f"correction: found {correction} for {count} values, expected less")
    return reduce("SUM", apart * apart, dim, keepdim) / (count - correction)  # type: ignore[operator]  # a Dim takes integers


@op("torch.norm")
def norm(
    input: Tensor, p: float | str = "fro", dim: int | Sequence[int] | None = None, keepdim: bool = False
) -> Tensor:
    """(Σ|x|ᵖ)^(1/p) over `dim`, in float32; "fro" is p = 2, and ±inf the largest and smallest magnitude."""
    if isinstance(p, str) and p != "fro":
        raise input.error(f"p: found {p!r}, expected 'fro' or a number")
    wide, power = to(input, "float32"), 2.0 if isinstance(p, str) else float(p)
    if power == 2.0:
        y = unary("SQRT", reduce("SUM", wide * wide, dim, keepdim))
    elif math.isinf(power):
        y = reduce("MAX" if power > 0 else "MIN", unary("ABS", wide), dim, keepdim)
    elif power == 0.0:
        y = reduce("SUM", to(wide.ne(0.0), "float32"), dim, keepdim)
    else:
        total = reduce("SUM", elementwise("POW", unary("ABS", wide), power), dim, keepdim)
        y = total if power == 1.0 else elementwise("POW", total, 1 / power)
    return to(y, input.dtype)


@op("torch.logsumexp")
def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """log Σ eˣ over `dim`, as max + log Σ e^(x − max): nothing overflows."""
    top = reduce("MAX", input, dim, True)
    total = unary("LOG", reduce("SUM", unary("EXP", input - top), dim, True)) + top
    return total if keepdim else squeeze(total, axes_of(input, dim))


@op("torch.softmax")
def softmax(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """eˣ / Σ eˣ over `dim`."""
    x = input if dtype is None else to(input, dtype)
    axis = axis_of(x, dim)
    if x.rank > 1:
        return x.net.emit("add_softmax", x, axes=1 << axis)
    return squeeze(x.net.emit("add_softmax", unsqueeze(x, 0), axes=2), 0)  # TensorRT's has two dimensions at least


@op("torch.nn.functional.softmin")
def softmin(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """The softmax of −x."""
    return softmax(unary("NEG", input), dim, dtype=dtype)


@op("torch.log_softmax")
def log_softmax(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """log softmax(x), as x − max − log Σ e^(x − max): exact where the softmax itself rounds to 0."""
    x = input if dtype is None else to(input, dtype)
    apart = x - reduce("MAX", x, dim, True)
    return apart - unary("LOG", reduce("SUM", unary("EXP", apart), dim, True))


@op("torch.topk")
def topk(input: Tensor, k: int, dim: int | None = None, largest: bool = True, *, sorted: bool = True) -> Found:
    """The `k` largest or smallest along `dim`, the best first, and where they are (int32).

    Args:
        dim: the last where it is None.
        sorted: they are so in any case.

    Raises:
        NetworkError: `k` is more than TensorRT's limit of 3840 or than the dimension holds.
    """
    axis = axis_of(input, -1 if dim is None else dim)
    size = input.shape[axis]
    most = TOPK_LIMIT if size == -1 or size > TOPK_LIMIT else size
    if not 1 <= k <= most:
        raise input.error(f"k: found {k}, expected 1 to {most}")
    top = _top(input, k, axis, largest)
    return Found(_first(input, top), _first(input, top.layer_output(1)))


def _top(x: Tensor, k: int, axis: int, largest: bool) -> Tensor:
    """TensorRT's top-k layer, which has two dimensions at least: of a row, those of (1, n)."""
    operation = tensorrt.enum("TopKOperation", "MAX" if largest else "MIN")
    row = x.rank == 1
    return x.net.emit("add_topk", unsqueeze(x, 0) if row else x, operation, k, 2 if row else 1 << axis)


def _first(x: Tensor, found: Tensor) -> Tensor:
    """An output of the top-k layer of `x`, with as many dimensions as this has."""
    return squeeze(found, 0) if x.rank == 1 else found


def _best(x: Tensor, dim: int, keepdim: bool, largest: bool) -> Found:
    found = topk(x, 1, dim, largest)
    return found if keepdim else Found(*(squeeze(each, dim) for each in found))


@op("torch.argmax")
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest is along `dim` (int32), or among all values in a row where it is None."""
    return _where(input, dim, keepdim, True)


@op("torch.argmin")
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest is along `dim` (int32), or among all values in a row where it is None."""
    return _where(input, dim, keepdim, False)


def _where(x: Tensor, dim: int | None, keepdim: bool, largest: bool) -> Tensor:
    row, axis = (flatten(x), 0) if dim is None else (x, axis_of(x, dim))
    index = _first(row, _top(row, 1, axis, largest).layer_output(1))
    if dim is None and keepdim:
        return index.reshape((1,) * x.rank)
    return index if keepdim else squeeze(index, axis)


@op("torch.sort")
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Found:
    """In order along `dim`, and where each value was (int32); up to 3840 values.

    Which of equal values comes first is TensorRT's choice, so `stable` can't be asked for.
    """
    return topk(input, _sorted_size(input, dim, stable), dim, descending)


@op("torch.argsort")
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """Where the values of `sort` were (int32)."""
    top = _top(input, _sorted_size(input, dim, stable), axis_of(input, dim), descending)
    return _first(input, top.layer_output(1))


def _sorted_size(x: Tensor, dim: int, stable: bool) -> int:
    """The size of a dimension that is to be sorted."""
    if stable:
        raise x.error("stable: found True, expected False: TensorRT's top-k promises no order of equal values")
    size = x.shape[axis_of(x, dim)]
    if size == -1 or size > TOPK_LIMIT:
        raise x.error(f"found size {size} at dim {dim} of {x.shape}, expected a fixed one up to {TOPK_LIMIT}")
    return size


@op("torch.cumsum")
def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Each value with all before it along `dim` added; of bools and small integers, as int32."""
    x = _summand(input, dtype)
    axis = axis_of(x, dim)
    return _running_sum(x, axis)


def _running_sum(x: Tensor, axis: int) -> Tensor:
    if hasattr(x.net.trt, "add_cumulative"):
        place = x.net.constant(np.array(axis, np.int32), "int32", label="axis")
        operation = tensorrt.enum("CumulativeOperation", "SUM")
        return x.net.emit("add_cumulative", x, place, operation, False, False)
    # TensorRT 10.0 has no such layer: the sums are a product with a matrix of ones up to the diagonal.
    size = x.shape[axis]
    if size == -1 or x.dtype not in FLOATS:
        raise x.error(f"found {x.dtype} {x.shape}, expected floats of a fixed size at dim {axis} with this TensorRT")
    ones = x.net.constant(np.triu(np.ones((1,) * (x.rank - 1) + (size, size)))[..., :, :], x.dtype)
    last = x.rank - 1
    rows = unsqueeze(transpose(x, axis, last), -2)
    none = tensorrt.enum("MatrixOperation", "NONE")
    y = x.net.emit("add_matrix_multiply", rows, none, ones, none)
    return transpose(squeeze(y, -2), axis, last)


@op("torch.nn.functional.normalize")
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x / max(‖x‖ₚ, eps) over `dim`; the length is found in float32."""
    wide = to(input, "float32")
    return to(wide / norm(wide, p, dim, keepdim=True).clamp(min=eps), input.dtype)


@op("torch.cdist")
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0) -> Tensor:
    """The distances ‖a − b‖ₚ between all rows of both, (…, P, M) and (…, R, M) to (…, P, R), in float32.

    They are those of the differences themselves, (…, P, R, M), since a product, which torch may take for many rows,
    loses digits.
    """
    if x1.dtype != x2.dtype or x1.dtype not in FLOATS:
        raise x1.error(f"found {x1.dtype} and {x2.dtype}, expected equal dtypes, of floats")
    if x1.rank < 2 or x2.rank < 2 or (x1.shape[-1] != x2.shape[-1] and -1 not in (x1.shape[-1], x2.shape[-1])):
        raise x1.error(f"found {x1.shape} and {x2.shape}, expected two dimensions or more each, the last equal")
    return _distances(unsqueeze(to(x1, "float32"), -2), unsqueeze(to(x2, "float32"), -3), p, x1.dtype)


@op("torch.nn.functional.pdist")
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The distances ‖a − b‖ₚ of all pairs of rows of (N, M), of each pair once: (N·(N − 1)/2,), in float32."""
    if input.rank != 2 or input.dtype not in FLOATS:
        raise input.error(f"found {input.dtype} {input.shape}, expected floats in two dimensions")
    pairs = np.triu_indices(fixed_size(input, 0), 1)
    if not pairs[0].size:
        raise input.error(f"found {input.shape}, expected two rows or more")
    rows = to(input, "float32")
    first, second = (index_select(rows, 0, input.net.constant(each, "int32")) for each in pairs)
    return _distances(first, second, p, input.dtype)


def _distances(a: Tensor, b: Tensor, p: float, dtype: str) -> Tensor:
    if p < 0:
        raise a.error(f"p: found {p}, expected at least 0")
    return to(norm(a - b, p, -1), dtype)
