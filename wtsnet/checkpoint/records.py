"""What a pickle holds once it is read with nothing run: inert records, and references to tensors not yet read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

ITEM_BYTES = {
    **dict.fromkeys(("float64", "int64", "uint64", "complex64"), 8),
    **dict.fromkeys(("float32", "int32", "uint32"), 4),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), 2),
    **dict.fromkeys(("int8", "uint8", "bool", "float8_e4m3fn", "float8_e5m2"), 1),
    **dict.fromkeys(("float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"), 1),
    "complex128": 16,
}
"""Bytes of one value, by the name of the torch dtype."""


class Record:
    """An object of a class that was not loaded: what its pickle gave it, and no behaviour.

    `name` is the dotted path of the class or function, `args` what it would have been called with, `state`
    its attributes, `items` and `values` what a subclass of dict or list holds.
    """

    __slots__ = ("args", "items", "state", "values")
    name: ClassVar[str] = ""
    args: tuple[Any, ...]
    state: dict[Any, Any]
    items: dict[Any, Any]
    values: list[Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Record:
        record = object.__new__(cls)
        record.args, record.state, record.items, record.values = args, kwargs, {}, []
        return record

    def __call__(self, *args: Any) -> Record:
        return record_class(f"{self.name}()")(*args)

    def __setstate__(self, state: Any) -> None:
        # An object with slots has (its __dict__ or None, its slots).
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.state = {**self.state, **part}

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def append(self, value: Any) -> None:
        self.values.append(value)

    add = append

    def extend(self, values: Any) -> None:
        self.values.extend(values)


def record_class(name: str) -> type[Record]:
    """The class of the records that stand for the class or function with the dotted path `name`."""
    return type("Record", (Record,), {"__slots__": (), "name": name})


@dataclass(slots=True)
class StorageRef:
    """The values of one or more tensors: the key of their place in the file, their dtype and number."""

    key: str
    dtype: str
    numel: int

    def __setstate__(self, state: Any) -> None:
        """Attributes: not wanted."""


@dataclass(slots=True)
class TensorRef:
    """A tensor whose values have not been read: `offset` and `stride` count values of `storage`."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str

    def __setstate__(self, state: Any) -> None:
        """Python attributes set on a tensor or a parameter: not wanted."""


def counts(values: Any) -> tuple[int, ...]:
    """`values` as a shape, stride or offsets.

    Raises:
        ValueError: one is no whole number, or negative.
    """
    if not all(type(value) is int and value >= 0 for value in values):
        raise ValueError("a tensor whose size, stride or place is not made of whole numbers")
    return tuple(values)


class PlainDict(dict[Any, Any]):
    """Any of collections' dicts. Attributes, such as the `_metadata` of a state dict, are dropped."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        """Attributes: not wanted."""


class NumpyType:
    """A numpy dtype: its code, as in `f4`, and its byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: str, *_: Any) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]


class NumpyArray:
    """A numpy array or scalar: its shape, dtype, and its bytes, which nothing has looked at yet."""

    __slots__ = ("dtype", "fortran", "raw", "shape")

    def __init__(self, shape: Any = (0,), dtype: Any = None, raw: Any = b"", fortran: bool = False) -> None:
        self.shape, self.dtype, self.raw, self.fortran = shape, dtype, raw, fortran

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, self.fortran, self.raw = state
