"""wtsnet/proof/modules.py: modules out of checkpoints and Python files, their weights, and what is said of failures."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import wtsnet
from wtsnet.errors import CheckpointError, VerifyError, WeightError
from wtsnet.proof import blaming, is_python, load_module

CODE = """
import torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 2, 1)
    def forward(self, x):
        return self.conv(x)
"""
OWN = """
import dataclasses
import torch
from torch import nn
from torch.nn import ReLU
from own_parts import WIDTH

@dataclasses.dataclass
class Settings:
    width: int = WIDTH

class Tiny(nn.Module):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, width, 1), nn.BatchNorm2d(width)
    def forward(self, x):
        return self.bn(self.conv(x))

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()

Same = Tiny

def wide():
    return Tiny(8)

def of(width):
    return Tiny(width)

def number():
    return 3

ready = Tiny(5)
folder = __file__
"""


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put on sys.path is taken off again."""
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """own.py, which imports a file beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_parts", raising=False)
    (tmp_path / "own_parts.py").write_text("WIDTH = 4\n")
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path


def own(width: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of Tiny."""
    random = torch.Generator().manual_seed(seed)
    return {
        "conv.weight": torch.rand(width, 3, 1, 1, generator=random),
        "conv.bias": torch.rand(width, generator=random),
        "bn.weight": torch.rand(width, generator=random),
        "bn.bias": torch.rand(width, generator=random),
        "bn.running_mean": torch.rand(width, generator=random),
        "bn.running_var": torch.rand(width, generator=random),
        "bn.num_batches_tracked": torch.tensor(3),
    }


def fails(*arguments: Any, **options: Any) -> str:
    with pytest.raises((CheckpointError, WeightError, VerifyError)) as caught:
        load_module(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_python() -> None:
    assert [is_python(x) for x in ("a.py", Path("a.py"), "a.py:b", "C:\\a.py:b", "a.pt", "py")] == [True] * 4 + [
        False
    ] * 2


@pytest.mark.parametrize(
    ("source", "width"),
    [("own.py", 4), ("own.py:Tiny", 4), ("own.py:Same", 4), ("own.py:wide", 8), ("own.py:ready", 5)],
)
def test_a_file(here: Path, source: str, width: int) -> None:
    for text in (source, f"{here}/{source}"):
        module = load_module(text)
        assert type(module).__name__ == "Tiny"
        assert module.state_dict()["conv.weight"].shape == (width, 3, 1, 1)
    assert sys.path[0] == str(here)


def test_a_function_that_a_file_imports(here: Path) -> None:
    assert isinstance(load_module("own.py:ReLU"), nn.ReLU)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("own.py:Tinny", "own.py: has no 'Tinny'; did you mean 'Tiny'? (it has Tiny, Same, wide, number, ready)"),
        ("own.py:", "own.py: has no '' (it has Tiny, Same, wide, number, ready)"),
        ("own.py:Block", "own.py:Block: needs width; expected what needs no arguments"),
        ("own.py:of", "own.py:of: needs width; expected what needs no arguments"),
        ("own.py:number", "own.py:number: found int, expected an nn.Module, or what makes one"),
        ("own.py:folder", "own.py:folder: found str, expected an nn.Module, or what makes one"),
        ("own_parts.py", "own_parts.py: found 0 classes of modules that need no arguments, expected one, or "
         "own_parts.py:NAME (it has nothing that makes a module)"),
        ("two.py", "two.py: found 2 classes of modules that need no arguments, expected one, or two.py:NAME "
         "(it has A, B, one)"),
        ("none.py", "none.py: can't be read (No such file or directory); expected a file that makes a module"),
        ("syntax.py", "syntax.py, line 2: SyntaxError: "),
        ("exits.py", "exits.py, line 2: SystemExit: 3"),
        ("raises.py", "raises.py, line 3: ZeroDivisionError: division by zero"),
        ("deep.py:Deep", "deep.py, line 5: RuntimeError: "),
        ("bytes.py", "bytes.py: SyntaxError: "),
    ],
)  # fmt: skip
def test_files_that_can_not_be_taken(here: Path, source: str, message: str) -> None:
    files = {
        "two.py": "from torch import nn\nclass A(nn.Module): pass\nclass B(nn.Module): pass\none = nn.ReLU()\n",
        "syntax.py": "x = 1\nif x\n",
        "exits.py": "import sys\nsys.exit(3)\n",
        "raises.py": "def f():\n    import json\n    1 / 0\nf()\n",
        "deep.py": "import torch\nclass Deep(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        torch.ones(2) @ torch.ones(3)\n",
        "bytes.py": "x = '\0'\n",
    }
    for name, text in files.items():
        (here / name).write_text(text)
    assert fails(source).startswith(message)


