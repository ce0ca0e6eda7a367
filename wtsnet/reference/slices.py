"""The slice layer, inside and beyond the bounds of its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from wtsnet.reference.readback import Node, read_dims
from wtsnet.reference.registry import Run, executes

Window = list[tuple[int, int, int]]
"""(start, size, stride) of each axis."""


@executes("SLICE")
def slice_(node: Node) -> Run:
    """size[i] elements of each axis i from start[i] in steps of stride[i].

    start, size, stride and axes are attributes, or inputs 1, 2, 3 and 5; input 4 is the value for FILL.
    """
    layer = node.layer
    given = [
        None if node.has(i) else read_dims(value)
        for i, value in ((1, layer.start), (2, layer.shape), (3, layer.stride), (5, getattr(layer, "axes", None)))
    ]
    cut = _MODES[layer.mode.name]
    with_value = node.has(4)
    rank = len(node.inputs[0].shape) if node.inputs[0] else 0

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x = inputs[0]
        start, size, stride = (
            inputs[i].tolist() if value is None else value for i, value in zip((1, 2, 3), given[:3], strict=True)
        )
        axes = inputs[5].tolist() if node.has(5) else given[3] or range(rank)
        window: Window = [(0, extent, 1) for extent in x.shape]
        for axis, *triple in zip(axes, start, size, stride, strict=True):
            window[axis] = (triple[0], triple[1], triple[2])
        return (cut(x, window, inputs[4] if with_value else None),)

    if rank and not any(node.has(i) for i in range(1, 6)) and layer.mode.name == "STRICT_BOUNDS" and not given[3]:
        return _static(list(zip(*(g or [] for g in given[:3]), strict=True))) or run
    return run


def _static(window: Window) -> Run | None:
    """A plain view, its key made once; None where a stride is not positive."""
    if any(size < 1 or stride < 1 for _, size, stride in window):
        return None
    key = tuple(slice(start, start + (size - 1) * stride + 1, stride) for start, size, stride in window)
    return lambda inputs: (inputs[0][key],)


def _strict(x: Tensor, window: Window, value: Tensor | None) -> Tensor:
    for axis, (start, size, stride) in enumerate(window):
        last = start + (size - 1) * stride
        extent = x.shape[axis]
        if size and not (0 <= start < extent and 0 <= last < extent):
            raise IndexError(f"axis {axis} of extent {extent} is read from {start} to {last}, out of its bounds")
        if size == 0 or stride == 1:
            x = x.narrow(axis, start if size else 0, size)
        else:
            x = x.index_select(axis, _indices(x, start, size, stride))
    return x


def _indices(x: Tensor, start: int, size: int, stride: int) -> Tensor:
    return start + torch.arange(size, device=x.device) * stride


def _fill(x: Tensor, window: Window, value: Tensor | None) -> Tensor:
    """Outside of x stands `value`, or zero."""
    fill = torch.zeros((), dtype=x.dtype, device=x.device) if value is None else value.reshape(()).to(x.dtype)
    starts_inside = all(start <= x.shape[axis] and start + size >= 0 for axis, (start, size, _) in enumerate(window))
    if starts_inside and all(stride == 1 for *_, stride in window):
        pads = [(-start, start + size - x.shape[axis]) for axis, (start, size, _) in enumerate(window)]
        return F.pad(x, [p for pair in reversed(pads) for p in pair], value=fill.item())
    inside = torch.ones((), dtype=torch.bool, device=x.device)
    for axis, (start, size, stride) in enumerate(window):
        index, extent = _indices(x, start, size, stride), x.shape[axis]
        inside = inside[..., None] & (index >= 0) & (index < extent)
        x = x.index_select(axis, index.clamp(0, extent - 1)) if extent else x.new_zeros(_resized(x, axis, size))
    return torch.where(inside, x, fill)


def _resized(x: Tensor, axis: int, size: int) -> list[int]:
    return [size if i == axis else extent for i, extent in enumerate(x.shape)]


def _clamp(index: Tensor, extent: int) -> Tensor:
    return index.clamp(0, extent - 1)


def _wrap(index: Tensor, extent: int) -> Tensor:
    return index % extent


def _reflect(index: Tensor, extent: int) -> Tensor:
    """… 2 1 | 0 1 2 … n-1 | n-2 …: the edge itself is not repeated."""
    period = max(2 * (extent - 1), 1)
    folded = index % period
    return torch.minimum(folded, period - folded) if extent > 1 else torch.zeros_like(index)


def _mapped(source: Callable[[Tensor, int], Tensor]) -> Callable[[Tensor, Window, Tensor | None], Tensor]:
    def cut(x: Tensor, window: Window, value: Tensor | None) -> Tensor:
        for axis, (start, size, stride) in enumerate(window):
            if (start, size, stride) != (0, x.shape[axis], 1):
                x = x.index_select(axis, source(_indices(x, start, size, stride), x.shape[axis]))
        return x

    return cut


_MODES: dict[str, Callable[[Tensor, Window, Tensor | None], Tensor]] = {
    "STRICT_BOUNDS": _strict,
    "FILL": _fill,
    "CLAMP": _mapped(_clamp),
    "WRAP": _mapped(_wrap),
    "REFLECT": _mapped(_reflect),
}
