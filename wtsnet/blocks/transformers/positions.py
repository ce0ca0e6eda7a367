"""Positions that are computed and not learnt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wtsnet.network import shape_tensor
from wtsnet.ops import add, arange, concat, div, expand, mul, reshape, sine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.network import Dim, Scope, Tensor

TEMPERATURE = 10000.0
EPS = 1e-6  # in the normalization, as DETR has it


def sine_positions(s: Scope, height: int | Dim, width: int | Dim, channels: int) -> Tensor:
    """Where each pixel of a map lies, (1, H·W, channels) float32, as sines (Carion et al. 2020, appendix A.4).

    Along an axis of n pixels, pixel i has the angle 2π·(i + 1)/n; half of the channels are of the row, half of the
    column, and of each in turn sin(angle/10000^(2j/half)) and the cosine of it. Of a fixed size this is a constant.
    """
    if isinstance(height, int) and isinstance(width, int):
        rows, columns = (_table(size, channels // 2) for size in (height, width))
        shape = (height, width, channels // 2)
        parts = [np.broadcast_to(rows[:, None], shape), np.broadcast_to(columns, shape)]
        return s.constant(np.concatenate(parts, -1).reshape(1, -1, channels), "float32", suffix="positions")
    half = channels // 2
    y = reshape(s, _axis(s, height, half, "rows"), (height, 1, half), suffix="rows:each")
    x = reshape(s, _axis(s, width, half, "columns"), (1, width, half), suffix="columns:each")
    each = [expand(s, part, (height, width, half), suffix="map") for part in (y, x)]
    return reshape(s, concat(s, each, 2, suffix="map:both"), (1, height * width, channels), suffix="positions")


def _frequencies(half: int) -> NDArray[np.float64]:
    return np.asarray(TEMPERATURE ** (-2 * (np.arange(half) // 2) / half), np.float64).reshape(1, half)


def _phases(half: int) -> NDArray[np.float64]:
    """What makes a cosine of every other sine."""
    return np.asarray(np.arange(half) % 2 * (math.pi / 2), np.float64).reshape(1, half)


def _table(size: int, half: int) -> NDArray[np.float64]:
    """(size, half): one axis."""
    angles = 2 * math.pi * np.arange(1, size + 1)[:, None] / (size + EPS)
    return np.asarray(np.sin(angles * _frequencies(half) + _phases(half)))


def _axis(s: Scope, size: int | Dim, half: int, name: str) -> Tensor:
    """`_table` in the network."""
    count = add(s, s.cast(shape_tensor(s, (size,)), "float32"), EPS, suffix=f"{name}:count")
    steps = arange(s, size, start=2 * math.pi, step=2 * math.pi, suffix=f"{name}:steps")
    angles = reshape(s, div(s, steps, count, suffix=f"{name}:angles"), (size, 1), suffix=f"{name}:column")
    turned = mul(s, angles, s.constant(_frequencies(half), "float32"), suffix=f"{name}:frequencies")
    return sine(s, add(s, turned, s.constant(_phases(half), "float32"), suffix=f"{name}:phases"), suffix=name)
