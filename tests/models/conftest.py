"""Every registered model beside its twin in PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.upstream import upstream, yolov5
from wtsnet import Network, ReferenceRunner
from wtsnet.checkpoint import export
from wtsnet.registry import models


@dataclass
class Twin:
    """A registered model's PyTorch module, an input for it, and weights as `wtsnet.define` takes them.

    `weights` is the module's state dict; for `yolov5`, whose architecture is in the manifest, a .wts path.
    """

    name: str
    module: nn.Module
    x: Tensor
    weights: Any

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
    return Twin("yolov5", module, x, tmp_path / "own.wts")


def published_lists(**changes: Any) -> dict[str, Any]:
    """The architecture of YOLOv5 as the package publishes it, with changes."""
    import yaml

    from tests.upstream import architecture_file

    lists: dict[str, Any] = yaml.safe_load(architecture_file("n").read_text("utf-8"))
    return lists | changes


@pytest.fixture(scope="session", params=list(models()))
def twin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Twin:
    """Each registered model in turn: all tests of one run before the next is made."""
    if request.param == "yolov5":
        return own_detector(tmp_path_factory.mktemp("own"), published_lists(**OWN))
    module, x = upstream(request.param)
    return Twin(request.param, module, x, module.state_dict())


def run(net: Network, x: Tensor) -> dict[str, Any]:
    """The network's outputs for one input, from the reference runner."""
    with ReferenceRunner(net.trt) as runner:
        return runner.run({next(iter(net.profile)): x})


def original(twin: Twin) -> tuple[Tensor, list[Tensor]]:
    """A detector's predictions (N, candidates, 5+nc), and a map (N, A, H, W, 5+nc) a level."""
    with torch.no_grad():
        predictions, maps = twin.module(twin.x)
    return predictions, maps