@pytest.mark.parametrize("kind", ["plain", "nested", "parallel", "safetensors", "wts", "module"])
def test_weights(here: Path, kind: str) -> None:
    values: dict[str, torch.Tensor] = own()
    file = here / {"safetensors": "w.safetensors", "wts": "w.wts"}.get(kind, "w.pth")
    if kind == "safetensors":
        save_file(values, file)
    elif kind == "wts":
        wtsnet.write_wts(file, {name: value.numpy() for name, value in values.items()})
    elif kind == "module":
        module = load_module("own.py")
        module.load_state_dict(values)
        torch.save({"model": module.state_dict(), "epoch": 3}, file)
    else:
        named = {f"module.{name}": value for name, value in values.items()} if kind == "parallel" else values
        torch.save({"state_dict": named} if kind in ("nested", "parallel") else named, file)
    found = load_module("own.py", file).state_dict()
    assert list(found) == list(values)
    for name, value in values.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)


def test_a_module_of_halves_gets_whole_weights(here: Path) -> None:
    (here / "half.py").write_text(OWN + "\nhalves = Tiny().half()\n")
    torch.save(own(), here / "w.pth")
    assert torch.equal(load_module("half.py:halves", "w.pth").state_dict()["conv.weight"], own()["conv.weight"])


def test_a_module_called_module_keeps_its_names(here: Path) -> None:
    (here / "m.py").write_text("from torch import nn\nm = nn.Sequential()\nm.add_module('module', nn.Linear(1, 1))\n")
    values = {"module.weight": torch.ones(1, 1), "module.bias": torch.ones(1)}
    torch.save(values, here / "w.pth")
    assert load_module("m.py:m", "w.pth").state_dict()["module.bias"] == 1


def test_a_part_of_the_weights(here: Path) -> None:
    torch.save({"teacher": {"net": own(seed=1)}, "model": own()}, here / "w.pth")
    found = load_module("own.py", "w.pth", key="teacher.net").state_dict()
    assert torch.equal(found["conv.weight"], own(seed=1)["conv.weight"])


@pytest.mark.parametrize("suffix", ["pth", "wts"])
def test_weights_that_do_not_fit(here: Path, suffix: str) -> None:
    def write(values: dict[str, torch.Tensor]) -> str:
        if suffix == "wts":
            wtsnet.write_wts(here / "w.wts", {name: value.numpy() for name, value in values.items()})
        else:
            torch.save(values, here / "w.pth")
        return f"w.{suffix}"

    def without(*names: str) -> dict[str, torch.Tensor]:
        return {name: value for name, value in own().items() if name not in names}

    fit = f"w.{suffix}: does not fit own.py: "
    assert fails("own.py", write(without("conv.bias"))) == fit + "it lacks conv.bias"
    assert fails("own.py", write({"spare": torch.ones(1), **own()})) == fit + "the module has no spare"
    assert fails("own.py", write(without("conv.weight", "conv.bias", "bn.weight", "bn.bias"))) == (
        fit + "it lacks conv.weight, conv.bias, bn.weight and 1 more"
    )
    renamed = {name.replace("bn.b", "norm.b"): value for name, value in own().items()}
    assert fails("own.py", write(renamed)) == fit + "it lacks bn.bias; the module has no norm.bias"
    shape = "12" if suffix == "pth" else "8"
    other = {**own(), "conv.weight": torch.ones(int(shape)), "conv.bias": torch.ones(5)}
    assert fails("own.py", write(other)) == (
        fit + f"of another shape: conv.weight {shape} for 4×3×1×1, conv.bias 5 for 4"
    )


