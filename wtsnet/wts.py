"""Reader and writer of .wts, the text format that carries a network's weights as named lists of float32.

    3                                         how many entries follow
    conv.weight 2  3f800000 bf800000          name, number of values, the values
    conv.bias 1  00000000
    nothing 0

A value is the 32 bits of the float: eight hex digits, or `0x` and one to eight (as `hex(int)` prints it), in
either case. Spaces or tabs separate; blanks at the end of a line, CRLF, blank lines after the header and a
missing last newline do not matter. Shapes and dtypes are no part of the format.

Nothing is read silently wrong: the reader holds every count against the text, takes no value that is shorter
than its writer would have made it, and refuses a file that may end within a value. What no reader can see is
a changed byte that leaves another well-formed name or another well-formed value.

This file needs the standard library alone, so it can be copied into a deployment without the rest of wtsnet.
"""

from __future__ import annotations

import math
import os
import re
import struct
import sys
from array import array
from binascii import hexlify
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader

    from wtsnet.errors import WtsError
else:
    try:
        from wtsnet.errors import WtsError
    except ImportError:

        class WtsError(ValueError):
            """A .wts file that can't be read as written, or values that can't be written to one."""


__all__ = ["WtsError", "WtsFile", "dump_wts", "read_wts", "write_wts"]

_CHUNK = 1 << 13  # values decoded at once: few enough for the cache, and for malloc to reuse what they take
_PIECE = 1 << 16  # values written at once: enough to make a system call cheap
_BLOCK = 1 << 16  # bytes of text looked at once where the layout is not the usual one
_HEAD = 4096  # bytes within which an entry's name and count must end
_LONGEST_NAME = 4000  # bytes, which leaves room for the count
_NAME = f"a printable name without white space, of at most {_LONGEST_NAME} bytes"
_BLANKS = b" \t\r\n"
_SPACES = b" " * _CHUNK
# The least magnitude that rounds to infinity in float32: half a step beyond the largest finite one.
_OVERFLOW = 2.0**128 - 2.0**103

# No sign, underscore, leading zero or foreign digit, all of which int() would take.
_NUMBER = rb"(0|[1-9][0-9]{0,18})"
_HEADER = re.compile(_NUMBER + rb"[ \t]*\r?\n?")
_GAP = re.compile(rb"[ \t\r\n]+")
_ENTRY = re.compile(rb"[^ \t\r\n]+[ \t]+" + _NUMBER + rb"(?:[ \t]+|(?=[\r\n])|\Z)")
_VALUE = re.compile(rb"0[xX][0-9A-Fa-f]{1,8}|[0-9A-Fa-f]{8}")
_VALUES = re.compile(rb"[ \t]*(?:(?:" + _VALUE.pattern + rb")(?:[ \t]+|\Z))*")
_SURELY_WHOLE = re.compile(rb"(?:0[xX])?[0-9A-Fa-f]{8}")
_PADDED = re.compile(rb"[ \t]0[xX]0[0-9A-Fa-f]")


@dataclass(frozen=True, slots=True)
class _Entry:
    line: int
    first: int  # offset of the first value
    end: int  # offset of the next line
    count: int


def read_wts(path: str | os.PathLike[str]) -> WtsFile:
    """Index the .wts file at `path`; its values are decoded when they are asked for.

    Raises:
        WtsError: the file can't be opened, its header or an entry's name or count is malformed, a count does
            not agree with the text, a name occurs twice, or the file is cut.
    """
    return WtsFile(path)


