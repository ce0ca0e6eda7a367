"""wtsnet/predict/raw.py: outputs in an .npz, written as they come."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from wtsnet.errors import RunnerError
from wtsnet.predict import raw
from wtsnet.predict.raw import RawFile


def test_rows_are_stacked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(5, 3, 2)).astype(np.float32)
    with RawFile(tmp_path / "out.npz") as file:
        for i in range(5):
            transposed = scores[i].T.copy().T  # not C-contiguous
            file.add(f"{i}ä.png", {"scores": transposed, "a/b": np.int64(i), "half": ml_dtypes.bfloat16(i)})
        assert list(tmp_path.glob("*.npz")) == []
    assert str(file) == f"{tmp_path}/out.npz: scores (5, 3, 2), a/b (5,), half (5,)"
    with np.load(tmp_path / "out.npz") as found:
        assert list(found) == ["scores", "a/b", "half", "picture"]
        np.testing.assert_array_equal(found["scores"], scores)
        np.testing.assert_array_equal(found["a/b"], np.arange(5))
        assert found["half"].dtype == np.float32
        np.testing.assert_array_equal(found["half"], np.arange(5))
        assert found["picture"].tolist() == [f"{i}ä.png" for i in range(5)]
    assert [path.name for path in tmp_path.iterdir()] == ["out.npz"]
    with zipfile.ZipFile(tmp_path / "out.npz") as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_rows_do_not_stay_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    row = np.zeros(1 << 20, np.uint8)
    tracemalloc.start()
    try:
        with RawFile(tmp_path / "out.npz") as file:
            for i in range(40):
                file.add(str(i), {"y": row})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
    with np.load(tmp_path / "out.npz") as found:
        assert found["y"].shape == (40, 1 << 20)


def test_an_output_called_picture_stays(tmp_path: Path) -> None:
    with RawFile(tmp_path / "out.npz") as file:
        file.add("a.png", {"picture": np.ones(2)})
    with np.load(tmp_path / "out.npz") as found:
        assert list(found) == ["picture"]
        assert found["picture"].shape == (1, 2)


def test_no_rows(tmp_path: Path) -> None:
    with RawFile(tmp_path / "out.npz"):
        pass
    with np.load(tmp_path / "out.npz") as found:
        assert list(found) == ["picture"]


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "out.npz").write_text("before")

    def write(second: Any) -> None:
        with RawFile(tmp_path / "out.npz") as file:
            file.add("a.png", {"y": np.zeros((1, 5))})
            file.add("b.png", {"y": second})

    with pytest.raises(RunnerError) as caught:
        write(np.zeros((2, 5)))
    assert str(caught.value) == (
        "b.png: output 'y': found shape (2, 5), expected (1, 5) as before; outputs of several sizes can't lie in one "
        "array: run such pictures one by one"
    )
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.npz", "before")]


@pytest.mark.parametrize("rows", [1, 100])
def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Of few rows the disk tells only when they leave the buffer."""
    monkeypatch.setattr(raw, "open", lambda path, mode: open("/dev/full", mode), raising=False)  # noqa: SIM115

    def write() -> None:
        with RawFile(tmp_path / "out.npz") as file:
            for i in range(rows):
                file.add(str(i), {"y": np.zeros(1000)})

    with pytest.raises(RunnerError, match=r"out.npz: can't be written \(No space left on device\)"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_another_error_comes_before_that_of_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "open", lambda path, mode: open("/dev/full", mode), raising=False)  # noqa: SIM115

    def write() -> None:
        with RawFile(tmp_path / "out.npz") as file:
            file.add("a.png", {"y": np.zeros(10)})
            raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        write()


@pytest.mark.parametrize(("path", "reason"), [("none/out.npz", "No such file or directory"), (".", "is a folder")])
def test_a_place_that_can_not_be_written_is_said_at_once(tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(RunnerError, match=rf"can't be written \({reason}\)"), RawFile(tmp_path / path):
        raise AssertionError("it was opened")
