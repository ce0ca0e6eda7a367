"""What transformers of pictures share. Tokens are (N, L, C); where they lie on a map, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops import (
    concat,
    expand,
    flatten,
    gelu,
    identity,
    linear,
    parameter,
    permute,
    reshape,
    scaled_dot_product_attention,
)
from wtsnet.ops.attention import join_heads, split_heads

if TYPE_CHECKING:
    from wtsnet.network import Dim, Scope, Tensor


def attention(s: Scope, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attention in the layout of Hugging Face: linear layers `q_proj`, `k_proj`, `v_proj`, `o_proj`, all of the
    query's width; query (N, L, C), key and value (N, S, C) to (N, L, C)."""
    width = query.shape[2]
    q, k, v = (
        split_heads(s, linear(s / f"{name}_proj", x, width), heads, name)
        for name, x in (("q", query), ("k", key), ("v", value))
    )
    y = join_heads(s, scaled_dot_product_attention(s, q, k, v, suffix="attended"))
    # The module returns (output, weights): its first output is this.
    return s.net.record(f"{s.path}[0]", linear(s / "o_proj", y, width))


def feed_forward(s: Scope, x: Tensor) -> Tensor:
    """Two linear layers with a GELU between them, the hidden one four times as wide: torchvision's `MLP`."""
    y = gelu(s / 1, linear(s / 0, x, 4 * x.shape[-1]))
    y = identity(s / 4, linear(s / 3, identity(s / 2, y), x.shape[-1]))
    return s.net.record(s.path, y)


def to_tokens(s: Scope, x: Tensor, suffix: str = "tokens") -> Tensor:
    """A map (N, C, H, W) as tokens (N, H·W, C)."""
    return permute(s, flatten(s, x, 2, suffix=f"{suffix}:flat"), (0, 2, 1), suffix=suffix)


def to_map(s: Scope, x: Tensor, height: int | Dim, width: int | Dim, suffix: str = "map") -> Tensor:
    """Tokens (N, H·W, C) as a map (N, C, H, W)."""
    n, _, channels = x.dims
    return reshape(s, permute(s, x, (0, 2, 1), suffix=f"{suffix}:channels"), (n, channels, height, width), suffix)


def class_token(s: Scope, name: str, x: Tensor) -> Tensor:
    """Tokens (N, L, C) with the learnt one, `name` (1, 1, C), in front: (N, 1 + L, C)."""
    n, _, channels = x.dims
    token = expand(s, parameter(s, name, 1, 1, x.shape[2]), (n, 1, channels), suffix=f"{name}:each")
    return concat(s, [token, x], 1, suffix=f"{name}:first")
