"""wtsnet/checkpoint/facts.py: what becomes a fact, and what is left out."""

from __future__ import annotations

from argparse import Namespace
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from wtsnet.checkpoint.exporting import load_checkpoint

WEIGHTS = {"w": torch.ones(1)}


def facts_of(tmp_path: Path, content: Any, **options: Any) -> dict[str, Any]:
    torch.save(content, tmp_path / "x.pt", **options)
    return load_checkpoint(tmp_path / "x.pt").facts


def fact(tmp_path: Path, name: str, value: Any) -> Any:
    return facts_of(tmp_path, {"model": WEIGHTS, name: value}).get(name)


class Head(nn.Module):
    def __init__(self, anchors: Any = (), stride: Any = (8.0, 16.0), **attributes: Any) -> None:
        super().__init__()
        self.register_buffer("anchors", torch.tensor(anchors))
        self.stride = torch.tensor(stride)
        self.conv = nn.Conv2d(1, 1, 1, stride=2)
        self.__dict__.update(attributes)


def model(*modules: nn.Module, **attributes: Any) -> nn.Module:
    result = nn.Sequential(*modules)
    result.__dict__.update(attributes)
    return result


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        (("a", "b"), ["a", "b"]),
        ({1: "b", 0: "a"}, ["a", "b"]),
        (OrderedDict({0: "ä"}), ["ä"]),
        (np.array(["a", "bc"]), ["a", "bc"]),
        ({0: "a", 2: "b"}, None),
        ({"0": "a"}, None),
        (["a", 1], None),
        ("ab", None),
        (["half of a pair: \ud800"], None),
    ],
)
def test_names(tmp_path: Path, names: Any, expected: list[str] | None) -> None:
    assert fact(tmp_path, "names", names) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.tensor([8.0, 16.0]), [8.0, 16.0]),
        (torch.tensor([8, 16]).half(), [8.0, 16.0]),
        (np.array([8.0, 16.0]), [8.0, 16.0]),
        (np.array([8, 16], dtype=">i2"), [8.0, 16.0]),
        ([np.float32(8), np.int64(16)], [8.0, 16.0]),
        ((8, 16), [8.0, 16.0]),
        ([8, True], None),
        ([], None),
        (8, None),
        (torch.ones(5000), None),
        (np.ones(5000), None),
        (np.array([1j]), None),
        (np.array(["2026-01-01"], dtype="datetime64[D]"), None),
        (torch.tensor([1j]), None),
        (torch.empty(1 << 30, 0), None),
        (np.empty((1 << 30, 0)), None),
    ],
)
def test_stride_from_arrays(tmp_path: Path, value: Any, expected: list[float] | None) -> None:
    found = fact(tmp_path, "stride", value)
    assert found == expected
    assert found is None or [type(item) for item in found] == [float] * len(found)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"nc": 3, "depth": 0.5, "flag": True, "none": None}, {"nc": 3, "depth": 0.5, "flag": True, "none": None}),
        ({"rows": [(-1, 1, "Conv", [64])]}, {"rows": [[-1, 1, "Conv", [64]]]}),
        ({"file": PurePosixPath("a/b.yaml"), "loss": nn.ReLU(), "n": 1}, {"file": "a/b.yaml", "n": 1}),
        ({"matrix": np.asfortranarray([[1, 2], [3, 4]]), ("a", "b"): 1}, {"matrix": [[1, 2], [3, 4]]}),
        ([1, 2], None),
    ],
)
def test_yaml(tmp_path: Path, value: Any, expected: Any) -> None:
    assert fact(tmp_path, "yaml", value) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("nc", 3, 3),
        ("nc", np.int64(3), 3),
        ("nc", True, None),
        ("nc", "3", None),
        ("task", "detect", "detect"),
        ("task", 3, None),
        ("kpt_shape", (17, 3), [17, 3]),
        ("kpt_shape", [17.0, 3], None),
        ("reg_max", 16, 16),
    ],
)
def test_simple_facts(tmp_path: Path, name: str, value: Any, expected: Any) -> None:
    found = fact(tmp_path, name, value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    "content",
    [
        {"model": WEIGHTS, "args": Namespace(imgsz=320)},
        {"model": WEIGHTS, "opt": {"imgsz": 320}},
        {"model": WEIGHTS, "train_args": {"imgsz": 320}},
        model(Head(), args={"imgsz": 320}),
        {"model": model(Head(), args=Namespace(imgsz=320)), "train_args": {"imgsz": 640}},
    ],
)
def test_image_size(tmp_path: Path, content: Any) -> None:
    assert facts_of(tmp_path, content)["imgsz"] == 320


def test_image_size_of_two_numbers(tmp_path: Path) -> None:
    assert facts_of(tmp_path, {"model": WEIGHTS, "args": {"imgsz": (320, 640)}}) == {"imgsz": [320, 640]}


ANCHORS = [[[1.25, 1.625], [2.0, 3.75]], [[1.875, 3.8125], [3.875, 2.8125]]]
PIXELS = [[[10.0, 13.0], [16.0, 30.0]], [[30.0, 61.0], [62.0, 45.0]]]


def test_anchors_are_in_pixels(tmp_path: Path) -> None:
    assert facts_of(tmp_path, model(Head(ANCHORS)))["anchors"] == PIXELS
    assert facts_of(tmp_path, model(Head(ANCHORS).half()))["anchors"] == PIXELS


@pytest.mark.parametrize(
    "head",
    [
        Head(ANCHORS, (8.0, 16.0, 32.0)),
        Head(ANCHORS[0]),
        Head([[[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]]]),
        nn.ParameterDict({"anchors": nn.Parameter(torch.tensor(ANCHORS))}),
    ],
)
def test_other_anchors_are_left_out(tmp_path: Path, head: nn.Module) -> None:
    assert "anchors" not in facts_of(tmp_path, model(head))


def test_head_tells_what_the_model_does_not(tmp_path: Path) -> None:
    head = Head(nc=5, kpt_shape=[17, 3], reg_max=16)
    expected = {"nc": 5, "stride": [8.0, 16.0], "kpt_shape": [17, 3], "reg_max": 16}
    assert facts_of(tmp_path, model(nn.Conv2d(1, 1, 1), head)) == expected


def test_facts_of_a_wrapped_model(tmp_path: Path) -> None:
    inner = model(Head(nc=2), names=["a", "b"], nc=2, yaml={"nc": 2}, task="detect")
    content = {"model": nn.DataParallel(inner), "names": ["of the checkpoint"]}
    assert facts_of(tmp_path, content) == {
        "yaml": {"nc": 2}, "nc": 2, "names": ["a", "b"], "stride": [8.0, 16.0], "task": "detect"
    }  # fmt: skip


def test_facts_are_the_same_in_every_protocol(tmp_path: Path) -> None:
    content = {"model": WEIGHTS, "stride": np.array([8.0, 16.0]), "nc": np.int64(3), "names": np.array(["a", "b", "c"])}
    for protocol in range(2, 6):
        found = facts_of(tmp_path, content, pickle_protocol=protocol)
        assert found == {"nc": 3, "names": ["a", "b", "c"], "stride": [8.0, 16.0]}


def test_lists_that_unfold_beyond_memory_are_left_out(tmp_path: Path) -> None:
    rows: list[Any] = ["x"]
    for _ in range(40):
        rows = [rows, rows]
    assert fact(tmp_path, "yaml", {"rows": rows}) is None
    loop: list[Any] = []
    loop.append(loop)
    assert fact(tmp_path, "yaml", {"loop": loop, "n": 1}) == {"n": 1}
