"""Convolution and transposed convolution, 2-d and 3-d, and the padding arithmetic that pooling shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor

from wtsnet.reference.readback import Node
from wtsnet.reference.registry import Run, executes

Pads = tuple[tuple[int, ...], tuple[int, ...]]
"""Padding before and after each spatial axis."""


def window_padding(node: Node, window: Sequence[int]) -> Callable[[Sequence[int]], Pads]:
    """The padding of a sliding `window` (dilation included) as a function of the spatial extents.

    EXPLICIT_ROUND_UP adds what the last, partial window reaches beyond the end. SAME gives ceil(in / stride)
    windows; the odd element goes to the end (UPPER) or the start (LOWER).
    """
    layer = node.layer
    mode: str = layer.padding_mode.name
    stride = tuple(layer.stride_nd)
    pre, post = tuple(layer.pre_padding), tuple(layer.post_padding)
    if mode == "EXPLICIT_ROUND_DOWN":
        return lambda extents: (pre, post)

    def round_up(extents: Sequence[int]) -> Pads:
        steps = zip(extents, window, stride, pre, post, strict=True)
        return pre, tuple(b + -(n + a + b - k) % s for n, k, s, a, b in steps)

    def same(extents: Sequence[int]) -> Pads:
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(extents, window, stride, strict=True)]
        small, large = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
        return (small, large) if mode == "SAME_UPPER" else (large, small)

    return round_up if mode == "EXPLICIT_ROUND_UP" else same


def pad(x: Tensor, pads: Pads, value: float = 0.0) -> Tensor:
    """Pad (or, where negative, crop) the last axes of x."""
    flat = [p for before, after in zip(reversed(pads[0]), reversed(pads[1]), strict=True) for p in (before, after)]
    return F.pad(x, flat, value=value) if any(flat) else x


def with_one_batch_axis(run: Callable[[Tensor], Tensor], rank: int) -> Callable[[Tensor], Tensor]:
    """`run` wants (N, C, …) of that rank; TensorRT takes any number of leading axes, none included."""

    def flattened(x: Tensor) -> Tensor:
        if x.ndim == rank:
            return run(x)
        y = run(x.reshape(-1, *x.shape[1 - rank :]))
        return y.reshape(*x.shape[: 1 - rank], *y.shape[1:])

    return flattened


@executes("CONVOLUTION")
def convolution(node: Node) -> Run:
    """y = conv(x, kernel) + bias; kernel and bias are weights, or inputs 1 and 2."""
    layer = node.layer
    nd = len(layer.kernel_size_nd)
    groups, stride, dilation = layer.num_groups, tuple(layer.stride_nd), tuple(layer.dilation_nd)
    window = tuple(d * (k - 1) + 1 for k, d in zip(layer.kernel_size_nd, dilation, strict=True))
    padding = window_padding(node, window)
    kernel = node.weights("kernel", 0, (layer.num_output_maps, -1, *layer.kernel_size_nd))
    bias = node.weights("bias", 1)
    conv = (F.conv2d, F.conv3d)[nd - 2]

    def apply(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        pre, post = padding(x.shape[-nd:])
        if pre != post or min(pre) < 0:
            x, pre = pad(x, (pre, post)), (0,) * nd
        return conv(x, w, b, stride, pre, dilation, groups)

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        w = inputs[1] if kernel is None else kernel
        b = inputs[2] if bias is None and node.has(2) else bias
        return (with_one_batch_axis(lambda x: apply(x, w, b), nd + 2)(inputs[0]),)

    return run


@executes("DECONVOLUTION")
def deconvolution(node: Node) -> Run:
    """The transpose of a convolution: kernel (in, out / groups, …); padding crops the result.

    SAME gives in · stride; what the full result has beyond that is cropped. A negative padding grows the
    result, and the bias is added there too.
    """
    layer = node.layer
    nd = len(layer.kernel_size_nd)
    groups, stride, dilation = layer.num_groups, tuple(layer.stride_nd), tuple(layer.dilation_nd)
    mode: str = layer.padding_mode.name
    pre, post = tuple(layer.pre_padding), tuple(layer.post_padding)
    maps, sizes = layer.num_output_maps // groups, tuple(layer.kernel_size_nd)
    kernel = node.weights("kernel", 0, (-1, maps, *sizes))
    bias = node.weights("bias", 1)
    deconv = (F.conv_transpose2d, F.conv_transpose3d)[nd - 2]
    zeros = (0,) * nd

    def crops(extents: Sequence[int], full: Sequence[int]) -> Pads:
        if mode.startswith("EXPLICIT"):
            return pre, post
        total = [max(f - n * s, 0) for f, n, s in zip(full, extents, stride, strict=True)]
        small, large = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
        return (small, large) if mode == "SAME_UPPER" else (large, small)

    def apply(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        extents = x.shape[-nd:]
        full = [
            (n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(extents, stride, dilation, w.shape[2:], strict=True)
        ]
        before, after = crops(extents, full)
        if before == after and min(before) >= 0:
            return deconv(x, w, b, stride, before, zeros, groups, dilation)
        y = deconv(x, w, None, stride, zeros, zeros, groups, dilation)
        y = pad(y, (tuple(-p for p in before), tuple(-p for p in after)))
        return y if b is None else y + b.reshape(-1, *(1,) * nd)

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        w = inputs[1] if kernel is None else kernel
        b = inputs[2] if bias is None and node.has(2) else bias
        return (with_one_batch_axis(lambda x: apply(x, w, b), nd + 2)(inputs[0]),)

    return run


@executes("PADDING")
def padding(node: Node) -> Run:
    """Zeros around the last two axes, or a crop where the padding is negative."""
    pads = tuple(node.layer.pre_padding_nd), tuple(node.layer.post_padding_nd)
    return lambda inputs: (pad(inputs[0], pads),)
