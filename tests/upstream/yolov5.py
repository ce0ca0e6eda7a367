"""The detectors of the yolov5 package, which is GPL-3.0 and is here for comparison alone."""

from __future__ import annotations

import copy
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
import yaml
from torch import Tensor, nn

import tests.upstream.torchvision  # noqa: F401  # declares the operators that the package's imports ask for
from tests.upstream.made import Made
from tests.upstream.realistic import realistic

FULL = ("yolov5n", "yolov5n6", "yolov5n-seg", "yolov5n-cls", "yolov3-tiny")
HIDDEN = {
    r"model\.\d+\[1\]\[\d+\]": "the head gives (predictions, raw maps)",
    r"output [1-9]": "the raw maps: the first output, the predictions, is compared",
}
SEGMENTING = {
    r"model\.\d+\[2\]\[\d+\]": "the head gives (predictions, prototypes, raw maps)",
    r"output [2-9]": "the raw maps: the first two outputs are compared",
}


def make(name: str) -> Made | None:
    if name in ("yolov3", "yolov3-spp", "yolov3-tiny"):
        return Made(detector(hub_lists(name)), (3, 64, 96), uniform=True, hidden=HIDDEN)
    found = re.fullmatch(r"yolov5([nsmlx]6?)(-seg|-cls)?", name)
    if not found:
        return None
    if found[2] == "-cls":
        return Made(classifier(found[1]), (3, 64, 96), uniform=True)
    hidden = SEGMENTING if found[2] else HIDDEN
    return Made(detector(found[1] + (found[2] or "")), (3, *size_of(found[1])), uniform=True, hidden=hidden)


def size_of(cfg: str | dict[str, Any]) -> tuple[int, int]:
    return (128, 192) if isinstance(cfg, str) and "6" in cfg else (64, 96)


def detector(cfg: str | dict[str, Any], **options: Any) -> nn.Module:
    """A detector with the weights that its constructor gives it (see `yolov5`)."""
    source = str(architecture_file(cfg)) if isinstance(cfg, str) else cfg
    package = yolov5_package()
    usual = package.Conv.default_act  # an architecture with another one sets it for all that follow
    lists = yaml.safe_load(Path(source).read_text("utf-8")) if isinstance(source, str) else source
    kind = "SegmentationModel" if lists["head"][-1][2] == "Segment" else "DetectionModel"
    with without_values(package) if torch.empty(0).is_meta else nullcontext():
        module: nn.Module = getattr(package, kind)(lists, **options)
    package.Conv.default_act = usual
    return apart(module)


@contextmanager
def without_values(package: Any) -> Iterator[None]:
    """For weights that have shapes alone: nothing is reckoned from strides."""
    with (
        patch.object(package, "check_anchor_order", lambda head: None),
        patch.object(package.DetectionModel, "_initialize_biases", lambda self: None),
    ):
        yield


def classifier(variant: str, classes: int = 1000) -> nn.Module:
    """A classifier with the weights that its constructor gives it, made of a detector as upstream makes it."""
    return apart(yolov5_package().ClassificationModel(model=detector(variant), nc=classes))


def apart(module: nn.Module) -> nn.Module:
    """With an activation for each convolution: one serves all, and would be told by the name of the first of them."""
    for part in module.modules():
        if isinstance(act := getattr(part, "act", None), nn.Module):
            part.act = copy.deepcopy(act)
    return module


def yolov5(
    cfg: str | dict[str, Any], *, batch: int = 2, seed: int = 0, size: tuple[int, int] | None = None, **options: Any
) -> tuple[nn.Module, Tensor]:
    """A detector of the yolov5 package and an input, of `size` (height, width).

    Args:
        cfg: such as "s" or "x6", or what its architecture files hold.
        options: `nc`, `anchors` in place of those of `cfg`.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return realistic(detector(cfg, **options), torch.rand(batch, 3, *(size or size_of(cfg))))


def architecture_file(variant: str) -> Path:
    """Where the yolov5 package keeps the architecture of a variant such as "s", "x6" or "n-seg"."""
    spec = find_spec("yolov5")
    assert spec is not None, "the yolov5 package is not installed: pip install --no-deps yolov5==7.0.14"
    assert spec.origin is not None
    folder = "hub" if "6" in variant else "segment" if "seg" in variant else "."
    return Path(spec.origin).parent / "models" / folder / f"yolov5{variant}.yaml"


def hub_lists(name: str) -> dict[str, Any]:
    """What the package's file of other architectures of this name holds."""
    lists: dict[str, Any] = yaml.safe_load(architecture_file("n6").with_name(f"{name}.yaml").read_text("utf-8"))
    return lists


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
