"""A model of each kind computes at every module what its PyTorch twin computes, in float32."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.models.conftest import Twin
from wtsnet.proof import record, verify

# Also compared with nothing folded: one of each kind that has batch norms behind convolutions.
APART = ("densenet121", "resnet18", "vgg11_bn", "yolov5", "yolov5n")


@pytest.fixture
def golden(twin: Twin, tmp_path: Path) -> Path:
    record(twin.module, twin.x, tmp_path / "golden.npz")
    return tmp_path / "golden.npz"


def folded(module: nn.Module, x: Tensor) -> set[str]:
    """The convolutions whose output goes into a batch norm: with it they are one layer, of the batch norm's name."""
    names = {part: name for name, part in module.named_modules()}
    made: dict[int, tuple[Tensor, str]] = {}  # the tensors are kept, so that no two have one id
    found = set()

    def after(part: nn.Module, _: object, out: Tensor) -> None:
        made[id(out)] = out, names[part]

    def before(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if id(inputs[0]) in made:
            found.add(made[id(inputs[0])][1])

    hooks = [part.register_forward_hook(after) for part in names if isinstance(part, nn.Conv1d | nn.Conv2d)]
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    hooks += [part.register_forward_pre_hook(before) for part in names if isinstance(part, norms)]
    with torch.no_grad():
        module(x)
    for hook in hooks:
        hook.remove()
    return found


def explained(twin: Twin, recorded: set[str], fold_bn: bool) -> set[str]:
    """What of the recorded has no counterpart in the network, with a reason for each."""
    missing = set()
    for pattern in twin.hidden:
        matches = {name for name in recorded if re.fullmatch(pattern, name)}
        assert matches, f"hidden: {pattern!r} is nothing that {twin.name} records"
        missing |= matches
    if fold_bn:
        gone = folded(twin.module, twin.x)
        missing |= {name for name in recorded if name.partition("#")[0] in gone}
    return missing


def weightless(module: nn.Module) -> set[str]:
    """Modules with nothing to learn in them, such as activations: a model calls their ops, and names none."""
    return {name for name, part in module.named_modules() if not part.state_dict()}


def compare(twin: Twin, golden: Path, fold_bn: bool) -> None:
    report = verify(twin.name, twin.weights, golden, tolerance=1e-5, fold_bn=fold_bn)
    with np.load(golden) as file:
        keys = [key for key in file.files if not key.startswith("input/")]
        spread = {key: float(file[key].std()) for key in keys if key.startswith("module/")}
        assert all(np.isfinite(file[key]).all() for key in keys if file[key].dtype.kind == "f")
    recorded = {key.removeprefix("module/").replace("output/", "output ") for key in keys}
    skipped = set(report.skipped)
    known = explained(twin, recorded, fold_bn)
    unseen = {re.sub(r"(#\d+)?(\[\d+\])*$", "", name) for name in skipped - known}
    assert unseen <= weightless(twin.module), unseen - weightless(twin.module)
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


@pytest.mark.parametrize("twin", APART, indirect=True)
def test_every_module_with_batch_norms_apart(twin: Twin, golden: Path) -> None:
    compare(twin, golden, fold_bn=False)
