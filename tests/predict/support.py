"""Runners that are watched, pictures, and a network that any picture fits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wtsnet
from tests.small import tiny_file
from wtsnet.predict.prediction import Prediction


class Spy:
    """A runner that notes the batches it is given."""

    kind, reason = "spy", ""

    def __init__(self, runner: Any) -> None:
        self.runner = runner
        self.batches: list[list[int]] = []

    def run(self, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        self.batches.append([array.shape[0] for array in inputs.values()])
        made: dict[str, NDArray[Any]] = self.runner.run(inputs)
        return made

    def close(self) -> None:
        pass


def pictures(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(seed)
    sizes = [(40 + 7 * i, 60 - 5 * i) for i in range(count)]
    return [random.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


SOURCE = """
import wtsnet

@wtsnet.model("tiny", image=wtsnet.Image(size=4, preprocess={}), task="%s")
def tiny(s, x):
    return -x
"""


def negative(folder: Path, **preprocess: Any) -> wtsnet.Engine:
    """An engine of 4×4 pictures, the outputs of which are their negative; of no task."""
    engine = wtsnet.build(tiny_file(folder, SOURCE % "none"), {}, batch=(1, 2, 3))
    engine.manifest.preprocess = {"kind": "stretch", "size": 4, **preprocess}
    return engine


def scores(one: Prediction) -> list[float]:
    return [round(float(score), 5) for score in one.scores]
