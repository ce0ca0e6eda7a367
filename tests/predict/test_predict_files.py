"""wtsnet/predict/files.py: which files hold pictures, and where what is made of them goes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wtsnet.draw.boxes import save_image
from wtsnet.errors import ImageError
from wtsnet.predict.files import File, check_unread, files_of, is_several, make_folder, suffixes, targets_of


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("t/b.png", "t/a.JPG", "t/in/c.gif", "t/in/.hidden.png", "t/.cache/d.png", "t/e.txt", "t/x[1].png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "t/folder.png").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("t/b.png", [("t/b.png", "b.png")]),
        ("t/e.txt", [("t/e.txt", "e.txt")]),
        ("t/x[1].png", [("t/x[1].png", "x[1].png")]),
        ("t", [("t/a.JPG", "a.JPG"), ("t/b.png", "b.png"), ("t/x[1].png", "x[1].png"), ("t/in/c.gif", "in/c.gif")]),
        ("t/*.png", [("t/b.png", "b.png"), ("t/x[1].png", "x[1].png")]),
        ("t/**/*.gif", [("t/in/c.gif", "in/c.gif")]),
        ("*/in/?.gif", [("t/in/c.gif", "t/in/c.gif")]),
        ("**/[bc].*", [("t/b.png", "t/b.png"), ("t/in/c.gif", "t/in/c.gif")]),
    ],
)
def test_files(tree: Path, source: str, found: list[tuple[str, str]]) -> None:
    assert [tuple(file) for file in files_of(source)] == found
    assert [file.path for file in files_of(tree / source)] == [str(tree / path) for path, _ in found]
    assert is_several(source) == (source not in ("t/b.png", "t/e.txt", "t/x[1].png"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none", "none: no such file"),
        ("", "found '', expected the path of a picture, a folder or a glob"),
        ("t/.cache/none", "t/.cache/none: no such file"),
        ("t/*.tif", "t/*.tif: no file matches this"),
        (
            "t/folder.png",
            "t/folder.png: no file in this folder or below it is a picture by its suffix; a glob takes any",
        ),
    ],
)
def test_nothing_there(tree: Path, source: str, message: str) -> None:
    with pytest.raises(ImageError) as caught:
        files_of(source)
    assert str(caught.value) == message


def test_pipes_are_left_out_and_links_not_followed(tree: Path) -> None:
    os.mkfifo(tree / "t/pipe.png")
    (tree / "t/in/back").symlink_to(tree / "t")
    (tree / "t/gone.png").symlink_to(tree / "none.png")
    wanted = ["t/a.JPG", "t/b.png", "t/gone.png", "t/x[1].png", "t/in/c.gif"]
    assert [file.path for file in files_of("t")] == wanted
    for source in ("t/**/*.[pgJ]*", "**/*.[pgJ]*", "t/**/**/*.[pgJ]*", f"{tree}/t/**/*.[pgJ]*"):
        assert [os.path.relpath(file.path) for file in files_of(source)] == sorted(wanted)
    (tree / "again").symlink_to(tree / "t")
    assert [file.path for file in files_of("*/**/c.gif")] == ["again/in/c.gif"], "each folder once"
    assert [file.path for file in files_of("t/pipe.png")] == ["t/pipe.png"], "by name it is asked for"
    with pytest.raises(ImageError, match=r"^t/p\*: no file matches this"):
        files_of("t/p*")
    assert [file.path for file in files_of("t/**")] == sorted([*wanted, "t/e.txt"])


def test_what_lies_in_the_folder_of_results_is_no_source(tree: Path) -> None:
    everything = ["t/a.JPG", "t/b.png", "t/x[1].png", "t/in/c.gif"]
    for source, out in (("t", "t/in"), (tree / "t", "t/in"), ("t/**/*.[pgJ]*", tree / "t/in"), ("t", "t/in/")):
        assert [os.path.relpath(file.path) for file in files_of(source, out)] == everything[:3]
    for out in ("t", ".", "t/i", "other", "t/in/deeper"):
        assert [file.path for file in files_of("t", out)] == everything, "where it holds the folder, none is left out"
    assert [file.path for file in files_of("t/in/*", "t/in")] == ["t/in/c.gif"]
    assert [file.path for file in files_of("t/in/c.gif", "t/in")] == ["t/in/c.gif"]
    with pytest.raises(ImageError, match=r"^t/in/../\*/c.gif: no file matches this"):
        files_of("t/in/../*/c.gif", "t/in")


@pytest.mark.parametrize("path", ["t/b.png", "t/link.png", "t/../t/b.png"])
def test_a_file_that_is_read_is_not_written(tree: Path, path: str) -> None:
    (tree / "t/link.png").symlink_to("b.png")
    check_unread("t/e.txt", ["t/b.png"])
    check_unread("t/none.npz", ["none.npz"])
    with pytest.raises(ImageError) as caught:
        check_unread(path, ["t/e.txt", tree / "t/b.png"])
    assert str(caught.value) == f"{path}: is read by this command; write to another file"


def test_suffixes_are_those_of_pictures() -> None:
    assert {".png", ".jpg", ".jpeg", ".webp", ".tif", ".bmp", ".gif"} <= suffixes()
    assert not {".mpg", ".h5", ".pdf", ".txt", ".npz", ""} & suffixes()


def test_targets_repeat_the_tree_and_can_be_written(tree: Path) -> None:
    files = files_of("t")
    targets = targets_of(files, "out")
    assert [str(path) for path in targets] == ["out/a.JPG", "out/b.png", "out/x[1].png", "out/in/c.png"]
    for target in targets:
        make_folder(target.parent)
        save_image(target, np.zeros((4, 4, 3), np.uint8))
        Image.open(target).verify()


@pytest.mark.parametrize("suffix", sorted(suffixes()))
def test_every_target_can_be_written(tmp_path: Path, suffix: str) -> None:
    (target,) = targets_of([File(f"a{suffix}", f"a{suffix}")], tmp_path)
    save_image(target, np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize(
    ("files", "out", "message"),
    [
        (["t/b.png", "t/b.png"], "out", "t/b.png: would go to out/b.png, and so would t/b.png"),
        (["t/b.png", "t/in/b.gif"], "out", "t/in/b.gif: would go to out/b.png, and so would t/b.png"),
        (["t/e.png", "t/b.png"], "t", "t/b.png: would be overwritten; choose another folder with --out"),
        (["t/b.png"], "t/e.txt", "t/e.txt: can't be made (File exists)"),
    ],
)
def test_what_would_be_lost(tree: Path, files: list[str], out: str, message: str) -> None:
    with pytest.raises(ImageError) as caught:
        targets_of([File(path, Path(path).name) for path in files], out)
    assert str(caught.value) == message


def test_another_pictures_target_may_be_a_source(tree: Path) -> None:
    """a/b.png would be drawn to t/b.png, which is another picture that is to be read."""
    files = [File("a/b.png", "b.png"), File("t/b.png", "in/other.png")]
    with pytest.raises(ImageError, match=r"^t/b.png: would be overwritten"):
        targets_of(files, "t")


def test_a_folder_that_can_not_be_made(tree: Path) -> None:
    with pytest.raises(ImageError, match=r"^t/e.txt/in: can't be made \(Not a directory\)"):
        make_folder(Path("t/e.txt/in"))