class WtsFile(Mapping[str, "array[float]"]):
    """The entries of a .wts file by name, in the file's order, as flat `array('f')`.

    Only the index is held. Each look-up opens the file, decodes that entry into a new array and closes the
    file, so threads may share a WtsFile and there is nothing to close. The bits arrive as written, NaN payloads
    too. A look-up raises WtsError for a malformed value and for a file that is gone or has changed since it was
    indexed, and KeyError for an unknown name.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(path)
        if not os.path.isfile(self.path) and os.path.exists(self.path):  # opening a pipe would wait for its writer
            raise WtsError(f"{self.path}: expected a file, found a directory or a device")
        with _opened(self.path) as file:
            self._stamp = _stamp(file)
            try:
                self._entries = _index(file, self.path)
            except WtsError:
                # Something is odd: with all values counted, the file proves sound or the error precise.
                self._entries = _index(file, self.path, careful=True)

    def __getitem__(self, name: str) -> array[float]:
        entry = self._entries[name]
        with _opened(self.path) as file:
            self._check_unchanged(file)
            try:
                return self._decode(file, name, entry)
            finally:
                self._check_unchanged(file)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries  # Mapping's own would decode the entry

    def __repr__(self) -> str:
        return f"<WtsFile {self.path!r}, {len(self)} entries>"

    def count(self, name: str) -> int:
        """How many values the entry `name` has, without decoding it.

        Raises:
            KeyError: there is no such entry.
        """
        return self._entries[name].count

    def _decode(self, file: BufferedReader, name: str, entry: _Entry) -> array[float]:
        values = _decode_padded(file, entry)
        if values is not None:
            return values
        try:
            return _decode_tokens(file, self.path, name, entry)
        except WtsError:
            _index(file, self.path, careful=True)  # a wrong count explains more than the token it led to
            raise

    def _check_unchanged(self, file: BufferedReader) -> None:
        if _stamp(file) != self._stamp:
            raise WtsError(f"{self.path}: the file has changed since it was indexed; read it again")


@contextmanager
def _opened(path: str) -> Iterator[BufferedReader]:
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise WtsError(f"{path}: can't be read: {error.strerror or error}") from error


def _stamp(file: BufferedReader) -> tuple[int, int, int]:
    status = os.fstat(file.fileno())
    return status.st_ino, status.st_size, status.st_mtime_ns


def _index(file: BufferedReader, path: str, *, careful: bool = False) -> dict[str, _Entry]:
    """Where each entry's values lie: found without reading them, unless `careful` counts them all."""
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    header = file.readline(_HEAD)
    if not (match := _HEADER.fullmatch(header)):
        found = _shown(header.strip(_BLANKS)) if header else "an empty file"
        raise _error(path, 1, None, f"expected the number of entries, found {found}")
    wanted = int(match[1])
    entries: dict[str, _Entry] = {}
    line, name = 1, None
    while text := file.readline(_HEAD):
        line += 1
        if not text.strip(_BLANKS) and len(text) < _HEAD:
            continue
        first = file.tell() - len(text)
        name, count, length = _name_and_count(text, path, line)
        first += length
        if len(entries) == wanted:
            raise _error(path, line, name, f"one entry too many; the header says {wanted}")
        if name in entries:
            raise _error(path, line, name, f"the same name as on line {entries[name].line}")
        prefixed = text[length : length + 2] in (b"0x", b"0X")
        if careful or prefixed or not _skip(file, size, first, count):
            file.seek(first)
            _check_count(file, path, line, name, count)
        entries[name] = _Entry(line, first, file.tell(), count)
    if len(entries) != wanted:
        raise _error(path, line, name, f"the file ends after {len(entries)} entries of {wanted}")
    if name is not None and entries[name].count:
        _check_last_value(file, size, path, line, name)
    return entries


def _name_and_count(text: bytes, path: str, line: int) -> tuple[str, int, int]:
    """An entry's name, its count, and how many bytes they and the blanks behind them take."""
    words = _GAP.split(text, 2)
    if len(words) < 2 or not words[0] or not words[1]:
        raise _error(path, line, None, f"expected 'name count values', found {_shown(text.rstrip(_BLANKS))}")
    try:
        name = words[0].decode()
    except UnicodeDecodeError:
        name = ""
    if not _is_name(name):
        raise _error(path, line, None, f"expected {_NAME}, found {_shown(words[0])}")
    match = _ENTRY.match(text)
    if not match or match.end() == _HEAD:
        raise _error(path, line, name, f"expected the number of values, found {_shown(words[1])}")
    return name, int(match[1]), match.end()


def _skip(file: BufferedReader, size: int, first: int, count: int) -> bool:
    """Go behind a line if it ends where `count` values of eight digits from `first` on would, or say False."""
    end = first + 9 * count - 1
    if not count or end > size:
        return False
    file.seek(end)
    rest = file.readline(16)
    return rest.endswith(b"\n") and not rest.strip(_BLANKS)


def _check_count(file: BufferedReader, path: str, line: int, name: str, count: int) -> None:
    """Read to the end of the line and hold the number of its values against the count."""
    found, within, text = 0, False, b""
    while text := file.readline(_BLOCK):
        found += len(text.split()) - (within and not text[:1].isspace())
        within = not text[-1:].isspace()
        if text.endswith(b"\n"):
            break
    if found != count:
        cut = "" if text else ", where the file ends"
        raise _error(path, line, name, f"expected {count} values, found {found}{cut}")


