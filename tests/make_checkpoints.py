"""Save checkpoints as the upstream projects do, and beside each the state dict that PyTorch itself gives.

    python -m tests.make_checkpoints FOLDER

A process of its own, so that the tests never import the classes of what they read.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.upstream.yolov5 import architecture_file, yolov5_package


def save(folder: Path, name: str, module: nn.Module, content: object, **options: bool) -> None:
    torch.save(content, folder / f"{name}.pt", **options)
    torch.save(dict(module.state_dict()), folder / f"{name}.expected")


def realistic(module: nn.Module) -> Any:
    """Statistics that differ from layer to layer and from the initial 0 and 1."""
    torch.manual_seed(0)
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            buffers = dict(child.named_buffers())
            buffers["running_mean"].normal_()
            buffers["running_var"].uniform_(0.5, 2)
            buffers["num_batches_tracked"].fill_(3)
    return module


def yolov5(folder: Path) -> None:
    for size in "ns":
        model = realistic(yolov5_package().DetectionModel(architecture_file(size)))
        model.names = {index: f"class {index}" for index in range(80)}
        ema = deepcopy(model)
        ema.model[0].conv.weight.data += 1
        content = {
            "epoch": 3,
            "best_fitness": np.array([0.5]),
            "model": deepcopy(model).half(),
            "ema": ema.half(),
            "updates": 7,
            "optimizer": torch.optim.SGD(model.parameters(), 0.01, momentum=0.9).state_dict(),
            "opt": {"imgsz": 512, "data": Path("coco.yaml")},
            "date": "2026-11-23",
        }
        save(folder, f"yolov5{size}", ema, content)
        if size == "n":
            save(folder, "yolov5n-legacy", ema, content, _use_new_zipfile_serialization=False)


def ultralytics(folder: Path) -> None:
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils import IterableSimpleNamespace

    model = realistic(DetectionModel("yolov8n.yaml", verbose=False)).half()
    model.args = IterableSimpleNamespace(imgsz=320, task="detect")
    model.task = "detect"
    save(folder, "yolov8n", model, {"model": None, "ema": model, "train_args": {"imgsz": 640}, "version": "8"})


def torchvision(folder: Path) -> None:
    from torchvision.models import resnet18

    model = realistic(resnet18())
    save(folder, "resnet18-module", model, model)
    save(folder, "resnet18-state", model, {"state_dict": model.state_dict(), "args": Namespace(imgsz=224)})


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.environ |= {"YOLO_AUTOINSTALL": "False", "YOLO_OFFLINE": "True"}
    for make in (yolov5, ultralytics, torchvision):
        make(Path(sys.argv[1]))
