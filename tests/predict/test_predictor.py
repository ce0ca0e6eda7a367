"""wtsnet/predict/predictor.py: what is found in pictures, whatever they come as."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import wtsnet
from tests.predict.support import SOURCE, Spy, negative, pictures
from tests.small import lenet, tiny, tiny_file, yolo_file
from tests.small_yolo import small_yolo
from wtsnet.decode.boxes import Detections
from wtsnet.decode.classes import ClassScore
from wtsnet.decode.keypoints import Poses
from wtsnet.decode.masks import Instances
from wtsnet.decode.rotated import RotatedDetections
from wtsnet.errors import EngineError, ManifestError, ModelError, RunnerError
from wtsnet.pictures.resizing import letterbox
from wtsnet.predict.prediction import Prediction
from wtsnet.predict.predictor import Predictor


@pytest.mark.parametrize(
    ("batch", "count", "batches"),
    [(1, 3, [1, 1, 1]), (4, 1, [4]), (4, 5, [4, 4]), ((1, 2, 3), 5, [3, 2]), ((2, 2, 4), 5, [4, 2]), (2, 0, [])],
)
def test_batches(batch: Any, count: int, batches: list[int]) -> None:
    engine = wtsnet.build("lenet", lenet(), batch=batch)
    spy: Any = Spy(engine.runner("reference"))
    images = pictures(count)
    results = Predictor(engine, spy, limit=3)(images)
    assert isinstance(results, list)
    assert [size for (size,) in spy.batches] == batches
    single = wtsnet.build("lenet", lenet())
    alone = Predictor(single, single.runner("reference"), limit=3)
    for image, result in zip(images, results, strict=True):
        wanted = alone(image)
        assert isinstance(wanted, Prediction)
        assert isinstance(result, Prediction)
        assert [best.index for best in result] == [best.index for best in wanted]
        np.testing.assert_allclose([best.score for best in result], [best.score for best in wanted], rtol=1e-5)


def test_classes_are_probabilities_best_first() -> None:
    engine = wtsnet.build("lenet", lenet())
    best = Predictor(engine, "reference")(pictures(1)[0])
    assert isinstance(best.found, list)
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
    best = Predictor(engine, runner, limit=9)(np.full((8, 8, 3), 128, np.uint8))
    logits = runner(images=np.full((1, 3, 8, 8), np.float32(128 / 255)))["output"][0].astype(np.float64)
    wanted = np.exp(logits) / np.exp(logits).sum()
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
        found[head] = [one.found for one in predictor(images) if isinstance(one.found, Detections)]
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
    found = Predictor(engine, "reference", conf=0.3)(image)
    squeezed, place = letterbox(image, 64)
    inside = Predictor(engine, "reference", conf=0.3)(squeezed)
    assert len(inside) > 1
    np.testing.assert_allclose(found.boxes, place.to_source(inside.boxes), rtol=1e-4, atol=1e-3)


def test_raw_levels_are_taken_by_name(yolo: dict[str, wtsnet.Engine]) -> None:
    engine, images = yolo["raw"], pictures(1)
    runner = engine.runner("reference")

    class Backwards(Spy):
        def run(self, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
            return dict(reversed(runner.run(inputs).items()))

    backwards: Any = Backwards(runner)
    (wanted,), (found,) = (Predictor(engine, one, conf=0.3)(images) for one in (runner, backwards))
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
        found[head] = [one.found for one in Predictor(engine, "reference", limit=12)(images)]
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
        best = Predictor(engine, "reference")(pictures(1)[0])
        found.append([(one.index, one.name, round(one.score, 5)) for one in best if isinstance(one, ClassScore)])
    assert found[0] == found[1] == found[2]
    assert sorted(name for _, name, _ in found[0]) == ["one", "two"]


def test_pictures_as_pixels_give_the_same() -> None:
    images = pictures(2)
    found = []
    for dtype in ("float32", "uint8"):
        engine = small_yolo("pose", "topk", input=dtype)
        found.append([one.found for one in Predictor(engine, "reference")(images)])
    for one, other in zip(*found, strict=True):
        assert isinstance(one, Poses)
        assert isinstance(other, Poses)
        np.testing.assert_allclose(other.keypoints, one.keypoints, rtol=1e-4, atol=1e-3)


def test_a_model_that_says_nothing_of_pictures(tmp_path: Path, no_runner: None) -> None:
    engine = wtsnet.build(tiny_file(tmp_path, SOURCE % "none"), {})
    message = (
        r"mine.py:tiny: preprocess: the manifest does not say how a picture becomes the input; set its kind, as in"
    )
    with pytest.raises(AssertionError, match="a runner was made"):
        Predictor(engine, raw=True)
    spy: Any = Spy(None)
    predictor = Predictor(engine, spy, raw=True)
    for source in (pictures(1)[0], pictures(1), iter(pictures(1))):
        with pytest.raises(ManifestError, match=f"{message}.*; give the inputs by name, as a mapping"):
            predictor(source)
    with pytest.raises(ModelError, match=r"^batch is 2, but has no meaning where no pictures are taken"):
        Predictor(engine, spy, raw=True, batch=2)


@pytest.fixture
def no_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that can be said is said before there is a runner."""

    def runner(*_: Any, **__: Any) -> None:
        raise AssertionError("a runner was made")

    monkeypatch.setattr(wtsnet.Engine, "runner", runner)


