"""wtsnet/manifest/files.py: whole or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from wtsnet.manifest.files import is_among, sha256, whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_among_others(tmp_path: Path) -> None:
    a, b, none = tmp_path / "a", tmp_path / "b", tmp_path / "none"
    a.write_text("a")
    b.write_text("a")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "hard").hardlink_to(a)
    for name in ("a", "./a", "link", "hard"):
        assert is_among(a, [none, b, tmp_path / name])
    assert not is_among(a, [none, b])
    assert not is_among(none, [none, a])


def test_files_appear_together(tmp_path: Path) -> None:
    with whole(tmp_path / "a", str(tmp_path / "b")) as (a, b):
        a.write_text("1")
        b.write_text("2")
        assert not (tmp_path / "a").exists()
        assert {a.parent, b.parent} == {tmp_path}
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "a").read_text() == "1"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_everything_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "a").write_text("before")

    def stop(path: Path) -> None:
        path.write_text("half")
        raise error

    with pytest.raises(error), whole(tmp_path / "a", tmp_path / "b") as (a, _):
        stop(a)
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "before"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole(tmp_path / "a", tmp_path / "none" / "b"):
        pass
    assert names(tmp_path) == []


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")  # as a device such as /dev/null would be
    for target in (tmp_path / "folder", tmp_path / "pipe"):
        with pytest.raises(OSError, match="Is no regular file"), whole(tmp_path / "a", target):
            pass
    assert names(tmp_path) == ["folder", "pipe"]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_decides_who_may_read(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        with whole(tmp_path / "a"):
            pass
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_sha256(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "a").write_bytes(data[:size])
    assert sha256(tmp_path / "a") == hashlib.sha256(data[:size]).hexdigest()
