"""wtsnet/proof/recording.py and its command, tools/record.py: what is recorded, in which order, and by which name."""

from __future__ import annotations

import importlib
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tools.record import main
from wtsnet.proof import load_module, record


class Split(nn.Module):
    def forward(self, x: Tensor) -> Any:
        first, second = x.chunk(2, 1)
        return first, [second, "text", {"left": "out"}]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.split = Split()
        self.unused = nn.ReLU()
        self.nested = nn.Sequential(nn.Flatten(), nn.Linear(72, 2))

    def forward(self, x: Tensor) -> Any:
        y = self.act(self.bn(self.conv(x)))
        first, (second, *_) = self.split(self.drop(y))
        self.act(second.clone())
        return {"a": self.nested(first), "rest": (second, [first.sum(1).long()]), "none": None}


ORDER = [
    "input/images",
    "module/conv",
    "module/bn",
    "module/act",
    "module/drop",
    "module/split[0]",
    "module/split[1][0]",
    "module/act#2",
    "module/nested.0",
    "module/nested.1",
    "module/nested",
    "output/0",
    "output/1",
    "output/2",
]


def net() -> Net:
    torch.manual_seed(0)
    result = Net()
    nn.init.normal_(result.bn.bias)
    return result


def test_records_in_the_order_of_completion(tmp_path: Path) -> None:
    module, x = net(), torch.randn(1, 3, 8, 8)
    record(module, x, tmp_path / "x.npz")
    golden = np.load(tmp_path / "x.npz")
    assert golden.files == ORDER
    assert list(tmp_path.iterdir()) == [tmp_path / "x.npz"]
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_records_what_pytorch_computes(tmp_path: Path) -> None:
    module, x = net(), torch.randn(1, 3, 8, 8)
    record(module, x, tmp_path / "x.npz")
    golden = np.load(tmp_path / "x.npz")
    with torch.no_grad():
        conv = module.conv(x)
        bn = module.bn(conv)
        act = bn.clamp(min=0)
        result = module(x)
    expected = {
        "input/images": x,
        "module/conv": conv,
        "module/bn": bn,  # as it was before the activation changed it in place
        "module/act": act,
        "module/drop": act,
        "module/split[0]": act[:, :2],
        "module/split[1][0]": act[:, 2:],
        "module/act#2": act[:, 2:],
        "module/nested": result["a"],
        "output/0": result["a"],
        "output/1": act[:, 2:],
        "output/2": act[:, :2].sum(1).long(),
    }
    for name, tensor in expected.items():
        assert np.array_equal(golden[name], tensor.numpy()), name
        assert golden[name].dtype == tensor.numpy().dtype
    assert (golden["module/bn"] < 0).any()


def test_module_becomes_float32_and_evaluates(tmp_path: Path) -> None:
    module = net().half().train()
    record(module, torch.rand(1, 3, 8, 8), tmp_path / "x.npz")
    golden = np.load(tmp_path / "x.npz")
    assert golden["module/conv"].dtype == np.float32
    assert np.array_equal(golden["module/drop"], golden["module/act"])
    assert module.bn.num_batches_tracked == 0
    assert not any(child._forward_hooks for child in module.modules())


def test_input_names(tmp_path: Path) -> None:
    a, b = torch.ones(1), torch.ones(1) * 2
    adder = nn.Bilinear(1, 1, 1)
    for inputs, names in (([a, b], ["p", "q"]), ({"p": a, "q": b}, ["images"])):
        record(adder, inputs, tmp_path / "x.npz", names)
        assert np.load(tmp_path / "x.npz").files == ["input/p", "input/q", "output/0"]
    with pytest.raises(ValueError, match=r"found 2 inputs, expected one for each of the names \['images'\]"):
        record(adder, [a, b], tmp_path / "x.npz")


def test_leaves_nothing_when_the_model_fails(tmp_path: Path) -> None:
    module = net()
    (tmp_path / "x.npz").write_text("before")
    with pytest.raises(RuntimeError):
        record(module, torch.rand(1, 5, 8, 8), tmp_path / "x.npz")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]
    assert not any(child._forward_hooks for child in module.modules())


CODE = """
import torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 2, 1)
    def forward(self, x):
        return self.conv(x)
"""


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint whose code is in the folder `code` beside it, where Python does not look."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "recorded_model.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "code"), *sys.path])
    model = importlib.import_module("recorded_model").Model()
    torch.save({"model": model.half(), "ema": None}, tmp_path / "x.pt")
    monkeypatch.setattr(sys, "path", sys.path[1:])
    monkeypatch.delitem(sys.modules, "recorded_model")
    return tmp_path / "x.pt"


def run(checkpoint: Path, *words: str) -> Any:
    """Run the command; what it wrote."""
    out, code = checkpoint.with_name("x.npz"), checkpoint.with_name("code")
    main([str(checkpoint), "-o", str(out), "--path", str(code), *words])
    return np.load(out)


def test_command_with_a_random_input(checkpoint: Path) -> None:
    golden = run(checkpoint, "--shape", "1,3,4,5", "--seed", "7")
    assert golden.files == ["input/images", "module/conv", "output/0"]
    x = golden["input/images"]
    assert np.array_equal(x, np.random.default_rng(7).random((1, 3, 4, 5), dtype=np.float32))
    expected = load_module(checkpoint).float()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(golden["output/0"], expected, rtol=1e-6, atol=1e-6)


def test_command_with_an_input_from_a_file(checkpoint: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((1, 3, 4, 5))
    np.save(tmp_path / "input.npy", x)
    golden = run(checkpoint, "--input", str(tmp_path / "input.npy"), "--input-name", "x", "--key", "model")
    assert golden.files == ["input/x", "module/conv", "output/0"]
    assert golden["input/x"].dtype == np.float32
    assert np.array_equal(golden["input/x"], x.astype(np.float32))


def test_command_says_what_is_wrong_in_a_line(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run(checkpoint, "--shape", "1,3,4,5", "--key", "ema")
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(
        f"error: found NoneType in 'ema' of {checkpoint}, which has 'model', 'ema'; expected a module"
    )
    assert error.count("\n") == 1


def test_help_warns(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "runs code that it names: only use it on checkpoints that you trust" in text
    assert "Example: record.py yolov5s.pt" in text


def test_needs_no_tensorrt(tmp_path: Path) -> None:
    """It runs where the PyTorch code lives."""
    script = """
import sys
sys.modules["tensorrt"] = sys.modules["tensorrt_rtx"] = None  # they can't be imported
import torch, wtsnet
wtsnet.record(torch.nn.Linear(2, 3), torch.ones(1, 2), sys.argv[1])
"""
    words = [sys.executable, "-c", script, str(tmp_path / "x.npz")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert np.load(tmp_path / "x.npz").files == ["input/images", "output/0"]


def test_state_dict_is_no_module(tmp_path: Path) -> None:
    torch.save(nn.Linear(1, 1).state_dict(), tmp_path / "x.pt")
    with pytest.raises(ValueError, match=r"'ema' or 'model' of .*x\.pt, which has 'weight', 'bias'; expected a module"):
        load_module(tmp_path / "x.pt")
