"""What a checkpoint says about its network besides the weights, as plain Python data.

    yaml        the architecture as lists, as YOLO models carry it
    nc          number of classes
    names       their names, in the order of the class index
    stride      input pixels per cell of each output level
    anchors     width and height in input pixels, by level and anchor: (levels, anchors, 2)
    task        what a YOLO model is for, as in `detect`
    kpt_shape   key points and values of each, of a pose model
    reg_max     bins of the box distribution, of YOLOv8 and later
    imgsz       the input size it was trained at

Each is there if the checkpoint has it in the form named here, and left out otherwise.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.checkpoint.records import NumpyArray, NumpyType, Record, TensorRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from wtsnet.checkpoint.archive import Archive

_MOST_VALUES = 100_000  # shared lists in a pickle can unfold to more than memory holds
_MOST_DEPTH = 50
_LARGEST_TENSOR = 4096  # values; weights are no facts
_NUMPY_CODE = re.compile(r"b1|[iu][1248]|f[248]|[SU]\d{1,6}")


class _NotPlainError(Exception):
    """A value that has no form as plain data."""


def facts(archive: Archive, modules: Iterable[tuple[str, Record]], settings: Mapping[Any, Any]) -> dict[str, Any]:
    """The facts that the modules and the rest of the checkpoint hold.

    Args:
        archive: the file that the modules' tensors are read from.
        modules: each module with its path, the outermost first; none for a state dict.
        settings: what the checkpoint holds beside the weights.
    """
    states = [module.state for _, module in modules]
    heads = [state for state in states if isinstance(state.get("stride"), TensorRef) and "nc" in state]
    tops = [state for state in states if "yaml" in state or "names" in state][:1] or states[:1]
    sources = [*tops, *heads[-1:], settings]
    found = {
        "yaml": _first(archive, sources, "yaml", _mapping),
        "nc": _first(archive, sources, "nc", _integer),
        "names": _first(archive, sources, "names", _names),
        "stride": _first(archive, sources, "stride", _floats),
        "anchors": _pixel_anchors(archive, states),
        "task": _first(archive, sources, "task", _text),
        "kpt_shape": _first(archive, sources, "kpt_shape", _integers),
        "reg_max": _first(archive, sources, "reg_max", _integer),
        "imgsz": _first(archive, [*_arguments(tops), *_arguments([settings])], "imgsz", _size),
    }
    return {name: value for name, value in found.items() if value is not None}


def _first(archive: Archive, sources: Iterable[Mapping[Any, Any]], name: str, check: Callable[[Any], Any]) -> Any:
    for source in sources:
        try:
            value = check(plain(source[name], archive)) if name in source else None
        except _NotPlainError:
            continue
        if value is not None:
            return value
    return None


def _arguments(sources: Iterable[Mapping[Any, Any]]) -> list[Mapping[Any, Any]]:
    """The training arguments, under any of the names that YOLO releases give them."""
    values = [source[name] for source in sources for name in ("train_args", "args", "opt") if name in source]
    return [
        value.state if isinstance(value, Record) else value for value in values if isinstance(value, (dict, Record))
    ]


def _pixel_anchors(archive: Archive, states: Iterable[Mapping[Any, Any]]) -> list[Any] | None:
    """Anchor-based YOLO heads hold (levels, anchors, 2) divided by the level's stride, which this undoes."""
    for state in states:
        match state["_buffers"].get("anchors"), state.get("stride"):
            case TensorRef(shape=(levels, _, 2)) as anchors, TensorRef(shape=(count,)) as stride if (
                levels == count and _is_small(anchors.shape)
            ):
                cells, strides = archive.tensor(anchors, "anchors"), archive.tensor(stride, "stride")
                return (cells.double() * strides.double().reshape(-1, 1, 1)).tolist()
    return None


def plain(value: Any, archive: Archive) -> Any:
    """`value` as None, bool, int, float, str, list and dict, reading small tensors from `archive`.

    In a mapping, entries with no plain form are left out; anywhere else they make the whole value not plain.
    """
    left = _MOST_VALUES

    def convert(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > _MOST_DEPTH:
            raise _NotPlainError
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return _readable(value)
            case TensorRef() if _is_small(value.shape):
                return convert(archive.tensor(value, "a tensor among its facts").tolist(), depth)
            case NumpyArray() if _is_small(value.shape):
                return convert(_numpy(value), depth)
            case list() | tuple():
                return [convert(item, depth + 1) for item in value]
            case dict():
                return dict(entries(value, depth))
            case Record() if value.name.startswith("pathlib."):
                return "/".join(convert(part, depth + 1) for part in value.args if isinstance(part, str))
            case Record() if value.items:
                return dict(entries(value.items, depth))
            case _:
                raise _NotPlainError

    def entries(mapping: Mapping[Any, Any], depth: int) -> Iterable[tuple[Any, Any]]:
        for key, item in mapping.items():
            try:
                if isinstance(key, (str, int)):
                    yield convert(key, depth), convert(item, depth + 1)
            except _NotPlainError:
                if left < 0:
                    raise

    return convert(value, 0)


def _readable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        raise _NotPlainError from None
    return str(text)


def _is_small(shape: Any) -> bool:
    # An axis of no values does not make a long one before it any shorter as a list of lists.
    return isinstance(shape, tuple) and math.prod(max(length, 1) for length in shape) <= _LARGEST_TENSOR


def _numpy(array: NumpyArray) -> Any:
    dtype, raw = array.dtype, array.raw
    if not (isinstance(dtype, NumpyType) and isinstance(dtype.code, str) and _NUMPY_CODE.fullmatch(dtype.code)):
        raise _NotPlainError
    try:
        order = dtype.order if dtype.order in ("<", ">") else "="
        values = np.frombuffer(raw, f"{order}{dtype.code}")
        return values.reshape(array.shape, order="F" if array.fortran else "C").tolist()
    except (ValueError, TypeError):
        raise _NotPlainError from None


def _mapping(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _integer(value: Any) -> int | None:
    return value if type(value) is int else None


def _integers(value: Any) -> list[int] | None:
    return value if isinstance(value, list) and value and all(type(item) is int for item in value) else None


def _size(value: Any) -> int | list[int] | None:
    return _integer(value) or _integers(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _floats(value: Any) -> list[float] | None:
    if isinstance(value, list) and value and all(type(item) in (int, float) for item in value):
        return [float(item) for item in value]
    return None


def _names(value: Any) -> list[str] | None:
    if isinstance(value, dict):
        value = [value[index] for index in range(len(value))] if set(value) == set(range(len(value))) else None
    return value if isinstance(value, list) and all(isinstance(name, str) for name in value) else None
