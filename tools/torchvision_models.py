"""torchvision's models, which import beside a CPU build of PyTorch, too."""

from __future__ import annotations

import importlib
from typing import Any

import torch

_declared: list[Any] = []  # what a Library declares is gone with it


def models() -> Any:
    """The module `torchvision.models`.

    The torchvision of a package index is compiled for CUDA. Beside a CPU torch its operators do not load, and the
    import fails at the first one that it describes; the models need none, so they are declared and left at that.
    """
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    untyped: Any = torch.library
    library = untyped.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
    return importlib.import_module("torchvision.models")
