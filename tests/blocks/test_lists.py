"""wtsnet/blocks/yolo/lists.py and heads/heads.py: how rows become layers, and blocks and heads of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import wtsnet
from wtsnet import Network, Scope, Tensor
from wtsnet.blocks.heads import heads
from wtsnet.blocks.heads.heads import HeadCall, add_head
from wtsnet.blocks.yolo.lists import Architecture, layers
from wtsnet.definition import registry
from wtsnet.errors import ModelError, NetworkError
from wtsnet.network import Weights
from wtsnet.ops import relu, silu

HEAD = [[-1], 1, "Detect", ["nc"]]


@pytest.fixture(autouse=True)
def _own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone behind it."""
    monkeypatch.setattr(registry, "_BLOCKS", dict(registry._BLOCKS))
    monkeypatch.setattr(heads, "_HEADS", dict(heads._HEADS))


def architecture(*rows: Any, head: Any = HEAD, **facts: Any) -> Architecture:
    return Architecture.read({"nc": 2, "backbone": list(rows), "head": [head], **facts}, "test")


def built(made: Architecture, channels: int = 3) -> tuple[Network, list[Any]]:
    net = Network({})
    return net, layers(net.root / "model", net.input("x", (1, channels, 8, 8)), made)


def test_what_a_block_is_told() -> None:
    calls: list[Any] = []

    @wtsnet.block("Told", scaled=True, deep=True)
    def told(s: Scope, x: Tensor, c: int, n: int, *args: Any, act: Any, arch: Architecture) -> Tensor:
        calls.append((s.path, c, n, args, act, arch.scale, arch.kpt_shape))
        return x

    @wtsnet.block("Late", deep=3)
    def late(s: Scope, x: Tensor, *args: Any) -> Tensor:
        calls.append((s.path, args))
        return x

    @wtsnet.block("Plain")
    def plain(s: Scope, x: Tensor, *args: Any) -> Tensor:
        calls.append((s.path, args))
        return x

    made = architecture(
        [-1, 6, "Told", [100, "nc", "None"]],
        [-1, 6, "Late", [1, 2, 3, 4]],
        [-1, 3, "Plain", ["kpt_shape", "True", "nearest"]],
        [-1, 1, "Told", [9999, False]],
        scales={"n": [1, 1, 1], "s": [0.33, 0.5, 512]},
        scale="s",
        kpt_shape=[4, 2],
        activation="nn.ReLU()",
    )
    net, _ = built(made)
    assert calls == [
        ("model.0", 56, 2, (2, None), relu, "s", (4, 2)),
        ("model.1", (1, 2, 3, 2, 4)),
        ("model.2", ((4, 2), True, "nearest")),
        ("model.3", 256, 1, (False,), relu, "s", (4, 2)),
    ]
    assert list(net.modules) == [f"model.{i}" for i in range(4)]


def test_repeated_blocks_have_places() -> None:
    @wtsnet.block("Once")
    def once(s: Scope, x: Tensor) -> Tensor:
        return x + 1.0

    net, (x,) = built(architecture([-1, 3, "Once", []]))
    assert list(net.modules) == ["model.0.0", "model.0.1", "model.0.2", "model.0"]
    assert net.modules["model.0"] == [x.trt]


def test_blocks_of_several_outputs() -> None:
    @wtsnet.block("Parts")
    def parts(s: Scope, x: Tensor) -> list[Tensor]:
        return [x[:, i : i + 1] for i in range(3)]

    @wtsnet.block("Sum", many=True)
    def sums(s: Scope, xs: Sequence[Any]) -> Tensor:
        (a, b, _), c = xs
        y: Tensor = a + b + c
        return y

    rows = [[-1, 1, "nn.Identity", []], [-1, 1, "Parts", []], [[1, 0], 1, "Sum", []]]
    net, (parted, total) = built(architecture(*rows, head=[[1, 2], 1, "Detect", []]))
    assert [x.shape for x in parted] == [(1, 1, 8, 8)] * 3
    assert total.shape == (1, 3, 8, 8)
    assert [net.modules[f"model.1[{i}]"] for i in range(3)] == [[x.trt] for x in parted]
    assert "model.1" not in net.modules


