"""wtsnet/decode/decoder.py: every task's results."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from wtsnet.decode.boxes import Detections
from wtsnet.decode.classes import ClassScore
from wtsnet.decode.decoder import Decoder
from wtsnet.decode.keypoints import Poses
from wtsnet.decode.lanes import LaneGrid
from wtsnet.decode.masks import Instances, instances
from wtsnet.decode.registry import TASKS, Seen
from wtsnet.decode.rotated import RotatedDetections
from wtsnet.decode.semantic import ClassMap, maps_from_logits
from wtsnet.errors import ManifestError, ModelError, RunnerError
from wtsnet.manifest.manifest import Output
from wtsnet.pictures.placement import Placement, Stretch
from wtsnet.pictures.resizing import letterbox

Array = npt.NDArray[Any]
SIZE = (64, 96)
SOURCE = (50, 30)
PICTURE = np.full((*SOURCE, 3), 90, np.uint8)
PLACE = letterbox(PICTURE, SIZE)[1]
TOPK: dict[str, Array] = {
    "boxes": np.array([[[40, 10, 60, 40], [41, 10, 60, 40], [45, 20, 50, 50]]], np.float32),
    "scores": np.array([[0.9, 0.8, 0.2]], np.float32),
    "classes": np.array([[1, 1, 0]], np.int32),
}
GRID = {"kind": "lanes", "size": [64, 96], "rows": [10, 20, 30, 40], "cells": 20, "lanes": 2}


def decoded(decode: dict[str, Any], outputs: dict[str, Array], place: Placement | None = PLACE, **options: Any) -> Any:
    (result,) = Decoder(decode, ["cat", "dog"], **options)(outputs, [place], SIZE)
    return result


def test_detect() -> None:
    decode = {"task": "detect", "kind": "dfl", "head": "topk"}
    found = decoded(decode, TOPK)
    assert type(found) is Detections
    np.testing.assert_array_equal(found.boxes, PLACE.to_source(TOPK["boxes"][0, :1]))
    assert len(decoded(decode, TOPK, iou=0.99)) == 2
    assert len(decoded(decode, TOPK, iou=0.99, conf=0.1)) == 3
    assert len(decoded(decode, TOPK, iou=0.99, conf=0.1, limit=2)) == 2
    assert len(decoded(decode | {"end2end": True}, TOPK)) == 2
    np.testing.assert_array_equal(decoded(decode, TOPK, None).boxes, TOPK["boxes"][0, :1])


def test_segment() -> None:
    rng = np.random.default_rng(0)
    outputs = TOPK | {"masks": rng.normal(size=(1, 3, 4)), "prototypes": rng.normal(0.2, 1, (1, 4, 16, 24))}
    found = decoded({"task": "segment", "kind": "dfl", "head": "topk"}, outputs)
    boxes = Detections(TOPK["boxes"][0, :1], TOPK["scores"][0, :1], TOPK["classes"][0, :1].astype(np.int64))
    wanted = instances(boxes, outputs["masks"][0, :1], outputs["prototypes"][0], SIZE, PLACE)
    assert type(found) is Instances
    assert found.masks.shape == (1, *SOURCE)
    np.testing.assert_array_equal(found.masks, wanted.masks)
    np.testing.assert_array_equal(found.boxes, wanted.boxes)


def test_pose() -> None:
    outputs = TOPK | {"keypoints": np.arange(30, dtype=np.float32).reshape(1, 3, 5, 2) + 20}
    found = decoded({"task": "pose", "kind": "dfl", "head": "topk", "kpt_shape": [5, 2]}, outputs)
    assert type(found) is Poses
    np.testing.assert_array_equal(found.keypoints, PLACE.points_to_source(outputs["keypoints"][0, :1]))


def test_obb() -> None:
    outputs = TOPK | {"rboxes": np.array([[[40, 30, 20, 10, 0.5], [41, 30, 20, 10, 0.5], [9, 9, 9, 9, 9]]])}
    found = decoded({"task": "obb", "kind": "dfl", "head": "topk"}, outputs)
    assert type(found) is RotatedDetections
    wanted = RotatedDetections(outputs["rboxes"][0, :1].astype(np.float32), found.scores, found.classes)
    np.testing.assert_array_equal(found.boxes, wanted.to_source(PLACE).boxes)


@pytest.mark.parametrize(
    ("outputs", "head"),
    [
        ({"logits": np.log([[0.25, 0.75]])}, "raw"),
        ({"prob": np.array([[0.25, 0.75]])}, "decoded"),
        ({"scores": np.array([[0.75, 0.25]]), "classes": np.array([[1, 0]])}, "topk"),
        ({"anything": np.log([[0.25, 0.75]])}, None),
    ],
)
def test_classify(outputs: dict[str, Array], head: str | None) -> None:
    best = decoded({"task": "classify", "head": head}, outputs, None)
    assert [(one.name, round(one.score, 6)) for one in best] == [("dog", 0.75), ("cat", 0.25)]
    assert len(decoded({"task": "classify", "head": head}, outputs, None, limit=1)) == 1


SEMANTIC = {"task": "semantic", "kind": "semantic", "head": "raw"}


class TestSemantic:
    logits = np.random.default_rng(0).normal(0, 1, (1, 2, 16, 24)).astype(np.float32)

    def test_a_stretched_picture_has_its_own_pixels(self) -> None:
        found = decoded(SEMANTIC, {"logits": self.logits}, Stretch(SOURCE, SIZE))
        assert isinstance(found, ClassMap)
        np.testing.assert_array_equal(found.classes, maps_from_logits(self.logits, [SOURCE])[0].classes)

    def test_of_one_logit_the_second_class_is_where_it_is_positive(self) -> None:
        one = self.logits[:, 1:] - self.logits[:, :1]
        found = decoded(SEMANTIC, {"logits": one}, Stretch(SOURCE, SIZE))
        both = decoded(SEMANTIC, {"logits": self.logits}, Stretch(SOURCE, SIZE))
        assert (found.classes != both.classes).mean() < 1e-3
        assert 0.3 < found.classes.mean() < 0.7

    def test_padding_is_no_part_of_it(self) -> None:
        top, left, height, width = PLACE.area
        classes = np.full((1, *SIZE), 7, np.int32)
        classes[0, top : top + height, left : left + width] = 1
        classes[0, top : top + height // 2, left : left + width] = 0
        found = decoded(SEMANTIC, {"classes": classes})
        assert found.classes.shape == SOURCE
        assert (found.classes[: SOURCE[0] // 2] == 0).all()
        assert (found.classes[SOURCE[0] // 2 :] == 1).all()

    def test_without_a_place_it_is_in_input_pixels(self) -> None:
        assert decoded(SEMANTIC, {"logits": self.logits}, None).classes.shape == SIZE


def test_lanes() -> None:
    keypoints = np.random.default_rng(0).normal(0, 3, (1, 21, 4, 2)).astype(np.float32)
    keypoints[:, -1] -= 5
    stretched = decoded(GRID | {"task": "lanes"}, {"keypoints": keypoints}, Stretch(SOURCE, SIZE))
    (wanted,) = LaneGrid.from_dict(GRID).decode(keypoints, sizes=[SOURCE])
    assert [lane.index for lane in stretched] == [lane.index for lane in wanted] == [0, 1]
    np.testing.assert_array_equal(stretched[0].points, wanted[0].points)
    padded = decoded(GRID | {"task": "lanes"}, {"keypoints": keypoints})
    (wanted,) = LaneGrid.from_dict(GRID).decode(keypoints, sizes=[SIZE])
    np.testing.assert_array_equal(padded[0].points, PLACE.points_to_source(wanted[0].points, clip=False))
    told = GRID | {"task": "lanes", "attributes": 1}
    found = decoded(told, {"keypoints": keypoints, "attributes": np.eye(2)[None]}, Stretch(SOURCE, SIZE))
    assert [lane.attributes[0].index for lane in found] == [0, 1]


@pytest.mark.parametrize(
    ("decode", "options", "message"),
    [
        ({"task": "classify"}, {"conf": 0.5}, "conf is 0.5, but has no meaning for the task 'classify'"),
        ({"task": "semantic"}, {"iou": 0.5}, "iou is 0.5, but has no meaning for the task 'semantic'"),
        (GRID | {"task": "lanes"}, {"limit": 2}, "limit is 2, but has no meaning for the task 'lanes'"),
        (
            {"task": "detect", "kind": "rtdetr", "head": "topk"},
            {"iou": 0.5},
            "iou is 0.5, but this detector finds each object once: nothing is suppressed",
        ),
        ({"task": "detect", "head": "topk"}, {"limit": 0}, "limit is 0, expected a whole number of 1 or more"),
        ({"task": "classify"}, {"limit": 0}, "limit is 0, expected a whole number of 1 or more"),
    ],
)
def test_options_without_a_meaning(decode: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        Decoder(decode, **options)
    assert str(caught.value) == message


NO_TASK = (
    ": the model tells no task; give one with --task, or task= at build or in @wtsnet.model: "
    f"{', '.join(TASKS)}, or one with a @wtsnet.decoder of your own"
)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("detection", "decode: task 'detection' has no decoder: register one with @wtsnet.decoder('detection') in the "
         "model's file; did you mean 'detect'?"),
        ("none", f"decode: task: found 'none'{NO_TASK}"),
        (None, f"decode: task: found None{NO_TASK}"),
        (3, "decode: task: found 3, expected text, as in classify"),
        ([1], "decode: task: found [1], expected text, as in classify"),
    ],
)  # fmt: skip
def test_a_task_without_a_decoder(task: Any, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        Decoder({"task": task})
    assert str(caught.value) == message


def test_pose_needs_the_shape_of_its_key_points() -> None:
    with pytest.raises(ManifestError, match=r"^decode: kpt_shape is missing"):
        Decoder({"task": "pose", "kind": "dfl", "head": "topk"})


class TestOwn:
    outputs: ClassVar[dict[str, Array]] = {"text": np.arange(6).reshape(2, 3), "scores": np.array([0.5, 0.25])}

    def test_each_picture_has_its_own_outputs(self) -> None:
        given: list[tuple[Any, Seen]] = []

        def read(outputs: Any, seen: Seen) -> str:
            given.append((outputs, seen))
            return f"{outputs['text']} {outputs['scores']}"

        decode = {"task": "ocr", "letters": "abc"}
        decoder = Decoder(decode, ["cat"], own=read, conf=0.5, limit=3)
        assert decoder.task == "ocr"
        assert decoder(self.outputs, [PLACE, None], SIZE) == ["[0 1 2] 0.5", "[3 4 5] 0.25"]
        assert [seen.place for _, seen in given] == [PLACE, None]
        (_, seen), _ = given
        assert (seen.names, seen.facts, seen.size) == (["cat"], decode, SIZE)
        assert (seen.conf, seen.iou, seen.limit) == (0.5, None, 3)
        assert decoder(self.outputs, [None, None], None)
        assert given[-1][1].size is None

    def test_it_may_raise_what_it_likes(self) -> None:
        def read(outputs: Any, seen: Seen) -> Any:
            return int("none")

        line = read.__code__.co_firstlineno + 1
        with pytest.raises(RunnerError) as caught:
            Decoder({"task": "ocr"}, own=read)(self.outputs, [None, None], None)
        wanted = f"the decoder of 'ocr' ({__file__}, line {line}): ValueError: invalid literal for int() with base 10"
        assert str(caught.value).startswith(wanted)

    def test_wtsnets_own_errors_pass(self) -> None:
        def read(outputs: Any, seen: Seen) -> Any:
            raise ModelError("limit: found 7")

        with pytest.raises(ModelError, match=r"^limit: found 7$"):
            Decoder({"task": "ocr"}, own=read)(self.outputs, [None, None], None)

    def test_those_before_the_one_that_fails_are_there(self) -> None:
        def read(outputs: Any, seen: Seen) -> Any:
            if outputs["scores"] < 0.5:
                raise ModelError("limit: found 7")
            return "first"

        found = Decoder({"task": "ocr"}, own=read).each(self.outputs, [None, None], None, ["a.png", "b.png"])
        assert next(found) == "first"
        with pytest.raises(ModelError, match=r"^b.png: limit: found 7$"):
            next(found)

    def test_an_output_without_axes_has_no_rows(self) -> None:
        with pytest.raises(RunnerError, match=r"^output 'n': found shape \(\), expected 1 along its first axis"):
            Decoder({"task": "ocr"}, own=lambda outputs, seen: 1)({"n": np.array(3)}, [None], None)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"conf": "a"}, "conf is 'a', expected a number from 0 to 1"),
            ({"conf": True}, "conf is True, expected a number from 0 to 1"),
            ({"conf": float("nan")}, "conf is nan, expected a number from 0 to 1"),
            ({"iou": 1.5}, "iou is 1.5, expected a number from 0 to 1"),
            ({"limit": 0}, "limit is 0, expected a whole number of 1 or more"),
            ({"limit": 1.5}, "limit is 1.5, expected a whole number of 1 or more"),
        ],
    )
    @pytest.mark.parametrize("task", ["ocr", "detect"])
    def test_options_out_of_range(self, task: str, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ModelError) as caught:
            Decoder({"task": task, "head": "topk"}, own=lambda outputs, seen: 1, **options)
        assert str(caught.value) == message

    def test_outputs_without_a_row_for_each_picture(self) -> None:
        message = (
            r"^output 'text': found shape \(2, 3\), expected 3 along its first axis, one for each row of the batch"
        )
        with pytest.raises(RunnerError, match=message):
            Decoder({"task": "ocr"}, own=lambda outputs, seen: 1)(self.outputs, [None] * 3, None)

    def test_its_outputs_may_be_any(self) -> None:
        Decoder({"task": "ocr"}, own=lambda outputs, seen: 1).check([])

    def test_it_does_not_take_the_place_of_wtsnets(self) -> None:
        decoder = Decoder({"task": "classify"}, own=lambda outputs, seen: 1)
        assert decoder({"prob": np.array([[0.5]])}, [None], None) == [[ClassScore(0, "0", 0.5)]]


def test_what_is_of_pictures_needs_one() -> None:
    with pytest.raises(RunnerError, match=r"^the task 'detect' is one of pictures, and the input is none"):
        Decoder({"task": "detect", "kind": "dfl", "head": "topk"})(TOPK, [None], None)


def given(**shapes: tuple[int, ...]) -> list[Output]:
    return [Output(name=name, dtype="float32", shape=list(shape)) for name, shape in shapes.items()]


TOP: dict[str, Any] = {"boxes": (-1, 9, 4), "scores": (-1, 9), "classes": (-1, 9)}


def head(task: str, name: str, kind: str = "dfl", **more: Any) -> dict[str, Any]:
    return {"task": task, "head": name, "kind": kind, "classes": 2, "strides": [8, 16], **more}


class TestCheck:
    @pytest.mark.parametrize(
        ("decode", "outputs"),
        [
            ({"task": "classify"}, given(anything=(1, 10))),
            ({"task": "classify", "head": "topk"}, given(classes=(1, 5), scores=(1, 5))),
            (SEMANTIC, given(logits=(-1, 3, 8, 8))),
            (SEMANTIC, given(classes=(-1, 8, 8))),
            (GRID | {"task": "lanes"}, given(keypoints=(1, 21, 4, 2))),
            (GRID | {"task": "lanes"}, given(keypoints=(1, 168), attributes=(1, 4))),
            (head("detect", "topk"), given(**TOP)),
            (head("segment", "topk"), given(**TOP, masks=(1, 9, 8), prototypes=(1, 8, 16, 16))),
            (head("pose", "topk", kpt_shape=[5, 3]), given(**TOP, keypoints=(1, 9, 5, 3))),
            (head("obb", "topk"), given(**TOP, rboxes=(1, 9, 5))),
            (head("detect", "decoded"), given(predictions=(1, 6, -1))),
            (head("segment", "decoded", "yolov5"), given(predictions=(1, 9, 15), prototypes=(1, 8, 16, 16))),
            (head("detect", "raw"), given(p3=(1, 66, 8, 8), p4=(1, 66, 4, 4))),
            (head("detect", "raw", "rtdetr"), given(boxes=(1, 9, 4), logits=(1, 9, 2))),
            (head("detect", "decoded", "rtdetr"), given(predictions=(1, 9, 6))),
            (head("detect", "raw", "detr"), given(logits=(1, 9, 3), pred_boxes=(1, 9, 4))),
        ],
    )
    def test_what_a_task_reads(self, decode: dict[str, Any], outputs: list[Output]) -> None:
        decoder = Decoder(decode)
        decoder.check(outputs)
        for output in outputs:
            if output["name"] == "attributes":
                continue
            if "rboxes" in [o["name"] for o in outputs] and output["name"] == "boxes":
                continue  # turned boxes are read in their place
            with pytest.raises(ManifestError, match=r"^outputs: "):
                decoder.check([one for one in outputs if one is not output] or given(other=(1,)))
            if output["name"] != "keypoints":  # which may come in several forms
                with pytest.raises(ManifestError, match=rf"^outputs: {output['name']}: found shape \(1, 2, 3, 4, 5\)"):
                    decoder.check([{**one, "shape": [1, 2, 3, 4, 5]} if one is output else one for one in outputs])

    def test_numbers_that_are_settled_count(self) -> None:
        with pytest.raises(ManifestError) as caught:
            Decoder(head("detect", "topk")).check(given(**TOP | {"boxes": (1, 9, 5)}))
        wanted = "outputs: boxes: found shape (1, 9, 5), expected (N, K, 4) for the task 'detect'"
        assert str(caught.value) == wanted

    def test_a_missing_one_is_named_with_what_there_is(self) -> None:
        with pytest.raises(ManifestError) as caught:
            Decoder(head("detect", "topk")).check(given(box=(1, 9, 4), scores=(1, 9), classes=(1, 9)))
        assert str(caught.value) == (
            "outputs: found box, scores, classes, expected 'boxes' among them for the task 'detect'; "
            "did you mean 'box'?"
        )
