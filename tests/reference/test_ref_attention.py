"""Attention, rotary embedding and the key-value cache against numpy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from wtsnet.errors import UnsupportedLayerError
from wtsnet.trt.flavours import module

trt = module()
# Called with lists, which numpy's own annotations do not know.
i32: Any = np.int32
PACKED = trt.AttentionIOForm.PACKED_NHD


def softmaxed(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("mask", ["none", "added", "boolean", "UPPER_LEFT", "LOWER_RIGHT"])
def test_attention_with_shared_keys(net: Any, rng: np.random.Generator, mask: str) -> None:
    q, k, v = (rng.standard_normal(s).astype(np.float32) for s in ((2, 4, 3, 8), (2, 2, 5, 8), (2, 2, 5, 8)))
    kind = getattr(trt.CausalMaskKind, mask) if mask.isupper() else trt.CausalMaskKind.NONE
    attention = net.trt.add_attention_v2(
        net.input(q), net.input(k), net.input(v), trt.AttentionNormalizationOp.SOFTMAX, kind
    )
    bias = np.zeros((2, 4, 3, 5), np.float32)
    if mask == "added":
        bias = rng.standard_normal(bias.shape).astype(np.float32)
        attention.mask = net.input(bias)
    elif mask == "boolean":
        seen = rng.random(bias.shape) > 0.3
        seen[..., 0] = True
        attention.mask = net.input(seen)
        bias = np.where(seen, 0, -np.inf)
    elif mask.isupper():
        offset = 2 if mask == "LOWER_RIGHT" else 0
        bias = np.where(np.tril(np.ones((3, 5)), offset), 0, -np.inf)
    k, v = (t.repeat(2, 1) for t in (k, v))
    want = softmaxed(q @ k.swapaxes(-1, -2) + bias) @ v
    np.testing.assert_allclose(net.run(attention.get_output(0)), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_embedding_turns_pairs(net: Any, rng: np.random.Generator, interleaved: bool) -> None:
    x = rng.standard_normal((1, 2, 3, 6)).astype(np.float32)
    angle = rng.random((1, 3, 2)).astype(np.float32)
    layer = net.trt.add_rotary_embedding(
        net.input(x), net.input(np.cos(angle)), net.input(np.sin(angle)), interleaved, 4
    )
    want = x.copy()
    for i in range(2):
        a, b = (2 * i, 2 * i + 1) if interleaved else (i, i + 2)
        z = (x[..., a] + 1j * x[..., b]) * np.exp(1j * angle[:, None, :, i])
        want[..., a], want[..., b] = z.real, z.imag
    np.testing.assert_allclose(net.run(layer.get_output(0)), want, rtol=1e-5, atol=1e-6)


def test_rotary_embedding_by_the_position_of_each_token(net: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 2, 3, 4)).astype(np.float32)
    angle = rng.random((10, 2)).astype(np.float32)
    positions = np.array([[0, 1, 2], [7, 3, 9]], np.int64)
    layer = net.trt.add_rotary_embedding(net.input(x), net.input(np.cos(angle)), net.input(np.sin(angle)), False, 0)
    layer.set_input(3, net.input(positions))
    z = (x[..., :2] + 1j * x[..., 2:]) * np.exp(1j * angle[positions][:, None])
    want = np.concatenate([z.real, z.imag], -1)
    np.testing.assert_allclose(net.run(layer.get_output(0)), want, rtol=1e-5, atol=1e-6)


def attended(q: Any, k: Any, v: Any, causal: str = "NONE") -> Any:
    """softmax(q kᵀ) v of (heads, S, D); a causal mask leaves what comes after a query out."""
    rows, columns = q.shape[1], k.shape[1]
    seen = np.ones((rows, columns), bool)
    if causal != "NONE":
        seen = np.tril(seen, columns - rows if causal == "LOWER_RIGHT" else 0)
    return softmaxed(np.where(seen, q @ k.swapaxes(-1, -2), -np.inf)) @ v


@pytest.mark.parametrize("causal", ["NONE", "UPPER_LEFT", "LOWER_RIGHT"])
def test_attention_over_keys_of_different_lengths(net: Any, rng: np.random.Generator, causal: str) -> None:
    q, k, v = (rng.standard_normal((2, 4, s, 8)).astype(np.float32) for s in (3, 6, 6))
    kind = getattr(trt.CausalMaskKind, causal)
    attention = net.trt.add_attention_v2(
        net.input(q), net.input(k), net.input(v), trt.AttentionNormalizationOp.SOFTMAX, kind
    )
    lengths = i32([6, 4])
    attention.key_value_lengths = net.input(lengths)
    want = [attended(q[n], k[n, :, :length], v[n, :, :length], causal) for n, length in enumerate(lengths)]
    np.testing.assert_allclose(net.run(attention.get_output(0)), want, rtol=1e-4, atol=1e-5)


def test_a_mask_is_cut_off_where_the_keys_are(net: Any, rng: np.random.Generator) -> None:
    q, k, v = (rng.standard_normal((2, 4, s, 8)).astype(np.float32) for s in (3, 6, 6))
    mask = rng.standard_normal((2, 4, 3, 6)).astype(np.float32)
    attention = net.trt.add_attention_v2(
        net.input(q), net.input(k), net.input(v), trt.AttentionNormalizationOp.SOFTMAX, trt.CausalMaskKind.NONE
    )
    attention.mask = net.input(mask)
    attention.key_value_lengths = net.input(i32([5, 2]))
    want = [
        softmaxed(q[n] @ k[n, :, :length].swapaxes(-1, -2) + mask[n, ..., :length]) @ v[n, :, :length]
        for n, length in enumerate((5, 2))
    ]
    np.testing.assert_allclose(net.run(attention.get_output(0)), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("causal", ["NONE", "LOWER_RIGHT"])
@pytest.mark.parametrize("packed_keys", [False, True])
def test_attention_of_packed_sequences(net: Any, rng: np.random.Generator, packed_keys: bool, causal: str) -> None:
    q_ends, kv_ends = i32([0, 2, 5]), i32([0, 4, 9])
    q = rng.standard_normal((5, 4, 8)).astype(np.float32)
    k, v = (rng.standard_normal((9, 4, 8) if packed_keys else (2, 4, 5, 8)).astype(np.float32) for _ in range(2))
    attention = net.trt.add_attention_v2(
        net.input(q),
        net.input(k),
        net.input(v),
        trt.AttentionNormalizationOp.SOFTMAX,
        getattr(trt.CausalMaskKind, causal),
    )
    attention.query_form, attention.query_lengths = PACKED, net.input(q_ends)
    if packed_keys:
        attention.key_value_form, attention.key_value_lengths = PACKED, net.input(kv_ends)
    else:
        attention.key_value_lengths = net.input(np.diff(kv_ends).astype(np.int32))
    want = []
    for n, ((first, last), (begin, end)) in enumerate(zip(pairwise(q_ends), pairwise(kv_ends), strict=True)):
        keys, values = ((t[begin:end].swapaxes(0, 1) if packed_keys else t[n, :, : end - begin]) for t in (k, v))
        want.append(attended(q[first:last].swapaxes(0, 1), keys, values, causal).swapaxes(0, 1))
    np.testing.assert_allclose(net.run(attention.get_output(0)), np.concatenate(want), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["FP8", "INT8"])
def test_attention_with_quantized_scores(net: Any, rng: np.random.Generator, kind: str) -> None:
    q, k, v = (rng.standard_normal((1, 2, s, 8)).astype(np.float32) for s in (3, 5, 5))
    attention = net.trt.add_attention_v2(
        net.input(q), net.input(k), net.input(v), trt.AttentionNormalizationOp.SOFTMAX, trt.CausalMaskKind.NONE
    )
    scale = np.float32(1 / 127)
    attention.normalization_quantize_to_type = getattr(trt.DataType, kind)
    attention.normalization_quantize_scale = net.constant(scale)
    scores = softmaxed(q @ k.swapaxes(-1, -2)) / scale
    codes = np.rint(scores) if kind == "INT8" else scores.astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    got = net.run(attention.get_output(0))
    np.testing.assert_allclose(got, codes * scale @ v, rtol=1e-4, atol=1e-5)
    assert abs(got - softmaxed(q @ k.swapaxes(-1, -2)) @ v).max() > 1e-3  # the rounding shows


def test_a_mask_over_packed_tensors_is_refused(net: Any) -> None:
    q = net.input(np.zeros((5, 4, 8), np.float32))
    attention = net.trt.add_attention_v2(q, q, q, trt.AttentionNormalizationOp.SOFTMAX, trt.CausalMaskKind.NONE)
    attention.query_form = attention.key_value_form = PACKED
    attention.query_lengths = attention.key_value_lengths = net.input(i32([0, 5]))
    attention.mask = net.input(np.ones((1, 4, 5, 5), bool))
    net.trt.mark_output(attention.get_output(0))
    with pytest.raises(UnsupportedLayerError, match=r"\(ATTENTION_INPUT\): .*a mask over packed tensors"):
        net.runner()


@pytest.mark.parametrize("packed", [False, True])
def test_the_cache_is_written_at_each_sequences_index(net: Any, rng: np.random.Generator, packed: bool) -> None:
    cache = rng.standard_normal((2, 3, 6, 4)).astype(np.float16)
    lengths, index = (2, 3 if packed else 2), i32([1, 3])
    tokens = [rng.standard_normal((n, 3, 4)).astype(np.float16) for n in lengths]
    update = np.concatenate(tokens) if packed else np.stack(tokens).swapaxes(1, 2)
    before = cache.copy()
    x, u = net.input(cache), net.input(update)
    layer = net.trt.add_kv_cache_update(x, u, net.input(index), trt.KVCacheMode.LINEAR)
    if packed:
        layer.update_form, layer.update_lengths = PACKED, net.input(i32([0, *np.cumsum(lengths)]))
    want = cache.copy()
    for n, (first, rows) in enumerate(zip(index, tokens, strict=True)):
        want[n, :, first : first + len(rows)] = rows.swapaxes(0, 1)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), want)
    np.testing.assert_array_equal(cache, before)  # the runner does not write to its inputs
