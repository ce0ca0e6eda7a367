"""Architectures as lists of [from, number, block, arguments]: how YOLO checkpoints describe themselves."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from wtsnet.definition import find_block
from wtsnet.errors import ModelError, nearest
from wtsnet.network import module
from wtsnet.ops import ACTIVATIONS, prelu, silu

if TYPE_CHECKING:
    from collections.abc import Callable

    from wtsnet.definition import Block
    from wtsnet.network import Scope, Tensor

_CALL = re.compile(r"(?:torch\.)?(?:nn\.)?(\w+)(?:\((.*)\))?")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?")
# What the activations with numbers call the first of them, in torch.nn.
_FIRST = {"negative_slope", "alpha", "beta", "lambd", "min_val", "num_parameters", "lower", "dim"}
_LITERALS = {"None": None, "True": True, "False": False}
# Lists with one of these have the classification branches that YOLO11 brought, and no others.
_LATER = {"C3k2", "A2C2f", "C2fCIB", "v10Detect"}


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
        most: no width is more than this times `width`.
        scale: the size's letter, where the lists have several sizes.
        anchors: (w, h, w, h, …) in input pixels for each level; empty where the lists do not tell.
        anchors_a_level: how many there are; 0 for heads that have none.
        classes: number of classes; -1 for as many as the weights have.
        activation: adds the activation of every convolution block.
        reg_max: bins of the box distribution.
        end2end: whether the head's one-to-one branch is what counts, as in YOLO26; None where the lists do not tell.
        kpt_shape: key points, and values of each; None where the lists do not tell.
        channels: of the input.
        yolov5: whether names mean what they do in the yolov5 package.
    """

    rows: tuple[Row, ...]
    depth: float
    width: float
    anchors: tuple[tuple[float, ...], ...]
    classes: int
    activation: Callable[..., Tensor] = silu
    most: float = math.inf
    scale: str = ""
    anchors_a_level: int = 0
    reg_max: int = 16
    end2end: bool | None = None
    kpt_shape: tuple[int, int] | None = None
    channels: int = 3
    yolov5: bool = False

    @classmethod
    def read(cls, facts: Mapping[str, Any], where: str) -> Architecture:
        """From a mapping with `backbone`, `head`, `nc`, and optionally `depth_multiple` and `width_multiple`, or
        `scales` (by letter: depth, width, most channels) and `scale`; `anchors`, `activation`, `reg_max`, `end2end`,
        `kpt_shape`, `channels` or `ch`, `yolov5`. `where` is what errors call it.

        Raises:
            ModelError: a key is missing or a row is malformed.
        """
        for key in ("backbone", "head", "nc"):
            if key not in facts:
                raise ModelError(f"{where}: no {key!r} in the architecture{nearest(key, map(str, facts))}")
        lists = [row for part in ("backbone", "head") for row in _checked(facts[part], list, f"{where}: {part}")]
        anchors = facts.get("anchors")
        levels = _anchors(anchors, f"{where}: anchors") if isinstance(anchors, list) else ()
        depth, width, most, scale = _scaling(facts, where)
        shape = facts.get("kpt_shape")
        if shape is not None and (len(_checked(shape, list, f"{where}: kpt_shape")) != 2 or shape[1] not in (2, 3)):
            raise ModelError(f"{where}: kpt_shape: found {shape}, expected [key points, 2 or 3]")
        return cls(
            rows=tuple(_row(row, f"{where}: architecture row {i}") for i, row in enumerate(lists)),
            depth=depth,
            width=width,
            anchors=levels,
            classes=_checked(facts["nc"], int, f"{where}: nc"),
            activation=_activation(facts.get("activation"), where),
            most=most,
            scale=scale,
            anchors_a_level=len(levels[0]) // 2 if levels else anchors if isinstance(anchors, int) else 0,
            reg_max=_checked(facts.get("reg_max", 16), int, f"{where}: reg_max"),
            end2end=facts.get("end2end"),
            kpt_shape=None if shape is None else (shape[0], shape[1]),
            channels=_checked(facts.get("channels", facts.get("ch", 3)), int, f"{where}: channels"),
            yolov5=bool(facts.get("yolov5", anchors)),
        )

    @property
    def legacy(self) -> bool:
        """Whether classification branches are of plain convolutions, as in the releases up to YOLOv9."""
        return not any(row.block in _LATER for row in self.rows)

    @property
    def eps(self) -> float | None:
        """Of the batch norms, where it is not what the blocks have: classifiers of the ultralytics package are made
        without the step that changes PyTorch's."""
        return 1e-5 if self.rows and self.rows[-1].block == "Classify" and not self.yolov5 else None

    def channels_of(self, width: int) -> int:
        """A width of the lists, scaled and rounded up to a multiple of 8.

        That of a detection head's own output is not scaled, where an architecture with anchors has it in its rows.
        """
        if self.anchors_a_level and width == self.anchors_a_level * (self.classes + 5):
            return width
        return math.ceil(min(width, self.most) * self.width / 8) * 8

    def repeats(self, number: int) -> int:
        """A number of repeats of the lists, scaled."""
        return max(round(number * self.depth), 1) if number > 1 else number

    def resolved(self, args: Sequence[Any]) -> list[Any]:
        """Arguments, with the numbers that they call by name."""
        named = {
            "nc": self.classes,
            "anchors": self.anchors,
            "kpt_shape": self.kpt_shape,
            "reg_max": self.reg_max,
            "end2end": self.end2end,
        }
        return [named.get(arg, arg) if isinstance(arg, str) else arg for arg in args]


