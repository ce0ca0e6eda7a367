"""One op in a network of its own, executed by the reference runtime and compared with its torch twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import nn

from wtsnet import trt as tensorrt
from wtsnet.network import Network, Scope, Tensor, module
from wtsnet.reference import ReferenceRunner

PATH = "a.b"
OWN = "the module's own"

Size = int | tuple[int, int, int]
Spec = tuple[tuple[Size, ...], str]
"""An input's sizes, each a number or (min, opt, max), and its dtype."""


def values(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normally distributed, always the same."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def integers(*shape: int, below: int, seed: int = 0) -> torch.Tensor:
    """Evenly distributed int32 from 0 to `below` - 1, always the same."""
    made = torch.randint(0, below, shape, generator=torch.Generator().manual_seed(seed))
    return made.to(torch.int32)


def bools(*shape: int, seed: int = 0) -> torch.Tensor:
    """Half of them true, always the same."""
    return values(*shape, seed=seed) > 0


def as_torch(array: Any) -> torch.Tensor:
    """An array as a tensor of its dtype; torch does not know the bfloat16 of ml_dtypes."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).bfloat16()
    return torch.from_numpy(array)


def flat(made: Any) -> list[Any]:
    """What a function gives: itself, or all that is in a tuple or list of such."""
    return [one for part in made for one in flat(part)] if isinstance(made, list | tuple) else [made]


def takes_scope(op: Callable[..., Any]) -> bool:
    """Whether a function's first parameter is a scope: it is called `s` everywhere."""
    return next(iter(signature(op).parameters), "") == "s"


@module
def applied(s: Scope, op: Callable[..., Any], *inputs: Tensor) -> Any:
    """What an op gives, as the output of the module `s`."""
    return op(s, *inputs) if takes_scope(op) else op(*inputs)


class OneOp:
    """A network that holds the module `a.b`, which gives what `op(*inputs)` gives, or `op(scope, *inputs)` where the
    first parameter is called `s`.

    Args:
        op: gives a tensor or several.
        inputs: tensors, whose shapes and dtypes the network takes, or Specs.
        weights: of the op's module, by names such as `weight`.
        named: the layer that must have produced the (first) output; None where it is no layer of the op's.
        options: of the Network.
    """

    def __init__(
        self,
        op: Callable[..., Any],
        *inputs: torch.Tensor | Spec,
        weights: Mapping[str, torch.Tensor] | None = None,
        named: str | None = OWN,
        **options: Any,
    ) -> None:
        self.net = Network({f"{PATH}.{key}": value for key, value in (weights or {}).items()}, **options)
        specs = [i if isinstance(i, tuple) else (tuple(i.shape), str(i.dtype).removeprefix("torch.")) for i in inputs]
        given = [self.net.input(f"x{i}", shape, dtype) for i, (shape, dtype) in enumerate(specs)]
        made = applied(self.net.root / "a" / "b", op, *given)
        self.outputs: list[Tensor] = flat(made)
        if named is OWN:
            named = PATH if isinstance(made, Tensor) else f"{PATH}[0]"
        if named is not None:
            assert producer(self.net, self.outputs[0]) == named
        for i, y in enumerate(self.outputs):
            self.net.output(f"y{i}", y)
        assert dead_layers(self.net) == []
        self.runner = ReferenceRunner(self.net.trt)

    def __call__(self, *given: torch.Tensor) -> list[torch.Tensor]:
        """The outputs for these inputs."""
        arrays = self.runner.run({f"x{i}": value for i, value in enumerate(given)})
        results = [as_torch(arrays[f"y{i}"]) for i in range(len(self.outputs))]
        for y, result in zip(self.outputs, results, strict=True):
            assert len(y.shape) == result.ndim, "TensorRT gives the output another rank"
            assert all(told in (-1, size) for told, size in zip(y.shape, result.shape, strict=True)), y.shape
            dtype = str(result.dtype).removeprefix("torch.")
            assert dtype == y.dtype
        return results


def producer(net: Network, x: Tensor) -> str | None:
    """The name of the layer that makes `x`, as TensorRT tells it."""
    for layer in layers(net):
        if any(layer.get_output(i) == x.trt for i in range(layer.num_outputs)):
            return str(layer.name)
    return None


def dead_layers(net: Network) -> list[str]:
    """The layers none of whose outputs anything takes."""
    read = {layer.get_input(i).name for layer in layers(net) for i in range(layer.num_inputs) if layer.get_input(i)}
    read |= {net.trt.get_output(i).name for i in range(net.trt.num_outputs)}
    return [
        layer.name
        for layer in layers(net)
        if layer.num_outputs  # a loop's limit has none
        and read.isdisjoint(layer.get_output(i).name for i in range(layer.num_outputs))
    ]


def layers(net: Network) -> list[Any]:
    return [net.trt.get_layer(i) for i in range(net.trt.num_layers)]


def kinds(net: Network) -> list[str]:
    """The LayerType of every layer, in order."""
    return [tensorrt.view(net.trt, i).layer_type for i in range(net.trt.num_layers)]


def plan_of(net: Network) -> bytes:
    """The network's plan. TensorRT-RTX needs no GPU to build it."""
    config = net.builder.create_builder_config()
    profile = net.builder.create_optimization_profile()
    for name, shapes in net.profile.items():
        profile.set_shape(name, *shapes)
    config.add_optimization_profile(profile)
    tensorrt.log.errors.clear()
    plan = net.builder.build_serialized_network(net.trt, config)
    assert plan is not None, tensorrt.log.last_error()
    return bytes(plan)


def build(net: Network) -> int:
    """Build the network; gives the plan's size in bytes."""
    return len(plan_of(net))


def check(
    op: Callable[..., Any],
    twin: Callable[..., Any],
    *inputs: torch.Tensor,
    tol: float = 1e-6,
    weights: Mapping[str, torch.Tensor] | None = None,
    named: str | None = OWN,
    **options: Any,
) -> OneOp:
    """The op gives what its torch twin gives; a twin that is a module brings its weights."""
    one = OneOp(op, *inputs, weights=weights_of(twin, weights), named=named, **options)
    compare(one, twin, inputs, tol)
    return one


def check_sizes(
    op: Callable[..., Any],
    twin: Callable[..., Any],
    sizes: Sequence[Any],
    *shapes: Sequence[Any],
    tol: float = 1e-6,
    weights: Mapping[str, torch.Tensor] | None = None,
    named: str | None = OWN,
    **options: Any,
) -> OneOp:
    """The same for one network with dynamic sizes, run with several shapes.

    `sizes` are the input's Sizes and each of `shapes` its shape; of several inputs, a list of such.
    """
    many = isinstance(sizes, list)
    specs: list[Spec] = [(tuple(one), "float32") for one in (sizes if many else [sizes])]
    made = OneOp(op, *specs, weights=weights_of(twin, weights), named=named, **options)
    for shape in shapes:
        every = shape if many else [shape]
        compare(made, twin, [values(*one, seed=i) for i, one in enumerate(every)], tol)
    return made


def weights_of(
    twin: Callable[..., Any], weights: Mapping[str, torch.Tensor] | None
) -> Mapping[str, torch.Tensor] | None:
    if not isinstance(twin, nn.Module):
        return weights
    twin.eval()
    return dict(twin.state_dict())


@torch.inference_mode()
def compare(one: OneOp, twin: Callable[..., Any], inputs: Sequence[torch.Tensor], tol: float) -> None:
    for ours, theirs in zip(one(*inputs), flat(twin(*inputs)), strict=True):
        close(ours, theirs, tol)


def close(ours: torch.Tensor, theirs: torch.Tensor, tol: float = 1e-6) -> None:
    """Equal shapes, and values that differ by at most `tol` of the largest; integers and bools are equal."""
    assert ours.shape == theirs.shape
    assert ours.is_floating_point() == theirs.is_floating_point()
    if not theirs.is_floating_point():
        assert (ours.dtype == torch.bool) == (theirs.dtype == torch.bool)
        assert torch.equal(ours, theirs.to(ours.dtype))
        return
    finite = theirs[theirs.isfinite()].abs()
    largest = float(finite.max()) if finite.numel() else 0.0
    torch.testing.assert_close(ours.double(), theirs.double(), rtol=0, atol=tol * largest, equal_nan=True)
