"""wtsnet/predict.py: batches of pictures through an engine, and what its outputs mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import wtsnet
from tests.small import lenet, tiny, tiny_file, yolo_file
from wtsnet.decode.boxes import Detections
from wtsnet.errors import ManifestError, ModelError
from wtsnet.pictures import letterbox
from wtsnet.predict import Predictor


class Spy:
    """A runner that notes the batches it is given."""

    kind, reason = "spy", ""

    def __init__(self, runner: Any) -> None:
        self.runner = runner
        self.batches: list[list[int]] = []

    def __call__(self, **inputs: Any) -> dict[str, NDArray[Any]]:
        self.batches.append([array.shape[0] for array in inputs.values()])
        made: dict[str, NDArray[Any]] = self.runner(**inputs)
        return made

    def close(self) -> None:
        pass


def pictures(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(seed)
    sizes = [(40 + 7 * i, 60 - 5 * i) for i in range(count)]
    return [random.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


@pytest.mark.parametrize(
    ("batch", "count", "batches"),
    [(1, 3, [1, 1, 1]), (4, 1, [4]), (4, 5, [4, 4]), ((1, 2, 3), 5, [3, 2]), ((2, 2, 4), 5, [4, 2]), (2, 0, [])],
)
def test_batches(batch: Any, count: int, batches: list[int]) -> None:
    engine = wtsnet.build("lenet", lenet(), batch=batch)
    spy = Spy(engine.runner("reference"))
    images = pictures(count)
    results = list(Predictor(engine, spy, limit=3)(images))
    assert [size for (size,) in spy.batches] == batches
    single = wtsnet.build("lenet", lenet())
    alone = Predictor(single, single.runner("reference"), limit=3)
    for image, result in zip(images, results, strict=True):
        (wanted,) = alone([image])
        assert isinstance(wanted, list)
        assert isinstance(result, list)
        assert [best.index for best in result] == [best.index for best in wanted]
        np.testing.assert_allclose([best.score for best in result], [best.score for best in wanted], rtol=1e-5)


def test_classes_are_probabilities_best_first() -> None:
    engine = wtsnet.build("lenet", lenet())
    (best,) = Predictor(engine, engine.runner("reference"))(pictures(1))
    assert isinstance(best, list)
    assert len(best) == 5
    scores = [one.score for one in best]
    assert scores == sorted(scores, reverse=True)
    assert 0 < sum(scores) <= 1 + 1e-6


def test_logits_become_probabilities(tmp_path: Path) -> None:
    source = """
import wtsnet
from wtsnet.ops import conv, flatten, global_avg_pool

@wtsnet.model("tiny", image=wtsnet.Image(size=8, preprocess={"kind": "crop", "resize": 8}))
def tiny(s, x):
    return flatten(s / "flat", global_avg_pool(s / "pool", conv(s / "conv", x, 4, 3)))
"""
    engine = wtsnet.build(tiny_file(tmp_path, source), tiny())
    runner = engine.runner("reference")
    (best,) = Predictor(engine, runner, limit=9)([np.full((8, 8, 3), 128, np.uint8)])
    logits = runner(images=np.full((1, 3, 8, 8), np.float32(128 / 255)))["output"][0].astype(np.float64)
    wanted = np.exp(logits) / np.exp(logits).sum()
    assert isinstance(best, list)
    assert [one.index for one in best] == np.argsort(-wanted).tolist()
    np.testing.assert_allclose([one.score for one in best], np.sort(wanted)[::-1], rtol=1e-5)


@pytest.fixture(scope="module")
def yolo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, wtsnet.Engine]:
    weights = yolo_file(tmp_path_factory.mktemp("yolo"))
    return {
        head: wtsnet.build("yolov5", weights, imgsz=64, head=head, batch=(1, 1, 2))
        for head in ("topk", "decoded", "raw")
    }


def test_heads_find_the_same(yolo: dict[str, wtsnet.Engine]) -> None:
    images = pictures(3)
    found: dict[str, list[Detections]] = {}
    for head, engine in yolo.items():
        predictor = Predictor(engine, engine.runner("reference"), conf=0.3, iou=0.5, limit=20)
        assert predictor.task == "detect"
        found[head] = [one for one in predictor(images) if isinstance(one, Detections)]
    assert all(0 < len(one) <= 20 for one in found["topk"])
    for head in ("decoded", "raw"):
        for ours, topk, image in zip(found[head], found["topk"], images, strict=True):
            np.testing.assert_allclose(ours.boxes, topk.boxes, rtol=1e-4, atol=1e-3)
            np.testing.assert_allclose(ours.scores, topk.scores, rtol=1e-4)
            np.testing.assert_array_equal(ours.classes, topk.classes)
            assert ours.scores.min() > 0.3
            assert ours.boxes.min() >= 0
            assert (ours.boxes.max(0) <= [image.shape[1], image.shape[0]] * 2).all()


def test_boxes_are_in_the_pictures_pixels(yolo: dict[str, wtsnet.Engine]) -> None:
    engine, (image,) = yolo["topk"], pictures(1)
    (found,) = Predictor(engine, engine.runner("reference"), conf=0.3)([image])
    assert isinstance(found, Detections)
    squeezed, place = letterbox(image, 64)
    (inside,) = Predictor(engine, engine.runner("reference"), conf=0.3)([squeezed])
    assert isinstance(inside, Detections)
    np.testing.assert_allclose(found.boxes, place.to_source(inside.boxes), rtol=1e-4, atol=1e-3)


def test_raw_levels_are_taken_by_name(yolo: dict[str, wtsnet.Engine]) -> None:
    engine, images = yolo["raw"], pictures(1)
    runner = engine.runner("reference")

    class Backwards(Spy):
        def __call__(self, **inputs: Any) -> dict[str, NDArray[Any]]:
            return dict(reversed(runner(**inputs).items()))

    (wanted,), (found,) = (Predictor(engine, one, conf=0.3)(images) for one in (runner, Backwards(runner)))
    assert isinstance(wanted, Detections)
    assert isinstance(found, Detections)
    np.testing.assert_array_equal(found.boxes, wanted.boxes)


def test_models_that_take_no_pictures_or_give_something_else(tmp_path: Path) -> None:
    source = """
import wtsnet

@wtsnet.model("tiny", image=wtsnet.Image(size=4, preprocess={}), task="%s")
def tiny(s, x):
    return -x
"""
    engine = wtsnet.build(tiny_file(tmp_path, source % "classify"), {})
    with pytest.raises(ManifestError, match=r"mine.py:tiny: the model does not take pictures"):
        Predictor(engine, engine.runner("reference"))
    for task in ("segment", "detect"):
        text = (source % task).replace("{}", '{"kind": "letterbox"}')
        engine = wtsnet.build(tiny_file(tmp_path, text), {})
        with pytest.raises(ManifestError, match=f"decode: found task '{task}' and head None, expected classify, or"):
            Predictor(engine, engine.runner("reference"))


@pytest.mark.parametrize("options", [{"conf": 1.5}, {"iou": -1}])
def test_thresholds_out_of_range(yolo: dict[str, wtsnet.Engine], options: dict[str, float]) -> None:
    engine = yolo["topk"]
    with pytest.raises(ModelError, match=f"^{next(iter(options))} is"):
        list(Predictor(engine, engine.runner("reference"), **options)(pictures(1)))  # type: ignore[arg-type]  # floats
