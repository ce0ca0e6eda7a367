"""wtsnet/proof/recording.py: what is recorded, in which order, and by which name."""

from __future__ import annotations

import errno
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from wtsnet.errors import VerifyError
from wtsnet.proof import record
from wtsnet.proof.recording import Recording


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


class Weighted(nn.Module):
    """A sum of its inputs, each with a factor of its own, so that exchanging them shows."""

    def forward(self, left: Tensor, tokens: Tensor, *, scale: Any = 1) -> Tensor:
        return torch.mul(left + 10 * tokens, scale)


class Any2(nn.Module):
    def forward(self, *values: Tensor, **more: Tensor) -> Tensor:
        return values[0] + 10 * values[1]


class Positional(nn.Module):
    def forward(self, a: Tensor, b: Tensor, /) -> Tensor:
        return a + 10 * b


A, B = torch.ones(2), torch.full((2,), 2.0)


@pytest.mark.parametrize(
    ("module", "inputs", "names", "found", "value"),
    [
        (Weighted(), (A, B), None, ["left", "tokens"], 21),
        (Weighted(), [A, B], ["p", "q"], ["p", "q"], 21),
        (Weighted(), {"left": A, "tokens": B}, None, ["left", "tokens"], 21),
        (Weighted(), {"tokens": A, "left": B}, None, ["tokens", "left"], 12),  # by keyword
        (Weighted(), {"scale": A * 3, "left": A, "tokens": B}, None, ["scale", "left", "tokens"], 63),
        (Weighted(), {"tokens": A, "right": B}, None, ["tokens", "right"], 21),  # by position
        (Positional(), {"b": A, "a": B}, None, ["b", "a"], 21),  # which has no keywords
        (Positional(), (A, B), None, ["a", "b"], 21),
        (Any2(), (A, B), None, ["input0", "input1"], 21),
        (Any2(), {"p": A, "q": B}, None, ["p", "q"], 21),
        (nn.Identity(), A, None, ["images"], 1),
        (nn.Identity(), (A,), None, ["input"], 1),
        (nn.Identity(), A, ["x"], ["x"], 1),
    ],
)
def test_names_of_inputs_and_how_they_are_passed(
    tmp_path: Path, module: nn.Module, inputs: Any, names: Any, found: list[str], value: float
) -> None:
    made = record(module, inputs, tmp_path / "x.npz", names)
    golden = np.load(tmp_path / "x.npz")
    assert golden.files == [*(f"input/{name}" for name in found), "output/0"]
    assert golden["output/0"].tolist() == [value, value]
    assert made == Recording(tmp_path / "x.npz", 0, 1, dict.fromkeys(found, (2,)))


@pytest.mark.parametrize("kind", ["array", "tensor"])
@pytest.mark.parametrize(
    ("given", "recorded"),
    [("float64", "float32"), ("float16", "float32"), ("float32", "float32"), ("int64", "int64"), ("int32", "int32"),
     ("uint8", "uint8"), ("bool", "bool")],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(), (3,), (1, 2, 2, 1, 2)])
def test_inputs_of_any_rank_and_dtype(
    tmp_path: Path, shape: tuple[int, ...], given: str, recorded: str, kind: str
) -> None:
    x = np.random.default_rng(0).integers(0, 2, shape).astype(given)
    x.flags.writeable = kind == "tensor"
    made = record(nn.Identity(), torch.from_numpy(x) if kind == "tensor" else x, tmp_path / "x.npz")
    golden = np.load(tmp_path / "x.npz")
    for key in ("input/images", "output/0"):
        np.testing.assert_array_equal(golden[key], x)
        assert golden[key].dtype == recorded
    assert made.inputs == {"images": shape}


def test_dtypes_that_numpy_lacks_or_has_the_other_way_round(tmp_path: Path) -> None:
    for x in (torch.ones(2).bfloat16(), np.ones(2, ml_dtypes.bfloat16), np.ones(2, ">f4"), np.ones((2, 2))[:, 0]):
        record(nn.Identity(), x, tmp_path / "x.npz")
        assert np.load(tmp_path / "x.npz")["output/0"].dtype == np.dtype("<f4")
    record(nn.Identity(), np.array([1, 2], ">i8"), tmp_path / "x.npz")
    assert np.load(tmp_path / "x.npz")["output/0"].tolist() == [1, 2]
    record(nn.Identity(), (1.5,), tmp_path / "x.npz")
    assert np.load(tmp_path / "x.npz")["input/input"] == np.float32(1.5)