@pytest.mark.parametrize(
    ("decode", "message"),
    [
        ({"task": "detect"}, "decode: head: found None, expected one of topk, decoded, raw"),
        (
            {"task": "ocr"},
            r"decode: task 'ocr' has no decoder: register one with @wtsnet.decoder\('ocr'\) in the model's",
        ),
        (
            {"task": "segmentation"},
            "decode: task 'segmentation' has no decoder.*; did you mean 'segment'.*; --raw takes the outputs",
        ),
        (
            {"task": "none"},
            "decode: task: found 'none': the model tells no task; give one with --task, .*; --raw takes the outputs as",
        ),
        (
            {"task": [1]},
            r"decode: task: found \[1\], expected text, as in classify; --raw takes the outputs as they are",
        ),
        ({"task": "lanes"}, "decode: size is missing"),
        (
            {"task": "classify"},
            r"outputs: output: found shape \(-1, 3, 4, 4\), expected \(N, classes\) for the task 'classify'",
        ),
        ({"task": "semantic"}, "outputs: found output, expected 'logits' among them for the task 'semantic'"),
    ],
)
def test_outputs_that_nobody_can_read(tmp_path: Path, no_runner: None, decode: dict[str, Any], message: str) -> None:
    engine = negative(tmp_path)
    engine.manifest.decode = decode
    with pytest.raises(ManifestError, match=f"mine.py:tiny: {message}"):
        Predictor(engine)
    with pytest.raises(AssertionError, match="a runner was made"):
        Predictor(engine, raw=True)


@pytest.mark.parametrize(
    ("preprocess", "message"),
    [
        ({"kind": "squeeze"}, "preprocess: kind is 'squeeze', expected letterbox or crop"),
        (
            {"size": 5},
            r"preprocess: size: found \[5, 5\], expected what the input takes \(images float32 \[-1, 3, 4, 4\]",
        ),
        ({"channels": 1}, "preprocess: channels: found 1 channel in the layout NCHW, expected those of the input"),
        ({"layout": "NHWC"}, "preprocess: channels: found 3 channels in the layout NHWC, expected those of the input"),
        ({"kind": "gray"}, "preprocess: kind: found 1 channel in the layout NCHW"),
    ],
)
def test_preprocessing_that_does_not_fit_names_the_key(
    tmp_path: Path, no_runner: None, preprocess: dict[str, Any], message: str
) -> None:
    with pytest.raises(ManifestError, match=f"mine.py:tiny: {message}"):
        Predictor(negative(tmp_path, **preprocess))


