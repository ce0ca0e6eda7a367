"""From pictures to results: preprocess, run, decode, as an engine's manifest says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet.decode import Decoder
from wtsnet.errors import ManifestError
from wtsnet.pictures import Preprocess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from wtsnet.decode import Result
    from wtsnet.engine import Engine
    from wtsnet.runtime import Runner


class Predictor:
    """Results for pictures, from an engine and a runner of it.

    Args:
        engine: tells how pictures are preprocessed and what the outputs mean.
        runner: one of `Engine.runner`.
        conf: the lowest score of an object; 0.25 where it is None.
        iou: how much two boxes of a class may overlap; where it is None, 0.45 for detectors with anchors and 0.7 for
            others, as upstream.
        limit: the most objects a picture, or how many best classes; 300 or 5 where it is None.

    Attributes:
        task: "classify", "detect", "segment", "pose", "obb", "semantic" or "lanes".

    Raises:
        ManifestError: the manifest does not say what to do with a picture or with the outputs.
        ModelError: an option that has no meaning for the task, or a value that it can't take.
    """

    def __init__(
        self,
        engine: Engine,
        runner: Runner,
        *,
        conf: float | None = None,
        iou: float | None = None,
        limit: int | None = None,
    ) -> None:
        manifest = engine.manifest
        name = engine.path or manifest.model
        if not manifest.preprocess:
            raise ManifestError(f"{name}: preprocess: the manifest does not say how a picture becomes the input")
        try:
            self._decoder = Decoder(manifest.decode, manifest.names or None, conf=conf, iou=iou, limit=limit)
        except ManifestError as error:
            raise ManifestError(f"{name}: {error}") from None
        self.task = self._decoder.task
        self._runner = runner
        self._preprocess = Preprocess.from_dict(manifest.preprocess)
        self._input = manifest.inputs[0]
        self._outputs = [output["name"] for output in manifest.outputs]

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> Iterator[Result]:
        """The result of each picture (H, W, 3) uint8 RGB, in order and in its own pixels. As many pictures go through
        the network at once as it takes."""
        most = self._input["max"][0]
        for start in range(0, len(images), most):
            batch, places = self._preprocess(images[start : start + most])
            short = self._input["min"][0] - len(batch)
            if short > 0:  # the engine takes no fewer: the last picture again
                batch = np.concatenate([batch, np.repeat(batch[-1:], short, axis=0)])
            outputs = self._runner(**{self._input["name"]: batch})
            own = {name: outputs[name][: len(places)] for name in self._outputs}
            yield from self._decoder(own, places, self._preprocess.size)
