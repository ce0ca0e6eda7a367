"""wtsnet/network/checks.py: what the words of an annotation take, and what errors say of a value."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

from wtsnet.network import Dim, Network, Tensor
from wtsnet.network.checks import KINDS, Kind, Mismatch, dtype_name, kind_of, shown
from wtsnet.trt import MEMBERS

NET = Network({})
X = NET.input("x", ((1, 2, 3), 4))
DIM = X.dims[0]
ROOT = NET.root
assert isinstance(DIM, Dim)


def taken(annotation: str, value: Any) -> Any:
    return kind_of(annotation).take(value)


@pytest.mark.parametrize(
    ("annotation", "value", "wanted"),
    [
        ("int", 3, 3),
        ("int", np.int32(3), 3),
        ("int", np.uint8(3), 3),
        ("float", 3, 3),
        ("float", 0.5, 0.5),
        ("float", np.float32(0.5), 0.5),
        ("float", np.float64(0.5), 0.5),
        ("float", np.int64(2), 2),
        ("float", float("inf"), float("inf")),
        ("bool", True, True),
        ("bool", np.bool_(False), False),
        ("str", "a", "a"),
        ("None", None, None),
        ("Dim", DIM, DIM),
        ("Tensor", X, X),
        ("Scope", ROOT, ROOT),
        ("DType", np.float16, "float16"),
        ("Index", ..., ...),
        ("int | None", None, None),
        ("int | None", 3, 3),
        ("None | int", 3, 3),
        ("int | str", "same", "same"),
        ("float | bool", True, True),
        ("bool | float", 1, 1),
        ("Tensor | Dim | float", 2.0, 2.0),
        ("Tensor | Dim | float", DIM, DIM),
        ("Sequence[int]", [1, 2], (1, 2)),
        ("Sequence[int]", (), ()),
        ("Sequence[int]", np.array([1, 2]), (1, 2)),
        ("Sequence[int]", torch.Size([1, 2]), (1, 2)),
        ("Sequence[int]", range(2), (0, 1)),
        ("Sequence[int]", (i for i in range(2)), (0, 1)),
        ("Sequence[int | Dim]", [DIM, 2], (DIM, 2)),
        ("Sequence[Tensor]", [X, X], (X, X)),
        ("int | Sequence[int]", 3, 3),
        ("int | Sequence[int] | None", [np.int64(3)], (3,)),
        ("Sequence[int | None] | str", [None, 1], (None, 1)),
    ],
)
def test_what_is_taken(annotation: str, value: Any, wanted: Any) -> None:
    found = taken(annotation, value)
    assert type(found) is type(wanted)
    if not isinstance(wanted, tuple):
        assert found is wanted or found == wanted
        return
    assert [type(item) for item in found] == [type(item) for item in wanted]
    assert all(one is other or one == other for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        ("int", 3.0, "an integer"),
        ("int", True, "an integer"),
        ("int", np.bool_(True), "an integer"),
        ("int", "3", "an integer"),
        ("int", None, "an integer"),
        ("int", DIM, "an integer"),
        ("int", X, "an integer"),
        ("int", np.float32(3), "an integer"),
        ("int", np.array([3]), "an integer"),
        ("float", True, "a number"),
        ("float", "0.5", "a number"),
        ("float", 1j, "a number"),
        ("bool", 1, "True or False"),
        ("bool", None, "True or False"),
        ("str", b"a", "text"),
        ("None", 0, "None"),
        ("Dim", 3, "a Dim"),
        ("Tensor", 3.0, "a Tensor"),
        ("Tensor", torch.zeros(2), "a Tensor"),
        ("Tensor", X.trt, "a Tensor"),
        ("Tensor", [X], "a Tensor"),
        ("Scope", NET, "a Scope"),
        ("Scope", "a", "a Scope"),
        ("DType", "float64", 'a dtype such as "float32"'),
        ("int | None", "3", "an integer or None"),
        ("Tensor | Dim | float", True, "a Tensor, a Dim or a number"),
        ("float | bool", "x", "a number, True or False"),
        ("Sequence[int]", 3, "integers"),
        ("Sequence[int]", "12", "integers"),
        ("Sequence[int]", b"12", "integers"),
        ("Sequence[int]", [1, 2.0], "integers"),
        ("Sequence[int]", [[1]], "integers"),
        ("Sequence[int]", X, "integers"),
        ("Sequence[str]", "ab", "texts"),
        ("Sequence[int]", {1: 2}, "integers"),
        ("Sequence[int]", {1, 2}, "integers"),
        ("Sequence[Scope]", ROOT, "Scopes"),
        ("Sequence[int | Dim]", ["1"], "integers or Dims"),
        ("Sequence[Tensor]", X, "Tensors"),
        ("int | Sequence[int]", None, "an integer or integers"),
        ("int | Dim | Sequence[int | Dim] | None", "x", "an integer, a Dim, integers, Dims or None"),
        ("Sequence[float] | float", ["x"], "numbers or a number"),
    ],
)
def test_what_is_refused(annotation: str, value: Any, expected: str) -> None:
    kind = kind_of(annotation)
    with pytest.raises(Mismatch):
        kind.take(value)
    assert kind.one == expected
    assert NET.trt.num_layers == 0  # a tensor was not taken apart


@pytest.mark.parametrize(
    "annotation",
    [
        "dict",
        "tuple[int, int]",
        "list[int]",
        "Sequence",
        "Sequence[Any]",
        "Sequence[Sequence[int]]",
        "int | Number",
        "Sequence[int | complex]",
        "Literal['a', 'b']",
        "tensor",
        "Callable[[int], int]",
        "<class 'int'>",
        "_empty",
    ],
)
def test_words_that_nobody_knows(annotation: str) -> None:
    with pytest.raises(TypeError, match=r"^annotation .*: expected one of int, float, .*, or a Sequence of them$"):
        kind_of(annotation)


def test_every_word_stands_alone_and_in_a_sequence() -> None:
    for word, kind in KINDS.items():
        assert kind_of(word) is kind
        several = kind_of(f"Sequence[{word}]")
        assert (several.one, several.many) == (kind.many, kind.many)
        assert isinstance(several, Kind)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("float32", "float32"),
        ("torch.float32", "float32"),
        ("half", "float16"),
        ("float", "float32"),
        ("int", "int32"),
        ("long", "int64"),
        ("bool", "bool"),
        (np.float32, "float32"),
        (np.dtype("float16"), "float16"),
        (np.bool_, "bool"),
        (np.int64, "int64"),
        (np.uint8, "uint8"),
        (ml_dtypes.bfloat16, "bfloat16"),
        (np.dtype(ml_dtypes.float8_e4m3fn), "float8_e4m3fn"),
        (torch.float32, "float32"),
        (torch.half, "float16"),
        (torch.bfloat16, "bfloat16"),
        (torch.long, "int64"),
        (torch.int, "int32"),
        (torch.bool, "bool"),
        (torch.float8_e4m3fn, "float8_e4m3fn"),
    ],
    ids=str,
)
def test_dtypes(value: Any, name: str) -> None:
    assert dtype_name(value) == name
    assert name in MEMBERS


@pytest.mark.parametrize("name", list(MEMBERS))
def test_every_dtype_of_tensorrts_goes_by_its_name(name: str) -> None:
    assert dtype_name(name) == name


class Named:
    name = "float32"


@pytest.mark.parametrize(
    "value",
    [
        "float64",
        "fp16",
        "",
        None,
        float,
        bool,
        int,
        np.float64,
        torch.float64,
        torch.complex64,
        np.ndarray,
        Named(),
        32,
    ],
)
def test_what_is_no_dtype(value: Any) -> None:
    with pytest.raises(Mismatch):
        dtype_name(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        ("a", "'a'"),
        ([1, 2], "[1, 2]"),
        (X, "Tensor('x', (-1, 4), float32)"),
        (NET, "a Network"),
        (X.trt, "an ITensor"),
        ("x" * 100, f"'{'x' * 76}…"),
        (np.zeros((2, 2), int), "array([[0, 0], [0, 0]])"),
        (NET.root / "a", "Scope('a')"),
    ],
    ids=lambda one: type(one).__name__,  # some show where in memory they are, which differs from process to process
)
def test_values_in_errors(value: Any, text: str) -> None:
    assert shown(value) == text
    assert len(text) <= 80


def test_the_tensor_of_the_network_is_the_class_that_is_meant() -> None:
    assert taken("Tensor", X) is X
    assert isinstance(X, Tensor)
