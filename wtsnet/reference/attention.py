"""Attention, rotary position embedding and the key-value cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from wtsnet.reference.quantize import ROUNDED
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
    out completely gives zeros. The normalized scores are quantized where input 4 is their scale. Computed in
    float32 and rounded once, as fused kernels do.

    Key lengths (input 6) cut each sequence's keys and values off. Packed tensors are (tokens, heads, D), one
    sequence behind the other; inputs 5 and 6 are then where the sequences of q, and of k and v, begin and end.
    A causal mask is aligned with the sequence, not with its padding.
    """
    attention = node.layer.attention
    attend = _attend(attention, node.has(4))
    packed_q, packed_kv = (_packed(getattr(attention, name, None)) for name in ("query_form", "key_value_form"))
    if node.has(3) and (packed_q or packed_kv):
        raise refusal(node, "attention with a mask over packed tensors")

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        q, k, v = inputs[:3]
        mask, scale = (inputs[i] if node.has(i) else None for i in (3, 4))
        if not (packed_q or node.has(6)):
            return (attend(q, k, v, mask, scale),)
        q_spans = _spans(inputs[5] if packed_q else None, packed_q, q)
        kv_spans = _spans(inputs[6] if node.has(6) else None, packed_kv, k)
        results = []
        for n, (of_q, of_kv) in enumerate(zip(q_spans, kv_spans, strict=True)):
            q_n = _sequence(q, packed_q, of_q, n)
            k_n, v_n = (_sequence(t, packed_kv, of_kv, n) for t in (k, v))
            mask_n = None if mask is None else mask.expand(len(q_spans), *mask.shape[1:])[n, ..., : of_kv[1]]
            results.append(attend(q_n, k_n, v_n, mask_n, scale))
        return (torch.cat([y[0].transpose(0, 1) for y in results]) if packed_q else torch.cat(results),)

    return run


def _packed(form: Any) -> bool:
    return form is not None and form.name == "PACKED_NHD"


def _spans(lengths: Tensor | None, packed: bool, x: Tensor) -> list[tuple[int, int]]:
    """The rows of each sequence: between cumulative lengths where packed, else the first of the padded ones."""
    if lengths is None:
        return [(0, x.shape[2])] * x.shape[0]
    ends: list[int] = lengths.tolist()
    return list(pairwise(ends)) if packed else [(0, end) for end in ends]


def _sequence(x: Tensor, packed: bool, span: tuple[int, int], n: int) -> Tensor:
    """The rows of sequence n as (1, heads, S, D)."""
    begin, end = span
    return x[begin:end].transpose(0, 1)[None] if packed else x[n : n + 1, :, begin:end]


Attend = Callable[[Tensor, Tensor, Tensor, "Tensor | None", "Tensor | None"], Tensor]


# What the scores may be quantized to.
_QUANTIZED = {"FP8": "float8_e4m3fn", "INT8": "int8"}


def _attend(attention: Any, quantized: bool) -> Attend:
    """Attention of padded tensors of one length each, from q, k, v, the mask and the scale of the scores."""
    normalized: bool = attention.norm_op.name == "SOFTMAX"
    causal = _causal_kind(attention)
    rounded = ROUNDED[_QUANTIZED[attention.normalization_quantize_to_type.name]] if quantized else None

    def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: Tensor | None) -> Tensor:
        k, v = (t.float().repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
        scores = torch.matmul(q.float(), k.mT)
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
        if causal != "NONE":
            rows, columns = scores.shape[-2:]
            offset = columns - rows if causal == "LOWER_RIGHT" else 0
            seen = torch.ones(rows, columns, dtype=torch.bool, device=q.device).tril(offset)
            scores = scores.masked_fill(~seen, -torch.inf)
        if normalized:
            scores = scores.softmax(-1).masked_fill((scores == -torch.inf).all(-1, keepdim=True), 0)
        if scale is not None and rounded is not None:
            scores = rounded(scores / scale.float()).float() * scale.float()
        return torch.matmul(scores, v).to(q.dtype)

    return attend


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

    A packed update is (tokens, heads, D), and input 3 says where its sequences begin and end. In an engine the
    output is the cache's own memory; a runner never writes to its inputs, so here it is a copy, and the caller
    feeds it back as the next run's cache.
    """
    if node.layer.cache_mode.name != "LINEAR":
        raise refusal(node, f"cache mode {node.layer.cache_mode.name}")
    packed = _packed(getattr(node.layer, "update_form", None))

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        cache, update, index = inputs[:3]
        written = cache.clone()
        spans = _spans(inputs[3] if packed else None, packed, update)
        for n, (span, first) in enumerate(zip(spans, index.tolist(), strict=True)):
            rows = _sequence(update, packed, span, n)[0]
            written[n].narrow(1, first, rows.shape[1]).copy_(rows)
        return (written,)

    return run
