"""The classifiers of torchvision."""

from __future__ import annotations

from typing import Any

import torch

from tests.upstream.made import Made

# torchvision's compiled operators do not load beside a CPU torch; it imports once they are declared.
_torch_library: Any = torch.library
_library = _torch_library.Library("torchvision", "FRAGMENT")
if not hasattr(torch.ops.torchvision, "nms"):
    for _name in ("nms", "qnms"):
        _library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import torchvision.models  # noqa: E402  # not before the declarations above

FULL = ("resnet18", "resnet50", "resnext50_32x4d")


def make(name: str) -> Made | None:
    if name not in torchvision.models.list_models(torchvision.models):
        return None
    return Made(torchvision.models.get_model(name, weights=None), (3, 64, 96))
