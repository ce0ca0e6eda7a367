"""wtsnet/decode/plain.py: results as plain data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from wtsnet.decode.boxes import Detections
from wtsnet.decode.classes import ClassScore
from wtsnet.decode.keypoints import Poses
from wtsnet.decode.lanes import Lane
from wtsnet.decode.masks import Instances
from wtsnet.decode.plain import plain, run_lengths
from wtsnet.decode.rotated import RotatedDetections
from wtsnet.decode.semantic import ClassMap
from wtsnet.errors import ManifestError, RunnerError

BOXES: Any = (
    np.array([[1, 2, 3, 4.0625], [5, 6, 7, 8]], np.float32),
    np.array([0.25, 0.1], np.float32),
    np.array([1, 0]),
)
FIRST = {"class": 1, "name": "dog", "score": 0.25, "box": [1.0, 2.0, 3.0, 4.062]}
SECOND = {"class": 0, "name": "cat", "score": 0.1, "box": [5.0, 6.0, 7.0, 8.0]}
MASKS: Any = np.zeros((2, 2, 3), bool)
MASKS[0, 1] = True
POINTS: Any = np.array([[[1, 2, 0.5]], [[3, 4, 0.125]]], np.float32)
TURNED = np.array([[5, 5, 4, 2, 0], [9, 9, 2, 2, np.pi / 2]], np.float32)
LANE = Lane(
    2,
    np.array([[1, 2], [3.5, 4]], np.float32),
    np.array([0.5, 0.25], np.float32),
    (ClassScore(1, "dashed", 0.33333333333),),
)


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        (Detections(*BOXES), [FIRST, SECOND]),
        (
            Instances(BOXES[0], BOXES[1], BOXES[2], MASKS),
            [
                FIRST | {"mask": {"size": [2, 3], "counts": [1, 1, 1, 1, 1, 1]}},
                SECOND | {"mask": {"size": [2, 3], "counts": [6]}},
            ],
        ),
        (
            Poses(BOXES[0], BOXES[1], BOXES[2], POINTS),
            [FIRST | {"keypoints": [[1.0, 2.0, 0.5]]}, SECOND | {"keypoints": [[3.0, 4.0, 0.125]]}],
        ),
        (
            RotatedDetections(TURNED, *BOXES[1:]),
            [
                FIRST | {"box": [5.0, 5.0, 4.0, 2.0, 0.0], "corners": [[7.0, 6.0], [7.0, 4.0], [3.0, 4.0], [3.0, 6.0]]},
                SECOND
                | {
                    "box": [9.0, 9.0, 2.0, 2.0, 1.570796],
                    "corners": [[8.0, 10.0], [10.0, 10.0], [10.0, 8.0], [8.0, 8.0]],
                },
            ],
        ),
        (
            ClassMap(np.array([[0, 1, 1]], np.int32)),
            [{"class": 1, "name": "dog", "share": 0.666667}, {"class": 0, "name": "cat", "share": 0.333333}],
        ),
        (
            (LANE,),
            [
                {
                    "lane": 2,
                    "points": [[1.0, 2.0], [3.5, 4.0]],
                    "scores": [0.5, 0.25],
                    "attributes": [{"class": 1, "name": "dashed", "score": 0.333333}],
                }
            ],
        ),
        ([ClassScore(0, "cat", 0.5)], [{"class": 0, "name": "cat", "score": 0.5}]),
        ([], []),
    ],
    ids=["detect", "segment", "pose", "obb", "semantic", "lanes", "classify", "nothing"],
)
def test_every_result(result: Any, wanted: list[dict[str, Any]]) -> None:
    made = plain(result, ["cat", "dog"])
    assert made == wanted
    assert json.loads(json.dumps(made)) == wanted


def test_a_missing_name_is_an_error() -> None:
    with pytest.raises(ManifestError, match=r"^class 1 has no name"):
        plain(Detections(*BOXES), ["cat"])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of the package itself
@settings(deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_masks_are_read_by_coco(mask: Any) -> None:
    made = run_lengths(mask)
    assert sum(made["counts"]) == mask.size
    packed = coco.frPyObjects(made, *made["size"])
    np.testing.assert_array_equal(coco.decode(packed).astype(bool), mask)


@dataclass
class Line:
    text: str
    box: Any
    score: np.float32


class Told:
    def __init__(self, value: Any) -> None:
        self.value = value

    def to_dict(self) -> Any:
        return self.value()


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        ("four", "four"),
        (None, None),
        (np.float32(0.5), 0.5),
        (np.array([[1, 2]]), [[1, 2]]),
        ({"a": (1, np.int64(2)), 3: {"b": True}}, {"a": [1, 2], "3": {"b": True}}),
        (Line("four", np.array([1, 2]), np.float32(0.5)), {"text": "four", "box": [1, 2], "score": 0.5}),
        ([Line("four", [1], np.float32(1))], [{"text": "four", "box": [1], "score": 1.0}]),
        (Told(lambda: {"text": np.array(["four"])}), {"text": ["four"]}),
        ((1, 2), [1, 2]),
        ({"lanes": (LANE,)}, {"lanes": [{"index": 2, "points": [[1, 2], [3.5, 4]], "scores": [0.5, 0.25],
          "attributes": [{"index": 1, "name": "dashed", "score": 0.33333333333}]}]}),
    ],
)  # fmt: skip
def test_results_of_ones_own(result: Any, wanted: Any) -> None:
    made = plain(result)
    assert made == wanted
    assert json.loads(json.dumps(made)) == wanted


def test_a_result_that_contains_itself() -> None:
    itself: dict[str, Any] = {}
    itself["again"] = [itself]
    with pytest.raises(
        RunnerError, match=r"^result: found dict that contains itself, or lies deeper than JSON can hold"
    ):
        plain(itself)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (object(), "result: found object, which JSON can't hold, expected a dataclass, what has a to_dict"),
        ({"a": [1j]}, r"result.a\[0\]: found complex, which JSON can't hold"),
        ({"a": [1, np.nan]}, r"result.a\[1\]: found nan, which JSON can't hold, expected a finite number"),
        (Line("four", [], np.float32(-np.inf)), "result.score: found -inf, which JSON can't hold"),
        (Detections(BOXES[0], BOXES[1] * np.float32(np.nan), BOXES[2]), "result: found nan, which JSON can't hold"),
        ([ClassScore(0, "cat", np.nan)], "result: score: found nan, which JSON can't hold"),
        (Line, "result: found type, which JSON can't hold"),
        (Told(lambda: 1 / 0), r"to_dict of Told \(.*test_plain.py, line \d+\): ZeroDivisionError: division by zero"),
    ],
)
def test_what_json_can_not_hold(result: Any, message: str) -> None:
    with pytest.raises(RunnerError, match=f"^{message}"):
        plain(result)
