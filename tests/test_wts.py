from __future__ import annotations

import array
import ast
import ctypes
import io
import math
import os
import pickle
import shutil
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import wtsnet.wts
from wtsnet.errors import WtsError, WtsnetError
from wtsnet.wts import dump_wts, read_wts, write_wts

SOURCE = Path(wtsnet.wts.__file__)
NAN = 0x7FA12345  # a signalling NaN with a payload


def bits(values: array.array[float]) -> list[int]:
    return array.array("I", values.tobytes()).tolist()


def floats(*patterns: int) -> array.array[float]:
    return array.array("f", array.array("I", patterns).tobytes())


def dumped(mapping: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    dump_wts(stream, mapping)
    return stream.getvalue()


def as_gen_wts_writes(mapping: dict[str, list[float]]) -> bytes:
    """The usual script's output, value by value."""
    text = f"{len(mapping)}\n"
    for name, values in mapping.items():
        text += f"{name} {len(values)} "
        for value in values:
            text += " " + struct.pack(">f", value).hex()
        text += "\n"
    return text.encode()


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(text: bytes) -> Path:
        path = tmp_path / "net.wts"
        path.write_bytes(text)
        return path

    return write


def read_all(path: Path) -> dict[str, list[int]]:
    return {name: bits(values) for name, values in read_wts(path).items()}


# Reading what is well formed

ONE, TWO = 0x3F800000, 0xC0490FDB
EXPECTED = {"a.weight": [ONE, TWO, 0], "b": [], "c": [ONE]}


@pytest.mark.parametrize(
    "text",
    [
        b"3\na.weight 3  3f800000 c0490fdb 00000000\nb 0 \nc 1  3f800000\n",
        b"3\na.weight 3 3f800000 c0490fdb 00000000\nb 0\nc 1 3f800000\n",
        b"3\na.weight 3  3F800000 C0490FDB 00000000\nb 0 \nc 1  3F800000\n",
        b"3\na.weight 3 0x3f800000 0xc0490fdb 0x0\nb 0 \nc 1 0x3f800000\n",
        b"3\na.weight 3 0X3F800000 0XC0490FDB 0X00000000\nb 0 \nc 1 0X3F800000\n",
        b"3\na.weight \t3\t \t3f800000  c0490fdb\t00000000\nb\t0\t\nc 1    3f800000\n",
        b"3  \na.weight 3  3f800000 c0490fdb 00000000 \t \nb 0    \nc 1  3f800000 \n",
        b"3\r\na.weight 3  3f800000 c0490fdb 00000000\r\nb 0 \r\nc 1  3f800000\r\n",
        b"3\na.weight 3  3f800000 c0490fdb 00000000\nb 0 \nc 1  3f800000",
        b"3\na.weight 3  3f800000 c0490fdb 00000000\nb 0 \nc 1  3f800000 ",
        b"3\na.weight 3  3f800000 c0490fdb 00000000\nb 0 \nc 1  3f800000\r",
        b"3\na.weight 3  3f800000 c0490fdb 00000000\nb 0 \nc 1  3f800000\n\n \n\r\n",
        b"3\na.weight 3  3f800000 0xc0490fdb 0x0\nb 0 \nc 1  3f800000\n",
    ],
    ids=[
        "two blanks", "one blank", "upper case", "hex(int)", "padded 0X", "tabs", "trailing blanks", "CRLF",
        "no last newline", "a last blank", "a last CR", "blank last lines", "mixed",
    ],
)  # fmt: skip
def test_every_variant_reads(file: Callable[[bytes], Path], text: bytes) -> None:
    path = file(text)
    assert read_all(path) == EXPECTED
    assert list(read_wts(path)) == list(EXPECTED)


def test_no_entries(file: Callable[[bytes], Path]) -> None:
    assert not read_wts(file(b"0\n"))
    assert not read_wts(file(b"0"))


@pytest.mark.parametrize("end", ["", "\n"])
def test_unpadded_zero_at_the_end(file: Callable[[bytes], Path], end: str) -> None:
    assert read_all(file(f"1\na 2 0x3f800000 0x0{end}".encode())) == {"a": [ONE, 0]}


@pytest.mark.parametrize("layout", ["  %s\n", " %s \r\n", "\t%s", "  %s   \t  \t    \t    \t   \n"])
@pytest.mark.parametrize("separator", [" ", "  ", "\t"])
@pytest.mark.parametrize("number", [1, 2, 8191, 8192, 8193, 16384, 30000])
def test_long_entries(file: Callable[[bytes], Path], layout: str, separator: str, number: int) -> None:
    patterns = np.random.default_rng(number).integers(0, 1 << 32, number, np.uint64).tolist()
    text = layout % separator.join(f"{pattern:08x}" for pattern in patterns)
    prefixed = separator.join(f"{pattern:#x}" for pattern in [*patterns, 1 << 31])
    path = file(f"2\nb {number + 1} {prefixed}\na {number}{text}".encode())
    assert read_all(path) == {"a": patterns, "b": [*patterns, 1 << 31]}


def test_mapping(file: Callable[[bytes], Path]) -> None:
    wts = read_wts(file(b"3\na.weight 3  3f800000 c0490fdb 00000000\nb 0 \nc 1  3f80000x\n"))
    assert len(wts) == 3
    assert "c" in wts  # known without a look at its malformed value
    assert "d" not in wts
    assert [wts.count(name) for name in wts] == [3, 0, 1]
    assert "3 entries" in repr(wts)
    values = wts["a.weight"]
    assert (type(values), values.typecode, len(values)) == (array.array, "f", 3)
    assert wts["a.weight"] is not values
    values.append(1.0)  # no view keeps it from growing
    for missing in (wts.__getitem__, wts.count):
        with pytest.raises(KeyError):
            missing("d")
    assert bits(pickle.loads(pickle.dumps(wts))["a.weight"]) == EXPECTED["a.weight"]


def test_a_file_in_another_folder_stays_found(
    file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file(b"1\na 1  3f800000\n")
    monkeypatch.chdir(tmp_path)
    wts = read_wts("net.wts")
    monkeypatch.chdir("/")
    assert wts["a"][0] == 1.0


# Reading what is not

STRUCTURE = [
    (b"", "line 1: expected the number of entries, found an empty file"),
    (b"\n1\na 1 3f800000\n", "line 1: expected the number of entries, found ''"),
    (b"many\n", "line 1: expected the number of entries, found 'many'"),
    (b"-1\n", "line 1: expected the number of entries, found '-1'"),
    (b"+1\na 1 3f800000\n", "line 1: expected the number of entries, found '+1'"),
    (b"1_0\n", "line 1: expected the number of entries, found '1_0'"),
    ("١\n".encode(), "line 1: expected the number of entries, found '١'"),
    (b"1.0\na 1 3f800000\n", "line 1: expected the number of entries, found '1.0'"),
    (b"a 1  3f800000\n", "line 1: expected the number of entries, found 'a 1  3f800000'"),
    (b"PK\x03\x04\x80\xff\n", "line 1: expected the number of entries, found bytes that are no text: b'PK"),
    (b"2\na 1  3f800000\n", "line 2, key 'a': the file ends after 1 entries of 2"),
    (b"2\n", "line 1: the file ends after 0 entries of 2"),
    (b"9999999999999999999\n", "line 1: the file ends after 0 entries of 9999999999999999999"),
    (b"1\na 1  3f800000\nb 0\n", "line 3, key 'b': one entry too many; the header says 1"),
    (b"0\na 1  3f800000\n", "line 2, key 'a': one entry too many; the header says 0"),
    (b"2\na 1  3f800000\na 1  3f800000\n", "line 3, key 'a': the same name as on line 2"),
    (b"1\na 2  3f800000\n", "line 2, key 'a': expected 2 values, found 1"),
    (b"1\na 1  3f800000 3f800000\n", "line 2, key 'a': expected 1 values, found 2"),
    (b"1\na 0  3f800000\n", "line 2, key 'a': expected 0 values, found 1"),
    (b"2\na 2  3f800000\nb 1  3f800000\n", "line 2, key 'a': expected 2 values, found 1"),
    (b"1\na 2 0x00 0x000 0x0000\n", "line 2, key 'a': expected 2 values, found 3"),
    (b"1\na 3 0x3f800000 0x0\n", "line 2, key 'a': expected 3 values, found 2"),
    (b"1\na 3  3f800000 3f8000003f800000\n", "line 2, key 'a': expected 3 values, found 2"),
    (b"1\na 2  3f800000", "line 2, key 'a': expected 2 values, found 1, where the file ends"),
    (b"1\na 2  3f800000 3f80", "line 2, key 'a': the file ends in '3f80' with no newline behind it; it may be"),
    (b"1\na 1 0x3f8", "line 2, key 'a': the file ends in '0x3f8' with no newline behind it; it may be cut"),
    (b"1\na 1 0x", "line 2, key 'a': the file ends in '0x' with no newline"),
    (b"1\na 2 0x00000001 0x0", "line 2, key 'a': the file ends in '0x0' with no newline"),
    (b"1\na 999999999999999999 3f800000\n", "key 'a': expected 999999999999999999 values, found 1"),
    (b"1\na 4611686018427387904 3f800000\n", "key 'a': expected 4611686018427387904 values, found 1"),
    (b"1\na " + b"9" * 5000 + b" 3f800000\n", "key 'a': expected the number of values, found '9999"),
    (b"1\na -1  3f800000\n", "line 2, key 'a': expected the number of values, found '-1'"),
    (b"1\na +1  3f800000\n", "line 2, key 'a': expected the number of values, found '+1'"),
    (b"1\na 01  3f800000\n", "line 2, key 'a': expected the number of values, found '01'"),
    (b"1\na 1_0  3f800000\n", "line 2, key 'a': expected the number of values, found '1_0'"),
    ("1\na ١  3f800000\n".encode(), "line 2, key 'a': expected the number of values, found '١'"),
    (b"1\na 1\x0b3f800000\n", "line 2, key 'a': expected the number of values, found '1\\x0b3f800000'"),
    (b"1\nan entry 1 3f800000\n", "line 2, key 'an': expected the number of values, found 'entry'"),
    (b"1\na\n", "line 2: expected 'name count values', found 'a'"),
    (b"1\n 1 3f800000\n", "line 2: expected 'name count values', found ' 1 3f800000'"),
    (b"1\n\xff\xfe 1 3f800000\n", "line 2: expected a printable name without white space, of at most 4000 bytes, "
     "found bytes that are no text: b'\\xff\\xfe'"),
    (b"1\na\x00b 1 3f800000\n", "line 2: expected a printable name without white space, of at most 4000 bytes, "
     "found 'a\\x00b'"),
    (b"1\na\x0bb 1 3f800000\n", "found 'a\\x0bb'"),
    ("1\na\u3000b 1 3f800000\n".encode(), "found 'a\\u3000b'"),
    (b"1\n" + b"x" * 4001 + b" 1 3f800000\n", "line 2: expected a printable name"),
    (b"1\n" + b"x" * 9000, "line 2: expected 'name count values', found 'xxx"),
    (b"1\na" + b" " * 4094 + b"12 3f800000\n", "line 2, key 'a': expected the number of values, found '1'"),
    (b"\n\n2\n", "line 1: expected the number of entries"),
    (b"1\n" + b" " * 5000 + b"\na 1 3f800000\n", "line 2: expected 'name count values'"),
    (b"1\n\na 2 3f800000\n", "line 3, key 'a': expected 2 values, found 1"),
    (b"1\na 0\r1\n", "line 2, key 'a': expected 0 values, found 1"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), STRUCTURE)
def test_structural_errors(file: Callable[[bytes], Path], text: bytes, message: str) -> None:
    path = file(text)
    with pytest.raises(WtsError) as caught:
        read_wts(path)
    assert str(caught.value).startswith(f"{path}, line ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


TOKEN = "expected eight hex digits, or 0x and one to eight, found"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (b"3f800000 3f80000g", f"value 2 of 2: {TOKEN} '3f80000g'"),
        (b"3f800000 3f8000000", f"value 2 of 2: {TOKEN} '3f8000000'"),
        (b"3f800000 3f80000", f"value 2 of 2: {TOKEN} '3f80000'"),
        (b"3f800000 3f8000  ", f"value 2 of 2: {TOKEN} '3f8000'"),
        (b"3f8000 003f800000", f"value 1 of 2: {TOKEN} '3f8000'"),
        (b"0 0x0", f"value 1 of 2: {TOKEN} '0'"),
        (b"0x 0x0", f"value 1 of 2: {TOKEN} '0x'"),
        (b"0x123456789 0x0", f"value 1 of 2: {TOKEN} '0x123456789'"),
        (b"0x-1 0x0", f"value 1 of 2: {TOKEN} '0x-1'"),
        (b"-3f80000 3f800000", f"value 1 of 2: {TOKEN} '-3f80000'"),
        (b"3f80_000 3f800000", f"value 1 of 2: {TOKEN} '3f80_000'"),
        (b"3f800000\x0b3f800000", f"value 1 of 2: {TOKEN} '3f800000\\x0b3f800000'"),
        (b"3f800000\r3f800000", f"value 1 of 2: {TOKEN} '3f800000\\r3f800000'"),
        (b"3f800000 3f8000\xff\xfe", f"value 2 of 2: {TOKEN} bytes that are no text: b'3f8000\\xff\\xfe'"),
        ("3f800000 3f8000٠".encode(), f"value 2 of 2: {TOKEN} '3f8000٠'"),
        (b"3f800000 \x00\x00\x00\x00\x00\x00\x00\x00", f"value 2 of 2: {TOKEN} '\\x00"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b" \r\n"])
def test_token_errors(file: Callable[[bytes], Path], values: bytes, message: str, end: bytes) -> None:
    path = file(b"2\nfirst 1  3f800000\na.b 2  " + values + end)
    with pytest.raises(WtsError) as caught:
        read_wts(path)["a.b"]
    assert str(caught.value).startswith(f"{path}, line 3, key 'a.b': ")
    assert message in str(caught.value)


def test_a_bad_value_leaves_the_others(file: Callable[[bytes], Path]) -> None:
    wts = read_wts(file(b"2\na 1  3f80000g\nb 1  3f800000\n"))
    assert wts["b"][0] == 1.0
    with pytest.raises(WtsError, match="line 2, key 'a'"):
        wts["a"]


@pytest.mark.parametrize("position", [9 * 8191 + 3, 9 * 8191 + 8, 9 * 8192, 9 * 20000 + 1, 9 * 30000 - 2])
def test_a_bad_byte_in_a_long_entry(file: Callable[[bytes], Path], position: int) -> None:
    text = bytearray(b"3f800000 " * 30000)
    text[position] = ord("x")
    with pytest.raises(WtsError, match="line 2, key 'a'"):
        read_wts(file(b"1\na 30000  " + bytes(text[:-1]) + b"\n"))["a"]
    text[position] = ord("0")
    if position % 9 != 8:
        assert len(read_wts(file(b"1\na 30000  " + bytes(text[:-1]) + b"\n"))["a"]) == 30000


def test_the_number_of_a_bad_value_in_a_long_entry(file: Callable[[bytes], Path]) -> None:
    tokens = ["0x3f800000"] * 30000
    tokens[23456] = "0xyz"
    with pytest.raises(WtsError, match=r"value 23457 of 30000: .* found '0xyz'"):
        read_wts(file(f"1\na 30000 {' '.join(tokens)}\n".encode()))["a"]


def test_a_value_without_end(file: Callable[[bytes], Path]) -> None:
    with pytest.raises(WtsError, match=r"value 1 of 1: .* found 'aaaa.*…"):
        read_wts(file(b"1\na 1  " + b"a" * 1_000_000 + b"\n"))["a"]


def test_a_wrong_count_that_ends_where_another_line_does(file: Callable[[bytes], Path]) -> None:
    # By its count, the first line would end with the second; the header was counted by the same wrong rule.
    wts = read_wts(file(b"1\na 3  3f800000\nbcdef 1  3f800000\n"))
    with pytest.raises(WtsError, match="line 2, key 'a': expected 3 values, found 1"):
        wts["a"]
    for values in (b"3f\t80000 3f800000", b"3f80  00 3f800000", b"3f800000 3f80  00", b"3f800000 0x0 0x00"):
        wts = read_wts(file(b"1\na 2  " + values + b"\n"))
        with pytest.raises(WtsError, match="line 2, key 'a': expected 2 values, found 3"):
            wts["a"]
    # The same in a sound file, which is then read with all values counted.
    path = file(b"2\na 3  3f800000 0x0 0x0\nbcd 1 0x3\n")
    assert read_all(path) == {"a": [ONE, 0, 0], "bcd": [3]}


def test_no_text_is_read_where_the_layout_is_usual(file: Callable[[bytes], Path]) -> None:
    class Counting(io.FileIO):
        read_bytes = 0

        def readinto(self, buffer: Any, /) -> int:
            number = super().readinto(buffer)
            assert number is not None
            self.read_bytes += number
            return number

    path = file(dumped({"a": array.array("f", bytes(4_000_000)), "b": [1.0]}))
    with Counting(path) as raw, io.BufferedReader(raw) as reader:
        entries = wtsnet.wts._index(cast("Any", reader), str(path))
        assert list(entries) == ["a", "b"]
        assert raw.read_bytes < 100_000


def test_no_memory_is_taken_for_a_count_that_the_file_can_not_hold(file: Callable[[bytes], Path]) -> None:
    for count in (10**9, 10**12, 2**61, 2**63, 10**18):
        with pytest.raises(WtsError, match=f"expected {count} values, found 2"):
            read_wts(file(b"1\na %d  3f800000 3f800000\n" % count))


def test_a_changed_file(file: Callable[[bytes], Path]) -> None:
    path = file(b"1\na 1  3f800000\n")
    wts = read_wts(path)
    assert wts["a"][0] == 1.0
    os.utime(path, ns=(1, 1))
    with pytest.raises(WtsError, match="the file has changed since it was indexed"):
        wts["a"]
    wts = read_wts(path)
    write_wts(path, {"a": [2.0]})
    os.utime(path, ns=(1, 1))
    with pytest.raises(WtsError, match="the file has changed since it was indexed"):
        wts["a"]
    path.write_bytes(b"1\na 1")
    with pytest.raises(WtsError, match="the file has changed since it was indexed"):
        wts["a"]
    path.unlink()
    with pytest.raises(WtsError, match=r"net.wts: can't be read: No such file"):
        wts["a"]


def test_a_file_that_changes_while_it_is_decoded(
    file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(b"1\na 1  3f800000\n")
    wts = read_wts(path)
    decode = wtsnet.wts._decode_padded

    def change(*arguments: Any) -> Any:
        path.write_bytes(b"1\na 1  3f80")
        return decode(*arguments)

    monkeypatch.setattr(wtsnet.wts, "_decode_padded", change)
    with pytest.raises(WtsError, match="the file has changed since it was indexed"):
        wts["a"]


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(WtsError, match=r"no.wts: can't be read: No such file or directory"):
        read_wts(tmp_path / "no.wts")
    with pytest.raises(WtsError, match="expected a file, found a directory or a device"):
        read_wts(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WtsError, match="expected a file, found a directory or a device"):
        read_wts(tmp_path / "pipe")  # opening it would wait for a writer
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(WtsError, match="expected a file to replace, found a directory or a device"):
            write_wts(path, {})


# Writing


def test_the_usual_layout() -> None:
    mapping = {"model.0.conv.weight": [1.0, -3.1415927410125732, 0.0], "nothing": [], "n": [-0.0]}
    expected = b"3\nmodel.0.conv.weight 3  3f800000 c0490fdb 00000000\nnothing 0 \nn 1  80000000\n"
    assert as_gen_wts_writes(mapping) == expected
    assert dumped(mapping) == expected
    assert dumped({}) == b"0\n"


RAMP = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
VALUES: dict[str, Any] = {
    "array f": array.array("f", range(24)),
    "array d": array.array("d", range(24)),
    "array b": array.array("b", range(24)),
    "array q": array.array("q", range(24)),
    "list": [float(i) for i in range(24)],
    "ints": list(range(24)),
    "tuple": tuple(range(24)),
    "iterator": iter(range(24)),
    "memoryview": memoryview(array.array("f", range(24))),
    "memoryview, strided": memoryview(array.array("f", [i / 2 for i in range(48)]))[::2],
    "memoryview, 2-d": memoryview(array.array("f", range(24))).cast("B").cast("f", (4, 6)),
    "memoryview, doubles": memoryview(array.array("d", [i / 2 for i in range(48)]))[::2],
    "ctypes": (ctypes.c_float * 24)(*range(24)),
    "ctypes, doubles": (ctypes.c_double * 24)(*range(24)),
    "numpy": RAMP,
    "numpy, Fortran order": np.asfortranarray(RAMP),
    "numpy, transposed twice": np.ascontiguousarray(RAMP.T).T,
    "numpy, reversed": RAMP[:, ::-1, :].copy()[:, ::-1],
    "numpy, big-endian": RAMP.astype(">f4"),
    "numpy, read-only": np.broadcast_to(RAMP, (1, 2, 3, 4)),
    **{f"numpy, {dtype}": RAMP.astype(dtype) for dtype in [*"edgbBhHiIlLqQ", ">f8", ">f2", ">i4"]},
    "torch": torch.from_numpy(RAMP),
    "torch, parameter": torch.nn.Parameter(torch.from_numpy(RAMP)),
    "torch, permuted": torch.from_numpy(RAMP).permute(2, 0, 1).contiguous().permute(1, 2, 0),
    **{
        f"torch, {dtype}": torch.from_numpy(RAMP).to(getattr(torch, dtype))
        for dtype in ("float16", "bfloat16", "float64", "int8", "uint8", "int64")
    },
}


@pytest.mark.parametrize("kind", VALUES)
def test_what_can_be_written(kind: str) -> None:
    assert dumped({"a": VALUES[kind]}) == as_gen_wts_writes({"a": [float(i) for i in range(24)]})


def test_few_dimensions_and_none() -> None:
    empties: list[Any] = [[], array.array("f"), np.zeros((3, 0)), np.zeros((0, 2), np.float32), torch.empty(0, 3)]
    for empty in empties:
        assert dumped({"a": empty}) == b"1\na 0 \n"
    for one in (np.float32(1), np.float64(1), np.array(1), np.array(1.0, np.float32), torch.tensor(1)):
        assert dumped({"a": one}) == b"1\na 1  3f800000\n"
    assert dumped({"a": torch.tensor([1.5, -2.0], dtype=torch.float8_e5m2)}) == dumped({"a": [1.5, -2.0]})
    assert dumped({"a": torch.tensor([True, False]), "b": np.array([True, False])}) == dumped(
        {"a": [1.0, 0.0], "b": [1, 0]}
    )


def test_objects_that_become_arrays() -> None:
    class Lazy:
        def __array__(self) -> np.ndarray[Any, Any]:
            return RAMP

    assert dumped({"a": Lazy()}) == dumped({"a": RAMP})


def test_the_bits_of_float32_are_kept() -> None:
    patterns = [NAN, 0xFFC00001, 0x7F800000, 0xFF800000, 1, 0x807FFFFF, 0x80000000, 0x7F7FFFFF]
    expected = f"1\na {len(patterns)}  {' '.join(f'{pattern:08x}' for pattern in patterns)}\n".encode()
    values = floats(*patterns)
    for source in (values, np.frombuffer(values, np.float32), torch.frombuffer(values, dtype=torch.float32)):
        assert dumped({"a": source}) == expected
    assert dumped({"a": np.frombuffer(values, np.float32).astype(">f4")}) == expected


def test_infinities_and_nan_of_other_types() -> None:
    for values in (
        [math.inf, -math.inf, math.nan],
        np.array([math.inf, -math.inf, math.nan]),
        np.array([math.inf, -math.inf, math.nan], np.float16),
        torch.tensor([math.inf, -math.inf, math.nan], dtype=torch.float64),
        torch.tensor([math.inf, -math.inf, math.nan], dtype=torch.bfloat16),
    ):
        assert dumped({"a": values}) == b"1\na 3  7f800000 ff800000 7fc00000\n"


LARGEST = 3.4028235677973362e38  # the largest float64 that rounds to a finite float32


@pytest.mark.parametrize("make", [list, np.array, lambda x: torch.tensor(x, dtype=torch.float64)])
@pytest.mark.parametrize("sign", [1, -1])
def test_finite_values_beyond_float32(make: Callable[[list[float]], Any], sign: int) -> None:
    assert dumped({"a": make([sign * LARGEST])}).endswith(b"7f7fffff\n" if sign > 0 else b"ff7fffff\n")
    for large in (math.nextafter(LARGEST, math.inf), 1e39, 1e308):
        with pytest.raises(WtsError, match=r"key 'a\.b': can't be written as float32: .*too large"):
            dumped({"a.b": make([1.0, math.inf, sign * large])})


def test_rounding() -> None:
    values = [0.1, 1 / 3, 1e-46, 1e-40, 16777217.0]
    for source in (values, np.array(values), torch.tensor(values, dtype=torch.float64), array.array("d", values)):
        assert dumped({"a": source}) == as_gen_wts_writes({"a": values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("1.0", "expected numbers, found str"),
        (b"1234", "expected numbers, found bytes"),
        (["1.0"], "required argument is not a float"),
        ([None], "required argument is not a float"),
        ([[1.0], [2.0]], "required argument is not a float"),
        ([1j], ""),
        ([10**400], ""),
        (1.0, "'float' object is not iterable"),
        (None, "'NoneType' object is not iterable"),
        (np.array([1j]), "expected real numbers, found dtype complex128"),
        (np.array(["a"]), "expected real numbers, found dtype <U1"),
        (np.array([None]), "expected real numbers, found dtype object"),
        (np.zeros(2, [("a", "f4")]), "expected real numbers, found dtype"),
        (np.array(["2026-01-01"], "datetime64[D]"), "expected real numbers, found dtype datetime64"),
        (torch.tensor([1j]), "expected real numbers, found torch.complex64"),
        (torch.empty(1, device="meta"), ""),
    ],
)
def test_values_that_are_refused(values: Any, message: str) -> None:
    with pytest.raises(WtsError, match=r"key 'a\.b': can't be written as float32: ") as caught:
        dumped({"fine": [1.0], "a.b": values})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a\tb", "a\n", "a\x00", "a\u3000b", "a\u2028", "\ufeffa", "\udcff", "x" * 4001, 7]
)
def test_names_that_are_refused(name: Any) -> None:
    stream = io.BytesIO()
    with pytest.raises(WtsError) as caught:
        dump_wts(stream, {"fine": [1.0], name: [1.0]})
    assert str(caught.value).startswith(f"key {name!r}: expected a printable name without white space")
    assert not stream.getvalue()


def test_names_that_are_kept(tmp_path: Path) -> None:
    names = ["module.model.0.conv.weight", "größe", "层.0", "3", "0x3f800000", "#", "x" * 4000]
    write_wts(tmp_path / "a.wts", {name: [1.0] for name in names})
    assert list(read_wts(tmp_path / "a.wts")) == names


def test_progress(tmp_path: Path) -> None:
    seen: list[int] = []
    mapping = {"a": array.array("f", bytes(4 * 200_000)), "b": [], "c": [1.0, 2.0]}
    write_wts(tmp_path / "a.wts", mapping, progress=seen.append)
    assert seen == sorted(set(seen))
    assert len(seen) > 2
    assert seen[-1] == 200_002
    assert (tmp_path / "a.wts").read_bytes() == dumped(mapping)


def test_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "net.wts"

    def failing() -> Iterator[float]:
        yield 1.0
        raise KeyboardInterrupt

    for old in (None, b"old"):
        if old:
            path.write_bytes(old)
        for bad, error in (([1e39], WtsError), (failing(), KeyboardInterrupt)):
            with pytest.raises(error):
                write_wts(path, {"a": array.array("f", bytes(4_000_000)), "b": bad})
            assert list(tmp_path.iterdir()) == ([path] if old else [])
            assert not old or path.read_bytes() == old
    with pytest.raises(ZeroDivisionError):
        write_wts(path, {"a": [1.0]}, progress=lambda written: written / 0)
    assert path.read_bytes() == b"old"
    write_wts(path, {"a": [1.0]})
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"1\na 1  3f800000\n"


def test_nothing_appears_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "net.wts"
    write_wts(path, {"a": [1.0]}, progress=lambda written: pytest.fail("too early") if path.exists() else None)
    assert path.exists()


def test_a_file_may_be_rewritten_from_itself(tmp_path: Path) -> None:
    path = tmp_path / "net.wts"
    write_wts(path, {"a": [1.0], "b": floats(NAN)})
    wts = read_wts(path)
    write_wts(path, {f"module.{name}": wts[name] for name in wts})
    write_wts(path, read_wts(path))
    assert read_all(path) == {"module.a": [ONE], "module.b": [NAN]}


def test_where_it_can_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "no" / "net.wts"
    with pytest.raises(WtsError) as caught:
        write_wts(path, {"a": [1.0]})
    assert str(caught.value) == f"{path}: can't be written: No such file or directory"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path: Path, mask: int) -> None:
    path = tmp_path / "net.wts"
    before = os.umask(mask)
    try:
        write_wts(path, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


# Properties

NAMES = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20).filter(str.isprintable)
PATTERNS = st.lists(st.integers(0, 2**32 - 1) | st.sampled_from([0, ONE, NAN, 0xFF800000]), max_size=12)
ENTRIES = st.dictionaries(NAMES, PATTERNS, max_size=6)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wts") / "net.wts"


@settings(deadline=None)
@given(entries=ENTRIES)
def test_round_trip(scratch: Path, entries: dict[str, list[int]]) -> None:
    write_wts(scratch, {name: floats(*patterns) for name, patterns in entries.items()})
    assert read_all(scratch) == entries
    assert list(read_wts(scratch)) == list(entries)
    assert dumped(dict(read_wts(scratch))) == scratch.read_bytes()


def laid_out(entries: dict[str, list[int]], unpadded: bool, blanks: str, end: str, last: str) -> bytes:
    lines = [str(len(entries))]
    for name, patterns in entries.items():
        values = " ".join(f"{pattern:#x}" if unpadded else f"{pattern:08x}" for pattern in patterns)
        lines.append(f"{name} {len(patterns)}{blanks}{values}")
    return (end.join(lines) + last).encode()


LAYOUTS = st.builds(
    laid_out,
    ENTRIES,
    st.booleans(),
    st.sampled_from([" ", "  ", "\t"]),
    st.sampled_from(["\n", " \n", "\r\n"]),
    st.sampled_from(["\n", "\n\n", " \n", "\r\n"]),
)
PADDED = st.builds(laid_out, ENTRIES, st.just(False), st.sampled_from([" ", "  "]), st.just("\n"), st.just("\n"))


@settings(deadline=None)
@given(entries=ENTRIES, layout=st.data())
def test_layouts_round_trip(scratch: Path, entries: dict[str, list[int]], layout: st.DataObject) -> None:
    draw = layout.draw
    text = laid_out(
        entries,
        draw(st.booleans()),
        draw(st.sampled_from([" ", "  ", "\t", " \t  "])),
        draw(st.sampled_from(["\n", " \n", "\r\n", "\t \r\n"])),
        draw(st.sampled_from(["\n", "\n\n", " ", " \n", "\r\n", "\n \n"])),
    )
    scratch.write_bytes(text)
    assert read_all(scratch) == entries


def read_or_refused(path: Path, text: bytes) -> dict[str, list[int]] | None:
    path.write_bytes(text)
    try:
        return read_all(path)
    except WtsError:
        return None


@settings(deadline=None)
@given(text=LAYOUTS, where=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_never_read_wrong(scratch: Path, text: bytes, where: float) -> None:
    expected = read_or_refused(scratch, text)
    assert expected is not None
    found = read_or_refused(scratch, text[: int(where * len(text))])
    assert found is None or found == expected


@pytest.mark.parametrize("blank", [" ", "  "])
def test_no_cut_of_a_padded_file_is_read_wrong(scratch: Path, blank: str) -> None:
    entries = {"a.weight": [ONE, TWO, 0], "b": [], "12": [0x12345678], "empty": [], "c": [0x10101010, 0]}
    text = laid_out(entries, False, blank, "\n", "\n")
    for end in range(len(text)):
        assert read_or_refused(scratch, text[:end]) == (entries if end == len(text) - 1 else None)


def spans(text: bytes) -> tuple[set[int], set[int]]:
    """The offsets of bytes in names and of bytes in values."""
    names, values, offset = set[int](), set[int](), 0
    for number, line in enumerate(text.split(b"\n")):
        if number and line:
            first, last = line.index(b" "), len(line.rstrip())
            names |= set(range(offset, offset + first))
            begin = line.index(b" ", first + 1)
            values |= {offset + i for i in range(begin, last) if line[i : i + 1] != b" "}
        offset += len(line) + 1
    return names, values


@settings(deadline=None)
@given(text=PADDED, where=st.floats(0, 1, exclude_max=True), change=st.data())
def test_a_damaged_file_is_never_read_wrong(scratch: Path, text: bytes, where: float, change: st.DataObject) -> None:
    """One byte deleted, inserted or replaced: an error or the same values, but for what no reader can see."""
    position = int(where * len(text))
    kind = change.draw(st.sampled_from(["delete", "insert", "replace"]))
    byte = change.draw(st.sampled_from(b" \n\r\t\x00\x0b0123456789abcdefxXg+-_\xff") | st.integers(0, 255))
    new = b"" if kind == "delete" else bytes([byte])
    damaged = text[:position] + new + text[position + (kind != "insert") :]
    assume(damaged != text)
    expected, found = read_or_refused(scratch, text), read_or_refused(scratch, damaged)
    assert expected is not None
    if found is None or found == expected:
        return
    names, values = spans(text)
    if position in names or (kind == "insert" and position - 1 in names):
        # Another name, with the same values in the same place.
        assert list(found.values()) == list(expected.values())
        assert sum(a != b for a, b in zip(found, expected, strict=True)) == 1
    else:
        # Another digit in the place of one.
        assert kind == "replace"
        assert position in values
        assert new in b"0123456789abcdefABCDEF"
        assert list(found) == list(expected)
        flat, was = chain.from_iterable(found.values()), chain.from_iterable(expected.values())
        assert sum(a != b for a, b in zip(flat, was, strict=True)) == 1


# The file by itself


def test_only_the_standard_library_is_imported() -> None:
    imported = set()
    for node in ast.walk(ast.parse(SOURCE.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module or "")
    imported.remove("wtsnet.errors")
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_alone_in_a_folder(tmp_path: Path) -> None:
    shutil.copy(SOURCE, tmp_path / "wts.py")
    program = f"""
import sys
sys.path = [path for path in sys.path if "site-packages" not in path]
sys.path.insert(0, {str(tmp_path)!r})
import wts
try:
    import wtsnet
    raise SystemExit("wtsnet is importable")
except ImportError:
    pass
assert issubclass(wts.WtsError, ValueError)
wts.write_wts({str(tmp_path / "a.wts")!r}, {{"a": [1.0, 2.5], "b": []}})
print({{name: values.tolist() for name, values in wts.read_wts({str(tmp_path / "a.wts")!r}).items()}})
open({str(tmp_path / "a.wts")!r}, "a").write("x")
try:
    wts.read_wts({str(tmp_path / "a.wts")!r})
except wts.WtsError as error:
    print(error)
assert "numpy" not in sys.modules
"""
    command = [sys.executable, "-I", "-S", "-W", "error::DeprecationWarning", "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.stderr == ""
    assert result.stdout == (
        f"{{'a': [1.0, 2.5], 'b': []}}\n{tmp_path}/a.wts, line 4: expected 'name count values', found 'x'\n"
    )


def test_the_error_is_wtsnets() -> None:
    assert wtsnet.wts.WtsError is WtsError
    assert issubclass(WtsError, WtsnetError)
