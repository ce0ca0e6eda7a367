"""The files that hold pictures: of folders, trees and globs, and where pictures made of them go."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from wtsnet.draw import WRITTEN
from wtsnet.errors import ImageError
from wtsnet.manifest import is_among

# Formats that Pillow knows by their first bytes, and can't read.
_ONLY_KNOWN = ("BUFR", "GRIB", "HDF5", "MPEG", "WMF")


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


def files_of(source: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> list[File]:
    """The files of a path: itself; of a folder those in it and below it that are pictures by their suffix, the hidden
    ones left out; of a glob (`*`, `?`, `[…]`, and `**` for any folders) those that it matches. In the order of names.

    Pipes and devices are left out, unless they are given by name, and no folder is entered through a link.

    Args:
        out: where results go: what lies there is none of the files of a folder or glob around it.

    Raises:
        ImageError: there is no such file, or none in the folder or of the glob.
    """
    text = os.fspath(source)
    if os.path.isdir(text):
        found = _outside(out, text, _below(text))
        if not found:
            raise ImageError(f"{text}: no file in this folder or below it is a picture by its suffix; a glob takes any")
        return found
    if os.path.exists(text):
        return [File(text, os.path.basename(text))]
    if not text:
        raise ImageError("found '', expected the path of a picture, a folder or a glob")
    if not _is_glob(text):
        raise ImageError(f"{text}: no such file")
    folder = _before_glob(text)
    matched = sorted(path for path in set(_matches(text)) if _may_be_picture(path))
    found = _outside(out, folder, [File(path, os.path.relpath(path, folder)) for path in matched])
    if not found:
        raise ImageError(f"{text}: no file matches this")
    return found


def _below(folder: str) -> Iterable[File]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(place, name)
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes() and _may_be_picture(path):
                yield File(path, os.path.relpath(path, folder))


def _may_be_picture(path: str) -> bool:
    """Whether this is a file, and no folder, pipe or device; or a link to what is not there, which is told later."""
    return os.path.isfile(path) or not os.path.exists(path)


def _outside(out: str | os.PathLike[str] | None, folder: str, files: Iterable[File]) -> list[File]:
    """The files that do not lie in `out`, where that lies below the folder in which they were looked for."""
    if out is None:
        return list(files)
    target, top = os.path.realpath(out), os.path.realpath(folder)
    if target == top or os.path.commonpath([target, top]) != top:
        return list(files)
    place_of = cache(os.path.realpath)
    return [
        file for file in files if os.path.commonpath([target, place_of(os.path.dirname(file.path) or ".")]) != target
    ]


def _matches(text: str) -> Iterator[str]:
    """What a glob matches. Where it has `**`, as for a folder, no links are followed from there: they may lead back."""
    parts = text.split(os.sep)
    if "**" not in parts:
        yield from glob.iglob(text)
        return
    at = parts.index("**")
    before, after = os.sep.join(parts[:at]), os.sep.join(parts[at + 1 :]) or "*"
    if at and not before:  # of an absolute path
        before = os.sep
    seen = set[str]()
    for top in sorted(glob.iglob(before)) if before else [""]:
        for place, folders, _ in os.walk(top or os.curdir):
            real = os.path.realpath(place)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            here = place if top else os.path.relpath(place)
            yield from _matches(os.path.join(glob.escape("" if here == os.curdir else here), after))


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
        if target.suffix.lower() not in WRITTEN:
            target = target.with_suffix(".png")
        if target in taken:
            raise ImageError(f"{path}: would go to {target}, and so would {taken[target]}")
        taken[target] = path
    there = {os.path.realpath(target) for target in taken if target.exists()}
    for path, _ in files if there else ():
        if os.path.realpath(path) in there:
            raise ImageError(f"{path}: would be overwritten; choose another folder with --out")
    return list(taken)


def check_unread(target: str | os.PathLike[str], read: Iterable[str | os.PathLike[str]]) -> None:
    """Refuse to write over one of the files that are read.

    Raises:
        ImageError: `target` is one of them.
    """
    if is_among(target, read):
        raise ImageError(f"{os.fspath(target)}: is read by this command; write to another file")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises:
        ImageError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{folder}: can't be made ({error.strerror})") from None
