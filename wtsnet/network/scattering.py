"""Writing at indices: scatter, index_put, and what else puts one tensor into another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network.checks import is_tensor
from wtsnet.network.declaring import op
from wtsnet.network.dims import Dim
from wtsnet.network.indexing import check_integers, in_front, index_select, leading, place_of, spread_to, together
from wtsnet.network.pointwise import FLOATS, elementwise, where
from wtsnet.network.product import multiply
from wtsnet.network.reduce import cumsum
from wtsnet.network.reduce import reduce as reduced
from wtsnet.network.shape import (
    axis_of,
    cat,
    cut,
    expand,
    fixed_size,
    flatten,
    movedim,
    reshape,
    span,
    to,
    transpose,
    unsqueeze,
)

if TYPE_CHECKING:
    from wtsnet.network.tensor import Tensor

# What `scatter_reduce` calls a reduction: TensorRT's ReduceOperation, its ElementWiseOperation, and the value that
# changes nothing.
REDUCTIONS: dict[str, tuple[str, str, float]] = {
    "sum": ("SUM", "SUM", 0),
    "prod": ("PROD", "PROD", 1),
    "mean": ("SUM", "SUM", 0),
    "amax": ("MAX", "MAX", -math.inf),
    "amin": ("MIN", "MIN", math.inf),
}


@op("torch.scatter")
def scatter(input: Tensor, dim: int, index: Tensor, src: Tensor | float | bool) -> Tensor:
    """`input` with the values of `src` put where `index` says along `dim`.

    Which of several for one place stays is left open, as in torch.
    """
    axis = axis_of(input, dim)
    check_integers(index)
    if index.rank != input.rank:
        raise input.error(f"index: found {index.shape} for {input.shape}, expected as many dimensions")
    if not is_tensor(src):
        values = expand(input.net.constant(np.full((1,) * input.rank, src), input.dtype), index.dims)
    elif src.dtype != input.dtype:
        raise input.error(f"src: found {src.dtype}, expected the input's {input.dtype}")
    else:
        sizes = zip(src.shape, index.shape, strict=False)
        if src.rank != index.rank or any(-1 not in (own, wanted) and own < wanted for own, wanted in sizes):
            raise input.error(f"src: found {src.shape} for an index of {index.shape}, expected its sizes at least")
        values = leading(src, index, range(src.rank))
    mode = tensorrt.enum("ScatterMode", "ELEMENT")
    return input.net.emit("add_scatter", input, index, values, mode, axis=axis)


@op("torch.scatter_add")
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with the values of `src` added where `index` says along `dim`.

    TensorRT's scatter layer adds nothing up, so each place adds all values that are meant for it: these, and 0 for the
    others. It takes memory of index.size · input.shape[dim] values.
    """
    return scatter_reduce(input, dim, index, src, "sum")


@op("torch.scatter_reduce")
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`input`, each place being the sum, mean … of the values of `src` that are meant for it along `dim`.

    It takes memory of index.size · input.shape[dim] values, as `scatter_add` does.

    Args:
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether a place's own value counts too; one that no value is meant for keeps its own.
    """
    axis = axis_of(input, dim)
    check_integers(index)
    if reduce not in REDUCTIONS:
        raise input.error(f"reduce: found {reduce!r}, expected one of {', '.join(REDUCTIONS)}")
    if src.dtype != input.dtype or src.dtype == "bool":
        raise input.error(f"src: found {src.dtype}, expected numbers of the input's {input.dtype}")
    if index.rank != input.rank or src.rank != input.rank:
        raise input.error(
            f"index: found {index.shape} and src {src.shape} for {input.shape}, expected as many dimensions"
        )
    values = leading(src, index, range(src.rank))
    for i, (n, own, most) in enumerate(zip(index.shape, input.shape, values.shape, strict=True)):
        if (i != axis and -1 not in (n, own) and n != own) or (-1 not in (n, most) and n != most):
            raise input.error(
                f"index: found {index.shape} for {input.shape} and src {src.shape}, expected the input's sizes but for "
                f"dim {dim}, and no more than those of src"
            )
    over, join, nothing = REDUCTIONS[reduce]
    if math.isinf(nothing) and input.dtype not in FLOATS:
        nothing = np.iinfo(input.dtype).max if nothing > 0 else np.iinfo(input.dtype).min
    column, named = _meant(axis, index, values, fixed_size(input, axis))
    found = transpose(reduced(over, where(named, column, nothing), -2, False), axis, input.rank - 1)
    if include_self:
        found = elementwise(join, input, found)
    if include_self and reduce != "mean":
        return found
    count = transpose(reduced("SUM", to(named, "int32"), -2, False), axis, input.rank - 1)
    if reduce == "mean":
        parts = to(count + 1 if include_self else count.maximum(1), input.dtype)
        found = elementwise("DIV" if input.dtype in FLOATS else "FLOOR_DIV", found, parts)
    return found if include_self else where(count > 0, found, input)


def _meant(axis: int, index: Tensor, src: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The values along `axis`, which comes last, (…, J, 1), and for which of its `size` places each is meant,
    (…, J, size)."""
    indices, values = (unsqueeze(transpose(x, axis, x.rank - 1), -1) for x in (index, src))
    places = np.arange(size).reshape(*(1,) * index.rank, -1)
    return values, elementwise("EQUAL", indices, index.net.constant(places, index.dtype))


