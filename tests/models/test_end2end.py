"""The heads that find each object once: those of YOLOv10 and YOLO26, and RT-DETR's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.blocks.support import architecture
from tests.models.conftest import Twin, run
from tests.upstream import realistic_one, ultralytics
from tests.upstream.realistic import realistic
from wtsnet import Network, define
from wtsnet.blocks.heads.detectors import pose
from wtsnet.blocks.heads.heads import HeadCall
from wtsnet.blocks.heads.yolo26 import obb26, pose26
from wtsnet.errors import ModelError
from wtsnet.proof.verifying import relative_error

Array = NDArray[np.float32]


@dataclass
class Found:
    """What the original gives for the twin's input: predictions (N, k, 6 + …): box, score, class, what the task adds;
    and what its head says of all candidates."""

    twin: Twin
    predictions: Array
    raw: Any


def found(name: str) -> Found:
    made, x = realistic_one(name)
    twin = Twin(name, made.module, x, made.module.state_dict(), made.hidden)
    with torch.no_grad():
        predictions, raw = made.module(x)
    predictions = predictions[0] if isinstance(predictions, tuple | list) else predictions
    return Found(twin, predictions.numpy(), raw)


@pytest.fixture(scope="module", params=["yolov10n", "yolo26n", "yolo26n-seg", "yolo26n-pose", "yolo26n-obb"])
def original(request: pytest.FixtureRequest) -> Found:
    return found(request.param)


@pytest.fixture(scope="module")
def rtdetr() -> Found:
    return found("rtdetr-l")


def outputs(twin: Twin, **options: Any) -> dict[str, Any]:
    n, _, height, width = twin.x.shape
    return run(define(twin.name, twin.weights, batch=n, imgsz=(height, width), **options), twin.x)


def test_raw(original: Found) -> None:
    """The one-to-one branches' maps."""
    made = outputs(original.twin, head="raw")
    made.pop("prototypes", None)
    assert list(made) == ["p3", "p4", "p5"]
    flat = np.concatenate([level.reshape(*level.shape[:2], -1) for level in made.values()], 2)
    names = ("boxes", "scores", "mask_coefficient", "kpts", "angle")
    parts = [original.raw["one2one"][name].numpy() for name in names if name in original.raw["one2one"]]
    assert flat.shape[1] == sum(part.shape[1] for part in parts)
    start = 0
    for part in parts:
        assert relative_error(flat[:, start : start + part.shape[1]], part) <= 1e-5
        start += part.shape[1]


def test_decoded(original: Found) -> None:
    """Each column for itself: the large values of one would hide the errors of another."""
    ours, theirs = outputs(original.twin, head="decoded")["predictions"], original.predictions
    assert ours.shape == theirs.shape
    assert np.ptp(theirs[..., 4]) > 0.01
    assert len(np.unique(theirs[..., 5])) == 4
    for column in range(theirs.shape[2]):
        assert relative_error(ours[..., column], theirs[..., column]) <= 1e-5, column


@pytest.mark.parametrize("k", [1, 30, 1000])
def test_topk(original: Found, k: int) -> None:
    """The first of them."""
    made, theirs = outputs(original.twin, k=k), original.predictions[:, :k]
    count = min(k, 126)
    task = original.twin.name.partition("-")[2]
    boxes = "rboxes" if task == "obb" else "boxes"
    extra = {"seg": ["masks", "prototypes"], "pose": ["keypoints"]}.get(task, [])
    assert list(made) == [boxes, "scores", "classes", *extra]
    assert made["scores"].shape == (2, count)
    assert made["classes"].dtype == np.int32
    columns = {
        "boxes": theirs[..., :4],
        "rboxes": np.concatenate([theirs[..., :4], theirs[..., 6:]], -1),
        "scores": theirs[..., 4],
        "classes": theirs[..., 5],
        "masks": theirs[..., 6:],
        "keypoints": theirs[..., 6:],
    }
    for name, array in made.items():
        if name != "prototypes":
            assert relative_error(array.reshape(columns[name].shape), columns[name]) <= 1e-5, name


def test_facts(original: Found) -> None:
    facts = define(original.twin.name, original.twin.weights, imgsz=64).facts["decode"]
    assert facts["end2end"] is True
    assert facts["kind"] == "dfl"
    assert facts["classes"] == 4
    assert facts["reg_max"] == (16 if original.twin.name == "yolov10n" else 1)


