"""Picking by index: `x[…]`, gather, scatter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network.checks import CLASSES, is_tensor, shown
from wtsnet.network.dims import Dim
from wtsnet.network.op import op
from wtsnet.network.pointwise import elementwise, where
from wtsnet.network.product import multiply
from wtsnet.network.shape import axis_of, cut, cut_axes, expand, select, to, transpose, unsqueeze

if TYPE_CHECKING:
    from wtsnet.network.checks import Index
    from wtsnet.network.tensor import Tensor

INTEGERS = ("int32", "int64")


@op("torch.Tensor.__getitem__")
def getitem(input: Tensor, index: Index) -> Tensor:
    """`x[index]` as in torch: integers, slices, None, `...`, Dims as numbers, and at most one tensor of integers, which
    picks along its dimension. A slice's step may not be negative.

    A size known only at run time must hold what is asked for: nothing is clipped to it.
    """
    items = list(index) if isinstance(index, tuple) else [index]
    for item in items:
        if not (
            item is None or item is Ellipsis or isinstance(item, slice | Dim | CLASSES["Tensor"]) or _is_integer(item)
        ):
            raise input.error(
                f"index: found {shown(item)}, expected integers, slices, None, ... or a tensor of integers"
            )
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise input.error("index: found ... twice, expected it once")
    free = input.rank - sum(item is not None and item is not Ellipsis for item in items)
    if free < 0:
        raise input.error(f"index: found {input.rank - free} indices for shape {input.shape}")
    place = dots[0] if dots else len(items)
    items[place : place + 1] = [slice(None)] * free
    if sum(is_tensor(item) for item in items) > 1:
        raise input.error("index: found several tensors, expected one; gather and scatter take several")
    x, axis = _cut(input, [item for item in items if item is not None]), 0
    for item in items:
        if item is None:
            x, axis = unsqueeze(x, axis), axis + 1
        elif is_tensor(item):
            if item.dtype == "bool":
                raise input.error("index: found bool, expected int32 or int64; where and masked_fill take bools")
            x, axis = index_select(x, axis, item), axis + item.rank
        elif isinstance(item, slice):
            axis += 1
        else:
            x = select(x, axis, item if isinstance(item, Dim) else int(item))
    return x


def _is_integer(item: Any) -> bool:
    return isinstance(item, int | np.integer) and not isinstance(item, bool)


def _cut(x: Tensor, items: list[Any]) -> Tensor:
    """All slices at once, in one layer."""
    bounds = [item for item in items if isinstance(item, slice)]
    for item in bounds:
        for value in (item.start, item.stop, item.step):
            if not (value is None or isinstance(value, Dim) or _is_integer(value)):
                raise x.error(f"index: found {shown(value)} in a slice, expected integers or Dims")
        if item.step is not None and (isinstance(item.step, Dim) or item.step < 1):
            raise x.error(f"index: found step {item.step}, expected at least 1; flip turns a dimension round")
    return cut_axes(
        x, {axis: item for axis, item in enumerate(items) if isinstance(item, slice) and item != slice(None)}
    )


@op("torch.index_select")
def index_select(input: Tensor, dim: int, index: Tensor, *, batch_dims: int = 0) -> Tensor:
    """`input` at `index` (int32 or int64, of any shape) along `dim`.

    Args:
        batch_dims: how many first dimensions both share: (N, C, 4) at (N, K) along 1 with `batch_dims=1` is
            (N, K, 4).
    """
    axis = axis_of(input, dim)
    if not 0 <= batch_dims <= min(axis, index.rank):
        raise input.error(f"batch_dims: found {batch_dims}, expected 0 to {min(axis, index.rank)}")
    _check_integers(index)
    mode = tensorrt.enum("GatherMode", "DEFAULT")
    return input.net.emit("add_gather_v2", input, index, mode, axis=axis, num_elementwise_dims=batch_dims)


@op("torch.gather")
def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """At each place of `index` the value of `input` that it names along `dim`, elsewhere at the place itself."""
    axis = axis_of(input, dim)
    _check_integers(index)
    if index.rank != input.rank:
        raise input.error(f"index: found {index.shape} for {input.shape}, expected as many dimensions")
    x = _first(input, index, (other for other in range(input.rank) if other != axis))
    return x.net.emit("add_gather_v2", x, index, tensorrt.enum("GatherMode", "ELEMENT"), axis=axis)


@op("torch.scatter")
def scatter(input: Tensor, dim: int, index: Tensor, src: Tensor | float | bool) -> Tensor:
    """`input` with the values of `src` put where `index` says along `dim`. Which of several for one place stays is left
    open, as in torch."""
    axis = axis_of(input, dim)
    _check_integers(index)
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
        values = _first(src, index, range(src.rank))
    mode = tensorrt.enum("ScatterMode", "ELEMENT")
    return input.net.emit("add_scatter", input, index, values, mode, axis=axis)


def _first(x: Tensor, index: Tensor, axes: Iterable[int]) -> Tensor:
    """As much of `x` as an index has along these axes, where both are known: torch takes an index of fewer rows."""
    for axis in axes:
        if -1 not in (x.shape[axis], index.shape[axis]) and index.shape[axis] < x.shape[axis]:
            x = cut(x, axis, 0, index.shape[axis])
    return x


@op("torch.scatter_add")
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with the values of `src` added where `index` says along `dim`.

    TensorRT's scatter layer adds nothing up, so each place adds all values that are meant for it: a product with what
    is 1 where an index names the place. It takes memory of index.size · input.shape[dim] values.
    """
    axis = axis_of(input, dim)
    _check_integers(index)
    if index.shape != src.shape or index.rank != input.rank:
        raise input.error(
            f"index: found {index.shape} and src {src.shape}, expected the same shape, of {input.rank} dimensions"
        )
    if input.shape[axis] == -1:
        raise input.error(f"found a dynamic size at dim {dim} of {input.shape}, expected a fixed one")
    if any(n != m for i, (n, m) in enumerate(zip(index.shape, input.shape, strict=True)) if i != axis):
        raise input.error(f"index: found {index.shape} for {input.shape}, expected equal sizes but for dim {dim}")
    last = input.rank - 1
    indices, values = (unsqueeze(transpose(x, axis, last), -1) for x in (index, src))  # (…, J, 1)
    places = np.arange(input.shape[axis]).reshape(*(1,) * (input.rank), -1)
    named = elementwise("EQUAL", indices, input.net.constant(places, index.dtype))  # (…, J, size)
    sums = multiply(values, to(named, src.dtype), transpose_a=True)  # (…, 1, size)
    return input + transpose(select(sums, -2, 0), axis, last)


