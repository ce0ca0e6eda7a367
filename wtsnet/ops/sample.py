"""Sampling at places that the network computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet import trt as tensorrt
from wtsnet.network import op

if TYPE_CHECKING:
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
    """The values of pictures at the places `grid` (Jaderberg et al. 2015).

    Args:
        input: (N, C, H, W).
        grid: (N, H', W', 2), of the input's dtype: x and y, of which -1 and 1 are the borders of the picture.
        mode: "bilinear", "nearest" or "bicubic".
        padding_mode: what lies outside: "zeros", "border" or "reflection".
        align_corners: whether -1 and 1 are the middles of the corner pixels instead; None is False.

    Returns:
        (N, C, H', W').
    """
    if input.rank != 4 or grid.rank != 4 or grid.shape[3] != 2:
        raise input.error(f"found {input.shape} and {grid.shape}, expected (N, C, H, W) and (N, H', W', 2)")
    if input.dtype != grid.dtype:
        raise input.error(f"found {input.dtype} and {grid.dtype}, expected equal dtypes")
    if mode not in _MODES:
        raise input.error(f"mode: found {mode!r}, expected one of {', '.join(_MODES)}")
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