def test_weights_that_can_not_be_taken(here: Path) -> None:
    torch.save({"best": own()}, here / "w.pth")
    wtsnet.write_wts(here / "w.wts", {"a": np.ones(1, np.float32)})
    assert fails("own.py", "none.pth").startswith("none.pth: can't be read: No such file")
    assert "--key can be 'best'" in fails("own.py", "w.pth")
    assert fails("own.py", "w.wts", key="a") == "key: found 'a', but w.wts has no keys: it is a .wts"
    assert fails("own.py", key="a") == "key: found 'a', but no weights that it could be a part of"
    (here / "lazy.py").write_text("from torch import nn\nm = nn.LazyLinear(3)\n")
    torch.save({"weight": torch.ones(3, 2), "bias": torch.ones(3)}, here / "w.pth")
    assert load_module("lazy.py:m", "w.pth").state_dict()["weight"].shape == (3, 2)


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint whose code is in the folder `code` beside it, where Python does not look."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "recorded_model.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path / "code")
    model = importlib.import_module("recorded_model").Model()
    torch.save({"model": model.half(), "ema": None}, tmp_path / "x.pt")
    torch.save(model, tmp_path / "whole.pt")
    return tmp_path / "x.pt"


def test_a_checkpoint(checkpoint: Path) -> None:
    for module in (
        load_module(checkpoint),
        load_module(str(checkpoint), key="model"),
        load_module(checkpoint.with_name("whole.pt")),
    ):
        assert type(module).__name__ == "Model"


def test_checkpoints_that_can_not_be_taken(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkpoint.parent
    monkeypatch.chdir(folder)
    hint = "expected a module (for a state dict give the code: FILE.py:NAME with the weights)"
    torch.save(nn.Linear(1, 1).state_dict(), "s.pt")
    torch.save([1], "l.pt")
    Path("t.pt").write_text("text")
    Path("e.pt").write_bytes(b"")
    assert fails("x.pt", key="ema") == f"found NoneType in 'ema' of x.pt, which has 'model', 'ema'; {hint}"
    assert fails("s.pt") == f"found NoneType in 'ema' or 'model' of s.pt, which has 'weight', 'bias'; {hint}"
    assert fails("l.pt") == f"found list in l.pt; {hint}"
    assert fails("whole.pt", key="ema") == "key: found 'ema', but whole.pt has no keys: it is of type Model"
    assert fails("x.pt", "s.pt") == "x.pt: found weights as well, expected none: a checkpoint carries its own"
    assert fails("none.pt") == "none.pt: can't be read (No such file or directory)"
    assert fails("t.pt").startswith("t.pt: can't be unpickled (UnpicklingError: ")
    assert fails("e.pt").startswith("e.pt: can't be unpickled (EOFError: ")
    monkeypatch.delitem(sys.modules, "recorded_model")
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one != str(folder / "code")])
    assert fails("x.pt") == (
        "x.pt: its code is not found (No module named 'recorded_model'); --path says where it is, and for a class of a "
        "script give FILE.py:NAME with the weights"
    )


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert fails("x.pt").startswith("PyTorch is needed to run a module (")


def test_blaming(here: Path) -> None:
    """The line of one's own code, though it is a package that raises."""
    module = load_module("own.py")
    with pytest.raises(VerifyError, match=r"^own.py, line 17: RuntimeError: Given groups=1, .*\S$"), blaming("own.py"):
        module(torch.ones(1, 4, 2, 2))
    with pytest.raises(WeightError, match=r"^mine$"), blaming("x.pt"):
        raise WeightError("mine")
    with pytest.raises(KeyboardInterrupt), blaming("x.pt"):
        raise KeyboardInterrupt