@op("torch.nn.functional.one_hot")
def one_hot(input: Tensor, num_classes: int) -> Tensor:
    """1 at each index of a new last dimension of `num_classes`, else 0, as int32."""
    _check_integers(input, "input")
    if num_classes < 1:
        raise input.error(f"num_classes: found {num_classes}, expected at least 1")
    places = np.arange(num_classes).reshape(*(1,) * input.rank, -1)
    return to(elementwise("EQUAL", unsqueeze(input, -1), input.net.constant(places, input.dtype)), "int32")


@op("torch.tril")
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Matrices with 0 above the given diagonal."""
    return _kept(input, _triangle(input, diagonal, lower=True))


@op("torch.triu")
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Matrices with 0 below the given diagonal."""
    return _kept(input, _triangle(input, diagonal, lower=False))


def _triangle(x: Tensor, diagonal: int, lower: bool) -> Tensor:
    if x.rank < 2 or -1 in x.shape[-2:]:
        raise x.error(f"found shape {x.shape}, expected matrices of fixed sizes")
    ones = np.ones((*(1,) * (x.rank - 2), *x.shape[-2:]), bool)
    return x.net.constant(np.tril(ones, diagonal) if lower else np.triu(ones, diagonal), "bool")


def _kept(x: Tensor, kept: Tensor) -> Tensor:
    return elementwise("AND", kept, x) if x.dtype == "bool" else where(kept, x, 0)


def _check_integers(index: Tensor, name: str = "index") -> None:
    if index.dtype not in INTEGERS:
        raise index.error(f"{name}: found {index.dtype}, expected int32 or int64")
