"""Lanes of a road by row anchors (Qin et al. 2020): from a network's output arrays to points in pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from wtsnet.decode.classes import ClassScore, Names, top_classes
from wtsnet.errors import ManifestError, ModelError, RunnerError

Floats: TypeAlias = npt.NDArray[np.float32]
Size: TypeAlias = tuple[int, int]

AXES = ("attribute", "lane", "class")
_KEYS = ("size", "rows", "cells", "lanes", "attributes", "order", "names")


@dataclass(frozen=True, eq=False)
class Lane:
    """One lane of one picture.

    Attributes:
        index: which of the network's lanes it is; those of CULane are counted from the left, the car between 1 and 2.
        points: (n, 2) float32, x and y in pixels, in the order of the row anchors.
        scores: (n,) float32, for each point how probable it is that the lane crosses its row at all.
        attributes: of each attribute the best class; none where the network tells of none.
    """

    index: int
    points: Floats
    scores: Floats
    attributes: tuple[ClassScore, ...] = ()


@dataclass(frozen=True)
class LaneGrid:
    """What the outputs of a lane network stand for, as its manifest says.

    Attributes:
        size: height and width of the network's input in pixels.
        rows: the row anchors, in pixels of the input.
        cells: how many cells a row has, "no lane" not counted.
        lanes: how many lanes the network tells apart.
        attributes: how many attributes it tells of each lane.
        order: what axes the values of the attributes have.
        names: for each attribute the names of its classes; None names a class by its index.

    Raises:
        ManifestError: a value that its key can't take, named.
    """

    size: Size
    rows: Sequence[float]
    cells: int
    lanes: int = 4
    attributes: int = 0
    order: Sequence[str] = AXES
    names: Sequence[Names] | None = None

    def __post_init__(self) -> None:
        for key, found, least in (
            *(("size", side, 1) for side in _two(self.size)),
            ("cells", self.cells, 2),
            ("lanes", self.lanes, 1),
            ("attributes", self.attributes, 0),
        ):
            if not isinstance(found, int) or isinstance(found, bool) or found < least:
                raise ManifestError(f"decode: {key}: found {found!r}, expected a whole number of {least} or more")
        numbers = list(self.rows) if isinstance(self.rows, list | tuple) else []
        if not numbers or not all(isinstance(row, int | float) and isfinite(row) for row in numbers):
            raise ManifestError(f"decode: rows: found {self.rows!r}, expected heights in pixels")
        if sorted(self.order) != sorted(AXES):
            raise ManifestError(f"decode: order: found {self.order!r}, expected {', '.join(AXES)} in an order")
        if self.names is not None and len(self.names) != self.attributes:
            raise ManifestError(f"decode: names: found {len(self.names)} lists, expected one for each attribute")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LaneGrid:
        """From a manifest's mapping, which may hold more.

        Raises:
            ManifestError: a key is missing, or has a value that it can't take.
        """
        for key in ("size", "rows", "cells"):
            if key not in data:
                raise ManifestError(f"decode: {key} is missing")
        return cls(**{key: data[key] for key in _KEYS if key in data})

    def decode(
        self,
        keypoints: npt.ArrayLike,
        attributes: npt.ArrayLike | None = None,
        *,
        sizes: Sequence[Size],
        least: int = 3,
    ) -> list[list[Lane]]:
        """The lanes of each picture.

        A row where "no lane" is the best has no point. On any other it lies at x = (e + 1)·step − 1, e being the
        expected cell by the softmax over all cells without "no lane", and the step such that the cells span the
        picture; y is one less than the row. This is how upstream draws lanes, but that it rounds down; a point may lie
        a cell past the picture's right side.

        Args:
            keypoints: (N, cells + 1, rows, lanes), or flat: (N, values) or all values in one row.
            attributes: N × attributes × lanes × classes logits, of any shape, in the axes' `order`.
            sizes: the height and width in pixels that the lanes of each of the N pictures are wanted in: those of the
                picture, where it was stretched to the network's input.
            least: a lane has at least so many points.

        Raises:
            RunnerError: arrays that do not fit the grid, or with NaN; not as many sizes as pictures.
            ManifestError: a class has no name.
            ModelError: `least` below 1.
        """
        if least < 1:
            raise ModelError(f"least is {least!r}, expected a whole number of 1 or more")
        shape = (self.cells + 1, len(self.rows), self.lanes)
        values = _array("keypoints", keypoints, len(sizes), prod(shape)).reshape(-1, *shape)
        chosen = self._attributes(attributes, len(sizes))
        present = values.argmax(axis=1) < self.cells
        cells, scores = _expected(values)
        found = []
        for i, (height, width) in enumerate(sizes):
            step = (self.size[1] - 1) / (self.cells - 1) * width / self.size[1]
            x = (cells[i] + 1) * step - 1
            y = np.array(self.rows) * (height / self.size[0]) - 1
            lanes = []
            for lane in range(self.lanes):
                rows = present[i, :, lane]
                if np.count_nonzero(rows) >= least:
                    points = np.stack([x[rows, lane], y[rows]], axis=1).astype(np.float32)
                    score = scores[i, rows, lane].astype(np.float32)
                    lanes.append(Lane(lane, points, score, chosen[i][lane]))
            found.append(lanes)
        return found

    def _attributes(self, logits: npt.ArrayLike | None, count: int) -> list[list[tuple[ClassScore, ...]]]:
        """For each picture and lane, the best class of each attribute."""
        if logits is None:
            return [[()] * self.lanes] * count
        if not self.attributes:
            raise RunnerError("attributes: found some, expected none as the manifest says")
        each = self.attributes * self.lanes
        total = np.asarray(logits).size
        if total % (count * each) or not total:
            raise RunnerError(
                f"attributes: found {total} values, expected a multiple of {count} pictures × {self.attributes} "
                f"attributes × {self.lanes} lanes"
            )
        classes = total // (count * each)
        sizes = dict(zip(AXES, (self.attributes, self.lanes, classes), strict=True))
        values = _array("attributes", logits, count, each * classes).reshape(
            count, *(sizes[axis] for axis in self.order)
        )
        values = values.transpose(0, *(1 + list(self.order).index(axis) for axis in AXES))
        best = []
        for attribute in range(self.attributes):
            names = None if self.names is None else self.names[attribute]
            best.append(top_classes(values[:, attribute].reshape(-1, classes), 1, names=names))
        return [
            [tuple(own[picture * self.lanes + lane][0] for own in best) for lane in range(self.lanes)]
            for picture in range(count)
        ]


def _two(size: Any) -> Sequence[Any]:
    if not isinstance(size, list | tuple) or len(size) != 2:
        raise ManifestError(f"decode: size: found {size!r}, expected height and width")
    return size


def _array(name: str, given: npt.ArrayLike, count: int, each: int) -> npt.NDArray[np.float64]:
    """`count` times `each` numbers, checked."""
    values = np.asarray(given, np.float64)
    if not count or values.size != count * each:
        raise RunnerError(f"{name}: found shape {values.shape}, expected {each} values for each of {count} pictures")
    if broken := np.count_nonzero(np.isnan(values)):
        raise RunnerError(
            f"{name}: {broken} of {values.size} values are NaN: the network's weights or precision are at fault"
        )
    return values


def _expected(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The expected cell, and how probable it is that there is one, along axis 1, whose last is "no lane"."""
    cells, none = values[:, :-1], values[:, -1]
    largest = cells.max(axis=1)
    powers = np.exp(cells - largest[:, None])
    sums = powers.sum(axis=1)
    expected = np.einsum("ncrl,c->nrl", powers, np.arange(cells.shape[1])) / sums
    return expected, np.exp(-np.logaddexp(0, none - largest - np.log(sums)))
