"""Architectures as lists of [from, number, block, arguments]: how YOLO checkpoints describe themselves."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import wtsnet.blocks.yolo  # noqa: F401  # registers the blocks that the lists name
from wtsnet.errors import ModelError, nearest
from wtsnet.ops import ACTIVATIONS, silu
from wtsnet.registry import find_block

if TYPE_CHECKING:
    from collections.abc import Callable

    from wtsnet.network import Scope, Tensor

_CALL = re.compile(r"(?:torch\.)?(?:nn\.)?(\w+)(?:\((.*)\))?")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?")
# What the activations with numbers call the first of them, in torch.nn.
_FIRST = {"negative_slope", "alpha", "beta", "lambd", "min_val", "num_parameters", "lower", "dim"}
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
        lists = [row for part in ("backbone", "head") for row in _checked(facts[part], list, f"{where}: {part}")]
        anchors = facts.get("anchors")
        return cls(
            rows=tuple(_row(row, f"{where}: architecture row {i}") for i, row in enumerate(lists)),
            depth=_number(facts.get("depth_multiple", 1.0), f"{where}: depth_multiple"),
            width=_number(facts.get("width_multiple", 1.0), f"{where}: width_multiple"),
            anchors=_anchors(anchors, f"{where}: anchors") if isinstance(anchors, list) else (),
            classes=_checked(facts["nc"], int, f"{where}: nc"),
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


def _row(row: Any, where: str) -> Row:
    if not isinstance(row, list) or len(row) != 4:
        raise ModelError(f"{where}: found {row!r}, expected [from, number, block, arguments]")
    source, number, block, args = row
    return Row(
        sources=tuple(
            _checked(one, int, f"{where}: from") for one in (source if isinstance(source, list) else [source])
        ),
        number=_checked(number, int, f"{where}: number"),
        block=str(block),
        args=tuple(
            _LITERALS.get(arg, arg) if isinstance(arg, str) else arg
            for arg in _checked(args, list, f"{where}: arguments")
        ),
    )


def _anchors(levels: Sequence[Any], where: str) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(_number(size, where) for size in _checked(level, list, where)) for level in levels)


def _number(value: Any, where: str) -> float:
    return float(value) if isinstance(value, int) else _checked(value, float, where)


_T = TypeVar("_T")
_CALLED = {list: "a list", int: "an integer", float: "a number"}


def _checked(value: Any, kind: type[_T], where: str) -> _T:
    if not isinstance(value, kind):
        raise ModelError(f"{where}: found {value!r}, expected {_CALLED[kind]}")
    return value


def _activation(text: Any, where: str) -> Callable[[Scope, Tensor], Tensor]:
    """The activation that the lists spell as Python, such as `nn.LeakyReLU(0.1)`."""
    if not text:
        return silu
    found = _CALL.fullmatch(str(text))
    name, arguments = found.groups("") if found else (str(text), "")
    if name not in ACTIVATIONS:
        raise ModelError(f"{where}: unknown activation {text!r}{nearest(name, ACTIVATIONS)}")
    numbers: list[float] = []
    for argument in filter(None, (part.strip() for part in arguments.split(","))):
        keyword, _, value = (part.strip() for part in argument.rpartition("="))
        if keyword == "inplace" or value in ("True", "False"):
            continue
        if not _NUMBER.fullmatch(value) or (keyword and (numbers or keyword not in _FIRST)):
            raise ModelError(f"{where}: activation {text!r}: found argument {argument!r}, expected numbers in order")
        numbers.append(float(value) if "." in value or "e" in value else int(value))
    op = ACTIVATIONS[name]
    return (lambda s, x: op(s, x, *numbers)) if numbers else op
