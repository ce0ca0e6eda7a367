"""What `verify` compares of a model whose functions stand for PyTorch's modules: every output of each, in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wtsnet.proof import record, verify
from wtsnet.proof.verifying import Report

MODEL = """
import wtsnet
from wtsnet import module
from wtsnet.ops import cat, conv2d, linear, multihead_attention, relu, sigmoid, silu
from wtsnet import trt

@module
def gate(s, x):
    return x * sigmoid(x)

@module
def conv_act(s, x, c):
    return relu(conv2d(s / "conv", x, c, 3, padding=1))

@module
def down(s, x):
    return relu(conv2d(s, x, 4, 3, stride=2))

@module
def halves(s, x):
    a, b = x.chunk(2, 1)
    return gate(s / "gate", a), [gate(s / "gate", b)]

@module
def attend(s, x):
    y = multihead_attention(s / "mha", x, x, x, 2, batch_first=True)
    return (y + x).named(s[0])

@module
def heads(s, x):
    return {"cls": linear(s / "cls", x, 3), "box": linear(s / "box", x, 4)}

@module
def by_hand(s, x):
    layer = s.trt.add_unary(x.trt, trt.enum("UnaryOperation", "ABS"))
    return wtsnet.Tensor.of(s, layer.get_output(0)) + 1.0

@module
def sequential(s, x):
    for i in range(2):
        x = conv_act(s / i, x, 4)
    return x

@wtsnet.model("tiny", image=wtsnet.Image(size=9))
def tiny(s, x):
    x = sequential(s / "features", x)
    x = down(s / "down", x)
    a, (b,) = halves(s / "halves", x)
    x = cat((a, b), 1).named(s / "cat")
    x = by_hand(s / "hand", x)
    x = attend(s / "attend", x.flatten(2).transpose(1, 2))
    x = silu(x.mean(1)).named(s / "act")
    return heads(s / "heads", x)
"""


class Gate(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class ConvAct(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x))


class Down(nn.Conv2d):
    """A module with weights of its own, and more than the op gives."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(super().forward(x))


