"""wtsnet/decode/classes.py: the best classes of a picture, and their names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wtsnet.decode.classes import ClassScore, chosen_classes, class_name, top_classes
from wtsnet.errors import ManifestError, ModelError, RunnerError


def test_is_torchs_softmax_and_topk() -> None:
    logits = np.random.default_rng(0).normal(0, 5, (3, 1000)).astype(np.float32)
    values, indices = torch.from_numpy(logits).double().softmax(1).topk(5)
    for found, value, index in zip(top_classes(logits), values, indices, strict=True):
        assert [entry.index for entry in found] == index.tolist()
        np.testing.assert_allclose([entry.score for entry in found], value, rtol=1e-12)


def test_without_softmax_scores_are_reported_as_they_are() -> None:
    assert top_classes([[0.25, 0.5, -2.0]], k=2, softmax=False, names=["a", "b", "c"]) == [
        [ClassScore(1, "b", 0.5), ClassScore(0, "a", 0.25)]
    ]


def test_equal_scores_go_by_index() -> None:
    found = top_classes([[1, 2, 1, 2, 1]], k=4)[0]
    assert [entry.index for entry in found] == [1, 3, 0, 2]


def test_logits_too_far_apart_for_the_softmax_keep_their_order() -> None:
    found = top_classes([[-2000, -1000, 1000]], k=3)[0]
    assert [(entry.index, entry.score) for entry in found] == [(2, 1), (1, 0), (0, 0)]


def test_fewer_classes_than_asked_for() -> None:
    assert len(top_classes([[1, 2]])[0]) == 2


def test_float16_does_not_overflow() -> None:
    found = top_classes(np.array([[60000, -60000]], np.float16))[0]
    assert [entry.score for entry in found] == [1, 0]


def test_each_row_for_itself() -> None:
    assert [row[0].index for row in top_classes(np.eye(3))] == [0, 1, 2]
    assert top_classes(np.empty((0, 3))) == []


def test_names() -> None:
    assert class_name(None, 7) == "7"
    assert class_name(["cat", "dog"], 1) == "dog"
    assert class_name({5: "cat"}, 5) == "cat"
    assert top_classes([[1.0, 0.0]], names={0: "cat", 1: "dog"})[0][0].name == "cat"
    with pytest.raises(ManifestError, match=r"^class 2 has no name: 2 names are given$"):
        class_name(["cat", "dog"], 2)
    with pytest.raises(ManifestError, match=r"^class -1 has no name: 2 names are given$"):
        class_name(["cat", "dog"], -1)
    with pytest.raises(ManifestError, match=r"^class 0 has no name: 1 names are given$"):
        class_name({5: "cat"}, 0)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(RunnerError, match=r"^class scores have shape \(3,\), expected \(N, classes\)$"):
        top_classes([1, 2, 3])
    with pytest.raises(RunnerError, match=r"^class scores have shape \(1, 0\)"):
        top_classes(np.empty((1, 0)))
    with pytest.raises(RunnerError, match=r"^1 of 2 class scores are NaN$"):
        top_classes([[1, float("nan")]])
    with pytest.raises(ModelError, match=r"^k is 0, expected a whole number of 1 or more$"):
        top_classes([[1, 2]], k=0)


def test_chosen_classes_are_those_of_all_scores() -> None:
    scores = np.random.default_rng(0).random((3, 20), np.float32)
    order = np.argsort(-scores, axis=1)[:, :6]
    names = [f"class {i}" for i in range(20)]
    best = np.take_along_axis(scores, order, axis=1)
    assert chosen_classes(best, order, names=names) == top_classes(scores, softmax=False, names=names)
    assert chosen_classes(best[:, ::-1], order[:, ::-1], 2) == top_classes(scores, 2, softmax=False)
    assert [len(one) for one in chosen_classes(best, order, 9)] == [6, 6, 6]


def test_chosen_classes_that_do_not_fit() -> None:
    with pytest.raises(RunnerError, match=r"^scores and classes have shapes \(1, 3\) and \(1, 2\), expected \(N, K\)"):
        chosen_classes([[1, 2, 3]], [[1, 2]])
    with pytest.raises(ManifestError, match=r"^class 9 has no name"):
        chosen_classes([[0.5]], [[9]], names=["a"])
    with pytest.raises(RunnerError, match="are NaN"):
        chosen_classes([[np.nan]], [[0]])
