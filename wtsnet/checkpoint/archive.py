"""The files that PyTorch weights come in: torch's zip format, its legacy one (before 1.6), and safetensors.

`open_archive` gives the object in the file, with a `TensorRef` for each tensor; `Archive.tensor` reads one.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
import sys
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wtsnet.checkpoint.records import ITEM_BYTES, StorageRef, TensorRef, counts
from wtsnet.checkpoint.unpickle import unpickle
from wtsnet.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

    import torch

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_MOST_REPEATED = 1 << 24  # values of a tensor that repeats those of a smaller storage, as an expanded one does
_SAFETENSORS_DTYPES = {
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "BF16": "bfloat16",
    "BOOL": "bool",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}


@dataclass(slots=True)
class Archive:
    """An open file: the object in it, and where in the file (begin and bytes) each storage lies."""

    file: BufferedReader
    root: Any
    places: dict[str, tuple[int, int]]
    _read: dict[str, bytearray] = field(default_factory=dict)

    def tensor(self, ref: TensorRef, name: str) -> torch.Tensor:
        """The tensor with its values, in its own dtype; `name` is what an error calls it.

        Tensors that share a storage in the file share it here.

        Raises:
            CheckpointError: the values are not in the file, or this torch does not know their dtype.
        """
        try:
            import torch
        except ModuleNotFoundError as error:
            raise CheckpointError("PyTorch is needed to read tensors: pip install torch") from error
        dtype = getattr(torch, ref.dtype, None)
        if not isinstance(dtype, torch.dtype):
            raise CheckpointError(f"{name} is {ref.dtype}, a dtype that PyTorch {torch.__version__} does not have")
        buffer = self._storage(ref.storage, name)
        stored, numel = len(buffer) // ITEM_BYTES[ref.dtype], math.prod(ref.shape)
        last = ref.offset + sum((n - 1) * step for n, step in zip(ref.shape, ref.stride, strict=True))
        if numel and (last >= stored or numel > max(stored, _MOST_REPEATED)):
            raise CheckpointError(f"{name} has shape {list(ref.shape)}, but only {stored:,} values are stored for it")
        try:
            if numel:
                return torch.frombuffer(buffer, dtype=dtype).as_strided(ref.shape, ref.stride, ref.offset)
            return torch.empty(ref.shape, dtype=dtype)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise CheckpointError(f"{name} can't be of shape {list(ref.shape)}: {reason}") from error

    def _storage(self, storage: StorageRef, name: str) -> bytearray:
        if storage.key not in self._read:
            begin, size = self.places.get(storage.key, (0, 0))
            wanted = storage.numel * ITEM_BYTES[storage.dtype]
            if not 0 <= wanted <= size:
                raise CheckpointError(f"{name} wants {wanted:,} bytes, but {size:,} are stored for it")
            buffer = bytearray(wanted)
            self.file.seek(begin)
            if self.file.readinto(buffer) != wanted:
                raise CheckpointError(f"it is cut short within {name}")
            self._read[storage.key] = buffer
        return self._read[storage.key]


@contextmanager
def open_archive(path: str | os.PathLike[str]) -> Iterator[Archive]:
    """The archive at `path`, open until the block ends. Every CheckpointError of the block is told its path.

    Raises:
        CheckpointError: the file can't be opened, is of none of the formats, or is cut short or damaged.
    """
    try:
        with open(path, "rb") as file:
            yield _open(file)
    except CheckpointError as error:
        raise CheckpointError(f"{os.fspath(path)}: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{os.fspath(path)}: can't be read: {error.strerror or error}") from error


def _open(file: BufferedReader) -> Archive:
    start, size = file.read(9), os.fstat(file.fileno()).st_size
    if start.startswith(b"PK\x03\x04"):
        return _open_zip(file, size)
    if start[8:] == b"{" and int.from_bytes(start[:8], "little") <= size:
        return _open_safetensors(file, size)
    if start.startswith(b"\x80"):
        return _open_legacy(file, size)
    raise CheckpointError("not a PyTorch checkpoint: neither a torch.save file nor safetensors")


def _open_zip(file: BufferedReader, size: int) -> Archive:
    try:
        entries = {entry.filename: entry for entry in zipfile.ZipFile(file).infolist()}
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError) as error:
        raise CheckpointError(f"a zip file that is cut short or damaged: {error}") from error
    folder = next((name[:-8] for name in entries if name.endswith("/data.pkl") and name.count("/") == 1), None)
    if folder is None:
        raise CheckpointError("a zip file without a data.pkl, so not one of torch.save")
    if f"{folder}constants.pkl" in entries:
        raise CheckpointError("a TorchScript archive; save the state_dict() of the model it was made from instead")

    def place(name: str) -> tuple[int, int]:
        """Where the entry's bytes lie: behind its local header, whose length zipfile does not tell."""
        entry = entries[name]
        file.seek(entry.header_offset)
        header = file.read(30)
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise CheckpointError(f"{name} is compressed or encrypted, which torch.save never does")
        if len(header) < 30 or not header.startswith(b"PK\x03\x04"):
            raise CheckpointError(f"a zip file that is damaged at {name}")
        begin = entry.header_offset + 30 + sum(struct.unpack_from("<HH", header, 26))
        if begin + entry.file_size > size:
            raise CheckpointError(f"it is cut short within {name}")
        return begin, entry.file_size

    def read(name: str) -> bytes:
        begin, length = place(name)
        file.seek(begin)
        return file.read(length)

    if f"{folder}byteorder" in entries:
        _check_byteorder(read(f"{folder}byteorder").decode("latin1"))
    places = {name[len(folder) + 5 :]: place(name) for name in entries if name.startswith(f"{folder}data/")}
    return Archive(file, unpickle(read(f"{folder}data.pkl")).root, places)


