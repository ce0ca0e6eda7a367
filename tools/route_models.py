"""The models that `tools/bench_routes.py` takes along both routes: how trainers save them, and how they are loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from tools.torchvision_models import models as torchvision
from tools.yolov5_torch import DetectionModel, layout
from wtsnet.proof import load_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Model:
    """What a route is given.

    Attributes:
        name: wtsnet's.
        shape: of the input.
        save: writes a checkpoint with random weights, as this model's trainers write it.
        load: the module of such a checkpoint, for export.
        imports: loads the package that `load` takes the module from.
        options: wtsnet's, with which its network has the outputs of the module.
    """

    name: str
    shape: tuple[int, int, int, int]
    save: Callable[[Path], None]
    load: Callable[[Path], torch.nn.Module]
    options: dict[str, Any] = field(default_factory=dict)
    imports: Callable[[], object] = tuple


def _save_yolov5s(path: Path) -> None:
    torch.manual_seed(0)
    torch.save({"model": _trained(DetectionModel(layout(80, 0.33, 0.5))).half()}, path)


def _load_yolov5s(path: Path) -> torch.nn.Module:
    return load_module(path).float().eval()


def _save_resnet50(path: Path) -> None:
    torch.manual_seed(0)
    torch.save(_trained(torchvision().resnet50()).state_dict(), path)


def _load_resnet50(path: Path) -> torch.nn.Module:
    module: torch.nn.Module = torchvision().resnet50()
    module.load_state_dict(torch.load(path, weights_only=True))
    return module.eval()


def _trained(module: torch.nn.Module) -> torch.nn.Module:
    """With batch norms as training leaves them. The zeros and ones of fresh ones are shared or left out by exporters,
    which makes engines that no trained network has."""
    for child in module.modules():
        if isinstance(child, torch.nn.BatchNorm2d):
            assert child.running_mean is not None
            assert child.running_var is not None
            child.running_mean.normal_(0, 0.3)
            child.running_var.uniform_(0.5, 2)
            child.weight.data.normal_(1, 0.2)
            child.bias.data.normal_(0, 0.3)
    return module


MODELS = {
    model.name: model
    for model in (
        Model("yolov5s", (1, 3, 640, 640), _save_yolov5s, _load_yolov5s, {"head": "decoded"}),
        Model("resnet50", (1, 3, 224, 224), _save_resnet50, _load_resnet50, imports=torchvision),
    )
}
