"""Linear layers against torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.ops.support import OneOp, build, check, check_sizes, kinds, values
from wtsnet import ops
from wtsnet.errors import NetworkError, ShapeError


@pytest.mark.parametrize("shape", [(6,), (3, 6), (2, 3, 6), (2, 3, 4, 6), (2, 1, 3, 2, 6)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("out", [5, 1, -1])
def test_linear(shape: tuple[int, ...], bias: bool, out: int) -> None:
    torch.manual_seed(0)
    twin = nn.Linear(6, 5 if out == -1 else out, bias)
    one = check(lambda s, x: ops.linear(s, x, out, bias), twin, values(*shape))
    assert one.net.weights.unused() == []


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_linear_with_dynamic_sizes(rank: int) -> None:
    torch.manual_seed(0)
    sizes = (*[(1, 2, 4)] * (rank - 1), 6)
    one = check_sizes(
        lambda s, x: ops.linear(s, x, 5),
        nn.Linear(6, 5),
        sizes,
        (*(4, 1, 2)[: rank - 1], 6),
        (*(1, 3, 4)[: rank - 1], 6),
    )
    build(one.net)
    assert kinds(one.net) == ["CONSTANT", "MATRIX_MULTIPLY", "CONSTANT", "ELEMENTWISE"]


def normed(linear: nn.Linear, old: bool) -> nn.Module:
    """A linear layer under weight norm, as either of PyTorch's functions leaves it."""
    if old:
        with pytest.warns(FutureWarning, match="weight_norm"):
            made: nn.Module = nn.utils.weight_norm(linear)
    else:
        made = nn.utils.parametrizations.weight_norm(linear)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(1.5)
    return made


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_weight_norm(old: bool, bias: bool) -> None:
    torch.manual_seed(0)
    twin = normed(nn.Linear(6, 5, bias), old)
    for out in (5, -1):
        one = check(lambda s, x, out=out: ops.linear(s, x, out, bias), twin, values(3, 6))
        assert one.net.weights.unused() == []


def test_weights_stay_as_they_were_saved() -> None:
    """With both there, `weight` itself counts: torch saves it beside the two where the norm was removed half."""
    weights = {"weight": values(5, 6), "weight_g": values(5, 1, seed=1), "weight_v": values(5, 6, seed=2)}
    one = OneOp(lambda s, x: ops.linear(s, x, 5, False), values(3, 6), weights=weights)
    torch.testing.assert_close(one(values(3, 6))[0], values(3, 6) @ weights["weight"].mT)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_of_any_rank(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    twin = nn.Linear(6, 5)
    for shape in ((6,), (3, 6), (2, 3, 6)):
        x = values(*shape).to(dtype)
        one = OneOp(lambda s, x: ops.linear(s, x, 5), x, weights=dict(twin.state_dict()))
        with torch.inference_mode():
            assert (one(x)[0].float() - twin(x.float())).abs().max() <= 2e-2


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (
            lambda s, x: ops.linear(s, x, 5),
            "a.b: linear: input: found shape (3, -1), expected a fixed size at the end",
        ),
        (
            lambda s, x: ops.linear(s, ops.sum(x), 5),
            "a.b: linear: input: found shape (), expected a fixed size at the end",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, ((3, (1, 2, 3)), "float32"))
    assert str(caught.value) == text


def test_errors_about_weights() -> None:
    with pytest.raises(ShapeError) as caught:
        OneOp(lambda s, x: ops.linear(s, x, 5), values(3, 6), weights=nn.Linear(7, 5).state_dict())
    assert str(caught.value) == "weights: a.b.weight: found shape (5, 7), expected (5, 6) (30 values)"
