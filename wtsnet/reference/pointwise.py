"""Layers that act on each element alone: activation, unary, binary, scale, select, cast."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from wtsnet.reference.readback import Node
from wtsnet.reference.registry import Run, executes

Unary = Callable[[Tensor], Tensor]
Binary = Callable[[Tensor, Tensor], Tensor]


def _clip(x: Tensor, low: float, high: float) -> Tensor:
    """max(low, min(high, x)), also where low > high."""
    return x.clamp(low, high) if low <= high else torch.full_like(x, low)


# Each takes alpha and beta, as TensorRT's ActivationType documents them.
ACTIVATIONS: dict[str, Callable[[float, float], Unary]] = {
    "RELU": lambda a, b: torch.relu,
    "SIGMOID": lambda a, b: torch.sigmoid,
    "TANH": lambda a, b: torch.tanh,
    "LEAKY_RELU": lambda a, b: lambda x: F.leaky_relu(x, a),
    "ELU": lambda a, b: lambda x: F.elu(x, a),
    "SELU": lambda a, b: lambda x: b * F.elu(x, a),
    "SOFTSIGN": lambda a, b: F.softsign,
    "SOFTPLUS": lambda a, b: lambda x: a * F.softplus(b * x),
    "CLIP": lambda a, b: lambda x: _clip(x, a, b),
    "HARD_SIGMOID": lambda a, b: lambda x: (a * x + b).clamp(0, 1),
    "SCALED_TANH": lambda a, b: lambda x: a * torch.tanh(b * x),
    "THRESHOLDED_RELU": lambda a, b: lambda x: torch.where(x > a, x, 0),
    "GELU_ERF": lambda a, b: F.gelu,
    "GELU_TANH": lambda a, b: lambda x: F.gelu(x, approximate="tanh"),
}

UNARY: dict[str, Unary] = {
    "EXP": torch.exp,
    "LOG": torch.log,
    "SQRT": torch.sqrt,
    "RECIP": torch.reciprocal,
    "ABS": torch.abs,
    "NEG": torch.neg,
    "SIN": torch.sin,
    "COS": torch.cos,
    "TAN": torch.tan,
    "SINH": torch.sinh,
    "COSH": torch.cosh,
    "ASIN": torch.asin,
    "ACOS": torch.acos,
    "ATAN": torch.atan,
    "ASINH": torch.asinh,
    "ACOSH": torch.acosh,
    "ATANH": torch.atanh,
    "CEIL": torch.ceil,
    "FLOOR": torch.floor,
    "ERF": torch.erf,
    "NOT": torch.logical_not,
    "SIGN": torch.sign,
    "ROUND": torch.round,  # ties to even
    "ISINF": torch.isinf,
    "ISNAN": torch.isnan,
}


def _divide(x: Tensor, y: Tensor) -> Tensor:
    """Integers divide as in C: towards zero."""
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


BINARY: dict[str, Binary] = {
    "SUM": torch.add,
    "PROD": torch.mul,
    "MAX": torch.maximum,
    "MIN": torch.minimum,
    "SUB": torch.sub,
    "DIV": _divide,
    "POW": torch.pow,
    "FLOOR_DIV": lambda x, y: torch.div(x, y, rounding_mode="floor"),
    "AND": torch.logical_and,
    "OR": torch.logical_or,
    "XOR": torch.logical_xor,
    "EQUAL": torch.eq,
    "GREATER": torch.gt,
    "LESS": torch.lt,
}


@executes("ACTIVATION")
def activation(node: Node) -> Run:
    """One of the ActivationTypes, with its alpha and beta."""
    layer = node.layer
    function = ACTIVATIONS[layer.type.name](layer.alpha, layer.beta)
    return lambda inputs: (function(inputs[0]),)


@executes("UNARY")
def unary(node: Node) -> Run:
    """One of the UnaryOperations."""
    function = UNARY[node.layer.op.name]
    return lambda inputs: (function(inputs[0]),)


@executes("ELEMENTWISE")
def elementwise(node: Node) -> Run:
    """One of the ElementWiseOperations, broadcast over axes of extent 1."""
    function = BINARY[node.layer.op.name]
    return lambda inputs: (function(inputs[0], inputs[1]),)


@executes("SCALE")
def scale(node: Node) -> Run:
    """y = (x · scale + shift) ^ power, with one coefficient a tensor, a channel or an element."""
    layer = node.layer
    mode: str = layer.mode.name
    axis: int = layer.channel_axis
    given = [node.weights(*at) for at in (("scale", 1), ("shift", 0), ("power", 2))]

    def shaped(x: Tensor, w: Tensor | None) -> Tensor | None:
        if w is None or mode == "UNIFORM":
            return w
        return w.reshape(-1, *(1,) * (x.ndim - axis - 1)) if mode == "CHANNEL" else w.reshape(x.shape[axis:])

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x = inputs[0]
        factor, shift, power = (shaped(x, w) for w in given)
        if factor is not None and shift is not None:
            x = torch.addcmul(shift, x, factor)
        elif factor is not None:
            x = x * factor
        elif shift is not None:
            x = x + shift
        return (x if power is None else x**power,)

    return run


@executes("PARAMETRIC_RELU")
def parametric_relu(node: Node) -> Run:
    """y = x where x > 0, else slope · x; the slope is input 1, broadcast."""
    return lambda inputs: (torch.where(inputs[0] > 0, inputs[0], inputs[0] * inputs[1]),)


@executes("SELECT")
def select(node: Node) -> Run:
    """Elements of input 1 where input 0 holds, else of input 2."""
    return lambda inputs: (torch.where(inputs[0], inputs[1], inputs[2]),)
