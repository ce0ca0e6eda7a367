"""Functions of single values: powers of e, logarithms, roots, angles and the simplest activations. Of integers they are
float32, as in torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network.declaring import op
from wtsnet.network.pointwise import activation, elementwise, eq, floats, ge, gt, unary, where

if TYPE_CHECKING:
    from wtsnet.network.tensor import Tensor


@op("torch.exp")
def exp(input: Tensor) -> Tensor:
    """e to the power of it."""
    return unary("EXP", floats(input))


@op("torch.expm1")
def expm1(input: Tensor) -> Tensor:
    """e to the power of it, less 1; near 0, where the difference would lose its digits, as 2·sinh(x/2)·e^(x/2)."""
    x = floats(input)
    half = elementwise("PROD", x, 0.5)
    near = elementwise("PROD", elementwise("PROD", unary("SINH", half), 2.0), unary("EXP", half))
    return where(gt(unary("ABS", x), 1.0), elementwise("SUB", unary("EXP", x), 1.0), near)


@op("torch.log")
def log(input: Tensor) -> Tensor:
    """The natural logarithm."""
    return unary("LOG", floats(input))


@op("torch.log1p")
def log1p(input: Tensor) -> Tensor:
    """The natural logarithm of 1 + x, as 2·artanh(x / (2 + x)), which keeps the digits of a small x."""
    x = floats(input)
    share = elementwise("DIV", x, elementwise("SUM", x, 2.0))
    exact = elementwise("PROD", unary("ATANH", share), 2.0)
    # Of a large x the share rounds to 1, whose artanh is infinite; there log(1 + x) is as exact as can be.
    return where(gt(x, 1.0), unary("LOG", elementwise("SUM", x, 1.0)), exact)


@op("torch.log2")
def log2(input: Tensor) -> Tensor:
    """The logarithm to base 2."""
    return elementwise("PROD", log(input), 1.4426950408889634)


@op("torch.log10")
def log10(input: Tensor) -> Tensor:
    """The logarithm to base 10."""
    return elementwise("PROD", log(input), 0.4342944819032518)


@op("torch.sqrt")
def sqrt(input: Tensor) -> Tensor:
    """The square root."""
    return unary("SQRT", floats(input))


@op("torch.rsqrt")
def rsqrt(input: Tensor) -> Tensor:
    """1 / √x."""
    return unary("RECIP", sqrt(input))


@op("torch.reciprocal")
def reciprocal(input: Tensor) -> Tensor:
    """1 / x."""
    return unary("RECIP", floats(input))


@op("torch.sin")
def sin(input: Tensor) -> Tensor:
    """The sine of radians."""
    return unary("SIN", floats(input))


@op("torch.cos")
def cos(input: Tensor) -> Tensor:
    """The cosine of radians."""
    return unary("COS", floats(input))


@op("torch.tan")
def tan(input: Tensor) -> Tensor:
    """The tangent of radians."""
    return unary("TAN", floats(input))


@op("torch.asin")
def asin(input: Tensor) -> Tensor:
    """The angle in radians with this sine."""
    return unary("ASIN", floats(input))


@op("torch.acos")
def acos(input: Tensor) -> Tensor:
    """The angle in radians with this cosine."""
    return unary("ACOS", floats(input))


@op("torch.atan")
def atan(input: Tensor) -> Tensor:
    """The angle in radians with this tangent."""
    return unary("ATAN", floats(input))


@op("torch.sinh")
def sinh(input: Tensor) -> Tensor:
    """The hyperbolic sine."""
    return unary("SINH", floats(input))


@op("torch.cosh")
def cosh(input: Tensor) -> Tensor:
    """The hyperbolic cosine."""
    return unary("COSH", floats(input))


@op("torch.asinh")
def asinh(input: Tensor) -> Tensor:
    """The inverse of the hyperbolic sine."""
    return unary("ASINH", floats(input))


@op("torch.acosh")
def acosh(input: Tensor) -> Tensor:
    """The inverse of the hyperbolic cosine."""
    return unary("ACOSH", floats(input))


@op("torch.atanh")
def atanh(input: Tensor) -> Tensor:
    """The inverse of the hyperbolic tangent."""
    return unary("ATANH", floats(input))


@op("torch.atan2")
def atan2(input: Tensor, other: Tensor) -> Tensor:
    """The angle in radians of the point (other, input), from −π to π, of finite values; −0 counts as 0."""
    y, x = floats(input), floats(other)
    beside = eq(x, 0.0)  # on the vertical axis, where there is no ratio
    angle = atan(elementwise("DIV", y, where(beside, 1.0, x)))
    half_turn = y.net.constant(np.full((1,) * y.rank, math.pi), y.dtype)
    turned = elementwise("SUM", angle, where(ge(y, 0.0), half_turn, -math.pi))
    quarter = elementwise("PROD", unary("SIGN", y), math.pi / 2)
    return where(gt(x, 0.0), angle, where(beside, quarter, turned))


@op("torch.erf")
def erf(input: Tensor) -> Tensor:
    """The error function."""
    return unary("ERF", floats(input))


@op("torch.isnan")
def isnan(input: Tensor) -> Tensor:
    """Whether it is NaN."""
    if hasattr(tensorrt.module().UnaryOperation, "ISNAN"):
        return unary("ISNAN", input)
    return unary("NOT", elementwise("EQUAL", input, input))  # TensorRT 10.0: nothing else is unequal to itself


@op("torch.isinf")
def isinf(input: Tensor) -> Tensor:
    """Whether it is infinite."""
    return unary("ISINF", input)


@op("torch.nn.functional.relu")
def relu(input: Tensor) -> Tensor:
    """max(x, 0)."""
    return activation("RELU", input)


@op("torch.sigmoid")
def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e^−x)."""
    return activation("SIGMOID", floats(input))


@op("torch.tanh")
def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return activation("TANH", floats(input))
