"""What models take: pictures, or inputs of any rank and dtype; and how these become inputs of a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wtsnet.definition.axes import Axes, size_range
from wtsnet.definition.pixels import KINDS, add_picture
from wtsnet.errors import ModelError, NetworkError, nearest
from wtsnet.network import as_dtype_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.definition.axes import Axis, Range, Shape
    from wtsnet.network import Network, Tensor


@dataclasses.dataclass(frozen=True)
class Image:
    """The input of a model that looks at pictures: (N, channels, height, width) float32.

    Attributes:
        channels: colours, in RGB order when 3; grey when 1.
        size: the usual height and width, in pixels.
        name: what the input is called.
        multiple: what height and width must be multiples of.
        preprocess: how a picture becomes the input, as `wtsnet.pictures.Preprocess` takes it.
    """

    channels: int = 3
    size: int | tuple[int, int] = 224
    name: str = "images"
    multiple: int = 1
    preprocess: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def axes(self, kind: str) -> dict[str, tuple[Axis, ...]]:
        """The axes of the input by its name: of prepared values, or of the pixels themselves."""
        return {self.name: ("N", self.channels, "H", "W") if kind == "float32" else ("N", "H", "W", self.channels)}

    def usual(self) -> dict[str, Range]:
        """The size of each axis that may be set, where it is not."""
        height, width = (self.size, self.size) if isinstance(self.size, int) else self.size
        return {"N": 1, "H": height, "W": width}


@dataclasses.dataclass(frozen=True)
class Input:
    """An input of a model that takes something else than one picture.

    Attributes:
        shape: of each axis its size; a name for one that is chosen at build ("N" is the batch; axes of one name have
            one size); or (min, opt, max) for one that may change between runs.
        dtype: such as "float32"; floats are cast to the precision of the network behind the input.
        sizes: of named axes, what they are where nothing else is said: a number or (min, opt, max). "N" is 1.

    Raises:
        ModelError: a size or a dtype that is none.
    """

    shape: Sequence[Axis]
    dtype: str = "float32"
    sizes: Mapping[str, Range] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "dtype", as_dtype_name(self.dtype))
        except NetworkError as error:
            raise ModelError(f"Input: {error}") from None
        if isinstance(self.shape, str) or not hasattr(self.shape, "__iter__"):
            raise ModelError(f'Input: found shape {self.shape!r}, expected sizes, as in ("N", 3, 64, 64)')
        shape = tuple(axis if isinstance(axis, str) else size_range("Input: shape", axis) for axis in self.shape)
        object.__setattr__(self, "shape", shape)
        for name, size in self.sizes.items():
            if name not in shape:
                raise ModelError(f"Input: sizes: unknown axis {name!r}{nearest(name, map(str, shape))}")
            size_range(f"Input: sizes of {name}", size)


Takes = Image | Mapping[str, Input]


def add_inputs(
    net: Network,
    model: str,
    takes: Takes,
    kind: str | None,
    preprocess: Mapping[str, Any],
    *,
    batch: Any,
    imgsz: Any,
    shapes: Mapping[str, Shape] | None,
) -> dict[str, Tensor]:
    """Add a model's inputs; gives by name what its function takes: floats in the network's precision, pixels prepared.

    Args:
        kind: what pictures come as (see `definition/pixels.py`); None for prepared values.
        preprocess: what is done to a picture.
        batch, imgsz, shapes: as for `wtsnet.define`.

    Raises:
        ModelError: a size that the model can't take, or a kind for one that takes no picture.
    """
    if not isinstance(takes, Image):
        if kind is not None:
            raise ModelError(f"input: found {kind!r}, expected none: {model} takes {', '.join(takes)}, not a picture")
        usual = {"N": 1, **{name: size for one in takes.values() for name, size in one.sizes.items()}}
        axes = Axes(model, {name: one.shape for name, one in takes.items()}, usual)
        sizes = _sized(axes, batch, imgsz, shapes)
        net.axes = {
            name: [axis if isinstance(axis, str) else "" for axis in one.shape]
            for name, one in takes.items()
            if any(isinstance(axis, str) for axis in one.shape)
        }
        return {name: _computed(net, net.input(name, sizes[name], one.dtype)) for name, one in takes.items()}
    kind = "float32" if kind is None else kind
    if kind not in KINDS:
        raise ModelError(f"input: found {kind!r}, expected one of {', '.join(KINDS)}{nearest(kind, KINDS)}")
    declared = takes.axes(kind)
    (own,) = _sized(Axes(model, declared, takes.usual()), batch, imgsz, shapes).values()
    for axis, size in zip(declared[takes.name], own, strict=True):
        _check_multiple(model, takes, axis, size)
    return {takes.name: net.compute(add_picture(net, takes.name, takes.channels, own, kind, preprocess))}


def _sized(axes: Axes, batch: Any, imgsz: Any, shapes: Mapping[str, Shape] | None) -> dict[str, list[Range]]:
    axes.set_shapes(shapes or {})
    if batch is not None:
        axes.set_batch(batch)
    if imgsz is not None:
        axes.set_imgsz(imgsz)
    return {
        name: [low if low == high else (low, opt, high) for low, opt, high in zip(*three, strict=True)]
        for name, three in axes.profile().items()
    }


def _check_multiple(model: str, image: Image, axis: Axis, size: Range) -> None:
    for pixels in (size,) if isinstance(size, int) else size:
        if axis in ("H", "W") and pixels % image.multiple:
            raise ModelError(f"imgsz: found {pixels}, expected a multiple of {image.multiple} for {model}")


def _computed(net: Network, x: Tensor) -> Tensor:
    return net.compute(x) if x.dtype in ("float32", "float16", "bfloat16") else x
