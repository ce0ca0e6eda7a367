"""One example of every op in `wtsnet.ops`, with its torch twin: what the checks that walk all ops walk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.ops.support import Size, Spec
from wtsnet import ops

N = (1, 2, 3)
IMAGE: tuple[Size, ...] = (N, 6, 8, 8)
ROWS: tuple[Size, ...] = (N, 6)


@dataclass(frozen=True)
class Example:
    """`op(scope, *inputs)` and the torch function or module that gives the same.

    Attributes:
        op: takes `suffix` where the op does.
        sizes: of each input; the batch is dynamic.
        kinds: what each input holds: "float", "positive", "bool", or a number that its integers stay below.
        weights: where the twin is no module that brings them.
        halves: whether it can run in float16 and bfloat16.
        layer: what comes behind the scope's path in the name of the layer; None where the op makes no layer, or
            several outputs.
    """

    op: Callable[..., Any]
    twin: Callable[..., Any]
    sizes: tuple[tuple[Size, ...], ...] = (IMAGE,)
    kinds: tuple[str | int, ...] = ("float", "float")
    weights: Mapping[str, torch.Tensor] = field(default_factory=dict)
    halves: bool = True
    layer: str | None = ""

    def specs(self, dtype: str = "float32") -> list[Spec]:
        names = {"float": dtype, "positive": dtype, "bool": "bool"}
        return [(sizes, names.get(str(kind), "int32")) for sizes, kind in zip(self.sizes, self.kinds, strict=False)]

    def inputs(self, batch: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
        """Values for every input, with this size where the batch is dynamic."""
        made = []
        for i, (sizes, kind) in enumerate(zip(self.sizes, self.kinds, strict=False)):
            shape = [size if isinstance(size, int) else batch for size in sizes]
            generator = torch.Generator().manual_seed(i)
            if isinstance(kind, int):
                made.append(torch.randint(0, kind, shape, generator=generator).to(torch.int32))
            elif kind == "bool":
                made.append(torch.rand(shape, generator=generator) > 0.5)
            else:
                x = torch.randn(shape, generator=generator)
                made.append((x.abs() + 0.5 if kind == "positive" else x).to(dtype))
        return made


def _running(norm: nn.Module) -> nn.Module:
    """A batch norm with statistics as training leaves them."""
    generator = torch.Generator().manual_seed(1)
    for name, low, high in (("running_mean", -1, 1), ("running_var", 0.5, 2), ("weight", 0.5, 2), ("bias", -1, 1)):
        with torch.no_grad():
            getattr(norm, name).uniform_(low, high, generator=generator)
    return norm.eval()


def _conv_bn() -> tuple[Callable[..., Any], dict[str, torch.Tensor]]:
    conv, bn = nn.Conv2d(6, 4, 3, bias=False), _running(nn.BatchNorm2d(4))
    return lambda x: bn(conv(x)), {
        **{f"conv.{key}": value for key, value in conv.state_dict().items()},
        **dict(bn.state_dict()),
    }


torch.manual_seed(0)
ATTENTION = nn.MultiheadAttention(6, 2, batch_first=True).eval()
TABLE = nn.Embedding(9, 5)
CONV_BN, CONV_BN_WEIGHTS = _conv_bn()


def _same(op: str, twin: Callable[..., Any], *args: Any, **more: Any) -> Example:
    """An op that takes its inputs and then `args`, as the twin does."""
    function = getattr(ops, op)
    return Example(lambda s, *xs, **k: function(s, *xs, *args, **k), lambda *xs: twin(*xs, *args), **more)


def _module(op: str, twin: nn.Module, *args: Any, **more: Any) -> Example:
    """An op that stands for a module."""
    function = getattr(ops, op)
    return Example(lambda s, *xs, **k: function(s, *xs, *args, **k), twin, **more)


TWO: dict[str, Any] = {"sizes": (IMAGE, IMAGE)}
POSITIVE: dict[str, Any] = {"kinds": ("positive",)}

EXAMPLES: dict[str, Example] = {
    # attention
    "scaled_dot_product_attention": _same(
        "scaled_dot_product_attention", F.scaled_dot_product_attention, sizes=(IMAGE,) * 3, kinds=("float",) * 3
    ),
    "multi_head_attention": Example(
        lambda s, x: ops.multi_head_attention(s, x, x, x, 2),
        lambda x: ATTENTION(x, x, x)[0],
        ((N, 5, 6),),
        weights=dict(ATTENTION.state_dict()),
        layer=".out_proj",
    ),
    # act
    "activation": Example(lambda s, x, **k: ops.activation(s, "RELU", x, **k), torch.relu),
    "identity": _module("identity", nn.Identity(), layer=None),
    "relu": _module("relu", nn.ReLU()),
    "relu6": _module("relu6", nn.ReLU6()),
    "hardtanh": _module("hardtanh", nn.Hardtanh()),
    "leaky_relu": _module("leaky_relu", nn.LeakyReLU()),
    "prelu": _module("prelu", nn.PReLU(6), 6),
    "elu": _module("elu", nn.ELU()),
    "celu": _module("celu", nn.CELU(0.5), 0.5),
    "selu": _module("selu", nn.SELU()),
    "sigmoid": _module("sigmoid", nn.Sigmoid()),
    "tanh": _module("tanh", nn.Tanh()),
    "silu": _module("silu", nn.SiLU()),
    "gelu": _module("gelu", nn.GELU()),
    "mish": _module("mish", nn.Mish()),
    "softplus": _module("softplus", nn.Softplus(2.0), 2.0),
    "softsign": _module("softsign", nn.Softsign()),
    "hardsigmoid": _module("hardsigmoid", nn.Hardsigmoid()),
    "hardswish": _module("hardswish", nn.Hardswish()),
    "log_sigmoid": _module("log_sigmoid", nn.LogSigmoid()),
    "softshrink": _module("softshrink", nn.Softshrink()),
    "hardshrink": _module("hardshrink", nn.Hardshrink()),
    "tanhshrink": _module("tanhshrink", nn.Tanhshrink()),
    "threshold": _module("threshold", nn.Threshold(0.1, -2.0), 0.1, -2.0),
    "rrelu": _module("rrelu", nn.RReLU()),
    "glu": _module("glu", nn.GLU(1), 1),
    # conv
    "conv": _module("conv", nn.Conv2d(6, 4, 3, padding=1), 4, 3, 1, 1),
    "conv_bn": Example(lambda s, x: ops.conv_bn(s / "conv", s, x, 4, 3), CONV_BN, weights=CONV_BN_WEIGHTS),
    "conv_transpose": _module("conv_transpose", nn.ConvTranspose2d(6, 4, 3, 2), 4, 3, 2),
    # create
    "arange": Example(lambda s, x, **k: ops.arange(s, x.dims[0], x.dtype, **k), lambda x: torch.arange(len(x)) * 1.0),
    "zeros": Example(
        lambda s, x, **k: (ops.zeros(s, (2, 3), x.dtype, **k), ops.relu(s / "x", x)),
        lambda x: (torch.zeros(2, 3), torch.relu(x)),
    ),
    # index
    "embedding": _module("embedding", TABLE, 9, 5, sizes=((N, 4),), kinds=(9,), halves=False),
    "gather": Example(
        lambda s, x, i, **k: ops.gather(s, x, 1, i, **k),
        lambda x, i: torch.gather(x, 1, i.long()),
        sizes=(ROWS, (N, 4)),
        kinds=("float", 6),
    ),
    "parameter": Example(
        lambda s, x: (ops.parameter(s, "token", 1, 4), ops.relu(s / "x", x)),
        lambda x: (torch.ones(1, 4), torch.relu(x)),
        weights={"token": torch.ones(1, 4)},
        halves=False,
        layer=":token",
    ),
    "take": Example(
        lambda s, x, i, **k: ops.take(s, x, i, 1, **k),
        lambda x, i: x[:, i.long()],
        sizes=(IMAGE, (2, 3)),
        kinds=("float", 6),
    ),
    # linear
    "linear": _module("linear", nn.Linear(8, 5), 5),
    "matmul": _same("matmul", torch.matmul, **TWO),
    # norm
    "batch_norm": _module("batch_norm", _running(nn.BatchNorm2d(6))),
    "group_norm": _module("group_norm", nn.GroupNorm(3, 6), 3),
    "instance_norm": _module("instance_norm", nn.InstanceNorm2d(6)),
    "layer_norm": _module("layer_norm", nn.LayerNorm(8)),
    "normalize": _same("normalize", lambda x, dim: F.normalize(x, dim=dim), -1),
    "rms_norm": _module("rms_norm", nn.RMSNorm(8)),
    # pad
    "pad": _same("pad", F.pad, (1, 2, 0, 1), "constant", 0.5),
    # pointwise
    "absolute": _same("absolute", torch.abs),
    "add": _same("add", torch.add, **TWO),
    "ceil": _same("ceil", torch.ceil),
    "clamp": _same("clamp", torch.clamp, -0.5, 0.75),
    "cosine": _same("cosine", torch.cos),
    "div": _same("div", torch.div, sizes=(IMAGE, IMAGE), kinds=("float", "positive")),
    "elementwise": Example(lambda s, a, b, **k: ops.elementwise(s, "SUM", a, b, **k), torch.add, sizes=(IMAGE, IMAGE)),
    "equal": _same("equal", torch.eq, sizes=(IMAGE, IMAGE), kinds=(3, 3)),
    "erf": _same("erf", torch.erf),
    "exp": _same("exp", torch.exp),
    "floor": _same("floor", torch.floor),
    "floor_div": _same("floor_div", torch.floor_divide, 0.25),
    "greater": _same("greater", torch.gt, **TWO),
    "less": _same("less", torch.lt, **TWO),
    "log": _same("log", torch.log, **POSITIVE),
    "logical_not": _same("logical_not", torch.logical_not, kinds=("bool",)),
    "maximum": _same("maximum", torch.maximum, **TWO),
    "minimum": _same("minimum", torch.minimum, **TWO),
    "mul": _same("mul", torch.mul, **TWO),
    "negative": _same("negative", torch.neg),
    "power": _same("power", torch.pow, 1.5, **POSITIVE),
    "reciprocal": _same("reciprocal", torch.reciprocal, **POSITIVE),
    "rounded": _same("rounded", torch.round),
    "sine": _same("sine", torch.sin),
    "sqrt": _same("sqrt", torch.sqrt, **POSITIVE),
    "sub": _same("sub", torch.sub, **TWO),
    "unary": Example(lambda s, x, **k: ops.unary(s, "TAN", x, **k), torch.tan),
    "where": _same("where", torch.where, sizes=(IMAGE, IMAGE, IMAGE), kinds=("bool", "float", "float")),
    # pool
    "adaptive_avg_pool": _module("adaptive_avg_pool", nn.AdaptiveAvgPool2d((3, 5)), (3, 5)),
    "adaptive_max_pool": _module("adaptive_max_pool", nn.AdaptiveMaxPool2d((3, 5)), (3, 5)),
    "avg_pool": _module("avg_pool", nn.AvgPool2d(3, 2, 1, True), 3, 2, 1, True),
    "global_avg_pool": _module("global_avg_pool", nn.AdaptiveAvgPool2d(1)),
    "global_max_pool": _module("global_max_pool", nn.AdaptiveMaxPool2d(1)),
    "max_pool": _module("max_pool", nn.MaxPool2d(3, 2, 1), 3, 2, 1),
    # reduce
    "amax": _same("amax", torch.amax, (1, 3)),
    "amin": _same("amin", torch.amin, (1, 3)),
    "argmax": _same("argmax", torch.argmax, 1),
    "argmin": _same("argmin", torch.argmin, 1, True),
    "log_softmax": _module("log_softmax", nn.LogSoftmax(1), 1),
    "mean": _same("mean", torch.mean, (2, 3)),
    "prod": _same("prod", torch.prod, 3),
    "reduce": Example(lambda s, x, **k: ops.reduce(s, "SUM", x, 1, True, **k), lambda x: x.sum(1, True)),
    "softmax": _module("softmax", nn.Softmax(1), 1),
    "softmin": _module("softmin", nn.Softmin(1), 1),
    "topk": _same("topk", torch.topk, 3, 1),
    "total": _same("total", torch.sum, (2, 3)),
    # resize
    "upsample": _module("upsample", nn.Upsample(scale_factor=2, mode="bilinear"), 2, None, "bilinear"),
    # sample
    "grid_sample": Example(
        lambda s, x, grid, **k: ops.grid_sample(s, x, ops.mul(s, grid, 0.5, suffix="half"), **k),
        lambda x, grid: F.grid_sample(x, grid * 0.5, align_corners=False),
        (IMAGE, (N, 3, 4, 2)),
    ),
    # shape
    "channel_shuffle": _module("channel_shuffle", nn.ChannelShuffle(3), 3),
    "chunk": _same("chunk", torch.chunk, 2, 1, layer=":split0"),
    "concat": Example(lambda s, *xs, **k: ops.concat(s, xs, 2, **k), lambda *xs: torch.cat(xs, 2), **TWO),
    "cut": Example(lambda s, x, **k: ops.cut(s, x, 2, 1, -1, 2, **k), lambda x: x[:, :, 1:-1:2]),
    "expand": Example(
        lambda s, x, **k: ops.expand(s, x, (-1, 6, 4), **k), lambda x: x.expand(-1, 6, 4), sizes=((N, 6, 1),)
    ),
    "flatten": _module("flatten", nn.Flatten()),
    "flip": _same("flip", lambda x, dim: x.flip(dim), 3),
    "permute": _same("permute", torch.permute, (0, 2, 3, 1)),
    "pixel_shuffle": _module("pixel_shuffle", nn.PixelShuffle(2), 2, sizes=((N, 8, 3, 4),)),
    "pixel_unshuffle": _module("pixel_unshuffle", nn.PixelUnshuffle(2), 2),
    "reshape": _same("reshape", torch.reshape, (-1, 3, 2, 64)),
    "roll": _same("roll", torch.roll, (1, -3), (1, 3)),
    "split": _same("split", torch.split, (1, 2, 3), 1, layer=":split0"),
    "squeeze": _same("squeeze", torch.squeeze, 2, sizes=((N, 6, 1, 4),)),
    "stack": Example(lambda s, *xs, **k: ops.stack(s, xs, 1, **k), lambda *xs: torch.stack(xs, 1), **TWO),
    "transpose": _same("transpose", torch.transpose, 1, -1),
    "unflatten": _module("unflatten", nn.Unflatten(1, (2, 3)), 1, (2, 3)),
    "unsqueeze": _same("unsqueeze", torch.unsqueeze, -2),
}
