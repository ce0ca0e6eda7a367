"""Interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet.network import Dim, shape_tensor
from wtsnet.ops.shape import spatial

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor

# PyTorch's modes: TensorRT's mode, and its coordinates without and with align_corners.
_MODES = {
    "nearest": ("NEAREST", "ASYMMETRIC"),
    "nearest-exact": ("NEAREST", "HALF_PIXEL"),
    "linear": ("LINEAR", "HALF_PIXEL"),
    "bilinear": ("LINEAR", "HALF_PIXEL"),
    "trilinear": ("LINEAR", "HALF_PIXEL"),
    "bicubic": ("CUBIC", "HALF_PIXEL"),
}


_RANKS = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}  # the others take any


def upsample(
    s: Scope,
    x: Tensor,
    scale: float | tuple[float, ...] | None = None,
    size: int | tuple[int | Dim, ...] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
    suffix: str = "",
) -> Tensor:
    """`torch.nn.Upsample` and `F.interpolate` without antialiasing, of (N, C, spatial …).

    Args:
        scale: output size over input size, rounded down. It must be exact in float32, as 2, 1.5 or 0.25 are: TensorRT
            holds it so, and with 1.1 would find other sizes and neighbours than PyTorch; or
        size: the output's spatial sizes.
        mode: "nearest", "nearest-exact"; "linear", "bilinear" or "trilinear" by the number of spatial dimensions;
            "bicubic" of two.
        align_corners: whether the centres of the corner pixels keep their place; not with the nearest modes.
    """
    if mode not in _MODES:
        raise s.error(f"upsample: found mode {mode!r}, expected one of {', '.join(_MODES)}")
    if (scale is None) == (size is None):
        raise s.error(f"upsample: found scale={scale} and size={size}, expected one of the two")
    if align_corners and mode.startswith("nearest"):
        raise s.error(f"upsample: found align_corners with mode {mode!r}, expected it with the linear modes")
    rank = spatial(s, x)
    if _RANKS.get(mode, rank) != rank:
        raise s.error(f"upsample: found mode {mode!r} for shape {x.shape}, expected {_RANKS[mode]} spatial dimensions")
    kind, coordinates = _MODES[mode]
    layer = {
        "resize_mode": s.enum("InterpolationMode", kind),
        "coordinate_transformation": s.enum(
            "ResizeCoordinateTransformation", "ALIGN_CORNERS" if align_corners else coordinates
        ),
        "nearest_rounding": s.enum("ResizeRoundMode", "HALF_UP" if mode == "nearest-exact" else "FLOOR"),
        "cubic_coeff": -0.75,  # the coefficient of PyTorch's bicubic
    }
    if scale is not None:
        factors = (float(scale),) * rank if isinstance(scale, int | float) else tuple(map(float, scale))
        if len(factors) != rank or min(factors) <= 0:
            raise s.error(f"upsample: found scale {scale}, expected a positive number or {rank} of them")
        if any(float(np.float32(factor)) != factor for factor in factors):
            raise s.error(f"upsample: found scale {scale}, expected one that float32 holds exactly, or a size")
        return s.emit("add_resize", x, suffix=suffix, scales=(1.0, 1.0, *factors), **layer)
    sizes = size if isinstance(size, tuple) else (size or 0,) * rank
    if len(sizes) != rank or any(isinstance(n, int) and n < 1 for n in sizes):
        raise s.error(f"upsample: found size {size}, expected a positive number or {rank} of them")
    if any(isinstance(n, Dim) for n in (*x.dims, *sizes)):
        return s.emit("add_resize", x, suffix=suffix, inputs={1: shape_tensor(s, (*x.dims[:2], *sizes))}, **layer)
    return s.emit("add_resize", x, suffix=suffix, shape=(*x.shape[:2], *sizes), **layer)
