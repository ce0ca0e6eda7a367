"""Tables of weights, looked up by index, row by row or in bags."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wtsnet.network import op
from wtsnet.network.indexing import INTEGERS, index_select
from wtsnet.network.pointwise import elementwise, where
from wtsnet.network.product import multiply
from wtsnet.network.reduce import reduce
from wtsnet.network.shape import to, unsqueeze
from wtsnet.ops.create import arange_like

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


@op("torch.nn.Embedding")
def embedding(s: Scope, input: Tensor, num_embeddings: int, embedding_dim: int) -> Tensor:
    """Row `input` (int32 or int64) of `weight` (num_embeddings, embedding_dim), in the network's precision.

    Either number may be -1 for what the weight has.
    """
    if input.dtype not in INTEGERS:
        raise input.error(f"input: found {input.dtype}, expected int32 or int64")
    return index_select(s.parameter("weight", num_embeddings, embedding_dim), 0, input)


@op("torch.nn.EmbeddingBag")
def embedding_bag(
    s: Scope,
    input: Tensor,
    num_embeddings: int,
    embedding_dim: int,
    *,
    offsets: Tensor | None = None,
    per_sample_weights: Tensor | None = None,
    mode: str = "mean",
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The mean, sum or maximum of bags of rows of `weight` (num_embeddings, embedding_dim): (N, L) to (N, E).

    That of an empty bag is 0. Either number may be -1 for what the weight has.

    Args:
        offsets: where each bag starts in an input of one dimension, (L,); the product that sums them takes memory of
            bags · L values, and "max" that times embedding_dim.
        per_sample_weights: a factor for each row, in the input's shape; with "sum" alone.
        mode: "mean", "sum" or "max".
        include_last_offset: whether the last of the offsets is where the last bag ends, L.
        padding_idx: the row that counts in no bag.
    """
    for name, given in (("input", input), ("offsets", offsets)):
        if given is not None and given.dtype not in INTEGERS:
            raise input.error(f"{name}: found {given.dtype}, expected int32 or int64")
    if mode not in ("sum", "mean", "max"):
        raise input.error(f"mode: found {mode!r}, expected 'sum', 'mean' or 'max'")
    if per_sample_weights is not None and (mode != "sum" or per_sample_weights.rank != input.rank):
        found = f"{per_sample_weights.shape} with mode {mode!r}"
        raise input.error(f"per_sample_weights: found {found}, expected the input's {input.shape} with mode 'sum'")
    if (input.rank, offsets is None) not in ((1, False), (2, True)):
        found = "no tensor" if offsets is None else "a tensor"
        raise input.error(f"offsets: found {found} for shape {input.shape}, expected one for (L,), none for (N, L)")
    table = s.parameter("weight", num_embeddings, embedding_dim)
    rows = index_select(table, 0, input)  # (N, L, E) or (L, E)
    taken = None if offsets is None else _in_bags(input, offsets, include_last_offset)  # (N, L)
    if padding_idx is not None:
        if not -table.shape[0] <= padding_idx < table.shape[0]:
            raise input.error(f"padding_idx: found {padding_idx}, expected it within {table.shape[0]}")
        kept = input.ne(padding_idx % table.shape[0])
        taken = kept if taken is None else taken & unsqueeze(kept, 0)
    if per_sample_weights is not None:
        rows = rows * unsqueeze(to(per_sample_weights, rows.dtype), -1)
    if taken is None:
        return reduce({"sum": "SUM", "mean": "AVG", "max": "MAX"}[mode], rows, 1, False)
    if mode == "max":
        several = unsqueeze(rows, 0) if offsets is not None else rows
        top = reduce("MAX", where(unsqueeze(taken, 2), several, -math.inf), 1, False)
        return where(_counts(taken) > 0, top, 0.0)
    if offsets is not None:
        y = multiply(to(taken, rows.dtype), rows)
    else:
        y = reduce("SUM", where(unsqueeze(taken, 2), rows, 0.0), 1, False)
    return y if mode == "sum" else y / to(_counts(taken).maximum(1), y.dtype)


def _in_bags(input: Tensor, offsets: Tensor, include_last_offset: bool) -> Tensor:
    """Which places of an input (L,) each bag holds, (bags, L)."""
    behind = arange_like(input, input.dims[0], offsets.dtype, start=1)
    begun = elementwise("LESS", unsqueeze(offsets, 1), unsqueeze(behind, 0))
    bag = reduce("SUM", to(begun, "int32"), 0, True) - 1
    bags = arange_like(offsets, offsets.dims[0] - int(include_last_offset), "int32")
    return elementwise("EQUAL", unsqueeze(bags, 1), bag)


def _counts(taken: Tensor) -> Tensor:
    """How many of each row are true, (N, 1)."""
    return reduce("SUM", to(taken, "int32"), 1, True)
