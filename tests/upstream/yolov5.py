"""The PyTorch models that wtsnet's are compared with, from the packages that publish them.

    module, x = upstream("resnet18")

The `yolov5` package is GPL-3.0 and is here for comparison alone. Weights are random, with batch norm statistics as
training leaves them: those of the data, more or less.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

# torchvision's compiled operators do not load beside a CPU torch; it imports once they are declared.
_torch_library: Any = torch.library
_library = _torch_library.Library("torchvision", "FRAGMENT")
if not hasattr(torch.ops.torchvision, "nms"):
    for _name in ("nms", "qnms"):
        _library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import torchvision.models  # noqa: E402  # not before the declarations above

# Height and width differ, so that exchanging them shows.
SIZES = {"lenet": (32, 32), "resnet": (64, 96), "yolov5": (64, 96), "yolov5 p6": (128, 192)}
YOLOV5 = {f"yolov5{letter}{p6}": f"{letter}{p6}" for p6 in ("", "6") for letter in "nsmlx"}


class LeNet(nn.Module):
    """LeNet-5 as it is trained for tensorrtx: one ReLU and one pooling, each used again."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)
        self.relu, self.pool1 = nn.ReLU(), nn.AvgPool2d(2)
        self.flatten, self.softmax = nn.Flatten(), nn.Softmax(1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu(self.conv1(x)))
        x = self.flatten(self.pool1(self.relu(self.conv2(x))))
        x = self.relu(self.fc2(self.relu(self.fc1(x))))
        probabilities: Tensor = self.softmax(self.fc3(x))
        return probabilities


def upstream(name: str, batch: int = 2, seed: int = 0) -> tuple[nn.Module, Tensor]:
    """The model that wtsnet calls `name`, in evaluation mode, and an input for it.

    Raises:
        KeyError: nobody has said where `name` comes from.
    """
    if name in YOLOV5:
        return yolov5(YOLOV5[name], batch=batch, seed=seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if name == "lenet":
            return realistic(LeNet(), torch.randn(batch, 1, *SIZES["lenet"]))
        if name not in torchvision.models.list_models():
            raise KeyError(name)
        module = torchvision.models.get_model(name, weights=None)
        return realistic(module, torch.randn(batch, 3, *SIZES["resnet"]))


def yolov5(
    cfg: str | dict[str, Any], *, batch: int = 2, seed: int = 0, size: tuple[int, int] | None = None, **options: Any
) -> tuple[nn.Module, Tensor]:
    """A detector of the yolov5 package and an input, of `size` (height, width).

    Args:
        cfg: such as "s" or "x6", or what its architecture files hold.
        options: `nc`, `anchors` in place of those of `cfg`.
    """
    p6 = isinstance(cfg, str) and "6" in cfg
    height, width = size or SIZES["yolov5 p6" if p6 else "yolov5"]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        source = str(architecture_file(cfg)) if isinstance(cfg, str) else cfg
        package = yolov5_package()
        usual = package.Conv.default_act  # an architecture with another one sets it for all that follow
        module = package.DetectionModel(source, **options)
        package.Conv.default_act = usual
        return realistic(module, torch.rand(batch, 3, height, width))


def architecture_file(variant: str) -> Path:
    """Where the yolov5 package keeps the architecture of a variant such as "s" or "x6"."""
    spec = find_spec("yolov5")
    assert spec is not None, "the yolov5 package is not installed: pip install --no-deps yolov5==7.0.14"
    assert spec.origin is not None
    return Path(spec.origin).parent / "models" / ("hub" if "6" in variant else ".") / f"yolov5{variant}.yaml"


@cache
def yolov5_package() -> Any:
    """Its module `models.yolo`, imported past what it wants for plots and version checks only."""
    unneeded = {name: ModuleType(name) for name in ("pkg_resources", "seaborn") if name not in sys.modules}
    if stub := unneeded.get("pkg_resources"):
        stub.parse_version = lambda text: [int(part) for part in text.split("+")[0].split(".")]  # type: ignore[attr-defined]
    path = list(sys.path)
    quiet = {"YOLO_AUTOINSTALL": "False", "YOLO_OFFLINE": "True"}
    with patch.dict(os.environ, quiet), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.modules.update(unneeded)
        try:
            from yolov5.models import yolo
        finally:
            for name in unneeded:
                del sys.modules[name]
            sys.path[:] = path  # it puts its own folder there, with a `models` and a `utils`
    logging.getLogger("yolov5").setLevel(logging.WARNING)  # it prints a table of every model
    return yolo


def realistic(module: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor]:
    """`module` with weights under which the outputs of all layers are of one size, and `x`.

    In one run through the module, each convolution before a batch norm is scaled to a mean square between 0.1 and 2,
    and the batch norm gets variances of that size, means within it, a weight around 1 and a bias. Layers with a
    bias are scaled to a standard deviation of 2, so that sigmoids behind them spread over (0, 1).

    Statistics are fitted by layer and not by channel: that would magnify channels in which little happens, over
    and over, until float32's rounding is most of what is compared.
    """
    hooks: list[Any] = []
    for child in module.modules():
        if isinstance(child, nn.Conv2d) and child.bias is None:
            hooks.append(child.register_forward_hook(_scale))
        elif isinstance(child, nn.Conv2d | nn.Linear) and child.bias is not None:
            hooks.append(child.register_forward_hook(_scale_with_bias))
        elif isinstance(child, nn.BatchNorm2d):
            hooks.append(child.register_forward_pre_hook(_set_statistics))
    module.eval().requires_grad_(False)
    with torch.no_grad():
        module(x)
    for hook in hooks:
        hook.remove()
    return module, x


def _scale(conv: nn.Conv2d, _: Any, out: Tensor) -> Tensor:
    wanted = torch.empty(()).uniform_(math.log(0.1), math.log(2)).exp()
    factor = (wanted / out.square().mean()).sqrt()
    conv.weight *= factor
    return out * factor


def _scale_with_bias(layer: nn.Conv2d | nn.Linear, _: Any, out: Tensor) -> Tensor:
    assert layer.bias is not None
    shape = (1, -1) if isinstance(layer, nn.Linear) else (1, -1, 1, 1)
    bare = out - layer.bias.view(shape)
    factor = 2 / bare.std()
    layer.weight *= factor
    layer.bias.normal_()
    return bare * factor + layer.bias.view(shape)


def _set_statistics(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    square = inputs[0].square().mean()
    norm.running_mean.normal_(0, 0.3).mul_(square.sqrt())
    norm.running_var.uniform_(0.5, 2).mul_(square)
    norm.weight.normal_(1, 0.2).clamp_(0.3)
    norm.bias.normal_(0, 0.3)
