"""Linear layers: matrix products with a module's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.network import op
from wtsnet.network.product import multiply
from wtsnet.network.shape import reshape
from wtsnet.ops.weights import weight_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wtsnet.network import Scope, Tensor


@op("torch.nn.Linear")
def linear(s: Scope, input: Tensor, out_features: int, bias: bool = True) -> Tensor:
    """x·weightᵀ + bias over the last dimension, `weight` (out_features, in), `bias` (out_features,).

    With `out_features` -1 the weight tells how many there are.
    """
    if not input.rank or input.shape[-1] == -1:
        raise input.error(f"input: found shape {input.shape}, expected a fixed size at the end")
    weight = weight_of(s, out_features, input.shape[-1])
    return affine(input, weight, s.take("bias", len(weight)) if bias else None)


def affine(x: Tensor, weight: NDArray[np.floating], bias: NDArray[np.floating] | None) -> Tensor:
    """x·weightᵀ + bias with a given weight (out, in) and bias (out,) or None."""
    ones = (1,) * (max(x.rank, 2) - 2)
    rows = x if x.rank > 1 else reshape(x, (1, -1))
    kernel = x.net.constant(weight.reshape(*ones, *weight.shape), x.dtype, label="weight")
    y = multiply(rows, kernel, transpose_b=True)
    if bias is not None:
        y = y + x.net.constant(bias.reshape(*ones, 1, -1), x.dtype, label="bias")
    return y if x.rank > 1 else reshape(y, (len(weight),))
