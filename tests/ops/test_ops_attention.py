"""Attention against torch's, with every kind of mask."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.ops.support import OneOp, bools, build, check, check_sizes, compare, values
from wtsnet import ops
from wtsnet.errors import MissingWeightError, NetworkError

ANY = (2, 5, 9)


def qkv(*batch: int) -> list[torch.Tensor]:
    return [values(*batch, 5, 8), values(*batch, 7, 8, seed=1), values(*batch, 7, 6, seed=2)]


@pytest.mark.parametrize("batch", [(), (2,), (2, 3), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("scale", [None, 0.3])
def test_scaled_dot_product_attention(batch: tuple[int, ...], scale: float | None) -> None:
    check(
        lambda q, k, v: ops.scaled_dot_product_attention(q, k, v, scale=scale),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=scale),
        *qkv(*batch),
    )


@pytest.mark.parametrize("shape", [(5, 7), (1, 7), (2, 1, 5, 7), (2, 3, 5, 7), (3, 5, 7)], ids=str)
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_masks(kind: str, shape: tuple[int, ...]) -> None:
    keep = bools(*shape, seed=4)
    keep[..., 0] = True
    check(
        lambda q, k, v, m: ops.scaled_dot_product_attention(q, k, v, m),
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
        *(*qkv(2, 3), keep if kind == "bool" else values(*shape, seed=4)),
    )


@pytest.mark.parametrize("rows", [5, 7, 9])
def test_causal(rows: int) -> None:
    """Place i sees the places up to i, counted from the front of both."""
    q, (_, k, v) = values(2, 3, rows, 8), qkv(2, 3)
    check(
        lambda q, k, v: ops.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        *(q, k, v),
    )


@pytest.mark.parametrize("causal", [True, False])
def test_dynamic_sizes(causal: bool) -> None:
    one = check_sizes(
        lambda q, k, v: ops.scaled_dot_product_attention(q, k, v, is_causal=causal),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal),
        [((1, 2, 3), 2, ANY, 8), ((1, 2, 3), 2, ANY, 8), ((1, 2, 3), 2, ANY, 6)],
        [(3, 2, 9, 8), (3, 2, 4, 8), (3, 2, 4, 6)],
        [(1, 2, 2, 8), (1, 2, 7, 8), (1, 2, 7, 6)],
    )
    build(one.net)


@pytest.mark.parametrize("heads", [1, 2, 6])
@pytest.mark.parametrize("causal", [True, False])
def test_fewer_heads_of_keys(heads: int, causal: bool) -> None:
    check(
        lambda q, k, v: ops.scaled_dot_product_attention(q, k, v, enable_gqa=True, is_causal=causal),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True, is_causal=causal),
        *(values(2, 6, 5, 8), values(2, heads, 7, 8, seed=1), values(2, heads, 7, 6, seed=2)),
    )


def test_fewer_heads_of_keys_with_dynamic_sizes() -> None:
    one = check_sizes(
        lambda q, k: ops.scaled_dot_product_attention(q, k, k, enable_gqa=True),
        lambda q, k: F.scaled_dot_product_attention(q, k, k, enable_gqa=True),
        [((1, 2, 3), 4, ANY, 8), ((1, 2, 3), 2, ANY, 8)],
        [(3, 4, 9, 8), (3, 2, 4, 8)],
        [(1, 4, 2, 8), (1, 2, 7, 8)],
    )
    build(one.net)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_scores_of_halves_stay_in_range(dtype: torch.dtype) -> None:
    """The query is scaled before the product, which would overflow."""
    q = torch.full((1, 1, 2, 64), 90.0).to(dtype)
    one = OneOp(lambda q: ops.scaled_dot_product_attention(q, q, q), q)
    assert torch.equal(one(q)[0], q)


def attention(width: int = 8, heads: int = 4, **given: Any) -> nn.MultiheadAttention:
    torch.manual_seed(0)
    twin = nn.MultiheadAttention(width, heads, **given)
    for bias in (twin.in_proj_bias, twin.out_proj.bias):
        if bias is not None:
            nn.init.normal_(bias)
    return twin.eval()


def check_attention(twin: nn.MultiheadAttention, *inputs: torch.Tensor, **masks: torch.Tensor) -> OneOp:
    """The op gives what the module gives, for these query, key and value, and masks by name."""
    given = {"batch_first": twin.batch_first, "bias": twin.out_proj.bias is not None}
    names = list(masks)

    def op(s: Any, q: Any, k: Any, v: Any, *more: Any) -> Any:
        return ops.multihead_attention(s, q, k, v, twin.num_heads, **given, **dict(zip(names, more, strict=True)))

    def expected(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = twin(q, k, v, **dict(zip(names, more, strict=True)))[0]
        return found

    named = "a.b.out_proj" if twin.batch_first else "a.b[0]"
    weights = dict(twin.state_dict())
    one = check(op, expected, *inputs, *masks.values(), weights=weights, named=named)
    assert one.net.weights.unused() == []
    assert [y.shape for y in one.net.modules["a.b[0]"]] == [tuple(one.outputs[0].shape)]
    assert "a.b" not in one.net.modules  # PyTorch's module gives a tuple
    return one


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_multihead_attention(batch_first: bool, bias: bool) -> None:
    twin = attention(16, bias=bias, batch_first=batch_first)
    shapes = [(2, 5, 16), (2, 9, 16), (2, 9, 16)] if batch_first else [(5, 2, 16), (9, 2, 16), (9, 2, 16)]
    check_attention(twin, *(values(*shape, seed=i) for i, shape in enumerate(shapes)))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kdim", "vdim"), [(6, None), (None, 10), (6, 10)])
def test_keys_and_values_of_other_widths(kdim: int | None, vdim: int | None, bias: bool) -> None:
    twin = attention(kdim=kdim, vdim=vdim, batch_first=True, bias=bias)
    check_attention(twin, values(2, 5, 8), values(2, 9, kdim or 8, seed=1), values(2, 9, vdim or 8, seed=2))


@pytest.mark.parametrize("batch_first", [True, False])
def test_one_sequence_without_a_batch(batch_first: bool) -> None:
    twin = attention(batch_first=batch_first)
    given = [values(n, 8, seed=i) for i, n in enumerate((5, 9, 9))]
    masks = {"key_padding_mask": masks_of("bool", 9), "attn_mask": masks_of("bool", 5, 9)}

    def op(s: Any, q: Any, k: Any, v: Any, p: Any, m: Any) -> Any:
        return ops.multihead_attention(s, q, k, v, 4, batch_first=batch_first, key_padding_mask=p, attn_mask=m)

    def expected(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, p: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = twin(q, k, v, key_padding_mask=p, attn_mask=m)[0]
        return found

    check(op, expected, *given, *masks.values(), weights=dict(twin.state_dict()), named="a.b[0]")


def masks_of(kind: str, *shape: int) -> torch.Tensor:
    """A mask that leaves out, or adds to, half of what there is; each row keeps its first."""
    out = bools(*shape, seed=9)
    out[..., 0] = False
    return out if kind == "bool" else values(*shape, seed=9)


@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("shape", [(5, 9), (8, 5, 9)], ids=str)
def test_attention_masks(kind: str, shape: tuple[int, ...], batch_first: bool) -> None:
    """A bool leaves out where it is true: torch's module has it the other way round than its function."""
    twin = attention(batch_first=batch_first)
    sizes = [(2, n, 8) if batch_first else (n, 2, 8) for n in (5, 9, 9)]
    inputs = [values(*size, seed=i) for i, size in enumerate(sizes)]
    check_attention(twin, *inputs, attn_mask=masks_of(kind, *shape))


