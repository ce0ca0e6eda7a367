"""The tasks: those that are known, and the decoders that users register for theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from wtsnet.decode.detectors import Outputs
from wtsnet.errors import ModelError

if TYPE_CHECKING:
    from wtsnet.decode.classes import Names
    from wtsnet.pictures import Placement

TASKS = ("classify", "detect", "segment", "pose", "obb", "semantic", "lanes")
"""The tasks whose outputs wtsnet itself can read."""


@dataclass(frozen=True)
class Seen:
    """What a decoder is told of what the network has seen.

    Attributes:
        names: of the classes, by index; None where none are known.
        facts: what the model told of its outputs: `decode` of the plan's manifest.
        place: where the picture lies in the input, to move points and boxes to its own pixels (`place.to_source`,
            `place.points_to_source`); None where the input was no picture, or it lies nowhere.
        size: height and width of the input in pixels; None where it was no picture.
        conf, iou, limit: what the user asked for; None where nothing.
    """

    names: Names | None
    facts: Mapping[str, Any]
    place: Placement | None = None
    size: tuple[int, int] | None = None
    conf: float | None = None
    iou: float | None = None
    limit: int | None = None


Function = Callable[[Outputs, Seen], Any]
F = TypeVar("F", bound=Function)
_DECODERS: dict[str, Function] = {}


def decoder(task: str) -> Callable[[F], F]:
    """Register what makes results for models of `task`: a function of the outputs of one picture, or of one row of a
    batch (arrays by name, without the batch axis), and of a `Seen`.

    What it gives is a result of any kind. `wtsnet run` prints its `str`; `--json` takes its `to_dict()`, where it has
    that, a dataclass's fields, or plain data as it is; it is drawn by its `plot(picture)`, which takes and gives
    (height, width, 3) uint8 RGB, where it has that.

    Raises:
        ModelError: a task that wtsnet itself reads.
    """
    if task in TASKS:
        raise ModelError(f"decoder: found the task {task!r}, which wtsnet reads itself; choose another name")

    def register(function: F) -> F:
        _DECODERS[task] = function
        return function

    return register


def decoders() -> Mapping[str, Function]:
    """The registered decoders by task."""
    return _DECODERS


@contextmanager
def collected() -> Iterator[dict[str, Function]]:
    """Give a mapping that holds, after the block, the decoders which were registered in it, and by it alone."""
    others, own = dict(_DECODERS), dict[str, Function]()
    _DECODERS.clear()
    try:
        yield own
        own.update(_DECODERS)
    finally:
        _DECODERS.clear()
        _DECODERS.update(others)