@op("torch.index_put")
def index_put(
    input: Tensor, indices: Sequence[Tensor | None], values: Tensor | float | bool, accumulate: bool = False
) -> Tensor:
    """`input` with `values` where `indices` point: `index_put(x, (i, j), v)` is what `x[i, j] = v` leaves in x.

    Which of several values for one place stays is left open, as in torch.

    Args:
        indices: for each of the first dimensions int32 or int64, which broadcast, or None for all of it; or one
            tensor of bools for as many dimensions as it has, where `values` may have those behind it alone.
        values: broadcast to what `input[indices]` is.
        accumulate: whether they are added, several for one place, too: finite floats, by a product that takes memory
            of as many values as there are indices times places.
    """
    if is_tensor(values) and values.dtype != input.dtype:
        raise input.error(f"values: found {values.dtype}, expected the input's {input.dtype}")
    picks = {axis: index for axis, index in enumerate(indices) if index is not None}
    if len(indices) > input.rank or not picks:
        raise input.error(f"indices: found {len(indices)} for shape {input.shape}, expected one tensor or more")
    if any(index.dtype == "bool" for index in picks.values()):
        return _put_where(input, picks, values, accumulate)
    for index in picks.values():
        check_integers(index, "indices")
    axes, index = list(picks), together(list(picks.values()), "indices")
    count, place = index.rank - 1, place_of(axes)
    rest = [size for axis, size in enumerate(input.dims) if axis not in picks]
    sizes = [*rest[:place], *index.dims[:-1], *rest[place:]]
    given = values if is_tensor(values) else input.net.constant(np.full((1,) * len(sizes), values), input.dtype)
    given = spread_to(given, sizes, "values")
    given = movedim(given, range(place, place + count), range(count)) if place and count else given
    x = in_front(input, axes)
    if accumulate:
        y = _added(x, index, given)
    else:
        mode = tensorrt.enum("ScatterMode", "ND")
        y = x.net.emit("add_scatter", x, index, given, mode)
    return y if x is input else movedim(y, range(len(axes)), axes)


