"""Layer norm over the channels of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops import layer_norm, permute

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


def layer_norm2d(s: Scope, x: Tensor, eps: float = 1e-6) -> Tensor:
    """(N, C, H, W), normalized over the C values at each place, with `weight` and `bias` (C,).

    TensorRT normalizes the last dimensions, so the channels go there and back.
    """
    y = permute(s, x, (0, 2, 3, 1), suffix="last")
    y = layer_norm(s, y, eps=eps, suffix="norm")
    return permute(s, y, (0, 3, 1, 2))
