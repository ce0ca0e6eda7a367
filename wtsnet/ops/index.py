"""Picking by index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops.shape import checked_axis

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


def take(s: Scope, x: Tensor, indices: Tensor, dim: int = 0, batched: int = 0, suffix: str = "") -> Tensor:
    """`x` at `indices` (int32 or int64) along `dim`, as `numpy.take`: `torch.index_select` with any shape of
    indices.

    Args:
        batched: how many first dimensions `x` and `indices` share: (N, C, 4) at (N, K) along 1 with
            `batched=1` gives (N, K, 4).
    """
    axis = checked_axis(s, x, dim)
    if batched > axis:
        raise s.error(f"take: found batched={batched}, expected at most dim ({axis})")
    mode = s.enum("GatherMode", "DEFAULT")
    return s.emit("add_gather_v2", x, indices, mode, suffix=suffix, axis=axis, num_elementwise_dims=batched)


def gather(s: Scope, x: Tensor, dim: int, indices: Tensor, suffix: str = "") -> Tensor:
    """`torch.gather`: the value of `x` at each of `indices` along `dim`, elsewhere at the index's own place."""
    axis = checked_axis(s, x, dim)
    return s.emit("add_gather_v2", x, indices, s.enum("GatherMode", "ELEMENT"), suffix=suffix, axis=axis)


def embedding(s: Scope, indices: Tensor, count: int, size: int) -> Tensor:
    """`torch.nn.Embedding`: row `indices` of `weight` (count, size), in the network's precision."""
    table = s.compute(s.constant(s.take("weight", count, size), "float32", suffix="weight"))
    return take(s, table, indices)


def parameter(s: Scope, name: str, *shape: int) -> Tensor:
    """A weight of the module itself as a constant in the network's precision: a class token, a position table."""
    return s.compute(s.constant(s.take(name, *shape), "float32", suffix=name))
