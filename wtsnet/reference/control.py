"""Loops and conditionals: regions of the network that one step executes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from wtsnet.errors import RunnerError
from wtsnet.reference.graph import Graph
from wtsnet.reference.registry import Run, failure, refusal


@dataclass
class Region:
    """A loop or a conditional: its boundary nodes, all its nodes, and the slots that enter and leave it."""

    boundary: set[int]
    nodes: set[int]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Runnable(Protocol):
    """What a region's inside is compiled to."""

    inputs: list[int]

    def run(self, given: Sequence[Tensor]) -> list[Tensor]: ...


Assemble = Callable[[Graph, "set[int]", Sequence[int], Sequence[int]], Runnable]

_ENTRIES = frozenset(("RECURRENCE", "ITERATOR", "CONDITIONAL_INPUT"))
_EXITS = frozenset(("LOOP_OUTPUT", "CONDITIONAL_OUTPUT"))


def regions(graph: Graph, nodes: set[int]) -> list[Region]:
    """The outermost regions among `nodes`.

    Inside is what depends on an entry of the region and does not come through one of its exits; all else is
    the same in every iteration, or harmless in the branch not taken, and runs once, outside.
    """
    ids = {graph.region_of[n] for n in nodes if n in graph.region_of}
    if not ids:
        return []
    consumers = graph.consumers()
    found = []
    for region in ids:
        boundary = graph.boundary(region)
        exits = {n for n in boundary if graph.nodes[n].kind in _EXITS}
        inside = graph.closure(boundary, consumers, nodes, stop=exits) | boundary
        found.append((boundary, inside))
    outermost = [(b, i) for b, i in found if not any(i < other for _, other in found)]
    return [_region(graph, boundary, inside) for boundary, inside in outermost]


def _region(graph: Graph, boundary: set[int], inside: set[int]) -> Region:
    written = {slot for n in inside for slot in graph.targets[n]}
    read = {slot for n in inside for slot in graph.sources[n]}
    exits = [n for n in sorted(boundary) if graph.nodes[n].kind in _EXITS]
    return Region(
        boundary=boundary,
        nodes=inside,
        inputs=tuple(sorted(read - written)),
        outputs=tuple(graph.targets[n][0] for n in exits),
    )


def region_run(graph: Graph, region: Region, assemble: Assemble) -> Run:
    """The closure that executes a region from its inputs to its outputs."""
    kinds = {graph.nodes[n].kind for n in region.boundary}
    conditional = any(kind.startswith("CONDITION") for kind in kinds)
    return (_conditional if conditional else _loop)(graph, region, assemble)


def _of(graph: Graph, region: Region, kind: str) -> list[int]:
    return [n for n in sorted(region.boundary) if graph.nodes[n].kind == kind]


def _part(
    graph: Graph,
    region: Region,
    wanted: Sequence[int],
    given: set[int],
    assemble: Assemble,
    also: Sequence[int] = (),
) -> Runnable:
    """What computes the `wanted` slots inside the region from the `given` ones, and the nodes `also`."""
    inner = region.nodes - region.boundary
    start = [graph.makers[slot] for slot in wanted if slot in graph.makers]
    nodes = graph.closure([*start, *also], graph.producers(), inner, stop=set())
    read = {slot for n in nodes for slot in graph.sources[n]} | set(wanted)
    return assemble(graph, nodes, sorted(given & read), wanted)


def _assertions(graph: Graph, region: Region) -> list[int]:
    """The nodes inside the region that no value depends on and that count nevertheless."""
    return [n for n in sorted(region.nodes) if graph.nodes[n].kind == "ASSERTION"]


def _conditional(graph: Graph, region: Region, assemble: Assemble) -> Run:
    """Executes the branch that the condition picks, and only that one."""
    for n in _assertions(graph, region):
        raise refusal(graph.nodes[n], "it is inside of a conditional, and the network does not say of which branch")
    (condition,) = (graph.sources[n][0] for n in _of(graph, region, "CONDITION"))
    entries = {graph.targets[n][0]: graph.sources[n][0] for n in _of(graph, region, "CONDITIONAL_INPUT")}
    exits = _of(graph, region, "CONDITIONAL_OUTPUT")
    given = set(region.inputs) | set(entries)
    branches = [_part(graph, region, [graph.sources[n][side] for n in exits], given, assemble) for side in (0, 1)]

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        values = dict(zip(region.inputs, inputs, strict=True))
        values.update((inner, values[outer]) for inner, outer in entries.items())
        branch = branches[0 if bool(values[condition]) else 1]
        return branch.run([values[slot] for slot in branch.inputs])

    return run


