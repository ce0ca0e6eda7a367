"""The heads of YOLO, of each task: raw, decoded and topk against what the original computes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.models.conftest import Twin, run
from tests.upstream import realistic_one, ultralytics
from tests.upstream.realistic import realistic
from wtsnet import Image, define
from wtsnet.proof.verifying import relative_error

Array = NDArray[np.float32]


@dataclass
class Found:
    """What the original gives for `x`: predictions (N, values, candidates), prototypes where it has them, and what its
    convolutions give, as (N, values, candidates) in the order of wtsnet's raw maps; but the angle, which is decoded."""

    twin: Twin
    predictions: Tensor
    raw: Tensor
    prototypes: Tensor | None = None
    classes: int = 80


def twin_of(name: str) -> Twin:
    made, x = realistic_one(name)
    return Twin(name, made.module, x, made.module.state_dict(), made.hidden)


@pytest.fixture(scope="module", params=["yolov8n", "yolov8n-seg", "yolov8n-pose", "yolov8n-obb"])
def original(request: pytest.FixtureRequest) -> Found:
    twin = twin_of(request.param)
    with torch.no_grad():
        out, raw = twin.module(twin.x)
    predictions, prototypes = out if isinstance(out, tuple) else (out, None)
    parts = [raw["boxes"], raw["scores"]]
    parts += [raw[name] for name in ("mask_coefficient", "kpts", "angle") if name in raw]
    return Found(twin, predictions, torch.cat(parts, 1), prototypes, raw["scores"].shape[1])


def outputs(twin: Twin, **options: Any) -> dict[str, Any]:
    n, _, height, width = twin.x.shape
    return run(define(twin.name, twin.weights, batch=n, imgsz=(height, width), **options), twin.x)


def test_raw(original: Found) -> None:
    found = outputs(original.twin, head="raw")
    if original.prototypes is not None:
        assert relative_error(found.pop("prototypes"), original.prototypes.numpy()) <= 1e-5
    assert list(found) == ["p3", "p4", "p5"]
    sizes = [(8, 12), (4, 6), (2, 3)]
    assert [level.shape[2:] for level in found.values()] == sizes
    flat = np.concatenate([level.reshape(*level.shape[:2], -1) for level in found.values()], 2)
    if original.twin.name.endswith("obb"):
        flat[:, -1] = (1 / (1 + np.exp(-flat[:, -1])) - 0.25) * math.pi
    for rows in (slice(0, 64), slice(64, 144), slice(144, None)):
        if flat[:, rows].size:
            assert relative_error(flat[:, rows], original.raw[:, rows].numpy()) <= 1e-5


def groups(original: Found) -> list[slice]:
    """The rows of the predictions that are of one kind: what has large values would hide errors of the rest."""
    end = 4 + original.classes
    step = 3 if original.twin.name.endswith("pose") else 1  # x, y, and whether it is seen
    rest = [slice(end + i, None, step) for i in range(step)] if original.predictions.shape[1] > end else []
    return [slice(0, 2), slice(2, 4), slice(4, end), *rest]


def test_decoded(original: Found) -> None:
    found = outputs(original.twin, head="decoded")
    assert list(found) == ["predictions", *(["prototypes"] if original.prototypes is not None else [])]
    theirs = original.predictions.numpy()
    assert found["predictions"].shape == theirs.shape
    scores = theirs[:, 4 : 4 + original.classes]
    assert scores.min() < 0.1 < 0.9 < scores.max()
    for rows in groups(original):
        assert relative_error(found["predictions"][:, rows], theirs[:, rows]) <= 1e-5, rows


def check_settled(found: dict[str, Any], wanted: dict[str, Array], scores: Array, k: int) -> None:
    """The k best, but for candidates of nearly the same score, which may change places."""
    assert list(found) == list(wanted)
    assert relative_error(found["scores"], scores[:, :k]) <= 1e-5
    apart = np.abs(np.diff(scores, axis=1, prepend=np.inf, append=-np.inf)) > 1e-6
    settled = (apart[:, :-1] & apart[:, 1:])[:, :k]
    assert settled.mean() > 0.8
    assert found["classes"].dtype == np.int32
    for name, array in wanted.items():
        ours, theirs = found[name], array if name == "prototypes" else array[:, :k]
        assert ours.shape == theirs.shape
        chosen = slice(None) if name == "prototypes" else settled
        assert relative_error(ours[chosen], theirs[chosen]) <= 1e-5, name


def best(original: Found) -> dict[str, Array]:
    """All candidates of upstream's predictions, best first, in the form of "topk"."""
    rows = original.predictions.transpose(1, 2)
    classes = original.classes
    scores, index = rows[..., 4 : 4 + classes].max(-1)
    scores, order = scores.sort(descending=True)
    rows = rows.gather(1, order[..., None].expand_as(rows))
    centre, half, extra = rows[..., :2], rows[..., 2:4] / 2, rows[..., 4 + classes :]
    boxes = torch.cat([centre - half, centre + half], -1)
    wanted = {"boxes": boxes, "scores": scores, "classes": index.gather(1, order)}
    match original.twin.name.partition("-")[2]:
        case "obb":
            wanted = {"rboxes": torch.cat([rows[..., :4], extra], -1)} | wanted
            del wanted["boxes"]
        case "seg":
            assert original.prototypes is not None
            wanted |= {"masks": extra, "prototypes": original.prototypes}
        case "pose":
            wanted["keypoints"] = extra.reshape(*extra.shape[:2], 17, 3)
    return {name: tensor.numpy() for name, tensor in wanted.items()}


