"""Activations, by PyTorch's names and with PyTorch's defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.network import op
from wtsnet.network.functions import relu, sigmoid, tanh
from wtsnet.network.pointwise import activation, elementwise, where
from wtsnet.network.shape import chunk, fixed_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from wtsnet.network import Scope, Tensor


@op("torch.nn.Identity")
def identity(input: Tensor) -> Tensor:
    """The input itself; adds no layer."""
    return input


@op("torch.nn.functional.relu6")
def relu6(input: Tensor) -> Tensor:
    """min(max(x, 0), 6)."""
    return activation("CLIP", input, alpha=0.0, beta=6.0)


@op("torch.nn.functional.hardtanh")
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x, no less than `min_val` and no more than `max_val`."""
    if min_val > max_val:
        raise input.error(f"min_val: found {min_val}, expected at most max_val, {max_val}")
    return activation("CLIP", input, alpha=min_val, beta=max_val)


@op("torch.nn.functional.leaky_relu")
def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where x ≥ 0, else negative_slope·x."""
    return activation("LEAKY_RELU", input, alpha=negative_slope)


@op("torch.nn.PReLU")
def prelu(s: Scope, input: Tensor, num_parameters: int = 1) -> Tensor:
    """x where x ≥ 0, else slope·x, with the slopes `weight`.

    There is one, or one for each of `num_parameters` channels, dimension 1.
    """
    if num_parameters != 1 and (input.rank < 2 or num_parameters != input.shape[1]):
        raise input.error(
            f"num_parameters: found {num_parameters} for shape {input.shape}, expected 1 or the size of dimension 1"
        )
    slopes = s.take("weight", num_parameters).reshape(1, -1, *(1,) * (input.rank - 2))
    if input.rank < 2:
        slopes = slopes.reshape(-1)
    return input.net.emit("add_parametric_relu", input, input.net.constant(slopes, input.dtype, label="weight"))


@op("torch.nn.functional.elu")
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha·(eˣ − 1)."""
    return activation("ELU", input, alpha=alpha)


@op("torch.nn.functional.celu")
def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """max(x, 0) + min(0, alpha·(e^(x/alpha) − 1)), that is alpha·elu(x/alpha)."""
    if alpha == 0:
        raise input.error("alpha: found 0, expected another number")
    if alpha == 1.0:
        return activation("ELU", input, alpha=1.0)
    return activation("ELU", input * (1 / alpha), alpha=1.0) * alpha


@op("torch.nn.functional.selu")
def selu(input: Tensor) -> Tensor:
    """scale·(max(x, 0) + min(0, alpha·(eˣ − 1))) with the constants of Klambauer et al. 2017."""
    return activation("SELU", input, alpha=1.6732632423543772, beta=1.0507009873554805)


@op("torch.nn.functional.silu")
def silu(input: Tensor) -> Tensor:
    """x·sigmoid(x), also called swish."""
    return elementwise("PROD", input, activation("SIGMOID", input))


@op("torch.nn.functional.gelu")
def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """x·Φ(x) (Hendrycks & Gimpel 2016): exact, or by tanh as `approximate="tanh"`."""
    kinds = {"none": "GELU_ERF", "tanh": "GELU_TANH"}
    if approximate not in kinds:
        raise input.error(f"approximate: found {approximate!r}, expected 'none' or 'tanh'")
    return activation(kinds[approximate], input)


@op("torch.nn.functional.mish")
def mish(input: Tensor) -> Tensor:
    """x·tanh(softplus(x)) (Misra 2019)."""
    return input * tanh(softplus(input))


@op("torch.nn.functional.softplus")
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta·x)) / beta, and x itself where beta·x > threshold, as PyTorch rounds it."""
    if beta == 0:
        raise input.error("beta: found 0, expected another number")
    scaled = input if beta == 1.0 else input * beta
    low = scaled.minimum(threshold)  # beyond the threshold the exponential might overflow
    y = activation("SOFTPLUS", low, alpha=1.0, beta=1.0)
    y = y if beta == 1.0 else y * (1 / beta)
    return where(scaled > threshold, input, y)


@op("torch.nn.functional.softsign")
def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return activation("SOFTSIGN", input)


@op("torch.nn.functional.hardsigmoid")
def hardsigmoid(input: Tensor) -> Tensor:
    """min(max(x/6 + 1/2, 0), 1) (Howard et al. 2019)."""
    return activation("HARD_SIGMOID", input, alpha=1 / 6, beta=0.5)


@op("torch.nn.functional.hardswish")
def hardswish(input: Tensor) -> Tensor:
    """x·hardsigmoid(x) (Howard et al. 2019)."""
    return input * hardsigmoid(input)


@op("torch.nn.functional.logsigmoid")
def logsigmoid(input: Tensor) -> Tensor:
    """log sigmoid(x), as −softplus(−x)."""
    return softplus(input * -1.0) * -1.0


@op("torch.nn.functional.softshrink")
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved by `lambd` toward 0, and 0 within `lambd` of it: x − min(max(x, −lambd), lambd)."""
    if lambd < 0:
        raise input.error(f"lambd: found {lambd}, expected at least 0")
    return input - activation("CLIP", input, alpha=-lambd, beta=lambd)


@op("torch.nn.functional.hardshrink")
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x, and 0 where |x| ≤ lambd."""
    return where((input > lambd) | (input < -lambd), input, 0.0)


@op("torch.nn.functional.tanhshrink")
def tanhshrink(input: Tensor) -> Tensor:
    """x − tanh x."""
    return input - tanh(input)


@op("torch.nn.functional.threshold")
def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """x where x > threshold, else `value`."""
    return where(input > threshold, input, value)


@op("torch.nn.functional.rrelu")
def rrelu(input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3) -> Tensor:
    """A leaky ReLU with the mean slope, as it is at inference."""
    return leaky_relu(input, (lower + upper) / 2)


@op("torch.nn.functional.glu")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a·sigmoid(b), a and b the halves of x along `dim` (Dauphin et al. 2017)."""
    if (size := fixed_size(input, dim)) % 2:
        raise input.error(f"found size {size} at dim {dim} of {input.shape}, expected an even one")
    a, b = chunk(input, 2, dim)
    return a * sigmoid(b)


# By the class name in torch.nn: what an architecture list calls an activation. PReLU, which has weights, takes a scope.
ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
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
    "LogSigmoid": logsigmoid,
    "Softshrink": softshrink,
    "Hardshrink": hardshrink,
    "Tanhshrink": tanhshrink,
    "RReLU": rrelu,
    "GLU": glu,
}