def _loop(graph: Graph, region: Region, assemble: Assemble) -> Run:
    """Iterates until the trip count is reached or the condition, tested before each iteration, fails."""
    limits: dict[str, int] = {
        graph.nodes[n].layer.kind.name: graph.sources[n][0] for n in _of(graph, region, "TRIP_LIMIT")
    }
    recurrences = {graph.targets[n][0]: graph.sources[n] for n in _of(graph, region, "RECURRENCE")}
    count_slot = limits.get("COUNT")
    iterators = [_Iterator(graph, n, count_slot is not None) for n in _of(graph, region, "ITERATOR")]
    exits = [_Exit(graph, n, recurrences) for n in _of(graph, region, "LOOP_OUTPUT")]
    given = {*region.inputs, *recurrences, *(iterator.target for iterator in iterators)}
    nexts = [sources[1] for sources in recurrences.values()]
    wanted = [*nexts, *(e.source for e in exits)]
    body = _part(graph, region, wanted, given, assemble, _assertions(graph, region))
    test = _part(graph, region, [limits["WHILE"]], given, assemble) if "WHILE" in limits else None
    if not limits:
        raise RunnerError(f"{graph.nodes[min(region.boundary)]}: its loop has no trip limit")

    def elements(step: int, count: int | None, outside: dict[int, Tensor], wanted: list[int]) -> dict[int, Tensor]:
        return {i.target: i.element(outside[i.source], step, count) for i in iterators if i.target in wanted}

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        outside = dict(zip(region.inputs, inputs, strict=True))
        count = None if count_slot is None else int(outside[count_slot])
        state = {slot: outside[sources[0]] for slot, sources in recurrences.items()}
        made: list[list[Tensor]] = [[] for _ in exits]
        step = 0
        while count is None or step < count:
            values = {**outside, **state}
            if test is not None:
                values.update(elements(step, count, outside, test.inputs))
                if not bool(test.run([values[slot] for slot in test.inputs])[0]):
                    break
            values.update(elements(step, count, outside, body.inputs))
            results = body.run([values[slot] for slot in body.inputs])
            state = dict(zip(recurrences, results, strict=False))
            for exit_, values_made, result in zip(exits, made, results[len(nexts) :], strict=True):
                exit_.collect(values_made, result)
            step += 1
        return [exit_.value(values_made, state, outside) for exit_, values_made in zip(exits, made, strict=True)]

    return run


class _Iterator:
    """What makes the slices of a tensor along an axis, one an iteration, from the first or (reverse) from the last."""

    def __init__(self, graph: Graph, n: int, counted: bool) -> None:
        self.node, layer = graph.nodes[n], graph.nodes[n].layer
        (self.source,), (self.target,) = graph.sources[n], graph.targets[n]
        self.axis: int = layer.axis
        self.reverse: bool = layer.reverse
        if self.reverse and not counted:
            raise RunnerError(f"{self.node}: it runs in reverse, and its loop has no trip limit of kind COUNT")

    def element(self, x: Tensor, step: int, count: int | None) -> Tensor:
        index = count - 1 - step if self.reverse and count is not None else step
        if index >= x.shape[self.axis]:
            raise failure(self.node, f"iteration {step} reads index {index} of axis {self.axis}", [x])
        return x.select(self.axis, index)


class _Exit:
    """One loop output: the last value, or all values stacked along a new axis."""

    def __init__(self, graph: Graph, n: int, recurrences: dict[int, Any]) -> None:
        self.node, layer = graph.nodes[n], graph.nodes[n].layer
        self.kind: str = layer.kind.name
        self.axis: int = layer.axis
        self.source = graph.sources[n][0]
        self.length = graph.sources[n][1] if self.kind != "LAST_VALUE" else None
        self.recurrent = self.source in recurrences

    def collect(self, made: list[Tensor], result: Tensor) -> None:
        if self.kind == "LAST_VALUE":
            made.clear()
        made.append(result)

    def value(self, made: list[Tensor], state: dict[int, Tensor], outside: dict[int, Tensor]) -> Tensor:
        """A recurrence's last value is the one that the next iteration would have started from."""
        if self.kind == "LAST_VALUE":
            if self.recurrent:
                return state[self.source]
            if not made:
                raise RunnerError(f"{self.node}: no last value: the loop made no iteration")
            return made[0]
        length = int(outside[self.length]) if self.length else len(made)
        device = self.node.device
        if not made:
            shape = [max(extent, 0) for extent in self.node.outputs[0].shape]
            shape[self.axis] = length
            return torch.zeros(shape, dtype=self.node.dtype(), device=device)
        if len(made) > length:
            raise failure(self.node, f"{len(made)} iterations in an output of length {length}", made[:1])
        blank = torch.zeros_like(made[0])
        made = made + [blank] * (length - len(made))  # iterations that a condition cut off
        return torch.stack(made[::-1] if self.kind == "REVERSE" else made, self.axis)