def test_the_branches_of_training_may_be_gone(original: Found) -> None:
    """As in a checkpoint from which they were removed; and nothing else may be."""
    head = f"model.{len(original.twin.module.model) - 1}."  # type: ignore[arg-type]
    training = (*(f"{head}{name}." for name in ("cv2", "cv3", "cv4", "cv4_kpts", "cv4_sigma", "flow_model")),)
    less = {key: value for key, value in original.twin.weights.items() if not key.startswith(training)}
    assert len(less) < len(original.twin.weights)
    n, _, height, width = original.twin.x.shape
    net = define(original.twin.name, less, batch=n, imgsz=(height, width), head="decoded")
    assert relative_error(run(net, original.twin.x)["predictions"], original.predictions) <= 1e-5


def test_no_more_than_300() -> None:
    torch.manual_seed(0)
    module, x = realistic(ultralytics.module("yolo26n.yaml", nc=2), torch.rand(1, 3, 160, 160))
    with torch.no_grad():
        theirs = module(x)[0].numpy()
    for imgsz in (160, (128, 160, 160)):
        net = define("yolo26n", module.state_dict(), imgsz=imgsz, head="decoded")
        assert run(net, x)["predictions"].shape == theirs.shape == (1, 300, 6)
        ours = run(net, x)["predictions"]
        assert relative_error(ours[..., 4], theirs[..., 4]) <= 1e-5
        # Of nearly the same score, two may change places.
        apart = np.abs(np.diff(theirs[..., 4], axis=1, prepend=np.inf, append=-np.inf)) > 1e-6
        settled = apart[:, :-1] & apart[:, 1:]
        assert settled.mean() > 0.8
        assert relative_error(ours[settled], theirs[settled]) <= 1e-5
        assert run(define("yolo26n", module.state_dict(), imgsz=imgsz), x)["scores"].shape == (1, 300)


def test_rtdetr_raw(rtdetr: Found) -> None:
    made = outputs(rtdetr.twin, head="raw")
    assert list(made) == ["boxes", "logits"]
    boxes, logits = rtdetr.raw[0], rtdetr.raw[1]
    assert relative_error(made["boxes"], boxes[-1].numpy()) <= 1e-5
    assert relative_error(made["logits"], logits[-1].numpy()) <= 1e-5


def test_rtdetr_decoded(rtdetr: Found) -> None:
    ours, theirs = outputs(rtdetr.twin, head="decoded")["predictions"], rtdetr.predictions
    assert ours.shape == theirs.shape == (2, 300, 6)
    for column in range(6):
        assert relative_error(ours[..., column], theirs[..., column]) <= 1e-5, column


@pytest.mark.parametrize("k", [20, 1000])
def test_rtdetr_topk(rtdetr: Found, k: int) -> None:
    made, theirs = outputs(rtdetr.twin, k=k), rtdetr.predictions[:, :k]
    assert list(made) == ["boxes", "scores", "classes"]
    half, size = theirs[..., 2:4] / 2, np.array([96, 64], np.float32)
    corners = np.concatenate([(theirs[..., :2] - half) * size, (theirs[..., :2] + half) * size], -1)
    assert relative_error(made["boxes"], corners) <= 1e-5
    assert relative_error(made["scores"], theirs[..., 4]) <= 1e-5
    assert made["classes"].dtype == np.int32
    np.testing.assert_array_equal(made["classes"], theirs[..., 5])


def test_rtdetr_facts(rtdetr: Found) -> None:
    facts = define("rtdetr-l", rtdetr.twin.weights).facts
    common = {"kind": "rtdetr", "task": "detect", "head": "topk", "classes": 4, "strides": [8, 16, 32]}
    assert facts["decode"] == common
    assert facts["preprocess"] == {"kind": "stretch", "antialias": False, "size": [640, 640]}


def test_rtdetr_of_pictures_with_fewer_places_than_queries(rtdetr: Found) -> None:
    with pytest.raises(
        ModelError, match=r"imgsz: found pictures down to 64×96, which have 126 places, expected as many"
    ):
        define("rtdetr-l", rtdetr.twin.weights, imgsz=((64, 64, 128), 96))


def test_key_points_without_a_shape() -> None:
    for task in (pose26, pose):
        with pytest.raises(ModelError, match="head: found no kpt_shape, expected"):
            task(Network({}).root / "head", [], HeadCall(architecture(), "topk", 1, (8,)), 1)


def test_other_numbers_of_angles() -> None:
    with pytest.raises(ModelError, match="head: found 2 angles a box, expected 1"):
        obb26(Network({}).root / "head", [], HeadCall(architecture(), "topk", 1, (8,)), 1, 2)
