"""Activations, by PyTorch's names and with PyTorch's defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtsnet.ops.pointwise import greater, less, minimum, mul, sub, where
from wtsnet.ops.shape import checked_axis, chunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from wtsnet.network import Scope, Tensor


def activation(s: Scope, kind: str, x: Tensor, suffix: str = "", **parameters: Any) -> Tensor:
    """TensorRT's ActivationType `kind`; `parameters` are its alpha and beta."""
    return s.emit("add_activation", x, s.enum("ActivationType", kind), suffix=suffix, **parameters)


def identity(s: Scope, x: Tensor) -> Tensor:
    """x: `torch.nn.Identity`, and dropout at inference. Adds no layer."""
    return s.net.record(s.path, x)


def relu(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """max(x, 0)."""
    return activation(s, "RELU", x, suffix)


def relu6(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(s, x, 0.0, 6.0, suffix)


def hardtanh(s: Scope, x: Tensor, low: float = -1.0, high: float = 1.0, suffix: str = "") -> Tensor:
    """x, no less than `low` and no more than `high`."""
    return activation(s, "CLIP", x, suffix, alpha=low, beta=high)


def leaky_relu(s: Scope, x: Tensor, slope: float = 0.01) -> Tensor:
    """x where x ≥ 0, else slope·x."""
    return activation(s, "LEAKY_RELU", x, alpha=slope)


def prelu(s: Scope, x: Tensor, channels: int | None = None) -> Tensor:
    """`torch.nn.PReLU` with one slope, or one for each of `channels` (dimension 1), from `weight`."""
    if channels not in (None, 1) and (x.rank < 2 or channels != x.shape[1]):
        raise s.error(f"prelu: found {channels} slopes for shape {x.shape}, expected 1 or as many as dimension 1 holds")
    slopes = s.take("weight", channels or 1).reshape(1, -1, *(1,) * (x.rank - 2))
    if x.rank < 2:
        slopes = slopes.reshape(-1)
    return s.emit("add_parametric_relu", x, s.constant(slopes, x.dtype, suffix="weight"))


def elu(s: Scope, x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha·(e^x − 1)."""
    return activation(s, "ELU", x, alpha=alpha)


def celu(s: Scope, x: Tensor, alpha: float = 1.0) -> Tensor:
    """max(x, 0) + min(0, alpha·(e^(x/alpha) − 1)), that is alpha·elu(x/alpha)."""
    if alpha == 1.0:
        return activation(s, "ELU", x, alpha=1.0)
    scaled = mul(s, x, 1 / alpha, suffix="scaled")
    return mul(s, activation(s, "ELU", scaled, suffix="elu", alpha=1.0), alpha)


def selu(s: Scope, x: Tensor) -> Tensor:
    """scale·(max(x, 0) + min(0, alpha·(e^x − 1))) with the constants of Klambauer et al. 2017."""
    return activation(s, "SELU", x, alpha=1.6732632423543772, beta=1.0507009873554805)


def sigmoid(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """1 / (1 + e^−x)."""
    return activation(s, "SIGMOID", x, suffix)


def tanh(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """tanh x."""
    return activation(s, "TANH", x, suffix)


def silu(s: Scope, x: Tensor) -> Tensor:
    """x·sigmoid(x), also called swish."""
    return mul(s, x, sigmoid(s, x, suffix="sigmoid"))


def gelu(s: Scope, x: Tensor, approximate: str = "none") -> Tensor:
    """x·Φ(x) (Hendrycks & Gimpel 2016): exact, or by tanh as `approximate="tanh"`."""
    kinds = {"none": "GELU_ERF", "tanh": "GELU_TANH"}
    if approximate not in kinds:
        raise s.error(f"gelu: found approximate={approximate!r}, expected 'none' or 'tanh'")
    return activation(s, kinds[approximate], x)


def mish(s: Scope, x: Tensor) -> Tensor:
    """x·tanh(softplus(x)) (Misra 2019)."""
    return mul(s, x, tanh(s, softplus(s, x, suffix="softplus"), suffix="tanh"))


def softplus(s: Scope, x: Tensor, beta: float = 1.0, threshold: float = 20.0, suffix: str = "") -> Tensor:
    """log(1 + e^(beta·x)) / beta, and x itself where beta·x > threshold, as PyTorch rounds it."""
    scaled = x if beta == 1.0 else mul(s, x, beta, suffix="scaled")
    low = minimum(s, scaled, threshold, suffix="low")  # beyond the threshold the exponential might overflow
    y = activation(s, "SOFTPLUS", low, "log", alpha=1.0, beta=1.0)
    y = y if beta == 1.0 else mul(s, y, 1 / beta, suffix="unscaled")
    return where(s, greater(s, scaled, threshold, suffix="large"), x, y, suffix=suffix)


def softsign(s: Scope, x: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return activation(s, "SOFTSIGN", x)


def hardsigmoid(s: Scope, x: Tensor, suffix: str = "") -> Tensor:
    """min(max(x/6 + 1/2, 0), 1) (Howard et al. 2019)."""
    return activation(s, "HARD_SIGMOID", x, suffix, alpha=1 / 6, beta=0.5)


def hardswish(s: Scope, x: Tensor) -> Tensor:
    """x·hardsigmoid(x) (Howard et al. 2019)."""
    return mul(s, x, hardsigmoid(s, x, suffix="hardsigmoid"))


def log_sigmoid(s: Scope, x: Tensor) -> Tensor:
    """log sigmoid(x), as −softplus(−x)."""
    return mul(s, softplus(s, mul(s, x, -1.0, suffix="negative"), suffix="softplus"), -1.0)


def softshrink(s: Scope, x: Tensor, lam: float = 0.5) -> Tensor:
    """x moved by `lam` toward 0, and 0 within `lam` of it: x − min(max(x, −lam), lam)."""
    return sub(s, x, activation(s, "CLIP", x, suffix="clip", alpha=-lam, beta=lam))


def hardshrink(s: Scope, x: Tensor, lam: float = 0.5) -> Tensor:
    """x, and 0 where |x| ≤ lam."""
    outside = s.emit(
        "add_elementwise",
        greater(s, x, lam, suffix="above"),
        less(s, x, -lam, suffix="below"),
        s.enum("ElementWiseOperation", "OR"),
        suffix="outside",
    )
    return where(s, outside, x, 0.0)


def tanhshrink(s: Scope, x: Tensor) -> Tensor:
    """x − tanh x."""
    return sub(s, x, tanh(s, x, suffix="tanh"))


def threshold(s: Scope, x: Tensor, at: float, value: float) -> Tensor:
    """x where x > at, else `value`."""
    return where(s, greater(s, x, at, suffix="above"), x, value)


def rrelu(s: Scope, x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3) -> Tensor:
    """`torch.nn.RReLU` at inference: a leaky ReLU with the mean slope."""
    return leaky_relu(s, x, (lower + upper) / 2)


def glu(s: Scope, x: Tensor, dim: int = -1) -> Tensor:
    """a·sigmoid(b), a and b the halves of x along `dim` (Dauphin et al. 2017)."""
    size = x.shape[checked_axis(s, x, dim)]
    if size % 2:
        raise s.error(f"glu: found size {size} at dim {dim} of {x.shape}, expected an even one")
    a, b = chunk(s, x, 2, dim)
    return mul(s, a, sigmoid(s, b, suffix="sigmoid"))


# By the class name in torch.nn, with that class's defaults: what an architecture list calls an activation.
ACTIVATIONS: dict[str, Callable[[Scope, Tensor], Tensor]] = {
    "Identity": identity,
    "ReLU": relu,
    "ReLU6": relu6,
    "Hardtanh": hardtanh,
    "LeakyReLU": leaky_relu,
    "PReLU": prelu,
    "ELU": elu,
    "CELU": celu,
    "SELU": selu,
    "Sigmoid": sigmoid,
    "Tanh": tanh,
    "SiLU": silu,
    "GELU": gelu,
    "Mish": mish,
    "Softplus": softplus,
    "Softsign": softsign,
    "Hardsigmoid": hardsigmoid,
    "Hardswish": hardswish,
    "LogSigmoid": log_sigmoid,
    "Softshrink": softshrink,
    "Hardshrink": hardshrink,
    "Tanhshrink": tanhshrink,
    "RReLU": rrelu,
    "GLU": glu,
}