def _added(x: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """`x` with values added at indices (…, k) of its first k dimensions."""
    if x.dtype not in FLOATS:
        raise x.error(f"accumulate: found {x.dtype}, expected floats: TensorRT has no product of integers")
    k = index.shape[-1]
    sizes = [fixed_size(x, axis) for axis in range(k)]
    column = x.net.constant(np.array(sizes).reshape(*(1,) * (index.rank - 1), k), index.dtype)
    strides = [math.prod(sizes[axis + 1 :]) for axis in range(k)]
    steps = x.net.constant(np.array(strides).reshape(*(1,) * (index.rank - 1), k), index.dtype)
    from_start = where(index < 0, index + column, index)
    places = reshape(reduced("SUM", from_start * steps, -1, False), (-1, 1))
    named = elementwise("EQUAL", places, x.net.constant(np.arange(math.prod(sizes))[None], places.dtype))
    rest: int | Dim = 1
    for size in x.dims[k:]:
        rest = size * rest
    rows = reshape(values, (places.dims[0], rest))
    return x + reshape(multiply(to(named, x.dtype), rows, transpose_a=True), x.dims)


def _put_where(x: Tensor, picks: dict[int, Tensor], values: Any, accumulate: bool) -> Tensor:
    """`x` with values where the one tensor of bools among indices holds."""
    (axis, mask), *others = picks.items()
    behind = x.rank - axis - mask.rank
    own = x.shape[axis : axis + mask.rank]
    if others or behind < 0 or any(-1 not in (n, m) and n != m for n, m in zip(mask.shape, own, strict=False)):
        found = f"{mask.shape} at dim {axis}" if not others else f"{len(picks)} tensors"
        raise x.error(f"indices: found bool and {found}, expected one tensor of bools with sizes of {x.shape}")
    if is_tensor(values) and values.rank > behind:
        raise x.error(
            f"values: found {values.shape}, expected at most the {behind} dimensions behind the bools: how many of "
            "these are true is not known; masked_scatter and where take values for each place"
        )
    chosen = reshape(mask, (*mask.dims, *(1,) * behind))
    return where(chosen, elementwise("SUM", x, values) if accumulate else values, x)


@op("torch.masked_scatter")
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input`, and where `mask` (bool) holds the values of `source`, in order; these must be enough."""
    if mask.dtype != "bool":
        raise input.error(f"mask: found {mask.dtype}, expected bool")
    if source.dtype != input.dtype:
        raise input.error(f"source: found {source.dtype}, expected the input's {input.dtype}")
    wide = spread_to(mask, input.dims, "mask")
    row = cumsum(flatten(wide), 0) - 1  # how many are true before each place
    taken = index_select(flatten(source), 0, row.maximum(0))
    return where(wide, reshape(taken, input.dims), input)


@op("torch.select_scatter")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int | Dim) -> Tensor:
    """`input` with `src` at `index` of `dim`: what `select` would give then."""
    axis = axis_of(input, dim)
    size = input.shape[axis]
    if isinstance(index, int) and size != -1 and not -size <= index < size:
        raise input.error(f"index: found {index}, expected it within {size} at dim {dim}")
    if src.rank != input.rank - 1:
        raise input.error(f"src: found {src.shape} for {input.shape}, expected its sizes without dim {dim}")
    first = input.dims[axis] + index if isinstance(index, int) and index < 0 else index
    return slice_scatter(input, unsqueeze(src, axis), axis, first, first + 1)


@op("torch.slice_scatter")
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | Dim | None = None,
    end: int | Dim | None = None,
    step: int = 1,
) -> Tensor:
    """`input` with `src` at start:end:step of `dim`: what that slice would give then.

    A size known only at run time must hold what is asked for, with a step of 1.
    """
    axis = axis_of(input, dim)
    size = input.shape[axis]
    if step < 1:
        raise input.error(f"step: found {step}, expected at least 1")
    first, count = span(input, input.dims[axis], start, end, step)
    wanted = [-1 if isinstance(n, Dim) else n for n in (*input.dims[:axis], count, *input.dims[axis + 1 :])]
    equal = all(-1 in (n, own) or n == own for n, own in zip(wanted, src.shape, strict=False))
    if src.dtype != input.dtype or src.rank != input.rank or not equal:
        raise input.error(
            f"src: found {src.dtype} {src.shape}, expected {input.dtype} {tuple(wanted)}, as what it takes the place of"
        )
    if step == 1:
        last = first + count
        before = [] if isinstance(first, int) and first == 0 else [cut(input, axis, 0, first)]
        whole = end is None or (isinstance(last, int) and last == size)
        after = [] if whole else [cut(input, axis, last, input.dims[axis])]
        return cat([*before, src, *after], axis) if before or after else src
    if isinstance(first, Dim) or isinstance(count, Dim) or size == -1:
        raise input.error(f"step: found {step} along a dim {dim} whose size, start or end is dynamic, expected 1")
    order = np.arange(size)
    order[first::step][:count] = size + np.arange(count)
    return index_select(cat([input, src], axis), axis, input.net.constant(order, "int32"))
