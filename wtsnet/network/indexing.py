"""Picking by index: `x[…]`, gather, triangles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network.checks import CLASSES, is_tensor, shown
from wtsnet.network.declaring import op
from wtsnet.network.dims import Dim, Late
from wtsnet.network.pointwise import elementwise, where
from wtsnet.network.shape import axis_of, cat, cut, cut_axes, expand, lifted, movedim, select, to, unsqueeze

if TYPE_CHECKING:
    from wtsnet.network.checks import Index
    from wtsnet.network.tensor import Tensor

INTEGERS = ("int32", "int64")


@op("torch.Tensor.__getitem__")
def getitem(input: Tensor, index: Index) -> Tensor:
    """`x[index]` as in torch: integers, slices, None, `...`, Dims as numbers, and tensors of integers, which pick along
    their dimensions: several of them broadcast. A slice's step may not be negative.

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
    x, axis = _cut(input, [item for item in items if item is not None]), 0
    picks: dict[int, Tensor] = {}
    for item in items:
        if item is None:
            x, axis = unsqueeze(x, axis), axis + 1
        elif is_tensor(item):
            if item.dtype == "bool":
                raise input.error("index: found bool, expected int32 or int64; where and masked_fill take bools")
            check_integers(item)
            if item.rank:
                picks[axis], axis = item, axis + 1
            else:  # one number, as an integer
                x = index_select(x, axis, item)
        elif isinstance(item, slice):
            axis += 1
        else:
            x = select(x, axis, item if isinstance(item, Dim) else int(item))
    if len(picks) > 1:
        return _picked(x, picks)
    return index_select(x, *picks.popitem()) if picks else x


def _picked(x: Tensor, picks: Mapping[int, Tensor]) -> Tensor:
    """`x` at indices of several dimensions."""
    index = together(list(picks.values()), "index")
    y = x.net.emit("add_gather_v2", in_front(x, list(picks)), index, tensorrt.enum("GatherMode", "ND"))
    count, place = index.rank - 1, place_of(picks)
    return movedim(y, range(count), range(place, place + count)) if place else y


def place_of(axes: Iterable[int]) -> int:
    """Where the dimensions of indices of these ascending axes come to stand, as in torch: where the first of them was,
    or in front of all where others lie between."""
    several = list(axes)
    return several[0] if several[-1] - several[0] == len(several) - 1 else 0


def in_front(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`x` with these axes before the others."""
    return x if list(axes) == list(range(len(axes))) else movedim(x, axes, range(len(axes)))


def together(indices: Sequence[Tensor], name: str) -> Tensor:
    """Indices of several dimensions, broadcast and beside one another in a new last dimension."""
    rank = max(index.rank for index in indices)
    equal = [lifted(to(index, indices[0].dtype), rank) for index in indices]
    every = zip(*(index.dims for index in equal), strict=True)
    sizes = [next((n for n in several if isinstance(n, Dim) or n != 1), 1) for several in every]
    columns = [unsqueeze(spread_to(index, sizes, name), -1) for index in equal]
    return cat(columns, -1) if len(columns) > 1 else columns[0]


def spread_to(x: Tensor, sizes: Sequence[int | Dim], name: str) -> Tensor:
    """`x` broadcast to these sizes, of which those known only at run time are taken as they come.

    Raises:
        NetworkError: it does not broadcast to them.
    """
    known = tuple(-1 if isinstance(n, Dim) else n for n in sizes)
    lower = list(zip(x.shape[::-1], sizes[::-1], strict=False))
    if x.rank > len(sizes) or any(own not in (1, -1) and isinstance(n, int) and own != n for own, n in lower):
        raise x.error(f"{name}: found {x.shape}, expected sizes that broadcast to {known}")
    y = lifted(x, len(sizes))
    return expand(y, [n if own == 1 else mine for own, mine, n in zip(y.shape, y.dims, sizes, strict=True)])


def _is_integer(item: Any) -> bool:
    if isinstance(item, Late):
        item.refuse()
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
    check_integers(index)
    mode = tensorrt.enum("GatherMode", "DEFAULT")
    return input.net.emit("add_gather_v2", input, index, mode, axis=axis, num_elementwise_dims=batch_dims)


@op("torch.gather")
def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """At each place of `index` the value of `input` that it names along `dim`, elsewhere at the place itself."""
    axis = axis_of(input, dim)
    check_integers(index)
    if index.rank != input.rank:
        raise input.error(f"index: found {index.shape} for {input.shape}, expected as many dimensions")
    x = leading(input, index, (other for other in range(input.rank) if other != axis))
    return x.net.emit("add_gather_v2", x, index, tensorrt.enum("GatherMode", "ELEMENT"), axis=axis)


def leading(x: Tensor, index: Tensor, axes: Iterable[int]) -> Tensor:
    """As much of `x` as an index has along these axes, where both are known: torch takes an index of fewer rows."""
    for axis in axes:
        if -1 not in (x.shape[axis], index.shape[axis]) and index.shape[axis] < x.shape[axis]:
            x = cut(x, axis, 0, index.shape[axis])
    return x


@op("torch.nn.functional.one_hot")
def one_hot(input: Tensor, num_classes: int) -> Tensor:
    """1 at each index of a new last dimension of `num_classes`, else 0, as int32."""
    check_integers(input, "input")
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


def check_integers(index: Tensor, name: str = "index") -> None:
    if index.dtype not in INTEGERS:
        raise index.error(f"{name}: found {index.dtype}, expected int32 or int64")