def test_widths_and_repeats() -> None:
    made = architecture(scales={"m": [0.67, 0.75, 768]})
    assert made.scale == "m"  # the only one
    assert [made.channels_of(width) for width in (64, 100, 768, 1024, 9)] == [48, 80, 576, 576, 8]
    assert [made.repeats(number) for number in (1, 2, 3, 9, 0)] == [1, 1, 2, 6, 0]
    assert architecture(width_multiple=1.25).channels_of(4096) == 5120
    anchored = architecture(anchors=[[1, 2, 3, 4]], width_multiple=0.5)
    assert (anchored.anchors_a_level, anchored.channels_of(14), anchored.channels_of(16)) == (2, 14, 8)
    assert architecture(anchors=3).anchors_a_level == 3


def test_what_lists_say_of_themselves() -> None:
    made = architecture()
    assert (made.yolov5, made.legacy, made.reg_max, made.end2end, made.channels) == (False, True, 16, None, 3)
    assert made.activation is silu
    assert architecture(anchors=[[1, 2]]).yolov5
    assert not architecture([-1, 1, "C3k2", [8]]).legacy
    assert architecture(ch=1).channels == 1
    assert architecture(ch=1, channels=4).channels == 4
    assert made.eps is None
    classifier = [-1, 1, "Classify", ["nc"]]
    assert architecture(head=classifier).eps == 1e-5
    assert architecture(head=classifier, yolov5=True).eps is None


class TestHeads:
    def call(self, made: Architecture, kind: str = "raw", k: int = 9) -> HeadCall:
        return HeadCall(made, kind, k, (8, 16))

    def test_a_head_of_ones_own(self) -> None:
        @heads.head("Mine")
        def mine(s: Scope, xs: Sequence[Tensor], call: HeadCall, classes: int, name: str) -> dict[str, Tensor]:
            call.tell(s, "detect", "mine", classes, more=call.most(s.net, 2))
            return {name: xs[0]}

        weights = Weights({}).told({"yaml": {"nc": 5, "backbone": [], "head": [[-1, 1, "Mine", ["nc", "found"]]]}})
        net = wtsnet.define("yolo", weights, imgsz=32, k=7)
        assert net.trt.get_output(0).name == "found"
        known = {"kind": "mine", "task": "detect", "head": "topk", "classes": 5, "strides": [1], "more": 7}
        assert net.facts["decode"] == known

    def test_yolov5_means_another_by_the_name(self) -> None:
        found: list[str] = []

        def two(package: str) -> None:
            @heads.head("Two", package=package)
            def one(s: Scope, xs: Sequence[Tensor], call: HeadCall) -> dict[str, Tensor]:
                found.append(package)
                return {}

        two("")
        two("yolov5")
        for yolov5 in (False, True):
            made = architecture(head=[-1, 1, "Two", []], yolov5=yolov5)
            add_head(Network({}).root, [], self.call(made))
        assert found == ["", "yolov5"]

    def test_the_smallest_picture_bounds_how_many(self) -> None:
        net = Network({})
        net.input("x", (1, 3, (32, 64, 96), (64, 64, 64)))
        assert [self.call(architecture(), k=k).most(net, 3) for k in (9, 1000)] == [9, 3 * (4 * 8 + 2 * 4)]

    def test_errors(self) -> None:
        with pytest.raises(ModelError, match=r"architecture row 0: Detect does not take the arguments \(1, 2, 3\) \("):
            add_head(Network({}).root, [], self.call(architecture(head=[-1, 1, "Detect", [1, 2, 3]])))
        call = HeadCall(architecture(), "raw", 1, (8, 9))
        with pytest.raises(NetworkError, match=r"strides: found \[8, 9\], expected one map for each power of two"):
            call.raw(Network({}).root, [])


def test_classes_are_told_or_counted() -> None:
    s = Network({"cv3.0.2.bias": np.zeros(6)}).root
    assert heads.classes_of(s, "cv3.0.2", 4) == 4
    assert heads.classes_of(s, "cv3.0.2", -1) == 6
