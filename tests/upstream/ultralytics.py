"""The models of the ultralytics package, which is AGPL-3.0 and is here for comparison alone."""

from __future__ import annotations

import os
import re
from contextlib import nullcontext
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
import yaml
from torch import nn

import tests.upstream.torchvision  # noqa: F401  # declares the operators that the package's imports ask for
from tests.upstream.made import Made
from tests.upstream.yolov5 import apart

# One of each generation and task, small. That all lists are upstream's own is a test in itself.
FULL = (
    *("yolov3-tinyu", "yolov5nu", "yolov6n", "yolov8n", "yolov8n-seg", "yolov8n-pose", "yolov8n-obb", "yolov8n-cls"),
    *("yolov9t", "yolov9c-seg", "yolov10n", "rtdetr-l"),
    *(f"yolo{version}n{task}" for version in (11, 12, 26) for task in ("", "-seg", "-pose", "-obb", "-cls")),
)
TASKS = {"": "detect", "seg": "segment", "pose": "pose", "obb": "obb", "cls": "classify"}
KINDS = {"seg": "SegmentationModel", "pose": "PoseModel", "obb": "OBBModel", "cls": "ClassificationModel"}
KINDS |= {"sem": "SemanticSegmentationModel", "depth": "DepthModel"}
RAW = {r"output [1-9]\d*": "the raw maps: the first output, the predictions, is compared"}
# Of re-parametrised convolutions; those of RT-DETR's neck are called as other layers of its backbone are.
BRANCHES = {
    "yolov9": r".*\.cv1\.conv[12](\..*)?",
    "yolov10[ns]": r".*\.cv1\.2\.conv1?(\..*)?",
    "rtdetr": r"model\.(1[1-9]|2\d)\.m\.\d+\.conv[12](\..*)?",
}


def make(name: str) -> Made | None:
    found = architecture_name(name)
    if found is None:
        return None
    shape = (3, 128, 192) if re.search("-p6|[nslmx]6", name) else (3, 64, 96)
    # Of many scores the best come near 1, and more than one rounds to the same: their order would be anyone's.
    few: dict[str, Any] = {"nc": 4} if re.match("yolov10|yolo26|rtdetr", name) else {}
    made: Any = module(f"{found}.yaml", **few)
    return Made(made, shape, uniform=True, hidden=hidden(name, len(made.model) - 1))


def hidden(name: str, last: int) -> dict[str, str]:
    """What of a model that wtsnet calls `name`, whose head is row `last`, the network has no tensor for."""
    found = dict(RAW)
    if "-seg" in name:
        found = {r"output ([2-9]|\d\d)": "the raw maps: predictions and prototypes are compared"}
    for pattern, branches in BRANCHES.items():
        if re.match(pattern, name):
            found |= {branches: "the branches of what is one convolution at inference"}
    if re.match("yolov10|yolo26", name) and "-cls" not in name:
        found |= {rf"model\.{last}\.cv[234](_kpts)?\..*": "the one-to-many branches, which are for training"}
    if name.startswith("rtdetr"):
        found |= {
            r".*\.(ma|self_attn)\[1\]": "the weights of attention",
            rf"model\.{last}(\.decoder\[\d\]|\[1\]\[\d\])": "every layer's boxes and scores, as training needs them",
        }
    return found


def architecture_name(name: str) -> str | None:
    """What the package calls a model, as it goes before `.yaml`; None for one that it does not have."""
    found = re.fullmatch(r"(yolov[35].*?)(6?)u", name)  # which the package calls as it does the anchor-based ones
    if found:
        name = f"{found[1]}-p6" if found[2] else found[1]
    elif re.match(r"yolov[35]", name):
        return None
    return name if {name, letterless(name)} & set(architectures()) else None


def letterless(name: str) -> str:
    """The name of the file that a name with a letter stands for: yolov8 for yolov8n."""
    return re.sub(r"(\d+)[nslmx](?![a-z])", r"\1", name, count=1)


@cache
def architectures() -> dict[str, Path]:
    """The package's architecture files by name."""
    spec = find_spec("ultralytics")
    assert spec is not None, "the ultralytics package is not installed: pip install --no-deps ultralytics==8.4.190"
    assert spec.origin is not None
    return {file.stem: file for file in (Path(spec.origin).parent / "cfg" / "models").rglob("*.yaml")}


def lists(name: str) -> dict[str, Any]:
    """What the package's file of this name, such as "yolov8-pose" or "yolov9c", holds."""
    held: dict[str, Any] = yaml.safe_load(architectures()[name].read_text("utf-8"))
    return held


def module(cfg: str | dict[str, Any], task: str = "", **options: Any) -> nn.Module:
    """A model as the package builds it.

    Args:
        cfg: a name such as "yolov8n-seg.yaml", or what its architecture files hold.
        task: "seg", "pose", "obb", "cls", "sem" or "depth"; where it is empty, what the name says.
        options: `nc`, `data_kpt_shape` of pose models.
    """
    named = re.search("-(seg|pose|obb|cls|sem|depth)", cfg) if isinstance(cfg, str) else None
    kind = KINDS.get(task or (named[1] if named else ""), "DetectionModel")
    if "RTDETRDecoder" in str(cfg) or str(cfg).startswith("rtdetr"):
        kind = "RTDETRDetectionModel"
    tasks = package()
    # Where weights have no values, strides have none, and the biases that it reckons from them are not needed.
    bare = torch.empty(0).is_meta
    with patch.object(tasks.Detect, "bias_init", lambda self: None) if bare else nullcontext():
        made: Any = getattr(tasks, kind)(cfg, verbose=False, **options)
    if getattr(made.model[-1], "one2one_cv2", None) is not None:
        made.end2end = True  # its boxes as they are, with no suppression behind them
    return apart(made)


@cache
def modules() -> Any:
    """Its blocks and heads."""
    package()
    from ultralytics.nn import modules as found

    return found


@cache
def package() -> ModuleType:
    """Its module `nn.tasks`, kept from looking for updates."""
    with patch.dict(os.environ, {"YOLO_AUTOINSTALL": "False", "YOLO_OFFLINE": "True"}):
        from ultralytics.nn import tasks
        from ultralytics.utils import LOGGER
    LOGGER.setLevel("WARNING")  # it prints a summary of classifiers
    return tasks  # type: ignore[no-any-return]  # it has no types
