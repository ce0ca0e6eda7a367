"""Shapes and dtypes: reshape, permute, join, cut, repeat. Sizes known only at run time are Dims: see `Tensor.dims`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wtsnet import trt as tensorrt
from wtsnet.network.declaring import op
from wtsnet.network.dims import Dim, Late, shape_tensor, smallest

if TYPE_CHECKING:
    from wtsnet.network.tensor import Tensor


def axis_of(x: Tensor, dim: int, name: str = "dim") -> int:
    """`dim` of `x`, counted from the front.

    Raises:
        NetworkError: `x` has no such dimension.
    """
    if not -x.rank <= dim < x.rank:
        raise x.error(f"{name}: found {dim}, expected {-x.rank} to {x.rank - 1} for shape {x.shape}")
    return dim % x.rank


def axes_of(x: Tensor, dims: int | Sequence[int] | None, name: str = "dim") -> tuple[int, ...]:
    """Dimensions of `x`, counted from the front, none of them twice; None stands for all."""
    several = range(x.rank) if dims is None else (dims,) if isinstance(dims, int) else dims
    axes = tuple(axis_of(x, dim, name) for dim in several)
    if len(set(axes)) < len(axes):
        raise x.error(f"{name}: found {tuple(several)}, expected no dimension twice")
    return axes


def fixed_size(x: Tensor, dim: int) -> int:
    """The size of a dimension that must be known.

    Raises:
        NetworkError: it is known only at run time.
    """
    size = x.shape[axis_of(x, dim)]
    if size == -1:
        raise x.error(f"found a dynamic size at dim {dim} of {x.shape}, expected a fixed one")
    return size


def lifted(x: Tensor, rank: int) -> Tensor:
    """`x` with dimensions of size 1 in front up to `rank`, as torch broadcasts."""
    return x if x.rank >= rank else _reshaped(x, (*(1,) * (rank - x.rank), *x.dims))


def to(input: Tensor, dtype: str) -> Tensor:
    """`input` as `dtype`; itself where that is its dtype."""
    if input.dtype == dtype:
        return input
    return input.net.emit("add_cast", input, tensorrt.dtype(dtype), label=f"to_{dtype}")


@op("torch.reshape")
def reshape(input: Tensor, shape: Sequence[int | Dim]) -> Tensor:
    """The same values in another shape: numbers, Dims, and at most one -1 for the size that is left over."""
    return _reshaped(input, shape)


def _reshaped(x: Tensor, shape: Sequence[int | Dim]) -> Tensor:
    sizes = [int(size) if isinstance(size, Late) else size for size in shape]  # what is left over
    if not any(_is_open(size) for size in sizes) and sum(isinstance(size, Dim) for size in sizes) == 1:
        sizes = [-1 if isinstance(size, Dim) else size for size in sizes]  # no shape layer is needed
    fixed = [size for size in sizes if not isinstance(size, Dim)]
    if fixed.count(-1) > 1 or any(size < -1 for size in fixed):
        late = "; x.dims has the sizes that are -1 in x.shape" if -1 in x.shape else ""
        raise x.error(f"shape: found {tuple(shape)}, expected sizes and at most one -1{late}")
    known = math.prod(size for size in fixed if size != -1)
    if len(fixed) == len(sizes) and -1 not in x.shape:
        values = math.prod(x.shape)
        if values != known if -1 not in fixed else known == 0 or values % known:
            raise x.error(f"found shape {x.shape}, expected one that fits {tuple(shape)}")
    if len(fixed) == len(sizes):
        return x.net.emit("add_shuffle", x, reshape_dims=tuple(fixed), zero_is_placeholder=False)
    return x.net.emit("add_shuffle", x, inputs={1: shape_tensor(x.net, sizes)}, zero_is_placeholder=False)


def _is_open(size: int | Dim) -> bool:
    return isinstance(size, int) and size == -1


@op("torch.permute")
def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """The dimensions in another order."""
    axes = axes_of(input, dims, "dims")
    if len(axes) != input.rank:
        raise input.error(f"dims: found {tuple(dims)}, expected each of {input.rank} dimensions once")
    return input.net.emit("add_shuffle", input, first_transpose=axes)


@op("torch.transpose")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions change places."""
    order = list(range(input.rank))
    first, second = axis_of(input, dim0, "dim0"), axis_of(input, dim1, "dim1")
    order[first], order[second] = second, first
    return input.net.emit("add_shuffle", input, first_transpose=tuple(order))


