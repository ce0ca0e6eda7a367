"""Sampling at places that the network computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network import Dim, op
from wtsnet.network.dims import largest
from wtsnet.network.pointwise import FLOATS
from wtsnet.network.product import matmul
from wtsnet.network.shape import cat, expand, reshape, to
from wtsnet.ops.create import arange_like

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.network import Tensor

_MODES = {"bilinear": "LINEAR", "nearest": "NEAREST", "bicubic": "CUBIC"}
_OUTSIDE = {"zeros": "FILL", "border": "CLAMP", "reflection": "REFLECT"}


@op("torch.nn.functional.grid_sample")
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    *,
    align_corners: bool | None = None,
) -> Tensor:
    """The values of pictures, or of volumes, at the places `grid` (Jaderberg et al. 2015).

    Args:
        input: (N, C, H, W) or (N, C, D, H, W).
        grid: (N, H', W', 2) or (N, D', H', W', 3), of the input's dtype: x, y and z, of which -1 and 1 are the borders.
        mode: "bilinear", "nearest" or, of pictures, "bicubic".
        padding_mode: what lies outside: "zeros", "border" or "reflection".
        align_corners: whether -1 and 1 are the middles of the corner pixels instead; None is False.

    Returns:
        (N, C, H', W') or (N, C, D', H', W').
    """
    rank = input.rank - 2
    if rank not in (2, 3) or grid.rank != input.rank or grid.shape[-1] != rank:
        wanted = "(N, C, H, W) and (N, H', W', 2), or (N, C, D, H, W) and (N, D', H', W', 3)"
        raise input.error(f"found {input.shape} and {grid.shape}, expected {wanted}")
    if len({input.shape[0], grid.shape[0]} - {-1}) > 1:
        raise input.error(f"grid: found {grid.shape} for {input.shape}, expected the same N")
    if input.dtype != grid.dtype:
        raise input.error(f"found {input.dtype} and {grid.dtype}, expected equal dtypes")
    if mode not in _MODES or (mode == "bicubic" and rank == 3):
        wanted = ", ".join(name for name in _MODES if rank == 2 or name != "bicubic")
        raise input.error(f"mode: found {mode!r} for shape {input.shape}, expected one of {wanted}")
    if padding_mode not in _OUTSIDE:
        raise input.error(f"padding_mode: found {padding_mode!r}, expected one of {', '.join(_OUTSIDE)}")
    return input.net.emit(
        "add_grid_sample",
        input,
        grid,
        interpolation_mode=tensorrt.enum("InterpolationMode", _MODES[mode]),
        sample_mode=tensorrt.enum("SampleMode", _OUTSIDE[padding_mode]),
        align_corners=bool(align_corners),
    )


@op("torch.nn.functional.affine_grid")
def affine_grid(theta: Tensor, size: Sequence[int | Dim], *, align_corners: bool | None = None) -> Tensor:
    """The places, for `grid_sample`, that affine maps take the pixels of the output from.

    Args:
        theta: (N, 2, 3) or, of volumes, (N, 3, 4): a place is theta · (x, y, 1), in float32.
        size: the output's (N, C, H, W) or (N, C, D, H, W); sizes may be Dims.
        align_corners: as in `grid_sample`.

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3), of theta's dtype.
    """
    rank = len(size) - 2
    if rank not in (2, 3) or theta.rank != 3 or theta.shape[1:] != (rank, rank + 1):
        wanted = "(N, 2, 3) for (N, C, H, W), or (N, 3, 4) for (N, C, D, H, W)"
        raise theta.error(f"found {theta.shape} for a size of {len(size)} numbers, expected {wanted}")
    if theta.dtype not in FLOATS:
        raise theta.error(f"theta: found {theta.dtype}, expected floats")
    if any(isinstance(n, int) and n < 1 for n in size):
        raise theta.error(f"size: found {tuple(size)}, expected positive numbers")
    if isinstance(size[0], int) and theta.shape[0] not in (-1, size[0]):
        raise theta.error(f"size: found N = {size[0]} for theta {theta.shape}, expected {theta.shape[0]}")
    places = matmul(_homogeneous(theta, size[2:], bool(align_corners)), to(theta, "float32"), transpose_b=True)
    return to(reshape(places, (theta.dims[0], *size[2:], rank)), theta.dtype)


def _homogeneous(x: Tensor, sizes: Sequence[int | Dim], aligned: bool) -> Tensor:
    """(x, y, 1) or (x, y, z, 1) of every pixel, the last axis being x: (1, pixels, 3 or 4), in the network of `x`."""
    rank = len(sizes)
    fixed = [n for n in sizes if isinstance(n, int)]
    if len(fixed) == rank:
        grids = np.meshgrid(*(_line(n, aligned) for n in fixed), indexing="ij")
        table = np.stack([*grids[::-1], np.ones(fixed)], -1)
        return x.net.constant(table.reshape(1, -1, rank + 1), "float32")
    lines = []
    for axis, n in reversed(list(enumerate(sizes))):
        line = x.net.constant(_line(n, aligned), "float32") if isinstance(n, int) else _late_line(x, n, aligned)
        lines.append(expand(reshape(line, [-1 if i == axis else 1 for i in range(rank + 1)]), (*sizes, 1)))
    ones = expand(x.net.constant(np.ones((1,) * (rank + 1)), "float32"), (*sizes, 1))
    return reshape(cat([*lines, ones], -1), (1, -1, rank + 1))


def _line(n: int, aligned: bool) -> NDArray[np.float64]:
    """The places of `n` pixels in a row, from -1 to 1."""
    places: NDArray[np.float64] = 2 * np.arange(n, dtype=np.float64) + 1 - n
    return places / (max(n - 1, 1) if aligned else n)


def _late_line(x: Tensor, n: Dim, aligned: bool) -> Tensor:
    """The same for a size that is known only at run time."""
    places = arange_like(x, n, "float32", 1, 2) - n
    return places / (largest(n - 1, 1) if aligned else n)
