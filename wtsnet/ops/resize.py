"""Interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network import Dim, op, shape_tensor
from wtsnet.ops.windows import spatial

if TYPE_CHECKING:
    from wtsnet.network import Tensor

# PyTorch's modes: TensorRT's mode, and its coordinates without align_corners.
_MODES = {
    "nearest": ("NEAREST", "ASYMMETRIC"),
    "nearest-exact": ("NEAREST", "HALF_PIXEL"),
    "linear": ("LINEAR", "HALF_PIXEL"),
    "bilinear": ("LINEAR", "HALF_PIXEL"),
    "trilinear": ("LINEAR", "HALF_PIXEL"),
    "bicubic": ("CUBIC", "HALF_PIXEL"),
}
_RANKS = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}  # the others take any


@op("torch.nn.functional.interpolate")
def interpolate(
    input: Tensor,
    size: int | Dim | Sequence[int | Dim] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    *,
    align_corners: bool | None = None,
) -> Tensor:
    """(N, C, spatial …) in other spatial sizes.

    Args:
        size: the output's spatial sizes, also such as are known only at run time; or
        scale_factor: output size over input size, rounded down. It must be exact in float32, as 2, 1.5 or 0.25 are:
            TensorRT holds it so, and with 1.1 would find other sizes and neighbours than PyTorch.
        mode: "nearest", "nearest-exact"; "linear", "bilinear" or "trilinear" by the number of spatial dimensions;
            "bicubic" of two.
        align_corners: whether the centres of the corner pixels keep their place; not with the nearest modes.
    """
    if mode not in _MODES:
        raise input.error(f"mode: found {mode!r}, expected one of {', '.join(_MODES)}")
    if (scale_factor is None) == (size is None):
        raise input.error(f"found size={size} and scale_factor={scale_factor}, expected one of the two")
    if align_corners is not None and mode.startswith("nearest"):
        raise input.error(f"align_corners: found {align_corners} with mode {mode!r}, expected None")
    rank = spatial(input)
    if _RANKS.get(mode, rank) != rank:
        raise input.error(f"mode: found {mode!r} for shape {input.shape}, expected {_RANKS[mode]} spatial dimensions")
    kind, coordinates = _MODES[mode]
    layer: dict[str, Any] = {
        "resize_mode": tensorrt.enum("InterpolationMode", kind),
        "coordinate_transformation": tensorrt.enum(
            "ResizeCoordinateTransformation", "ALIGN_CORNERS" if align_corners else coordinates
        ),
        "nearest_rounding": tensorrt.enum("ResizeRoundMode", "HALF_UP" if mode == "nearest-exact" else "FLOOR"),
        "cubic_coeff": -0.75,  # the coefficient of PyTorch's bicubic
    }
    if scale_factor is not None:
        factors = (scale_factor,) * rank if isinstance(scale_factor, int | float) else tuple(scale_factor)
        if len(factors) != rank or min(factors) <= 0:
            raise input.error(f"scale_factor: found {scale_factor}, expected a positive number or {rank} of them")
        if any(float(np.float32(factor)) != factor for factor in factors):
            raise input.error(f"scale_factor: found {scale_factor}, expected what float32 holds exactly, or a size")
        return input.net.emit("add_resize", input, scales=(1.0, 1.0, *map(float, factors)), **layer)
    sizes = tuple(size) if isinstance(size, Sequence) else (size,) * rank
    if len(sizes) != rank or any(isinstance(n, int) and n < 1 for n in sizes):
        raise input.error(f"size: found {size}, expected a positive number or {rank} of them")
    if any(isinstance(n, Dim) for n in (*input.dims, *sizes)):
        dims: list[Any] = [*input.dims[:2], *sizes]
        return input.net.emit("add_resize", input, inputs={1: shape_tensor(input.net, dims)}, **layer)
    return input.net.emit("add_resize", input, shape=(*input.shape[:2], *sizes), **layer)
