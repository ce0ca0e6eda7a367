"""wtsnet/engine/ultralytics.py: what the header means, held against the package's own reading of the same arrays (it is
AGPL-3.0, and only here to compare with)."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.decode.test_decode_ultralytics import (
    KEYPOINTS,
    MASKS,
    SIZE,
    TASKS,
    assert_same,
    head_of,
    inference,
    maps,
    upstream,
)
from wtsnet.decode.candidates import Choice, select
from wtsnet.decode.decoder import Decoder
from wtsnet.decode.detectors import Detector
from wtsnet.engine.ultralytics import Meaning, meaning
from wtsnet.manifest.manifest import Output
from wtsnet.pictures import Preprocess

__all__ = ["upstream"]  # a fixture
CLASSES = ["one", "two", "three"]
UNKNOWN = {"task": "none"}


def metadata(task: Any = "detect", **changed: Any) -> dict[str, Any]:
    """What the package writes, as it comes out of JSON."""
    facts: dict[str, Any] = {
        "description": "Ultralytics YOLO11n model",
        "author": "Ultralytics",
        "version": "8.4.190",
        "stride": 32,
        "task": task,
        "head": {"detect": "Detect", "segment": "Segment", "pose": "Pose", "obb": "OBB", "classify": "Classify"}.get(
            str(task)
        ),
        "batch": 2,
        "imgsz": list(SIZE),
        "names": dict(enumerate(CLASSES)),
        "args": {"batch": 2, "dynamic": False, "nms": False},
        "channels": 3,
        "end2end": False,
    }
    if task == "pose":
        facts["kpt_shape"] = list(KEYPOINTS)
    read: dict[str, Any] = json.loads(json.dumps(facts | changed))
    return read


def specs(outputs: dict[str, Any], dynamic: bool = False) -> list[Output]:
    """The outputs as an engine tells them; with `dynamic`, as one of dynamic axes does."""
    told: list[Output] = []
    for name, array in outputs.items():
        shape = list(array.shape)
        if dynamic:
            shape[0] = -1
            shape[-1] = shape[-1] if array.ndim == 2 or shape[-1] < 50 else -1
        told.append({"name": name, "dtype": "float32", "shape": shape})
    return told


def renamed(found: Meaning, outputs: dict[str, Any]) -> dict[str, Any]:
    """The outputs by the names that decoding knows them by."""
    return {ours: outputs[theirs] for ours, theirs in found.decode["outputs"].items()}


def outputs_of(task: str, predictions: Any) -> dict[str, Any]:
    outputs = {"output0": predictions}
    if task == "segment":
        outputs["output1"] = (
            np.random.default_rng(2).normal(0, 1, (2, MASKS, SIZE[0] // 4, SIZE[1] // 4)).astype(np.float32)
        )
    return outputs


def decoded(found: Meaning, outputs: dict[str, Any]) -> Any:
    decode = {key: value for key, value in found.decode.items() if key != "outputs"}
    return Decoder(decode, found.names)(renamed(found, outputs), [None, None], SIZE)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("end2end", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_the_same_objects(upstream: Any, task: str, end2end: bool, dynamic: bool) -> None:
    head = head_of(task, len(CLASSES), end2end=end2end)
    outputs = outputs_of(task, inference(head, maps(np.random.default_rng(1), head)))
    found = meaning(metadata(task, end2end=end2end), specs(outputs, dynamic))
    assert found.decode["task"] == task
    assert found.names == CLASSES
    wanted = upstream.suppress(
        outputs["output0"], nc=len(CLASSES), rotated=task == "obb", iou_thres=0.7, end2end=end2end
    )
    detector = Detector(found.decode)
    choice = Choice(iou=detector.iou)
    candidates = detector.candidates(renamed(found, outputs), SIZE, choice)
    for ours, rows in zip(candidates, wanted, strict=True):
        assert len(rows) >= 3
        assert_same(select(ours, choice), rows)
    for objects, rows in zip(decoded(found, outputs), wanted, strict=True):
        assert 3 <= len(objects) <= len(rows)


@pytest.mark.parametrize("task", TASKS)
def test_the_same_objects_where_suppression_is_in_the_engine(upstream: Any, task: str) -> None:
    """What the package's NMSModel gives is read as what is left of the predictions without it."""
    from ultralytics.engine.exporter import NMSModel

    head = head_of(task, len(CLASSES))
    outputs = outputs_of(task, inference(head, maps(np.random.default_rng(3), head)))
    wanted = upstream.suppress(outputs["output0"], nc=len(CLASSES), rotated=task == "obb", iou_thres=0.7)
    predictions = torch.from_numpy(outputs["output0"].copy())
    if task != "obb":  # such an export has the head give corners
        predictions[:, :4] = upstream.ops.xywh2xyxy(predictions[:, :4].transpose(1, 2)).transpose(1, 2)

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.names, self.task = dict(enumerate(CLASSES)), task

        def forward(self, x: torch.Tensor) -> Any:
            return (predictions, torch.from_numpy(outputs["output1"])) if task == "segment" else predictions

    args = SimpleNamespace(
        format="engine",
        dynamic=False,
        batch=2,
        conf=0.25,
        iou=0.7,
        max_det=300,
        agnostic_nms=False,
        opset=None,
        quantize=32,
    )
    made = NMSModel(Model(), args)(torch.zeros(2, 3, *SIZE))
    outputs["output0"] = (made[0] if task == "segment" else made).numpy()
    found = meaning(metadata(task, args={"nms": True}), specs(outputs))
    detector = Detector(found.decode)
    assert detector.iou is None, "nothing is to be suppressed again"
    choice = Choice(iou=None)
    for ours, rows in zip(detector.candidates(renamed(found, outputs), SIZE, choice), wanted, strict=True):
        assert len(rows) >= 3
        assert_same(select(ours, choice), rows)


