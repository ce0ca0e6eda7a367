"""Casts, and quantization to int8, fp8, int4 and fp4, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from wtsnet.reference.readback import Node
from wtsnet.reference.registry import Run, executes


def _to_fp8(x: Tensor) -> Tensor:
    """The nearest e4m3 value; beyond ±448 the largest."""
    return x.float().clamp(-448, 448).to(torch.float8_e4m3fn)


def _to_fp4(x: Tensor) -> Tensor:
    """The nearest e2m1 value, ties to the even mantissa, as float32; beyond ±6 the largest.

    There is no NaN among them: it becomes -0, as in ml_dtypes and in ONNX.
    """
    x = x.where(~x.isnan(), -0.0)
    size = x.abs().clamp(max=6)
    step = torch.where(size < 2, 0.5, torch.where(size < 4, 1.0, 2.0))
    return torch.copysign(torch.round(size / step) * step, x)


def _to_int4(x: Tensor) -> Tensor:
    """The low four bits, as int8."""
    return ((x.to(torch.int8) & 15) ^ 8) - 8


ROUNDED: dict[str, Callable[[Tensor], Tensor]] = {
    "int8": lambda x: x.round().clamp(-128, 127).to(torch.int8),
    "uint8": lambda x: x.round().clamp(0, 255).to(torch.uint8),
    "int4": lambda x: x.round().clamp(-8, 7).to(torch.int8),
    "float8_e4m3fn": _to_fp8,
    "float4_e2m1fn": _to_fp4,
}


def _spread(coefficient: Tensor, x: Tensor, axis: int) -> Tensor:
    """A scale or zero point, as float32, in a shape that broadcasts with x.

    One value a tensor; one an index of the axis; or, with as many axes as x, one a block of x.
    """
    c = coefficient.float()
    if c.numel() == 1:
        return c.reshape(())
    if c.ndim == 1 and x.ndim != 1:
        return c.reshape(-1, *(1,) * (x.ndim - 1 - axis % x.ndim))
    for i in range(x.ndim):
        if c.shape[i] not in (1, x.shape[i]):
            c = c.repeat_interleave(x.shape[i] // c.shape[i], i)
    return c


@executes("QUANTIZE")
def quantize(node: Node) -> Run:
    """clamp(round(x / scale) + zero point), ties to even, in the output's dtype."""
    axis: int = node.layer.axis
    rounded = ROUNDED[node.outputs[0].dtype]
    shifted = node.has(2) and "int" in node.outputs[0].dtype  # a float's zero point is zero

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x = inputs[0].float() / _spread(inputs[1], inputs[0], axis)
        if shifted:
            x = x.round() + _spread(inputs[2], inputs[0], axis)
        return (rounded(x),)

    return run


@executes("DEQUANTIZE")
def dequantize(node: Node) -> Run:
    """(x - zero point) · scale."""
    axis: int = node.layer.axis
    dtype = node.dtype()
    shifted = node.has(2)

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x = inputs[0].float()
        if shifted:
            x = x - _spread(inputs[2], inputs[0], axis)
        return ((x * _spread(inputs[1], inputs[0], axis)).to(dtype),)

    return run


@executes("CAST")
@executes("IDENTITY")
def cast(node: Node) -> Run:
    """The same values in the output's dtype. Floats become integers by truncation; fp8 and fp4 saturate."""
    dtype, name = node.dtype(), node.outputs[0].dtype
    narrow = {"int4": _to_int4, "float4_e2m1fn": lambda x: _to_fp4(x.float()), "float8_e4m3fn": _to_fp8}.get(name)
    if narrow is not None and node.inputs[0] is not None and node.inputs[0].dtype != name:
        return lambda inputs: (narrow(inputs[0]),)
    return lambda inputs: (inputs[0].to(dtype),)
