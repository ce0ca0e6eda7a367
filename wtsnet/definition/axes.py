"""Sizes of input axes, each a number or (min, opt, max), and which axis of an ONNX file's inputs gets which."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

from wtsnet.errors import ModelError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Range = int | tuple[int, int, int]
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
    """The axes of a file's inputs, to be set.

    Args:
        origin: the file, for errors.
        inputs: the shape of each input by its name, -1 for a dynamic axis.

    Attributes:
        sizes: the size of each axis of each input; None for one that is not set yet.
    """

    def __init__(self, origin: str, inputs: Mapping[str, Sequence[int]]) -> None:
        self.origin = origin
        self.fixed = {name: tuple(shape) for name, shape in inputs.items()}
        self.sizes: dict[str, list[Range | None]] = {
            name: [None if size == -1 else size for size in shape] for name, shape in inputs.items()
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
        """Set the first axis of the inputs where it is dynamic and not set yet.

        Raises:
            ModelError: none is, and none has that size either.
        """
        self._spread("batch", {0: size_range("batch", batch)}, [n for n in self.sizes if self.sizes[n]])

    def set_imgsz(self, imgsz: Any) -> None:
        """Set height and width of the inputs (N, C, H, W) where they are dynamic and not set yet.

        Raises:
            ModelError: none is, and none has that size either.
        """
        height, width = image_ranges(imgsz)
        pictures = [name for name, sizes in self.sizes.items() if len(sizes) == 4]
        self._spread("imgsz", {2: height, 3: width}, pictures)

    def profile(self) -> dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
        """The (min, opt, max) shapes of each input.

        Raises:
            ModelError: an axis is not set; the options that set it are named.
        """
        made = {}
        for name, sizes in self.sizes.items():
            ranges = []
            for axis, size in enumerate(sizes):
                if size is None:
                    raise ModelError(f"{self._at(name, axis)} is dynamic and was given no size; give {self._how(name)}")
                ranges.append((size, size, size) if isinstance(size, int) else size)
            low, opt, high = (tuple(size[i] for size in ranges) for i in range(3))
            made[name] = (low, opt, high)
        return made

    def _spread(self, option: str, wanted: dict[int, Range], inputs: list[str]) -> None:
        """Set the same axes of all inputs that have a free one among them. Where none has, one must be so already."""
        takers = [name for name in inputs if any(self.sizes[name][axis] is None for axis in wanted)]
        for name in takers:
            self._set(option, name, wanted)
        if not takers and not any(all(self.sizes[n][a] == size for a, size in wanted.items()) for n in inputs):
            value = "×".join(_text(size) for size in wanted.values())
            raise ModelError(f"{self.origin}: {option}: found {value}, but the inputs are {self._shown()}")

    def _set(self, option: str, name: str, wanted: Mapping[int, Range]) -> None:
        for axis, size in wanted.items():
            fixed = self.fixed[name][axis]
            if fixed not in (-1, size):
                raise ModelError(f"{self._at(name, axis)} is {fixed} in the file; {option} says {_text(size)}")
            self.sizes[name][axis] = size

    def _ranges(self, name: str, shape: Shape) -> list[Range]:
        """The size of each axis from a shape, or from its (min, opt, max) shapes."""
        fixed = self.fixed[name]
        three = list(shape) if any(isinstance(one, tuple | list) for one in shape) else [shape] * 3
        lengths = [len(one) if isinstance(one, tuple | list) else -1 for one in three]
        if lengths != [len(fixed)] * 3:
            raise ModelError(
                f"{self.origin}: shape of {name}: found {shape!r}, expected {len(fixed)} sizes, or three times so many"
            )
        return [
            0 if fixed[axis] == 0 and not any(sizes) else size_range(f"shape of {name}", sizes)
            for axis, sizes in enumerate(zip(*three, strict=True))
        ]

    def _at(self, name: str, axis: int) -> str:
        return f"{self.origin}: input {name} {_shape(self.fixed[name])}: axis {axis}"

    def _how(self, name: str) -> str:
        """The options that set the axes of an input which are not set."""
        missing = {axis for axis, size in enumerate(self.sizes[name]) if size is None}
        picture = {2, 3} if len(self.sizes[name]) == 4 else set()
        options = ["--batch"] * (0 in missing) + ["--imgsz"] * bool(missing & picture)
        shape = f"--shape {name}={'x'.join('N' if size == -1 else str(size) for size in self.fixed[name])}"
        return f"{' and '.join(options)}, or {shape}" if missing <= {0} | picture else shape

    def _shown(self) -> str:
        known = {name: [-1 if size is None else _text(size) for size in sizes] for name, sizes in self.sizes.items()}
        return ", ".join(f"{name} {_shape(sizes)}" for name, sizes in known.items())


def _shape(sizes: Sequence[int | str]) -> str:
    return "×".join(map(str, sizes)) or "()"


def _text(size: Range) -> str:
    return str(size) if isinstance(size, int) else ":".join(map(str, size))