def test_the_same_classes() -> None:
    """An exported classifier gives the softmax itself."""
    scores = torch.tensor([[1.0, 3.0, 2.0], [0.0, 0.0, 5.0]]).softmax(1).numpy()
    found = meaning(metadata("classify", imgsz=[224, 224]), specs({"output0": scores}))
    assert found.preprocess == {"kind": "crop", "size": [224, 224], "resize": 224}
    first, second = decoded(found, {"output0": scores})
    assert [(one.name, one.score) for one in first] == [
        (CLASSES[i], pytest.approx(float(scores[0, i]))) for i in (1, 2, 0)
    ]
    assert second[0].name == "three"


def test_how_a_picture_becomes_the_input(upstream: Any) -> None:
    from ultralytics.data.augment import LetterBox

    picture = np.random.default_rng(0).integers(0, 255, (300, 200, 3), np.uint8)
    theirs = LetterBox(list(SIZE), auto=False, stride=32)(image=picture).transpose(2, 0, 1)[None] / np.float32(255)
    found = meaning(metadata(), specs({"output0": np.zeros((2, 7, 10))}))
    ours, _ = Preprocess.from_dict(found.preprocess)(picture)
    assert ours.shape == theirs.shape == (1, 3, *SIZE)
    assert np.abs(ours - theirs).mean() < 0.03, "but for the filter, the same"
    assert np.abs(ours - np.roll(theirs, 4, axis=3)).mean() > 0.05


DETECT = {"output0": np.zeros((2, 7, 1700))}


@pytest.mark.parametrize(
    ("facts", "outputs"),
    [
        ({}, DETECT),
        (metadata(names={}), DETECT),
        (metadata(names=None), DETECT),
        (metadata(names={"0": "a", "2": "b", "3": "c"}), DETECT),
        (metadata(names=[1, 2, 3]), DETECT),
        (metadata(imgsz=[0, 64]), DETECT),
        (metadata(imgsz="640"), DETECT),
        (metadata(imgsz=[64, 64, 3]), DETECT),
        (metadata(), {"predictions": np.zeros((2, 7, 1700))}),
        (metadata(), {"output0": np.zeros((2, 8, 1700))}),  # another number of classes
        (metadata(), {"output0": np.zeros((2, 300, 7))}),  # candidates first, as RT-DETR's were
        (metadata(), {"output0": np.zeros((2, 300, 6))}),  # found once, and the header does not say so
        (metadata(end2end=True), {"output0": np.zeros((2, 7, 1700))}),
        (metadata(), {"output0": np.zeros((7, 1700))}),
        (metadata(head="RTDETRDecoder", names=[str(i) for i in range(296)]), {"output0": np.zeros((2, 300, 6))}),
        (metadata("segment"), {"output0": np.zeros((2, 39, 1700))}),  # no prototypes
        (metadata("segment"), {"output0": np.zeros((2, 39, 1700)), "output1": np.zeros((2, 16, 64, 80))}),
        (metadata("pose", kpt_shape=None), {"output0": np.zeros((2, 22, 1700))}),
        (metadata("pose", kpt_shape=[5, "3"]), {"output0": np.zeros((2, 22, 1700))}),
        (metadata("pose", kpt_shape=[17, 3]), {"output0": np.zeros((2, 22, 1700))}),
        (metadata("classify"), {"output0": np.zeros((2, 3))}),  # stretched to what is no square
        (metadata("classify", imgsz=224), {"output0": np.zeros((2, 4))}),
        (metadata("semantic"), {"output0": np.zeros((2, 7, 1700))}),
        (metadata(task=None), DETECT),
        (metadata(task=["detect"]), DETECT),
        (metadata(channels="3"), DETECT),
    ],
)
def test_what_is_not_as_it_would_be_is_not_explained(facts: dict[str, Any], outputs: dict[str, Any]) -> None:
    found = meaning(facts, specs(outputs))
    assert (found.preprocess, found.decode) == ({}, UNKNOWN)


def test_other_forms_of_the_same(upstream: Any) -> None:
    found = meaning(metadata(names=CLASSES, imgsz=320, channels=1), specs(DETECT))
    assert found.preprocess == {"kind": "letterbox", "size": [320, 320], "fill": 114, "channels": 1}
    assert found.names == CLASSES
    more = {str(i): f"class {i}" for i in range(12)}
    assert meaning(metadata(names=more), []).names == list(more.values()), (
        "in the order of the numbers, not of the text"
    )