def _open_legacy(file: BufferedReader, size: int) -> Archive:
    """Five pickles (magic number, format number, facts of the machine, the object, the storages' keys), then
    for each key the number of its values (int64) and the values."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        magic = unpickle(data)
        if magic.root != _LEGACY_MAGIC:
            raise CheckpointError("a pickle that torch.save did not write")
        machine = unpickle(data, unpickle(data, magic.end).end)
        if isinstance(machine.root, dict):
            _check_byteorder("little" if machine.root.get("little_endian", True) else "big")
        content = unpickle(data, machine.end)
        keys = unpickle(data, content.end)
        places, begin = {}, keys.end
        for key in keys.root if isinstance(keys.root, list) else []:
            if not isinstance(key, str) or key not in content.storages:
                raise CheckpointError("it holds a storage of a kind that has no plain values")
            length = int.from_bytes(data[begin : begin + 8], "little") * ITEM_BYTES[content.storages[key].dtype]
            places[key] = (begin + 8, length)
            begin += 8 + length
            if begin > size:
                raise CheckpointError("it is cut short")
    return Archive(file, content.root, places)


def _open_safetensors(file: BufferedReader, size: int) -> Archive:
    """The header's length (uint64), the header as JSON, then the values, which its offsets point into."""
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    root, places = {}, {}
    try:
        header = json.loads(file.read(length), object_pairs_hook=_once)
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            dtype, shape, (begin, end) = entry["dtype"], counts(entry["shape"]), counts(entry["data_offsets"])
            if dtype not in _SAFETENSORS_DTYPES:
                raise CheckpointError(f"{name} is of dtype {dtype}, which can't be read")
            storage = StorageRef(name, _SAFETENSORS_DTYPES[dtype], math.prod(shape))
            if 8 + length + end > size or end - begin != storage.numel * ITEM_BYTES[storage.dtype]:
                raise CheckpointError(f"{name}, {dtype} of shape {list(shape)}, can't lie at {begin}:{end}")
            stride = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
            root[name] = TensorRef(storage, 0, shape, stride, storage.dtype)
            places[name] = (8 + length + begin, end - begin)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"a safetensors file with a malformed header: {error}") from error
    return Archive(file, root, places)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a name occurs twice")
    return result


def _check_byteorder(written: str) -> None:
    if written != sys.byteorder:
        raise CheckpointError(f"its values are {written}-endian, and this machine's are {sys.byteorder}-endian")
