"""What holds for every op: its twin's values, its layer's name, no layer for nothing, a plan with no GPU."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

from tests.ops.catalogue import EXAMPLES, Example
from tests.ops.support import PATH, OneOp, build, close, compare, dead_layers, layers, producer, weights_of
from wtsnet import ops
from wtsnet.network.network import Network, Tensor

NAMES = sorted(EXAMPLES)
WITH_SUFFIX = [name for name in NAMES if "suffix" in inspect.signature(getattr(ops, name)).parameters]


def made(example: Example, dtype: str = "float32", **options: Any) -> OneOp:
    named = None if example.layer is None else PATH + example.layer
    weights = {**example.weights, **(weights_of(example.twin, None) or {})}
    return OneOp(example.op, *example.specs(dtype), weights=weights, named=named, **options)


def called(example: Example, *suffixes: str) -> tuple[Network, list[Tensor]]:
    """The op called in one scope for each of `suffixes`, and the first output of each call."""
    weights = {**example.weights, **(weights_of(example.twin, None) or {})}
    net = Network({f"{PATH}.{key}": value for key, value in weights.items()})
    given = [net.input(f"x{i}", shape, dtype) for i, (shape, dtype) in enumerate(example.specs())]
    outputs = []
    for suffix in suffixes:
        y = example.op(net.root / "a" / "b", *given, **({"suffix": suffix} if suffix else {}))
        outputs.append(y[0] if isinstance(y, list | tuple) else y)
    return net, outputs


def test_every_op_has_an_example() -> None:
    assert set(EXAMPLES) == set(ops.__all__) - {"ACTIVATIONS"}


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
        expected = example.twin(*(x.float() if x.is_floating_point() else x for x in inputs))
    wanted = list(expected) if isinstance(expected, list | tuple) else [expected]
    for y, ours, theirs in zip(one.outputs, one(*inputs), wanted, strict=True):
        if theirs.is_floating_point():
            assert y.dtype == str(dtype).removeprefix("torch.")
        close(ours.float() if theirs.is_floating_point() else ours, theirs, tol)


@pytest.mark.parametrize("name", ["embedding", "parameter"])
@pytest.mark.parametrize(("precision", "dtype"), [("fp16", "float16"), ("bf16", "bfloat16")])
def test_tables_take_the_networks_precision(name: str, precision: str, dtype: str) -> None:
    example = EXAMPLES[name]
    weights = {**example.weights, **(weights_of(example.twin, None) or {})}
    one = OneOp(example.op, *example.specs(), weights=weights, named=None, precision=precision)
    assert one.outputs[0].dtype == dtype
    inputs = example.inputs(2)
    with torch.inference_mode():
        expected = example.twin(*inputs)
    close(one(*inputs)[0].float(), expected[0] if name == "parameter" else expected, 1e-2)


@pytest.mark.parametrize("name", [name for name in NAMES if EXAMPLES[name].layer == ""])
def test_layer_carries_the_path(name: str) -> None:
    net, (first, second) = called(EXAMPLES[name], "", "")
    assert [producer(net, first), producer(net, second)] == [PATH, f"{PATH}#2"]
    assert net.modules[PATH] == [first.trt, second.trt]
    assert all(layer.name.startswith(PATH) for layer in layers(net))


@pytest.mark.parametrize("name", WITH_SUFFIX)
def test_suffix_names_the_layer(name: str) -> None:
    net, (y,) = called(EXAMPLES[name], "part")
    assert producer(net, y) == f"{PATH}:part"
    assert PATH not in net.modules


def test_identity_adds_no_layer() -> None:
    net, (y,) = called(EXAMPLES["identity"], "")
    assert net.trt.num_layers == 0
    assert net.modules[PATH] == [y.trt]


def test_dead_layers_are_found() -> None:
    net, (y,) = called(EXAMPLES["relu"], "")
    assert dead_layers(net) == [PATH]
    net.output("y", y)
    assert dead_layers(net) == []