@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("batch_first", [True, False])
def test_keys_that_are_padding(kind: str, batch_first: bool) -> None:
    twin = attention(batch_first=batch_first)
    sizes = [(2, n, 8) if batch_first else (n, 2, 8) for n in (5, 9, 9)]
    inputs = [values(*size, seed=i) for i, size in enumerate(sizes)]
    check_attention(twin, *inputs, key_padding_mask=masks_of(kind, 2, 9))


@pytest.mark.parametrize("padding", ["bool", "float"])
@pytest.mark.parametrize("mask", ["bool", "float"])
@pytest.mark.filterwarnings("ignore:Support for mismatched")
def test_both_masks(padding: str, mask: str) -> None:
    inputs = [values(2, n, 8, seed=i) for i, n in enumerate((5, 9, 9))]
    both = {"key_padding_mask": masks_of(padding, 2, 9), "attn_mask": masks_of(mask, 5, 9)}
    check_attention(attention(batch_first=True), *inputs, **both)


def test_causal_multihead_attention() -> None:
    twin, x = attention(batch_first=True), values(2, 5, 8)
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    for padding in (None, masks_of("bool", 2, 5)):
        given = {} if padding is None else {"key_padding_mask": padding}
        one = OneOp(
            lambda s, x, *more: ops.multihead_attention(
                s, x, x, x, 4, batch_first=True, is_causal=True, key_padding_mask=more[0] if more else None
            ),
            *(x, *given.values()),
            weights=dict(twin.state_dict()),
            named="a.b.out_proj",
        )
        compare(
            one,
            lambda x, *more, names=list(given): twin(x, x, x, attn_mask=later, **dict(zip(names, more, strict=True)))[
                0
            ],
            [x, *given.values()],
            1e-6,
        )


