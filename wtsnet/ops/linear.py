"""Matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops.pointwise import add
from wtsnet.ops.shape import lifted, reshape

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


def matmul(
    s: Scope, a: Tensor, b: Tensor, transpose_a: bool = False, transpose_b: bool = False, suffix: str = ""
) -> Tensor:
    """`torch.matmul` of tensors of two or more dimensions; sizes before the last two broadcast.

    Args:
        transpose_a, transpose_b: take the operand with its last two dimensions exchanged.
    """
    if a.rank < 2 or b.rank < 2:
        raise s.error(f"matmul: found {a.shape} and {b.shape}, expected two or more dimensions each")
    rank = max(a.rank, b.rank)
    a, b = (lifted(s, x, rank) for x in (a, b))
    return s.emit("add_matrix_multiply", a, _operation(s, transpose_a), b, _operation(s, transpose_b), suffix=suffix)


def linear(s: Scope, x: Tensor, out: int, bias: bool = True) -> Tensor:
    """`torch.nn.Linear`: x·weightᵀ + bias over the last dimension, `weight` (out, in), `bias` (out,).

    With `out` -1 the weight tells how many there are.
    """
    if x.shape[-1] == -1:
        raise s.error(f"linear: found a dynamic size at the end of {x.shape}, expected a fixed one")
    weight = s.take("weight", out, x.shape[-1])
    out = weight.shape[0]
    ones = (1,) * (max(x.rank, 2) - 2)
    rows = x if x.rank > 1 else reshape(s, x, (1, -1), suffix="row")
    kernel = s.constant(weight.reshape(*ones, *weight.shape), x.dtype, suffix="weight")
    y = matmul(s, rows, kernel, transpose_b=True, suffix="matmul" if bias or x.rank == 1 else "")
    if bias:
        shift = s.constant(s.take("bias", out).reshape(*ones, 1, out), x.dtype, suffix="bias")
        y = add(s, y, shift, suffix="biased" if x.rank == 1 else "")
    return reshape(s, y, (out,)) if x.rank == 1 else y


def _operation(s: Scope, transposed: bool) -> object:
    return s.enum("MatrixOperation", "TRANSPOSE" if transposed else "NONE")
