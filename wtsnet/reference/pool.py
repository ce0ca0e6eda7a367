"""Pooling, 2-d and 3-d."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from wtsnet.reference.conv import Pads, pad, window_padding, with_one_batch_axis
from wtsnet.reference.readback import Node
from wtsnet.reference.registry import Run, executes


def _symmetric(pads: Pads, window: Sequence[int]) -> bool:
    return pads[0] == pads[1] and all(0 <= 2 * p <= k for p, k in zip(pads[0], window, strict=True))


@executes("POOLING")
def pooling(node: Node) -> Run:
    """Max, average, or (1 - blend) · max + blend · average over a window."""
    layer = node.layer
    kind: str = layer.type.name
    blend: float = layer.blend_factor
    maximum, average = _max_pool(node), _average_pool(node)
    run = {
        "MAX": maximum,
        "AVERAGE": average,
        "MAX_AVERAGE_BLEND": lambda x: (1 - blend) * maximum(x) + blend * average(x),
    }[kind]
    apply = with_one_batch_axis(run, len(layer.window_size_nd) + 2)
    return lambda inputs: (apply(inputs[0]),)


def _max_pool(node: Node) -> Callable[[Tensor], Tensor]:
    window, stride = tuple(node.layer.window_size_nd), tuple(node.layer.stride_nd)
    nd = len(window)
    padding = window_padding(node, window)
    pool = (F.max_pool2d, F.max_pool3d)[nd - 2]

    def run(x: Tensor) -> Tensor:
        pads = padding(x.shape[-nd:])
        if not x.is_floating_point():
            return run(x.double()).to(x.dtype)  # torch pools floats only
        if _symmetric(pads, window):
            return pool(x, window, stride, pads[0])
        return pool(pad(x, pads, -torch.inf), window, stride)

    return run


def _average_pool(node: Node) -> Callable[[Tensor], Tensor]:
    """The divisor is the window's overlap with the input, or with the input and its declared padding.

    What ROUND_UP adds belongs to neither.
    """
    layer = node.layer
    window, stride = tuple(layer.window_size_nd), tuple(layer.stride_nd)
    mode: str = layer.padding_mode.name
    exclusive: bool = layer.average_count_excludes_padding
    declared = tuple(layer.post_padding)
    nd = len(window)
    padding = window_padding(node, window)
    pool = (F.avg_pool2d, F.avg_pool3d)[nd - 2]

    def run(x: Tensor) -> Tensor:
        extents = x.shape[-nd:]
        pads = padding(extents)
        rounded_up = mode == "EXPLICIT_ROUND_UP" and pads[1] != declared
        if not rounded_up and _symmetric(pads, window):
            return pool(x, window, stride, pads[0], False, not exclusive)
        counted = declared if mode == "EXPLICIT_ROUND_UP" else pads[1]
        sums = pool(pad(x, pads), window, stride, divisor_override=1)
        divisor = torch.ones((), device=x.device)
        for axis in range(nd):
            before, after, extent = pads[0][axis], pads[1][axis], extents[axis]
            starts = torch.arange(0, before + extent + after - window[axis] + 1, stride[axis], device=x.device)
            first, last = (before, before + extent) if exclusive else (0, before + extent + counted[axis])
            overlap = (starts + window[axis]).clamp(max=last) - starts.clamp(min=first)
            divisor = divisor[..., None] * overlap.clamp(min=1)
        return (sums / divisor).to(x.dtype)

    return run
