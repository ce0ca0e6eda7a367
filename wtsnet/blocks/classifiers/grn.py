"""Global response normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops import add, div, mean, mul, sqrt, total

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


def global_response_norm(s: Scope, x: Tensor, axis: int = 1, eps: float = 1e-6) -> Tensor:
    """x + weight·x·g/(mean(g) + eps) + bias, g being each channel's length √Σx² over the picture and the mean that over
    channels (Woo et al. 2023, equations 1 to 3).

    Lengths are found in float32, since squares overflow half precision.

    Args:
        x: (N, C, H, W), or with `axis` 3 (N, H, W, C).
    """
    places = [i for i in (1, 2, 3) if i != axis]
    shape = [-1 if i == axis else 1 for i in range(4)]
    wide = s.cast(x, "float32")
    power = total(s, mul(s, wide, wide, suffix="square"), places, keepdim=True, suffix="sum")
    length = sqrt(s, power, suffix="length")
    usual = add(s, mean(s, length, axis, keepdim=True, suffix="mean"), eps, suffix="eps")
    response = s.cast(div(s, length, usual, suffix="response"), x.dtype)
    weight, bias = (s.constant(s.take(n, x.shape[axis]).reshape(shape), x.dtype, suffix=n) for n in ("weight", "bias"))
    factor = mul(s, response, weight, suffix="factor")
    return add(s, x, add(s, mul(s, x, factor, suffix="scaled"), bias, suffix="biased"))
