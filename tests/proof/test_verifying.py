"""wtsnet/proof/verifying.py: the first module that differs is found, and what can't be compared is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.small import LENET, lenet, tiny, tiny_file, yolo_file
from wtsnet.errors import ModelError, RunnerError, VerifyError, WtsnetError
from wtsnet.proof.recording import record
from wtsnet.proof.verifying import Report, Row, relative_error, verify


class LeNet(nn.Module):
    """The twin of wtsnet's."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)
        self.relu, self.pool1 = nn.ReLU(), nn.AvgPool2d(2)
        self.softmax = nn.Softmax(1)

    def forward(self, x: Tensor) -> Tensor:
        for conv in (self.conv1, self.conv2):
            x = self.pool1(self.relu(conv(x)))
        for fc in (self.fc1, self.fc2):
            x = self.relu(fc(x.flatten(1)))
        made: Tensor = self.softmax(self.fc3(x))
        return made


ORDER = ["conv1", "conv2", "fc1", "fc2", "fc3"]
# What has no weights has no names in the network.
UNNAMED = ["relu", "pool1", "relu#2", "pool1#2", "relu#3", "relu#4", "softmax"]
# Modules that are called twice, one of them giving several tensors.
TWICE = """
import wtsnet
from wtsnet.ops import conv2d, gru

@wtsnet.model("twice", image=wtsnet.Image(size=6))
def twice(s, x):
    x = conv2d(s / "conv", conv2d(s / "conv", x, 3, 3, padding=1), 3, 3, padding=1)
    y, _ = gru(s / "gru", x.flatten(2).permute(2, 0, 1), 3)
    return gru(s / "gru", y, 3)[0]
"""


