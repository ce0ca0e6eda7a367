"""Normalizations against torch's, over their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.ops.support import OneOp, build, check, check_sizes, compare, kinds, values
from wtsnet import ops
from wtsnet.errors import MissingWeightError, NetworkError, ShapeError
from wtsnet.network import Scope, Tensor

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
    """Whether it has weights of its own they tell, or `affine` says it."""
    twin = filled(kind(6, eps=eps, affine=affine))
    for given in {affine, True}:
        one = check(lambda s, x, a=given: ops.batch_norm(s, x, eps, affine=a), twin, values(*shape), tol=2e-6)
        assert one.net.weights.unused() == []
        assert kinds(one.net).count("SCALE") == (len(shape) > 3)


def test_weights_without_a_bias() -> None:
    """The norms of PyTorch 2.13 may have a weight alone."""
    weights = {key: value for key, value in filled(nn.BatchNorm1d(6)).state_dict().items() if key != "bias"}
    x = values(2, 6, 5) * 3 + 1
    for op, twin in (
        (ops.batch_norm, lambda x: F.batch_norm(x, weights["running_mean"], weights["running_var"], weights["weight"])),
        (lambda s, x, **k: ops.group_norm(s, x, 2, **k), lambda x: F.group_norm(x, 2, weights["weight"])),
    ):
        check(lambda s, x, op=op: op(s, x, bias=False), twin, x, weights=weights, tol=2e-6)
    alone = {"weight": weights["weight"]}
    check(
        lambda s, x: ops.instance_norm(s, x, affine=True, bias=False),
        lambda x: F.instance_norm(x, weight=alone["weight"]),
        *(x,),
        weights=alone,
        tol=2e-6,
    )


def test_batch_norm_with_dynamic_sizes() -> None:
    for shape, rank in (((4, 6, 9), 3), ((1, 6, 2, 9), 4)):
        sizes = ((1, 2, 4), 6, *[(2, 4, 9)] * (rank - 2))
        twin = filled(BATCH_NORMS[rank - 2](6))
        build(check_sizes(ops.batch_norm, twin, sizes, shape, (2, 6, *[3] * (rank - 2)), tol=2e-6).net)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_layer_norm(shape: tuple[int, ...], affine: bool, bias: bool) -> None:

    def op(s: Scope, x: Tensor, sizes: Any) -> Tensor:
        return ops.layer_norm(s, x, sizes, 1e-4, elementwise_affine=affine, bias=bias)

    x = values(*shape) * 3 + 1
    for count in range(1, len(shape)):
        last = shape[-count:]
        twin = filled(nn.LayerNorm(last, eps=1e-4, elementwise_affine=affine, bias=bias))
        for sizes in [last, list(last)] + [last[0], None] * (count == 1):
            check(lambda s, x, n=sizes: op(s, x, n), twin, x, tol=2e-6)


def test_a_number_is_a_size_and_no_count_of_dimensions() -> None:
    """As in torch; it was a count here."""
    check(lambda s, x: ops.layer_norm(s, x, 2), filled(nn.LayerNorm(2)), values(2, 5, 2))
    with pytest.raises(NetworkError, match=r"normalized_shape: found 2, expected the last sizes of \(2, 5, 6\)"):
        OneOp(lambda s, x: ops.layer_norm(s, x, 2), values(2, 5, 6))


def test_layer_norm_with_dynamic_sizes() -> None:
    sizes = ((1, 2, 4), (3, 5, 9), 6)
    build(check_sizes(ops.layer_norm, filled(nn.LayerNorm(6)), sizes, (4, 3, 6), (1, 9, 6)).net)


@pytest.mark.parametrize(
    ("shape", "groups"),
    [(shape, n) for shape in SHAPES for n in (1, 2, 6) if len(shape) > 2 or n < 6],  # torch refuses groups of one value
    ids=str,
)
@pytest.mark.parametrize("affine", [True, False])
def test_group_norm(shape: tuple[int, ...], groups: int, affine: bool) -> None:
    twin = filled(nn.GroupNorm(groups, 6, eps=1e-4, affine=affine))
    check(lambda s, x: ops.group_norm(s, x, groups, 1e-4, affine=affine), twin, values(*shape) * 3 + 1, tol=2e-6)


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
    for told in {tracked, False}:  # the weights tell of statistics, too
        one = check(
            lambda s, x, t=told: ops.instance_norm(s, x, 1e-4, affine=affine, track_running_stats=t),
            twin,
            values(*shape) * 3 + 1,
            tol=2e-6,
        )
        assert one.net.weights.unused() == []


def test_instance_norm_with_dynamic_sizes() -> None:
    twin = filled(nn.InstanceNorm2d(6, affine=True))
    sizes = ((1, 2, 4), 6, (2, 4, 9), (2, 4, 9))
    one = check_sizes(lambda s, x: ops.instance_norm(s, x, affine=True), twin, sizes, (4, 6, 9, 2), (1, 6, 3, 5))
    build(one.net)


@pytest.mark.parametrize("shape", [(6,), *[(*shape[:1], *shape[2:], 6) for shape in SHAPES]], ids=str)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("eps", [None, 1e-2])
def test_rms_norm(shape: tuple[int, ...], affine: bool, eps: float | None) -> None:
    for scale in (1, 1e-3):
        for count in range(1, min(len(shape), 2) + 1):
            last = shape[-count:]
            check(
                lambda s, x, n=last: ops.rms_norm(s, x, n, eps, elementwise_affine=affine),
                filled(nn.RMSNorm(last, eps, affine)),
                values(*shape) * scale,
            )
    check(
        lambda s, x: ops.rms_norm(s, x, eps=eps, elementwise_affine=affine),
        filled(nn.RMSNorm(6, eps, affine)),
        values(*shape),
    )


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rms_norm_of_halves_whose_squares_overflow(affine: bool, dtype: torch.dtype) -> None:
    x = (values(3, 6) * 2000).to(dtype)
    twin = filled(nn.RMSNorm(6, elementwise_affine=affine)).to(dtype)
    one = OneOp(lambda s, x: ops.rms_norm(s, x, elementwise_affine=affine), x, weights=twin.state_dict())
    assert f"torch.{one.outputs[0].dtype}" == str(dtype)
    with torch.inference_mode():
        expected = twin(x).float()
    assert (one(x)[0].float() - expected).abs().max() <= (
        1e-3 if dtype == torch.float16 else 1e-2
    ) * expected.abs().max()
    small = (values(3, 6) * 1e-4).to(dtype)
    compare_small = one(small)[0].float() - twin(small).float()
    assert compare_small.abs().max() <= 1e-2


def test_rms_norm_with_dynamic_sizes() -> None:
    build(check_sizes(ops.rms_norm, filled(nn.RMSNorm(6)), ((1, 2, 4), (3, 5, 9), 6), (4, 3, 6), (1, 9, 6)).net)


@pytest.mark.parametrize("dim", [1, -1, 0])
@pytest.mark.parametrize("p", [2.0, 1, 3])
def test_normalize(dim: int, p: float) -> None:
    x = values(3, 6, 5)
    check(lambda x: ops.normalize(x, p, dim), lambda x: F.normalize(x, p, dim), x)
    check(lambda x: ops.normalize(x, p, dim, 2.0), lambda x: F.normalize(x, p, dim, 2.0), x * 0.5)
    check(lambda x: ops.normalize(x, p, dim), lambda x: F.normalize(x, p, dim), x * 0)
    check(ops.normalize, F.normalize, x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_normalize_of_halves_whose_squares_overflow(dtype: torch.dtype) -> None:
    x = (values(3, 6) * 2000).to(dtype)
    one = OneOp(ops.normalize, x)
    assert f"torch.{one.outputs[0].dtype}" == str(dtype)
    assert (one(x)[0].float() - F.normalize(x.float())).abs().max() <= (1e-3 if dtype == torch.float16 else 5e-3)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9, 20])
@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_local_response_norm(size: int, shape: tuple[int, ...]) -> None:
    """Of an even size one neighbour more counts before a channel than behind it."""
    x = values(*shape) * 3
    check(lambda x: ops.local_response_norm(x, size), lambda x: F.local_response_norm(x, size), x)
    check(
        lambda x: ops.local_response_norm(x, size, 0.5, 1.25, k=2.0),
        lambda x: F.local_response_norm(x, size, 0.5, 1.25, 2.0),
        x,
    )


def test_local_response_norm_with_dynamic_sizes() -> None:
    one = check_sizes(
        lambda x: ops.local_response_norm(x, 4, 0.5),
        nn.LocalResponseNorm(4, 0.5),
        ((1, 2, 4), 6, (2, 4, 9), (2, 4, 9)),
        (4, 6, 9, 2),
        (1, 6, 3, 5),
    )
    build(one.net)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (
            lambda s, x: ops.layer_norm(s, x, 768),
            "layer_norm: normalized_shape: found 768, expected the last sizes of (2, 6, 5), fixed ones",
        ),
        (
            lambda s, x: ops.layer_norm(s, x, ()),
            "layer_norm: normalized_shape: found (), expected the last sizes of (2, 6, 5), fixed ones",
        ),
        (
            lambda s, x: ops.rms_norm(s, x, (6,)),
            "rms_norm: normalized_shape: found (6,), expected the last sizes of (2, 6, 5), fixed ones",
        ),
        (
            lambda s, x: ops.layer_norm(s, x, (1, 2, 6, 5)),
            "layer_norm: normalized_shape: found (1, 2, 6, 5), expected the last sizes of (2, 6, 5), fixed ones",
        ),
        (lambda s, x: ops.group_norm(s, x, 4), "group_norm: num_groups: found 4, expected a divisor of 6 channels"),
        (lambda s, x: ops.group_norm(s, x, 0), "group_norm: num_groups: found 0, expected a divisor of 6 channels"),
        (lambda x: ops.local_response_norm(x, 0), "local_response_norm: size: found 0, expected at least 1"),
        (
            lambda s, x: ops.instance_norm(s, x[0]),
            "instance_norm: input: found shape (6, 5), expected (N, C, …) with 1 to 3 spatial dimensions",
        ),
        (lambda s, x: ops.batch_norm(s, x[0, 0]), "batch_norm: input: found shape (5,), expected (N, C, …)"),
        (lambda s, x: ops.group_norm(s, x[0, 0], 1), "group_norm: input: found shape (5,), expected (N, C, …)"),
        (
            lambda x: ops.local_response_norm(x[0, 0], 1),
            "local_response_norm: input: found shape (5,), expected (N, C, …)",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(2, 6, 5))
    assert str(caught.value) == f"a.b: {text}"


def test_channels_of_a_dynamic_size() -> None:
    """Weights tell how many there are; what has none must know."""
    weights = dict(filled(nn.BatchNorm1d(6)).state_dict())
    check_sizes(ops.batch_norm, filled(nn.BatchNorm1d(6)), (2, (6, 6, 7), 5), (2, 6, 5), weights=weights, tol=2e-6)
    for op in (lambda s, x: ops.group_norm(s, x, 1), lambda x: ops.local_response_norm(x, 3)):
        with pytest.raises(NetworkError, match=r"^a\.b: \w+: found a dynamic size at dim 1 of \(2, -1, 5\)"):
            OneOp(op, ((2, (5, 6, 7), 5), "float32"), weights=weights)


def test_errors_about_weights() -> None:
    bn = dict(filled(nn.BatchNorm1d(6)).state_dict())
    with pytest.raises(ShapeError, match=r"a\.b\.running_mean: found 6 values, expected \(5,\)"):
        OneOp(ops.batch_norm, values(2, 5, 4), weights=bn)
    del bn["bias"]
    with pytest.raises(MissingWeightError, match=r"a\.b\.bias: the network wants it"):
        OneOp(ops.batch_norm, values(2, 6, 4), weights=bn)


def test_double_run_gives_the_same() -> None:
    one = OneOp(lambda s, x: ops.group_norm(s, x, 2, affine=False), values(2, 6, 4))
    compare(one, nn.GroupNorm(2, 6, affine=False), [values(2, 6, 4)], 2e-6)
