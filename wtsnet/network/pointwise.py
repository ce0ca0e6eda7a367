"""Arithmetic, comparison, rounding and selection. Operands broadcast as in torch; tensors are of one
dtype, and a number or a Dim takes the tensor's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network.checks import is_tensor
from wtsnet.network.declaring import op
from wtsnet.network.dims import Dim, shape_tensor
from wtsnet.network.shape import lifted, to

if TYPE_CHECKING:
    from wtsnet.network.tensor import Tensor

FLOATS = ("float32", "float16", "bfloat16")


def operands(a: Tensor | Dim | float | bool, b: Tensor | Dim | float | bool, rank: int = 0) -> tuple[Tensor, Tensor]:
    """Both as tensors of one rank, at least `rank`; a number or a Dim becomes a tensor of the other's dtype.

    Raises:
        NetworkError: neither is a tensor, their dtypes differ, or their sizes do not broadcast.
    """
    tensors = [operand for operand in (a, b) if is_tensor(operand)]
    first, last = tensors[0], tensors[-1]
    if first.dtype != last.dtype:
        raise first.error(
            f"found {first.dtype} and {last.dtype}, expected equal dtypes: TensorRT casts nothing by itself, "
            "x.to(dtype) does"
        )
    sizes = zip(first.shape[::-1], last.shape[::-1], strict=False)
    if any(m != n and not {m, n} & {1, -1} for m, n in sizes):
        raise first.error(f"found shapes {first.shape} and {last.shape}, expected sizes that are equal or 1")
    rank = max(rank, first.rank, last.rank)
    left, right = (lifted(operand if is_tensor(operand) else _constant(operand, first), rank) for operand in (a, b))
    return left, right


def _constant(value: Any, like: Tensor) -> Tensor:
    """A number or a Dim as a tensor of one value, of another's dtype."""
    if isinstance(value, Dim):
        size = to(shape_tensor(like.net, (value,)), like.dtype)
        return size if like.rank else like.net.emit("add_shuffle", size, reshape_dims=())
    if like.dtype == "bool" and not isinstance(value, bool):
        raise like.error(f"found bool and {value!r}, expected True, False or a tensor of bools")
    if isinstance(value, float) and like.dtype not in FLOATS:
        raise like.error(f'found {like.dtype} and {value!r}, expected an integer: x.to("float32") makes floats')
    return like.net.constant(np.full((1,) * like.rank, value), like.dtype)


def elementwise(operation: str, a: Any, b: Any) -> Tensor:
    """TensorRT's ElementWiseOperation `operation` of two tensors, or of a tensor and a number or a Dim."""
    first = next(operand for operand in (a, b) if is_tensor(operand))
    if operation not in ("AND", "OR", "XOR") and any(is_tensor(x) and x.dtype == "bool" for x in (a, b)):
        raise first.error("found bool, expected numbers: TensorRT has no arithmetic of bools, .to(dtype) makes numbers")
    left, right = operands(a, b)
    return left.net.emit("add_elementwise", left, right, tensorrt.enum("ElementWiseOperation", operation))


def unary(operation: str, input: Tensor) -> Tensor:
    """TensorRT's UnaryOperation `operation` of every value."""
    return input.net.emit("add_unary", input, tensorrt.enum("UnaryOperation", operation))


def activation(kind: str, input: Tensor, **parameters: Any) -> Tensor:
    """TensorRT's ActivationType `kind`; `parameters` are its alpha and beta."""
    return input.net.emit("add_activation", input, tensorrt.enum("ActivationType", kind), **parameters)


def floats(input: Tensor) -> Tensor:
    """`input`, as float32 where it holds integers or bools, as torch's functions of real values take them."""
    return input if input.dtype in FLOATS else to(input, "float32")


@op("torch.add")
def add(input: Tensor, other: Tensor | Dim | float, *, alpha: float = 1) -> Tensor:
    """input + alpha·other."""
    return elementwise("SUM", input, other if alpha == 1 else _times(other, alpha))


@op("torch.sub")
def sub(input: Tensor, other: Tensor | Dim | float, *, alpha: float = 1) -> Tensor:
    """input − alpha·other."""
    return elementwise("SUB", input, other if alpha == 1 else _times(other, alpha))


def _times(other: Any, alpha: float) -> Any:
    return elementwise("PROD", other, alpha) if is_tensor(other) else other * alpha


@op("torch.mul")
def mul(input: Tensor, other: Tensor | Dim | float) -> Tensor:
    """input · other."""
    return elementwise("PROD", input, other)