@op("torch.movedim")
def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Dimensions `source` come to `destination`; the others keep their order."""
    moved, there = axes_of(input, source, "source"), axes_of(input, destination, "destination")
    if len(moved) != len(there):
        raise input.error(f"destination: found {destination}, expected as many as source, {source}")
    places = dict(zip(there, moved, strict=True))
    rest = (axis for axis in range(input.rank) if axis not in moved)
    order = tuple(places[i] if i in places else next(rest) for i in range(input.rank))
    return input.net.emit("add_shuffle", input, first_transpose=order)


@op("torch.flatten")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions `start_dim` to `end_dim` become one."""
    if not input.rank:
        return _reshaped(input, (1,))
    first, last = axis_of(input, start_dim, "start_dim"), axis_of(input, end_dim, "end_dim")
    if first > last:
        raise input.error(f"start_dim: found {start_dim} to {end_dim}, expected start before end")
    size: int | Dim = 1
    for dim in input.dims[first : last + 1]:
        size = dim * size
    return _reshaped(input, (*input.dims[:first], size, *input.dims[last + 1 :]))


@op("torch.unflatten")
def unflatten(input: Tensor, dim: int, sizes: Sequence[int | Dim]) -> Tensor:
    """Dimension `dim` becomes several; at most one of them may be -1."""
    axis = axis_of(input, dim)
    own = input.shape[axis]
    known = [size for size in sizes if not isinstance(size, Dim)]
    if own != -1 and len(known) == len(sizes):
        product = math.prod(size for size in known if size != -1)
        if product == 0 or (own % product if -1 in known else own != product):
            raise input.error(f"sizes: found {tuple(sizes)}, expected a product of {own}, the size at dim {dim}")
        sizes = [own // product if size == -1 else size for size in known]
    return _reshaped(input, (*input.dims[:axis], *sizes, *input.dims[axis + 1 :]))


@op("torch.squeeze")
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Without the dimensions `dim` where their size is 1; None stands for all that have it.

    Raises:
        NetworkError: such a size is known only at run time, and so whether the dimension goes.
    """
    axes = axes_of(input, dim)
    if any(input.shape[axis] == -1 for axis in axes):
        raise input.error(f"dim: found a dynamic size in {input.shape} at {dim}, expected a fixed one")
    gone = [axis for axis in axes if input.shape[axis] == 1]
    return _reshaped(input, [size for axis, size in enumerate(input.dims) if axis not in gone]) if gone else input


@op("torch.unsqueeze")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 at `dim`."""
    if not -input.rank - 1 <= dim <= input.rank:
        raise input.error(f"dim: found {dim}, expected {-input.rank - 1} to {input.rank} for shape {input.shape}")
    axis = dim % (input.rank + 1)
    return _reshaped(input, (*input.dims[:axis], 1, *input.dims[axis:]))


@op("torch.cat")
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """One behind the other along `dim`."""
    if not tensors:
        raise ValueError  # `op` has refused a call without a tensor
    first = tensors[0]
    axis = axis_of(first, dim)
    for x in tensors[1:]:
        apart = [i for i in range(min(first.rank, x.rank)) if i != axis]
        sizes = ({first.shape[i], x.shape[i]} - {-1} for i in apart)
        if x.rank != first.rank or x.dtype != first.dtype or any(len(known) > 1 for known in sizes):
            found = f"{first.shape} {first.dtype} and {x.shape} {x.dtype}"
            raise first.error(f"found {found}, expected equal dtypes, and equal sizes but for dim {dim}")
    return first.net.emit("add_concatenation", list(tensors), axis=axis)


@op("torch.stack")
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """One behind the other along a new dimension `dim`."""
    shapes = {x.shape for x in tensors}
    if len(shapes) > 1:
        raise tensors[0].error(f"found {' and '.join(map(str, sorted(shapes)))}, expected equal shapes")
    return cat([unsqueeze(x, dim) for x in tensors], dim)


def cut(x: Tensor, dim: int, start: int | Dim | None = None, stop: int | Dim | None = None, step: int = 1) -> Tensor:
    """`x[..., start:stop:step]` along `dim`, as Python slices: either may be negative or None; `step` ≥ 1.

    A size known only at run time must hold what is asked for: `start` and `stop` are not clipped to it.
    """
    return cut_axes(x, {axis_of(x, dim): slice(start, stop, step)})


def cut_axes(x: Tensor, slices: Mapping[int, slice]) -> Tensor:
    """`x` cut along several axes at once; see `cut`."""
    starts: list[int | Dim] = [0] * x.rank
    sizes, steps = list(x.dims), [1] * x.rank
    whole = True
    for axis, item in slices.items():
        step = 1 if item.step is None else item.step
        if step < 1:
            raise x.error(f"found step {step}, expected at least 1")
        if item.start is None and item.stop is None and step == 1:
            continue
        starts[axis], sizes[axis] = span(x, x.dims[axis], item.start, item.stop, step)
        steps[axis] = step
        fixed = isinstance(starts[axis], int) and isinstance(sizes[axis], int)
        whole = whole and fixed and step == 1 and starts[axis] == 0 and sizes[axis] == x.shape[axis]
    return x if whole else emit_slice(x, starts, sizes, steps)


def span(
    x: Tensor, size: int | Dim, start: int | Dim | None, stop: int | Dim | None, step: int
) -> tuple[int | Dim, int | Dim]:
    """Where a slice of a dimension of `size` starts, and how many values it takes."""
    if isinstance(size, int) and not isinstance(start, Dim) and not isinstance(stop, Dim):
        begin, end, _ = slice(start, stop, step).indices(size)
        if end <= begin:
            raise x.error(f"found {start}:{stop} of {size}, expected at least one value")
        return begin, -(-(end - begin) // step)
    first = size + start if isinstance(start, int) and start < 0 else 0 if start is None else start
    last = size if stop is None else size + stop if isinstance(stop, int) and stop < 0 else stop
    return first, (last - first + (step - 1)) // step


def emit_slice(
    x: Tensor,
    starts: Sequence[int | Dim],
    sizes: Sequence[int | Dim],
    steps: Sequence[int | Dim],
    mode: str = "STRICT_BOUNDS",
    fill: float = 0.0,
) -> Tensor:
    """TensorRT's slice layer: `sizes` values from `starts` on, every `steps`-th, in a SampleMode."""
    zeros = (0,) * x.rank
    static: list[Any] = []
    late = {}
    for index, dims in ((1, starts), (2, sizes), (3, steps)):
        if any(isinstance(dim, Dim) for dim in dims):
            late[index] = shape_tensor(x.net, dims)
        static.append(zeros if index in late else tuple(dims))
    if mode == "FILL":
        late[4] = x.net.constant([fill], x.dtype, label="fill")
    return x.net.emit("add_slice", x, *static, inputs=late, mode=tensorrt.enum("SampleMode", mode))


@op("torch.narrow")
def narrow(input: Tensor, dim: int, start: int | Dim, length: int | Dim) -> Tensor:
    """`length` values from `start` on along `dim`; a negative `start` counts from the end."""
    axis = axis_of(input, dim)
    size = input.shape[axis]
    first = input.dims[axis] + start if isinstance(start, int) and start < 0 else start
    if isinstance(first, int) and isinstance(length, int):
        if length < 1 or first < 0 or (size != -1 and first + length > size):
            raise input.error(f"length: found {length} from {start} on, expected it within {input.shape} at dim {dim}")
        if first == 0 and length == size:
            return input
    starts: list[int | Dim] = [first if i == axis else 0 for i in range(input.rank)]
    sizes = [length if i == axis else own for i, own in enumerate(input.dims)]
    return emit_slice(input, starts, sizes, (1,) * input.rank)


@op("torch.select")
def select(input: Tensor, dim: int, index: int | Dim) -> Tensor:
    """What is at `index` of `dim`, without that dimension."""
    axis = axis_of(input, dim)
    if isinstance(index, int) and input.shape[axis] != -1 and not -input.shape[axis] <= index < input.shape[axis]:
        raise input.error(f"index: found {index}, expected it within {input.shape[axis]} at dim {dim}")
    first = input.dims[axis] + index if isinstance(index, int) and index < 0 else index
    one = cut(input, axis, first, first + 1)
    return _reshaped(one, (*input.dims[:axis], *input.dims[axis + 1 :]))


@op("torch.diagonal")
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonals of the matrices of `dim1` and `dim2`, `offset` places to the right, as a new last dimension."""
    ends = axis_of(input, dim1, "dim1"), axis_of(input, dim2, "dim2")
    if ends[0] == ends[1]:
        raise input.error(f"dim2: found {dim2} beside dim1 {dim1} for shape {input.shape}, expected another")
    order = (*(axis for axis in range(input.rank) if axis not in ends), *ends)
    x = input if order == tuple(range(input.rank)) else permute(input, order)
    rows, columns = x.dims[-2:]
    down, right = max(-offset, 0), max(offset, 0)
    count = smallest(rows - down, columns - right)
    if isinstance(count, int) and count < 1:
        raise input.error(f"offset: found {offset}, expected it within {x.shape[-2:]}")
    starts = [*(0,) * (x.rank - 2), columns * down + right]
    steps = [*(1,) * (x.rank - 2), columns + 1]
    return emit_slice(flatten(x, -2), starts, [*x.dims[:-2], count], steps)


@op("torch.split")
def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces along `dim`: of these sizes, or all of one size, the last being what is left."""
    size, sizes = fixed_size(tensor, dim), split_size_or_sections
    if isinstance(sizes, int):
        if sizes < 1:
            raise tensor.error(f"split_size_or_sections: found {sizes}, expected at least 1")
        sizes = [min(sizes, size - start) for start in range(0, size, sizes)]
    if sum(sizes) != size or min(sizes, default=0) < 1:
        raise tensor.error(
            f"split_size_or_sections: found {tuple(sizes)}, expected positive sizes with a sum of {size}"
        )
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(cut(tensor, dim, start, start + n) for start, n in zip(starts, sizes, strict=True))


@op("torch.chunk")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces along `dim`, all but the last of equal size."""
    if chunks < 1:
        raise input.error(f"chunks: found {chunks}, expected at least 1")
    return split(input, -(-fixed_size(input, dim) // chunks), dim)


@op("torch.unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Each index of `dim` by itself, without that dimension."""
    return tuple(select(input, dim, index) for index in range(fixed_size(input, dim)))


@op("torch.Tensor.expand")
def expand(input: Tensor, size: Sequence[int | Dim]) -> Tensor:
    """Sizes of 1 are repeated to `size`; -1 keeps one, and there may be new dimensions in front."""
    if len(size) < input.rank:
        raise input.error(f"size: found {tuple(size)}, expected {input.rank} or more for shape {input.shape}")
    x = lifted(input, len(size))
    sizes = [own if _is_open(want) else want for own, want in zip(x.dims, size, strict=True)]
    for own, want in zip(x.shape, size, strict=True):
        if isinstance(want, Late) and own != -1:  # it would keep what is meant to be repeated
            want.refuse()
    for own, want in zip(x.shape, sizes, strict=True):
        if own != 1 and (own != -1 if isinstance(want, Dim) else own != want):
            raise input.error(f"size: found {tuple(size)}, expected {input.shape}'s own sizes where these are not 1")
    if all(isinstance(want, int) and own == want for own, want in zip(x.shape, sizes, strict=True)):
        return x
    steps = [0 if own == 1 else 1 for own in x.shape]
    return emit_slice(x, [0] * x.rank, sizes, steps)


@op("torch.broadcast_to")
def broadcast_to(input: Tensor, size: Sequence[int | Dim]) -> Tensor:
    """What `expand` gives."""
    return expand(input, size)


@op("torch.Tensor.repeat")
def repeat(input: Tensor, repeats: Sequence[int]) -> Tensor:
    """The whole `repeats` times along each dimension; there may be new ones in front."""
    if len(repeats) < input.rank or min(repeats, default=1) < 1:
        raise input.error(
            f"repeats: found {tuple(repeats)}, expected {input.rank} or more, each at least 1, for {input.shape}"
        )
    x = lifted(input, len(repeats))
    for axis, count in enumerate(repeats):
        x = cat([x] * count, axis) if count > 1 else x
    return x


@op("torch.tile")
def tile(input: Tensor, dims: Sequence[int]) -> Tensor:
    """`repeat`, with as many of the last dimensions as there are counts."""
    return repeat(input, (*(1,) * (input.rank - len(dims)), *dims))


@op("torch.repeat_interleave")
def repeat_interleave(input: Tensor, repeats: int, dim: int | None = None) -> Tensor:
    """Each index of `dim` `repeats` times in a row; None flattens first."""
    x, axis = (flatten(input), 0) if dim is None else (input, axis_of(input, dim))
    if repeats < 1:
        raise input.error(f"repeats: found {repeats}, expected at least 1")
    own = x.dims[axis]
    y = expand(unsqueeze(x, axis + 1), (*x.dims[: axis + 1], repeats, *x.dims[axis + 1 :]))
    return _reshaped(y, (*x.dims[:axis], own * repeats, *x.dims[axis + 1 :]))


@op("torch.flip")
def flip(input: Tensor, dims: int | Sequence[int]) -> Tensor:
    """The other way round along `dims`."""
    axes = axes_of(input, dims, "dims")
    if not axes:
        return input
    starts = [size - 1 if axis in axes else 0 for axis, size in enumerate(input.dims)]
    return emit_slice(input, starts, input.dims, [-1 if axis in axes else 1 for axis in range(input.rank)])


@op("torch.roll")
def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """What is pushed out at one end of a dimension comes in at the other; without `dims` the values are in one row.

    A size known only at run time must be more than its shift.
    """
    if dims is None:
        return _reshaped(roll(flatten(input), shifts, 0), input.dims)
    steps = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    axes = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(steps) != len(axes) or not axes:
        raise input.error(f"shifts: found {len(steps)} and {len(axes)} dims, expected as many of each, at least one")
    x = input
    for step, dim in zip(steps, axes, strict=True):
        axis = axis_of(input, dim, "dims")
        shift = step % x.shape[axis] if x.shape[axis] != -1 else step
        if shift:
            x = cat([cut(x, axis, -shift), cut(x, axis, 0, -shift)], axis)
    return x
