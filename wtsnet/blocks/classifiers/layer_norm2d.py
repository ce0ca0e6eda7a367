"""Layer norm over the channels of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.network import module
from wtsnet.ops import layer_norm

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


@module
def layer_norm2d(s: Scope, x: Tensor, eps: float = 1e-6) -> Tensor:
    """(N, C, H, W), normalized over the C values at each place, with `weight` and `bias` (C,).

    TensorRT normalizes the last dimensions, so the channels go there and back.
    """
    return layer_norm(s, x.permute(0, 2, 3, 1), eps=eps).permute(0, 3, 1, 2)
