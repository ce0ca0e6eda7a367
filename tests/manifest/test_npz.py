"""wtsnet/manifest/npz.py: arrays by name, read and written."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from wtsnet.manifest.npz import read_npz, write_array


@pytest.mark.parametrize("name", ["x", "file", "allow_pickle", "a/b"])
def test_arrays_of_any_name_come_back(tmp_path: Path, name: str) -> None:
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        write_array(archive, name, array)
    found = read_npz(tmp_path / "x.npz")
    assert list(found) == [name]
    np.testing.assert_array_equal(found[name], array, strict=True)


@pytest.mark.parametrize("kind", ["text", "empty", "cut", "one array", "objects"])
def test_what_is_none(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.npz"
    with open(path, "wb") as file:
        if kind == "one array":
            np.save(file, np.zeros(3))
        elif kind == "objects":
            np.savez(file, x=np.array([{}]))
        elif kind == "cut":
            np.savez(file, x=np.zeros(300))
    if kind == "text":
        path.write_text("x")
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"."):
        read_npz(path)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_npz(tmp_path / "x.npz")
