"""Registered models beside their twins in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from tests.upstream import FULL, realistic_one, ultralytics
from tests.upstream.realistic import realistic
from tests.upstream.yolov5 import HIDDEN, architecture_file, yolov5
from wtsnet import Network, ReferenceRunner
from wtsnet.checkpoint.exporting import export


@dataclass
class Twin:
    """A registered model's PyTorch module, an input for it, and weights as `wtsnet.define` takes them.

    `weights` is the module's state dict; for `yolo` and `yolov5`, whose architecture is in the manifest, a .wts path.
    `hidden` says which of the module's outputs the network has no tensor for (see `tests.upstream.made.Made`).
    """

    name: str
    module: nn.Module
    x: Tensor
    weights: Any
    hidden: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def millions(self) -> float:
        """Parameters, in millions."""
        return sum(p.numel() for p in self.module.parameters()) / 1e6


# What a user trains: classes, anchors (two a level) and size of their own.
OWN = {
    "nc": 3,
    "depth_multiple": 0.67,
    "width_multiple": 0.125,
    "anchors": [[8, 9, 17, 14], [33, 40, 60, 35], [90, 120, 210, 180]],
}


def own_detector(tmp_path: Path, lists: dict[str, Any], **options: Any) -> Twin:
    """A yolov5 checkpoint with an architecture of its own, exported; the module computes with the same half weights."""
    module, x = yolov5(lists, **options)
    torch.save({"model": module.half()}, tmp_path / "own.pt")
    export(tmp_path / "own.pt", tmp_path / "own.wts")
    module.float().model[-1].grid = [torch.empty(0)] * len(lists["anchors"])  # type: ignore[index, union-attr]
    return Twin("yolov5", module, x, tmp_path / "own.wts", HIDDEN)


def own_ultralytics(
    tmp_path: Path, lists: dict[str, Any], task: str = "", size: tuple[int, int] = (64, 96), batch: int = 2
) -> Twin:
    """An ultralytics checkpoint with an architecture of its own, saved as its trainer does, and exported; the module
    computes with the same half weights.

    Args:
        lists: what an architecture file of the package holds.
        task: "seg", "pose", "obb" or "cls".
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        channels = lists.get("ch", 3)
        module, x = realistic(ultralytics.module(lists, task, ch=channels), torch.rand(batch, channels, *size))
    module.args = {"imgsz": 96, "task": ultralytics.TASKS[task]}  # type: ignore[assignment]  # as its trainer has it
    module.task = ultralytics.TASKS[task]  # type: ignore[assignment]
    last = len(module.model) - 1  # type: ignore[arg-type]
    checkpoint = {"epoch": -1, "model": None, "ema": module.half(), "train_args": module.args, "version": "8.4.190"}
    torch.save(checkpoint, tmp_path / "own.pt")
    export(tmp_path / "own.pt", tmp_path / "own.wts")
    return Twin("yolo", module.float(), x, tmp_path / "own.wts", ultralytics.hidden(f"-{task}", last))


# Key points and classes of one's own, sides of the network that no letter has, and another activation.
OWN_POSE = {
    "nc": 3,
    "kpt_shape": [5, 2],
    "scale": "t",
    "scales": {"n": [1.0, 1.0, 1024], "t": [0.4, 0.2, 512]},
    "activation": "nn.Hardswish()",
}


def published_lists(**changes: Any) -> dict[str, Any]:
    """The architecture of YOLOv5 as the package publishes it, with changes."""
    lists: dict[str, Any] = yaml.safe_load(architecture_file("n").read_text("utf-8"))
    return lists | changes


# What is compared module by module. Models with an architecture of one's own are given one.
COMPARED = ("yolov5", "yolo", *FULL)


@pytest.fixture(scope="session", params=COMPARED)
def twin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Twin:
    """Each compared model in turn: all tests of one run before the next is made."""
    if request.param == "yolov5":
        return own_detector(tmp_path_factory.mktemp("own"), published_lists(**OWN))
    if request.param == "yolo":
        lists = ultralytics.lists("yolov8-pose") | OWN_POSE
        return own_ultralytics(tmp_path_factory.mktemp("own"), lists, "pose")
    made, x = realistic_one(request.param)
    return Twin(request.param, made.module, x, made.module.state_dict(), made.hidden)


def run(net: Network, x: Tensor) -> dict[str, Any]:
    """The network's outputs for one input, from the reference runner."""
    with ReferenceRunner(net.trt) as runner:
        return runner.run({next(iter(net.profile)): x})


def original(twin: Twin) -> tuple[Tensor, list[Tensor]]:
    """A detector's predictions (N, candidates, 5+nc), and a map (N, A, H, W, 5+nc) a level."""
    with torch.no_grad():
        predictions, maps = twin.module(twin.x)
    return predictions, maps
