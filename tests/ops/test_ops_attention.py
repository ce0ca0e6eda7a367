"""Attention against torch's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.ops.support import build, check, check_sizes, values
from wtsnet import ops
from wtsnet.errors import NetworkError


@pytest.mark.parametrize("scale", [None, 0.3])
def test_scaled_dot_product_attention(scale: float | None) -> None:
    q, k, v = values(2, 3, 5, 8), values(2, 3, 7, 8, seed=1), values(2, 3, 7, 6, seed=2)
    check(
        lambda s, q, k, v: ops.scaled_dot_product_attention(s, q, k, v, scale=scale),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=scale),
        *(q, k, v),
    )


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_masks(kind: str) -> None:
    q, k, v = (values(2, 3, 6, 8, seed=i) for i in range(3))
    keep = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(0)) > 0.5
    keep[..., 0] = True
    mask = keep if kind == "bool" else values(1, 1, 6, 6, seed=4)
    check(
        lambda s, q, k, v, m: ops.scaled_dot_product_attention(s, q, k, v, m),
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
        *(q, k, v, mask),
    )


def attention(width: int) -> nn.MultiheadAttention:
    torch.manual_seed(0)
    twin = nn.MultiheadAttention(width, 4, batch_first=True)
    nn.init.normal_(twin.in_proj_bias)
    nn.init.normal_(twin.out_proj.bias)
    return twin.eval()


def test_multi_head_attention() -> None:
    twin = attention(16)
    one = check(
        lambda s, q, k, v: ops.multi_head_attention(s, q, k, v, 4),
        lambda q, k, v: twin(q, k, v)[0],
        *(values(2, 5, 16), values(2, 9, 16, seed=1), values(2, 9, 16, seed=2)),
        weights=dict(twin.state_dict()),
        named="a.b.out_proj",
    )
    assert one.net.weights.unused() == []
    assert one.net.modules["a.b[0]"]


def test_multi_head_attention_with_the_sequence_first() -> None:
    """As PyTorch's module is where nothing is said."""
    twin = nn.MultiheadAttention(16, 4).eval()
    nn.init.normal_(twin.in_proj_bias)
    one = check(
        lambda s, q, k, v: ops.multi_head_attention(s, q, k, v, 4, batch_first=False),
        lambda q, k, v: twin(q, k, v)[0],
        *(values(5, 2, 16), values(9, 2, 16, seed=1), values(9, 2, 16, seed=2)),
        weights=dict(twin.state_dict()),
        named="a.b:sequence",
    )
    assert one.net.modules["a.b[0]"][0].shape == (5, 2, 16)


def test_multi_head_attention_of_dynamic_sizes() -> None:
    twin = attention(8)
    made = check_sizes(
        lambda s, x: ops.multi_head_attention(s, x, x, x, 4),
        lambda x: twin(x, x, x)[0],
        ((1, 2, 3), (2, 5, 9), 8),
        *((3, 2, 8), (1, 9, 8)),
        weights=dict(twin.state_dict()),
        named="a.b.out_proj",
    )
    build(made.net)


def test_a_mask_for_attention() -> None:
    twin = attention(8)
    keep = torch.ones(4, 4, dtype=torch.bool).tril()
    check(
        lambda s, x, m: ops.multi_head_attention(s, x, x, x, 4, m),
        lambda x, m: twin(x, x, x, attn_mask=~m[0, 0])[0],
        *(values(2, 4, 8), keep[None, None]),
        weights=dict(twin.state_dict()),
        named="a.b.out_proj",
    )


def test_heads_that_do_not_divide_the_width() -> None:
    with pytest.raises(NetworkError, match="heads: found 3, expected a divisor of the 8 channels"):
        check(
            lambda s, x: ops.multi_head_attention(s, x, x, x, 3),
            lambda x: x,
            values(2, 4, 8),
            weights=dict(attention(8).state_dict()),
        )
