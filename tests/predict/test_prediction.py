"""wtsnet/predict/prediction.py: what is found in one picture, and what can be done with it."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wtsnet.decode.boxes import Detections
from wtsnet.decode.classes import ClassScore
from wtsnet.decode.keypoints import Poses
from wtsnet.decode.lanes import Lane
from wtsnet.decode.masks import Instances
from wtsnet.decode.rotated import RotatedDetections
from wtsnet.decode.semantic import ClassMap
from wtsnet.errors import ImageError, RunnerError
from wtsnet.predict.prediction import Prediction

BOXES: Any = (
    np.array([[1, 2, 30, 40], [5, 6, 7, 8]], np.float32),
    np.array([0.5, 0.25], np.float32),
    np.array([1, 7]),
)
TURNED: Any = (np.array([[20, 20, 10, 5, 0.5]], np.float32), BOXES[1][:1], BOXES[2][:1])
PICTURE: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
POINTS = np.array([[1, 2], [30, 40]], np.float32)
LANE = Lane(1, POINTS, np.array([0.5, 0.25], np.float32))
BEST = [ClassScore(7, "7", 0.75), ClassScore(1, "dog", 0.25)]


def made(found: Any, task: str = "detect", **more: Any) -> Prediction:
    return Prediction(found, task, [], **{"where": "a.png", "path": Path("a.png"), "picture": PICTURE, **more})


def test_objects() -> None:
    one = Prediction(Detections(*BOXES), "detect", ["cat", "dog"], where="a.png")
    for name, wanted in zip(("boxes", "scores", "classes"), BOXES, strict=True):
        np.testing.assert_array_equal(getattr(one, name), wanted)
    assert len(one) == 2
    assert [found.index for found in one] == [1, 7]
    assert dict(one.names) == {0: "cat", 1: "dog"}
    assert [one.names[index] for index in one.classes] == ["dog", "7"]


@pytest.mark.parametrize(
    ("found", "task", "name", "wanted"),
    [
        (
            Instances(BOXES[0], BOXES[1], BOXES[2], np.ones((2, 50, 60), bool)),
            "segment",
            "masks",
            np.ones((2, 50, 60), bool),
        ),
        (Poses(BOXES[0], BOXES[1], BOXES[2], np.ones((2, 5, 2), np.float32)), "pose", "keypoints", np.ones((2, 5, 2))),
        (ClassMap(np.ones((5, 6), np.int32)), "semantic", "classes", np.ones((5, 6))),
        (BEST, "classify", "scores", np.array([0.75, 0.25])),
        (BEST, "classify", "classes", np.array([7, 1])),
    ],
)
def test_what_was_found_is_an_attribute(found: Any, task: str, name: str, wanted: Any) -> None:
    np.testing.assert_array_equal(getattr(made(found, task), name), wanted)


def test_corners_of_turned_boxes() -> None:
    found = RotatedDetections(*TURNED)
    np.testing.assert_array_equal(made(found, "obb").corners(), found.corners())


@pytest.mark.parametrize(
    ("found", "task", "name", "message"),
    [
        (Detections(*BOXES), "detect", "masks", "'detect' has no 'masks', only boxes, scores, classes"),
        (BEST, "classify", "boxes", "'classify' has no 'boxes', only scores, classes"),
        ((LANE,), "lanes", "boxes", "'lanes' has no 'boxes': found is of tuple"),
        ("four", "ocr", "scores", "'ocr' has no 'scores': found is of str"),
        ({"prob": 1, "aux": 2}, "classify", "scores", "'classify' has no 'scores', only the items 'prob', 'aux'"),
    ],
)
def test_what_was_not_found_is_none(found: Any, task: str, name: str, message: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(made(found, task), name)
    assert str(caught.value) == f"a result of the task {message}"
    assert not hasattr(made(found, task), name)


def test_maps_and_lanes_are_iterated_over() -> None:
    found = made(ClassMap(np.array([[0, 1, 1, 1]], np.int32)), "semantic")
    assert (len(found), list(found)) == (2, [(1, 0.75), (0, 0.25)])
    assert list(made((LANE,), "lanes")) == [LANE]
    assert [one.index for one in made(BEST, "classify")] == [7, 1]


def test_items() -> None:
    objects = made(Detections(*BOXES))
    assert [objects[0].index, objects[-1].index] == [1, 7]
    assert [one.index for one in objects[:1]] == [1]
    assert made(BEST, "classify")[0].index == 7
    assert made((LANE,), "lanes")[0] is LANE
    assert made(ClassMap(np.array([[0, 1, 1, 1]], np.int32)), "semantic")[0] == (1, 0.75)
    raw = made({"prob": np.ones(3)}, "classify")
    assert raw["prob"] is raw.found["prob"]
    assert list(raw) == ["prob"]
    with pytest.raises(TypeError, match=r"^a result of the task 'ocr' has no items: found is of int"):
        made(3, "ocr")[0]


@pytest.mark.parametrize(
    ("found", "truth"), [(3, True), (0, True), ([], False), ([0], True), (Detections(*BOXES), True), ({}, False)]
)
def test_truth(found: Any, truth: bool) -> None:
    assert bool(made(found, "ocr")) is truth


def test_copies() -> None:
    one = made(Detections(*BOXES))
    for other in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        np.testing.assert_array_equal(other.boxes, one.boxes)
        assert other.names[99] == "99"


def test_text() -> None:
    assert str(made(Detections(*BOXES), where="b")).splitlines() == [
        "b: 2 found",
        "  1                0.500  1.0 2.0 30.0 40.0",
        "  7                0.250  5.0 6.0 7.0 8.0",
    ]
    assert repr(made(BEST, "classify")) == "<Prediction of a.png: list>"


def test_plain_data() -> None:
    record = made(Detections(*BOXES)).to_dict()
    assert list(record) == ["picture", "task", "results"]
    assert (record["picture"], record["task"]) == ("a.png", "detect")
    assert [one["score"] for one in record["results"]] == [0.5, 0.25]
    assert json.loads(json.dumps(record)) == record


RESULTS = {
    "detect": Detections(*BOXES),
    "segment": Instances(BOXES[0], BOXES[1], BOXES[2], np.ones((2, 50, 60), bool)),
    "pose": Poses(BOXES[0], BOXES[1], BOXES[2], np.full((2, 5, 2), 20, np.float32)),
    "obb": RotatedDetections(*TURNED),
    "semantic": ClassMap(np.ones((50, 60), np.int32)),
    "lanes": (LANE,),
    "classify": BEST,
}


@pytest.mark.parametrize("task", RESULTS)
def test_drawn(task: str, tmp_path: Path) -> None:
    before = PICTURE.copy()
    drawn = made(RESULTS[task], task).plot()
    np.testing.assert_array_equal(PICTURE, before)
    assert (drawn.shape, drawn.dtype.name) == (PICTURE.shape, "uint8")
    assert (drawn != PICTURE).any()
    made(RESULTS[task], task).save(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), drawn)


def test_for_opencv_blue_comes_first(tmp_path: Path) -> None:
    drawn = made(RESULTS["detect"], order="bgr").plot()
    np.testing.assert_array_equal(drawn[:, :, ::-1], made(RESULTS["detect"]).plot())
    assert cv2.imwrite(str(tmp_path / "theirs.png"), drawn)
    made(RESULTS["detect"], order="bgr").save(tmp_path / "ours.png")
    theirs, ours = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("theirs", "ours"))
    np.testing.assert_array_equal(theirs, ours)


@pytest.mark.parametrize("channels", [1, 4, 5])
def test_pictures_of_other_channels_are_drawn_on(channels: int) -> None:
    picture = np.repeat(PICTURE[:, :, :1], channels, axis=2)
    drawn = made(RESULTS["detect"], picture=picture).plot()
    assert drawn.shape == PICTURE.shape
    assert (drawn[45:] == picture[45:, :, :1]).all()


def test_without_a_picture() -> None:
    with pytest.raises(ImageError, match=r"^in.npz\[0\]: there is no picture to draw on"):
        made(RESULTS["detect"], picture=None, where="in.npz[0]").plot()


@dataclass
class Word:
    text: str
    plotted: Any = None

    def __str__(self) -> str:
        return self.text

    def plot(self, picture: NDArray[np.uint8]) -> Any:
        if self.plotted is not None:
            return self.plotted()
        picture[:5] = 255
        return picture


class Broken:
    def __str__(self) -> str:
        return str(1 / 0)


class TestOwn:
    def test_all_that_run_needs(self, tmp_path: Path) -> None:
        one = made(Word("four"), "ocr")
        assert str(one) == "a.png: four"
        assert str(made(Word("four\nfive"), "ocr")) == "a.png:\n  four\n  five"
        assert one.to_dict()["results"] == {"text": "four", "plotted": None}
        assert one.text == "four"
        before = PICTURE.copy()
        assert (one.plot()[:5] == 255).all()
        np.testing.assert_array_equal(PICTURE, before)
        one.save(tmp_path / "a.png")
        assert (np.asarray(Image.open(tmp_path / "a.png"))[:5] == 255).all()

    def test_wtsnets_results_are_drawn_and_told_as_such(self) -> None:
        mine, theirs = made(RESULTS["detect"], "mine"), made(RESULTS["detect"])
        np.testing.assert_array_equal(mine.plot(), theirs.plot())
        assert str(mine) == str(theirs)
        assert mine.to_dict()["results"] == theirs.to_dict()["results"]

    def test_text_that_fails(self) -> None:
        with pytest.raises(
            RunnerError, match=r"^a.png: str of Broken \(.*test_prediction.py, line \d+\): ZeroDivision"
        ):
            str(made(Broken(), "ocr"))

    def test_what_json_can_not_hold_names_the_picture(self) -> None:
        with pytest.raises(RunnerError, match=r"^a.png: result.score: found nan, which JSON can't hold"):
            made({"score": np.nan}, "ocr").to_dict()

    def test_names_and_text_that_can_not_be_printed(self) -> None:
        assert str(made(3, "ocr", where="a\nb\udcff.png")) == r"a\nb\udcff.png: 3"

    def test_nothing_to_draw(self) -> None:
        with pytest.raises(ImageError) as caught:
            made("four", "ocr").plot()
        assert str(caught.value) == "a.png: nothing to draw: the decoder of 'ocr' gives str, which has no plot(picture)"

    @pytest.mark.parametrize(
        ("plotted", "message"),
        [
            (
                lambda: np.zeros((5, 5), np.uint8),
                r"a.png: plot of Word: found \(5, 5\) of uint8, expected \(height, width, 3\)",
            ),
            (lambda: np.zeros((5, 5, 3)), r"a.png: plot of Word: found \(5, 5, 3\) of float64"),
            (lambda: "four", r"a.png: plot of Word: found \(\) of str"),
        ],
    )
    def test_what_is_no_picture(self, plotted: Any, message: str) -> None:
        with pytest.raises(ImageError, match=f"^{message}"):
            made(Word("four", plotted), "ocr").plot()

    def test_a_plot_that_fails(self) -> None:
        message = r"^a.png: plot of Word \(.*test_prediction.py, line \d+\): ZeroDivisionError: "
        with pytest.raises(RunnerError, match=message):
            made(Word("four", lambda: 1 / 0), "ocr").plot()
