"""Architectures as lists of [from, number, block, arguments]: how YOLO checkpoints describe themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import wtsnet.blocks.yolo  # noqa: F401  # registers the blocks that the lists name
from wtsnet.errors import ModelError, nearest
from wtsnet.ops import ACTIVATIONS, silu
from wtsnet.registry import find_block

if TYPE_CHECKING:
    from collections.abc import Callable

    from wtsnet.network import Scope, Tensor

_LITERALS = {"None": None, "True": True, "False": False}


@dataclass(frozen=True)
class Row:
    """One layer: whose outputs it takes (-1 is the layer before), repeats, block name, arguments."""

    sources: tuple[int, ...]
    number: int
    block: str
    args: tuple[Any, ...]


@dataclass(frozen=True)
class Architecture:
    """What the lists of a checkpoint say. The last row is the head.

    Attributes:
        rows: one a layer; layer i's weights are called `model.i.…`.
        depth, width: the multipliers of repeats and channels.
        anchors: (w, h, w, h, …) in input pixels for each level; empty where the lists do not tell.
        classes: number of classes.
        activation: adds the activation of every convolution block.
    """

    rows: tuple[Row, ...]
    depth: float
    width: float
    anchors: tuple[tuple[float, ...], ...]
    classes: int
    activation: Callable[[Scope, Tensor], Tensor] = silu

    @classmethod
    def read(cls, facts: Mapping[str, Any], where: str) -> Architecture:
        """From a mapping with `backbone`, `head`, `nc`, and optionally `anchors`, `depth_multiple`,
        `width_multiple`, `activation`; `where` is what errors call it.

        Raises:
            ModelError: a key is missing or a row is malformed.
        """
        for key in ("backbone", "head", "nc"):
            if key not in facts:
                raise ModelError(f"{where}: no {key!r} in the architecture{nearest(key, map(str, facts))}")
        lists = [*facts["backbone"], *facts["head"]]
        rows = tuple(_row(row, i, where) for i, row in enumerate(lists))
        anchors = facts.get("anchors")
        return cls(
            rows=rows,
            depth=float(facts.get("depth_multiple", 1.0)),
            width=float(facts.get("width_multiple", 1.0)),
            anchors=tuple(tuple(map(float, level)) for level in anchors) if isinstance(anchors, Sequence) else (),
            classes=int(facts["nc"]),
            activation=_activation(facts.get("activation"), where),
        )


def layers(s: Scope, x: Tensor, architecture: Architecture, values_per_anchor: int) -> tuple[Row, list[Tensor]]:
    """Add every layer but the head; gives the head's row and its inputs.

    `values_per_anchor`, times the anchors, is the one number of channels that is never scaled by the width.
    """
    outputs: list[Tensor] = []
    for i, row in enumerate(architecture.rows):
        inputs = [_source(source, i, outputs, x) for source in row.sources]
        if i == len(architecture.rows) - 1:
            return row, inputs
        outputs.append(_layer(s / i, row, inputs, i, architecture, values_per_anchor))
    raise ModelError("architecture: found no layers, expected at least a head")


def _layer(
    s: Scope, row: Row, inputs: list[Tensor], i: int, architecture: Architecture, values_per_anchor: int
) -> Tensor:
    where = f"architecture row {i}"
    block = find_block(row.block, where)
    if len(inputs) != 1 and not block.many:
        raise ModelError(f"{where}: {row.block} takes one input, found {len(inputs)}")
    args = list(row.args)
    number = max(round(row.number * architecture.depth), 1) if row.number > 1 else row.number
    extra: dict[str, Any] = {}
    if block.scaled:
        if not args or not isinstance(args[0], int):
            raise ModelError(f"{where}: {row.block}: found arguments {args}, expected a number of channels first")
        if args[0] != values_per_anchor:
            args[0] = math.ceil(args[0] * architecture.width / 8) * 8
        extra["act"] = architecture.activation
    if block.deep:
        args.insert(1, number)
        number = 1
    x: Any = inputs if block.many else inputs[0]
    try:
        if number == 1:
            return block.function(s, x, *args, **extra)  # type: ignore[no-any-return]  # blocks return tensors
        for j in range(number):
            x = block.function(s / j, x, *args, **extra)
    except TypeError as error:
        raise ModelError(f"{where}: {row.block} does not take the arguments {row.args} ({error})") from None
    return s.net.record(s.path, x)


def _source(source: int, i: int, outputs: list[Tensor], x: Tensor) -> Tensor:
    if source == -1 and i == 0:
        return x
    if not -i <= source < i:
        raise ModelError(f"architecture row {i}: found source {source}, expected a layer before it")
    return outputs[source]


def _row(row: Any, i: int, where: str) -> Row:
    if not isinstance(row, Sequence) or len(row) != 4:
        raise ModelError(f"{where}: architecture row {i}: found {row!r}, expected [from, number, block, arguments]")
    source, number, block, args = row
    sources = (source,) if isinstance(source, int) else tuple(source)
    return Row(sources, int(number), str(block), tuple(_LITERALS.get(a, a) if isinstance(a, str) else a for a in args))


def _activation(text: Any, where: str) -> Callable[[Scope, Tensor], Tensor]:
    """The activation that the lists spell as Python, such as `nn.LeakyReLU(0.1)`."""
    if not text:
        return silu
    name, _, rest = str(text).removeprefix("torch.").removeprefix("nn.").partition("(")
    if name not in ACTIVATIONS:
        raise ModelError(f"{where}: unknown activation {text!r}{nearest(name, ACTIVATIONS)}")
    op = ACTIVATIONS[name]
    numbers = [
        float(part.split("=")[-1]) for part in rest.rstrip(")").split(",") if part.strip() and "inplace" not in part
    ]
    return (lambda s, x: op(s, x, *numbers)) if numbers else op