def layers(s: Scope, x: Tensor, architecture: Architecture) -> list[Any]:
    """Add every layer but the head; gives the inputs of the head: a Tensor for each of its sources, or, from a block
    that gives several, a list."""
    outputs: list[Any] = []
    last = len(architecture.rows) - 1
    for i, row in enumerate(architecture.rows):
        inputs = [_source(source, i, outputs, x) for source in row.sources]
        if i == last:
            return inputs
        outputs.append(_layer(s / i, row, inputs, i, architecture))
    raise ModelError("architecture: found no layers, expected at least a head")


def _layer(s: Scope, row: Row, inputs: list[Any], i: int, architecture: Architecture) -> Any:
    where = f"architecture row {i}"
    block = find_block(row.block, where)
    if len(inputs) != 1 and not block.many:
        raise ModelError(f"{where}: {row.block} takes one input, found {len(inputs)}")
    args = architecture.resolved(row.args)
    number = architecture.repeats(row.number)
    if block.scaled:
        if not args or not isinstance(args[0], int):
            raise ModelError(f"{where}: {row.block}: found arguments {args}, expected a number of channels first")
        args[0] = architecture.channels_of(args[0])
    if block.deep:
        args.insert(int(block.deep), number)
        number = 1
    extra = _context(block, architecture)
    x: Any = inputs if block.many else inputs[0]
    try:
        if number == 1:
            return block.function(s, x, *args, **extra)
        return _repeated(s, x, number, lambda s, x: block.function(s, x, *args, **extra))
    except TypeError as error:
        raise ModelError(f"{where}: {row.block} does not take the arguments {row.args} ({error})") from None


@module
def _repeated(s: Scope, x: Any, number: int, inner: Callable[[Scope, Any], Any]) -> Any:
    for i in range(number):
        x = inner(s / i, x)
    return x


def _context(block: Block, architecture: Architecture) -> dict[str, Any]:
    """What a block asks for by the names of its keyword-only parameters: `act` is the architecture's activation, `arch`
    the architecture."""
    known = {"act": architecture.activation, "arch": architecture}
    return {name: known[name] for name in block.keywords if name in known}


def _source(source: int, i: int, outputs: list[Any], x: Tensor) -> Any:
    if source == -1 and i == 0:
        return x
    if not -i <= source < i:
        raise ModelError(f"architecture row {i}: found source {source}, expected a layer before it")
    return outputs[source]


def _scaling(facts: Mapping[str, Any], where: str) -> tuple[float, float, float, str]:
    """Depth, width, the most channels, and the letter. Of several sizes, the first where no letter is given."""
    scales = facts.get("scales")
    scale = str(facts.get("scale") or "")
    if not scales:
        depth, width = (
            _number(facts.get(f"{name}_multiple", 1.0), f"{where}: {name}_multiple") for name in ("depth", "width")
        )
        return depth, width, math.inf, scale
    known = {str(letter): row for letter, row in _checked(scales, dict, f"{where}: scales").items()}
    letter = scale or next(iter(known))
    if letter not in known:
        raise ModelError(f"{where}: scale: found {scale!r}, expected one of {', '.join(known)}")
    row = _checked(known[letter], list, f"{where}: scales: {letter}")
    if len(row) != 3:
        raise ModelError(f"{where}: scales: {letter}: found {row}, expected [depth, width, most channels]")
    depth, width, most = (_number(value, f"{where}: scales: {letter}") for value in row)
    return depth, width, most, letter


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
_CALLED = {list: "a list", int: "an integer", float: "a number", dict: "a mapping"}


def _checked(value: Any, kind: type[_T], where: str) -> _T:
    if not isinstance(value, kind):
        raise ModelError(f"{where}: found {value!r}, expected {_CALLED[kind]}")
    return value


def _activation(text: Any, where: str) -> Callable[..., Tensor]:
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
    if not numbers:
        return op
    # PReLU's own argument comes behind a scope.
    return partial(op, num_parameters=numbers[0]) if op is prelu else lambda x: op(x, *numbers)
