"""wtsnet/checkpoint/unpickle.py: a hostile pickle does nothing, and a malformed one is refused.

Each gadget creates a file when it runs; the ordinary loader is used to see that it would.
"""

from __future__ import annotations

import collections
import functools
import io
import operator
import os
import pickle
import subprocess
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from wtsnet.checkpoint.exporting import load_checkpoint
from wtsnet.checkpoint.records import PlainDict, Record
from wtsnet.checkpoint.unpickle import unpickle
from wtsnet.errors import CheckpointError


class Call:
    """Pickles as the call of a function with arguments, and with any other parts that `__reduce__` may give."""

    def __init__(self, function: Any, *arguments: Any, parts: tuple[Any, ...] = ()) -> None:
        self.reduced = (function, arguments, *parts)

    def __reduce__(self) -> Any:
        return self.reduced


def apply(function: Any, argument: Any) -> Call:
    """The call of a function that is itself the result of one."""
    return Call(list, Call(map, function, [argument]))


def system(path: str) -> Call:
    return Call(os.system, f"touch '{path}'")


class Touch:
    """Creates the file it is given, whatever a pickle does to it."""

    def __init__(self, path: str = "") -> None:
        self.path = path

    def __new__(cls, *paths: str) -> Touch:
        for path in paths:
            Path(path).touch()
        return super().__new__(cls)

    def __getnewargs__(self) -> tuple[str]:
        return (self.path,)

    def append(self, path: str) -> None:
        Path(path).touch()

    def extend(self, paths: list[str]) -> None:
        Path(paths[0]).touch()

    def __setitem__(self, key: str, value: str) -> None:
        Path(value).touch()

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, str):
            Path(state).touch()


def new(path: str) -> Touch:
    touch = Touch()
    touch.path = path
    return touch


def module(path: str) -> nn.Module:
    result = nn.Linear(1, 1)
    result.hook = system(path)  # type: ignore[assignment]
    return result


