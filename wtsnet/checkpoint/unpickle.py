"""A pickle reader that runs nothing: tensors become references, plain data stays, all else an inert record.

No global that a pickle names is ever imported. The few that plain data and tensors need are replaced by
functions of this file, harmless with any arguments, and all others by a `Record` class, which only remembers
what it was given. So there is no callable for a hostile pickle to reach, and the code of the classes in a
checkpoint need not be there. Attributes can be set on nothing either: whatever a pickle can hold has its own
`__setstate__` or no room for any.

Nothing here prints or compares what a pickle made: a few bytes of shared lists can describe more text than
memory holds.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from wtsnet.checkpoint.records import (
    ITEM_BYTES,
    NumpyArray,
    NumpyType,
    PlainDict,
    Record,
    StorageRef,
    TensorRef,
    counts,
    record_class,
)
from wtsnet.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap

_STORAGES = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
    "torch.ComplexFloatStorage": "complex64",
    "torch.ComplexDoubleStorage": "complex128",
    "torch.storage.UntypedStorage": "uint8",
}


class _Function:
    """A function that a pickle may call, closed against BUILD, which would set attributes on a plain one."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a function has no state")


class _Dtype(str):
    """A torch dtype by its name."""

    __slots__ = ()


class _StorageType(str):
    """A torch storage class by the name of its dtype."""

    __slots__ = ()


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> TensorRef | Record:
    """torch._utils._rebuild_tensor, _v2 (… requires_grad, hooks, metadata), _v3 (…, dtype, metadata)."""
    dtype = next((value for value in rest if isinstance(value, _Dtype)), None)
    # Metadata marks a tensor as a conjugate or negative view, whose values are not those in the storage.
    if not isinstance(storage, StorageRef) or any(isinstance(value, dict) and value for value in rest[2:]):
        return record_class("torch._utils._rebuild_tensor")(storage, offset, size, stride, *rest)
    (start,), shape, steps = counts((offset,)), counts(size), counts(stride)
    if len(shape) != len(steps):
        raise pickle.UnpicklingError("a tensor with more sizes than strides, or fewer")
    return TensorRef(storage, start, shape, steps, str(dtype or storage.dtype))


def _plain_dict(*args: Any) -> PlainDict:
    # A defaultdict's only argument is its factory: a function, so a record here.
    return PlainDict(*(arg for arg in args if isinstance(arg, (dict, list))))


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError("bytes that are not encoded as latin1")
    return text.encode("latin1")


def _getattr(owner: Any, name: str, *_: Any) -> Any:
    # How protocol 2 names a nested class.
    if isinstance(owner, type) and issubclass(owner, Record):
        return record_class(f"{owner.name}.{name}")
    return record_class("builtins.getattr")(owner, name)


def _empty_bytes(*args: Any) -> bytes | Record:
    return record_class("builtins.bytes")(*args) if args else b""


def _new_object(cls: Any, *args: Any) -> Any:
    return cls(*args) if isinstance(cls, type) and issubclass(cls, Record) else record_class("copyreg")(cls, *args)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"), _tensor),
    "_rebuild_parameter": lambda data, *_: data,
    "_rebuild_parameter_with_state": lambda data, *_: data,
}
_FUNCTIONS = {f"torch._utils.{name}": function for name, function in _FUNCTIONS.items()}
_FUNCTIONS |= {
    "torch._tensor._rebuild_from_type_v2": lambda function, cls, args, state: function(*args),
    "torch.Size": lambda values=(): tuple(values),
    "torch.device": lambda *args: ":".join(str(arg) for arg in args if isinstance(arg, (str, int))),
    "builtins.set": lambda values=(): set(values),
    "builtins.frozenset": lambda values=(): frozenset(values),
    "builtins.bytes": _empty_bytes,
    "builtins.getattr": _getattr,
    "_codecs.encode": _encode,
    "copyreg._reconstructor": lambda cls, *_: _new_object(cls),
    "copyreg.__newobj__": _new_object,
    "copyreg.__newobj_ex__": lambda cls, args, kwargs: _new_object(cls, *args),
    "numpy.dtype": NumpyType,
    **dict.fromkeys((f"collections.{name}" for name in ("OrderedDict", "defaultdict", "Counter")), _plain_dict),
}
for _core in ("numpy.core", "numpy._core"):
    _FUNCTIONS |= {
        f"{_core}.multiarray._reconstruct": lambda *_: NumpyArray(),
        f"{_core}.multiarray.scalar": lambda dtype, raw=b"": NumpyArray((), dtype, raw),
        f"{_core}.numeric._frombuffer": lambda raw, dtype, shape, order: NumpyArray(shape, dtype, raw, order == "F"),
    }

