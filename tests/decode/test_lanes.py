"""Lanes, against what upstream's demo computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from wtsnet.decode.lanes import LaneGrid
from wtsnet.errors import ManifestError, ModelError, RunnerError

CULANE = (121, 131, 141, 150, 160, 170, 180, 189, 199, 209, 219, 228, 238, 248, 258, 267, 277, 287)
GRID = LaneGrid((288, 800), CULANE, 200)
DETECTOR = LaneGrid((288, 800), tuple(range(40, 296, 8)), 200, attributes=2)
SIZES = [(590, 1640), (288, 800), (301, 97)]


def raw(grid: LaneGrid, pictures: int = 3, seed: int = 0) -> npt.NDArray[np.float32]:
    """Logits with a peak for each point that is not at the grid's edge, and for some rows none."""
    random = np.random.default_rng(seed)
    shape = (pictures, grid.cells + 1, len(grid.rows), grid.lanes)
    values = random.normal(0, 1, shape)
    peak = random.uniform(0, grid.cells, (pictures, 1, *shape[2:]))
    values[:, :-1] += 9 * np.exp(-((np.arange(grid.cells).reshape(1, -1, 1, 1) - peak) ** 2) / 4)
    values[:, -1] += random.choice([-5, 12], shape[:1] + shape[2:])
    values[0, -1, 2:, 1] = 30  # two points are no lane
    values[0, -1, 3:, 2] = 30  # three are
    values[0, -1, :3, 1:3] = -9
    values[0, -1, 2, 1] = 30
    return values.astype(np.float32)


def upstream(logits: torch.Tensor, rows: Any, size: tuple[int, int]) -> list[list[tuple[float, float]]]:
    """The lanes of one picture as the demo of cfzd/Ultra-Fast-Lane-Detection finds them, before it rounds down: cells
    are counted from 1, a sum over their softmax, and 0 where "no lane" is the best."""
    cells = logits.shape[0] - 1
    width = float(np.diff(np.linspace(0, 799, cells))[0])
    counted = torch.arange(1, cells + 1, dtype=torch.float32).view(-1, 1, 1)
    place = (logits[:-1].softmax(0) * counted).sum(0)
    place[logits.argmax(0) == cells] = 0
    lanes = []
    for lane in place.T.tolist():
        if sum(value != 0 for value in lane) > 2:
            lanes.append(
                [
                    (value * width * size[1] / 800 - 1, size[0] * row / 288 - 1)
                    for value, row in zip(lane, rows, strict=True)
                    if value > 0
                ]
            )
    return lanes


@pytest.mark.parametrize("grid", [GRID, LaneGrid((288, 800), tuple(range(64, 288, 4)), 100, lanes=5)], ids=str)
@pytest.mark.parametrize("flat", [False, True])
def test_is_upstreams_post_processing(grid: LaneGrid, flat: bool) -> None:
    logits = raw(grid)
    found = grid.decode(logits.reshape(3, -1) if flat else logits, sizes=SIZES)
    for i, size in enumerate(SIZES):
        wanted = upstream(torch.from_numpy(logits[i]), grid.rows, size)
        assert len(found[i]) == len(wanted) == (grid.lanes - (i == 0))
        for lane, theirs in zip(found[i], wanted, strict=True):
            assert lane.points.dtype == np.float32
            np.testing.assert_allclose(lane.points, theirs, rtol=0, atol=1e-3)


def test_which_lanes_there_are() -> None:
    logits = raw(GRID)
    (first, *_) = GRID.decode(logits, sizes=SIZES)
    assert [lane.index for lane in first] == [0, 2, 3]
    assert len(first[1].points) == 3
    (fewer, *_) = GRID.decode(logits, sizes=SIZES, least=2)
    assert [lane.index for lane in fewer] == [0, 1, 2, 3]
    assert len(fewer[1].points) == 2
    nothing = np.zeros((1, 201, 18, 4), np.float32)
    nothing[:, -1] = 1000
    assert GRID.decode(nothing, sizes=SIZES[:1]) == [[]]


def test_scores_are_shares_of_all_but_no_lane() -> None:
    logits = raw(GRID)
    shares = torch.from_numpy(logits).double().softmax(1)[:, :-1].sum(1).numpy()
    present = logits.argmax(1) < 200
    for i, lanes in enumerate(GRID.decode(logits, sizes=SIZES)):
        for lane in lanes:
            wanted = shares[i, present[i, :, lane.index], lane.index]
            np.testing.assert_allclose(lane.scores, wanted, rtol=0, atol=1e-6)


def test_large_logits_do_not_overflow() -> None:
    logits = np.full((1, 201, 18, 4), -60000, np.float32)
    logits[:, 7] = 60000
    (lanes,) = GRID.decode(logits, sizes=[(288, 800)])
    assert len(lanes) == 4
    np.testing.assert_allclose(lanes[0].points[:, 0], 8 * 799 / 199 - 1, rtol=1e-6)
    assert (lanes[0].scores == 1).all()


def test_a_row_of_another_input_height() -> None:
    """The anchors are pixels of the network's own input."""
    half = LaneGrid((144, 400), tuple(row / 2 for row in CULANE), 200)
    (whole, halved) = (grid.decode(raw(GRID), sizes=SIZES)[0][0].points for grid in (GRID, half))
    np.testing.assert_allclose(whole[:, 1], halved[:, 1], rtol=1e-6)
    assert np.abs(whole[:, 0] - halved[:, 0]).max() < 1640 / 400


