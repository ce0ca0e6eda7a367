"""Reading pictures from files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from wtsnet.errors import ImageError
from wtsnet.pictures.frames import Picture, as_picture, from_pil


def read_image(path: str | os.PathLike[str], channels: int = 3) -> Picture:
    """Read a picture as (height, width, channels) uint8, red first, upright as its EXIF orientation says.

    With 1 channel it is grey (ITU-R 601's luma). With 3, palette and grey pictures become RGB and transparency is
    dropped; with 4 it is kept, and a picture without is refused. Other numbers, and 4, are those of the pages of a
    grey TIFF; otherwise of several pages or frames the first is taken. 16-bit grey is scaled to 8 bits. A .npy file
    holds an array as `as_picture` takes it, red first.

    Raises:
        ImageError: no such file, not a picture, a damaged one, one whose pixels have no known range, or that has
            another number of channels, which do not become those wanted.
        ModelError: channels below 1.
    """
    try:
        if Path(path).suffix.lower() == ".npy":
            return as_picture(np.load(path, allow_pickle=False), channels)
        with Image.open(path) as file:
            if channels not in (1, 3) and file.format == "TIFF" and getattr(file, "n_frames", 1) > 1:
                return _pages(file, channels)
            return from_pil(file, channels)
    except FileNotFoundError:
        raise ImageError(f"{os.fspath(path)}: no such file") from None
    except ImageError as error:
        raise ImageError(f"{os.fspath(path)}: {str(error).removeprefix('frame: ')}") from None
    except Exception as error:  # a damaged file makes Pillow's parsers raise nearly anything
        text = str(error).replace(f" {os.fspath(path)!r}", "")  # which is named anyway
        reason = " ".join(text.split()) or type(error).__name__
        raise ImageError(f"{os.fspath(path)}: not a readable picture ({reason})") from error


def _pages(file: Image.Image, channels: int) -> Picture:
    # The grey pages of a TIFF, stacked: how pictures of many bands are often kept.
    count = getattr(file, "n_frames", 1)
    if count != channels:
        raise ImageError(f"found {count} pages, expected {channels} grey ones")
    pages = [from_pil(page, None) for page in ImageSequence.Iterator(file)]
    shapes = sorted({page.shape for page in pages})
    if len(shapes) > 1 or shapes[0][2] != 1:
        found = " and ".join("×".join(map(str, shape)) for shape in shapes)
        raise ImageError(f"found pages of {found}, expected {channels} grey ones of one size")
    return np.concatenate(pages, axis=2)
