"""Matrix products."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wtsnet import trt as tensorrt
from wtsnet.network.op import op
from wtsnet.network.shape import lifted, squeeze, unsqueeze

if TYPE_CHECKING:
    from wtsnet.network.tensor import Tensor


def multiply(a: Tensor, b: Tensor, transpose_a: bool = False, transpose_b: bool = False) -> Tensor:
    """The product of tensors of two or more dimensions, each taken with its last two exchanged where asked for."""
    rank = max(a.rank, b.rank)
    a, b = (lifted(x, rank) for x in (a, b))
    kinds = [
        tensorrt.enum("MatrixOperation", "TRANSPOSE" if turned else "NONE") for turned in (transpose_a, transpose_b)
    ]
    return a.net.emit("add_matrix_multiply", a, kinds[0], b, kinds[1])


@op("torch.matmul")
def matmul(input: Tensor, other: Tensor, *, transpose_a: bool = False, transpose_b: bool = False) -> Tensor:
    """The matrix product; sizes before the last two broadcast, and a tensor of one dimension is a row on the left, a
    column on the right.

    Args:
        transpose_a, transpose_b: take the operand with its last two dimensions exchanged, which costs TensorRT nothing.
    """
    if not input.rank or not other.rank:
        raise input.error(f"found {input.shape} and {other.shape}, expected one dimension or more each")
    if input.dtype != other.dtype:
        raise input.error(f"found {input.dtype} and {other.dtype}, expected equal dtypes")
    if (input.rank == 1 and transpose_a) or (other.rank == 1 and transpose_b):
        raise input.error(f"transpose: found {input.shape} and {other.shape}, expected two dimensions to exchange")
    a = unsqueeze(input, 0) if input.rank == 1 else input
    b = unsqueeze(other, 1) if other.rank == 1 else other
    inner = a.shape[-2 if transpose_a else -1], b.shape[-1 if transpose_b else -2]
    if -1 not in inner and inner[0] != inner[1]:
        raise input.error(
            f"found {input.shape} and {other.shape}, expected equal inner sizes, not {inner[0]} and {inner[1]}"
        )
    y = multiply(a, b, transpose_a, transpose_b)
    if input.rank == 1:
        y = squeeze(y, -2)
    return squeeze(y, -1) if other.rank == 1 else y


@op("torch.bmm")
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices, (N, L, E) and (N, E, S)."""
    if input.rank != 3 or mat2.rank != 3:
        raise input.error(f"found {input.shape} and {mat2.shape}, expected three dimensions each")
    return matmul(input, mat2)


@op("torch.einsum")
def einsum(equation: str, *operands: Tensor) -> Tensor:
    """Sums of products in Einstein's notation, of one or two tensors, such as "bhid,bhjd->bhij".

    An index may stand once in a tensor's part; "..." stands for the dimensions in front, which broadcast.
    """
    first = operands[0]
    inputs, arrow, result = equation.replace(" ", "").partition("->")
    parts = inputs.split(",")
    if len(parts) != len(operands) or len(parts) > 2:
        raise first.error(
            f"equation: found {equation!r} for {len(operands)} tensors, expected one or two and as many parts"
        )
    spare = [letter for letter in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if letter not in equation]
    most = max(x.rank - len(part.replace("...", "")) for part, x in zip(parts, operands, strict=True))
    dots = "".join(spare[: max(most, 0)])
    written = []
    for part, x in zip(parts, operands, strict=True):
        free = x.rank - len(part.replace("...", ""))
        if not re.fullmatch(r"[A-Za-z]*(\.\.\.)?[A-Za-z]*", part) or free < 0 or (free and "..." not in part):
            raise first.error(
                f"equation: found part {part!r} for shape {x.shape}, expected an index for each dimension"
            )
        written.append(part.replace("...", dots[len(dots) - free :]))
    letters = "".join(written)
    if any(len(set(part)) < len(part) for part in written):
        raise first.error(
            f"equation: found {equation!r}, expected no index twice in one part: TensorRT takes no diagonals"
        )
    if not arrow:
        result = ("..." if "..." in inputs else "") + "".join(
            sorted(c for c in set(letters) - set(dots) if letters.count(c) == 1)
        )
    wanted = result.replace("...", dots)
    if len(set(wanted)) < len(wanted) or not set(wanted) <= set(letters):
        raise first.error(f"equation: found {equation!r}, expected each index of the result once, and in a part")
    return first.net.emit("add_einsum", list(operands), f"{','.join(written)}->{wanted}")


@op("torch.outer")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The products of all pairs of values of two rows, (N, M)."""
    if input.rank != 1 or vec2.rank != 1:
        raise input.error(f"found {input.shape} and {vec2.shape}, expected one dimension each")
    return unsqueeze(input, 1) * unsqueeze(vec2, 0)
