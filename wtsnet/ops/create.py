"""Tensors that the network makes itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.dims import Dim, shape_tensor
from wtsnet.ops.shape import squeeze

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


def arange(s: Scope, size: int | Dim, dtype: str = "float32", suffix: str = "") -> Tensor:
    """0, 1, … size − 1 as a tensor of shape (size,)."""
    if not isinstance(size, Dim):
        return s.constant(np.arange(size), dtype, suffix=suffix or "arange")
    start = squeeze(s, s.constant([0], dtype, suffix="start"), 0, suffix="start")
    step = s.constant([1], dtype, suffix="step")
    fill = s.enum("FillOperation", "LINSPACE")
    inputs = {0: shape_tensor(s, (size,)), 1: start, 2: step}
    return s.emit("add_fill", (0,), fill, tensorrt.dtype(dtype), suffix=suffix, inputs=inputs)


def zeros(s: Scope, shape: tuple[int, ...], dtype: str = "float32", suffix: str = "zeros") -> Tensor:
    """A constant of zeros."""
    return s.constant(np.zeros(shape), dtype, suffix=suffix)
