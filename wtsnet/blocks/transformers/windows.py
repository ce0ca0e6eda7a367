"""Attention within shifted windows (Liu et al. 2021), with torchvision's weight names. Maps are (N, H, W, C)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wtsnet.network import module
from wtsnet.ops import linear, normalize, pad, scaled_dot_product_attention
from wtsnet.ops.affine import affine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wtsnet.network import Scope, Tensor

APART = -100.0  # what is added to the score of a pair that was brought together by the shift alone


@module
def window_attention(
    s: Scope, x: Tensor, heads: int, window: int, *, shifted: bool = False, cosine: bool = False
) -> Tensor:
    """Attention among the pixels of each window, (N, H, W, C) to the same; height and width must be fixed.

    The map is padded with zeros to whole windows. With `shifted` the windows are half a window further down and to the
    right, along axes that have more than one. With `cosine` it is that of version 2: scores are cosines by a learnt
    scale, and the bias is the output of a small network.
    """
    height, width, channels = x.shape[1:]
    rows, columns = (-(-size // window) * window for size in (height, width))
    shift = [window // 2 if shifted and size > window else 0 for size in (rows, columns)]
    x = pad(x, (0, 0, 0, columns - width, 0, rows - height))
    x = _split(x.roll([-step for step in shift], (1, 2)), window)
    qkv = (_qkv_without_key_bias if cosine else linear)(s / "qkv", x, 3 * channels)
    q, k, v = (part.unflatten(3, (heads, -1)).transpose(2, 3) for part in qkv.chunk(3, -1))
    if cosine:
        q, k = normalize(q, dim=-1) * _scale(s, heads, q.dtype), normalize(k, dim=-1)
    bias = (_bias_network if cosine else _bias_table)(s, heads, window) + _apart(rows, columns, window, shift)
    y = scaled_dot_product_attention(q, k, v, s.constant(bias, x.dtype), scale=1.0 if cosine else None)
    y = linear(s / "proj", y.transpose(2, 3).flatten(3), channels)
    return _merge(y, rows, columns, window).roll(shift, (1, 2))[:, :height, :width]


def _split(x: Tensor, window: int) -> Tensor:
    """(N, H, W, C) as windows (N, count, window², C)."""
    n, rows, columns, channels = x.dims
    down, across = rows // window, columns // window
    x = x.reshape(n, down, window, across, window, channels).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(n, down * across, window**2, channels)


def _merge(x: Tensor, rows: int, columns: int, window: int) -> Tensor:
    """Windows (N, count, window², C) as (N, rows, columns, C)."""
    n, _, _, channels = x.dims
    x = x.reshape(n, rows // window, columns // window, window, window, channels).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(n, rows, columns, channels)


@module
def _qkv_without_key_bias(s: Scope, x: Tensor, out_features: int) -> Tensor:
    """`linear` with no bias in its second third, the keys, whatever the weights hold."""
    q, k, v = np.split(s.take("bias", out_features), 3)
    return affine(x, s.take("weight", out_features, x.shape[-1]), np.concatenate((q, np.zeros_like(k), v)))


def _scale(s: Scope, heads: int, dtype: str) -> Tensor:
    """What cosines are multiplied by, (1, 1, heads, 1, 1): e to the learnt exponent, at most 100."""
    exponent = s.take("logit_scale", heads, 1, 1)
    return s.constant(np.exp(np.minimum(exponent, math.log(100)))[None, None], dtype)


def _relative(window: int) -> NDArray[np.intp]:
    """For each pair of pixels of a window, (window², window²): the place of its offset in a table of all offsets, which
    has 2·window − 1 rows and columns."""
    y, x = np.divmod(np.arange(window**2), window)
    down, right = y[:, None] - y + window - 1, x[:, None] - x + window - 1
    return np.asarray(down * (2 * window - 1) + right)


def _bias_table(s: Scope, heads: int, window: int) -> NDArray[np.float32]:
    """The learnt bias of each pair, (1, 1, heads, window², window²)."""
    s.leave("relative_position_index")  # follows from the window's size
    table = s.take("relative_position_bias_table", (2 * window - 1) ** 2, heads)
    return np.asarray(table[_relative(window)].transpose(2, 0, 1)[None, None])


def _bias_network(s: Scope, heads: int, window: int) -> NDArray[np.float64]:
    """Version 2's bias of each pair, (1, 1, heads, window², window²): 16·σ of a network of the pair's offset, which it
    is given as sign(d)·log₂(1 + 8·|d|)/3 for offsets d from −1 to 1 (Liu et al. 2022, eq. 4, as it was trained)."""
    s.leave("relative_position_index", "relative_coords_table")  # follow from the window's size
    offsets = np.arange(1 - window, window) / (window - 1)
    logs = np.sign(offsets) * np.log2(1 + 8 * np.abs(offsets)) / 3
    pairs = np.stack(np.meshgrid(logs, logs, indexing="ij"), -1).reshape(-1, 2)
    first, last = s / "cpb_mlp" / 0, s / "cpb_mlp" / 2
    hidden = np.maximum(pairs @ first.take("weight", -1, 2).T + first.take("bias", -1), 0)
    table = hidden @ last.take("weight", heads, hidden.shape[1]).T
    return np.asarray((16 / (1 + np.exp(-table)))[_relative(window)].transpose(2, 0, 1)[None, None])


def _apart(rows: int, columns: int, window: int, shift: Sequence[int]) -> NDArray[np.float32]:
    """What keeps pixels apart that are neighbours only since the map was rolled: (1, count, 1, window², window²), or
    with one 0 for all where nothing was."""
    if not any(shift):
        return np.zeros((1,) * 5, np.float32)
    down, across = (_parts(size, window, step) for size, step in zip((rows, columns), shift, strict=True))
    part = (3 * down[:, None] + across).reshape(rows // window, window, columns // window, window)
    part = part.transpose(0, 2, 1, 3).reshape(-1, 1, window**2)
    return np.asarray(np.where(part[..., None] != part[..., None, :], np.float32(APART), np.float32(0))[None])


def _parts(size: int, window: int, step: int) -> NDArray[np.intp]:
    """Along one axis: what lies before the last window, in its first part, and what came in from the other end."""
    parts = np.zeros(size, np.intp)
    if step:
        parts[size - window :] = 1
        parts[size - step :] = 2
    return parts
