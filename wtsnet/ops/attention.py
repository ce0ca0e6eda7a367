"""Scaled dot-product attention (Vaswani et al. 2017), of layers that every TensorRT has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops.linear import linear, matmul
from wtsnet.ops.pointwise import add, mul, where
from wtsnet.ops.reduce import softmax
from wtsnet.ops.shape import permute, reshape, transpose

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wtsnet.network import Scope, Tensor


def scaled_dot_product_attention(
    s: Scope,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    scale: float | None = None,
    suffix: str = "",
) -> Tensor:
    """`torch.nn.functional.scaled_dot_product_attention`: softmax(q·kᵀ·scale + mask)·v.

    Args:
        q, k, v: (…, L, E), (…, S, E), (…, S, V).
        mask: added to the scores (…, L, S), or, where it is bool, false leaves a pair out. A row must keep one.
        scale: 1/√E where it is None.

    Returns:
        (…, L, V).
    """
    factor = q.shape[-1] ** -0.5 if scale is None else scale
    scores = matmul(s, mul(s, q, factor, suffix="scaled"), k, transpose_b=True, suffix="scores")
    if mask is not None and mask.dtype == "bool":
        scores = where(s, mask, scores, float("-inf"), suffix="masked")
    elif mask is not None:
        scores = add(s, scores, mask, suffix="masked")
    return matmul(s, softmax(s, scores, suffix="softmax"), v, suffix=suffix)


def split_heads(s: Scope, x: Tensor, heads: int, suffix: str) -> Tensor:
    """(N, L, heads·E) as (N, heads, L, E)."""
    n, length, width = x.dims
    if x.shape[2] % heads:
        raise s.error(f"heads: found {heads}, expected a divisor of the {x.shape[2]} channels")
    parts = reshape(s, x, (n, length, heads, width // heads), suffix=f"{suffix}:split")
    return permute(s, parts, (0, 2, 1, 3), suffix=f"{suffix}:heads")


def join_heads(s: Scope, x: Tensor, suffix: str = "joined") -> Tensor:
    """(N, heads, L, E) as (N, L, heads·E)."""
    n, heads, length, width = x.dims
    return reshape(s, permute(s, x, (0, 2, 1, 3), suffix=f"{suffix}:last"), (n, length, heads * width), suffix=suffix)


def multi_head_attention(
    s: Scope,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    mask: Tensor | None = None,
    batch_first: bool = True,
) -> Tensor:
    """`torch.nn.MultiheadAttention` with one width for all: query (N, L, E), key and value (N, S, E) to (N, L, E).
    Without `batch_first`, as PyTorch's module is where nothing is said, they are (L, N, E) and (S, N, E).

    Weights are `in_proj_weight` (3E, E), `in_proj_bias` (3E,) and `out_proj`. `mask` is as in
    `scaled_dot_product_attention`: where it is bool, true keeps a pair (PyTorch's module has it the other way round).
    """
    if not batch_first:
        query, key, value = (
            transpose(s, x, 0, 1, suffix=f"{name}:batch")
            for name, x in (("query", query), ("key", key), ("value", value))
        )
    width = query.shape[2]
    weight, bias = s.take("in_proj_weight", 3 * width, width), s.take("in_proj_bias", 3 * width)
    q, k, v = (
        split_heads(s, _project(s, x, weight[i * width :][:width], bias[i * width :][:width], name), heads, name)
        for i, (name, x) in enumerate((("q", query), ("k", key), ("v", value)))
    )
    y = join_heads(s, scaled_dot_product_attention(s, q, k, v, mask, suffix="attended"))
    # The module returns (output, weights): its first output is this.
    y = linear(s / "out_proj", y, width)
    return s.net.record(f"{s.path}[0]", y if batch_first else transpose(s, y, 0, 1, suffix="sequence"))


def _project(s: Scope, x: Tensor, weight: NDArray[np.float32], bias: NDArray[np.float32], name: str) -> Tensor:
    kernel = s.constant(weight[None], x.dtype, suffix=f"{name}:weight")
    y = matmul(s, x, kernel, transpose_b=True, suffix=f"{name}:matmul")
    return add(s, y, s.constant(bias[None, None], x.dtype, suffix=f"{name}:bias"), suffix=name)
