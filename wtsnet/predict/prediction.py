"""What was found in one picture."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.decode import TASKS, ClassMap, Detections, RotatedDetections, call_own, plain
from wtsnet.draw import save_image, show
from wtsnet.errors import ImageError, WtsnetError
from wtsnet.pictures import displayable
from wtsnet.predict.lines import lines_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.pictures import Picture


class Names(dict[int, str]):
    """The names of classes by index; a class without a name is called by its index."""

    def __missing__(self, index: int) -> str:
        return str(index)


class Prediction:
    """What was found in one picture.

    It has a length, items and can be iterated over, as `found`: objects, lanes and classes by their index, the best
    first, raw outputs by their name. `str` of it are the lines that `wtsnet run` prints. What `found` has is an
    attribute of it too: `masks` (n, H, W) of a segmentation, `keypoints` (n, K, 2 or 3) of poses, `corners()` of turned
    boxes, and whatever a result of your own has.

    Attributes:
        found: `wtsnet.decode`'s Detections, Instances, Poses, RotatedDetections or ClassMap, a tuple of Lanes, a list
            of ClassScores; what a decoder of your own gave; or, raw, a mapping of the outputs by name.
        task: "detect" … or your own.
        where: what the picture is called in messages: its path, or such as "frame 3".
        path: of the picture; None where it came from no file.
        picture: (height, width, channels) uint8, red first, as it was read: not a copy of a frame that was such an
            array. None where the network was given no picture.
        order: "rgb" or "bgr": what `plot` gives.
    """

    def __init__(
        self,
        found: Any,
        task: str,
        names: Sequence[str],
        *,
        where: str,
        path: Path | None = None,
        picture: Picture | None = None,
        order: str = "rgb",
    ) -> None:
        self.found = found
        self.task = task
        self.where = where
        self.path = path
        self.picture = picture
        self.order = order
        self._known = names or None

    @cached_property
    def names(self) -> Mapping[int, str]:
        """The names of all classes, by index. A class without a name is called by its index."""
        return Names(enumerate(self._known or ()))

    @property
    def boxes(self) -> NDArray[np.float32]:
        """x1 y1 x2 y2 of each object, (n, 4), or x y w h angle of turned ones, (n, 5), in the picture's pixels."""
        boxes: NDArray[np.float32] = self._of("boxes")
        return boxes

    @property
    def scores(self) -> NDArray[np.float32]:
        """The score of each object or of the best classes of the picture, (n,), the best first."""
        scores: NDArray[np.float32] = self._of("scores")
        return scores

    @property
    def classes(self) -> NDArray[np.int64]:
        """The index of the class of each object, or of the best classes of the picture, (n,); of a map of classes that
        of each pixel, (height, width)."""
        classes: NDArray[np.int64] = self._of("classes")
        return classes

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "found" not in vars(self):  # while it is copied
            raise AttributeError(name)
        return self._of(name)

    def _of(self, name: str) -> Any:
        best = isinstance(self.found, list) and self.task == "classify"
        has = self._best() if best else getattr(self.found, "__dict__", {})
        if name in has:
            return has[name]
        if hasattr(self.found, name):
            return getattr(self.found, name)
        there = f", only {', '.join(has)}" if has else f": found is of {type(self.found).__name__}"
        if isinstance(self.found, Mapping):
            there = f", only the items {', '.join(map(repr, self.found))}"
        raise AttributeError(f"a result of the task {self.task!r} has no {name!r}{there}")

    def _best(self) -> dict[str, NDArray[Any]]:
        """The classes of a picture as arrays."""
        return {
            "scores": np.array([one.score for one in self.found], np.float32),
            "classes": np.array([one.index for one in self.found], np.int64),
        }

    def __bool__(self) -> bool:
        """Whether anything was found; a result that has no length is something."""
        try:
            return len(self) > 0
        except TypeError:
            return True

    def __len__(self) -> int:
        return len(self.found.shares() if isinstance(self.found, ClassMap) else self.found)

    def __iter__(self) -> Iterator[Any]:
        """Each object, lane or class; of a map of classes the index of each and how much of the picture it covers."""
        return iter(self.found.shares().items() if isinstance(self.found, ClassMap) else self.found)

    def __getitem__(self, key: Any) -> Any:
        """An object, lane or class by its index, the best first, or a slice of them; an output by its name."""
        if isinstance(self.found, Detections | RotatedDetections | ClassMap):
            return list(self)[key]
        if not hasattr(self.found, "__getitem__"):
            raise TypeError(f"a result of the task {self.task!r} has no items: found is of {type(self.found).__name__}")
        return self.found[key]

    def __str__(self) -> str:
        return "\n".join(lines_of(self.where, self.found, self._known))

    def __repr__(self) -> str:
        return f"<Prediction of {self.where}: {type(self.found).__name__}>"

    def to_dict(self) -> dict[str, Any]:
        """What `wtsnet run --json` prints: `picture`, what it is called; `task`; and `results`, a list of mappings (see
        `wtsnet.decode.plain`), or what a result of your own is as plain data.

        Raises:
            RunnerError: a result of your own that JSON can't hold; the picture is named, and the key.
            ManifestError: the manifest names some classes, but not all that were found.
        """
        with self._named():
            return {"picture": self.where, "task": self.task, "results": plain(self.found, self._known)}

    def plot(self) -> NDArray[np.uint8]:
        """A copy of the picture with what was found in it, (height, width, 3) uint8. With a Predictor of order="bgr",
        blue comes first, as cv2.imwrite and cv2.imshow want it.

        Raises:
            ImageError: there is no picture, or what was found can't be drawn on it.
            ManifestError: the manifest names some classes, but not all that were found.
        """
        drawn = self._drawn()
        return np.ascontiguousarray(drawn[:, :, ::-1]) if self.order == "bgr" else drawn

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture with what was found in it, whole or not at all; the suffix chooses the format.

        Raises:
            ImageError: as for `plot`; an unknown suffix, or a folder that can't be written to.
        """
        save_image(path, self._drawn())

    def _drawn(self) -> NDArray[np.uint8]:
        """(height, width, 3) RGB."""
        with self._named():
            return self._shown()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Errors in the block name the picture."""
        try:
            yield
        except WtsnetError as error:
            error.args = (f"{self.where}: {error}",)
            raise

    def _shown(self) -> NDArray[np.uint8]:
        if self.picture is None:
            raise ImageError("there is no picture to draw on")
        canvas = displayable(self.picture)
        if self.task in TASKS or isinstance(self.found, Detections | RotatedDetections | ClassMap):
            return show(canvas, self.found, self._known)
        kind = type(self.found).__name__
        if not callable(getattr(self.found, "plot", None)):
            raise ImageError(f"nothing to draw: the decoder of {self.task!r} gives {kind}, which has no plot(picture)")
        drawn = call_own(f"plot of {kind}", self.found.plot, canvas.copy())
        shape, dtype = np.shape(drawn), getattr(drawn, "dtype", type(drawn).__name__)
        if not isinstance(drawn, np.ndarray) or drawn.dtype != np.uint8 or drawn.ndim != 3 or drawn.shape[2] != 3:
            raise ImageError(f"plot of {kind}: found {shape} of {dtype}, expected (height, width, 3) of uint8")
        return drawn
