"""The network as nodes and numbered tensors ("slots"): read once, executed many times."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from wtsnet.reference.readback import Node, TensorSpec, spec_of
from wtsnet.reference.registry import BOUNDARIES, Run, compiled
from wtsnet.trt import LayerView, view

ABSENT = 0
"""The slot of an optional input that is not connected."""


class Graph:
    """Every layer of an INetworkDefinition, compiled, and how they are wired.

    `sources[n]` and `targets[n]` are the slots that node n reads and writes; `specs[slot]` describes a slot;
    `makers[slot]` is the node that writes it; `values` holds the constants; `region_of[n]` is the loop or
    conditional that node n is a boundary of.

    Python wrappers of the same ITensor or ILoop are the same object as long as one of them is alive, so slots
    are found by identity, and the wrappers are kept. Names would not do: two tensors may carry the same one.
    """

    def __init__(self, network: Any, device: torch.device) -> None:
        self._kept: list[Any] = [network]  # first, where slot ABSENT would be: who drops it drops the weights
        self._slots: dict[int, int] = {}
        self.specs: list[TensorSpec] = [TensorSpec("", (), "float32")]
        self.nodes: list[Node] = []
        self.sources: list[tuple[int, ...]] = []
        self.targets: list[tuple[int, ...]] = []
        self.region_of: dict[int, int] = {}
        self.runs: list[Run] = []
        self.inputs = [self._slot(network.get_input(i)) for i in range(network.num_inputs)]
        for i in range(network.num_layers):
            self._read(view(network, i), i, device)
        self.outputs = [self._slot(network.get_output(i)) for i in range(network.num_outputs)]
        self.makers = {slot: n for n, slots in enumerate(self.targets) for slot in slots}
        self.values: list[Tensor] = [torch.empty(0)] * len(self.specs)
        self.constants = {n for n, node in enumerate(self.nodes) if node.kind == "CONSTANT"}
        for n in self.constants:
            (self.values[self.targets[n][0]],) = self.runs[n](())

    def _slot(self, tensor: Any) -> int:
        if tensor is None:
            return ABSENT
        if id(tensor) not in self._slots:
            self._slots[id(tensor)] = len(self._kept)
            self._kept.append(tensor)
            self.specs.append(spec_of(tensor))
        return self._slots[id(tensor)]

    def _read(self, layer: LayerView, index: int, device: torch.device) -> None:
        kind = layer.layer_type
        sources = tuple(self._slot(layer.get_input(i)) for i in range(layer.num_inputs))
        targets = tuple(self._slot(layer.get_output(i)) for i in range(layer.num_outputs))
        node = Node(
            name=layer.name,
            kind=kind,
            layer=layer,
            inputs=tuple(self.specs[s] if s else None for s in sources),
            outputs=tuple(self.specs[s] for s in targets),
            device=device,
        )
        if kind in BOUNDARIES:
            region = layer.conditional if kind.startswith("CONDITION") else layer.loop
            self._kept.append(region)
            self.specs.append(self.specs[ABSENT])
            self.region_of[index] = id(region)
        self.nodes.append(node)
        self.sources.append(sources)
        self.targets.append(targets)
        self.runs.append(_nothing if kind in BOUNDARIES else compiled(node))

    def boundary(self, region: int) -> set[int]:
        """The boundary nodes of a region."""
        return {n for n, r in self.region_of.items() if r == region}

    def closure(self, start: Iterable[int], links: list[list[int]], within: set[int], stop: set[int]) -> set[int]:
        """The nodes that `links` lead to from `start`, not passing through `stop`.

        A region that is reached at one of its boundary nodes is reached at all of them.
        """
        reached: set[int] = set()
        pending = list(start)
        while pending:
            n = pending.pop()
            if n in reached or n not in within:
                continue
            reached.add(n)
            if n in stop:
                continue
            pending += links[n]
            if n in self.region_of:
                pending += self.boundary(self.region_of[n])
        return reached

    def consumers(self) -> list[list[int]]:
        """For each node, the nodes that read what it writes."""
        links: list[list[int]] = [[] for _ in self.nodes]
        for n, slots in enumerate(self.sources):
            for slot in slots:
                if slot in self.makers:
                    links[self.makers[slot]].append(n)
        return links

    def producers(self) -> list[list[int]]:
        """For each node, the nodes that write what it reads."""
        return [[self.makers[slot] for slot in slots if slot in self.makers] for slots in self.sources]


def _nothing(inputs: object) -> tuple[Tensor, ...]:
    raise AssertionError("a boundary layer is executed by its region")
