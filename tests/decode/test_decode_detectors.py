"""wtsnet/decode/detectors.py: which arrays of a detector are what."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from wtsnet.decode.anchors import candidates_from_anchors, yolov5_raw
from wtsnet.decode.candidates import Candidates, Choice
from wtsnet.decode.detectors import Detector
from wtsnet.decode.dfl import DFLHead
from wtsnet.errors import ManifestError, RunnerError

Array = npt.NDArray[Any]
SIZE = (64, 96)
CHOICE = Choice(conf=0.3)
RNG = np.random.default_rng(0)


def same(found: list[Candidates], wanted: list[Candidates]) -> None:
    assert sum(len(one.scores) for one in wanted) > 3
    for one, other in zip(found, wanted, strict=True):
        for name in ("boxes", "scores", "classes", "extra"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("masks", [0, 4])
def test_anchors(masks: int) -> None:
    anchors = [[[10, 13], [16, 30]], [[30, 61], [62, 45]]]
    facts = {"kind": "yolov5", "anchors": anchors, "strides": [8, 16], "task": "segment" if masks else "detect"}
    levels = [RNG.normal(0, 2, (2, 2 * (8 + masks), 64 // s, 96 // s)).astype(np.float32) for s in (8, 16)]
    predictions = yolov5_raw(levels, anchors, [8, 16], masks)
    wanted = candidates_from_anchors(predictions, CHOICE, masks)
    more = {"prototypes": np.zeros((2, 4, 16, 24), np.float32)} if masks else {}
    raw = Detector(facts | {"head": "raw"}).candidates({"p4": levels[1], "p3": levels[0]} | more, SIZE, CHOICE)
    same(raw, wanted)
    same(Detector(facts | {"head": "decoded"}).candidates({"predictions": predictions} | more, SIZE, CHOICE), wanted)
    assert wanted[0].extra.shape[1] == masks


def test_without_anchors() -> None:
    facts = {"kind": "dfl", "classes": 3, "strides": [8, 16], "reg_max": 4}
    levels = [RNG.normal(0, 1, (2, 19, 64 // s, 96 // s)).astype(np.float32) for s in (8, 16)]
    head = DFLHead.from_dict(facts)
    wanted = head.candidates_from_raw(levels, CHOICE)
    same(Detector(facts | {"head": "raw"}).candidates({"p4": levels[1], "p3": levels[0]}, SIZE, CHOICE), wanted)
    predictions = head.predictions(levels)
    found = Detector(facts | {"head": "decoded"}).candidates({"predictions": predictions}, SIZE, CHOICE)
    same(found, head.candidates(predictions, CHOICE))


@pytest.mark.parametrize(("kind", "name"), [("rtdetr", "boxes"), ("detr", "pred_boxes")])
def test_sets_are_in_fractions_of_the_input(kind: str, name: str) -> None:
    boxes = np.tile(np.array([0.5, 0.25, 0.5, 0.5], np.float32), (1, 2, 1))
    logits = np.array([[[3, -9, -9], [-9, -9, 9]]], np.float32)
    (found,) = Detector({"kind": kind, "head": "raw"}).candidates({name: boxes, "logits": logits}, SIZE, CHOICE)
    order = np.argsort(-found.scores)
    kinds = {"rtdetr": [2, 0], "detr": [0]}[kind]  # the last of DETR's is no class
    assert found.classes[order].tolist() == kinds
    np.testing.assert_allclose(found.boxes, [[24, 0, 72, 32]] * len(kinds))


def test_a_query_may_have_several_classes_but_there_are_no_more_than_queries() -> None:
    boxes = RNG.random((1, 5, 4), np.float32)
    logits = RNG.normal(2, 1, (1, 5, 4)).astype(np.float32)
    (found,) = Detector({"kind": "rtdetr", "head": "raw"}).candidates({"boxes": boxes, "logits": logits}, SIZE, CHOICE)
    wanted = np.sort(1 / (1 + np.exp(-logits.ravel())))[::-1][:5]
    np.testing.assert_allclose(found.scores, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("facts", "iou"),
    [
        ({"kind": "yolov5"}, 0.45),
        ({"kind": "dfl"}, 0.7),
        ({"kind": "dfl", "end2end": True}, None),
        ({"kind": "rtdetr"}, None),
        ({"kind": "detr"}, None),
        ({}, 0.45),
    ],
)
def test_what_is_suppressed_by_default(facts: dict[str, Any], iou: float | None) -> None:
    assert Detector(facts | {"head": "topk"}).iou == iou


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"kind": "dfl"}, "decode: head: found None, expected one of topk, decoded, raw"),
        ({"kind": "ssd", "head": "raw"}, "decode: kind: found 'ssd', expected one of yolov5, dfl, rtdetr, detr"),
        ({"head": "raw"}, "decode: kind: found None, expected one of yolov5, dfl, rtdetr, detr"),
        ({"kind": "dfl", "head": "raw", "classes": 2}, "decode: strides is missing"),
    ],
)
def test_manifests_that_do_not_say_enough(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        Detector(facts)
    assert str(caught.value) == message


def test_anchors_are_asked_for_when_they_are_needed() -> None:
    detector = Detector({"kind": "yolov5", "head": "raw", "strides": [8]})
    with pytest.raises(ManifestError, match=r"^decode: anchors is missing$"):
        detector.candidates({"p3": np.zeros((1, 18, 2, 2))}, SIZE, CHOICE)


def test_a_missing_output_is_named() -> None:
    detector = Detector({"kind": "dfl", "head": "topk"})
    with pytest.raises(RunnerError, match=r"^outputs: found boxes, score, expected 'scores' among them; did you mean"):
        detector.candidates({"boxes": np.zeros((1, 3, 4)), "score": np.zeros((1, 3))}, SIZE, CHOICE)


def test_nan_is_not_silently_nothing() -> None:
    detector = Detector({"kind": "rtdetr", "head": "raw"})
    with pytest.raises(RunnerError, match=r"^6 of 6 scores are NaN"):
        detector.candidates({"boxes": np.zeros((1, 3, 4)), "logits": np.full((1, 3, 2), np.nan)}, SIZE, CHOICE)
