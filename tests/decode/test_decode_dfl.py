"""wtsnet/decode/dfl.py; that it is upstream's is tested in test_decode_ultralytics.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from wtsnet.decode.candidates import Choice
from wtsnet.decode.dfl import MOST, DFLHead
from wtsnet.errors import ManifestError, RunnerError

Array = npt.NDArray[Any]
FACTS = {"classes": 2, "strides": [8, 16], "reg_max": 4}


def maps(channels: int, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 2, (2, channels, *size)).astype(np.float32) for size in ((4, 6), (2, 3))]


def softmax(x: Array) -> Array:
    powers: Array = np.exp(x) / np.exp(x).sum()
    return powers


def test_follows_the_formula_in_the_order_level_row_column() -> None:
    levels = maps(4 * 4 + 2)
    wanted: list[list[list[float]]] = [[], []]
    for picture in range(2):
        for level, stride in zip(levels, (8, 16), strict=True):
            for row in range(level.shape[2]):
                for column in range(level.shape[3]):
                    cell = level[picture, :, row, column].astype(np.float64)
                    left, up, right, down = (softmax(cell[4 * i : 4 * i + 4]) @ np.arange(4) for i in range(4))
                    x, y = column + 0.5 + (right - left) / 2, row + 0.5 + (down - up) / 2
                    box = [stride * float(value) for value in (x, y, left + right, up + down)]
                    wanted[picture].append([*box, *(1 / (1 + np.exp(-cell[16:]))).tolist()])
    found = DFLHead.from_dict(FACTS).predictions(levels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.transpose(0, 2, 1), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("conf", [0.0, 0.3, 0.999, 1.0])
@pytest.mark.parametrize("task", ["detect", "segment", "pose", "obb"])
@pytest.mark.parametrize("end2end", [False, True])
def test_raw_maps_and_predictions_have_the_same_candidates(conf: float, task: str, end2end: bool) -> None:
    head = DFLHead.from_dict(FACTS | {"task": task, "masks": 3, "kpt_shape": [2, 3], "end2end": end2end})
    levels, choice = maps(4 * 4 + 2 + head.extra), Choice(conf=conf, multi_label=True)
    found = head.candidates_from_raw(levels, choice)
    for one, other in zip(found, head.candidates(head.predictions(levels), choice), strict=True):
        assert len(one.scores) == {0.0: 60, 1.0: 0}.get(conf, len(other.scores))
        assert one.boxes.shape[1] == (5 if task == "obb" else 4)
        assert one.extra.shape[1] == {"segment": 3, "pose": 6}.get(task, 0)
        for name in ("boxes", "scores", "classes", "extra"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6, atol=1e-5)


def test_an_nms_free_head_gives_no_more_than_upstream() -> None:
    level = np.random.default_rng(0).normal(0, 2, (1, 4 + 3, 40, 40)).astype(np.float32)
    head = DFLHead(3, [8], reg_max=1, end2end=True)
    (found,) = head.candidates_from_raw([level], Choice(conf=0))
    assert len(found.scores) == MOST
    best = np.sort(level[0, 4:].max(axis=0).ravel())[-MOST]
    np.testing.assert_allclose(found.scores.min(), 1 / (1 + np.exp(-best)), rtol=0.2)
    assert (np.diff(found.scores) <= 0).all()


def test_what_the_manifest_leaves_out() -> None:
    head = DFLHead.from_dict({"classes": 80, "strides": [8, 16, 32], "kind": "dfl", "head": "raw"})
    assert head == DFLHead(80, [8, 16, 32], 16, "detect", 0, None, False, 2.0, "logit")
    late = DFLHead.from_dict(FACTS | {"reg_max": 1, "spread": 1.0, "angle": "radians"})
    assert (late.spread, late.angle) == (1.0, "radians")
    told = DFLHead.from_dict(FACTS | {"reg_max": 1, "spread": 2.0, "angle": "logit"})
    assert (told.spread, told.angle) == (2.0, "logit")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"strides": [8]}, "decode: classes is missing"),
        ({"classes": 2}, "decode: strides is missing"),
        (FACTS | {"task": "pose"}, "decode: kpt_shape: found None, expected [key points, 2 or 3]"),
        (FACTS | {"task": "pose", "kpt_shape": []}, "decode: kpt_shape: found [], expected [key points, 2 or 3]"),
    ],
)
def test_what_the_manifest_must_tell(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        DFLHead.from_dict(facts)
    assert str(caught.value) == message


def test_wrong_shapes_are_refused() -> None:
    head = DFLHead.from_dict(FACTS)
    with pytest.raises(RunnerError, match=r"^got 1 levels, expected 2$"):
        head.predictions(maps(18)[:1])
    with pytest.raises(RunnerError, match=r"^levels have shapes \[\(2, 19, 4, 6\), .*\], expected \(N, 18, H, W\)$"):
        head.candidates_from_raw(maps(19), Choice())
    with pytest.raises(RunnerError, match=r"^predictions have shape \(2, 30, 6\), expected \(N, 6, candidates\)$"):
        head.candidates(np.zeros((2, 30, 6)), Choice())


def test_nan_is_not_silently_nothing() -> None:
    head = DFLHead.from_dict(FACTS)
    levels = maps(18)
    levels[0][0, 17, 1, 2] = np.nan
    with pytest.raises(RunnerError, match=r"^1 of 60 scores are NaN"):
        head.candidates_from_raw(levels, Choice())
    with pytest.raises(RunnerError, match=r"^1 of 60 scores are NaN"):
        head.candidates(head.predictions(levels), Choice())
