"""Activations against torch's, with default arguments and others, near zero and far from it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from tests.ops.support import OneOp, check, compare, values
from wtsnet import ops
from wtsnet import trt as tensorrt
from wtsnet.errors import NetworkError
from wtsnet.ops import ACTIVATIONS

# From torch.nn.modules.activation, what is no function of its input alone, or goes along a dimension.
NOT_IN_THE_TABLE = {"MultiheadAttention", "Threshold", "Softmin", "Softmax", "Softmax2d", "LogSoftmax"}

RANGES = {
    "usual": values(2, 6, 50),
    "tiny": values(2, 6, 50) * 1e-4,
    "big": values(2, 6, 50) * 60,
    "corners": torch.tensor([0.0, 0.1, 0.5, 1.0, 3.0, 6.0, 20.0, 20.01, 88.0, 104.0, 1e4]).repeat(2, 6, 2)
    * torch.tensor([1.0, -1.0]).repeat_interleave(11),
}


def pair(name: str) -> tuple[Callable[..., Any], nn.Module]:
    """The activation and its twin, with default arguments."""
    return ACTIVATIONS[name], getattr(nn, name)()


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("scale", RANGES)
def test_defaults_are_torchs(name: str, scale: str) -> None:
    op, twin = pair(name)
    check(op, twin, RANGES[scale], tol=3e-7, named=None)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_small_values_keep_their_digits(name: str) -> None:
    """Where the function goes through zero, its error is small beside its values there, not beside the largest."""
    x = torch.logspace(-6, 0, 60).reshape(1, 6, 10)
    x = torch.cat([x, -x])
    op, twin = pair(name)
    one = OneOp(op, x, weights=twin.eval().state_dict(), named=None)
    with torch.inference_mode():
        expected = twin(x)
    rounding = 1e-7 if name == "Tanhshrink" else 1e-12  # x − tanh x cancels in torch too
    torch.testing.assert_close(one(x)[0], expected, rtol=1e-6, atol=rounding)


def test_the_table_holds_every_activation_of_torch() -> None:
    module = inspect.getmodule(nn.ReLU)
    there = {
        name for name, kind in vars(module).items() if inspect.isclass(kind) and kind.__module__ == nn.ReLU.__module__
    }
    assert there - NOT_IN_THE_TABLE == set(ACTIVATIONS) - {"Identity"}


@pytest.mark.parametrize(
    ("op", "twin"),
    [
        (lambda x: ops.hardtanh(x, -0.25, 2.5), nn.Hardtanh(-0.25, 2.5)),
        (lambda x: ops.leaky_relu(x, 0.1), nn.LeakyReLU(0.1)),
        (lambda x: ops.leaky_relu(x, 0.0), nn.LeakyReLU(0.0)),
        (lambda x: ops.leaky_relu(x, negative_slope=1), nn.LeakyReLU(1)),
        (lambda x: ops.elu(x, 0.3), nn.ELU(0.3)),
        (lambda x: ops.celu(x, 2.0), nn.CELU(2.0)),
        (lambda x: ops.celu(x, 0.1), nn.CELU(0.1)),
        (lambda x: ops.gelu(x, approximate="tanh"), nn.GELU("tanh")),
        (lambda x: ops.softplus(x, 3.0), nn.Softplus(3.0)),
        (lambda x: ops.softplus(x, 0.5, 1.0), nn.Softplus(0.5, 1.0)),
        (lambda x: ops.softshrink(x, 1.5), nn.Softshrink(1.5)),
        (lambda x: ops.softshrink(x, 0.0), nn.Softshrink(0.0)),
        (lambda x: ops.hardshrink(x, 1.5), nn.Hardshrink(1.5)),
        (lambda x: ops.threshold(x, 0.5, -3.0), nn.Threshold(0.5, -3.0)),
        (lambda x: ops.rrelu(x, 0.2, 0.6), nn.RReLU(0.2, 0.6)),
        (lambda x: ops.glu(x, 1), nn.GLU(1)),
        (lambda s, x: ops.prelu(s, x, 6), nn.PReLU(6, init=0.4)),
    ],
)
@pytest.mark.parametrize("scale", RANGES)
def test_arguments(op: Callable[..., Any], twin: nn.Module, scale: str) -> None:
    check(op, twin, RANGES[scale], tol=3e-7)


@pytest.mark.parametrize("shape", [(7,), (3, 6), (2, 6, 5), (2, 6, 4, 3), (2, 6, 2, 3, 4)], ids=str)
def test_prelu_of_every_rank(shape: tuple[int, ...]) -> None:
    check(ops.prelu, nn.PReLU(init=0.3), values(*shape))
    if len(shape) > 1:
        twin = nn.PReLU(6)
        with torch.no_grad():
            twin.weight.copy_(torch.linspace(-0.5, 1, 6))
        check(lambda s, x: ops.prelu(s, x, 6), twin, values(*shape))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_dynamic_sizes(name: str) -> None:
    op, twin = pair(name)
    one = OneOp(op, (((1, 2, 4), 6, (2, 4, 8), 4), "float32"), weights=twin.eval().state_dict(), named=None)
    for shape in ((1, 6, 8, 4), (4, 6, 2, 4)):
        compare(one, twin, [values(*shape)], 1e-6)


@pytest.mark.parametrize(
    ("op", "kind"),
    [
        (ops.relu, "RELU"),
        (ops.relu6, "CLIP"),
        (ops.hardsigmoid, "HARD_SIGMOID"),
        (ops.gelu, "GELU_ERF"),
        (ops.leaky_relu, "LEAKY_RELU"),
        (ops.rrelu, "LEAKY_RELU"),
        (ops.elu, "ELU"),
        (ops.selu, "SELU"),
        (ops.softsign, "SOFTSIGN"),
        (ops.sigmoid, "SIGMOID"),
        (ops.tanh, "TANH"),
    ],
)
def test_one_layer_of_tensorrts(op: Any, kind: str) -> None:
    net = OneOp(op, values(2, 3)).net
    assert net.trt.num_layers == 1
    assert tensorrt.view(net.trt, 0).type.name == kind


def test_not_a_number_stays_one() -> None:
    x = torch.tensor([[float("nan"), 1.0, -1.0]])
    for op in (ops.relu, ops.silu, ops.gelu, ops.sigmoid, ops.tanh, ops.hardswish):
        assert OneOp(op, x)(x)[0].isnan().tolist() == [[True, False, False]]


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda x: ops.gelu(x, approximate="sigmoid"), "gelu: approximate: found 'sigmoid', expected 'none' or 'tanh'"),
        (lambda x: ops.glu(x, 1), "glu: found size 3 at dim 1 of (2, 3), expected an even one"),
        (lambda x: ops.glu(x, 2), "glu: dim: found 2, expected -2 to 1 for shape (2, 3)"),
        (lambda x: ops.hardtanh(x, 2, 1), "hardtanh: min_val: found 2, expected at most max_val, 1"),
        (lambda x: ops.celu(x, 0), "celu: alpha: found 0, expected another number"),
        (lambda x: ops.softplus(x, 0.0), "softplus: beta: found 0, expected another number"),
        (lambda x: ops.softshrink(x, -1), "softshrink: lambd: found -1, expected at least 0"),
        (
            lambda s, x: ops.prelu(s, x, 5),
            "prelu: num_parameters: found 5 for shape (2, 3), expected 1 or the size of dimension 1",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(2, 3), weights={"weight": torch.ones(5)})
    assert str(caught.value) == f"a.b: {text}"
