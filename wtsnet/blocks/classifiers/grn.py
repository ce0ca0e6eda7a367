"""Global response normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.network import module

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


@module
def global_response_norm(s: Scope, x: Tensor, axis: int = 1, eps: float = 1e-6) -> Tensor:
    """x + weight·x·g/(mean(g) + eps) + bias, g being each channel's length √Σx² over the picture and the mean that over
    channels (Woo et al. 2023, equations 1 to 3).

    Lengths are float32, since half precision may not hold them.

    Args:
        x: (N, C, H, W), or with `axis` 3 (N, H, W, C).
    """
    shape = [-1 if i == axis else 1 for i in range(4)]
    weight, bias = (
        x.net.constant(s.take(name, x.shape[axis]).reshape(shape), x.dtype, label=name) for name in ("weight", "bias")
    )
    length = x.float().norm(dim=[i for i in (1, 2, 3) if i != axis], keepdim=True)
    response = (length / (length.mean(axis, keepdim=True) + eps)).to(x.dtype)
    return x + (x * (response * weight) + bias)
