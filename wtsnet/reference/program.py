"""The order of execution, and what is kept how long."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from wtsnet.errors import RunnerError
from wtsnet.reference.control import Region, region_run, regions
from wtsnet.reference.graph import Graph
from wtsnet.reference.readback import Node
from wtsnet.reference.registry import Run, failure


@dataclass
class Step:
    """One call: which slots go in and out, and which hold nothing of use afterwards."""

    node: Node
    run: Run
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    frees: tuple[int, ...] = ()


class Program:
    """Some nodes of a graph in an order that can be executed, from input slots to output slots."""

    def __init__(
        self, graph: Graph, nodes: Iterable[int], inputs: Sequence[int], outputs: Sequence[int], fuse: bool = True
    ) -> None:
        self._template = graph.values
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.steps = _ordered(graph, set(nodes) - graph.constants)
        self.hidden: frozenset[int] = frozenset()
        if fuse:
            self.steps, self.hidden = _with_silu(self.steps, self.outputs)
        self._mark_last_uses(graph)

    def _mark_last_uses(self, graph: Graph) -> None:
        held = set(self.outputs) | {slot for n in graph.constants for slot in graph.targets[n]}
        for step in reversed(self.steps):
            step.frees = tuple({*step.inputs, *step.outputs} - held)
            held.update(step.frees)

    def walk(self, given: Sequence[Tensor]) -> Iterator[tuple[Step | None, list[Tensor]]]:
        """Execute, pausing with all live values after the inputs are set (no step) and after each step."""
        values = self._template.copy()
        nothing = values[0]
        for slot, value in zip(self.inputs, given, strict=True):
            values[slot] = value
        yield None, values
        for step in self.steps:
            try:
                results = step.run([values[slot] for slot in step.inputs])
            except RunnerError:
                raise
            except Exception as error:  # whatever torch raises, the layer is named
                raise failure(step.node, error, [values[slot] for slot in step.inputs]) from error
            for slot, result in zip(step.outputs, results, strict=True):
                values[slot] = result
            del results
            yield step, values
            for slot in step.frees:
                values[slot] = nothing

    def run(self, given: Sequence[Tensor]) -> list[Tensor]:
        """The values of the output slots."""
        *_, (_, values) = self.walk(given)
        return [values[slot] for slot in self.outputs]


def _ordered(graph: Graph, nodes: set[int]) -> list[Step]:
    """One step a node or region, each after those it reads from; otherwise in the network's order."""
    found = regions(graph, nodes)
    inside = set().union(*(region.nodes for region in found))
    units: dict[int, Step] = {n: _node_step(graph, n) for n in nodes - inside}
    units.update((min(region.nodes), _region_step(graph, region)) for region in found)

    makers = {slot: key for key, step in units.items() for slot in step.outputs}
    waits = {key: {makers[slot] for slot in step.inputs if slot in makers} for key, step in units.items()}
    readers: dict[int, list[int]] = {key: [] for key in units}
    for key, needed in waits.items():
        for other in needed:
            readers[other].append(key)
    ready = [key for key, needed in waits.items() if not needed]
    heapq.heapify(ready)
    steps = []
    while ready:
        key = heapq.heappop(ready)
        steps.append(units[key])
        for reader in readers[key]:
            waits[reader].discard(key)
            if not waits[reader]:
                heapq.heappush(ready, reader)
    if len(steps) < len(units):
        stuck = next(units[key].node for key in sorted(waits) if waits[key])
        raise RunnerError(f"{stuck} waits for its own output: the network has a cycle outside of loops")
    return steps


def _node_step(graph: Graph, n: int) -> Step:
    return Step(graph.nodes[n], graph.runs[n], graph.sources[n], graph.targets[n])


def _region_step(graph: Graph, region: Region) -> Step:
    run = region_run(graph, region, Program)
    return Step(graph.nodes[min(region.boundary)], run, region.inputs, region.outputs)


def _silu(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    return (F.silu(inputs[0]),)


def _with_silu(steps: list[Step], outputs: list[int]) -> tuple[list[Step], frozenset[int]]:
    """x · sigmoid(x) as one pass over memory, as PyTorch runs it, where nothing else reads the sigmoid.

    Returns the steps and the slots that are no longer written.
    """
    readers: dict[int, int] = dict.fromkeys(outputs, 1)
    for slot in (slot for step in steps for slot in step.inputs):
        readers[slot] = readers.get(slot, 0) + 1
    sigmoids = {step.outputs[0]: step.inputs[0] for step in steps if _is(step, "ACTIVATION", "type", "SIGMOID")}
    hidden = set()
    kept = []
    for step in steps:
        if _is(step, "ELEMENTWISE", "op", "PROD"):
            for x, gate in (step.inputs, step.inputs[::-1]):
                if sigmoids.get(gate) == x and readers[gate] == 1:
                    hidden.add(gate)
                    step = Step(step.node, _silu, (x,), step.outputs)
                    break
        kept.append(step)
    return [step for step in kept if not hidden.issuperset(step.outputs) or not step.outputs], frozenset(hidden)


def _is(step: Step, kind: str, attribute: str, value: str) -> bool:
    return step.node.kind == kind and getattr(step.node.layer, attribute).name == value
