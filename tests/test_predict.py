"""wtsnet/predict.py: batches of pictures through an engine, and what its outputs mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import wtsnet
from tests.small import lenet, tiny, tiny_file, yolo_file
from tests.small_yolo import small_yolo
from wtsnet.decode.boxes import Detections
from wtsnet.decode.classes import ClassScore
from wtsnet.decode.keypoints import Poses
from wtsnet.decode.masks import Instances
from wtsnet.decode.rotated import RotatedDetections
from wtsnet.errors import ManifestError, ModelError
from wtsnet.pictures.reading import letterbox
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
    spy: Any = Spy(engine.runner("reference"))
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
from wtsnet.ops import conv2d

@wtsnet.model("tiny", image=wtsnet.Image(size=8, preprocess={"kind": "crop", "resize": 8}))
def tiny(s, x):
    return conv2d(s / "conv", x, 4, 3).mean((2, 3))
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

    backwards: Any = Backwards(runner)
    (wanted,), (found,) = (Predictor(engine, one, conf=0.3)(images) for one in (runner, backwards))
    assert isinstance(wanted, Detections)
    assert isinstance(found, Detections)
    np.testing.assert_array_equal(found.boxes, wanted.boxes)


RESULTS: dict[str, type[Any]] = {
    "detect": Detections,
    "segment": Instances,
    "pose": Poses,
    "obb": RotatedDetections,
    "v10": Detections,
    "detect26": Detections,
    "segment26": Instances,
    "pose26": Poses,
    "obb26": RotatedDetections,
}


@pytest.mark.parametrize("name", RESULTS)
def test_heads_of_every_task_find_the_same(name: str) -> None:
    images = pictures(2)
    found: dict[str, list[Any]] = {}
    for head in ("topk", "decoded", "raw"):
        engine = small_yolo(name, head, batch=(1, 1, 2))
        found[head] = list(Predictor(engine, engine.runner("reference"), limit=12)(images))
    for i, image in enumerate(images):
        topk: Any = found["topk"][i]
        assert type(topk) is RESULTS[name]
        assert 0 < len(topk) <= 12
        for other in (found["decoded"][i], found["raw"][i]):
            np.testing.assert_allclose(other.boxes, topk.boxes, rtol=1e-4, atol=1e-3)
            np.testing.assert_allclose(other.scores, topk.scores, rtol=1e-4)
            np.testing.assert_array_equal(other.classes, topk.classes)
            if isinstance(topk, Poses):
                np.testing.assert_allclose(other.keypoints, topk.keypoints, rtol=1e-4, atol=1e-3)
            if isinstance(topk, Instances):
                assert topk.masks.shape == (len(topk), *image.shape[:2])
                assert (other.masks != topk.masks).mean() < 1e-3


def test_classes_chosen_by_the_network() -> None:
    found = []
    for head in ("topk", "decoded", "raw"):
        engine = small_yolo("classify", head)
        (best,) = Predictor(engine, engine.runner("reference"))(pictures(1))
        assert isinstance(best, list)
        found.append([(one.index, one.name, round(one.score, 5)) for one in best if isinstance(one, ClassScore)])
    assert found[0] == found[1] == found[2]
    assert sorted(name for _, name, _ in found[0]) == ["one", "two"]


def test_pictures_as_pixels_give_the_same() -> None:
    images = pictures(2)
    found = []
    for dtype in ("float32", "uint8"):
        engine = small_yolo("pose", "topk", input=dtype)
        found.append(list(Predictor(engine, engine.runner("reference"))(images)))
    for one, other in zip(*found, strict=True):
        assert isinstance(one, Poses)
        assert isinstance(other, Poses)
        np.testing.assert_allclose(other.keypoints, one.keypoints, rtol=1e-4, atol=1e-3)


SOURCE = """
import wtsnet

@wtsnet.model("tiny", image=wtsnet.Image(size=4, preprocess={}), task="%s")
def tiny(s, x):
    return -x
"""


def test_a_model_that_says_nothing_of_pictures(tmp_path: Path) -> None:
    engine = wtsnet.build(tiny_file(tmp_path, SOURCE % "classify"), {})
    message = r"mine.py:tiny: preprocess: the manifest does not say how a picture becomes the input$"
    with pytest.raises(ManifestError, match=message):
        Predictor(engine, engine.runner("reference"))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("detect", "decode: head: found None, expected one of topk, decoded, raw"),
        ("segmentation", "decode: task: found 'segmentation', expected one of classify, .*; did you mean"),
        ("lanes", "decode: size is missing"),
    ],
)
def test_outputs_that_nobody_can_read(tmp_path: Path, task: str, message: str) -> None:
    source = (SOURCE % task).replace("{}", '{"kind": "letterbox"}')
    engine = wtsnet.build(tiny_file(tmp_path, source), {})
    with pytest.raises(ManifestError, match=f"mine.py:tiny: {message}"):
        Predictor(engine, engine.runner("reference"))


@pytest.mark.parametrize("options", [{"conf": 1.5}, {"iou": -1}])
def test_thresholds_out_of_range(yolo: dict[str, wtsnet.Engine], options: dict[str, float]) -> None:
    engine = yolo["topk"]
    with pytest.raises(ModelError, match=f"^{next(iter(options))} is"):
        list(Predictor(engine, engine.runner("reference"), **options)(pictures(1)))  # type: ignore[arg-type]  # floats
