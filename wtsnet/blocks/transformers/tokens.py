"""What transformers of pictures share. Tokens are (N, L, C); where they lie on a map, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.network import module
from wtsnet.ops import cat, gelu, linear, scaled_dot_product_attention
from wtsnet.ops.attention import join_heads, split_heads

if TYPE_CHECKING:
    from collections.abc import Callable

    from wtsnet.network import Scope, Tensor


@module
def attention(s: Scope, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attention in the layout of Hugging Face: linear layers `q_proj`, `k_proj`, `v_proj`, `o_proj`, all of the
    query's width; query (N, L, C), key and value (N, S, C) to (N, L, C)."""
    width = query.shape[2]
    q = split_heads(linear(s / "q_proj", query, width), heads)
    k = split_heads(linear(s / "k_proj", key, width), heads)
    v = split_heads(linear(s / "v_proj", value, width), heads)
    y = linear(s / "o_proj", join_heads(scaled_dot_product_attention(q, k, v)), width)
    return y.named(s[0])  # the module gives the weights of the keys, too


@module
def feed_forward(s: Scope, x: Tensor) -> Tensor:
    """Two linear layers with a GELU between them, the hidden one four times as wide: torchvision's `MLP`."""
    width = x.shape[-1]
    return linear(s / 3, gelu(linear(s / 0, x, 4 * width)), width)


@module
def mlp(s: Scope, x: Tensor, hidden: int, act: Callable[[Tensor], Tensor] = gelu) -> Tensor:
    """Linear layers `fc1`, to `hidden` channels, and `fc2`, back, with `act` between them: that of Hugging Face."""
    return linear(s / "fc2", act(linear(s / "fc1", x, hidden)), x.shape[-1])


def class_token(s: Scope, name: str, x: Tensor) -> Tensor:
    """Tokens (N, L, C) with the learnt one, `name` (1, 1, C), in front: (N, 1 + L, C)."""
    token = s.parameter(name, 1, 1, x.shape[2])
    return cat((token.expand(x.dims[0], -1, -1), x), 1)
