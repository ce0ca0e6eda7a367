"""wtsnet/predict/inputs.py: inputs that are no pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import wtsnet
from tests.predict.support import Spy
from tests.small import lenet, tiny_file
from tests.small_yolo import small_yolo
from wtsnet.errors import ManifestError, ModelError, RunnerError
from wtsnet.predict.inputs import read_inputs, save_outputs
from wtsnet.predict.predictor import Predictor

MATCHER = """
import wtsnet
from wtsnet.decode import decoder

@decoder("match")
def match(outputs, seen):
    assert seen.place is None and seen.size is None
    return f"{outputs['output'].sum():.0f} {sorted(seen.facts)} {seen.conf}"

@wtsnet.model("tiny", inputs={"left": wtsnet.Input(("N", 2)), "right": wtsnet.Input(("N", 2))}, task="match")
def tiny(s, left, right):
    return left + right
"""


@pytest.fixture
def matcher(tmp_path: Path) -> wtsnet.Engine:
    return wtsnet.build(tiny_file(tmp_path, MATCHER), {}, batch=(1, 2, 4))


def test_a_decoder_of_ones_own_reads_each_row(matcher: wtsnet.Engine) -> None:
    left = np.arange(6, dtype=np.float32).reshape(3, 2)
    with Predictor(matcher, "reference", conf=0.5) as predictor:
        found = list(predictor.of_inputs({"left": left, "right": left}, "in.npz"))
    assert [one.found for one in found] == ["2 ['task'] 0.5", "10 ['task'] 0.5", "18 ['task'] 0.5"]
    assert [str(one) for one in found][:1] == ["in.npz[0]: 2 ['task'] 0.5"]
    assert found[1].to_dict() == {"picture": "in.npz[1]", "task": "match", "results": "10 ['task'] 0.5"}


def test_raw_outputs_need_no_decoder(matcher: wtsnet.Engine) -> None:
    matcher.manifest.decode = {"task": "none"}
    with pytest.raises(ManifestError, match=r"mine.py:tiny: decode: task: found 'none'.*; --raw takes the outputs"):
        Predictor(matcher, "reference")
    one = np.ones((1, 2), np.float32)
    with Predictor(matcher, "reference", raw=True) as predictor:
        np.testing.assert_array_equal(predictor.outputs({"left": one, "right": one})["output"], [[2, 2]])
    with pytest.raises(ModelError, match=r"^iou is 0.5, but has no meaning for raw outputs"):
        Predictor(matcher, "reference", raw=True, iou=0.5)


@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_prepared_pictures_are_found_in_their_own_pixels(kind: str) -> None:
    engine = small_yolo("segment", "topk", input=kind)
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    wanted = Predictor(engine, "reference")(picture)
    assert len(wanted)
    pixels = picture if kind == "uint8" else picture.transpose(2, 0, 1) / np.float32(255)
    for preprocess in (engine.manifest.preprocess, {}):
        engine.manifest.preprocess = preprocess
        (found,) = Predictor(engine, "reference")({"images": pixels[None]})
        np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1e-3)
        assert found.masks.shape == wanted.masks.shape


def test_a_call_with_a_mapping_gives_a_result_of_each_row(matcher: wtsnet.Engine) -> None:
    row = np.ones((2, 2), np.float32)
    with Predictor(matcher, "reference") as predictor:
        found = predictor({"left": row, "right": row})
        assert [one.where for one in found] == ["inputs[0]", "inputs[1]"]
        assert [one.found for one in found] == ["4 ['task'] None"] * 2
    with Predictor(matcher, "reference", raw=True) as predictor:
        found = predictor({"left": row, "right": row})
        np.testing.assert_array_equal([one["output"] for one in found], 2 * row)


def test_rows_before_one_that_fails_come_before_its_error(matcher: wtsnet.Engine) -> None:
    def read(outputs: Any, seen: Any) -> int:
        return 1 // int(outputs["output"][0])

    matcher.decoder = lambda: read  # type: ignore[method-assign]
    left = np.array([[1, 1], [0, 0]], np.float32)
    with Predictor(matcher, "reference") as predictor:
        found = predictor.of_inputs({"left": left, "right": left * 0}, "in.npz")
        assert next(found).found == 1
        with pytest.raises(
            RunnerError, match=r"^in.npz\[1\]: the decoder of 'match' \(.*line \d+\): ZeroDivisionError"
        ):
            next(found)


def test_outputs_without_rows(matcher: wtsnet.Engine) -> None:
    class Scalars(Spy):
        def run(self, inputs: Any) -> dict[str, Any]:
            return {"output": np.ones(())}

    spy: Any = Scalars(None)
    with pytest.raises(RunnerError, match=r"^output 'output': found shape \(\), expected 1 along its first axis"):
        Predictor(matcher, spy)({"left": 0, "right": 0})
    assert Predictor(matcher, spy, raw=True).outputs({})["output"] == 1


def test_a_batch_that_the_engine_cuts() -> None:
    engine = wtsnet.build("lenet", lenet(), batch=(1, 2, 2))
    images = np.random.default_rng(0).random((5, 1, 32, 32), np.float32)
    found = Predictor(engine, "reference", limit=1)({"data": images})
    assert [len(one) for one in found] == [1] * 5


def test_inputs_that_do_not_fit(matcher: wtsnet.Engine) -> None:
    predictor = Predictor(matcher, "reference")
    with pytest.raises(RunnerError, match=r"input 'right': missing"):
        predictor({"left": np.ones((1, 2), np.float32)})


def test_files(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"a": np.arange(3), "b": np.ones((2, 2)), "file": np.int64(7), "allow_pickle": np.ones(1)}
    arrays["half"] = np.ones(2, ml_dtypes.bfloat16)
    save_outputs(tmp_path / "out", arrays)
    found = read_inputs(tmp_path / "out")
    assert list(found) == ["a", "b", "file", "allow_pickle", "half"]
    assert (int(found["file"]), found["half"].dtype.name) == (7, "float32")
    np.testing.assert_array_equal(found["b"], arrays["b"])
    with pytest.raises(RunnerError, match=r"none/out.npz: can't be written \(No such file or directory\)"):
        save_outputs(tmp_path / "none/out.npz", arrays)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.npz", r"can't be read \(No such file or directory\)"),
        ("text.npz", "expected an .npz of the inputs by name"),
        ("one.npy", r"expected an .npz of the inputs by name \(it holds a single array without a name\)"),
        ("objects.npz", "expected an .npz of the inputs by name"),
        ("cut.npz", "expected an .npz of the inputs by name"),
        ("empty.npz", "expected an .npz of the inputs by name"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "text.npz").write_text("none")
    (tmp_path / "empty.npz").touch()
    np.save(tmp_path / "one.npy", np.ones(3))
    np.savez(tmp_path / "objects.npz", a=np.array([{}], object))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "objects.npz").read_bytes()[:60])
    with pytest.raises(RunnerError, match=f"{name}: {message}"):
        read_inputs(tmp_path / name)
