"""One example of every op in `wtsnet.ops`, with its torch twin: what the checks that walk all ops walk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.ops.support import OWN, PATH, Size, Spec, weights_of
from tests.ops.twins_vision import DeformConv2d, roi_align
from wtsnet import ops
from wtsnet.network import Network, Tensor

N = (1, 2, 3)
IMAGE: tuple[Size, ...] = (N, 6, 8, 8)
ROWS: tuple[Size, ...] = (N, 6)
TOKENS: tuple[Size, ...] = (N, 5, 6)


@dataclass(frozen=True)
class Example:
    """`op(*inputs)`, or `op(scope, *inputs)` where the first parameter is called `s`, and the torch function or module
    that gives the same.

    Attributes:
        sizes: of each input; the batch is dynamic.
        kinds: what each input holds: "float", "positive", "unit" (between -1 and 1), "bool", or a number that its
            integers stay below.
        weights: where the twin is no module that brings them.
        halves: whether it can run in float16 and bfloat16.
        named: the layer that makes the first output; None where it is no layer's first.
    """

    op: Callable[..., Any]
    twin: Callable[..., Any]
    sizes: tuple[tuple[Size, ...], ...] = (IMAGE,)
    kinds: tuple[str | int, ...] = ("float",) * 4
    weights: Mapping[str, torch.Tensor] = field(default_factory=dict)
    halves: bool = True
    named: str | None = OWN

    def specs(self, dtype: str = "float32") -> list[Spec]:
        """What the inputs are, floats being of `dtype`."""
        names = {"float": dtype, "positive": dtype, "unit": dtype, "bool": "bool"}
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
                x = {"float": x, "positive": x.abs() + 0.5, "unit": torch.tanh(x) * 0.9}[kind]
                made.append(x.to(dtype))
        return made

    def network(self) -> tuple[Network, list[Tensor]]:
        """A network with the example's inputs, and these; the weights are those of a module at `a.b`."""
        net = Network({f"{PATH}.{key}": value for key, value in self.all_weights().items()})
        return net, [net.input(f"x{i}", shape, dtype) for i, (shape, dtype) in enumerate(self.specs())]

    def all_weights(self) -> dict[str, torch.Tensor]:
        """The module's, by names such as `weight`."""
        return {**self.weights, **(weights_of(self.twin, None) or {})}


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
CONV_BN, CONV_BN_WEIGHTS = _conv_bn()


def _same(op: str, twin: Callable[..., Any], *args: Any, **more: Any) -> Example:
    """An op that takes its inputs and then `args`, as the twin does."""
    return Example(lambda *xs: getattr(ops, op)(*xs, *args), lambda *xs: twin(*xs, *args), **more)


def _module(op: str, twin: nn.Module, *args: Any, given: Mapping[str, Any] | None = None, **more: Any) -> Example:
    """An op with weights, which stands for a module."""
    return Example(lambda s, *xs: getattr(ops, op)(s, *xs, *args, **(given or {})), twin, **more)


def _joined(op: str, twin: Callable[..., Any], *args: Any, **more: Any) -> Example:
    """An op that takes its inputs as one argument."""
    return Example(lambda *xs: getattr(ops, op)(xs, *args), lambda *xs: twin(xs, *args), **more)


def _made(op: str, twin: Callable[..., Any], *args: Any, **given: Any) -> Example:
    """An op that makes a tensor of nothing."""
    return Example(
        lambda s: getattr(ops, op)(s, *args, **given),
        lambda: twin(*args, **{name: getattr(torch, dtype) for name, dtype in given.items()}),
        sizes=(),
        halves=False,
    )


TWO: dict[str, Any] = {"sizes": (IMAGE, IMAGE)}
DIVISOR: dict[str, Any] = {"sizes": (IMAGE, IMAGE), "kinds": ("float", "positive")}
RECURRENT: dict[str, Any] = {"sizes": (TOKENS,), "given": {"batch_first": True}}
TWO_WAYS: dict[str, Any] = {**RECURRENT, "given": {"batch_first": True, "bidirectional": True}}
POSITIVE: dict[str, Any] = {"kinds": ("positive",)}
UNIT: dict[str, Any] = {"kinds": ("unit",)}
BOOLS: dict[str, Any] = {"sizes": (IMAGE, IMAGE), "kinds": ("bool", "bool"), "halves": False}
SQUARE: dict[str, Any] = {"sizes": ((N, 6, 6),)}
VOLUME: tuple[Size, ...] = (N, 6, 4, 4, 4)
# The reference runtime can't: torch on the CPU has no mean over windows of three dimensions for halves.
MEAN_OF_VOLUMES: dict[str, Any] = {"sizes": (VOLUME,), "halves": False}
LINE: tuple[Size, ...] = (N, 6, 8)

