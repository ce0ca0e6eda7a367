"""Shapes: reshape, permute, concatenate, cut. Sizes known only at run time are `Dim`s (see `Tensor.dims`)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wtsnet.network import Dim, shape_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Scope, Tensor


def checked_axis(s: Scope, x: Tensor, axis: int) -> int:
    """`axis` of `x`, counted from the front."""
    if not -x.rank <= axis < x.rank:
        raise s.error(f"dim: found {axis}, expected {-x.rank} to {x.rank - 1} for shape {x.shape}")
    return axis % x.rank


def spatial(s: Scope, x: Tensor) -> int:
    """How many spatial dimensions `x` (N, C, spatial …) has: 1, 2 or 3."""
    if not 3 <= x.rank <= 5:
        raise s.error(f"input: found shape {x.shape}, expected (N, C, …) with 1 to 3 spatial dimensions")
    return x.rank - 2


def lifted(s: Scope, x: Tensor, rank: int) -> Tensor:
    """`x` with dimensions of size 1 in front up to `rank`, as torch broadcasts."""
    return x if x.rank >= rank else reshape(s, x, (*(1,) * (rank - x.rank), *x.dims), suffix="rank")


def reshape(s: Scope, x: Tensor, shape: Sequence[int | Dim], suffix: str = "") -> Tensor:
    """`torch.reshape`: `shape` holds numbers, `Dim`s, and at most one -1 for the size that is left over."""
    sizes = list(shape)
    if -1 not in sizes and sum(isinstance(size, Dim) for size in sizes) == 1:
        sizes = [-1 if isinstance(size, Dim) else size for size in sizes]  # no shape layer is needed
    fixed = [size for size in sizes if not isinstance(size, Dim)]
    if fixed.count(-1) > 1 or any(size < -1 for size in fixed):
        raise s.error(f"reshape: found {tuple(shape)}, expected sizes and at most one -1")
    known = math.prod(size for size in fixed if size != -1)
    if len(fixed) == len(sizes) and -1 not in x.shape:
        values = math.prod(x.shape)
        if values != known if -1 not in fixed else known == 0 or values % known:
            raise s.error(f"reshape: found shape {x.shape}, expected one that fits {tuple(shape)}")
    if len(fixed) == len(sizes):
        return s.emit("add_shuffle", x, suffix=suffix, reshape_dims=tuple(fixed), zero_is_placeholder=False)
    return s.emit("add_shuffle", x, suffix=suffix, inputs={1: shape_tensor(s, sizes)}, zero_is_placeholder=False)


def permute(s: Scope, x: Tensor, order: Sequence[int], suffix: str = "") -> Tensor:
    """`torch.permute`."""
    axes = tuple(checked_axis(s, x, axis) for axis in order)
    if sorted(axes) != list(range(x.rank)):
        raise s.error(f"permute: found {tuple(order)}, expected each of {x.rank} dimensions once")
    return s.emit("add_shuffle", x, suffix=suffix, first_transpose=axes)


def transpose(s: Scope, x: Tensor, a: int, b: int, suffix: str = "") -> Tensor:
    """`torch.transpose`: two dimensions change places."""
    order = list(range(x.rank))
    first, second = checked_axis(s, x, a), checked_axis(s, x, b)
    order[first], order[second] = second, first
    return permute(s, x, order, suffix)


def flatten(s: Scope, x: Tensor, start: int = 1, end: int = -1, suffix: str = "") -> Tensor:
    """`torch.nn.Flatten`: dimensions `start` to `end` become one."""
    first, last = checked_axis(s, x, start), checked_axis(s, x, end)
    if first > last:
        raise s.error(f"flatten: found {start} to {end}, expected start before end")
    size: int | Dim = 1
    for dim in x.dims[first : last + 1]:
        size = dim * size
    return reshape(s, x, (*x.dims[:first], size, *x.dims[last + 1 :]), suffix)


def unflatten(s: Scope, x: Tensor, dim: int, sizes: Sequence[int], suffix: str = "") -> Tensor:
    """`torch.nn.Unflatten`: dimension `dim` becomes several."""
    axis = checked_axis(s, x, dim)
    return reshape(s, x, (*x.dims[:axis], *sizes, *x.dims[axis + 1 :]), suffix)


def squeeze(s: Scope, x: Tensor, dim: int, suffix: str = "") -> Tensor:
    """`torch.squeeze`: without dimension `dim`, whose size is 1."""
    axis = checked_axis(s, x, dim)
    if x.shape[axis] != 1:
        raise s.error(f"squeeze: found size {x.shape[axis]} at dim {dim} of {x.shape}, expected 1")
    return reshape(s, x, (*x.dims[:axis], *x.dims[axis + 1 :]), suffix)


def unsqueeze(s: Scope, x: Tensor, dim: int, suffix: str = "") -> Tensor:
    """`torch.unsqueeze`: with a new dimension of size 1 at `dim`."""
    if not -x.rank - 1 <= dim <= x.rank:
        raise s.error(f"unsqueeze: found dim {dim}, expected {-x.rank - 1} to {x.rank} for shape {x.shape}")
    axis = dim % (x.rank + 1)
    return reshape(s, x, (*x.dims[:axis], 1, *x.dims[axis:]), suffix)


def concat(s: Scope, xs: Sequence[Tensor], dim: int = 1, suffix: str = "") -> Tensor:
    """`torch.cat` along `dim`."""
    if not xs:
        raise s.error("concat: found no tensors, expected at least one")
    for x in xs[1:]:
        if x.rank != xs[0].rank or x.dtype != xs[0].dtype:
            found = f"{xs[0].shape} {xs[0].dtype} and {x.shape} {x.dtype}"
            raise s.error(f"concat: found {found}, expected equal ranks and dtypes")
    return s.emit("add_concatenation", list(xs), suffix=suffix, axis=checked_axis(s, xs[0], dim))


def stack(s: Scope, xs: Sequence[Tensor], dim: int = 0, suffix: str = "") -> Tensor:
    """`torch.stack`: along a new dimension `dim`."""
    return concat(s, [unsqueeze(s, x, dim, suffix="unsqueeze") for x in xs], dim, suffix)


def cut(
    s: Scope,
    x: Tensor,
    dim: int,
    start: int | None = None,
    stop: int | None = None,
    step: int = 1,
    suffix: str = "",
) -> Tensor:
    """`x[..., start:stop:step]` along `dim`, as Python slices: either may be negative or None; `step` ≥ 1.

    A size known only at run time must hold what is asked for: `start` and `stop` are not clipped to it.
    """
    axis = checked_axis(s, x, dim)
    if step < 1:
        raise s.error(f"slice: found step {step}, expected at least 1")
    size = x.dims[axis]
    starts: list[int | Dim] = [0] * x.rank
    sizes = list(x.dims)
    if isinstance(size, int):
        begin, end, _ = slice(start, stop, step).indices(size)
        if end <= begin:
            raise s.error(f"slice: found {start}:{stop} of {size}, expected at least one value")
        starts[axis], sizes[axis] = begin, -(-(end - begin) // step)
    else:
        first = size + start if start is not None and start < 0 else start or 0
        last = size if stop is None else size + stop if stop < 0 else stop
        starts[axis], sizes[axis] = first, (last - first + (step - 1)) // step
    steps = tuple(step if i == axis else 1 for i in range(x.rank))
    return emit_slice(s, x, starts, sizes, steps, suffix=suffix)


def emit_slice(
    s: Scope,
    x: Tensor,
    starts: Sequence[int | Dim],
    sizes: Sequence[int | Dim],
    steps: Sequence[int],
    mode: str = "STRICT_BOUNDS",
    fill: float = 0.0,
    suffix: str = "",
) -> Tensor:
    """TensorRT's slice layer: `sizes` values from `starts` on, every `steps`-th, in a SampleMode."""
    zeros = (0,) * x.rank
    static, late = [], {}
    for index, dims in ((1, starts), (2, sizes)):
        if any(isinstance(dim, Dim) for dim in dims):
            late[index] = shape_tensor(s, dims)
        static.append(zeros if index in late else tuple(dims))
    if mode == "FILL":
        late[4] = s.constant([fill], x.dtype, suffix="fill")
    return s.emit("add_slice", x, *static, tuple(steps), suffix=suffix, inputs=late, mode=s.enum("SampleMode", mode))


