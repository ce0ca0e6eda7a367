"""Attention, rotary position embedding and the key-value cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from wtsnet.reference.readback import Node
from wtsnet.reference.registry import Run, executes, refusal


@executes("ROTARY_EMBEDDING")
def rotary_embedding(node: Node) -> Run:
    """Pairs of the last axis of x (N, heads, S, D) turned by an angle that depends on the position in S.

    cos and sin are (N, S, D'/2), or (positions, D'/2) with the position of each token in input 3 (N, S). The
    first D' elements are turned (all where the layer's dim is 0); a pair is two neighbours where interleaved,
    else i and i + D'/2.
    """
    interleaved: bool = node.layer.interleaved
    dim: int = node.layer.rotary_embedding_dim

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        x, cos, sin = inputs[:3]
        if node.has(3):
            cos, sin = (table[inputs[3].to(torch.int64)] for table in (cos, sin))
        width = dim or x.shape[-1]
        turned, rest = x[..., :width], x[..., width:]
        cos, sin = cos.unsqueeze(-3), sin.unsqueeze(-3)
        if interleaved:
            a, b = turned[..., 0::2], turned[..., 1::2]
        else:
            a, b = turned.chunk(2, -1)
        real, imaginary = a * cos - b * sin, a * sin + b * cos
        y = torch.stack((real, imaginary), -1).flatten(-2) if interleaved else torch.cat((real, imaginary), -1)
        return (torch.cat((y, rest), -1),)

    return run


@executes("ATTENTION_INPUT")
def attention_input(node: Node) -> Run:
    """norm(q kᵀ + mask) v for q (N, heads, S, D), k and v (N, kv heads, S', D): the whole attention.

    Nothing is scaled: TensorRT leaves that to the network. Heads share keys and values in groups where there
    are fewer of these. The mask (input 3) is added, or, where boolean, false masks out; a row that is masked
    out completely gives zeros. Computed in float32 and rounded once, as fused kernels do.
    """
    attention = node.layer.attention
    normalized: bool = attention.norm_op.name == "SOFTMAX"
    causal = _causal_kind(attention)
    for name in ("query_lengths", "key_value_lengths", "normalization_quantize_scale"):
        if getattr(attention, name, None) is not None:
            raise refusal(node, f"attention with {name}")
    for name in ("query_form", "key_value_form"):
        if getattr(getattr(attention, name, None), "name", "PADDED_BHND") != "PADDED_BHND":
            raise refusal(node, f"attention with packed tensors ({name})")

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        q, k, v = (t.float() for t in inputs[:3])
        k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
        scores = torch.matmul(q, k.mT)
        if node.has(3):
            mask = inputs[3]
            scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
        if causal != "NONE":
            rows, columns = scores.shape[-2:]
            offset = columns - rows if causal == "LOWER_RIGHT" else 0
            seen = torch.ones(rows, columns, dtype=torch.bool, device=q.device).tril(offset)
            scores = scores.masked_fill(~seen, -torch.inf)
        if normalized:
            scores = scores.softmax(-1).masked_fill((scores == -torch.inf).all(-1, keepdim=True), 0)
        return (torch.matmul(scores, v).to(inputs[0].dtype),)

    return run


def _causal_kind(attention: Any) -> str:
    """TensorRT 11 names the alignment of the causal mask; 10 has a flag, which means the upper left."""
    kind = getattr(attention, "causal_kind", None)
    if kind is not None:
        return str(kind.name)
    return "UPPER_LEFT" if attention.causal else "NONE"


@executes("ATTENTION_OUTPUT")
def attention_output(node: Node) -> Run:
    """What the attention's input layer computed."""
    return lambda inputs: inputs


@executes("KV_CACHE_UPDATE")
def kv_cache_update(node: Node) -> Run:
    """The cache (N, heads, S, D) with the update (N, heads, s, D) written from position index[n] on.

    TensorRT writes in place; here the output is a copy, and the caller passes it in again.
    """
    layer = node.layer
    if layer.cache_mode.name != "LINEAR":
        raise refusal(node, f"cache mode {layer.cache_mode.name}")
    if getattr(layer, "update_lengths", None) is not None:
        raise refusal(node, "packed updates (update_lengths)")

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        cache, update, index = inputs[:3]
        rows = torch.arange(cache.shape[0], device=cache.device)[:, None]
        places = index.to(torch.int64)[:, None] + torch.arange(update.shape[2], device=cache.device)
        # Two index vectors around a slice: their axis comes first, so heads are third.
        written = cache.clone()
        written[rows, :, places] = update.transpose(1, 2)
        return (written,)

    return run
