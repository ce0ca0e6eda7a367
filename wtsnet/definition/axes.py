"""Sizes of input axes, each a number or (min, opt, max), and which axis of the inputs of a model or file gets which."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

from wtsnet.errors import ModelError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Range = int | tuple[int, int, int]
    Axis = int | str | tuple[int, int, int]
    Shape = Sequence[int] | tuple[Sequence[int], Sequence[int], Sequence[int]]


def size_range(name: str, value: Any) -> Range:
    """A number, or (min, opt, max) with 1 ≤ min ≤ opt ≤ max."""
    sizes = tuple(value) if isinstance(value, tuple | list) else (value, value, value)
    try:
        low, opt, high = map(index, sizes)
    except (TypeError, ValueError):
        low, opt, high = 0, 0, 0
    if not 1 <= low <= opt <= high:
        raise ModelError(f"{name}: found {value!r}, expected a number or (min, opt, max) with 1 <= min <= opt <= max")
    return low if low == high else (low, opt, high)


def image_ranges(imgsz: Any) -> tuple[Range, Range]:
    """Height and width from a number, from (height, width), each a number or (min, opt, max), or from the three
    numbers (min, opt, max) of both."""
    pair = imgsz if isinstance(imgsz, tuple | list) and len(imgsz) == 2 else (imgsz, imgsz)
    height, width = (size_range("imgsz", size) for size in pair)
    return height, width


class Axes:
    """The axes of the inputs of a model or a file, to be set.

    Args:
        origin: the model or the file, for errors.
        inputs: of each input its axes by its name: a number for a fixed size; a name for one to be set, and axes of one
            name have one size; (min, opt, max) for one that may be set, and else is that; -1 for one without a name.
        usual: the sizes of named axes that are not set.

    Attributes:
        sizes: the size of each axis of each input; None for one that is not set yet.
    """

    def __init__(self, origin: str, inputs: Mapping[str, Sequence[Axis]], usual: Mapping[str, Range] | None = None):
        self.origin = origin
        self.declared = {name: tuple(shape) for name, shape in inputs.items()}
        self.usual = dict(usual or {})
        self.sizes: dict[str, list[Range | None]] = {
            name: [axis if _is_fixed(axis) else None for axis in shape]  # type: ignore[misc]  # then it is a number
            for name, shape in self.declared.items()
        }

    def set_shapes(self, shapes: Mapping[str, Shape]) -> None:
        """Set all axes of the named inputs.

        Raises:
            ModelError: there is no such input, or a shape contradicts the file.
        """
        for name, shape in shapes.items():
            if name not in self.sizes:
                known = ", ".join(self.sizes)
                raise ModelError(
                    f"{self.origin}: shape: unknown input {name!r}{nearest(name, self.sizes)} (it has {known})"
                )
            self._set("shape", name, dict(enumerate(self._ranges(name, shape))))

    def set_batch(self, batch: Any) -> None:
        """Set the axes called N, or where there are none the first axis of the inputs, where it is not set yet.

        Raises:
            ModelError: none is, and none has that size either.
        """
        size = size_range("batch", batch)
        named = self._named({"N": size})
        self._spread("batch", _text(size), named or {name: {0: size} for name in self.sizes if self.sizes[name]})

    def set_imgsz(self, imgsz: Any) -> None:
        """Set the axes called H and W, and of other inputs with four the last two, or those before the channels where
        these are last, where they are not set yet.

        Raises:
            ModelError: none is, and none has that size either.
        """
        height, width = image_ranges(imgsz)
        pictures = {name: _sides(shape, height, width) for name, shape in self.declared.items() if len(shape) == 4}
        wanted = pictures | self._named({"H": height, "W": width})
        self._spread("imgsz", f"{_text(height)}×{_text(width)}", wanted)

    def profile(self) -> dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
        """The (min, opt, max) shapes of each input.

        Raises:
            ModelError: an axis is not set; the options that set it are named.
        """
        made = {}
        for name, sizes in self.sizes.items():
            ranges = []
            for axis, size in enumerate(sizes):
                size = self._usual(name, axis) if size is None else size
                if size is None:
                    raise ModelError(f"{self._at(name, axis)} is dynamic and was given no size; give {self._how(name)}")
                ranges.append((size, size, size) if isinstance(size, int) else size)
            low, opt, high = (tuple(size[i] for size in ranges) for i in range(3))
            made[name] = (low, opt, high)
        return made

    def _usual(self, name: str, axis: int) -> Range | None:
        """What an axis is that was not set."""
        declared = self.declared[name][axis]
        return self.usual.get(declared) if isinstance(declared, str) else declared if declared != -1 else None

    def _named(self, wanted: Mapping[str, Range]) -> dict[str, dict[int, Range]]:
        """The axes of each input that are called so."""
        found = {
            name: {
                axis: wanted[label] for axis, label in enumerate(shape) if isinstance(label, str) and label in wanted
            }
            for name, shape in self.declared.items()
        }
        return {name: axes for name, axes in found.items() if axes}

    def _spread(self, option: str, value: str, wanted: Mapping[str, Mapping[int, Range]]) -> None:
        """Set axes of all inputs that have a free one among them. Where none has, one must be so already."""
        takers = [name for name, axes in wanted.items() if any(self.sizes[name][axis] is None for axis in axes)]
        for name in takers:
            self._set(option, name, wanted[name])
        if not takers and not any(
            all(self.sizes[n][a] == size for a, size in axes.items()) for n, axes in wanted.items()
        ):
            raise ModelError(f"{self.origin}: {option}: found {value}, but the inputs are {self._shown()}")

    def _set(self, option: str, name: str, wanted: Mapping[int, Range]) -> None:
        for axis, size in wanted.items():
            declared = self.declared[name][axis]
            if _is_fixed(declared) and declared != size:
                raise ModelError(f"{self._at(name, axis)} is {declared}; {option} says {_text(size)}")
            for other, place in self._tied(name, axis):
                known = self.sizes[other][place]
                if known not in (None, size):
                    raise ModelError(f"{self._at(name, axis)} is {_text(known)} already; {option} says {_text(size)}")
                self.sizes[other][place] = size

    def _tied(self, name: str, axis: int) -> list[tuple[str, int]]:
        """The axes that have one size with this one."""
        label = self.declared[name][axis]
        if not isinstance(label, str):
            return [(name, axis)]
        return [(other, i) for other, shape in self.declared.items() for i, one in enumerate(shape) if one == label]

    def _ranges(self, name: str, shape: Shape) -> list[Range]:
        """The size of each axis from a shape, or from its (min, opt, max) shapes."""
        declared = self.declared[name]
        three = list(shape) if any(isinstance(one, tuple | list) for one in shape) else [shape] * 3
        lengths = [len(one) if isinstance(one, tuple | list) else -1 for one in three]
        if lengths != [len(declared)] * 3:
            expected = f"{len(declared)} sizes, or three times so many"
            raise ModelError(f"{self.origin}: shape of {name}: found {shape!r}, expected {expected}")
        return [
            0 if declared[axis] == 0 and not any(sizes) else size_range(f"shape of {name}", sizes)
            for axis, sizes in enumerate(zip(*three, strict=True))
        ]

    def _at(self, name: str, axis: int) -> str:
        return f"{self.origin}: input {name} {_shape(self.declared[name])}: axis {axis}"

    def _how(self, name: str) -> str:
        """The options that set the axes of an input which are not set."""
        missing = {i for i, size in enumerate(self.sizes[name]) if size is None and self._usual(name, i) is None}
        picture = {2, 3} if len(self.sizes[name]) == 4 else set()
        options = ["--batch"] * (0 in missing) + ["--imgsz"] * bool(missing & picture)
        shape = f"--shape {name}={'x'.join('N' if size == -1 else _text(size) for size in self.declared[name])}"
        return f"{' and '.join(options)}, or {shape}" if missing <= {0} | picture else shape

    def _shown(self) -> str:
        known = {
            name: [
                declared if size is None else size for declared, size in zip(self.declared[name], sizes, strict=True)
            ]
            for name, sizes in self.sizes.items()
        }
        return ", ".join(f"{name} {_shape(sizes)}" for name, sizes in known.items())


def _sides(shape: Sequence[Axis], height: Range, width: Range) -> dict[int, Range]:
    """The axes of height and width of (N, C, H, W) or (N, H, W, C)."""
    first = 1 if channels_last(shape) else 2
    return {first: height, first + 1: width}


def channels_last(shape: Sequence[Axis]) -> bool | None:
    """Whether the channels of pictures are the last of four axes, and not the second; None where their number, which
    would be 1, 3 or 4, does not tell."""
    first, last = (shape[axis] in (1, 3, 4) for axis in (1, 3))
    return None if first == last else last


def _is_fixed(axis: Axis) -> bool:
    return isinstance(axis, int) and axis != -1


def _shape(sizes: Sequence[Axis]) -> str:
    return "×".join(map(_text, sizes)) or "()"


def _text(size: Axis | None) -> str:
    return ":".join(map(str, size)) if isinstance(size, tuple) else str(size)
