"""The files that hold pictures: of folders, trees and globs, and where pictures made of them go."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from wtsnet.errors import ImageError

# Formats that Pillow knows by their first bytes, and can't read.
_ONLY_KNOWN = ("BUFR", "GRIB", "HDF5", "MPEG", "WMF")
# What `wtsnet.draw.save_image` writes.
_WRITTEN = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


class File(NamedTuple):
    """A file to be read: its path, and the path from the folder that was given, which a tree of results repeats."""

    path: str
    inside: str


@cache
def suffixes() -> frozenset[str]:
    """The suffixes, lower-case, of files that Pillow reads as pictures."""
    known = Image.registered_extensions()
    return frozenset(suffix for suffix, name in known.items() if name in Image.OPEN and name not in _ONLY_KNOWN)


def is_several(source: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder or a glob, and not of one file."""
    text = os.fspath(source)
    return os.path.isdir(text) or (_is_glob(text) and not os.path.exists(text))


def files_of(source: str | os.PathLike[str]) -> list[File]:
    """The files of a path: itself; of a folder those in it and below it that are pictures by their suffix, the hidden
    ones left out; of a glob (`*`, `?`, `[…]`, and `**` for any folders) those that it matches. In the order of names.

    Raises:
        ImageError: there is no such file, or none in the folder or of the glob.
    """
    text = os.fspath(source)
    if os.path.isdir(text):
        found = list(_below(text))
        if not found:
            raise ImageError(f"{text}: no file in this folder or below it is a picture by its suffix; a glob takes any")
        return found
    if os.path.exists(text):
        return [File(text, os.path.basename(text))]
    if not _is_glob(text):
        raise ImageError(f"{text}: no such file")
    folder = _before_glob(text)
    matched = sorted(path for path in set(glob.glob(text, recursive=True)) if not os.path.isdir(path))
    if not matched:
        raise ImageError(f"{text}: no file matches this")
    return [File(path, os.path.relpath(path, folder)) for path in matched]


def _below(folder: str) -> Iterable[File]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes():
                path = os.path.join(place, name)
                yield File(path, os.path.relpath(path, folder))


def _is_glob(text: str) -> bool:
    return any(letter in text for letter in "*?[")


def _before_glob(text: str) -> str:
    """The folder in which a glob looks."""
    parts = Path(text).parts
    first = next(i for i, part in enumerate(parts) if _is_glob(part))
    return str(Path(*parts[:first]))


def targets_of(files: Sequence[File], out: str | os.PathLike[str]) -> list[Path]:
    """Where the picture made of each file goes: into the folder `out`, as the tree that they lie in, with the same
    suffix or, where such pictures are not written, as .png.

    Raises:
        ImageError: two would go to one file, or one of them over a file that is read; `out` is a file.
    """
    if os.path.exists(out) and not os.path.isdir(out):
        raise ImageError(f"{os.fspath(out)}: can't be made (File exists)")
    taken: dict[Path, str] = {}
    for path, inside in files:
        target = Path(out, inside)
        if target.suffix.lower() not in _WRITTEN:
            target = target.with_suffix(".png")
        if target in taken:
            raise ImageError(f"{path}: would go to {target}, and so would {taken[target]}")
        taken[target] = path
    there = {os.path.realpath(target) for target in taken if target.exists()}
    for path, _ in files if there else ():
        if os.path.realpath(path) in there:
            raise ImageError(f"{path}: would be overwritten; choose another folder with --out")
    return list(taken)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises:
        ImageError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{folder}: can't be made ({error.strerror})") from None
