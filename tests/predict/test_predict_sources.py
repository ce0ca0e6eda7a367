"""wtsnet/predict/sources.py and batches.py: what a Predictor can be given, and how much of it is in memory."""

from __future__ import annotations

import io
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import wtsnet
from tests.predict.support import SOURCE, Spy, negative, pictures, scores
from tests.small import lenet, tiny_file
from wtsnet.errors import ImageError
from wtsnet.predict.predictor import Predictor


class TestSources:
    """lenet looks at grey pictures: whatever it is given, the same picture gives the same."""

    @pytest.fixture
    def predictor(self) -> Any:
        engine = wtsnet.build("lenet", lenet(), batch=(1, 2, 4))
        spy: Any = Spy(engine.runner("reference"))
        self.spy = spy
        return Predictor(engine, spy)

    def test_a_frame_of_any_kind_gives_one(self, predictor: Any) -> None:
        (image,) = pictures(1)
        wanted = scores(predictor(image))
        assert scores(predictor(Image.fromarray(image))) == wanted
        assert scores(predictor(np.dstack([image, image[:, :, 0]]))) == wanted
        gray = np.asarray(Image.fromarray(image).convert("L"))
        np.testing.assert_allclose(scores(predictor(gray)), wanted, rtol=0.02)
        assert scores(predictor(torch.from_numpy(image))) == wanted

    def test_bgr(self, predictor: Any) -> None:
        (image,) = pictures(1)
        other = Predictor(predictor.engine, self.spy, order="bgr")
        assert scores(other(image[:, :, ::-1])) == scores(predictor(image))
        assert scores(other(image)) != scores(predictor(image))
        assert scores(other(Image.fromarray(image))) == scores(predictor(image))
        np.testing.assert_array_equal(other(image[:, :, ::-1]).picture, image)

    def test_files_folders_and_globs(self, predictor: Any, tmp_path: Path) -> None:
        images = pictures(6)
        (tmp_path / "tree/inner").mkdir(parents=True)
        for i, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / "tree" / ("inner" if i % 2 else ".") / f"{i}.png")
        wanted = [scores(predictor(image)) for image in images]
        one = predictor(str(tmp_path / "tree/0.png"))
        assert (scores(one), one.path) == (wanted[0], tmp_path / "tree/0.png")
        self.spy.batches.clear()
        found = predictor(tmp_path / "tree")
        assert iter(found) is found
        assert [scores(one) for one in found] == [wanted[i] for i in (0, 2, 4, 1, 3, 5)]
        assert [size for (size,) in self.spy.batches] == [4, 2]
        found = predictor(f"{tmp_path}/tree/inner/*.png")
        assert [(one.path.name, scores(one)) for one in found] == [(f"{i}.png", wanted[i]) for i in (1, 3, 5)]
        both = predictor([tmp_path / "tree/0.png", images[1]])
        assert [scores(one) for one in both] == wanted[:2]
        assert [one.where for one in both] == [f"{tmp_path}/tree/0.png", "frame 1"]

    def test_a_generator_that_never_ends(self, predictor: Any) -> None:
        images = pictures(3)
        given = 0

        def camera() -> Iterator[Any]:
            nonlocal given
            while True:
                given += 1
                yield images[given % 3]

        found = predictor(camera())
        assert given == 0
        for i in range(1, 8):
            assert scores(next(found)) == scores(predictor(images[i % 3]))
            assert given == i, "a result waits for no other frame"
        self.spy.batches.clear()
        fours = Predictor(predictor.engine, self.spy, batch=4)(iter(images * 2))
        assert len(list(fours)) == 6
        assert self.spy.batches == [[4], [2]]

    def test_an_engine_of_a_fixed_batch_waits_for_it(self) -> None:
        engine = wtsnet.build("lenet", lenet(), batch=2)
        spy: Any = Spy(engine.runner("reference"))
        assert len(list(Predictor(engine, spy)(iter(pictures(3))))) == 3
        assert spy.batches == [[2], [2]]

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (3, "found int, expected a frame "),
            (None, "found NoneType, expected a frame "),
            (b"\xff\xd8", "found bytes, expected a frame "),
            ("", "found '', expected a frame "),
            (["."], r"\.: found a folder or a glob among pictures, expected one picture; give it alone"),
            (["none/*.png"], r"none/\*.png: found a folder or a glob among pictures"),
            (io.BytesIO(b""), "found BytesIO, expected a frame "),
            ("none.png", "none.png: no such file"),
            ("none/*.png", r"none/\*.png: no file matches this"),
            (
                np.zeros((2, 3, 4, 3), np.uint8),
                r"frame: found \(2, 3, 4, 3\) of uint8, expected .* give a list of frames",
            ),
            (np.zeros((4, 4, 3)), r"frame: found \(4, 4, 3\) of float64"),
            (np.zeros((3, 8, 8), np.uint8), r"frame: found \(3, 8, 8\) of uint8, .*transpose|frame: found 8 channels"),
            ([np.zeros((4, 4, 3), np.uint8), 7], "frame 1: found int, expected a frame "),
            (["none.png"], "none.png: no such file"),
        ],
    )
    def test_what_is_no_picture(self, predictor: Any, source: Any, message: str) -> None:
        with pytest.raises(ImageError, match=f"^{message}"):
            predictor(source)

    def test_a_folder_without_pictures(self, predictor: Any, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty/notes.txt").write_text("none")
        with pytest.raises(ImageError, match="empty: no file in this folder or below it is a picture by its suffix"):
            predictor(tmp_path / "empty")

    def test_the_frame_of_a_generator_that_is_none_is_numbered(self, predictor: Any) -> None:
        frames = predictor(iter([*pictures(2), "none.png", np.zeros((2, 2), np.float32)]))
        assert len([next(frames), next(frames)]) == 2
        with pytest.raises(ImageError, match=r"^none.png: no such file"):
            next(frames)

    def test_results_before_a_broken_frame_come_before_its_error(self, predictor: Any) -> None:
        frames = Predictor(predictor.engine, self.spy, batch=4)(iter([*pictures(2), np.zeros((2, 2), np.float32)]))
        assert len([next(frames), next(frames)]) == 2
        with pytest.raises(ImageError, match=r"^frame 2: found \(2, 2\) of float32"):
            next(frames)

    @pytest.mark.parametrize("error", [ValueError("the camera is gone"), ImageError("the camera's own")])
    @pytest.mark.parametrize("broken", [None, lambda error: None])
    def test_results_before_a_generator_fails_come_before_its_error(
        self, predictor: Any, error: Exception, broken: Any
    ) -> None:
        def camera() -> Iterator[Any]:
            yield from pictures(2)
            raise error

        frames = Predictor(predictor.engine, self.spy, batch=4)(camera(), broken=broken)
        assert len([next(frames), next(frames)]) == 2
        with pytest.raises(type(error), match=r"^the camera"):
            next(frames)

    def test_pil_images_that_fail_when_they_are_read(self, predictor: Any) -> None:
        stream = io.BytesIO()
        Image.fromarray(pictures(1)[0]).save(stream, "PNG")
        cut, closed = Image.open(io.BytesIO(stream.getvalue()[:3000])), Image.open(io.BytesIO(stream.getvalue()))
        closed.close()
        for image in (cut, closed):
            with pytest.raises(ImageError, match=r"^frame: not a readable picture \("):
                predictor(image)
        said: list[str] = []
        assert len(predictor([*pictures(2), cut], broken=lambda error: said.append(str(error)))) == 2
        assert [one.partition(" (")[0] for one in said] == ["frame 2: not a readable picture"]

    def test_the_name_of_a_file_is_said_once(self, predictor: Any, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"none")
        with pytest.raises(ImageError) as caught:
            predictor(tmp_path / "a.png")
        assert str(caught.value).count("a.png") == 1

    def test_broken_ones_can_be_left_out(self, predictor: Any, tmp_path: Path) -> None:
        for i, image in enumerate(pictures(5)):
            Image.fromarray(image).save(tmp_path / f"{i}.png")
        (tmp_path / "1.png").write_bytes(b"none")
        said: list[str] = []
        found = list(predictor(tmp_path, broken=lambda error: said.append(str(error))))
        assert [one.path.name for one in found] == ["0.png", "2.png", "3.png", "4.png"]
        assert len(said) == 1
        assert said[0].startswith(f"{tmp_path}/1.png: not a readable picture")


def test_pictures_at_their_own_size_go_together_with_those_of_their_size(tmp_path: Path) -> None:
    engine = wtsnet.build(tiny_file(tmp_path, SOURCE % "none"), {}, batch=(1, 2, 3), imgsz=((4, 8, 16), (4, 8, 16)))
    engine.manifest.preprocess = {"kind": "keep"}
    spy: Any = Spy(engine.runner("reference"))
    images = [np.full((side, 8, 3), 10 * side, np.uint8) for side in (5, 5, 6, 6, 6, 6, 5)]
    found = Predictor(engine, spy, raw=True)(images)
    assert [size for (size,) in spy.batches] == [2, 3, 1, 1]
    for image, one in zip(images, found, strict=True):
        np.testing.assert_allclose(one.found["output"], image.transpose(2, 0, 1) / np.float32(-255), rtol=1e-6)
    with pytest.raises(ImageError, match=r"^frame 0: found 20×8 pixels .*, expected from 4×4 to 16×16"):
        Predictor(engine, spy, raw=True)([np.zeros((20, 8, 3), np.uint8)])


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize(("wanted", "channels"), [("RGB", 3), ("BGR", 3), ("RGB", 4), ("BGR", 4), ("RGB", 5)])
def test_arrays_of_more_than_three_channels_are_taken_as_they_are(
    tmp_path: Path, order: str, wanted: str, channels: int
) -> None:
    source = f"""
import wtsnet
PREPROCESS = {{"kind": "stretch", "order": {wanted!r}, "channels": {channels}}}

@wtsnet.model("tiny", image=wtsnet.Image(size=8, channels={channels}, preprocess=PREPROCESS))
def tiny(s, x):
    return x * 255.0
"""
    frame = np.ascontiguousarray(np.broadcast_to(np.arange(10, 60, 10).astype(np.uint8)[:channels], (4, 4, channels)))
    np.save(tmp_path / "a.npy", frame)
    Image.fromarray(np.resize(frame, (4, 4, 3)) if channels == 5 else frame).save(tmp_path / "a.png")
    engine = wtsnet.build(tiny_file(tmp_path, source), {}, batch=(1, 2, 2))

    def seen(given: Any) -> list[float]:
        with Predictor(engine, "reference", raw=True, order=order) as predictor:
            values: list[float] = predictor(given)["output"][:, 1, 1].round().tolist()
        return values

    plain = [10.0, 20.0, 30.0, 40.0, 50.0][:channels]
    turned = [30.0, 20.0, 10.0, *plain[3:]]
    assert seen(frame) == (plain if channels > 3 or order == wanted.lower() else turned)
    assert seen(tmp_path / "a.npy") == (plain if channels > 3 or wanted == "RGB" else turned)
    if channels < 5:
        assert seen(tmp_path / "a.png") == (plain if wanted == "RGB" else turned), "it tells its colours"


@pytest.mark.parametrize("kind", ["folder", "generator"])
def test_no_more_pictures_are_in_memory_than_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    alive: set[int] = set()
    most = 0

    def counted(*given: Any) -> NDArray[np.uint8]:
        nonlocal most
        picture = np.zeros((8, 8, 3), np.uint8)
        alive.add(id(picture))
        most = max(most, len(alive))
        weakref.finalize(picture, alive.discard, id(picture))
        return picture

    def camera() -> Iterator[Any]:
        for _ in range(40):
            yield counted()

    monkeypatch.setattr("wtsnet.predict.sources.read_image", counted)
    for i in range(40):
        (tmp_path / f"{i}.png").touch()
    engine = negative(tmp_path)
    with Predictor(engine, "reference", raw=True, batch=3) as predictor:
        count = sum(1 for _ in predictor(tmp_path if kind == "folder" else camera()))
    assert count == 40
    # A batch that is looked at, from files one that is read meanwhile, and what is held here of the batch before.
    assert 3 <= most <= (7 if kind == "folder" else 4)