@op("torch.div")
def div(input: Tensor, other: Tensor | Dim | float, *, rounding_mode: str | None = None) -> Tensor:
    """input / other: of integers, too, a float32, unless `rounding_mode` is "trunc" (toward zero) or "floor"."""
    if rounding_mode is None:
        if input.dtype in FLOATS:
            return elementwise("DIV", input, other)
        other = to(other, "float32") if is_tensor(other) else other
        return elementwise("DIV", to(input, "float32"), other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode != "trunc":
        raise input.error(f"rounding_mode: found {rounding_mode!r}, expected None, 'trunc' or 'floor'")
    quotient = elementwise("DIV", input, other)
    return trunc(quotient) if input.dtype in FLOATS else quotient


@op("torch.floor_divide")
def floor_divide(input: Tensor, other: Tensor | Dim | float) -> Tensor:
    """⌊input / other⌋."""
    return elementwise("FLOOR_DIV", input, other)


@op("torch.remainder")
def remainder(input: Tensor, other: Tensor | Dim | float) -> Tensor:
    """input − other·⌊input / other⌋: what Python's % gives, of the divisor's sign."""
    return input - elementwise("PROD", elementwise("FLOOR_DIV", input, other), other)


@op("torch.fmod")
def fmod(input: Tensor, other: Tensor | Dim | float) -> Tensor:
    """input − other·trunc(input / other), of the dividend's sign."""
    return input - elementwise("PROD", div(input, other, rounding_mode="trunc"), other)


@op("torch.pow")
def pow(input: Tensor | float, exponent: Tensor | Dim | float) -> Tensor:
    """input to the power `exponent`; one of both may be a number."""
    if isinstance(exponent, int | float) and exponent == 2:
        return elementwise("PROD", input, input)
    return elementwise("POW", input, exponent)


@op("torch.maximum")
def maximum(input: Tensor, other: Tensor | Dim | float) -> Tensor:
    """The greater of both."""
    return elementwise("MAX", input, other)


@op("torch.minimum")
def minimum(input: Tensor, other: Tensor | Dim | float) -> Tensor:
    """The lesser of both."""
    return elementwise("MIN", input, other)


@op("torch.eq")
def eq(input: Tensor, other: Tensor | Dim | float | bool) -> Tensor:
    """input == other, as bool."""
    if input.dtype == "bool":
        return logical_not(elementwise("XOR", input, other))
    return elementwise("EQUAL", input, other)


@op("torch.ne")
def ne(input: Tensor, other: Tensor | Dim | float | bool) -> Tensor:
    """input != other, as bool."""
    if input.dtype == "bool":
        return elementwise("XOR", input, other)
    return unary("NOT", elementwise("EQUAL", input, other))


@op("torch.gt")
def gt(input: Tensor, other: Tensor | Dim | float) -> Tensor:
    """input > other, as bool."""
    return elementwise("GREATER", input, other)


@op("torch.lt")
def lt(input: Tensor, other: Tensor | Dim | float) -> Tensor:
    """input < other, as bool."""
    return elementwise("LESS", input, other)


@op("torch.ge")
def ge(input: Tensor, other: Tensor | Dim | float) -> Tensor:
    """input ≥ other, as bool; false where either is NaN."""
    return elementwise("OR", elementwise("GREATER", input, other), elementwise("EQUAL", input, other))


@op("torch.le")
def le(input: Tensor, other: Tensor | Dim | float) -> Tensor:
    """input ≤ other, as bool; false where either is NaN."""
    return elementwise("OR", elementwise("LESS", input, other), elementwise("EQUAL", input, other))


def _truth(input: Tensor) -> Tensor:
    """Whether each value is not 0."""
    return input if input.dtype == "bool" else ne(input, 0)


@op("torch.logical_and")
def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Whether both are true; numbers are where they are not 0."""
    return elementwise("AND", _truth(input), _truth(other))


@op("torch.logical_or")
def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Whether either is true; numbers are where they are not 0."""
    return elementwise("OR", _truth(input), _truth(other))


@op("torch.logical_xor")
def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """Whether one of both is true; numbers are where they are not 0."""
    return elementwise("XOR", _truth(input), _truth(other))


@op("torch.logical_not")
def logical_not(input: Tensor) -> Tensor:
    """Whether it is false; numbers are where they are 0."""
    return unary("NOT", _truth(input))


def _bits(input: Tensor) -> Tensor:
    if input.dtype != "bool":
        raise input.error(f"found {input.dtype}, expected bool: TensorRT has no arithmetic of bits")
    return input


@op("torch.bitwise_and")
def bitwise_and(input: Tensor, other: Tensor | bool) -> Tensor:
    """Whether both are true, of bools alone."""
    return elementwise("AND", _bits(input), other)


@op("torch.bitwise_or")
def bitwise_or(input: Tensor, other: Tensor | bool) -> Tensor:
    """Whether either is true, of bools alone."""
    return elementwise("OR", _bits(input), other)


@op("torch.bitwise_xor")
def bitwise_xor(input: Tensor, other: Tensor | bool) -> Tensor:
    """Whether one of both is true, of bools alone."""
    return elementwise("XOR", _bits(input), other)


@op("torch.bitwise_not")
def bitwise_not(input: Tensor) -> Tensor:
    """Whether it is false, of bools alone."""
    return unary("NOT", _bits(input))


@op("torch.where")
def where(condition: Tensor, input: Tensor | float | bool, other: Tensor | float | bool) -> Tensor:
    """`input` where `condition` (bool) holds, else `other`.

    A number takes the other's dtype. Of two numbers the result is float32, or int32 where both are integers.
    """
    if condition.dtype != "bool":
        raise condition.error(f"condition: found {condition.dtype}, expected bool")
    if not is_tensor(input) and not is_tensor(other):
        kind = type(input) if type(input) is type(other) else float
        dtype = {bool: "bool", int: "int32"}.get(kind, "float32")
        shape = (1,) * condition.rank
        left, right = (condition.net.constant(np.full(shape, value), dtype) for value in (input, other))
    else:
        left, right = operands(input, other, condition.rank)
    sizes = zip(condition.shape[::-1], left.shape[::-1], right.shape[::-1], strict=False)
    if any(len({n for n in several if n not in (1, -1)}) > 1 for several in sizes):
        found = f"{condition.shape}, {left.shape} and {right.shape}"
        raise condition.error(f"found shapes {found}, expected sizes that are equal or 1")
    return condition.net.emit("add_select", lifted(condition, left.rank), left, right)


@op("torch.masked_fill")
def masked_fill(input: Tensor, mask: Tensor, value: float | bool) -> Tensor:
    """`value` where `mask` (bool) holds, else `input`."""
    if mask.dtype != "bool":
        raise input.error(f"mask: found {mask.dtype}, expected bool")
    return where(mask, value, input)


@op("torch.clamp")
def clamp(input: Tensor, min: Tensor | float | None = None, max: Tensor | float | None = None) -> Tensor:
    """`input`, no less than `min` and no more than `max`; `max` counts where they cross."""
    if min is None and max is None:
        raise input.error("found neither min nor max, expected at least one")
    y = input if min is None else elementwise("MAX", input, min)
    return y if max is None else elementwise("MIN", y, max)


@op("torch.lerp")
def lerp(input: Tensor, end: Tensor, weight: Tensor | float) -> Tensor:
    """input + weight·(end − input)."""
    return input + elementwise("PROD", end - input, weight)


@op("torch.square")
def square(input: Tensor) -> Tensor:
    """x²."""
    return elementwise("PROD", input, input)


@op("torch.abs")
def abs(input: Tensor) -> Tensor:
    """|x|."""
    return unary("ABS", input)


@op("torch.neg")
def neg(input: Tensor) -> Tensor:
    """−x."""
    return unary("NEG", input)


@op("torch.sign")
def sign(input: Tensor) -> Tensor:
    """−1, 0 or 1."""
    return unary("SIGN", input)


@op("torch.floor")
def floor(input: Tensor) -> Tensor:
    """⌊x⌋."""
    return unary("FLOOR", input) if input.dtype in FLOATS else input


@op("torch.ceil")
def ceil(input: Tensor) -> Tensor:
    """⌈x⌉."""
    return unary("CEIL", input) if input.dtype in FLOATS else input


@op("torch.round")
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """To the nearest integer, halves to the even one, or to the nearest multiple of 10 to the power −decimals."""
    if input.dtype not in FLOATS:
        return input
    if not decimals:
        return unary("ROUND", input)
    return elementwise("DIV", unary("ROUND", elementwise("PROD", input, 10.0**decimals)), 10.0**decimals)


@op("torch.trunc")
def trunc(input: Tensor) -> Tensor:
    """Toward zero, to an integer."""
    if input.dtype not in FLOATS:
        return input
    return elementwise("PROD", unary("SIGN", input), unary("FLOOR", unary("ABS", input)))
