"""Inputs that are no pictures: read from a file, run, and what comes of them."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import RunnerError
from wtsnet.manifest import whole
from wtsnet.pictures import Letterbox, Preprocess
from wtsnet.predict.engines import Running, decoder_of
from wtsnet.predict.prediction import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.engine import Engine
    from wtsnet.runtime import Runner


class InputPredictor(Running):
    """Results for prepared inputs, from a plan: also of networks that look at no picture, or at several.

    Args:
        engine, runner, conf, iou, limit, options: as of `Predictor`.
        raw: only the outputs are wanted; nothing has to say what they mean.

    Raises:
        WtsnetError: as for `Predictor`.
    """

    def __init__(
        self,
        engine: Engine | str | os.PathLike[str],
        runner: Runner | str = "auto",
        *,
        conf: float | None = None,
        iou: float | None = None,
        limit: int | None = None,
        raw: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(engine)
        self._decoder = decoder_of(self.engine, raw, conf=conf, iou=iou, limit=limit)
        self._run_with(runner, options)

    def outputs(self, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """The outputs by name, for arrays by input name.

        Raises:
            RunnerError: an input is missing, unknown, or of a shape or dtype that the engine does not take.
        """
        return self.runner.run(inputs)

    def __call__(self, inputs: Mapping[str, Any], where: str = "inputs") -> list[Prediction]:
        """The result of each row of a batch, in pixels of the input where it is a picture. `where` is what the inputs
        are called.

        Raises:
            RunnerError: as for `outputs`, or the decoder failed.
        """
        assert self._decoder is not None  # who asked for raw outputs takes these
        outputs, size = self.outputs(inputs), self._size(inputs)
        place = size and Letterbox(1.0, 0, 0, size, size)  # a picture that fills the input
        found = self._decoder(outputs, [place] * len(next(iter(outputs.values()))), size)
        names = self.engine.manifest.names
        return [Prediction(one, self.task, names, where=f"{where}[{i}]") for i, one in enumerate(found)]

    def _size(self, inputs: Mapping[str, Any]) -> tuple[int, int] | None:
        """Height and width of the input, where it is one picture or a batch of such."""
        manifest = self.engine.manifest
        arrays = [np.asarray(array) for array in inputs.values()]
        if len(arrays) != 1 or arrays[0].ndim != 4:
            return None
        if manifest.preprocess:
            return Preprocess.from_dict(manifest.preprocess).size_of(arrays[0])
        height, width = arrays[0].shape[1:3] if manifest.inputs[0]["dtype"] == "uint8" else arrays[0].shape[2:]
        return height, width


def read_inputs(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz by name.

    Raises:
        RunnerError: it can't be read, or is none.
    """
    name = os.fspath(path)
    try:
        with open(path, "rb") as stream:  # numpy leaves what it opens itself open where it can't read it
            file = np.load(stream, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array without a name")
            return dict(file)
    except OSError as error:
        raise RunnerError(f"{name}: can't be read ({error.strerror or error})") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RunnerError(f"{name}: expected an .npz of the inputs by name ({error})") from None


def save_outputs(path: str | os.PathLike[str], outputs: Mapping[str, NDArray[Any]]) -> None:
    """Write outputs by name as an .npz, whole or not at all.

    Raises:
        RunnerError: the folder can't be written to.
    """
    try:
        with whole(path) as (part,), open(part, "wb") as file:
            np.savez(file, allow_pickle=False, **outputs)
    except OSError as error:
        raise RunnerError(f"{os.fspath(path)}: can't be written ({error.strerror})") from None
