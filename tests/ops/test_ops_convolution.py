"""Convolutions against torch's, over their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.ops.support import OneOp, as_torch, build, check, check_sizes, kinds, values
from wtsnet import ops
from wtsnet import trt as tensorrt
from wtsnet.errors import MissingWeightError, NetworkError, ShapeError
from wtsnet.network import Network, Scope, Tensor, Weights
from wtsnet.reference import ReferenceRunner

CONVS: list[type[nn.Module]] = [nn.Conv1d, nn.Conv2d, nn.Conv3d]
TRANSPOSED: list[type[nn.Module]] = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]
CONV_OPS: list[Any] = [ops.conv1d, ops.conv2d, ops.conv3d]
TRANSPOSED_OPS: list[Any] = [ops.conv_transpose1d, ops.conv_transpose2d, ops.conv_transpose3d]
SIZES = (9, 11, 10)


def picture(rank: int, channels: int = 6) -> torch.Tensor:
    return values(2, channels, *SIZES[:rank])


def filled(module: nn.Module) -> nn.Module:
    """The module with parameters and statistics that differ from channel to channel."""
    generator = torch.Generator().manual_seed(5)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.01, 4, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(0.3, 1, generator=generator)
    return module


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "given",
    [
        {"kernel_size": 1},
        {"kernel_size": 3, "padding": 1, "bias": False},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 2, "stride": 3, "dilation": 2},
        {"kernel_size": 3, "dilation": 3, "padding": 3, "groups": 3},
        {"kernel_size": 4, "padding": 2, "groups": 6, "bias": False},
        {"kernel_size": 5, "stride": 4, "padding": 4, "groups": 2},
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 4, "padding": "same", "dilation": 2},
        {"kernel_size": 3, "stride": 2, "padding": "valid"},
        {"kernel_size": 3, "stride": 2, "padding": 2, "padding_mode": "reflect"},
        {"kernel_size": 3, "padding": 2, "padding_mode": "replicate", "groups": 2},
        {"kernel_size": 3, "stride": 2, "padding": 3, "padding_mode": "circular"},
        {"kernel_size": 4, "padding": "same", "padding_mode": "reflect", "dilation": 2},
        {"kernel_size": 4, "padding": "same", "padding_mode": "circular"},
    ],
    ids=str,
)
def test_conv(rank: int, given: dict[str, Any]) -> None:
    torch.manual_seed(0)
    twin = CONVS[rank - 1](6, 12, **given)
    for out in (12, -1):
        op = CONV_OPS[rank - 1]
        one = check(lambda s, x, op=op, out=out: op(s, x, out, **given), twin, picture(rank))
        assert one.net.weights.unused() == []


def test_conv_takes_a_size_for_each_dimension() -> None:
    torch.manual_seed(0)
    check(
        lambda s, x: ops.conv2d(s, x, 4, (3, 5), (2, 1), padding=(0, 4), dilation=(1, 2)),
        nn.Conv2d(6, 4, (3, 5), (2, 1), (0, 4), (1, 2)),
        picture(2),
    )
    check(
        lambda s, x: ops.conv3d(s, x, 4, (1, 3, 2), (1, 2, 3), padding=(0, 1, 1)),
        nn.Conv3d(6, 4, (1, 3, 2), (1, 2, 3), (0, 1, 1)),
        picture(3),
    )
    check(lambda s, x: ops.conv1d(s, x, 4, (3,), (2,), padding=(1,)), nn.Conv1d(6, 4, (3,), (2,), (1,)), picture(1))
    both: Any = np.array([1, 2])
    check(
        lambda s, x: ops.conv2d(s, x, 4, [3, 5], padding=both),
        nn.Conv2d(6, 4, (3, 5), padding=(1, 2)),
        picture(2),
    )


@pytest.mark.parametrize("pad", [(0, 3), (1, 2, 3, 0), (1, 1, 0, 1, 2, 0)], ids=str)
def test_conv_behind_padding(pad: tuple[int, ...]) -> None:
    """What differs before and behind is padded first, as in torch."""
    torch.manual_seed(0)
    rank = len(pad) // 2
    conv = CONVS[rank - 1](6, 4, 3, stride=2)
    check(
        lambda s, x: CONV_OPS[rank - 1](s, ops.pad(x, pad), 4, 3, 2),
        lambda x: conv(F.pad(x, pad)),
        picture(rank),
        weights=conv.state_dict(),
    )


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "given",
    [{"stride": 2, "padding": 1}, {"padding": "same"}, {"stride": 2, "padding": 1, "padding_mode": "reflect"}],
    ids=str,
)
def test_conv_with_dynamic_sizes(rank: int, given: dict[str, Any]) -> None:
    torch.manual_seed(0)
    one = check_sizes(
        lambda s, x: CONV_OPS[rank - 1](s, x, 4, 3, **given),
        CONVS[rank - 1](6, 4, 3, **given),
        ((1, 2, 3), 6, *[(4, 8, 16)] * rank),
        (1, 6, *(4, 5, 6)[:rank]),
        (3, 6, *(16, 9, 4)[:rank]),
    )
    assert one.outputs[0].shape == (-1, 4, *[-1] * rank)
    build(one.net)


def normed(module: nn.Module, old: bool, dim: int = 0) -> nn.Module:
    """A module under weight norm, as either of PyTorch's functions leaves it, with other lengths than its own."""
    if old:
        with pytest.warns(FutureWarning, match="weight_norm"):
            made: nn.Module = nn.utils.weight_norm(module, dim=dim)
    else:
        made = nn.utils.parametrizations.weight_norm(module, dim=dim)
    for name, parameter in made.named_parameters():
        if name.endswith(("weight_g", "original0")):
            with torch.no_grad():
                parameter.copy_(torch.linspace(0.5, 2, parameter.numel()).reshape(parameter.shape))
    return made


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_weight_norm(rank: int, old: bool) -> None:
    torch.manual_seed(0)
    twin = normed(CONVS[rank - 1](6, 12, 3, groups=3), old)
    one = check(lambda s, x: CONV_OPS[rank - 1](s, x, 12, 3, groups=3), twin, picture(rank))
    assert one.net.weights.unused() == []
    twin = normed(TRANSPOSED[rank - 1](6, 4, 2, 2), old)
    one = check(lambda s, x: TRANSPOSED_OPS[rank - 1](s, x, 4, 2, 2), twin, picture(rank))
    assert one.net.weights.unused() == []