class Halves(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        a, b = x.chunk(2, 1)
        return self.gate(a), [self.gate(b)]


class Cat(nn.Module):
    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat(x, 1)


class Hand(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.abs() + 1


class Attend(nn.Module):
    """Gives the weights as well, which ours does not."""

    def __init__(self) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, weights = self.mha(x, x, x)
        return y + x, weights


class Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls, self.box = nn.Linear(4, 3), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"cls": self.cls(x), "box": self.box(x)}


class Twin(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(ConvAct(3), ConvAct(4))
        self.down, self.halves, self.cat, self.hand = Down(4, 4, 3, 2), Halves(), Cat(), Hand()
        self.attend, self.act, self.heads = Attend(), nn.SiLU(), Heads()

    def forward(self, x: Tensor) -> Any:
        a, (b,) = self.halves(self.down(self.features(x)))
        x, _ = self.attend(self.hand(self.cat([a, b])).flatten(2).transpose(1, 2))
        return self.heads(self.act(x.mean(1)))


# In PyTorch's order: what is compared.
COMPARED = [
    "features.0.conv",
    "features.0",
    "features.1.conv",
    "features.1",
    "features",
    "down",
    "halves.gate",
    "halves.gate#2",
    "halves[0]",
    "halves[1][0]",
    "cat",
    "hand",
    "attend.mha[0]",
    "attend[0]",
    "act",
    "heads.cls",
    "heads.box",
    "output 0",
    "output 1",
]
WEIGHTS_OF_ATTENTION = ["attend.mha[1]", "attend[1]"]


@pytest.fixture(scope="module")
def twin() -> Twin:
    torch.manual_seed(0)
    return Twin().eval()


@pytest.fixture(scope="module")
def golden(twin: Twin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("golden") / "golden.npz"
    record(twin, torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0)), path)
    return path


def compared(twin: Twin, golden: Path, folder: Path, source: str = MODEL, **options: Any) -> Report:
    (folder / "mine.py").write_text(source)
    return verify(f"{folder / 'mine.py'}:tiny", twin.state_dict(), golden, **options)


def test_every_module_is_compared_and_right(twin: Twin, golden: Path, tmp_path: Path) -> None:
    report = compared(twin, golden, tmp_path)
    assert [row.name for row in report.rows] == COMPARED
    assert report.skipped == WEIGHTS_OF_ATTENTION
    assert report.first is None
    assert max(row.error for row in report.rows) < 1e-6


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_in_half_precision(twin: Twin, golden: Path, tmp_path: Path, precision: str) -> None:
    report = compared(twin, golden, tmp_path, precision=precision)
    assert [row.name for row in report.rows] == COMPARED
    assert report.first is None
    assert report.worst[0].error > 1e-5


# By the module that then differs first, what is wrong in the model.
WRONG = {
    "features.0.conv": ('conv2d(s / "conv", x, c, 3, padding=1)', 'conv2d(s / "conv", x * 1.1, c, 3, padding=1)'),
    "features.0": ("return relu(conv2d(s /", "return silu(conv2d(s /"),
    "features.1.conv": ("x = conv_act(s / i, x, 4)", "x = conv_act(s / i, x + 0.1 * i, 4)"),
    "features": (
        "        x = conv_act(s / i, x, 4)\n    return x",
        "        x = conv_act(s / i, x, 4)\n    return x + 0.1",
    ),
    "down": ("return relu(conv2d(s, x", "return silu(conv2d(s, x"),
    "halves.gate": ("return x * sigmoid(x)", "return sigmoid(x)"),
    "halves.gate#2": ('[gate(s / "gate", b)]', '[gate(s / "gate", a)]'),
    "halves[0]": ('return gate(s / "gate", a), [', 'return gate(s / "gate", a) * 1.1, ['),
    "halves[1][0]": ('[gate(s / "gate", b)]', '[-gate(s / "gate", b)]'),
    "cat": ("cat((a, b), 1)", "cat((b, a), 1)"),
    "hand": ("get_output(0)) + 1.0", "get_output(0)) + 1.1"),
    "attend.mha[0]": ("x, x, x, 2,", "x, x, -x, 2,"),
    "attend[0]": ("return (y + x).named(s[0])", "return (y - x).named(s[0])"),
    "act": ("silu(x.mean(1)).named", "relu(x.mean(1)).named"),
    "heads.cls": ('linear(s / "cls", x, 3)', 'linear(s / "cls", -x, 3)'),
    "heads.box": ('linear(s / "box", x, 4)', 'linear(s / "box", -x, 4)'),
    "output 0": ('{"cls": linear(s / "cls", x, 3)', '{"cls": linear(s / "cls", x, 3) + 1.0'),
    "output 1": ('linear(s / "box", x, 4)}', 'linear(s / "box", x, 4) + 1.0}'),
}


def test_each_that_is_compared_is_broken_once() -> None:
    """All but one that the same function makes as another before it."""
    assert [name for name in COMPARED if name != "features.1"] == list(WRONG)


@pytest.mark.parametrize("name", list(WRONG))
def test_what_is_wrong_is_found_at_its_module(twin: Twin, golden: Path, tmp_path: Path, name: str) -> None:
    right, wrong = WRONG[name]
    assert MODEL.count(right) == 1
    report = compared(twin, golden, tmp_path, MODEL.replace(right, wrong))
    assert report.first is not None
    assert report.first.name == name
    assert report.first.error > 1e-3
    assert [row.name for row in report.rows] == COMPARED


def test_a_function_that_is_no_module_notes_nothing(twin: Twin, golden: Path, tmp_path: Path) -> None:
    report = compared(twin, golden, tmp_path, MODEL.replace("@module\ndef sequential", "def sequential"))
    assert [row.name for row in report.rows] == [name for name in COMPARED if name != "features"]
    assert report.skipped == ["features", *WEIGHTS_OF_ATTENTION]
    assert report.first is None
