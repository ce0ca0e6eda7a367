"""What holds for every op: its twin's values, its layers' names, no layer for nothing, a plan with no GPU."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from tests.ops.catalogue import EXAMPLES, Example
from tests.ops.support import OWN, PATH, OneOp, applied, build, close, compare, dead_layers, flat, layers, producer
from wtsnet import ops
from wtsnet.network import OPS, Network, Scope, module

NAMES = sorted(EXAMPLES)
WITH_WEIGHTS = [name for name in NAMES if OPS[name].weights or name == "conv_bn"]
WEIGHTLESS = [name for name in NAMES if name not in WITH_WEIGHTS and name != "identity"]
# What layers of an op are called that no op of that name has added.
LABELS = {
    "constant",
    "dim",
    "dims",
    "size",
    "shape",
    "fill",
    "start",
    "step",
    "axis",
    "neighbours",
    "windows",
    "correction",
}


def made(example: Example, dtype: str = "float32", **options: Any) -> OneOp:
    weights = example.all_weights()
    return OneOp(example.op, *example.specs(dtype), weights=weights, named=example.named, **options)


def test_every_op_has_an_example() -> None:
    assert set(EXAMPLES) == set(ops.__all__) - {"ACTIVATIONS"}


def test_every_name_is_its_op() -> None:
    """A file beside `__init__.py` that is called as an op is must not stand in its place."""
    for name in EXAMPLES:
        assert getattr(ops, name) is OPS[name].function, name


@pytest.mark.parametrize("name", NAMES)
def test_twin_with_dynamic_batch(name: str) -> None:
    example = EXAMPLES[name]
    one = made(example)
    for batch in (1, 3):
        compare(one, example.twin, example.inputs(batch), 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_builds_with_no_gpu(name: str) -> None:
    assert build(made(EXAMPLES[name]).net) > 0


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float16, 4e-3), (torch.bfloat16, 3e-2)], ids=str)
@pytest.mark.parametrize("name", [name for name in NAMES if EXAMPLES[name].halves])
def test_half_precision(name: str, dtype: torch.dtype, tol: float) -> None:
    """Layers run in the dtype of their input, against torch in float32 on the same rounded input."""
    example = EXAMPLES[name]
    inputs = example.inputs(2, dtype)
    one = made(example, str(dtype).removeprefix("torch."))
    with torch.inference_mode():
        wanted = flat(example.twin(*(x.float() if x.is_floating_point() else x for x in inputs)))
    for y, ours, theirs in zip(one.outputs, one(*inputs), wanted, strict=True):
        if theirs.is_floating_point():
            assert y.dtype == str(dtype).removeprefix("torch.")
        close(ours.float() if theirs.is_floating_point() else ours, theirs, tol)


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", "float16"), ("bf16", "bfloat16")])
def test_tables_take_the_networks_precision(precision: str, dtype: str) -> None:
    example = EXAMPLES["embedding"]
    one = OneOp(example.op, *example.specs(), weights=example.all_weights(), named=None, precision=precision)
    assert one.outputs[0].dtype == dtype
    inputs = example.inputs(2)
    with torch.inference_mode():
        close(one(*inputs)[0].float(), example.twin(*inputs), 1e-2)


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_an_op_with_weights_is_its_module(name: str) -> None:
    """Called twice: each time the layer that makes its output bears the module's name, and the output is noted."""
    example = EXAMPLES[name]
    net, given = example.network()
    s = net.root / "a" / "b"
    first, second = (flat(example.op(s, *given)) for _ in range(2))
    path = PATH if PATH in net.modules else f"{PATH}[0]"
    named = path if example.named is OWN else example.named
    assert [producer(net, first[0]), producer(net, second[0])] == [named, f"{named}#2"]
    assert net.modules[path] == [first[0].trt, second[0].trt]
    assert all(layer.name.startswith(PATH) for layer in layers(net))
    assert {key for key in net.modules if key.startswith(PATH)} == set(net.modules)


@pytest.mark.parametrize("name", WEIGHTLESS)
def test_an_op_without_weights_is_named_after_the_module_it_is_in(name: str) -> None:
    """What it gives is no module's output, and its layers are the module's and called as ops are."""
    example = EXAMPLES[name]
    net, given = example.network()

    @module
    def around(s: Scope) -> None:
        applied.__wrapped__(s, example.op, *given)  # type: ignore[attr-defined]  # within the module, not as one

    around(net.root / "a" / "b")
    assert net.modules == {}
    found = [re.fullmatch(r"a\.b:(\w+)(#\d+)?", layer.name) for layer in layers(net)]
    labels = [match[1] if match else None for match in found]
    assert {label for label in labels if label not in OPS and not str(label).startswith("to_")} <= LABELS


def test_identity_adds_no_layer() -> None:
    net = Network({})
    x = net.input("x", (2, 3))
    assert ops.identity(x) is x
    assert net.trt.num_layers == 0


def test_dead_layers_are_found() -> None:
    net, (x,) = EXAMPLES["relu"].network()
    y = ops.relu(x)
    assert dead_layers(net) == ["relu"]
    net.output("y", y)
    assert dead_layers(net) == []
