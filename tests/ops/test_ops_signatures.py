"""Every op is called as its twin in PyTorch is: the same names of arguments, in the same order, with the same defaults.

What differs on purpose stands in `DIFFERENCES`, each with its reason; a row that is no longer needed fails.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from inspect import Parameter
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from tools import torchvision_models
from wtsnet import ops
from wtsnet.network import OPS

NAMES = [name for name in ops.__all__ if name != "ACTIVATIONS"]

# What ops lack wherever PyTorch has it.
NOWHERE = {
    "_freeze": "for training",
    "_stacklevel": "of a warning that is not given here",
    "_weight": "the weights are the network's",
    "device": "a plan says where it runs",
    "dropout": "nothing is dropped at inference",
    "dropout_p": "nothing is dropped at inference",
    "dtype": "layers run in the dtype of their input; an op has it where it makes another of it",
    "implicit": "PyTorch's own, for its compiler",
    "init": "the weights tell what training has made of it",
    "inplace": "tensors of a network do not change",
    "layout": "TensorRT chooses how values lie",
    "max_norm": "for training",
    "memory_format": "TensorRT chooses how values lie",
    "momentum": "for training",
    "norm_type": "belongs to max_norm",
    "out": "tensors of a network do not change",
    "pin_memory": "TensorRT chooses how values lie",
    "requires_grad": "for training",
    "return_indices": "TensorRT's pooling does not tell where the largest was",
    "scale_grad_by_freq": "for training",
    "sparse": "for training",
    "sparse_grad": "for training",
    "training": "for training",
}
# What modules are given and ops are not: the input tells it.
TOLD = {
    "embed_dim",
    "in_channels",
    "in_features",
    "input_size",
    "kdim",
    "num_channels",
    "num_features",
    "vdim",
}

# Op, argument, reason.
DIFFERENCES: list[tuple[str, str, str]] = [
    ("arange", "end", "one number alone is the end: PyTorch has two functions for that"),
    ("batch_norm", "track_running_stats", "without, a norm goes by the batch that it is given: for training"),
    ("cdist", "compute_mode", "there is one way here, the exact one"),
    *((f"conv_transpose{n}d", "padding_mode", "PyTorch takes nothing but zeros either") for n in (1, 2, 3)),
    *(
        (f"conv_transpose{n}d", "output_size", "output_padding says the same when the network is made")
        for n in (1, 2, 3)
    ),
    ("embedding", "padding_idx", "for training: its row is looked up as any other"),
    ("index_select", "batch_dims", "TensorRT picks from each batch in one layer"),
    ("layer_norm", "normalized_shape", "the last dimension is the usual one, and the input tells its size"),
    *(("matmul", f"transpose_{x}", "TensorRT turns an operand without a layer") for x in "ab"),
    ("meshgrid", "indexing", "None is 'ij', with a warning that it may change"),
    ("multihead_attention", "average_attn_weights", "belongs to need_weights"),
    ("multihead_attention", "need_weights", "the op gives the attended values alone"),
    ("one_hot", "num_classes", "the largest index is not known before the network runs"),
    ("repeat_interleave", "output_size", "only tells PyTorch what it would have to count"),
    ("rms_norm", "input", "called x there, and input in every other module"),
    ("rms_norm", "normalized_shape", "as in layer_norm"),
    ("rms_norm", "x", "called input here"),
    ("softmin", "dim", "PyTorch warns where it has to guess the dimension"),
]

# What may be given by position behind scopes and tensors, where that is more than three.
BY_POSITION = {
    "roi_align": "torchvision's own callers give all by position",
    "slice_scatter": "dim, and a slice of three numbers",
}

# Ops that PyTorch has no function for.
WITHOUT = {"conv_bn": "a convolution with the batch norm behind it, folded into one layer"}


class Argument(NamedTuple):
    """A parameter of a twin: its default as text, empty where it has none, and whether it goes by name alone."""

    name: str
    default: str
    keyword: bool


Signature = list[Argument]


def text(value: Any) -> str:
    """A default as text: numbers that are equal are the same."""
    return repr(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else repr(value)


def read(parameters: Iterator[Parameter] | Any) -> Signature:
    """What `inspect` found, without `self`."""
    return [
        Argument(p.name, "" if p.default is Parameter.empty else text(p.default), p.kind is Parameter.KEYWORD_ONLY)
        for p in parameters
        if p.name != "self"
    ]


@cache
def twin(name: str) -> Any:
    """The function, method or module that an op is as."""
    dotted = OPS[name].twin
    if dotted.startswith("torchvision"):
        torchvision_models.models()  # what makes torchvision import
        importlib.import_module("torchvision.ops")
    root, *path = dotted.split(".")
    found = importlib.import_module(root)
    for part in path:
        found = getattr(found, part)
    return found


def signatures(name: str) -> list[Signature]:
    """How the twin may be called: by its signature, or, where it is compiled, by its documentation and its schemas."""
    function = twin(name)
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        pass
    else:
        if all(p.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD) for p in parameters) or (
            name == "meshgrid"
        ):
            return [read(parameters)]
    short = OPS[name].twin.rpartition(".")[2]
    return [*documented(short, function.__doc__ or ""), *schemas(short)] or [[]]


def documented(short: str, documentation: str) -> Iterator[Signature]:
    """The calls that a documentation begins with, or shows as `.. function::`."""
    call = rf"^[ \t]*(?:\.\. (?:function|method):: )?(?:{short}|__init__)(\([^()]*(?:\([^()]*\)[^()]*)*\))"
    for match in re.finditer(call, documentation, re.MULTILINE):
        written = match[1].replace("\\*", "*")
        try:
            (function,) = ast.parse(f"def f{written}: pass").body
        except SyntaxError:  # as in `zeros(*size, *, out=None)`
            continue
        assert isinstance(function, ast.FunctionDef)
        given = function.args
        positional = [*given.posonlyargs, *given.args]
        defaults: list[ast.expr | None] = [*[None] * (len(positional) - len(given.defaults)), *given.defaults]
        made = [Argument(a.arg, _evaluated(d), False) for a, d in zip(positional, defaults, strict=True)]
        if given.vararg:
            made.append(Argument(given.vararg.arg, "", False))
        made += [Argument(a.arg, _evaluated(d), True) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
        yield [argument for argument in made if argument.name != "self"]


def _evaluated(default: ast.expr | None) -> str:
    return "" if default is None else text(eval(ast.unparse(default), {"torch": torch}))  # PyTorch's own documentation


def schemas(short: str) -> Iterator[Signature]:
    """The overloads of the operator of that name; what they call self is called input everywhere else."""
    jit: Any = torch._C
    for schema in jit._jit_get_schemas_for_operator(f"aten::{short}"):
        yield [
            Argument(
                "input" if a.name == "self" else a.name,
                text(a.default_value) if a.has_default_value() else "",
                a.kwarg_only,
            )
            for a in schema.arguments
        ]


def differences(name: str) -> dict[str, str]:
    """In what the op differs from its twin, by argument: from that way of calling it that is the nearest."""
    ours = read(inspect.signature(OPS[name].function).parameters.values())
    if ours[0].name == "s":
        ours = ours[1:]
    function = twin(name)
    if isinstance(function, type) and issubclass(function, nn.Module):
        forward = read(inspect.signature(function.forward).parameters.values())
        if any(p.name in ("args", "kwargs") for p in forward):
            forward = [Argument("input", "", False)]
        found = [
            between(ours, [*[a for a in forward if not a.default], *made], [a for a in forward if a.default])
            for made in signatures(name)
        ]
    else:
        found = [between(ours, made, []) for made in signatures(name)]
    nearest = min(found, key=len)
    # Of two ways of calling it one lacks an argument, which therefore may be left out: `max(x)` and `max(x, 1)`.
    spare = {a.name for a in ours if any(a.name not in {b.name for b in made} for made in signatures(name))}
    return {key: how for key, how in nearest.items() if key not in spare or how != "default None, there none"}


def between(ours: Signature, theirs: Signature, late: Signature) -> dict[str, str]:
    """What differs between two; `late` are arguments of a module's `forward` that may be left out, anywhere."""
    wanted = {a.name: a for a in theirs} | {a.name: a for a in late}
    own = {a.name: a for a in ours}
    found = {}
    for name, argument in wanted.items():
        if name in own and own[name].default != argument.default:
            found[name] = f"default {own[name].default or 'none'}, there {argument.default or 'none'}"
        elif name in own and argument.keyword and not own[name].keyword:
            found[name] = "by position, there by name alone"
        elif name not in own and name not in NOWHERE and name not in TOLD:
            found[name] = "lacking"
    found |= {name: "not there" for name in own if name not in wanted}
    places = [a.name for a in theirs]
    common = [a.name for a in ours if a.name in places]
    for name, right in zip(common, [place for place in places if place in own], strict=True):
        if name != right and not own[name].keyword:
            found[name] = f"in the place of {right}"
    return found