def saved(content: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


GADGETS: dict[str, Any] = {
    "os.system": system,
    "exec": lambda path: Call(exec, f"open({path!r}, 'w').close()"),
    "eval": lambda path: Call(eval, f"open({path!r}, 'w').close()"),
    "__import__": lambda path: apply(Call(getattr, Call(__import__, "os"), "system"), f"touch '{path}'"),
    "methodcaller": lambda path: apply(Call(operator.methodcaller, "touch"), Path(path)),
    "partial": lambda path: apply(Call(functools.partial, os.system), f"touch '{path}'"),
    "subprocess": lambda path: Call(subprocess.check_output, ["touch", path]),
    "pickle.loads": lambda path: Call(pickle.loads, pickle.dumps(system(path))),
    "torch.load of bytes": lambda path: Call(torch.storage._load_from_bytes, saved(system(path))),
    "a function for torch to call": lambda path: Call(
        torch._tensor._rebuild_from_type_v2, os.system, Touch, (f"touch '{path}'",), None
    ),
    "a parameter's data": lambda path: Call(torch._utils._rebuild_parameter, system(path), False, {}),
    "__new__": new,
    "__setstate__": lambda path: Call(Touch, parts=(path,)),
    "append": lambda path: Call(Touch, parts=(None, iter([path]))),
    "extend": lambda path: Call(Touch, parts=(None, iter([path, path]))),
    "__setitem__": lambda path: Call(Touch, parts=(None, None, iter([("key", path)]))),
    "an object array": lambda path: np.array([system(path), None], dtype=object),
    "a set": lambda path: {Call(str, system(path))},
    "a default": lambda path: collections.defaultdict(None, {"key": system(path)}),
    "a module's attribute": module,
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("gadget", GADGETS)
def test_gadget_does_nothing(tmp_path: Path, gadget: str, legacy: bool) -> None:
    marker, path = tmp_path / "marker", tmp_path / "x.pt"
    weights = {"w": torch.arange(3.0)}
    content = {"model": weights, "also": GADGETS[gadget](str(marker))}
    path.write_bytes(saved(content, _use_new_zipfile_serialization=not legacy))

    tensors = load_checkpoint(path).tensors
    assert list(tensors) == ["w"]
    assert torch.equal(tensors["w"], weights["w"])
    assert not marker.exists()

    with suppress(Exception):
        torch.load(path, weights_only=False)
    assert marker.exists(), "the gadget does not work, so the test shows nothing"


def test_gadgets_among_the_weights_do_nothing(tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "x.pt"
    state = collections.OrderedDict(w=torch.ones(2), also=system(str(marker)))
    path.write_bytes(saved({"ema": Call(os.system, "touch marker"), "model": state}))
    with pytest.raises(CheckpointError, match=r"'ema' is posix\.system, which holds no tensors; --key can be 'model'"):
        load_checkpoint(path)
    assert list(load_checkpoint(path, "model").tensors) == ["w"]
    assert not marker.exists()


def text(value: str) -> bytes:
    """Pushes a string, in the fourth protocol."""
    return b"\x8c" + bytes([len(value)]) + value.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'touch marker'\ntR.",
        b"cposix\nsystem\n(S'touch marker'\ntR.",
        b"(S'touch marker'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch marker'\no.",
        b'c__builtin__\neval\n(S\'open("marker", "w").close()\'\ntR.',
        b"\x80\x04" + text("os") + text("system") + b"\x93" + text("touch marker") + b"\x85R.",
        b"\x80\x04" + text("os") + text("path.os.system") + b"\x93" + text("touch marker") + b"\x85R.",
    ],
)
def test_hand_written_gadget_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(unpickle(data).root, Record)
    assert not Path("marker").exists()
    pickle.loads(data)
    assert Path("marker").exists(), "the gadget does not work, so the test shows nothing"


def test_records_say_what_they_stand_for() -> None:
    root = unpickle(
        pickle.dumps({"a": Call(os.system, "x"), "b": new("y"), "c": Call(Touch, parts=(None, iter("pq")))})
    ).root
    assert (root["a"].name, root["a"].args) == ("posix.system", ("x",))
    assert (root["b"].name, root["b"].args, root["b"].state) == (f"{__name__}.Touch", ("y",), {"path": "y"})
    assert root["c"].values == ["p", "q"]


class Outer:
    class Inner(nn.Linear):
        """A class within a class, which protocol 2 names by a call of getattr."""


def test_class_within_a_class() -> None:
    root = unpickle(pickle.dumps(Outer.Inner(1, 1).__dict__ | {"self": Outer.Inner}, 2)).root
    assert root["self"].name == f"{__name__}.Outer.Inner"


@pytest.mark.parametrize(
    "data",
    [
        b"c_codecs\nencode\n}S'x'\nI1\nsb.",
        b"c_codecs\nencode\n(N}S'_function'\nNstb.",
        b"ccollections\nOrderedDict\n(N}S'__call__'\nNstb.",
        b"ctorch\nfloat16\n}S'x'\nI1\nsb.",
        b"ctorch\nHalfStorage\n(N}S'__class__'\nNstb.",
        b"cos\nsystem\n}S'append'\nNsb.",
        b"cos\nsystem\n(N}S'append'\nNstb.",
    ],
)
def test_nothing_admitted_can_be_changed(data: bytes) -> None:
    with pytest.raises(CheckpointError, match="its pickle can't be read"):
        unpickle(data)
    assert unpickle(pickle.dumps(b"bytes", 2)).root == b"bytes"
    assert unpickle(b"cos\nsystem\n)R(I1\nI2\ne.").root.values == [1, 2]


def test_attributes_of_a_dict_are_dropped() -> None:
    root = unpickle(b"ccollections\nOrderedDict\n)R}S'items'\nI1\nsb(S'a'\nI1\nu.").root
    assert type(root) is PlainDict
    assert list(root.items()) == [("a", 1)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Nr\x00\x00\x00\x03.", "memo entry 50,331,648 in 7 bytes"),
        (b"Np50331648\n.", "memo entry 50,331,648 in 12 bytes"),
        (b"\x8e" + (1 << 28).to_bytes(8, "little") + b"x.", "cut short"),
        (b"\x8d" + (1 << 28).to_bytes(8, "little") + b"x.", "cut short"),
        (b"\x96" + (1 << 28).to_bytes(8, "little") + b"x.", "cut short"),
        (b"T" + (1 << 28).to_bytes(4, "little") + b"x.", "cut short"),
        (b"\x8b" + (1 << 28).to_bytes(4, "little") + b"x.", "cut short"),
        (b"c__builtin__\nbytes\n(I268435456\ntR.", ""),
        (b"c__builtin__\nbytearray\n(I268435456\ntR.", ""),
        (b"cnumpy\nzeros\n(I268435456\ntR.", ""),
        (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I268435456\ntS'b'\ntR.", ""),
    ],
)
def test_few_bytes_take_no_memory(data: bytes, message: str) -> None:
    tracemalloc.start()
    try:
        if message:
            with pytest.raises(CheckpointError, match=message):
                unpickle(data)
        else:
            unpickle(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_memo_may_be_as_large_as_the_pickle() -> None:
    index = (1 << 20) + 5
    data = (
        b"K\x07r"
        + index.to_bytes(4, "little")
        + b"0"
        + b"N0" * (index // 2)
        + b"j"
        + index.to_bytes(4, "little")
        + b"."
    )
    assert unpickle(data).root == 7


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner) | st.sets(st.integers())
    ),
    max_leaves=20,
)


@given(value=PLAIN, protocol=st.integers(0, 5))
@example(value="x" * 300, protocol=2)
@example(value=b"x" * 70_000, protocol=5)
@example(value=2**3000, protocol=2)
@example(value=[(), frozenset({1})], protocol=4)
@settings(max_examples=150, deadline=None)
def test_plain_data_is_read_as_it_is(value: Any, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    found = unpickle(b"before" + data + b".after", 6)
    assert found.root == value
    assert found.end == 6 + len(data)


@given(cut=st.integers(0, 400), flips=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4))
@settings(max_examples=200, deadline=None)
def test_malformed_pickle_is_an_error_of_ours(cut: int, flips: list[tuple[int, int]]) -> None:
    data = bytearray(pickle.dumps({"a": [1.5, (2, "x")], "b": new("y"), "c": {1, 2}, "d": np.arange(3)}, 2))
    for position, value in flips:
        data[position % len(data)] = value
    with suppress(CheckpointError):
        unpickle(bytes(data[: max(cut, 1)]))


@pytest.mark.parametrize("length", range(60))
def test_cut_pickle(length: int) -> None:
    data = pickle.dumps({"a": [1.5, (2, "x")], "b": 70_000, "c": [b"bytes"]}, 4)
    assert len(data) > 60
    with pytest.raises(CheckpointError, match="its pickle is cut short"):
        unpickle(data[:length])


@pytest.mark.parametrize("data", [b"\xff.", b"abc", b"(.", b"Q.", b"Ptext\n.", b"g7\n.", b"\x80\x09N."])
def test_no_pickle(data: bytes) -> None:
    with pytest.raises(CheckpointError, match="its pickle"):
        unpickle(data)