def split(s: Scope, x: Tensor, sizes: int | Sequence[int], dim: int = 0) -> list[Tensor]:
    """`torch.split`: pieces of `sizes` along `dim` (a number: all of that size, the last what is left)."""
    size = x.shape[checked_axis(s, x, dim)]
    if size == -1:
        raise s.error(f"split: found a dynamic size at dim {dim} of {x.shape}, expected a fixed one")
    if isinstance(sizes, int):
        if sizes < 1:
            raise s.error(f"split: found size {sizes}, expected at least 1")
        sizes = [min(sizes, size - start) for start in range(0, size, sizes)]
    if sum(sizes) != size or min(sizes) < 1:
        raise s.error(f"split: found sizes {tuple(sizes)}, expected positive ones with a sum of {size}")
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [
        cut(s, x, dim, start, start + n, suffix=f"split{i}")
        for i, (start, n) in enumerate(zip(starts, sizes, strict=True))
    ]


def chunk(s: Scope, x: Tensor, chunks: int, dim: int = 0) -> list[Tensor]:
    """`torch.chunk`: at most `chunks` pieces along `dim`, all but the last of equal size."""
    if chunks < 1:
        raise s.error(f"chunk: found {chunks} chunks, expected at least 1")
    return split(s, x, -(-x.shape[checked_axis(s, x, dim)] // chunks), dim)


def expand(s: Scope, x: Tensor, shape: Sequence[int | Dim], suffix: str = "") -> Tensor:
    """`torch.expand`: sizes of 1 are repeated to `shape`; -1 keeps a size."""
    if len(shape) != x.rank:
        raise s.error(f"expand: found {x.shape}, expected rank {len(shape)}")
    sizes = [own if want == -1 else want for own, want in zip(x.dims, shape, strict=True)]
    for own, want in zip(x.shape, sizes, strict=True):
        if own not in (1, want) and not (own == -1 and isinstance(want, Dim)):
            raise s.error(f"expand: found {x.shape}, expected sizes of 1 where {tuple(shape)} differs")
    steps = [0 if own == 1 else 1 for own in x.shape]
    return emit_slice(s, x, [0] * x.rank, sizes, steps, suffix=suffix)


def flip(s: Scope, x: Tensor, dim: int, suffix: str = "") -> Tensor:
    """`torch.flip` along one dimension."""
    axis = checked_axis(s, x, dim)
    starts: list[int | Dim] = [0] * x.rank
    starts[axis] = x.dims[axis] - 1
    steps = [-1 if i == axis else 1 for i in range(x.rank)]
    return emit_slice(s, x, starts, x.dims, steps, suffix=suffix)


def roll(s: Scope, x: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int], suffix: str = "") -> Tensor:
    """`torch.roll`: what is pushed out at one end of a dimension comes in at the other.

    A size known only at run time must be more than its shift.
    """
    steps = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    axes = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(steps) != len(axes) or not axes:
        raise s.error(f"roll: found {len(steps)} shifts and {len(axes)} dims, expected as many of each, at least one")
    turns = []
    for step, dim in zip(steps, axes, strict=True):
        axis = checked_axis(s, x, dim)
        step = step % x.shape[axis] if x.shape[axis] != -1 else step
        turns += [(axis, step)] if step else []
    if not turns:
        return s.emit("add_identity", x, suffix=suffix)
    for i, (axis, step) in enumerate(turns):
        parts = [cut(s, x, axis, -step, suffix="tail"), cut(s, x, axis, 0, -step, suffix="head")]
        x = concat(s, parts, axis, suffix=suffix if i == len(turns) - 1 else "rolled")
    return x


def pixel_shuffle(s: Scope, x: Tensor, factor: int) -> Tensor:
    """`torch.nn.PixelShuffle` (Shi et al. 2016): (N, C·r², H, W) to (N, C, H·r, W·r)."""
    n, c, h, w = _image(s, x)
    if factor < 1 or x.shape[1] % factor**2:
        raise s.error(f"pixel shuffle: found {x.shape[1]} channels, expected a multiple of {factor**2}")
    out = c // factor**2
    y = reshape(s, x, (n, out, factor, factor, h, w), suffix="blocks")
    y = permute(s, y, (0, 1, 4, 2, 5, 3), suffix="permuted")
    return reshape(s, y, (n, out, h * factor, w * factor))


def pixel_unshuffle(s: Scope, x: Tensor, factor: int) -> Tensor:
    """`torch.nn.PixelUnshuffle`: (N, C, H·r, W·r) to (N, C·r², H, W)."""
    n, c, h, w = _image(s, x)
    if factor < 1 or any(size != -1 and size % factor for size in x.shape[2:]):
        raise s.error(f"pixel unshuffle: found {x.shape[2:]}, expected multiples of {factor}")
    y = reshape(s, x, (n, c, h // factor, factor, w // factor, factor), suffix="blocks")
    y = permute(s, y, (0, 1, 3, 5, 2, 4), suffix="permuted")
    return reshape(s, y, (n, c * factor**2, h // factor, w // factor))


def channel_shuffle(s: Scope, x: Tensor, groups: int) -> Tensor:
    """`torch.nn.ChannelShuffle` (Zhang et al. 2018): channels (g, C/g) are reordered to (C/g, g)."""
    n, c, h, w = _image(s, x)
    if groups < 1 or x.shape[1] % groups:
        raise s.error(f"channel shuffle: found {x.shape[1]} channels, expected a multiple of {groups}")
    y = reshape(s, x, (n, groups, c // groups, h, w), suffix="groups")
    y = transpose(s, y, 1, 2, suffix="transposed")
    return reshape(s, y, (n, c, h, w))


def _image(s: Scope, x: Tensor) -> tuple[int | Dim, ...]:
    if x.rank != 4:
        raise s.error(f"input: found shape {x.shape}, expected (N, C, H, W)")
    return x.dims
