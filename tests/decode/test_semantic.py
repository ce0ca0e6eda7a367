"""Maps of classes, against the post-processing of transformers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F

from tests.upstream.huggingface import package
from wtsnet.decode import semantic
from wtsnet.decode.semantic import ClassMap, maps_from_classes, maps_from_logits
from wtsnet.errors import RunnerError

SIZES = [(97, 61), (64, 96), (5, 3)]  # scaled up in part, up evenly, and down


def raw(pictures: int, classes: int = 7, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 3, (pictures, classes, 16, 24)).astype(np.float32)


def test_is_upstreams_post_processing() -> None:
    logits = raw(3)
    outputs = SimpleNamespace(logits=torch.from_numpy(logits))
    wanted = package().SegformerImageProcessor().post_process_semantic_segmentation(outputs, SIZES)
    for i, (found, theirs) in enumerate(zip(maps_from_logits(logits, SIZES), wanted, strict=True)):
        assert found.classes.dtype == np.int32
        assert found.classes.shape == SIZES[i]
        scaled = F.interpolate(torch.from_numpy(logits[i][None]), size=SIZES[i], mode="bilinear")[0]
        best = scaled.topk(2, 0).values
        sure = (best[0] - best[1] > 1e-5).numpy()
        assert sure.mean() > 0.999
        np.testing.assert_array_equal(found.classes[sure], theirs.numpy()[sure])


def test_one_class_is_a_threshold() -> None:
    """As U-Net has it: the sigmoid of the only logit, above ½."""
    logits = raw(2, classes=1)
    for i, found in enumerate(maps_from_logits(logits, SIZES[:2])):
        scaled = F.interpolate(torch.from_numpy(logits[i][None]), size=SIZES[i], mode="bilinear")[0, 0]
        sure = (scaled.abs() > 1e-5).numpy()
        assert found.classes.dtype == np.int32
        assert set(np.unique(found.classes)) == {0, 1}
        np.testing.assert_array_equal(found.classes[sure], (scaled.sigmoid() > 0.5).numpy()[sure])


def test_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = raw(1)
    (whole,) = maps_from_logits(logits, [(50, 40)])
    monkeypatch.setattr(semantic, "_AT_ONCE", 7 * 40 * 3 + 1)
    (parts,) = maps_from_logits(logits, [(50, 40)])
    np.testing.assert_array_equal(whole.classes, parts.classes)


def test_chosen_classes_in_another_size() -> None:
    classes = np.array([[[1, 2], [3, 4]]], np.int32)
    (large,) = maps_from_classes(classes, [(4, 6)])
    np.testing.assert_array_equal(large.classes, np.kron(classes[0], np.ones((2, 3), np.int32)))
    many = np.arange(48).reshape(1, 6, 8)
    nearest = F.interpolate(torch.from_numpy(many[None]).double(), size=(4, 5), mode="nearest-exact")
    np.testing.assert_array_equal(maps_from_classes(many, [(4, 5)])[0].classes, nearest[0, 0])


def test_shares() -> None:
    found = ClassMap(np.array([[3, 3, 3, 0], [5, 5, 3, 0]], np.int32))
    assert found.shares() == {3: 0.5, 0: 0.25, 5: 0.25}
    assert list(found.shares()) == [3, 0, 5]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: maps_from_logits(np.zeros((2, 3, 4)), []), RunnerError, r"logits have shape \(2, 3, 4\), expected"),
        (lambda: maps_from_logits(raw(2), [(4, 4)]), RunnerError, "found 1 sizes, expected one for each of 2 maps"),
        (lambda: maps_from_logits(raw(1) * np.nan, [(4, 4)]), RunnerError, "2688 of 2688 logits are NaN"),
        (lambda: maps_from_classes(np.zeros((1, 2, 2)), [(2, 2)]), RunnerError, r"classes have shape \(1, 2, 2\) of"),
        (lambda: maps_from_classes(np.zeros((1, 2, 2), int), []), RunnerError, "found 0 sizes, expected one for each"),
        (lambda: ClassMap(np.zeros((2, 3, 4), np.int32)), RunnerError, r"a map of classes has shape \(2, 3, 4\)"),
    ],
)
def test_wrong_input_is_refused(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"^{text}"):
        call()