@pytest.mark.parametrize("k", [1, 40, 1000])
def test_topk(original: Found, k: int) -> None:
    wanted = best(original)
    count = min(k, 126)
    assert wanted["scores"].shape[1] == 126
    check_settled(outputs(original.twin, k=k), wanted, wanted["scores"], count)


def test_facts(original: Found) -> None:
    facts = define(original.twin.name, original.twin.weights, imgsz=64).facts
    name = original.twin.name
    own: dict[str, dict[str, Any]] = {"seg": {"masks": 32}, "obb": {"angle": "logit"}}
    own["pose"] = {"kpt_shape": [17, 3], "spread": 2.0}
    more = own.get(name.partition("-")[2], {})
    task = {"": "detect", "seg": "segment"}.get(name.partition("-")[2], name.partition("-")[2])
    common: dict[str, Any] = {"kind": "dfl", "head": "topk", "strides": [8, 16, 32], "reg_max": 16, "end2end": False}
    common["classes"] = original.classes
    assert facts["decode"] == {"task": task, **common, **more}
    assert facts["preprocess"] == {"kind": "letterbox", "fill": 114, "size": [64, 64]}


def test_candidates_of_many_cells() -> None:
    """Their places are reckoned from their numbers, up to the thousands and in pictures of any size."""
    torch.manual_seed(0)
    module, x = realistic(ultralytics.module("yolov8n.yaml", nc=1), torch.rand(1, 3, 288, 416))
    with torch.no_grad():
        predictions, raw = module(x)
    twin = Twin("yolov8n", module, x, module.state_dict())
    wanted = best(Found(twin, predictions, raw["boxes"], classes=1))
    assert wanted["scores"].shape[1] == 2457
    for imgsz in ((288, 416), ((64, 288, 320), (64, 320, 416))):
        found = run(define("yolov8n", twin.weights, imgsz=imgsz, k=100), x)
        count = found["scores"].shape[1]
        check_settled(found, wanted, wanted["scores"], count)


def classified(name: str) -> tuple[Twin, Tensor]:
    """A classifier and its logits."""
    twin = twin_of(name)
    with torch.no_grad():
        out = twin.module(twin.x)
    return twin, out[1] if isinstance(out, tuple) else out


@pytest.mark.parametrize("name", ["yolov8n-cls", "yolov5n-cls"])
def test_classifiers(name: str) -> None:
    twin, logits = classified(name)
    prob = logits.softmax(1)
    assert relative_error(outputs(twin, head="raw")["logits"], logits.numpy()) <= 1e-5
    upstream = {"yolov8n-cls": ("prob", prob), "yolov5n-cls": ("logits", logits)}[name]
    for options in ({}, {"head": "decoded"}):  # the usual one: all classes
        found = outputs(twin, **options)
        assert list(found) == [upstream[0]]
        assert relative_error(found[upstream[0]], upstream[1].numpy()) <= 1e-5
    found = outputs(twin, head="topk", k=3)
    scores, classes = prob.topk(3)
    assert list(found) == ["scores", "classes"]
    assert relative_error(found["scores"], scores.numpy()) <= 1e-5
    np.testing.assert_array_equal(found["classes"], classes.numpy())
    assert outputs(twin, head="topk")["scores"].shape == (2, 1000)
    facts = define(twin.name, twin.weights).facts
    assert facts["decode"]["task"] == "classify"
    normal = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]} if name == "yolov5n-cls" else {}
    way = {"kind": "middle", "antialias": False} if name == "yolov5n-cls" else {"kind": "crop", "resize": 224}
    assert facts["preprocess"] == {**way, "size": [224, 224], **normal}


def test_masks_of_yolov5() -> None:
    """Their coefficients lie behind the class scores, and are no scores."""
    twin = twin_of("yolov5n-seg")
    with torch.no_grad():
        predictions, prototypes, maps = twin.module(twin.x)
    found = outputs(twin, head="raw")
    assert list(found) == ["p3", "p4", "p5", "prototypes"]
    for ours, theirs in zip(found.values(), maps, strict=False):
        assert relative_error(ours, theirs.permute(0, 1, 4, 2, 3).flatten(1, 2).numpy()) <= 1e-5
    found = outputs(twin, head="decoded")
    assert list(found) == ["predictions", "prototypes"]
    assert relative_error(found["prototypes"], prototypes.numpy()) <= 1e-5
    for columns in (slice(0, 2), slice(2, 4), slice(4, 85), slice(85, None)):
        assert relative_error(found["predictions"][..., columns], predictions[..., columns].numpy()) <= 1e-5
    scores, index = (predictions[..., 4:5] * predictions[..., 5:85]).max(-1)
    scores, order = scores.sort(descending=True)
    rows = predictions.gather(1, order[..., None].expand_as(predictions))
    centre, half = rows[..., :2], rows[..., 2:4] / 2
    wanted = {"boxes": torch.cat([centre - half, centre + half], -1), "scores": scores}
    wanted |= {"classes": index.gather(1, order), "masks": rows[..., 85:], "prototypes": prototypes}
    check_settled(outputs(twin, k=50), {name: t.numpy() for name, t in wanted.items()}, scores.numpy(), 50)


@pytest.mark.parametrize(("name", "multiple"), [("yolov8n-p2", 32), ("yolov8n-p6", 64), ("yolov8n-cls", 1)])
def test_sizes(name: str, multiple: int) -> None:
    from wtsnet.definition.registry import find

    model = find(name)
    image = model.inputs_of(model.config)
    assert isinstance(image, Image)
    assert image.multiple == multiple
