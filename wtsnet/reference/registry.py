"""Which function executes which layer kind.

A family file (conv.py, pool.py …) registers one compile function a `LayerType`:

    @executes("SOFTMAX")
    def softmax(node: Node) -> Run: ...

It reads the layer's attributes once and returns a closure from the layer's input tensors to its output tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from wtsnet.errors import RunnerError, UnsupportedLayerError
from wtsnet.reference.readback import Node

Run = Callable[[Sequence[torch.Tensor]], Sequence[torch.Tensor]]
Compile = Callable[[Node], Run]

EXECUTORS: dict[str, Compile] = {}

# Executed by control.py: these layers are the boundaries of a region, not functions of their inputs.
BOUNDARIES = frozenset(
    ("TRIP_LIMIT", "RECURRENCE", "ITERATOR", "LOOP_OUTPUT", "CONDITION", "CONDITIONAL_INPUT", "CONDITIONAL_OUTPUT")
)

UNSUPPORTED = {
    "PLUGIN": "a plugin's code is not in the network",
    "PLUGIN_V2": "a plugin's code is not in the network",
    "PLUGIN_V3": "a plugin's code is not in the network",
    "DIST_COLLECTIVE": "it needs other processes; the reference runtime is one process",
    "DYNAMIC_QUANTIZE": "how it rounds the scales of its blocks is not documented",
    "MOE": "its weights are set through write-only methods of the API",
}


def executes(kind: str) -> Callable[[Compile], Compile]:
    """Register a compile function for the `LayerType` of that name."""

    def register(function: Compile) -> Compile:
        EXECUTORS[kind] = function
        return function

    return register


def compiled(node: Node) -> Run:
    """The closure that executes `node`. Raises UnsupportedLayerError, naming kind and layer."""
    if node.kind not in EXECUTORS:
        raise refusal(node, UNSUPPORTED.get(node.kind, "the reference runtime does not know this kind"))
    return EXECUTORS[node.kind](node)


def refusal(node: Node, reason: str) -> UnsupportedLayerError:
    """The error for a layer that can't be executed."""
    return UnsupportedLayerError(f"{node}: the reference runtime does not execute it: {reason}")


def failure(node: Node, message: object, inputs: Sequence[torch.Tensor]) -> RunnerError:
    """The error for a layer that failed at run time, with the dtypes and shapes that it was given."""
    shapes = ", ".join(f"{str(t.dtype).removeprefix('torch.')}{list(t.shape)}" for t in inputs)
    text = (str(message) or type(message).__name__).splitlines()[0]
    return RunnerError(f"{node} failed: {text}; its inputs: {shapes or 'none'}")