_ADMITTED: dict[str, Any] = {
    **{name: _Function(function) for name, function in _FUNCTIONS.items()},
    **{name: _StorageType(dtype) for name, dtype in _STORAGES.items()},
    **{f"torch.{name}": _Dtype(name) for name in ITEM_BYTES},
}
_PYTHON_3_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        # Python 2 wrote text as bytes; latin1 maps any byte, and names are ASCII.
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._classes: dict[str, type[Record]] = {}
        self.storages: dict[str, StorageRef] = {}

    def find_class(self, module: str, name: str) -> Any:
        path = f"{_PYTHON_3_NAMES.get(module, module)}.{name}"
        if path in _ADMITTED:
            return _ADMITTED[path]
        if path not in self._classes:
            self._classes[path] = record_class(path)
        return self._classes[path]

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("storage", _StorageType() as dtype, str(key), _, int(numel), *views):
                if any(view is not None for view in views):
                    raise pickle.UnpicklingError("a view of a storage, as PyTorch wrote before 0.4")
                return self.storages.setdefault(key, StorageRef(key, str(dtype), numel))
            case ("storage", kind, *_):
                return record_class(getattr(kind, "name", "torch storage"))()
            case ("module", cls, *_):  # the legacy format: a class and its source code
                return cls
        raise pickle.UnpicklingError("a reference that is neither a storage nor a module")


class Unpickled(NamedTuple):
    """What a pickle held: its object, where it ended, and by their key the storages that tensors lie in."""

    root: Any
    end: int
    storages: dict[str, StorageRef]


def unpickle(data: bytes | mmap, start: int = 0) -> Unpickled:
    """Read the pickle that begins at `start`.

    Raises:
        CheckpointError: the pickle is cut short or malformed.
    """
    try:
        end = _end(data, start)
        unpickler = _Unpickler(data[start:end])
        return Unpickled(unpickler.load(), end, unpickler.storages)
    except CheckpointError:
        raise
    except Exception as error:  # a malformed pickle can make the machine fail in any way
        raise CheckpointError(f"its pickle can't be read: {error}") from error


_OPCODES = {op.code: op for op in pickletools.opcodes}


def _opcodes(size: int) -> bytes:
    """The regular expression for one opcode that is followed by `size` bytes."""
    codes = [op.code for op in pickletools.opcodes if (op.arg.n if op.arg else 0) == size]
    return b"[" + b"".join(re.escape(code.encode("latin1")) for code in codes if code not in ".r") + b"]" + b"." * size


# LONG_BINPUT up to 2^20 is harmless in any file; larger ones are looked at one by one.
_RUN = re.compile(b"(?s:" + b"|".join([rb"r..[\x00-\x0f]\x00", *map(_opcodes, (0, 1, 2, 4, 8))]) + b")*")
_LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: struct.Struct("<B"),
    pickletools.TAKEN_FROM_ARGUMENT4: struct.Struct("<i"),
    pickletools.TAKEN_FROM_ARGUMENT4U: struct.Struct("<I"),
    pickletools.TAKEN_FROM_ARGUMENT8U: struct.Struct("<Q"),
}


def _end(data: bytes | mmap, start: int) -> int:
    """Where the pickle that begins at `start` ends, found by stepping over its opcodes.

    Python's unpickler allocates whatever a length or a memo index says: a few bytes could ask for 64 GB. Here
    every length is held against the bytes that are left, and every memo index against the pickle's length.
    """
    position = start
    while True:
        position = run.end() if (run := _RUN.match(data, position)) else position
        code = data[position : position + 1]
        if not code:
            raise CheckpointError("its pickle is cut short")
        if code == b".":
            return position + 1
        opcode = _OPCODES.get(code.decode("latin1"))
        if not opcode or not opcode.arg:
            raise CheckpointError(f"its pickle is malformed at byte {position:,}")
        position, memo = _step(data, position + 1, code, opcode.arg.n)
        if memo > len(data):
            raise CheckpointError(f"its pickle is malformed: memo entry {memo:,} in {len(data):,} bytes")


def _step(data: bytes | mmap, position: int, code: bytes, size: int) -> tuple[int, int]:
    """Where the argument at `position` ends, and the memo index that it sets or -1.

    `size` is pickletools' `n`: the bytes of the argument, or which kind of length or end it has.
    """
    if size == pickletools.UP_TO_NEWLINE:
        begin = position
        for _ in range(2 if code in b"ci" else 1):  # GLOBAL and INST take two lines
            position = data.find(b"\n", position) + 1 or len(data) + 1
        return position, int(data[begin:position]) if code == b"p" else -1
    if size in _LENGTHS:
        layout = _LENGTHS[size]
        end = position + layout.size
        return (end + max(layout.unpack_from(data, position)[0], 0) if end <= len(data) else len(data) + 1), -1
    return position + size, int.from_bytes(data[position : position + size], "little") if code == b"r" else -1