def test_pixels_for_a_network_that_prepares_them(tmp_path: Path, no_runner: None) -> None:
    engine = small_yolo("detect", "topk", input="uint8")
    engine.manifest.preprocess = {"kind": "stretch", "size": 64}
    with pytest.raises(ManifestError, match="yolo: preprocess: dtype: found 'float32', expected 'uint8' for the input"):
        Predictor(engine)


def test_several_inputs_are_no_picture(tmp_path: Path, no_runner: None) -> None:
    engine = negative(tmp_path)
    engine.manifest.inputs = [{**engine.manifest.inputs[0], "name": name} for name in ("left", "right")]
    spy: Any = Spy(None)
    predictor = Predictor(engine, spy, raw=True)
    message = r"mine.py:tiny: takes left and right, and a picture is one input; give the inputs by name, as a mapping$"
    with pytest.raises(ManifestError, match=message):
        predictor(pictures(1)[0])


def test_what_is_no_picture_is_not_to_be_preprocessed(tmp_path: Path, no_runner: None) -> None:
    engine = negative(tmp_path)
    engine.manifest.preprocess = {}
    engine.manifest.inputs = [{**engine.manifest.inputs[0], "max": [3, 8], "shape": [-1, 8], "name": "tokens"}]
    spy: Any = Spy(None)
    with pytest.raises(
        ManifestError, match=r"tiny: takes tokens float32 \[-1, 8\], which is no picture; give the inputs"
    ):
        Predictor(engine, spy, raw=True)(pictures(1)[0])


@pytest.mark.parametrize(
    "options", [{"conf": 1.5}, {"conf": "a"}, {"iou": -1}, {"limit": 0}, {"order": "grb"}, {"batch": 3}]
)
def test_options_out_of_range(yolo: dict[str, wtsnet.Engine], no_runner: None, options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(ModelError, match=f"^{name} is"):
        Predictor(yolo["topk"], **options)


@pytest.mark.parametrize(
    ("engine", "found"), [(None, "NoneType"), ("", "''"), (3, "int"), (b"a.plan", "bytes")], ids=str
)
def test_what_is_no_engine(engine: Any, found: str) -> None:
    with pytest.raises(EngineError, match=rf"^engine: found {found}, expected an Engine, or the path of a plan"):
        Predictor(engine)


def test_raw_outputs_are_each_pictures_own(tmp_path: Path) -> None:
    images = pictures(5)
    with Predictor(negative(tmp_path), "reference", raw=True) as predictor:
        found = predictor(images)
        assert predictor.task == "none"
    assert [list(one.found) for one in found] == [["output"]] * 5
    for one, image in zip(found, images, strict=True):
        np.testing.assert_allclose(one.found["output"].mean(), -image.mean() / 255, atol=0.01)
    with pytest.raises(ModelError, match=r"^conf is 0.5, but has no meaning for raw outputs"):
        Predictor(negative(tmp_path), "reference", raw=True, conf=0.5)


class TestRunner:
    def test_its_own_is_closed(self, tmp_path: Path) -> None:
        lenet_plan(tmp_path)
        with Predictor(tmp_path / "lenet.plan", "reference", device="cpu") as predictor:
            runner = predictor.runner
            assert runner.reason == "reference on cpu: asked for"
            assert len(predictor(pictures(1)[0])) == 5
        with pytest.raises(RunnerError, match="closed"):
            runner.submit()

    def test_anothers_is_not(self, tmp_path: Path) -> None:
        engine = wtsnet.build("lenet", lenet())
        runner = engine.runner("reference")
        with Predictor(engine, runner) as predictor:
            pass
        assert len(predictor(pictures(1)[0])) == 5
        with pytest.raises(TypeError, match="unexpected device"):
            Predictor(engine, runner, device="cpu")


def lenet_plan(folder: Path) -> None:
    wtsnet.build("lenet", lenet(), batch=(1, 2, 4)).save(folder / "lenet.plan")
