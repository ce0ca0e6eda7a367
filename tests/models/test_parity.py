"""Every registered model computes at every module what its PyTorch twin computes, in float32."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from tests.models.conftest import Twin
from tools.record import record
from wtsnet.registry import models
from wtsnet.verify import verify

# The first variant of each family: the others differ from it in numbers.
FIRST = {model.family: name for name, model in reversed(list(models().items()))}.values()


@pytest.fixture
def golden(twin: Twin, tmp_path: Path) -> Path:
    record(twin.module, twin.x, tmp_path / "golden.npz")
    return tmp_path / "golden.npz"


def explained(module: nn.Module, recorded: set[str], fold_bn: bool) -> set[str]:
    """What of the recorded has no counterpart in the network, and why."""
    # A convolution without a bias is folded into the batch norm behind it.
    missing = {name for name, part in module.named_modules() if isinstance(part, nn.Conv2d) and part.bias is None}
    missing = missing if fold_bn else set()
    if type(module).__name__ == "DetectionModel":
        # One activation serves all convolutions, under the first one's name; each convolution's own output is its.
        missing |= {name for name in recorded if re.fullmatch(r"model\.0\.act#\d+", name)}
        # The head gives (predictions, raw maps) and so does the model, whose first output is compared.
        missing |= {name for name in recorded if re.fullmatch(r"model\.\d+(\[\d+\])+|output [1-9]", name)}
    return missing


def compare(twin: Twin, golden: Path, fold_bn: bool) -> None:
    report = verify(twin.name, twin.weights, golden, tolerance=1e-5, fold_bn=fold_bn)
    with np.load(golden) as file:
        keys = [key for key in file.files if not key.startswith("input/")]
        spread = {key: float(file[key].std()) for key in keys if key.startswith("module/")}
    recorded = {key.removeprefix("module/").replace("output/", "output ") for key in keys}
    skipped = explained(twin.module, recorded, fold_bn)
    assert set(report.skipped) == skipped
    assert {row.name for row in report.rows} == recorded - skipped
    assert len(report.rows) == len(keys) - len(skipped)
    worst = report.worst[0]
    print(f"{twin.name}: {len(report.rows)} compared, {len(skipped)} skipped, worst {worst.error:.1e} at {worst.name}")
    assert report.first is None, report.worst
    # The comparison would mean little where signals have died out or overflow.
    inside = {key: value for key, value in spread.items() if "[" not in key}
    assert min(inside.values()) > 0.1, min(inside.items(), key=lambda item: item[1])
    assert max(inside.values()) < 10, max(inside.items(), key=lambda item: item[1])


def test_every_module(twin: Twin, golden: Path) -> None:
    compare(twin, golden, fold_bn=True)


@pytest.mark.parametrize("twin", FIRST, indirect=True)
def test_every_module_with_batch_norms_apart(twin: Twin, golden: Path) -> None:
    compare(twin, golden, fold_bn=False)