def _check_last_value(file: BufferedReader, size: int, path: str, line: int, name: str) -> None:
    """Refuse a file that may end within a value: one with nothing behind it and too short to be sure."""
    file.seek(max(0, size - 16))
    token = _GAP.split(file.read())[-1]
    if not token or _SURELY_WHOLE.fullmatch(token):
        return
    # hex(int) begins no number but 0 with a zero, so 0x0 is whole unless this writer pads behind the 0x.
    file.seek(max(0, size - _BLOCK))
    if token.lower() != b"0x0" or _PADDED.search(file.read()):
        what = f"the file ends in {_shown(token)} with no newline behind it; it may be cut within this value"
        raise _error(path, line, name, what)


def _decode_padded(file: BufferedReader, entry: _Entry) -> array[float] | None:
    """Decode values of eight digits with single spaces between them; None if the text is anything else.

    n such values are exactly what has 9n - 1 bytes, a space in each ninth place, and 4n bytes as hex: fromhex
    passes over white space between bytes, so any more of it would leave fewer of them.
    """
    values = array("f", (0.0,)) * entry.count
    target = memoryview(values).cast("B") if values else memoryview(b"")
    text = bytearray(9 * _CHUNK)
    file.seek(entry.first)
    for start in range(0, entry.count, _CHUNK):
        if (left := entry.count - start) <= _CHUNK:
            text = bytearray(9 * left - 1)
        try:
            if file.readinto(text) != len(text) or text[8::9] != _SPACES[: len(text) // 9]:
                return None
            data = bytes.fromhex(str(text, "latin-1"))  # the cheapest to decode; what is no ASCII is no hex either
        except ValueError:
            return None
        if len(data) != 4 * min(left, _CHUNK):
            return None
        target[4 * start : 4 * start + len(data)] = data
    if file.read(entry.end - file.tell()).strip(_BLANKS):
        return None
    if sys.byteorder == "little":
        values.byteswap()
    return values


def _decode_tokens(file: BufferedReader, path: str, name: str, entry: _Entry) -> array[float]:
    """Decode values in any of the layouts, token by token."""
    values = array("f")
    file.seek(entry.first)
    left, rest = entry.end - entry.first, b""
    while left:
        text = rest + file.read(min(left, _BLOCK))
        left -= min(left, _BLOCK)
        # The last value may go on in the next block, but none is as long as a block.
        cut = (left and 1 + max(text.rfind(b" "), text.rfind(b"\t"))) or len(text)
        text, rest = text[:cut], text[cut:]
        if not left:
            text = text.rstrip(_BLANKS)
        if not _VALUES.fullmatch(text):
            raise _token_error(path, name, entry, len(values), text)
        digits = (token.removeprefix("0x").rjust(8, "0") for token in text.decode().lower().split())
        values.frombytes(bytes.fromhex("".join(digits)))
    if len(values) != entry.count:
        raise _error(path, entry.line, name, f"expected {entry.count} values, found {len(values)}")
    if sys.byteorder == "little":
        values.byteswap()
    return values


def _token_error(path: str, name: str, entry: _Entry, before: int, text: bytes) -> WtsError:
    tokens = re.split(rb"[ \t]+", text.strip(b" \t"))
    index, token = next((i, token) for i, token in enumerate(tokens) if not _VALUE.fullmatch(token))
    where = f"value {before + index + 1} of {entry.count}"
    what = f"{where}: expected eight hex digits, or 0x and one to eight, found {_shown(token)}"
    return _error(path, entry.line, name, what)


def _shown(text: bytes) -> str:
    try:
        shown, what = repr(text.decode()), ""
    except UnicodeDecodeError:
        shown, what = repr(text), "bytes that are no text: "
    return what + (shown if len(shown) <= 60 else shown[:60] + "…")


def _error(path: str, line: int, name: str | None, what: str) -> WtsError:
    key = "" if name is None else f", key {name!r}"
    return WtsError(f"{path}, line {line}{key}: {what}")


def _is_name(name: object) -> bool:
    # Of all white space only the plain blank counts as printable.
    sound = isinstance(name, str) and name and name.isprintable() and " " not in name
    return bool(sound) and len(str(name).encode()) <= _LONGEST_NAME


def write_wts(
    path: str | os.PathLike[str],
    mapping: Mapping[str, Any],
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write `mapping` to the .wts file at `path`, whole or not at all: see dump_wts for what it may hold.

    Raises:
        WtsError: as dump_wts, or the file can't be written. What stood at `path` before is then untouched.
    """
    target = os.path.abspath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise WtsError(f"{target}: expected a file to replace, found a directory or a device")
    part = os.path.join(os.path.dirname(target), f".{os.urandom(8).hex()}.wts.part")
    try:
        with open(part, "xb") as stream:
            dump_wts(stream, mapping, progress)
        os.replace(part, target)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(part)
        if isinstance(error, OSError):
            raise WtsError(f"{target}: can't be written: {error.strerror or error}") from error
        raise


def dump_wts(
    stream: BinaryIO,
    mapping: Mapping[str, Any],
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write `mapping` to a buffered binary stream, byte for byte as the usual gen_wts.py would.

    Args:
        stream: where to write.
        mapping: values by name, flattened in C order and made float32, whose bits are kept, NaN payloads too.
            They may be anything with the buffer protocol and a real type (array, memoryview, numpy array of any
            layout), a torch tensor, anything with `__array__`, or an iterable of numbers.
        progress: called now and then with the number of values written so far.

    Raises:
        WtsError: a name is empty, too long, or has white space or unprintable characters; values are no real
            numbers, or finite ones too large for float32.
    """
    for name in mapping:
        if not _is_name(name):
            raise WtsError(f"key {name!r}: expected {_NAME}")
    written = 0
    stream.write(b"%d\n" % len(mapping))
    for name in mapping:
        source = mapping[name]
        try:
            values = _float32(source)
        except (TypeError, ValueError, OverflowError, RuntimeError, struct.error) as error:
            raise WtsError(f"key {name!r}: can't be written as float32: {error}") from error
        stream.write(f"{name} {len(values) // 4} ".encode())
        for start in range(0, len(values), 4 * _PIECE):
            chunk = array("f")
            chunk.frombytes(values[start : start + 4 * _PIECE])
            if sys.byteorder == "little":
                chunk.byteswap()
            stream.write(b" ")
            stream.write(hexlify(chunk, " ", 4))
            written += len(chunk)
            if progress:
                progress(written)
        stream.write(b"\n")


def _float32(values: Any) -> memoryview | bytes | bytearray:
    """The values as the bytes of native float32, in C order."""
    if isinstance(values, (bytes, bytearray, str)):
        raise TypeError(f"expected numbers, found {type(values).__name__}")
    if hasattr(values, "detach"):
        values = _numpy_from_torch(values)
    if hasattr(values, "__array__"):
        values = _narrowed(values.__array__())
    try:
        view = memoryview(values)
    except TypeError:
        return _packed(values)
    native = "<f" if sys.byteorder == "little" else ">f"
    if view.format in ("f", "@f", "=f", native):
        return view.cast("B") if view.c_contiguous and view.nbytes else view.tobytes()
    return _packed(value for (value,) in struct.iter_unpack(view.format, view.tobytes()))


def _numpy_from_torch(tensor: Any) -> Any:
    tensor = tensor.detach().cpu()
    if tensor.is_complex():
        raise TypeError(f"expected real numbers, found {tensor.dtype}")
    # float() holds every other type; _narrowed looks for float64 values that it does not.
    wide = tensor.is_floating_point() and tensor.element_size() > 4
    return (tensor if wide else tensor.float()).numpy()


def _narrowed(values: Any) -> Any:
    """A numpy array as float32."""
    dtype = values.dtype
    if dtype.kind not in "biu" and "float" not in dtype.name:  # by name, as bfloat16 is of kind V
        raise TypeError(f"expected real numbers, found dtype {dtype}")
    if dtype.kind == "f" and dtype.itemsize > 4:
        size = abs(values)
        large = (size >= _OVERFLOW) & (size < math.inf)
        if large.any():
            raise OverflowError(f"{values[large].flat[0]} is too large")
    return values.astype("float32", copy=False)


def _packed(values: Iterable[float]) -> bytearray:
    data, remaining = bytearray(), iter(values)
    while chunk := tuple(islice(remaining, _PIECE)):
        data += struct.pack(f"={len(chunk)}f", *chunk)  # '=' minds an overflow, '@' does not
    return data
