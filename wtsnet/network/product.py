"""Matrix products."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wtsnet import trt as tensorrt
from wtsnet.network.declaring import op
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
    """The matrix product; sizes before the last two broadcast.

    A tensor of one dimension is a row on the left, a column on the right.

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


@op("torch.mm")
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, (L, E) and (E, S)."""
    if input.rank != 2 or mat2.rank != 2:
        raise input.error(f"found {input.shape} and {mat2.shape}, expected two dimensions each")
    return matmul(input, mat2)


@op("torch.addmm")
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta·input + alpha·(mat1 @ mat2)."""
    y = mm(mat1, mat2)
    return (input if beta == 1 else input * beta) + (y if alpha == 1 else y * alpha)


@op("torch.einsum")
def einsum(equation: str, *operands: Tensor) -> Tensor:
    """Sums of products in Einstein's notation, such as "bhid,bhjd->bhij".

    An index may stand once in a tensor's part; "..." stands for further dimensions. Sizes of 1 broadcast. Three tensors
    and more are taken from left to right.
    """
    first = operands[0]
    inputs, arrow, result = equation.replace(" ", "").partition("->")
    parts = inputs.split(",")
    if len(parts) != len(operands):
        raise first.error(f"equation: found {equation!r} for {len(operands)} tensors, expected as many parts")
    for x in operands[1:]:
        if x.dtype != first.dtype:
            raise first.error(f"found {first.dtype} and {x.dtype}, expected equal dtypes")
    terms = [_labels(x, part) for part, x in zip(parts, operands, strict=True)]
    every = [label for term in terms for label in term]
    if any(len(set(term)) < len(term) for term in terms):
        raise first.error(f"equation: found {equation!r}, expected no index twice in one part: see diagonal")
    dots = sorted({label for label in every if isinstance(label, int)})
    if arrow:
        before, more, after = result.partition("...")
        wanted: list[Label] = [*before, *(dots if more else ()), *after]
    else:
        wanted = [*dots, *sorted(c for c in set(every) if isinstance(c, str) and every.count(c) == 1)]
    if len(set(wanted)) < len(wanted) or not set(wanted) <= set(every):
        raise first.error(f"equation: found {equation!r}, expected each index of the result once, and in a part")
    tensors = _without_ones(list(operands), terms)
    while len(tensors) > 2:
        later = {*wanted, *(label for term in terms[2:] for label in term)}
        kept = [label for label in dict.fromkeys(terms[0] + terms[1]) if label in later]
        tensors[:2], terms[:2] = [_contracted(tensors[:2], terms[:2], kept)], [kept]
    return _contracted(tensors, terms, wanted)


Label = str | int  # of a dimension; those that "..." stands for are counted from the last, -1


def _labels(x: Tensor, part: str) -> list[Label]:
    before, dots, after = part.partition("...")
    free = x.rank - len(before) - len(after)
    if not re.fullmatch(r"[A-Za-z]*", before + after) or free < 0 or (free and not dots):
        raise x.error(f"equation: found part {part!r} for shape {x.shape}, expected an index for each dimension")
    return [*before, *range(-free, 0), *after]


def _without_ones(tensors: list[Tensor], terms: list[list[Label]]) -> list[Tensor]:
    """The tensors without sizes of 1 whose index has another size elsewhere; `terms` loses their labels."""
    sizes: dict[Label, set[int]] = {}
    for x, term in zip(tensors, terms, strict=True):
        for label, size in zip(term, x.shape, strict=True):
            sizes.setdefault(label, set()).add(size)
    for label, found in sizes.items():
        if len(known := sorted(found - {1, -1})) > 1:
            name = f"index {label!r}" if isinstance(label, str) else "..."
            raise tensors[0].error(f"found sizes {known[0]} and {known[1]} for {name}, expected one size")
    for i, term in enumerate(terms):
        gone = [axis for axis, label in enumerate(term) if tensors[i].shape[axis] == 1 and len(sizes[label]) > 1]
        if gone:
            tensors[i] = squeeze(tensors[i], gone)
            terms[i] = [label for axis, label in enumerate(term) if axis not in gone]
    return tensors


def _contracted(tensors: list[Tensor], terms: list[list[Label]], wanted: list[Label]) -> Tensor:
    """TensorRT's einsum layer, which takes one or two tensors and no capitals."""
    letters = {label: chr(ord("a") + i) for i, label in enumerate(dict.fromkeys(label for t in terms for label in t))}
    left = ",".join("".join(letters[label] for label in term) for term in terms)
    right = "".join(letters[label] for label in wanted)
    return tensors[0].net.emit("add_einsum", tensors, f"{left}->{right}")


@op("torch.outer")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The products of all pairs of values of two rows, (N, M)."""
    if input.rank != 1 or vec2.rank != 1:
        raise input.error(f"found {input.shape} and {vec2.shape}, expected one dimension each")
    return unsqueeze(input, 1) * unsqueeze(vec2, 0)