def bn_like_trained(channels: int, variances: str = "usual") -> nn.BatchNorm2d:
    """A batch norm with the statistics of a trained network; `tiny` has channels that never fired."""
    bn, generator = nn.BatchNorm2d(channels), torch.Generator().manual_seed(3)
    with torch.no_grad():
        bn.running_mean.normal_(0, 2, generator=generator)  # type: ignore[union-attr]  # there are statistics
        bn.running_var.log_normal_(0, 1.5, generator=generator)  # type: ignore[union-attr]
        bn.weight.normal_(1, 0.4, generator=generator)
        bn.bias.normal_(0, 1, generator=generator)
        if variances == "tiny":
            tiny = torch.tensor([0.0, 1e-30, 1e-12, 1e-7])
            bn.running_var[:4] = tiny  # type: ignore[index]
            bn.running_mean[:4] = tiny.sqrt()  # type: ignore[index]
    return bn


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("variances", ["usual", "tiny"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("eps", [1e-3, 1e-5])
def test_conv_bn(fold: bool, variances: str, bias: bool, eps: float) -> None:
    """As close to the exact result as PyTorch's own float32 is, with the batch norm folded in or apart."""
    torch.manual_seed(0)
    conv, bn = nn.Conv2d(6, 8, 3, 2, 1, groups=2, bias=bias), bn_like_trained(8, variances)
    bn.eps = eps
    if variances == "tiny":  # a channel whose input does not vary: its kernel is as small
        with torch.no_grad():
            conv.weight[:4] *= bn.running_var[:4].sqrt().reshape(-1, 1, 1, 1)  # type: ignore[index]
    module = nn.Sequential(conv, bn).eval()
    x = picture(2)
    one = OneOp(
        lambda s, x: ops.conv_bn(s / 0, s / 1, x, 8, 3, 2, padding=1, groups=2, bias=bias, eps=eps),
        x,
        weights=module.state_dict(),
        named="a.b.1",
        fold_bn=fold,
    )
    assert kinds(one.net) == (["CONVOLUTION"] if fold else ["CONVOLUTION", "SCALE"])
    assert sorted(one.net.modules) == (["a.b", "a.b.1"] if fold else ["a.b", "a.b.0", "a.b.1"])
    with torch.inference_mode():
        exact = module.double()(x.double())
    error = (one(x)[0] - exact).abs().amax((0, 2, 3)) / exact.abs().amax((0, 2, 3))
    assert error.max() <= 1e-6
    assert one.net.weights.unused() == []


def test_folding_is_done_in_float64() -> None:
    """The kernel in the network is the exact product, rounded once."""
    torch.manual_seed(0)
    conv, bn = nn.Conv2d(6, 8, 3, bias=False), bn_like_trained(8)
    weights = nn.Sequential(conv, bn).state_dict()
    one = OneOp(lambda s, x: ops.conv_bn(s / 0, s / 1, x, 8, 3), picture(2), weights=weights, named="a.b.1")
    layer = tensorrt.view(one.net.trt, 0)
    with torch.no_grad():
        scale = bn.weight.double() / (bn.running_var.double() + bn.eps).sqrt()  # type: ignore[union-attr]
        kernel = (conv.weight.double() * scale.reshape(-1, 1, 1, 1)).float()
        shift = (bn.bias.double() - bn.running_mean.double() * scale).float()  # type: ignore[union-attr]
    assert np.array_equal(layer.kernel, kernel.flatten().numpy())
    assert np.array_equal(layer.bias, shift.numpy())


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_conv_bn_of_any_rank(fold: bool, rank: int, mode: str) -> None:
    torch.manual_seed(0)
    bn = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[rank - 1](5)
    bn.load_state_dict(bn_like_trained(5).state_dict())
    module = nn.Sequential(CONVS[rank - 1](6, 5, 3, bias=False, padding=1, padding_mode=mode), bn)
    check(
        lambda s, x: ops.conv_bn(s / 0, s / 1, x, -1, 3, padding=1, padding_mode=mode),
        module,
        picture(rank),
        named="a.b.1",
        fold_bn=fold,
    )


@pytest.mark.parametrize("fold", [True, False])
def test_conv_bn_of_a_conv_under_weight_norm(fold: bool) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(normed(nn.Conv2d(6, 5, 3, bias=False), False), bn_like_trained(5))
    one = check(
        lambda s, x: ops.conv_bn(s / 0, s / 1, x, 5, 3), module, picture(2), named="a.b.1", fold_bn=fold, tol=2e-6
    )
    assert one.net.weights.unused() == []


def test_conv_bn_takes_the_eps_of_the_manifest() -> None:
    torch.manual_seed(0)
    conv, bn = nn.Conv2d(6, 8, 1, bias=False), bn_like_trained(8, "tiny")
    bn.eps = 0.25
    module = nn.Sequential(conv, bn).eval()
    weights = Weights(dict(module.state_dict())).told({"bn_eps": {"1": 0.25}})
    for fold in (True, False):
        net = Network(weights, fold_bn=fold)
        x = net.input("x", (2, 6, 4, 4))
        net.output("y", ops.conv_bn(net.root / 0, net.root / 1, x, 8, 1, eps=1e-5))
        given = values(2, 6, 4, 4)
        with torch.inference_mode():
            expected = module(given)
        found = as_torch(ReferenceRunner(net.trt)(x=given)["y"])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "given",
    [
        {"kernel_size": 2, "stride": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
        {"kernel_size": 3, "stride": 1, "padding": 2, "bias": False},
        {"kernel_size": 4, "stride": 2, "padding": 1, "groups": 3},
        {"kernel_size": 3, "stride": 2, "dilation": 2, "padding": 1},
        {"kernel_size": 3, "stride": 2, "dilation": 2, "padding": 2, "groups": 2, "bias": False},
        {"kernel_size": 2, "stride": 3, "output_padding": 2},
        {"kernel_size": 2, "stride": 3, "output_padding": 2, "bias": False},
        {"kernel_size": 1, "stride": 3, "padding": 0, "output_padding": 1, "groups": 2},
        {"kernel_size": 3, "stride": 4, "padding": 1, "output_padding": 3, "dilation": 2},
        {"kernel_size": 2, "dilation": 3, "output_padding": 2, "padding": 1},
    ],
    ids=str,
)
def test_conv_transpose(rank: int, given: dict[str, Any]) -> None:
    torch.manual_seed(0)
    twin = TRANSPOSED[rank - 1](6, 12, **given)
    for out in (12, -1):
        op = TRANSPOSED_OPS[rank - 1]
        check(lambda s, x, op=op, out=out: op(s, x, out, **given), twin, values(2, 6, *(4, 3, 5)[:rank]))


def test_conv_transpose_takes_a_size_for_each_dimension() -> None:
    torch.manual_seed(0)
    twin = nn.ConvTranspose2d(6, 4, (3, 2), (2, 3), (1, 0), (1, 2), dilation=(2, 1))
    check(
        lambda s, x: ops.conv_transpose2d(
            s, x, 4, (3, 2), (2, 3), padding=(1, 0), output_padding=(1, 2), dilation=(2, 1)
        ),
        twin,
        picture(2),
    )


def test_stride_and_dilation_of_a_transposed_convolution_build() -> None:
    torch.manual_seed(0)
    for rank in (1, 2, 3):
        twin = TRANSPOSED[rank - 1](6, 4, 3, 2, dilation=2)
        op = TRANSPOSED_OPS[rank - 1]
        build(check(lambda s, x, op=op: op(s, x, 4, 3, 2, dilation=2), twin, values(2, 6, *(4, 3, 5)[:rank])).net)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("pad", "extra"), [(1, 1), (0, 1)])
def test_conv_transpose_with_dynamic_sizes(rank: int, pad: int, extra: int) -> None:
    torch.manual_seed(0)
    twin = TRANSPOSED[rank - 1](6, 4, 3, 2, pad, extra)
    one = check_sizes(
        lambda s, x: TRANSPOSED_OPS[rank - 1](s, x, 4, 3, 2, padding=pad, output_padding=extra),
        twin,
        ((1, 2, 3), 6, *[(2, 4, 6)] * rank),
        (1, 6, *(2, 3, 4)[:rank]),
        (3, 6, *(6, 2, 5)[:rank]),
    )
    assert one.outputs[0].shape == (-1, 4, *[-1] * rank)
    build(one.net)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("extra", [0, 1])
def test_conv_transpose_builds_in_bfloat16(rank: int, extra: int) -> None:
    """TensorRT for RTX builds none whose tensors are bfloat16."""
    torch.manual_seed(0)
    twin = TRANSPOSED[rank - 1](6, 4, 2, 2, output_padding=extra)
    x = picture(rank).bfloat16()
    op = TRANSPOSED_OPS[rank - 1]
    one = OneOp(lambda s, x: op(s, x, 4, 2, 2, output_padding=extra), x, weights=twin.state_dict())
    with torch.inference_mode():
        expected = twin(x.float())
    assert one.outputs[0].dtype == "bfloat16"
    assert (one(x)[0].float() - expected).abs().max() <= 4e-3 * expected.abs().max()
    build(one.net)


@pytest.mark.parametrize("op", [ops.conv1d, ops.conv_transpose1d])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_1d_in_half_precision(op: Any, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    twin = (nn.Conv1d if op is ops.conv1d else nn.ConvTranspose1d)(6, 4, 3, 2)
    x = picture(1).to(dtype)
    one = OneOp(lambda s, x: op(s, x, 4, 3, 2), x, weights=twin.state_dict())
    with torch.inference_mode():
        expected = twin(x.float())
    found = one(x)[0].float()
    assert (found - expected).abs().max() <= (2e-3 if dtype == torch.float16 else 2e-2) * expected.abs().max()


def test_weights_beyond_half_precision_are_refused() -> None:
    kernel = {"weight": torch.full((4, 6, 1, 1), 1e5)}
    with pytest.raises(NetworkError, match=r"^a\.b: conv2d: .*100000.*float16"):
        OneOp(lambda s, x: ops.conv2d(s, x, 4, 1, bias=False), picture(2).half(), weights=kernel)


WEIGHTS = {"weight": torch.ones(4, 6, 3, 3), "bias": torch.ones(4)}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"kernel_size": 3, "groups": 4}, "groups: found 4, expected a divisor of 6 and 4 channels"),
        ({"kernel_size": 3, "groups": 0}, "groups: found 0, expected a divisor of 6 and 4 channels"),
        ({"kernel_size": (3, 3, 3)}, "kernel_size: found (3, 3, 3), expected a number or 2 of them"),
        ({"kernel_size": 0}, "kernel_size: found 0, expected at least 1"),
        ({"kernel_size": 3, "stride": 0}, "stride: found 0, expected at least 1"),
        ({"kernel_size": 3, "stride": (1, 1, 1)}, "stride: found (1, 1, 1), expected a number or 2 of them"),
        ({"kernel_size": 3, "stride": ()}, "stride: found (), expected a number or 2 of them"),
        ({"kernel_size": 3, "dilation": 0}, "dilation: found 0, expected at least 1"),
        ({"kernel_size": 3, "padding": -1}, "padding: found -1, expected at least 0"),
        ({"kernel_size": 3, "padding": (1, 1, 1)}, "padding: found (1, 1, 1), expected a number or 2 of them"),
        ({"kernel_size": 3, "padding": "full"}, "padding: found 'full', expected numbers, 'same' or 'valid'"),
        (
            {"kernel_size": 3, "padding": "same", "stride": 2},
            "padding: found 'same' with stride (2, 2), expected stride 1, as torch does",
        ),
        (
            {"kernel_size": 3, "padding_mode": "constant"},
            "padding_mode: found 'constant', expected one of zeros, reflect, replicate, circular",
        ),
        (
            {"kernel_size": 3, "padding": 10, "padding_mode": "reflect"},
            "pad: found (10, 10) for size 9, expected at most 8 with 'reflect'",
        ),
    ],
    ids=str,
)
def test_conv_errors(given: dict[str, Any], text: str) -> None:
    def op(s: Scope, x: Tensor) -> Tensor:
        return ops.conv2d(s, x, 4, **given)

    with pytest.raises(NetworkError) as caught:
        OneOp(op, picture(2), weights=WEIGHTS)
    assert str(caught.value) == f"a.b: conv2d: {text}"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"kernel_size": 3, "groups": 4}, "groups: found 4, expected a divisor of 6 and 4 channels"),
        (
            {"kernel_size": 3, "stride": 2, "output_padding": 2},
            "output_padding: found 2, expected less than stride or dilation",
        ),
        ({"kernel_size": 3, "output_padding": -1}, "output_padding: found -1, expected at least 0"),
        ({"kernel_size": 3, "padding": -1}, "padding: found -1, expected at least 0"),
    ],
    ids=str,
)
def test_conv_transpose_errors(given: dict[str, Any], text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(lambda s, x: ops.conv_transpose2d(s, x, 4, **given), picture(2), weights=WEIGHTS)
    assert str(caught.value) == f"a.b: conv_transpose2d: {text}"


def test_errors_about_weights() -> None:
    with pytest.raises(ShapeError) as wrong:
        OneOp(lambda s, x: ops.conv2d(s, x, 4, 5), picture(2), weights=WEIGHTS)
    assert str(wrong.value) == "weights: a.b.weight: found shape (4, 6, 3, 3), expected (4, 6, 5, 5) (600 values)"
    with pytest.raises(MissingWeightError) as missing:
        OneOp(lambda s, x: ops.conv2d(s, x, 4, 3), picture(2), weights={"weights": WEIGHTS["weight"]})
    assert str(missing.value) == (
        "weights: a.b.weight: the network wants it, the weights lack it; did you mean 'a.b.weights'?"
    )
    with pytest.raises(ShapeError, match=r"a\.b\.running_mean: found 5 values, expected \(4,\)"):
        OneOp(
            lambda s, x: ops.conv_bn(s, s, x, 4, 3),
            picture(2),
            weights={**WEIGHTS, "running_mean": torch.ones(5), "running_var": torch.ones(4)},
        )


def test_rank_and_size_of_the_input() -> None:
    for op, rank in zip(CONV_OPS, (1, 2, 3), strict=True):
        with pytest.raises(NetworkError) as caught:
            OneOp(lambda s, x, op=op: op(s, x, 4, 3), values(6, 8), weights=WEIGHTS)
        assert str(caught.value) == (
            f"a.b: {op.__name__}: input: found shape (6, 8), expected (N, C, …) with {rank} spatial dimensions"
        )
    with pytest.raises(
        NetworkError, match=r"conv_bn: input: found shape \(6, 8\), expected \(N, C, …\) with 1 to 3 spatial"
    ):
        OneOp(lambda s, x: ops.conv_bn(s, s, x, 4, 3), values(6, 8), weights=filled(nn.BatchNorm2d(4)).state_dict())
    with pytest.raises(NetworkError, match=r"^a\.b: conv2d: .*image size is smaller than filter size"):
        OneOp(lambda s, x: ops.conv2d(s, x, 4, 3), values(1, 6, 2, 2), weights=WEIGHTS)