EXAMPLES: dict[str, Example] = {
    # act
    "celu": _same("celu", F.celu, 0.5),
    "elu": _same("elu", F.elu),
    "gelu": _same("gelu", F.gelu),
    "glu": _same("glu", F.glu, 1),
    "hardshrink": _same("hardshrink", F.hardshrink),
    "hardsigmoid": _same("hardsigmoid", F.hardsigmoid),
    "hardswish": _same("hardswish", F.hardswish),
    "hardtanh": _same("hardtanh", F.hardtanh),
    "identity": _same("identity", nn.Identity(), named=None),
    "leaky_relu": _same("leaky_relu", F.leaky_relu),
    "logsigmoid": _same("logsigmoid", F.logsigmoid),
    "mish": _same("mish", F.mish),
    "prelu": _module("prelu", nn.PReLU(6), 6),
    "relu": _same("relu", F.relu),
    "relu6": _same("relu6", F.relu6),
    "rrelu": _same("rrelu", F.rrelu),
    "selu": _same("selu", F.selu),
    "silu": _same("silu", F.silu),
    "softplus": _same("softplus", F.softplus, 2.0),
    "softshrink": _same("softshrink", F.softshrink),
    "softsign": _same("softsign", F.softsign),
    "tanhshrink": _same("tanhshrink", F.tanhshrink),
    "threshold": _same("threshold", F.threshold, 0.1, -2.0),
    # attention
    "multihead_attention": Example(
        lambda s, x: ops.multihead_attention(s, x, x, x, 2, batch_first=True),
        lambda x: ATTENTION(x, x, x)[0],
        (TOKENS,),
        weights=dict(ATTENTION.state_dict()),
        named="a.b.out_proj",
    ),
    "scaled_dot_product_attention": _same(
        "scaled_dot_product_attention", F.scaled_dot_product_attention, sizes=(IMAGE,) * 3
    ),
    # conv
    "conv1d": _module("conv1d", nn.Conv1d(6, 4, 3), 4, 3, sizes=(LINE,)),
    "conv2d": _module("conv2d", nn.Conv2d(6, 4, 3, padding=1), 4, 3, given={"padding": 1}),
    "conv3d": _module("conv3d", nn.Conv3d(6, 4, 3, 2), 4, 3, 2, sizes=(VOLUME,)),
    "conv_bn": Example(lambda s, x: ops.conv_bn(s / "conv", s, x, 4, 3), CONV_BN, weights=CONV_BN_WEIGHTS),
    "conv_transpose1d": _module("conv_transpose1d", nn.ConvTranspose1d(6, 4, 3, 2), 4, 3, 2, sizes=(LINE,)),
    "conv_transpose2d": _module("conv_transpose2d", nn.ConvTranspose2d(6, 4, 3, 2), 4, 3, 2),
    "conv_transpose3d": _module("conv_transpose3d", nn.ConvTranspose3d(6, 4, 2), 4, 2, sizes=(VOLUME,)),
    # create
    "arange": Example(
        lambda s, x: ops.arange(s, 1, x.dims[0] * 4, 2),
        lambda x: torch.arange(1, len(x) * 4, 2),
        halves=False,
    ),
    "eye": _made("eye", torch.eye, 3, 4),
    "full": Example(
        lambda s, x: ops.full(s, (x.dims[0], 3), 1.5), lambda x: torch.full((len(x), 3), 1.5), halves=False
    ),
    "full_like": _same("full_like", torch.full_like, 1.5),
    "linspace": _made("linspace", torch.linspace, -1, 2, 5),
    "meshgrid": Example(
        lambda x, y: ops.meshgrid(x, y, indexing="xy"),
        lambda x, y: torch.meshgrid(x, y, indexing="xy"),
        sizes=((N,), (4,)),
    ),
    "ones": _made("ones", torch.ones, (2, 3)),
    "ones_like": _same("ones_like", torch.ones_like),
    "tensor": _made("tensor", torch.tensor, [[1.0, -2.5], [3.0, 0.0]]),
    "zeros": Example(
        lambda s, x: ops.zeros(s, (x.dims[0], 3), dtype="int32"),
        lambda x: torch.zeros((len(x), 3), dtype=torch.int32),
        halves=False,
    ),
    "zeros_like": _same("zeros_like", torch.zeros_like),
    # fold
    "fold": Example(
        lambda x: ops.fold(x, (6, 7), (2, 3), padding=1, stride=2),
        lambda x: F.fold(x, (6, 7), (2, 3), padding=1, stride=2),
        ((N, 12, 16),),
    ),
    "unfold": Example(
        lambda x: ops.unfold(x, (2, 3), padding=1, stride=2), lambda x: F.unfold(x, (2, 3), padding=1, stride=2)
    ),
    # index
    "embedding": _module("embedding", nn.Embedding(9, 5), 9, 5, sizes=((N, 4),), kinds=(9,), halves=False),
    # indexing
    "gather": Example(
        lambda x, i: ops.gather(x, 1, i),
        lambda x, i: torch.gather(x, 1, i.long()),
        sizes=(ROWS, (N, 4)),
        kinds=("float", 6),
    ),
    "index_select": Example(
        lambda x, i: ops.index_select(x, 1, i),
        lambda x, i: torch.index_select(x, 1, i),
        sizes=(IMAGE, (3,)),
        kinds=("float", 6),
    ),
    "one_hot": Example(
        lambda x: ops.one_hot(x, 5), lambda x: F.one_hot(x.long(), 5), sizes=((N, 4),), kinds=(5,), halves=False
    ),
    "scatter": Example(
        lambda x, i, src: ops.scatter(x, 1, ops.argsort(i, 1), src),  # indices that differ
        lambda x, i, src: x.scatter(1, i.argsort(1), src),
        sizes=(ROWS, ROWS, ROWS),
        halves=False,
    ),
    "scatter_add": Example(
        lambda x, i, src: ops.scatter_add(x, 1, i, src),
        lambda x, i, src: x.scatter_add(1, i.long(), src),
        sizes=((N, 4), ROWS, ROWS),
        kinds=("float", 4, "float"),
    ),
    "tril": _same("tril", torch.tril, 1, **SQUARE),
    "triu": _same("triu", torch.triu, **SQUARE),
    # linear
    "linear": _module("linear", nn.Linear(8, 5), 5),
    # norm
    "batch_norm": _module("batch_norm", _running(nn.BatchNorm2d(6))),
    "group_norm": _module("group_norm", nn.GroupNorm(3, 6), 3),
    "instance_norm": _module("instance_norm", nn.InstanceNorm2d(6)),
    "layer_norm": _module("layer_norm", nn.LayerNorm(8)),
    "local_response_norm": _same("local_response_norm", F.local_response_norm, 3, 0.5),
    "normalize": _same("normalize", F.normalize),
    "rms_norm": _module("rms_norm", nn.RMSNorm(8)),
    # pad
    "pad": _same("pad", F.pad, (1, 2, 0, 1), "constant", 0.5),
    # pointwise
    "abs": _same("abs", torch.abs),
    "acos": _same("acos", torch.acos, **UNIT),
    "acosh": Example(lambda x: ops.acosh(x + 1.0), lambda x: torch.acosh(x + 1.0), **POSITIVE),
    "add": _same("add", torch.add, **TWO),
    "asin": _same("asin", torch.asin, **UNIT),
    "asinh": _same("asinh", torch.asinh),
    "atan": _same("atan", torch.atan),
    "atan2": _same("atan2", torch.atan2, **TWO),
    "atanh": _same("atanh", torch.atanh, **UNIT),
    "bitwise_and": _same("bitwise_and", torch.bitwise_and, **BOOLS),
    "bitwise_not": _same("bitwise_not", torch.bitwise_not, kinds=("bool",), halves=False),
    "bitwise_or": _same("bitwise_or", torch.bitwise_or, **BOOLS),
    "bitwise_xor": _same("bitwise_xor", torch.bitwise_xor, **BOOLS),
    "ceil": _same("ceil", torch.ceil),
    "clamp": _same("clamp", torch.clamp, -0.5, 0.75),
    "cos": _same("cos", torch.cos),
    "cosh": _same("cosh", torch.cosh),
    "div": _same("div", torch.div, **DIVISOR),
    "eq": _same("eq", torch.eq, sizes=(IMAGE, IMAGE), kinds=(3, 3)),
    "erf": _same("erf", torch.erf),
    "exp": _same("exp", torch.exp),
    "expm1": _same("expm1", torch.expm1),
    "floor": _same("floor", torch.floor),
    "floor_divide": _same("floor_divide", torch.floor_divide, 0.25),
    "fmod": _same("fmod", torch.fmod, 0.75),
    "ge": _same("ge", torch.ge, **TWO),
    "gt": _same("gt", torch.gt, **TWO),
    "isinf": Example(lambda x: ops.isinf(x / 0.0), lambda x: torch.isinf(x / 0.0)),
    "isnan": Example(lambda x: ops.isnan(ops.log(x)), lambda x: torch.isnan(torch.log(x))),
    "le": _same("le", torch.le, **TWO),
    "lerp": _same("lerp", torch.lerp, 0.25, **TWO),
    "log": _same("log", torch.log, **POSITIVE),
    "log1p": _same("log1p", torch.log1p, **POSITIVE),
    "log2": _same("log2", torch.log2, **POSITIVE),
    "log10": _same("log10", torch.log10, **POSITIVE),
    "logical_and": _same("logical_and", torch.logical_and, **BOOLS),
    "logical_not": _same("logical_not", torch.logical_not, kinds=("bool",), halves=False),
    "logical_or": _same("logical_or", torch.logical_or, **BOOLS),
    "logical_xor": _same("logical_xor", torch.logical_xor, **BOOLS),
    "lt": _same("lt", torch.lt, **TWO),
    "masked_fill": _same("masked_fill", torch.masked_fill, -2.0, sizes=(IMAGE, IMAGE), kinds=("float", "bool")),
    "maximum": _same("maximum", torch.maximum, **TWO),
    "minimum": _same("minimum", torch.minimum, **TWO),
    "mul": _same("mul", torch.mul, **TWO),
    "ne": _same("ne", torch.ne, sizes=(IMAGE, IMAGE), kinds=(3, 3), halves=False),
    "neg": _same("neg", torch.neg),
    "pow": _same("pow", torch.pow, 1.5, **POSITIVE),
    "reciprocal": _same("reciprocal", torch.reciprocal, **POSITIVE),
    "remainder": _same("remainder", torch.remainder, 0.75),
    "round": _same("round", torch.round),
    "rsqrt": _same("rsqrt", torch.rsqrt, **POSITIVE),
    "sigmoid": _same("sigmoid", torch.sigmoid),
    "sign": _same("sign", torch.sign),
    "sin": _same("sin", torch.sin),
    "sinh": _same("sinh", torch.sinh),
    "sqrt": _same("sqrt", torch.sqrt, **POSITIVE),
    "square": _same("square", torch.square),
    "sub": _same("sub", torch.sub, **TWO),
    "tan": _same("tan", torch.tan, **UNIT),
    "tanh": _same("tanh", torch.tanh),
    "trunc": _same("trunc", torch.trunc),
    "where": _same("where", torch.where, sizes=(IMAGE, IMAGE, IMAGE), kinds=("bool", "float", "float")),
    # pool
    "adaptive_avg_pool1d": _same("adaptive_avg_pool1d", F.adaptive_avg_pool1d, 3, sizes=(LINE,)),
    "adaptive_avg_pool2d": _same("adaptive_avg_pool2d", F.adaptive_avg_pool2d, (3, 5)),
    "adaptive_avg_pool3d": _same("adaptive_avg_pool3d", F.adaptive_avg_pool3d, 2, **MEAN_OF_VOLUMES),
    "adaptive_max_pool1d": _same("adaptive_max_pool1d", F.adaptive_max_pool1d, 3, sizes=(LINE,)),
    "adaptive_max_pool2d": _same("adaptive_max_pool2d", F.adaptive_max_pool2d, (3, 5)),
    "adaptive_max_pool3d": _same("adaptive_max_pool3d", F.adaptive_max_pool3d, 2, sizes=(VOLUME,)),
    "avg_pool1d": _same("avg_pool1d", F.avg_pool1d, 3, 2, 1, sizes=(LINE,)),
    "avg_pool2d": Example(
        lambda x: ops.avg_pool2d(x, 3, 2, 1, ceil_mode=True), lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)
    ),
    "avg_pool3d": _same("avg_pool3d", F.avg_pool3d, 2, **MEAN_OF_VOLUMES),
    "max_pool1d": _same("max_pool1d", F.max_pool1d, 3, 2, 1, sizes=(LINE,)),
    "max_pool2d": _same("max_pool2d", F.max_pool2d, 3, 2, 1),
    "max_pool3d": _same("max_pool3d", F.max_pool3d, 2, sizes=(VOLUME,)),
    # product
    "bmm": _same("bmm", torch.bmm, sizes=((N, 4, 6), (N, 6, 5))),
    "einsum": Example(
        lambda x, y: ops.einsum("bhid,bhjd->bhij", x, y),
        lambda x, y: torch.einsum("bhid,bhjd->bhij", x, y),
        **TWO,
    ),
    "matmul": _same("matmul", torch.matmul, **TWO),
    "outer": _same("outer", torch.outer, sizes=((N,), (4,))),
    # recurrent
    "gru": _module("gru", nn.GRU(6, 4, batch_first=True), 4, **RECURRENT),
    "lstm": _module("lstm", nn.LSTM(6, 4, 2, batch_first=True, bidirectional=True), 4, 2, **TWO_WAYS),
    "rnn": _module("rnn", nn.RNN(6, 4, batch_first=True), 4, **RECURRENT),
    # reduce
    "all": _same("all", torch.all, 1, kinds=("bool",), halves=False),
    "amax": _same("amax", torch.amax, (1, 3)),
    "amin": _same("amin", torch.amin, (1, 3)),
    "any": _same("any", torch.any, 1, kinds=("bool",), halves=False),
    "argmax": _same("argmax", torch.argmax, 1),
    "argmin": _same("argmin", torch.argmin, 1, True, named=None),
    "argsort": _same("argsort", torch.argsort, 1, True, named=None),
    "cumsum": _same("cumsum", torch.cumsum, 1),
    "log_softmax": _same("log_softmax", F.log_softmax, 1),
    "logsumexp": _same("logsumexp", torch.logsumexp, (1, 2)),
    "max": _same("max", torch.max, 1),
    "mean": _same("mean", torch.mean, (2, 3)),
    "min": _same("min", torch.min, 1, True),
    "norm": _same("norm", torch.norm, 2, 1),
    "prod": _same("prod", torch.prod, 3),
    "softmax": _same("softmax", F.softmax, 1),
    "softmin": _same("softmin", F.softmin, 1),
    "sort": _same("sort", torch.sort, 1),
    "std": _same("std", torch.std, 1),
    "sum": _same("sum", torch.sum, (2, 3)),
    "topk": _same("topk", torch.topk, 3, 1),
    "var": _same("var", torch.var, (2, 3)),
    # resize
    "interpolate": _same("interpolate", F.interpolate, None, 2, "bilinear"),
    # sample
    "affine_grid": Example(
        lambda x: ops.affine_grid(x, (x.dims[0], 3, 4, 5)),
        lambda x: F.affine_grid(x, [len(x), 3, 4, 5], align_corners=False),
        ((N, 2, 3),),
    ),
    "grid_sample": Example(
        lambda x, grid: ops.grid_sample(x, grid * 0.5),
        lambda x, grid: F.grid_sample(x, grid * 0.5, align_corners=False),
        (IMAGE, (N, 3, 4, 2)),
    ),
    # shape
    "broadcast_to": _same("broadcast_to", torch.broadcast_to, (2, 6, 4), sizes=((6, 1),)),
    "cat": _joined("cat", torch.cat, 2, **TWO),
    "channel_shuffle": _same("channel_shuffle", F.channel_shuffle, 3),
    "chunk": _same("chunk", torch.chunk, 2, 1),
    "expand": _same("expand", torch.Tensor.expand, (-1, 6, 4), sizes=((N, 6, 1),)),
    "flatten": _same("flatten", torch.flatten, 1),
    "flip": _same("flip", torch.flip, (3,)),
    "movedim": _same("movedim", torch.movedim, 1, -1),
    "narrow": _same("narrow", torch.narrow, 1, 2, 3),
    "permute": _same("permute", torch.permute, (0, 2, 3, 1)),
    "pixel_shuffle": _same("pixel_shuffle", F.pixel_shuffle, 2, sizes=((N, 8, 3, 4),)),
    "pixel_unshuffle": _same("pixel_unshuffle", F.pixel_unshuffle, 2),
    "repeat": _same("repeat", torch.Tensor.repeat, (2, 1, 3), sizes=((N, 4),)),
    "repeat_interleave": _same("repeat_interleave", torch.repeat_interleave, 2, 1),
    "reshape": _same("reshape", torch.reshape, (-1, 3, 2, 64)),
    "roll": _same("roll", torch.roll, (1, -3), (1, 3)),
    "select": _same("select", torch.select, 1, -2),
    "split": _same("split", torch.split, (1, 2, 3), 1),
    "squeeze": _same("squeeze", torch.squeeze, 2, sizes=((N, 6, 1, 4),)),
    "stack": _joined("stack", torch.stack, 1, **TWO),
    "tile": _same("tile", torch.tile, (2, 1, 1)),
    "transpose": _same("transpose", torch.transpose, 1, -1),
    "unbind": _same("unbind", torch.unbind, 1, sizes=((N, 3, 4),)),
    "unflatten": _same("unflatten", torch.unflatten, 1, (2, 3)),
    "unsqueeze": _same("unsqueeze", torch.unsqueeze, -2),
    # vision
    "deform_conv2d": Example(
        lambda s, x, offset: ops.deform_conv2d(s, x, offset, out_channels=4, kernel_size=3, padding=1),
        DeformConv2d(6, 4, (3, 3), padding=(1, 1)),
        ((N, 6, 3, 4), (N, 18, 3, 4)),
    ),
    "roi_align": Example(
        lambda x, b: ops.roi_align(x, ops.cat([b[:, :1] * 0.0, b[:, 1:3], b[:, 1:3] + b[:, 3:]], 1), (2, 3), 1.0, 2),
        lambda x, b: roi_align(x, torch.cat([b[:, :1] * 0, b[:, 1:3], b[:, 1:3] + b[:, 3:]], 1), (2, 3), 1.0, 2),
        (IMAGE, (N, 5)),
        ("float", "positive"),
        halves=False,
    ),
    # core aten
    "addmm": Example(
        lambda x, a, b: ops.addmm(x, a, b, beta=0.5, alpha=2),
        lambda x, a, b: torch.addmm(x, a, b, beta=0.5, alpha=2),
        sizes=((N, 5), ROWS, (6, 5)),
    ),
    "cdist": _same("cdist", torch.cdist, sizes=(TOKENS, (N, 4, 6))),
    "diagonal": _same("diagonal", torch.diagonal, 1, 1, 3),
    "embedding_bag": Example(
        lambda s, i: ops.embedding_bag(s, i, 9, 5, padding_idx=2),
        nn.EmbeddingBag(9, 5, padding_idx=2),
        sizes=((N, 4),),
        kinds=(9,),
        halves=False,
    ),
    "index_put": Example(
        lambda x, i, y: ops.index_put(x, (None, i), y, True),
        lambda x, i, y: torch.ops.aten.index_put(x, [None, i], y, True),
        sizes=(IMAGE, (7,), (N, 7, 8, 8)),
        kinds=("float", 6, "float"),
    ),
    "masked_scatter": _same(
        "masked_scatter", torch.masked_scatter, sizes=(IMAGE, IMAGE, IMAGE), kinds=("float", "bool", "float")
    ),
    "mm": _same("mm", torch.mm, sizes=(ROWS, (6, 5))),
    "pdist": _same("pdist", F.pdist, sizes=((6, 8),)),
    "scatter_reduce": Example(
        lambda x, i, src: ops.scatter_reduce(x, 1, i, src, "amax"),
        lambda x, i, src: x.scatter_reduce(1, i.long(), src, "amax"),
        sizes=((N, 4), ROWS, ROWS),
        kinds=("float", 4, "float"),
    ),
    "select_scatter": _same("select_scatter", torch.select_scatter, 2, -3, sizes=(IMAGE, (N, 6, 8))),
    "slice_scatter": _same("slice_scatter", torch.slice_scatter, 2, 1, 6, sizes=(IMAGE, (N, 6, 5, 8))),
}
