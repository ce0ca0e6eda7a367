"""Positions that are computed and not learnt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wtsnet.network import shape_tensor
from wtsnet.ops import cat, sin
from wtsnet.ops.create import arange_like

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.network import Dim, Tensor

TEMPERATURE = 10000.0
EPS = 1e-6  # in the normalization, as DETR has it


def sine_positions(x: Tensor) -> Tensor:
    """Where each pixel of a map (N, C, H, W) lies, (1, H·W, C), as sines (Carion et al. 2020, appendix A.4).

    Along an axis of n pixels, pixel i has the angle 2π·(i + 1)/n; half of the channels are of the row, half of the
    column, and of each in turn sin(angle/10000^(2j/half)) and the cosine of it. Of a fixed size this is a constant.
    """
    channels, height, width = x.shape[1:]
    half = channels // 2
    if -1 not in (height, width):
        rows, columns = _table(height, half), _table(width, half)
        shape = (height, width, half)
        parts = [np.broadcast_to(rows[:, None], shape), np.broadcast_to(columns, shape)]
        return x.net.constant(np.concatenate(parts, 2).reshape(1, -1, channels), x.dtype, label="positions")
    size = x.dims[2:]
    down, across = (_axis(x, n, half) for n in size)
    each = [down.unsqueeze(1).expand(*size, -1), across.unsqueeze(0).expand(*size, -1)]
    return cat(each, 2).reshape(1, -1, channels).to(x.dtype)


def _frequencies(half: int) -> NDArray[np.float64]:
    """By which the places along an axis, from 0 to 1, become angles."""
    return np.asarray(2 * math.pi * TEMPERATURE ** (-2 * (np.arange(half) // 2) / half))


def _phases(half: int) -> NDArray[np.float64]:
    """What makes a cosine of every other sine."""
    return np.asarray(np.arange(half) % 2 * (math.pi / 2))


def _table(size: int, half: int) -> NDArray[np.float64]:
    """(size, half): one axis."""
    places = np.arange(1, size + 1)[:, None] / (size + EPS)
    return np.asarray(np.sin(places * _frequencies(half) + _phases(half)))


def _axis(x: Tensor, size: int | Dim, half: int) -> Tensor:
    """`_table` in the network."""
    count = shape_tensor(x.net, (size,)).float() + EPS
    places = (arange_like(x, size, "float32", start=1) / count).unsqueeze(1)
    frequencies, phases = (x.net.constant(row[None], "float32") for row in (_frequencies(half), _phases(half)))
    return sin(places * frequencies + phases)
