"""Tensors that the network makes itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network import Dim, shape_tensor

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


def arange(
    s: Scope, size: int | Dim, dtype: str = "float32", suffix: str = "", start: float = 0, step: float = 1
) -> Tensor:
    """`size` values from `start` on, each `step` more than the one before it: a tensor of shape (size,)."""
    if not isinstance(size, Dim):
        return s.constant(start + np.arange(size) * step, dtype, suffix=suffix)
    half = dtype in ("float16", "bfloat16")  # which TensorRT's fill layer does not make
    wide = "float32" if half else dtype
    first, delta = s.constant(start, wide, suffix="start"), s.constant([step], wide, suffix="step")
    fill = s.enum("FillOperation", "LINSPACE")
    inputs = {0: shape_tensor(s, (size,)), 1: first, 2: delta}
    y = s.emit("add_fill", (0,), fill, tensorrt.dtype(wide), suffix="range" if half else suffix, inputs=inputs)
    return s.emit("add_cast", y, tensorrt.dtype(dtype), suffix=suffix) if half else y


def zeros(s: Scope, shape: tuple[int, ...], dtype: str = "float32", suffix: str = "") -> Tensor:
    """A constant of zeros."""
    return s.constant(np.zeros(shape), dtype, suffix=suffix)
