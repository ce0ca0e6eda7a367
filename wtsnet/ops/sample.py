"""Sampling at places that the network computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor

_MODES = {"bilinear": "LINEAR", "nearest": "NEAREST", "bicubic": "CUBIC"}
_OUTSIDE = {"zeros": "FILL", "border": "CLAMP", "reflection": "REFLECT"}


def grid_sample(
    s: Scope,
    x: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
    suffix: str = "",
) -> Tensor:
    """`torch.nn.functional.grid_sample` of pictures (Jaderberg et al. 2015): the values of `x` at the places `grid`.

    Args:
        x: (N, C, H, W).
        grid: (N, H', W', 2), of x's dtype: x and y, of which -1 and 1 are the borders of the picture.
        mode: "bilinear", "nearest" or "bicubic".
        padding_mode: what lies outside: "zeros", "border" or "reflection".
        align_corners: whether -1 and 1 are the middles of the corner pixels instead.

    Returns:
        (N, C, H', W').
    """
    if x.rank != 4 or grid.rank != 4 or grid.shape[3] != 2:
        raise s.error(f"grid sample: found {x.shape} and {grid.shape}, expected (N, C, H, W) and (N, H', W', 2)")
    if x.dtype != grid.dtype:
        raise s.error(f"grid sample: found {x.dtype} and {grid.dtype}, expected equal dtypes")
    if mode not in _MODES:
        raise s.error(f"grid sample: found mode {mode!r}, expected one of {', '.join(_MODES)}")
    if padding_mode not in _OUTSIDE:
        raise s.error(f"grid sample: found padding_mode {padding_mode!r}, expected one of {', '.join(_OUTSIDE)}")
    return s.emit(
        "add_grid_sample",
        x,
        grid,
        suffix=suffix,
        interpolation_mode=s.enum("InterpolationMode", _MODES[mode]),
        sample_mode=s.enum("SampleMode", _OUTSIDE[padding_mode]),
        align_corners=align_corners,
    )
