"""The PyTorch models that wtsnet's are compared with, from the packages that publish them.

    module, x = upstream("resnet18")

A source is a file here with `make(name)`, which gives the model that wtsnet calls `name` or None, and with FULL, the
names that are compared module by module; of the others the weights are accounted for and a plan is built. It may
have NEEDS_VALUES = "why", where constructors compute with the weights. Some of the packages are GPL or AGPL, and
are here for comparison alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.upstream import huggingface, lenet, mlp, timm, torchvision, ufld, ultralytics, unet, yolov5
from tests.upstream.made import Made
from tests.upstream.realistic import realistic

SOURCES = (huggingface, lenet, mlp, timm, torchvision, ufld, ultralytics, unet, yolov5)
FULL = tuple(name for source in SOURCES for name in source.FULL)


def find(name: str, shapes_only: bool = False) -> Made:
    """The model that wtsnet calls `name`; with `shapes_only` its weights may have no values, and cost nothing.

    Raises:
        KeyError: nobody has said where `name` comes from.
    """
    for source in SOURCES:
        empty = shapes_only and not hasattr(source, "NEEDS_VALUES")
        with torch.device("meta" if empty else "cpu"):
            made: Made | None = source.make(name)
        if made:
            return made
    raise KeyError(name)


def realistic_one(name: str, batch: int = 2, seed: int = 0) -> tuple[Made, Tensor]:
    """The model that wtsnet calls `name`, in evaluation mode with realistic weights, and an input for it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = find(name)
        draw = torch.rand if made.uniform else torch.randn
        realistic(made.module, x := draw(batch, *made.shape))
        return made, x


def upstream(name: str, batch: int = 2, seed: int = 0) -> tuple[nn.Module, Tensor]:
    """The module and the input of `realistic_one`."""
    made, x = realistic_one(name, batch, seed)
    return made.module, x
