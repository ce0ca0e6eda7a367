"""Scaled dot-product attention (Vaswani et al. 2017), of layers that every TensorRT has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet.network import op
from wtsnet.network.pointwise import where
from wtsnet.network.product import multiply
from wtsnet.network.reduce import softmax
from wtsnet.network.shape import permute, repeat_interleave, reshape, squeeze, to, transpose, unsqueeze
from wtsnet.ops.affine import affine, linear
from wtsnet.ops.create import arange_like

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


@op("torch.nn.functional.scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query·keyᵀ·scale + attn_mask)·value: (…, L, E), (…, S, E) and (…, S, V) to (…, L, V).

    Args:
        attn_mask: added to the scores (…, L, S), or, where it is bool, false leaves a pair out. A row must keep one.
        is_causal: whether place i sees the places up to i alone.
        scale: 1/√E where it is None.
        enable_gqa: whether key and value, (…, heads, S, E), have fewer heads, each for several of the query's.
    """
    if attn_mask is not None and is_causal:
        raise query.error("is_causal: found True with an attn_mask, expected one of the two")
    if scale is None and query.shape[-1] == -1:
        raise query.error(
            f"scale: found None for shape {query.shape}, expected a number where the last size is dynamic"
        )
    if enable_gqa:
        key, value = (_shared_heads(query, x) for x in (key, value))
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    scores = multiply(query if factor == 1 else query * factor, key, transpose_b=True)
    if is_causal:
        attn_mask = _causal(scores)
    if attn_mask is not None and attn_mask.dtype == "bool":
        scores = where(attn_mask, scores, float("-inf"))
    elif attn_mask is not None:
        scores = scores + attn_mask
    return multiply(softmax(scores, -1), value)


def _shared_heads(query: Tensor, x: Tensor) -> Tensor:
    heads, own = query.shape[-3], x.shape[-3]
    if own < 1 or heads % own:
        raise query.error(f"enable_gqa: found {heads} and {own} heads, expected a multiple of the second")
    return repeat_interleave(x, heads // own, -3) if heads != own else x


def _causal(scores: Tensor) -> Tensor:
    """Whether place i, the row, may see place j, the column: (L, S)."""
    rows, columns = scores.shape[-2:]
    if -1 not in (rows, columns):
        return scores.net.constant(np.tril(np.ones((rows, columns), bool)), "bool", label="causal")
    i, j = (arange_like(scores, scores.dims[axis], "int32") for axis in (-2, -1))
    return unsqueeze(i, 1) >= unsqueeze(j, 0)


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """(N, L, heads·E) as (N, heads, L, E)."""
    n, length, width = x.dims
    if num_heads < 1 or x.shape[2] % num_heads:
        raise x.error(f"num_heads: found {num_heads}, expected a divisor of the {x.shape[2]} channels")
    return permute(reshape(x, (n, length, num_heads, width // num_heads)), (0, 2, 1, 3))


def join_heads(x: Tensor) -> Tensor:
    """(N, heads, L, E) as (N, L, heads·E)."""
    n, heads, length, width = x.dims
    return reshape(permute(x, (0, 2, 1, 3)), (n, length, heads * width))


@op("torch.nn.MultiheadAttention")
def multihead_attention(
    s: Scope,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    num_heads: int,
    *,
    bias: bool = True,
    add_bias_kv: bool = False,
    add_zero_attn: bool = False,
    batch_first: bool = False,
    key_padding_mask: Tensor | None = None,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
) -> Tensor:
    """Attention of query (L, N, E) to key and value (S, N, …), or with `batch_first` (N, L, E) and (N, S, …).

    All three may be without N. It gives the first of what PyTorch's module returns, the attended values in the query's
    shape. Weights are `in_proj_weight` (3E, E), or `q_proj_weight`, `k_proj_weight` and `v_proj_weight` where key or
    value have other widths; `in_proj_bias` (3E,) and `out_proj`.

    Args:
        key_padding_mask: (N, S); bool, true leaves a key out, or numbers to be added to the scores.
        attn_mask: (L, S) or (N·num_heads, L, S), likewise: PyTorch's function of scaled dot products has bools the
            other way round.
        is_causal: whether place i sees the places up to i alone.
    """
    if add_bias_kv or add_zero_attn:
        raise query.error("add_bias_kv, add_zero_attn: found True, expected False: keys can't be added here")
    ranks = {x.rank for x in (query, key, value)}
    if ranks not in ({2}, {3}):
        found = f"{query.shape}, {key.shape} and {value.shape}"
        raise query.error(f"found shapes {found}, expected three dimensions each, or two")
    batch, batched = 0 if batch_first else 1, ranks == {3}
    if not batched:
        query, key, value = (unsqueeze(x, batch) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else unsqueeze(key_padding_mask, 0)
    if not batch_first:
        query, key, value = (transpose(x, 0, 1) for x in (query, key, value))
    width = query.shape[2]
    if s.has("in_proj_weight"):
        weights = np.split(s.take("in_proj_weight", 3 * width, width), 3)
    else:
        weights = [
            s.take(f"{name}_proj_weight", width, x.shape[2]) for name, x in zip("qkv", (query, key, value), strict=True)
        ]
    biases = np.split(s.take("in_proj_bias", 3 * width), 3) if bias else [None] * 3
    q, k, v = (
        split_heads(affine(x, w, b), num_heads) for x, w, b in zip((query, key, value), weights, biases, strict=True)
    )
    mask = _mask(q, k, key_padding_mask, attn_mask, is_causal)
    y = linear(s / "out_proj", join_heads(scaled_dot_product_attention(q, k, v, mask)), width, bias)
    y = y if batch_first else transpose(y, 0, 1)
    y = y if batched else squeeze(y, batch)
    return y.named(s[0])  # the module gives the weights of the keys, too


def _mask(q: Tensor, k: Tensor, padding: Tensor | None, mask: Tensor | None, is_causal: bool) -> Tensor | None:
    """What is added to the scores (N, heads, L, S), or which pairs count; None where all do."""
    n, heads, length, _ = q.dims
    if mask is not None and mask.rank == 3:
        mask = reshape(mask, (n, heads, length, k.dims[2]))
    parts = [mask, None if padding is None else unsqueeze(unsqueeze(padding, 1), 1)]
    given = [~x if x.dtype == "bool" else x for x in parts if x is not None]
    if is_causal and mask is None:
        i, j = (arange_like(q, size, "int32") for size in (length, k.dims[2]))
        given.append(unsqueeze(i, 1) >= unsqueeze(j, 0))
    if not given:
        return None
    first, *more = given
    for other in more:
        if first.dtype == other.dtype == "bool":
            first = first & other
        else:
            first = _added(first, q.dtype) + _added(other, q.dtype)
    return first


def _added(mask: Tensor, dtype: str) -> Tensor:
    """A mask as numbers to be added."""
    if mask.dtype != "bool":
        return to(mask, dtype)
    return where(mask, to(mask, dtype) * 0.0, float("-inf"))
