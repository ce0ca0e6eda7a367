"""What an engine takes: inputs checked against its manifest, and a batch too large for it cut into pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import RunnerError, nearest
from wtsnet.runtime.batch import piece_sizes
from wtsnet.trt import numpy_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from wtsnet.manifest import Input

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Spec:
    """An input that an engine takes.

    Attributes:
        name, dtype: its own.
        low, high: the sizes of its profile.
    """

    name: str
    dtype: np.dtype[Any]
    low: Shape
    high: Shape

    def fits(self, shape: Shape) -> bool:
        """Whether the profile has the shape."""
        return len(shape) == len(self.low) and all(map(_between, self.low, shape, self.high))

    def fits_in_pieces(self, shape: Shape) -> bool:
        """Whether only the first axis is too long."""
        return len(shape) == len(self.low) > 0 and shape[0] > self.high[0] and self.fits((self.high[0], *shape[1:]))

    @property
    def sizes(self) -> str:
        """Such as "(1..4, 3, 640, 640)"."""
        sizes = (str(a) if a == b else f"{a}..{b}" for a, b in zip(self.low, self.high, strict=True))
        return f"({', '.join(sizes)})"

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {self.sizes}"


def ties(axes: Mapping[str, Sequence[str]]) -> dict[str, list[tuple[str, int]]]:
    """The inputs and their axes that have one size: by the name that they share."""
    places: dict[str, list[tuple[str, int]]] = {}
    for name, labels in axes.items():
        for i, label in enumerate(labels):
            if label:
                places.setdefault(label, []).append((name, i))
    return {label: own for label, own in places.items() if len(own) > 1}


class Inputs:
    """The inputs of an engine.

    Args:
        inputs: as in its manifest.
        outputs: the shapes of its outputs, -1 for a size that its inputs decide.
        axes: as in its manifest: the names of axes, those of one name having one size.

    Attributes:
        specs: the inputs by name.
    """

    def __init__(
        self,
        inputs: Iterable[Input],
        outputs: Mapping[str, Shape],
        axes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.specs = {
            i["name"]: Spec(i["name"], numpy_dtype(i["dtype"]), tuple(i["min"]), tuple(i["max"])) for i in inputs
        }
        self._outputs = outputs
        self._axes = axes or {}
        self._tied = ties(self._axes)

    def checked(self, given: Mapping[str, Any], taken: Callable[[Any], Any] | None = None) -> dict[str, Any]:
        """The given inputs as C-contiguous arrays of the engine's dtypes and within its profile, but for the length
        of the first axis, which `pieces` may cut.

        Args:
            taken: gives what is on the device as it is to be used, and None for all else.

        Raises:
            RunnerError: a name, shape or dtype does not fit; what the engine takes is said.
        """
        try:
            names = given.keys()
        except AttributeError:
            raise RunnerError(f"inputs: found {type(given).__name__}, expected a mapping by name ({self})") from None
        if names != self.specs.keys():
            self._refuse(given)
        arrays = {}
        for name, spec in self.specs.items():
            value = given[name]
            ready = type(value) is np.ndarray and value.dtype is spec.dtype and value.flags.c_contiguous
            found = None if ready or not taken else _taken(spec, value, taken)
            if not ready:
                value = _host(spec, value) if found is None else found
            if not spec.fits(value.shape) and not spec.fits_in_pieces(value.shape):
                raise RunnerError(f"input {name!r}: found shape {value.shape}, expected {spec.sizes}")
            if not ready:
                value = _cast(spec, value) if found is None else _exact(spec, value)
            arrays[name] = value
        for label, places in self._tied.items():
            (first, axis), *others = places
            for name, i in others:
                if (found := arrays[name].shape[i]) != (expected := arrays[first].shape[axis]):
                    raise RunnerError(
                        f"input {name!r}: found {label} = {found}, but {first!r} has {label} = {expected}"
                    )
        return arrays

    def pieces(self, arrays: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], list[int]]:
        """Checked inputs as what the engine takes at once, and the batch of each piece (one piece has none).

        They are cut along the first axis of all inputs that are too long, and of those that the engine takes in any
        number and that are as many, unless that axis has another name. Other inputs are for all pieces.

        Raises:
            RunnerError: no cut fits, or an output has no batch axis along which pieces could be joined.
        """
        specs = self.specs
        long = [name for name, array in arrays.items() if array.shape and array.shape[0] > specs[name].high[0]]
        if not long:
            return [arrays], []
        batch = arrays[long[0]].shape[0]
        others = [name for name in arrays if name not in long]
        long += [name for name in others if self._goes_along(long[0], batch, name, arrays[name])]
        low, high = max(specs[name].low[0] for name in long), min(specs[name].high[0] for name in long)
        sizes = piece_sizes(batch, low, high)
        if any(arrays[name].shape[0] != batch for name in long) or not sizes:
            raise RunnerError(
                f"input {long[0]!r}: found shape {arrays[long[0]].shape}, expected {specs[long[0]].sizes}; "
                + ("no cut of the batch fits" if not sizes else f"{long[-1]!r} is not as long: it can't be cut alike")
            )
        self._check_outputs(batch, low, high)
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        pieces: list[Mapping[str, Any]] = [
            {name: array[start : start + size] if name in long else array for name, array in arrays.items()}
            for start, size in zip(starts, sizes, strict=True)
        ]
        return pieces, sizes

    def _goes_along(self, long: str, batch: int, name: str, array: Any) -> bool:
        """Whether an input is cut where the `long` one is."""
        label, *_ = self._axes.get(long, [""])
        own, *others = self._axes.get(name, [""])
        if label and label in others:
            high = self.specs[long].high[0]
            raise RunnerError(
                f"input {long!r}: found {label} = {batch}, expected at most {high}: "
                f"{label} is no first axis of {name!r}, so the inputs can't be cut"
            )
        spec = self.specs[name]
        ranged = array.shape[:1] == (batch,) and spec.low[0] < spec.high[0]
        return ranged and not (label and own and own != label)

    def _check_outputs(self, batch: int, low: int, high: int) -> None:
        for name, shape in self._outputs.items():
            if shape[:1] != ((high,) if low == high else (-1,)):
                raise RunnerError(
                    f"output {name!r}: found shape {shape}, which has no batch axis: the results of a batch of {batch} "
                    f"can't be joined; give at most {high} at once"
                )

    def _refuse(self, given: Mapping[str, Any]) -> None:
        for name in given:
            if name not in self.specs:
                raise RunnerError(f"input {name!r}: unknown{nearest(name, self.specs)} (the engine takes {self})")
        missing = next(name for name in self.specs if name not in given)
        raise RunnerError(f"input {missing!r}: missing (the engine takes {self})")

    def __str__(self) -> str:
        return ", ".join(map(str, self.specs.values()))


def _between(low: int, size: int, high: int) -> bool:
    return low <= size <= high


def _taken(spec: Spec, value: Any, taken: Callable[[Any], Any]) -> Any:
    try:
        return taken(value)
    except RunnerError as error:
        raise RunnerError(f"input {spec.name!r}: {error}") from error


def _exact(spec: Spec, array: Any) -> Any:
    """What is on a device: it is taken as it is."""
    if array.dtype != spec.dtype:
        raise RunnerError(
            f"input {spec.name!r}: found {array.dtype} on the device, expected {spec.dtype}; cast it there"
        )
    if not array.contiguous:
        raise RunnerError(f"input {spec.name!r}: found strides on the device, expected a C-contiguous array")
    return array


def _host(spec: Spec, value: Any) -> NDArray[Any]:
    """A value as an array."""
    try:
        return _array(value)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise RunnerError(f"input {spec.name!r}: {reason}; expected {spec.dtype} {spec.sizes}") from None


def _cast(spec: Spec, array: NDArray[Any]) -> NDArray[Any]:
    """An array of the engine's dtype, and C-contiguous."""
    if not _holds(spec.dtype, array):
        raise RunnerError(f"input {spec.name!r}: found {array.dtype}, which {spec.dtype} can't hold")
    with np.errstate(over="ignore"):  # as everywhere in numpy and torch, a large float64 is infinite as float32
        return np.asarray(array, spec.dtype, order="C")


def _array(value: Any) -> NDArray[Any]:
    if hasattr(value, "detach"):  # a torch tensor, without importing torch; numpy lacks some of its dtypes
        value = value.detach().cpu()
        value = value.float() if str(value.dtype).startswith(("torch.bfloat16", "torch.float8")) else value
    return np.asarray(value)


def _kind(dtype: np.dtype[Any]) -> str:
    """numpy's letter for the kind of a dtype; ml_dtypes' floats are floats too."""
    return "f" if dtype.isbuiltin == 2 and "float" in dtype.name else dtype.kind


def _holds(dtype: np.dtype[Any], array: NDArray[Any]) -> bool:
    """Whether the values survive a cast: floats to floats, integers to floats or to integers that hold them."""
    if array.dtype == dtype:
        return True
    found, wanted = _kind(array.dtype), _kind(dtype)
    if found not in "fiub" or wanted not in ("f" if found == "f" else "fiu"):
        return False
    limits = np.iinfo(dtype) if wanted in "iu" else None
    return limits is None or not array.size or bool(limits.min <= array.min() and array.max() <= limits.max)
