"""An ONNX file in the place of a .wts: which files it is made of, and their sha256.

TensorRT's own parser reads the network out of it (`onnxparser.py`). Read here is only what the parser does not
tell: that the file is an ONNX model at all, and which further files hold its weights ("external data"). That is a
walk through the protobuf message (field numbers of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), which
passes over the values themselves.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wtsnet.errors import ModelError
from wtsnet.manifest import sha256
from wtsnet.network import Weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    Buffer = bytes | mmap.mmap

# For each message the fields that lead to tensors, and what they hold.
_FIELDS = {
    "Model": {7: "Graph", 25: "Function"},
    "Function": {7: "Node"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
}
_GRAPH, _EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 7, 13, 14, 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def is_onnx(model: object) -> bool:
    """Whether a model goes by the name of an ONNX file."""
    return isinstance(model, str | os.PathLike) and Path(model).suffix.lower() == ".onnx"


class OnnxFile(Weights):
    """A model's ONNX file. Its weights stay in it: TensorRT's parser takes them from there, so none has a name here.

    Attributes:
        path: the file.
        external: the further files that hold weights, sorted.

    Raises:
        ModelError: it or one of its external files can't be read, or it is no whole ONNX file.
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__({})
        self.path = Path(path)
        try:
            names = _external_files(self.path)
        except OSError as error:
            raise ModelError(f"{self.path}: can't be read ({error.strerror})") from None
        except ValueError as error:
            raise ModelError(f"{self.path}: no ONNX file, or one that was cut short ({error})") from None
        self.external = [self.path.parent / name for name in names]
        for name, file in zip(names, self.external, strict=True):
            if not file.is_file():
                raise ModelError(f"{self.path}: has weights in {name}, which is not in {self.path.absolute().parent}")

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the file; where it has external ones, that of the sha256s of all, its own first."""
        own = sha256(self.path)
        if not self.external:
            return own
        return hashlib.sha256("".join([own, *map(sha256, self.external)]).encode()).hexdigest()

    @property
    def size(self) -> int:
        """The bytes of all its files."""
        return sum(file.stat().st_size for file in (self.path, *self.external))


def _external_files(path: Path) -> list[str]:
    """The external files that a model names, as it names them.

    Raises:
        OSError: the file can't be read.
        ValueError: it is no ONNX model.
    """
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise ValueError("it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if not any((number, wire) == (_GRAPH, _BYTES) for number, wire, _, _ in _fields(data, 0, len(data))):
                raise ValueError("it holds no graph")
            return sorted({name for start, end in _tensors(data) if (name := _location(data, start, end))})


def _tensors(data: Buffer) -> Iterator[tuple[int, int]]:
    """Where each tensor of a model begins and ends."""
    pending = [("Model", 0, len(data))]
    while pending:
        kind, start, end = pending.pop()
        if kind == "Tensor":
            yield start, end
            continue
        for number, wire, begin, stop in _fields(data, start, end):
            if wire == _BYTES and number in _FIELDS[kind]:
                pending.append((_FIELDS[kind][number], begin, stop))


def _location(data: Buffer, start: int, end: int) -> str:
    """The external file that holds a tensor; empty where the tensor holds its values itself."""
    entries, external = {}, False
    for number, wire, begin, stop in _fields(data, start, end):
        if number == _DATA_LOCATION and wire == _VARINT:
            external = _varint(data, begin, stop)[0] == _EXTERNAL
        elif number == _EXTERNAL_DATA and wire == _BYTES:
            pair = {n: bytes(data[b:s]) for n, _, b, s in _fields(data, begin, stop)}
            entries[pair.get(1)] = pair.get(2, b"")
    return entries.get(b"location", b"").decode() if external else ""


def _fields(data: Buffer, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The number and wire type of each field of a message, and where its value begins and ends.

    Raises:
        ValueError: the bytes are no message.
    """
    at = start
    while at < end:
        tag, at = _varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            stop = _varint(data, at, end)[1]
        elif wire == _BYTES:
            length, at = _varint(data, at, end)
            stop = at + length
        elif wire in (_FIXED32, _FIXED64):
            stop = at + (4 if wire == _FIXED32 else 8)
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        if stop > end or not number:
            raise ValueError(f"field {number} at byte {at} ends at {stop} of {end}")
        yield number, wire, at, stop
        at = stop


def _varint(data: Buffer, at: int, end: int) -> tuple[int, int]:
    """A base-128 number, lowest bits first, and where it ends."""
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError(f"a number that does not end at byte {at}")
