"""From pictures and prepared inputs to results, by real plans on a real GPU, beside the reference runner.

They skip where the installed TensorRT does not run.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wtsnet
from tests.runtime import conftest as of_runtime
from tests.small import tiny_file
from wtsnet import Predictor
from wtsnet.checkpoint import export
from wtsnet.decode.boxes import Detections
from wtsnet.pictures import read_image
from wtsnet.trt.device import driver

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("gpu")]
gpu = of_runtime.gpu
DIGITS = Path(__file__).parents[2] / "tools/digits"
PICTURE = DIGITS / "held_out.png"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> wtsnet.Engine:
    if problem := driver().problem:
        pytest.skip(problem)
    weights = tmp_path_factory.mktemp("digits") / "digits.wts"
    export(DIGITS / "digits.pt", weights)
    return wtsnet.build("yolov5", weights, imgsz=416, batch=(1, 2, 4), target="current")


def same(found: Any, wanted: Any) -> None:
    """The same objects, as far as TF32 lets them be: two of nearly one score may change places."""
    assert isinstance(found.found, Detections)
    assert len(found) == len(wanted) > 0
    a, b = (one.boxes[:, 0].argsort() for one in (found, wanted))
    np.testing.assert_array_equal(found.classes[a], wanted.classes[b])
    np.testing.assert_allclose(found.boxes[a], wanted.boxes[b], atol=0.5)
    np.testing.assert_allclose(found.scores[a], wanted.scores[b], atol=1e-2)


@pytest.mark.parametrize("options", [{}, {"contexts": 4, "graph": True}])
def test_every_source(digits: wtsnet.Engine, options: dict[str, Any], tmp_path: Path) -> None:
    frame = read_image(PICTURE)
    for name in ("a/x.png", "b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(PICTURE.read_bytes())
    with Predictor(digits, "reference") as reference:
        wanted = reference(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is done without
        predictor = Predictor(digits, **options)
    with predictor:
        assert predictor.runner.kind == "tensorrt"
        same(predictor(frame), wanted)
        same(predictor(PICTURE), wanted)
        several: list[tuple[int, Any]] = [
            (5, [frame] * 5),
            (3, (frame for _ in range(3))),
            (2, tmp_path),
            (2, str(tmp_path / "**/*.png")),
        ]
        for count, source in several:
            found = list(predictor(source))
            assert len(found) == count
            for one in found:
                same(one, wanted)
        assert not np.array_equal(predictor(frame).plot(), frame)


TWO = """
import wtsnet
from wtsnet.ops import cat

INPUTS = {
    "left": wtsnet.Input(("N", 3, (4, 8, 16), 8)),
    "tokens": wtsnet.Input(("N", "T"), "int64", sizes={"T": (1, 4, 32)}),
    "scale": wtsnet.Input((1,)),
}


@wtsnet.model("two", inputs=INPUTS, task="sum")
def two(s, left, tokens, scale):
    words = tokens.float() * scale
    return {"all": cat((left.mean((2, 3)), words.sum(1, keepdim=True)), 1), "tokens_plus": tokens + 1, "words": words}


@wtsnet.decoder("sum")
def total(outputs, seen):
    return {"total": round(float(outputs["all"].sum()), 2)}
"""


def test_several_inputs_of_any_size(tmp_path: Path) -> None:
    engine = wtsnet.build(tiny_file(tmp_path, TWO).replace(":tiny", ":two"), {}, batch=(1, 2, 8), target="current")
    random = np.random.default_rng(0)
    with Predictor(engine) as predictor, Predictor(engine, "reference") as reference:
        assert predictor.runner.kind == "tensorrt"
        for rows, height, length in ((1, 4, 1), (3, 9, 7), (8, 16, 32)):
            given = {
                "left": random.random((rows, 3, height, 8), np.float32),
                "tokens": random.integers(-(2**40), 2**40, (rows, length)) >> 30,
                "scale": np.array([0.5], np.float32),
            }
            found, wanted = predictor.outputs(given), reference.outputs(given)
            assert found.keys() == wanted.keys()
            for name, value in wanted.items():
                np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-3)
            assert [one.found for one in predictor(given)] == [
                {"total": pytest.approx(one.found["total"], abs=1e-2)} for one in reference(given)
            ]


FINER = """
import wtsnet
from wtsnet.ops import interpolate


@wtsnet.model("finer", image=wtsnet.Image(name="x", preprocess={"kind": "keep"}), task="finer")
def finer(s, x):
    return interpolate(x, scale_factor=2, mode="bilinear")


@wtsnet.decoder("finer")
def picture(outputs, seen):
    return outputs["output"].shape
"""


def test_pictures_at_their_own_size(tmp_path: Path) -> None:
    name = tiny_file(tmp_path, FINER).replace(":tiny", ":finer")
    engine = wtsnet.build(name, {}, imgsz=((8, 32, 64), (8, 48, 64)), batch=(1, 1, 2), target="current")
    frames = [np.zeros((*size, 3), np.uint8) for size in ((8, 9), (64, 64), (33, 20), (33, 20))]
    with Predictor(engine) as predictor:
        assert predictor.runner.kind == "tensorrt"
        assert [one.found for one in predictor(frames)] == [(3, 2 * h, 2 * w) for h, w, _ in (f.shape for f in frames)]