@pytest.mark.parametrize("causal", [True, False])
def test_multihead_attention_of_dynamic_sizes(causal: bool) -> None:
    twin = attention(batch_first=True)

    def expected(x: torch.Tensor) -> torch.Tensor:
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1) if causal else None
        found: torch.Tensor = twin(x, x, x, attn_mask=later)[0]
        return found

    made = check_sizes(
        lambda s, x: ops.multihead_attention(s, x, x, x, 4, batch_first=True, is_causal=causal),
        expected,
        ((1, 2, 3), ANY, 8),
        *((3, 2, 8), (1, 9, 8)),
        weights=dict(twin.state_dict()),
        named="a.b.out_proj",
    )
    build(made.net)


@pytest.mark.parametrize("kind", ["float32", "bool"])
def test_masks_of_dynamic_sizes(kind: str) -> None:
    twin = attention(batch_first=True)
    n = (1, 2, 3)
    one = OneOp(
        lambda s, x, p, m: ops.multihead_attention(s, x, x, x, 4, batch_first=True, key_padding_mask=p, attn_mask=m),
        *(((n, ANY, 8), "float32"), ((n, ANY), kind), (((4, 8, 12), ANY, ANY), kind)),
        weights=dict(twin.state_dict()),
        named="a.b.out_proj",
    )
    build(one.net)
    for batch, length in ((3, 4), (1, 9)):
        p, m = (masks_of(kind, *shape) for shape in ((batch, length), (4 * batch, length, length)))
        compare(
            one,
            lambda x, p, m: twin(x, x, x, key_padding_mask=p, attn_mask=m)[0],
            [values(batch, length, 8), p, m],
            1e-6,
        )


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (
            lambda s, x: ops.multihead_attention(s, x, x, x, 3),
            "multihead_attention: num_heads: found 3, expected a divisor of the 8 channels",
        ),
        (
            lambda s, x: ops.multihead_attention(s, x[0], x, x, 4),
            "multihead_attention: found shapes (4, 8), (2, 4, 8) and (2, 4, 8), expected three dimensions each, or two",
        ),
        (
            lambda s, x: ops.multihead_attention(s, x, x, x, 4, add_zero_attn=True),
            "multihead_attention: add_bias_kv, add_zero_attn: found True, expected False: keys can't be added here",
        ),
        (
            lambda x: ops.scaled_dot_product_attention(x, x, x, x, is_causal=True),
            "scaled_dot_product_attention: is_causal: found True with an attn_mask, expected one of the two",
        ),
        (
            lambda x: ops.scaled_dot_product_attention(
                x[None], x[None, :1].repeat(1, 3, 1, 1), x[None], enable_gqa=True
            ),
            "scaled_dot_product_attention: enable_gqa: found 2 and 3 heads, expected a multiple of the second",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(2, 4, 8), weights=dict(attention().state_dict()))
    assert str(caught.value) == f"a.b: {text}"


def test_a_dynamic_width_needs_a_scale() -> None:
    spec = ((2, 4, (4, 8, 16)), "float32")
    text = r"^a\.b: scaled_dot_product_attention: scale: found None for shape \(2, 4, -1\), expected a number"
    with pytest.raises(NetworkError, match=text):
        OneOp(lambda x: ops.scaled_dot_product_attention(x, x, x), spec)
    OneOp(lambda x: ops.scaled_dot_product_attention(x, x, x, scale=0.5), spec)


def test_weights_that_are_missing() -> None:
    weights = dict(attention(bias=False).state_dict())
    with pytest.raises(MissingWeightError, match=r"a\.b\.in_proj_bias: the network wants it"):
        OneOp(lambda s, x: ops.multihead_attention(s, x, x, x, 4), values(5, 2, 8), weights=weights)
