"""Sampling beside the pixels: deformable convolution and RoIAlign, with torchvision's arguments and weight names.

Places, and what is sampled there, are float32 whatever the input is: halves would shift a place by a part of a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wtsnet.network import Dim, op, shape_tensor
from wtsnet.network.pointwise import gt, logical_or, lt, maximum, minimum, where
from wtsnet.network.shape import cat, expand, flip, permute, reshape, to
from wtsnet.ops.convolution import convolution_as, kernel_of
from wtsnet.ops.create import arange_like
from wtsnet.ops.pool import avg_pool2d
from wtsnet.ops.sample import grid_sample
from wtsnet.ops.windows import spatial, spread

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


@op("torchvision.ops.DeformConv2d")
def deform_conv2d(
    s: Scope,
    input: Tensor,
    offset: Tensor,
    mask: Tensor | None = None,
    *,
    out_channels: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = True,
) -> Tensor:
    """A convolution that takes its values from beside the kernel's own places (Dai et al. 2017).

    Where there is a mask, each value is multiplied by it (Zhu et al. 2018). First comes what the module is called with,
    then, by name and in its order, what it is made with.

    Args:
        input: (N, C, H, W).
        offset: (N, 2·G·kernel height·kernel width, H', W'): for each of G groups of channels and, row by row, each
            place of the kernel, how far below it and how far to the right of it the value is.
        mask: (N, G·kernel height·kernel width, H', W').
        out_channels: -1 for as many as the weight has.

    Returns:
        (N, out_channels, H', W').
    """
    spatial(input, 2)
    kernel = kernel_of(s, input, out_channels, kernel_size, groups)
    strides, dilations = spread(input, "stride", stride, 2), spread(input, "dilation", dilation, 2)
    before = spread(input, "padding", padding, 2, least=0)
    axes = list(zip(kernel.shape[2:], strides, dilations, before, strict=True))
    points, c = kernel.shape[2] * kernel.shape[3], input.shape[1]
    parts = _parts(input, offset, "offset", 2 * points, axes)
    if mask is not None and _parts(input, mask, "mask", points, axes) != parts:
        raise input.error(f"mask: found {mask.shape}, expected {parts * points} channels beside {offset.shape}")
    n, _, h, w = offset.dims
    grid = _grid(input, reshape(to(offset, "float32"), (n * parts, points, 2, h, w)), axes)
    x = to(input, "float32")
    if parts > 1:
        x = reshape(x, (n * parts, c // parts, *input.dims[2:]))
    y = to(grid_sample(x, reshape(grid, (n * parts, h * points, w, 2))), input.dtype)
    if mask is not None:
        y = y * reshape(to(mask, input.dtype), (n * parts, 1, h * points, w))
    y = reshape(y, (n, c * points, h, w))
    offsets = s.take("bias", kernel.shape[0]) if bias else None
    return convolution_as(s, y, kernel.reshape(kernel.shape[0], -1, 1, 1), offsets, groups=groups)


_Axis = tuple[int, int, int, int]
"""Of a dimension of a kernel: its size, stride, dilation, and the padding in front."""


def _parts(x: Tensor, given: Tensor, name: str, each: int, axes: Sequence[_Axis]) -> int:
    """Into how many groups an offset or a mask parts the channels of `x`, where it has `each` channels for a group."""
    sizes = [
        -1 if size == -1 else (size + 2 * before - dilation * (kernel - 1) - 1) // stride + 1
        for size, (kernel, stride, dilation, before) in zip(x.shape[2:], axes, strict=True)
    ]
    if (
        given.rank != 4
        or given.shape[1] < each
        or given.shape[1] % each
        or x.shape[1] % (given.shape[1] // each)
        or any(-1 not in pair and pair[0] != pair[1] for pair in zip(given.shape[2:], sizes, strict=True))
    ):
        shown = ", ".join("…" if size == -1 else str(size) for size in sizes)
        raise x.error(f"{name}: found {given.shape}, expected (N, {each}·G, {shown}), G dividing {x.shape[1]} channels")
    return given.shape[1] // each


def _grid(x: Tensor, shifts: Tensor, axes: Sequence[_Axis]) -> Tensor:
    """Where `grid_sample` finds what is `shifts` (…, points, 2, H', W') down and to the right of the kernel's places:
    (…, points, H', W', 2)."""
    lines = [np.arange(kernel) * dilation - before for kernel, _, dilation, before in axes]
    inside = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, 1, 1, 2)
    strides = [stride for _, stride, _, _ in axes]
    shifts = permute(shifts, (0, 1, 3, 4, 2))
    if -1 in (*x.shape[2:], *shifts.shape[2:4]):
        h, w = shifts.dims[2:4]
        rows, columns = (
            expand(reshape(arange_like(x, n, "float32", step=stride), shape), (h, w, 1))
            for n, stride, shape in zip((h, w), strides, ((-1, 1, 1), (1, -1, 1)), strict=True)
        )
        places = shifts + (cat((rows, columns), -1) + x.net.constant(inside, "float32"))
        units = (places * 2.0 + 1.0) / to(shape_tensor(x.net, x.dims[2:]), "float32") - 1.0
    else:
        starts = [np.arange(n) * stride for n, stride in zip(shifts.shape[2:4], strides, strict=True)]
        own, size = inside + np.stack(np.meshgrid(*starts, indexing="ij"), -1), np.array(x.shape[2:])
        units = shifts * x.net.constant(2 / size, "float32") + x.net.constant((2 * own + 1) / size - 1, "float32")
    return flip(units, -1)


@op("torchvision.ops.roi_align")
def roi_align(
    input: Tensor,
    boxes: Tensor,
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """The mean of evenly spaced samples in each of `output_size` bins of every box (He et al. 2017).

    Args:
        input: (N, C, H, W).
        boxes: (K, 5): the index of a picture, and x1, y1, x2, y2 in it.
        output_size: (height, width) in bins.
        spatial_scale: what the boxes are multiplied by to be in the pixels of `input`.
        sampling_ratio: how many samples a bin has along each dimension: 1 or more. The default, for which torchvision
            takes as many as the box asks for, is refused: a network has a fixed number of them.
        aligned: whether boxes are measured from the corner of the first pixel, and not from its middle; otherwise they
            are no smaller than a pixel.

    Returns:
        (K, C, *output_size).
    """
    spatial(input, 2)
    height, width = spread(input, "output_size", output_size, 2)
    if boxes.rank != 2 or boxes.shape[1] != 5:
        raise input.error(f"boxes: found {boxes.shape}, expected (K, 5): the index of a picture, x1, y1, x2, y2")
    if sampling_ratio < 1:
        raise input.error(
            f"sampling_ratio: found {sampling_ratio}, expected a number of samples such as 2: a box can't choose it"
        )
    if spatial_scale <= 0:
        raise input.error(f"spatial_scale: found {spatial_scale}, expected a positive number")
    given = to(boxes, "float32")
    scaled = given if spatial_scale == 1 else given * spatial_scale
    corners = scaled - 0.5 if aligned else scaled
    left, top, right, bottom = (corners[:, i : i + 1] for i in range(1, 5))
    (n, c, h, w), k = input.dims, boxes.dims[0]
    least = None if aligned else 1.0
    columns, beside = _samples(left, right, least, width * sampling_ratio, w)
    rows, above = _samples(top, bottom, least, height * sampling_ratio, h)
    x = to(input, "float32")
    if input.shape[0] != 1:  # the pictures one below the other, as one
        x = reshape(permute(x, (1, 0, 2, 3)), (1, c, n * h, w))
        rows = rows + given[:, :1] * h
        h = n * h
    shape = k, height * sampling_ratio, width * sampling_ratio, 1
    # Beyond -1 and 1 lies 0.
    columns = reshape(where(beside, -3.0, _in_units(columns, w)), (k, 1, shape[2], 1))
    rows = reshape(where(above, -3.0, _in_units(rows, h)), (k, shape[1], 1, 1))
    grid = cat((expand(columns, shape), expand(rows, shape)), -1)
    y = grid_sample(x, reshape(grid, (1, k * shape[1], shape[2], 2)))
    if sampling_ratio > 1:
        y = avg_pool2d(y, sampling_ratio)
    return to(permute(reshape(y, (c, k, height, width)), (1, 0, 2, 3)), input.dtype)


def _samples(start: Tensor, end: Tensor, least: float | None, number: int, size: int | Dim) -> tuple[Tensor, Tensor]:
    """Places of `number` samples evenly spaced from the start to the end of boxes, each (K, 1), in a picture of that
    size, which goes on for a pixel around it, and whether they are farther out: (K, number) each."""
    side = end - start if least is None else maximum(end - start, least)
    spaced = start.net.constant((np.arange(number)[None] + 0.5) / number, "float32")
    places = start + side * spaced
    outside = logical_or(lt(places, -1.0), gt(places, size))
    return minimum(maximum(places, 0.0), size - 1), outside


def _in_units(places: Tensor, size: int | Dim) -> Tensor:
    """Places along a dimension as `grid_sample` takes them, -1 and 1 being the borders."""
    if isinstance(size, Dim):
        return (places * 2.0 + 1.0) / size - 1.0
    return places * (2 / size) + (1 / size - 1)