@pytest.mark.parametrize("flat", [False, True])
def test_attributes(flat: bool) -> None:
    keypoints, random = raw(DETECTOR, 2), np.random.default_rng(1)
    logits = random.normal(0, 2, (2, 2, 16)).astype(np.float32)
    names = [["solid", "dashed", "double", "none"], ["white", "yellow", "blue", "other"]]
    grid = LaneGrid(DETECTOR.size, DETECTOR.rows, 200, attributes=2, names=names)
    given = logits.reshape(2, -1) if flat else logits
    shares = torch.from_numpy(logits).double().view(2, 2, 4, 4).softmax(3)
    for i, lanes in enumerate(grid.decode(keypoints, given, sizes=SIZES[:2])):
        assert len(lanes) >= 3
        for lane in lanes:
            assert [one.name for one in lane.attributes] == [
                names[attribute][int(shares[i, attribute, lane.index].argmax())] for attribute in (0, 1)
            ]
            for attribute, one in enumerate(lane.attributes):
                assert one.score == pytest.approx(float(shares[i, attribute, lane.index].max()), abs=1e-6)
    (plain, _) = DETECTOR.decode(keypoints, given, sizes=SIZES[:2])
    assert plain[0].attributes[0].name == str(plain[0].attributes[0].index)


def test_attributes_in_another_order() -> None:
    keypoints = raw(DETECTOR, 2)
    logits = np.random.default_rng(1).normal(0, 2, (2, 2, 4, 4)).astype(np.float32)
    wanted = DETECTOR.decode(keypoints, logits, sizes=SIZES[:2])
    for order, axes in ((("attribute", "class", "lane"), (0, 1, 3, 2)), (("class", "lane", "attribute"), (0, 3, 2, 1))):
        grid = LaneGrid(DETECTOR.size, DETECTOR.rows, 200, attributes=2, order=order)
        found = grid.decode(keypoints, logits.transpose(axes), sizes=SIZES[:2])
        assert [[lane.attributes for lane in lanes] for lanes in found] == [
            [lane.attributes for lane in lanes] for lanes in wanted
        ]


def test_from_a_manifest() -> None:
    told = {"task": "lanes", "kind": "lanes", "size": [288, 800], "rows": list(CULANE), "cells": 200, "lanes": 4}
    (found, wanted) = (grid.decode(raw(GRID), sizes=SIZES)[1][0] for grid in (LaneGrid.from_dict(told), GRID))
    np.testing.assert_array_equal(found.points, wanted.points)
    with pytest.raises(ManifestError, match=r"^decode: rows is missing$"):
        LaneGrid.from_dict({"size": [288, 800], "cells": 200})


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"size": 288}, "size: found 288, expected height and width"),
        ({"size": (288, 0)}, "size: found 0, expected a whole number of 1 or more"),
        ({"cells": 1}, "cells: found 1, expected a whole number of 2 or more"),
        ({"lanes": True}, "lanes: found True, expected a whole number of 1 or more"),
        ({"attributes": -1}, "attributes: found -1, expected a whole number of 0 or more"),
        ({"rows": ()}, r"rows: found \(\), expected heights in pixels"),
        ({"rows": ("a",)}, r"rows: found \('a',\), expected heights in pixels"),
        (
            {"order": ("lane", "class")},
            r"order: found \('lane', 'class'\), expected attribute, lane, class in an order",
        ),
        ({"names": [["a"]]}, "names: found 1 lists, expected one for each attribute"),
    ],
)
def test_what_a_grid_can_not_be(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ManifestError, match=f"^decode: {text}$"):
        LaneGrid(**{"size": (288, 800), "rows": CULANE, "cells": 200, **given})


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: GRID.decode(np.zeros((1, 200, 18, 4)), sizes=SIZES[:1]),
            RunnerError,
            r"keypoints: found shape \(1, 2",
        ),
        (lambda: GRID.decode(raw(GRID), sizes=SIZES[:2]), RunnerError, "keypoints: found .* each of 2 pictures$"),
        (lambda: GRID.decode(np.zeros((0, 201, 18, 4)), sizes=[]), RunnerError, "keypoints: found shape"),
        (lambda: GRID.decode(raw(GRID) * np.nan, sizes=SIZES), RunnerError, "keypoints: 43416 of 43416 values are NaN"),
        (
            lambda: GRID.decode(raw(GRID), np.zeros(3), sizes=SIZES),
            RunnerError,
            "attributes: found some, expected none",
        ),
        (
            lambda: attributes(np.zeros((3, 31))),
            RunnerError,
            "attributes: found 93 values, expected a multiple of 3 pict",
        ),
        (lambda: attributes(np.full((3, 2, 16), np.nan)), RunnerError, "attributes: 96 of 96 values are NaN"),
        (lambda: attributes(np.zeros((3, 32)), names=[["a"], ["b"] * 4]), ManifestError, None),
        (lambda: GRID.decode(raw(GRID), sizes=SIZES, least=0), ModelError, "least is 0, expected a whole number of 1"),
    ],
)
def test_wrong_input_is_refused(call: Any, error: type[Exception], text: str | None) -> None:
    with pytest.raises(error, match=f"^{text}" if text else "has no name"):
        call()


def attributes(logits: Any, **options: Any) -> Any:
    grid = LaneGrid(DETECTOR.size, DETECTOR.rows, 200, attributes=2, **options)
    if "names" in options:
        logits[:, 1::2] = 1.0
    return grid.decode(raw(grid), logits, sizes=SIZES)