class Twice(nn.Module):
    """The twin of TWICE."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gru = nn.Conv2d(3, 3, 3, padding=1), nn.GRU(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.conv(x))
        y, _ = self.gru(x.flatten(2).permute(2, 0, 1))
        made: Tensor = self.gru(y)[0]
        return made


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("golden") / "golden.npz"
    module = LeNet()
    module.load_state_dict({key: torch.from_numpy(array * 0.5) for key, array in lenet().items()})
    random = torch.Generator().manual_seed(0)
    record(module, torch.rand(2, 1, 32, 32, generator=random), path)
    return path


def weights() -> dict[str, Any]:
    return {key: array * 0.5 for key, array in lenet().items()}


def save(path: Path, arrays: dict[str, Any]) -> None:
    np.savez(path, **arrays)


def changed(golden: Path, target: Path, **arrays: Any) -> Path:
    """A golden file with other arrays by key (`/` spelt `__`), or without those that are None."""
    with np.load(golden) as file:
        kept = dict(file)
    for key, array in arrays.items():
        kept[key.replace("__", "/")] = array
    save(target, {key: array for key, array in kept.items() if array is not None})
    return target


def test_what_is_equal_passes(golden: Path) -> None:
    report = verify("lenet", weights(), golden)
    assert [row.name for row in report.rows] == [*ORDER, "output 0"]
    assert report.tolerance == 1e-5
    assert report.first is None
    assert report.skipped == UNNAMED
    assert max(row.error for row in report.rows) < 1e-6
    assert len(report.worst) == 6
    assert [row.error for row in report.worst] == sorted((row.error for row in report.rows), reverse=True)[:10]


@pytest.mark.parametrize("key", list(LENET))
def test_a_broken_weight_is_found_where_it_is(golden: Path, key: str) -> None:
    broken = weights()
    broken[key] = broken[key] + np.float32(0.1)
    first = verify("lenet", broken, golden).first
    assert first is not None
    assert first.name == key.partition(".")[0]
    assert first.error > 1e-3


def test_a_module_may_differ_in_a_later_call_only(tmp_path: Path) -> None:
    model, module = tiny_file(tmp_path, TWICE).removesuffix("tiny") + "twice", Twice()
    golden = tmp_path / "golden.npz"
    record(module, torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0)), golden)
    report = verify(model, module.state_dict(), golden)
    names = ["conv", "conv#2", "gru[0]", "gru[1]", "gru#2[0]", "gru#2[1]", "output 0"]
    assert ([row.name for row in report.rows], report.skipped) == (names, [])
    assert report.first is None
    for key in ("conv#2", "gru#2[0]", "gru#2[1]"):
        with np.load(golden) as file:
            other = file[f"module/{key}"] + 1
        first = verify(
            model, module.state_dict(), changed(golden, tmp_path / "g.npz", **{f"module__{key}": other})
        ).first
        assert first is not None
        assert first.name == key


def test_tolerance(golden: Path) -> None:
    broken = weights()
    broken["fc3.bias"] = broken["fc3.bias"] + np.float32(1e-2)
    report = verify("lenet", broken, golden)
    error = report.worst[0].error
    assert report.first is not None
    assert report.first.error > report.tolerance
    assert verify("lenet", broken, golden, tolerance=error).first is None
    assert verify("lenet", broken, golden, tolerance=error * 0.999).first is not None


def test_lower_precision_has_its_own_tolerance(golden: Path) -> None:
    half = verify("lenet", weights(), golden, precision="fp16")
    assert half.tolerance == 1e-2
    assert half.first is None
    assert half.worst[0].error > 1e-5
    assert verify("lenet", weights(), golden, precision="fp16", tolerance=1e-5).first is not None
    assert verify("lenet", weights(), golden, precision="bf16").tolerance == 5e-2


def test_shapes_that_differ(golden: Path, tmp_path: Path) -> None:
    file = changed(golden, tmp_path / "g.npz", module__fc1=np.zeros((2, 121), np.float32))
    first = verify("lenet", weights(), file).first
    assert first == Row("fc1", float("inf"), "found shape (2, 120), expected (2, 121)")


def test_modules_that_the_network_lacks_are_counted(golden: Path, tmp_path: Path) -> None:
    extra = {"module__drop": np.zeros(3, np.float32), "module__relu#9": np.zeros(3), "module__fc1[0]": np.zeros(3)}
    report = verify("lenet", weights(), changed(golden, tmp_path / "g.npz", **extra))
    assert report.skipped == [*UNNAMED, "drop", "relu#9", "fc1[0]"]
    assert report.first is None


def test_a_golden_file_of_another_model(golden: Path, tmp_path: Path) -> None:
    with np.load(golden) as file:
        arrays = {key.replace("module/", "module/other."): file[key] for key in file.files}
    save(tmp_path / "g.npz", arrays)
    with pytest.raises(VerifyError, match=r"g.npz: of another model: none of its 12 modules is in the network"):
        verify("lenet", weights(), tmp_path / "g.npz")
    with pytest.raises(WtsnetError, match=r"input 'images': got float32.2, 1, 32, 32., expected float32.2, 3, 32, 32."):
        verify(tiny_file(tmp_path), tiny(), changed(golden, tmp_path / "g.npz", module__conv=np.zeros(1)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't be read as a golden file .*No such file"),
        (b"", "can't be read as a golden file"),
        (b"not a zip", "can't be read as a golden file"),
        (b"PK\x03\x04 cut", "can't be read as a golden file"),
    ],
)
def test_files_that_are_no_golden_files(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "g.npz").write_bytes(content)
    with pytest.raises(VerifyError, match=f"^{tmp_path / 'g.npz'}: {message}") as caught:
        verify("lenet", weights(), tmp_path / "g.npz")
    assert "\n" not in str(caught.value)


def test_arrays_that_are_no_golden_files(golden: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    save(tmp_path / "none.npz", {"module/conv1": np.zeros(3)})
    save(tmp_path / "flat.npz", {"input/x": np.zeros(3)})
    with np.load(golden) as file:
        save(tmp_path / "only.npz", {"input/x": file["input/images"]})
    for name, message in (
        ("x.npy", "found a single array, expected the .npz of wtsnet record"),
        ("none.npz", "found no inputs; expected 1 of them: lenet takes data$"),
        ("flat.npz", r"found an input of shape \(3,\), expected \(N, C, H, W\)"),
        ("only.npz", "found nothing to compare but inputs, expected modules or outputs"),
    ):
        with pytest.raises(VerifyError, match=f"^{tmp_path / name}: {message}"):
            verify("lenet", weights(), tmp_path / name)
    objects = changed(golden, tmp_path / "o.npz", module__fc1=np.array([{}], object))
    with pytest.raises(VerifyError, match=r"o.npz: module/fc1: can't be read .Object arrays"):
        verify("lenet", weights(), objects)
    text = changed(golden, tmp_path / "t.npz", module__fc1=np.array(["a"]))
    with pytest.raises(VerifyError, match=r"t.npz: module/fc1: found values of type <U1, expected numbers"):
        verify("lenet", weights(), text)


def test_a_cut_member(golden: Path, tmp_path: Path) -> None:
    data = bytearray(golden.read_bytes())
    place = data.find(b"module/fc2.npy")
    data[place + 200] ^= 255  # within the array: its checksum no longer fits
    (tmp_path / "g.npz").write_bytes(data)
    with pytest.raises(VerifyError, match=r"g.npz: module/fc2: can't be read"):
        verify("lenet", weights(), tmp_path / "g.npz")


def test_devices_and_models_that_are_none(golden: Path) -> None:
    with pytest.raises(RunnerError, match="device: found 'tpu'"):
        verify("lenet", weights(), golden, device="tpu")
    with pytest.raises(ModelError, match="unknown model 'lenett'"):
        verify("lenett", weights(), golden)
    with pytest.raises(ModelError, match="unknown option 'head'"):
        verify("lenet", weights(), golden, head="raw")


def test_progress(golden: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    verify("lenet", weights(), golden, progress=lambda *call: calls.append(call))
    assert calls == [("comparing", done, 6) for done in range(1, 7)]


@pytest.mark.parametrize("head", [None, "decoded", "raw", "topk"])
def test_outputs_are_compared_where_they_are_upstreams(tmp_path: Path, head: str | None) -> None:
    path = yolo_file(tmp_path)
    shape = (1, 3, 64, 64)
    arrays = {"input/images": np.zeros(shape, np.float32), "module/model.0": np.zeros((1, 8, 32, 32))}
    arrays["output/0"] = np.zeros((1, 640, 7), np.float32)
    save(tmp_path / "g.npz", arrays)
    options: dict[str, Any] = {} if head is None else {"head": head}
    report = verify("yolov5", path, tmp_path / "g.npz", **options)
    names = [row.name for row in report.rows]
    assert ("output 0" in names) == (head in (None, "decoded"))
    assert ("output 0" in report.skipped) == (head in ("raw", "topk"))


@pytest.mark.parametrize(
    ("ours", "theirs", "error"),
    [
        ([1, 2], [1, 2], 0),
        ([1, 2.5], [1, 2], 0.25),
        ([0, 0], [0, 0], 0),
        ([0, 1e-30], [0, 0], np.inf),
        ([], [], 0),
        ([np.nan, 1], [np.nan, 1], 0),
        ([np.nan, 1], [np.nan, 2], 0.5),
        ([np.nan, 1], [1, 1], np.inf),
        ([1, 1], [np.nan, 1], np.inf),
        ([np.inf, 1], [np.inf, 1], 0),
        ([np.inf, 1], [-np.inf, 1], np.inf),
        ([np.inf, 1], [1, 1], np.inf),
        ([np.nan], [np.nan], 0),
        ([True, False], [True, True], 1),
    ],
)
def test_relative_error(ours: list[float], theirs: list[float], error: float) -> None:
    assert relative_error(np.array(ours), np.array(theirs)) == error


def test_a_nan_fails_wherever_it_is(golden: Path, tmp_path: Path) -> None:
    broken = weights()
    broken["fc2.bias"] = np.full(84, np.nan, np.float32)
    report = verify("lenet", broken, golden)
    assert report.first == Row("fc2", float("inf"))
    assert report.worst[0].error == float("inf")


def test_report() -> None:
    rows = [Row(str(i), error) for i, error in enumerate([0.1, 0.3, np.inf, 0.2, 1e-9])]
    report = Report(0.25, rows)
    assert report.first == rows[1]
    assert [row.name for row in report.worst] == ["2", "1", "3", "0", "4"]
    assert Report(float("nan"), rows).first == rows[0]