@pytest.mark.parametrize("name", NAMES)
def test_an_op_is_called_as_its_twin_is(name: str) -> None:
    if not OPS[name].twin:
        assert name in WITHOUT
        return
    rows = {parameter for op, parameter, _ in DIFFERENCES if op == name}
    found = differences(name)
    assert {parameter: how for parameter, how in found.items() if parameter not in rows} == {}
    assert rows - set(found) == set(), "a row that is no longer needed"


def test_the_reasons_are_met() -> None:
    """What is said to be nowhere is met somewhere; a row is about an op that there is."""
    seen = {argument.name for name in NAMES if OPS[name].twin for made in signatures(name) for argument in made}
    assert set(NOWHERE) - seen == set()
    assert set(TOLD) - seen == set()
    assert {op for op, _, _ in DIFFERENCES} | set(BY_POSITION) | set(WITHOUT) <= set(NAMES)
    assert not any(OPS[name].twin for name in WITHOUT)
    assert len({row[:2] for row in DIFFERENCES}) == len(DIFFERENCES)


@pytest.mark.parametrize("name", NAMES)
def test_few_arguments_go_by_position(name: str) -> None:
    """The rest says what it is: in `conv2d(s, x, 64, 3, 1, 1, 1)` nobody sees which 1 is the padding."""
    given = [
        p.name
        for p in inspect.signature(OPS[name].function).parameters.values()
        if p.kind is Parameter.POSITIONAL_OR_KEYWORD and not re.match(r"Scope|Tensor|Sequence\[Tensor", p.annotation)
    ]
    assert (len(given) > 3) == (name in BY_POSITION), given


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_begins_with_a_sentence(name: str) -> None:
    """The line that `wtsnet ops` shows."""
    first = (inspect.getdoc(OPS[name].function) or "").partition("\n")[0]
    assert len(first) > 2
    assert first.endswith(".")


def f(input: Any, size: int, *, mode: str = "a", scale: float = 1) -> Any: ...


def g(input: Any, mode: str = "b", size: int = 3, extra: bool = False, inplace: bool = False) -> Any: ...


def test_differences_are_found() -> None:
    ours, theirs = (read(inspect.signature(function).parameters.values()) for function in (f, g))
    assert between(ours, ours, []) == {}
    assert between(ours, theirs, []) == {
        "mode": "default 'a', there 'b'",
        "size": "in the place of mode",
        "extra": "lacking",
        "scale": "not there",
    }
    assert between(theirs, ours, []) == {
        "mode": "in the place of size",
        "size": "in the place of mode",
        "scale": "lacking",
        "extra": "not there",
        "inplace": "not there",
    }