def test_the_given_input_stays_as_it_is(tmp_path: Path) -> None:
    for x in (torch.full((2,), -1.0), np.full(2, -1, np.float32)):
        record(nn.ReLU(inplace=True), x, tmp_path / "x.npz")
        assert np.load(tmp_path / "x.npz")["input/images"].tolist() == [-1, -1]
        assert x.tolist() == [-1, -1]


def test_what_is_said_of_it(tmp_path: Path) -> None:
    made = record(net(), torch.randn(1, 3, 8, 8), tmp_path / "x.npz")
    assert made == Recording(tmp_path / "x.npz", 8, 3, {"images": (1, 3, 8, 8)})


def test_of_a_data_parallel_its_module(tmp_path: Path) -> None:
    record(nn.DataParallel(nn.Sequential(nn.ReLU())), A, tmp_path / "x.npz")
    assert np.load(tmp_path / "x.npz").files == ["input/images", "module/0", "output/0"]


def test_modules_that_python_can_not_look_into(tmp_path: Path) -> None:
    class Builtin(nn.Module):
        forward = torch.relu

    record(Builtin(), (A,), tmp_path / "x.npz")
    assert np.load(tmp_path / "x.npz").files == ["input/input0", "output/0"]


@pytest.mark.parametrize(
    ("module", "inputs", "names", "message"),
    [
        (nn.Identity(), (A, B), ["images"], "names: found images, expected 2, one for each input"),
        (nn.Identity(), A, [], "names: found none, expected 1, one for each input"),
        (Weighted(), (A, B), ["a", "a"], "names: found a, a, expected 2, one for each input"),
        (Weighted(), {"x": [A, B]}, None, "input x: found list, expected a tensor or an array"),
        (Weighted(), {"x": None}, None, "input x: found NoneType, expected a tensor or an array"),
        (Weighted(), "abc", None, "input images: found str, expected a tensor or an array"),
        (Weighted(), np.array(["a"]), None, "input images: found values of type <U1, expected numbers"),
        (Weighted(), np.array([{}]), None, "input images: found values of type object, expected numbers"),
        (Weighted(), torch.ones(2) * 1j, None, "input images: found a tensor of torch.complex64, torch.strided, expe"),
        (Weighted(), torch.eye(2).to_sparse(), None, "input images: found a tensor of torch.float32, torch.sparse_c"),
        (len, A, None, "record: found builtin_function_or_method, expected an nn.Module"),
        (nn.ReLU, A, None, "record: found type, expected an nn.Module"),
    ],
)
def test_what_can_not_be_recorded(tmp_path: Path, module: Any, inputs: Any, names: Any, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        record(module, inputs, tmp_path / "x.npz", names)
    assert str(caught.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_files_that_can_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "none" / "x.npz", tmp_path):
        with pytest.raises(VerifyError, match=rf"^{path}: can't be written \("):
            record(nn.Identity(), A, path)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(VerifyError, match=rf"^{tmp_path}/x.npz: can't be written \(No space left on device\)$"):
        record(nn.Identity(), A, tmp_path / "x.npz")
    assert list(tmp_path.iterdir()) == []


def test_what_the_module_raises_is_passed_on(tmp_path: Path) -> None:
    class Opens(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.from_numpy(np.load(tmp_path / "missing.npy"))

    with pytest.raises(FileNotFoundError, match=r"missing\.npy"):
        record(Opens(), A, tmp_path / "x.npz")
    with pytest.raises(TypeError, match="positional argument"):
        record(Weighted(), A, tmp_path / "x.npz")
    assert list(tmp_path.iterdir()) == []


def test_leaves_nothing_when_the_model_fails(tmp_path: Path) -> None:
    module = net()
    (tmp_path / "x.npz").write_text("before")
    with pytest.raises(RuntimeError):
        record(module, torch.rand(1, 5, 8, 8), tmp_path / "x.npz")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]
    assert not any(child._forward_hooks for child in module.modules())


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
