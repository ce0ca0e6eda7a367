"""The last row of an architecture's lists: what makes a network's outputs of the layers before it.

    @head("MyDetect")
    def my_detect(s: Scope, xs: list[Tensor], call: HeadCall, classes: int, *args) -> dict[str, Tensor]: ...

A head says in `call.kind` what leaves the network: "raw" the maps of each level as they come from its convolutions,
"decoded" what upstream's module gives at inference, in upstream's layout, "topk" the best candidates alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias

from wtsnet.errors import ModelError, nearest
from wtsnet.network import Scope, Tensor, module

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wtsnet.blocks.yolo.lists import Architecture, Row
    from wtsnet.network import Network

P = ParamSpec("P")
Head: TypeAlias = Callable[Concatenate[Scope, P], dict[str, Tensor]]
KINDS = ("topk", "decoded", "raw")
_HEADS: dict[str, Head[...]] = {}


@dataclass(frozen=True)
class HeadCall:
    """What is asked of a head.

    Attributes:
        architecture: whose last row it is.
        kind: "raw", "decoded" or "topk".
        k: how many candidates "topk" gives, at most.
        strides: for each level, the input pixels between its cells.
    """

    architecture: Architecture
    kind: str
    k: int
    strides: tuple[int, ...]

    @property
    def act(self) -> Callable[..., Tensor]:
        """The activation of its convolution blocks."""
        return self.architecture.activation

    def most(self, net: Network, a_cell: int = 1) -> int:
        """How many candidates "topk" gives: `k`, or as many as the smallest picture has, with `a_cell` in each cell."""
        return min(self.k, self.cells(net) * a_cell)

    def cells(self, net: Network) -> int:
        """How many the smallest picture has, over all levels."""
        height, width = net.picture_sizes()[0]
        return sum((height // stride) * (width // stride) for stride in self.strides)

    def tell(self, s: Scope, task: str, kind: str, classes: int, **more: Any) -> None:
        """Put into the network's facts what decoding must know: `kind` names the layout of the raw maps."""
        known = {"kind": kind, "task": task, "head": self.kind, "classes": classes, "strides": list(self.strides)}
        s.net.facts["decode"] = known | more

    def raw(self, s: Scope, levels: Sequence[Tensor]) -> dict[str, Tensor]:
        """The raw maps by name: `p3` is the one of stride 8."""
        names = [f"p{stride.bit_length() - 1}" for stride in self.strides]
        if len(set(names)) < len(names):
            raise s.error(f"strides: found {list(self.strides)}, expected one map for each power of two")
        return dict(zip(names, levels, strict=True))


def head(name: str, *, package: str = "") -> Callable[[Head[P]], Head[P]]:
    """Register a head: `function(scope, inputs, call, *args)`, which gives the outputs by name and calls `call.tell`.

    Its layers are named after its scope. What PyTorch's module gives, it notes itself: `y.named(s)`, `y.named(s[0])`.

    Args:
        name: what the lists call it.
        package: "yolov5" for one that only lists of that package mean by the name.
    """

    def register(function: Head[P]) -> Head[P]:
        inside = module(function)
        _HEADS[f"{package}:{name}"] = inside
        return inside

    return register


def add_head(s: Scope, inputs: Sequence[Tensor], call: HeadCall) -> Mapping[str, Tensor]:
    """The outputs by name of the head that the architecture's last row names.

    Raises:
        ModelError: there is no such head, or it does not take these arguments.
    """
    architecture = call.architecture
    row = architecture.rows[-1]
    function = _find(row, len(architecture.rows) - 1, architecture)
    try:
        return function(s, inputs, call, *architecture.resolved(row.args))
    except TypeError as error:
        where = f"architecture row {len(architecture.rows) - 1}"
        raise ModelError(f"{where}: {row.block} does not take the arguments {row.args} ({error})") from None


def _find(row: Row, index: int, architecture: Architecture) -> Head[...]:
    for package in ("yolov5:" if architecture.yolov5 else ":", ":"):
        if function := _HEADS.get(package + row.block):
            return function
    known = sorted({name.partition(":")[2] for name in _HEADS})
    raise ModelError(
        f"architecture row {index}: found {row.block!r}, expected a head as the last row{nearest(row.block, known)} "
        f'({", ".join(known)}); register it with @wtsnet.blocks.heads.head("{row.block}")'
    )


def classes_of(s: Scope, name: str, told: int) -> int:
    """The number of classes: `told`, or where that is -1, how many biases the convolution at `name` has."""
    return told if told != -1 else len((s / name).take("bias", -1))
