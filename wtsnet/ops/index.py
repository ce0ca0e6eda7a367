"""Tables of weights, looked up by index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.network import op
from wtsnet.network.indexing import INTEGERS, index_select

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


@op("torch.nn.Embedding")
def embedding(s: Scope, input: Tensor, num_embeddings: int, embedding_dim: int) -> Tensor:
    """Row `input` (int32 or int64) of `weight` (num_embeddings, embedding_dim), in the network's precision. Either
    number may be -1 for what the weight has."""
    if input.dtype not in INTEGERS:
        raise input.error(f"input: found {input.dtype}, expected int32 or int64")
    return index_select(s.parameter("weight", num_embeddings, embedding_dim), 0, input)
