"""Tensors that the network makes itself. What has no tensor to know the network by takes a scope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network import Dim, op, shape_tensor
from wtsnet.network.checks import shown
from wtsnet.network.shape import expand, reshape, to

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor
    from wtsnet.network.checks import Array, DType


@op("torch.tensor", creates=True)
def tensor(s: Scope, data: Array, *, dtype: DType | None = None) -> Tensor:
    """A constant: numbers, nested lists or an array.

    As in torch integers are int64 and fractions float32, and an array keeps its dtype, unless `dtype` says it; float64,
    which TensorRT lacks, becomes float32.
    """
    try:
        values = np.asarray(data)
        kind = dtype or {"b": "bool", "i": "int64", "u": "int64"}.get(values.dtype.kind, "float32")
        if dtype is None and hasattr(data, "dtype") and values.dtype.name in tensorrt.MEMBERS:
            kind = values.dtype.name
        values.astype(np.float64)  # fails for what holds no numbers
    except (TypeError, ValueError):
        raise s.net.error(f"data: found {shown(data)}, expected numbers") from None
    if data is None:
        raise s.net.error("data: found None, expected numbers")
    return s.net.constant(values, kind)


@op("torch.full", creates=True)
def full(s: Scope, size: Sequence[int | Dim], fill_value: float | bool, *, dtype: DType | None = None) -> Tensor:
    """`fill_value` everywhere; sizes may be Dims.

    An integer makes int64, True or False bool, another number float32, unless `dtype` says it.
    """
    if any(isinstance(n, int) and n < 1 for n in size):
        raise s.net.error(f"size: found {tuple(size)}, expected sizes of at least 1")
    kind = dtype or {bool: "bool", int: "int64"}.get(type(fill_value), "float32")
    if not any(isinstance(n, Dim) for n in size):
        return s.net.constant(np.full(tuple(size), fill_value), kind)
    return expand(s.net.constant(np.full((1,) * len(size), fill_value), kind), size)


@op("torch.zeros", creates=True)
def zeros(s: Scope, size: Sequence[int | Dim], *, dtype: DType | None = None) -> Tensor:
    """0 everywhere; sizes may be Dims."""
    return full(s, size, 0.0, dtype=dtype)


@op("torch.ones", creates=True)
def ones(s: Scope, size: Sequence[int | Dim], *, dtype: DType | None = None) -> Tensor:
    """1 everywhere; sizes may be Dims."""
    return full(s, size, 1.0, dtype=dtype)


@op("torch.eye", creates=True)
def eye(s: Scope, n: int, m: int | None = None, *, dtype: DType | None = None) -> Tensor:
    """1 on the diagonal, 0 elsewhere: (n, m)."""
    if n < 1 or (m is not None and m < 1):
        raise s.net.error(f"n, m: found {n} and {m}, expected at least 1")
    return s.net.constant(np.eye(n, m), dtype or "float32")


@op("torch.full_like")
def full_like(input: Tensor, fill_value: float | bool, *, dtype: DType | None = None) -> Tensor:
    """`fill_value` in the input's shape."""
    one = input.net.constant(np.full((1,) * input.rank, fill_value), dtype or input.dtype)
    return expand(one, input.dims) if input.rank else one


@op("torch.zeros_like")
def zeros_like(input: Tensor, *, dtype: DType | None = None) -> Tensor:
    """0 in the input's shape."""
    return full_like(input, 0, dtype=dtype)


@op("torch.ones_like")
def ones_like(input: Tensor, *, dtype: DType | None = None) -> Tensor:
    """1 in the input's shape."""
    return full_like(input, 1, dtype=dtype)


@op("torch.arange", creates=True)
def arange(
    s: Scope, start: float | Dim, end: float | Dim | None = None, step: float = 1, *, dtype: DType | None = None
) -> Tensor:
    """From `start` on up to `end`, which is left out, each `step` more than the one before it.

    With one number, from 0 up to it; a Dim goes with integer steps. int64 where all are integers or Dims, else float32,
    unless `dtype` says it.
    """
    first: Any = 0 if end is None else start
    last: Any = start if end is None else end
    integers = all(isinstance(n, int | Dim) for n in (first, last, step))
    kind = dtype or ("int64" if integers else "float32")
    if step == 0:
        raise s.net.error("step: found 0, expected another number")
    if not isinstance(first, Dim) and not isinstance(last, Dim):
        if not (values := np.arange(first, last, step)).size:
            raise s.net.error(f"found {first} to {last} by {step}, expected at least one value")
        return s.net.constant(values, kind)
    if not integers:
        given = ", ".join(str(n) for n in (start, end, step) if not isinstance(n, Dim | None))
        raise s.net.error(f"found a Dim beside {given}, expected integers")
    count: Any = (last - first + (step - (1 if step > 0 else -1))) // step if step != 1 else last - first
    return _filled(s.net, count, first, step, kind)


def arange_like(x: Tensor, size: int | Dim, dtype: str, start: float = 0, step: float = 1) -> Tensor:
    """`size` values from `start` on, each `step` more than the one before it, in the network of `x`."""
    if not isinstance(size, Dim):
        return x.net.constant(start + np.arange(size) * step, dtype)
    return _filled(x.net, size, start, step, dtype)


def _filled(net: Any, count: Dim, start: Any, step: float, dtype: str) -> Tensor:
    """`count` values known only at run time, from TensorRT's fill layer, which makes neither halves nor bools."""
    wide = dtype if dtype in ("float32", "int32", "int64") else "float32"
    if isinstance(start, Dim):
        first = to(reshape(shape_tensor(net, (start,)), ()), wide)
    else:
        first = net.constant(start, wide, label="start")
    delta = net.constant([step], wide, label="step")
    fill = tensorrt.enum("FillOperation", "LINSPACE")
    inputs = {0: shape_tensor(net, (count,)), 1: first, 2: delta}
    return to(net.emit("add_fill", (0,), fill, tensorrt.dtype(wide), inputs=inputs), dtype)


@op("torch.linspace", creates=True)
def linspace(s: Scope, start: float, end: float, steps: int, *, dtype: DType | None = None) -> Tensor:
    """`steps` values from `start` to `end`, both among them, equally far apart."""
    if steps < 1:
        raise s.net.error(f"steps: found {steps}, expected at least 1")
    return s.net.constant(np.linspace(start, end, steps), dtype or "float32")


@op("torch.meshgrid")
def meshgrid(*tensors: Tensor, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Rows of values as grids of all their combinations; with `indexing="xy"` the first two dimensions change."""
    if indexing not in ("ij", "xy"):
        raise tensors[0].error(f"indexing: found {indexing!r}, expected 'ij' or 'xy'")
    for x in tensors:
        if x.rank > 1:
            raise x.error(f"found shape {x.shape}, expected one dimension each")
    order = list(range(len(tensors)))
    if indexing == "xy" and len(order) > 1:
        order[0], order[1] = 1, 0
    sizes: list[int | Dim] = [1] * len(tensors)
    for x, axis in zip(tensors, order, strict=True):
        sizes[axis] = x.dims[0] if x.rank else 1
    grids = []
    for x, axis in zip(tensors, order, strict=True):
        shape = [-1 if i == axis else 1 for i in range(len(tensors))]
        grids.append(expand(reshape(x, shape), sizes))
    return tuple(grids)
