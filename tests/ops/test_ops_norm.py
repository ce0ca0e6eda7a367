"""Normalizations against torch's, over their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.ops.support import OneOp, build, check, check_sizes, compare, layers, values
from wtsnet import ops
from wtsnet.errors import MissingWeightError, NetworkError, ShapeError

SHAPES = [(3, 6), (2, 6, 7), (2, 6, 5, 4), (2, 6, 3, 4, 2)]
BATCH_NORMS = [nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d]
INSTANCE_NORMS = [nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d]


def filled(module: nn.Module) -> nn.Module:
    """The module with parameters and statistics that differ from channel to channel."""
    generator = torch.Generator().manual_seed(5)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.01, 4, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(0.3, 1, generator=generator)
    return module


@pytest.mark.parametrize(("shape", "kind"), [*zip(SHAPES, BATCH_NORMS, strict=True)], ids=str)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("eps", [1e-5, 1e-3])
def test_batch_norm(shape: tuple[int, ...], kind: Callable[..., nn.Module], affine: bool, eps: float) -> None:
    one = check(
        lambda s, x: ops.batch_norm(s, x, eps), filled(kind(6, eps=eps, affine=affine)), values(*shape), tol=2e-6
    )
    assert one.net.weights.unused() == []
    assert [layer.type.name for layer in layers(one.net)].count("SCALE") == (len(shape) > 3)


def test_batch_norm_with_dynamic_sizes() -> None:
    for shape, rank in (((4, 6, 9), 3), ((1, 6, 2, 9), 4)):
        sizes = ((1, 2, 4), 6, *[(2, 4, 9)] * (rank - 2))
        twin = filled(BATCH_NORMS[rank - 2](6))
        build(check_sizes(ops.batch_norm, twin, sizes, shape, (2, 6, *[3] * (rank - 2)), tol=2e-6).net)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm(shape: tuple[int, ...], affine: bool) -> None:
    x = values(*shape) * 3 + 1
    for count in range(1, len(shape)):
        twin = filled(nn.LayerNorm(shape[-count:], eps=1e-4, elementwise_affine=affine))
        check(lambda s, x, n=count: ops.layer_norm(s, x, n, 1e-4, affine), twin, x, tol=2e-6)
        check(lambda s, x, n=count: ops.layer_norm(s, x, shape[-n:], 1e-4, affine), twin, x, tol=2e-6)


def test_layer_norm_without_bias() -> None:
    check(lambda s, x: ops.layer_norm(s, x, bias=False), filled(nn.LayerNorm(6, bias=False)), values(2, 5, 6))


def test_layer_norm_with_dynamic_sizes() -> None:
    sizes = ((1, 2, 4), (3, 5, 9), 6)
    build(check_sizes(ops.layer_norm, filled(nn.LayerNorm(6)), sizes, (4, 3, 6), (1, 9, 6)).net)
    one = check_sizes(
        lambda s, x: ops.layer_norm(s, x, affine=False),
        lambda x: nn.functional.layer_norm(x, x.shape[-1:]),
        (2, 3, (2, 4, 8)),
        (2, 3, 8),
        (2, 3, 5),
    )
    build(one.net)


@pytest.mark.parametrize(
    ("shape", "groups"),
    [(shape, n) for shape in SHAPES for n in (1, 2, 6) if len(shape) > 2 or n < 6],  # torch refuses groups of one value
    ids=str,
)
@pytest.mark.parametrize("affine", [True, False])
def test_group_norm(shape: tuple[int, ...], groups: int, affine: bool) -> None:
    twin = filled(nn.GroupNorm(groups, 6, eps=1e-4, affine=affine))
    check(lambda s, x: ops.group_norm(s, x, groups, 1e-4, affine), twin, values(*shape) * 3 + 1, tol=2e-6)


def test_group_norm_with_dynamic_sizes() -> None:
    for rank in (1, 2, 3):
        one = check_sizes(
            lambda s, x: ops.group_norm(s, x, 3),
            filled(nn.GroupNorm(3, 6)),
            ((1, 2, 4), 6, *[(2, 4, 9)] * rank),
            (4, 6, *(9, 2, 3)[:rank]),
            (1, 6, *(3, 4, 5)[:rank]),
            tol=2e-6,
        )
        assert one.outputs[0].shape == (-1, 6, *[-1] * rank)
        build(one.net)


@pytest.mark.parametrize(("shape", "kind"), [*zip(SHAPES[1:], INSTANCE_NORMS, strict=True)], ids=str)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("tracked", [True, False])
def test_instance_norm(shape: tuple[int, ...], kind: Callable[..., nn.Module], affine: bool, tracked: bool) -> None:
    """With running statistics torch normalizes by these once it is in eval mode."""
    twin = filled(kind(6, eps=1e-4, affine=affine, track_running_stats=tracked))
    one = check(lambda s, x: ops.instance_norm(s, x, 1e-4, affine), twin, values(*shape) * 3 + 1, tol=2e-6)
    assert one.net.weights.unused() == []


def test_instance_norm_with_dynamic_sizes() -> None:
    twin = filled(nn.InstanceNorm2d(6, affine=True))
    sizes = ((1, 2, 4), 6, (2, 4, 9), (2, 4, 9))
    one = check_sizes(lambda s, x: ops.instance_norm(s, x, affine=True), twin, sizes, (4, 6, 9, 2), (1, 6, 3, 5))
    build(one.net)


@pytest.mark.parametrize("shape", [(6,), *[(*shape[:1], *shape[2:], 6) for shape in SHAPES]], ids=str)
@pytest.mark.parametrize("affine", [True, False])
def test_rms_norm(shape: tuple[int, ...], affine: bool) -> None:
    for scale in (1, 1e-3):
        check(
            lambda s, x: ops.rms_norm(s, x, affine=affine), filled(nn.RMSNorm(6, None, affine)), values(*shape) * scale
        )
        check(
            lambda s, x: ops.rms_norm(s, x, 1e-2, affine), filled(nn.RMSNorm(6, 1e-2, affine)), values(*shape) * scale
        )


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rms_norm_of_halves_whose_squares_overflow(affine: bool, dtype: torch.dtype) -> None:
    x = (values(3, 6) * 2000).to(dtype)
    twin = filled(nn.RMSNorm(6, elementwise_affine=affine)).to(dtype)
    one = OneOp(lambda s, x: ops.rms_norm(s, x, affine=affine), x, weights=twin.state_dict())
    assert f"torch.{one.outputs[0].dtype}" == str(dtype)
    with torch.inference_mode():
        expected = twin(x).float()
    assert (one(x)[0].float() - expected).abs().max() <= (
        1e-3 if dtype == torch.float16 else 1e-2
    ) * expected.abs().max()
    small = (values(3, 6) * 1e-4).to(dtype)
    compare_small = one(small)[0].float() - twin(small).float()
    assert compare_small.abs().max() <= 1e-2


@pytest.mark.parametrize("dim", [1, -1, 0])
def test_normalize(dim: int) -> None:
    x = values(3, 6, 5)
    check(lambda s, x: ops.normalize(s, x, dim), lambda x: F.normalize(x, dim=dim), x)
    check(lambda s, x: ops.normalize(s, x, dim, 2.0), lambda x: F.normalize(x, dim=dim, eps=2.0), x * 0.5)
    check(lambda s, x: ops.normalize(s, x, dim), lambda x: F.normalize(x, dim=dim), x * 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_normalize_of_halves_whose_squares_overflow(dtype: torch.dtype) -> None:
    x = (values(3, 6) * 2000).to(dtype)
    one = OneOp(ops.normalize, x)
    assert f"torch.{one.outputs[0].dtype}" == str(dtype)
    assert (one(x)[0].float() - F.normalize(x.float())).abs().max() <= (1e-3 if dtype == torch.float16 else 5e-3)


def test_rms_norm_with_dynamic_sizes() -> None:
    build(check_sizes(ops.rms_norm, filled(nn.RMSNorm(6)), ((1, 2, 4), (3, 5, 9), 6), (4, 3, 6), (1, 9, 6)).net)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda s, x: ops.layer_norm(s, x, 768), "dims: found 768, expected 1 to 3 of the dimensions of (2, 6, 5)"),
        (lambda s, x: ops.layer_norm(s, x, 0), "dims: found 0, expected 1 to 3 of the dimensions of (2, 6, 5)"),
        (lambda s, x: ops.layer_norm(s, x, (6,)), "normalized_shape: found (6,), expected the last sizes of (2, 6, 5)"),
        (lambda s, x: ops.group_norm(s, x, 4), "groups: found 4, expected a divisor of 6 channels"),
        (lambda s, x: ops.group_norm(s, x, 0), "groups: found 0, expected a divisor of 6 channels"),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(2, 6, 5))
    assert str(caught.value) == f"a.b: {text}"


def test_errors_about_weights() -> None:
    bn = dict(filled(nn.BatchNorm1d(6)).state_dict())
    with pytest.raises(ShapeError, match=r"a\.b\.running_mean: found 6 values, expected \(5,\)"):
        OneOp(ops.batch_norm, values(2, 5, 4), weights=bn)
    del bn["bias"]
    with pytest.raises(MissingWeightError, match=r"a\.b\.bias: the network wants it"):
        OneOp(ops.batch_norm, values(2, 6, 4), weights=bn)
    with pytest.raises(NetworkError, match=r"^a\.b: input: found shape \(2, 6\), expected \(N, C, …\)"):
        OneOp(ops.instance_norm, values(2, 6))


def test_double_run_gives_the_same() -> None:
    one = OneOp(lambda s, x: ops.group_norm(s, x, 2, affine=False), values(2, 6, 4))
    compare(one, nn.GroupNorm(2, 6, affine=False), [values(2, 6, 4)], 2e-6)
