"""Every error that wtsnet raises on purpose, and its warnings.

    WtsnetError
    ├── WtsError                a .wts file that can't be read as written, or values that can't be written
    ├── CheckpointError         a PyTorch checkpoint that can't be read, or that holds no tensors
    ├── ManifestError           a manifest that is missing, malformed or disagrees with its file
    ├── WeightError             weights that do not fit the network
    │   ├── MissingWeightError      a weight that the network wants and the file lacks
    │   ├── ShapeError              a weight of another size than the network wants
    │   └── UnusedWeightError       weights that the network never took
    ├── ModelError              an unknown model, an unknown option, or a value that an option can't take
    ├── NetworkError            a layer that TensorRT refuses, or an op called with what it can't do
    ├── EngineError             an engine that can't be built, saved or loaded
    ├── RunnerError             inputs that do not fit the engine, or a run that failed
    │   └── UnsupportedLayerError   a layer that the reference runtime does not execute
    ├── VerifyError             a golden file that can't be compared with the network
    ├── ImageError              a picture that can't be read or written
    └── TensorRTError           no usable TensorRT, or one that lacks what was asked for

The command line prints each of them as one line and exits with 2. Other exceptions are defects of wtsnet.

A `WtsnetWarning` says what was done otherwise than asked for, or without; the command line prints it as a note.
"""

from __future__ import annotations

import sys
import sysconfig
import traceback
import warnings
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class WtsnetError(Exception):
    """The root of all errors that wtsnet raises on purpose."""


class WtsError(WtsnetError):
    """A .wts file that can't be read as written, or values that can't be written to one."""


class CheckpointError(WtsnetError):
    """A PyTorch checkpoint that can't be read, or that holds no tensors."""


class ManifestError(WtsnetError):
    """A manifest that is missing, malformed or disagrees with the file beside it."""


class WeightError(WtsnetError):
    """Weights that do not fit the network."""


class MissingWeightError(WeightError):
    """A weight that the network wants and the file lacks."""


class ShapeError(WeightError):
    """A weight of another shape or size than the network wants."""


class UnusedWeightError(WeightError):
    """Weights that the network never took and that its definition does not name as left out."""


class ModelError(WtsnetError):
    """An unknown model, an unknown option, or a value that an option can't take."""


class NetworkError(WtsnetError):
    """A layer that TensorRT refuses, or an op called with arguments that it can't honour."""


class EngineError(WtsnetError):
    """An engine that can't be built, saved or loaded."""


class RunnerError(WtsnetError):
    """Inputs that do not fit the engine, or a run that failed."""


class UnsupportedLayerError(RunnerError):
    """A layer that the reference runtime does not execute."""


class VerifyError(WtsnetError):
    """A golden file that can't be compared with the network."""


class ImageError(WtsnetError):
    """A picture that can't be read or written."""


class TensorRTError(WtsnetError):
    """No usable TensorRT, or one that lacks what was asked for."""


class WtsnetWarning(UserWarning):
    """Something was done otherwise than it was asked for, or without a part of it; the message says what and why."""


_SAID: set[str] = set()


def warn(text: str) -> None:
    """Warn at the line, outside of wtsnet, that led here. What nobody's filter is about is shown once a process."""
    actions = [
        action
        for action, message, kind, module, _ in warnings.filters
        if issubclass(WtsnetWarning, kind) and not message and not module
    ]
    if not actions or actions[0] in ("default", "once", "module"):
        if text in _SAID:
            return
        _SAID.add(text)
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "wtsnet":
        frame, level = frame.f_back, level + 1
    warnings.warn(text, WtsnetWarning, stacklevel=level)


def place_of(error: BaseException) -> str:
    """Where somebody's code raised an error, as "FILE, line N": the last line that is neither Python's own, nor of an
    installed package, nor wtsnet's. Empty where there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    paths = sysconfig.get_paths()
    folders: list[str | Path] = [*(paths[one] for one in ("stdlib", "purelib", "platlib")), Path(__file__).parent]
    others = [Path(folder).resolve() for folder in folders]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename).resolve()
        if not frame.filename.startswith("<") and not any(map(file.is_relative_to, others)):
            return f"{frame.filename}, line {frame.lineno}"
    return ""


def nearest(name: str, known: Iterable[str]) -> str:
    """What to add to an error about an unknown `name`: the nearest known one, or nothing.

    >>> nearest("resnet81", ["resnet18", "lenet"])
    "; did you mean 'resnet18'?"
    """
    matches = get_close_matches(name, list(known), n=1)
    return f"; did you mean {matches[0]!r}?" if matches else ""
