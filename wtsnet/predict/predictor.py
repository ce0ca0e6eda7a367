"""From pictures to results, as an engine's manifest says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from wtsnet.decode import rows_of
from wtsnet.definition import axes_of, check_fit
from wtsnet.errors import ImageError, ManifestError
from wtsnet.manifest import one_of, whole_number
from wtsnet.pictures import Preprocess, swapped
from wtsnet.predict.batches import Batch, ahead, batches
from wtsnet.predict.engines import Running, decoder_of, name_of
from wtsnet.predict.prediction import Prediction
from wtsnet.predict.sources import given, paths_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from wtsnet.engine import Engine
    from wtsnet.manifest import Input
    from wtsnet.pictures import Picture
    from wtsnet.predict.batches import Read
    from wtsnet.predict.sources import Item
    from wtsnet.runtime import Runner

    Broken = Callable[[ImageError], None]


class Predictor(Running):
    """Results for pictures, from a plan.

        with wtsnet.Predictor("yolov5s.plan") as predictor:
            predictor("street.jpg").save("found.jpg")

    Args:
        engine: an `Engine`, or the path of a plan.
        runner: a kind of runner, which is then made and closed with this, or one of `Engine.runner`.
        conf: the lowest score of an object; 0.25 where it is None.
        iou: how much two boxes of a class may overlap; where it is None, 0.45 for detectors with anchors and 0.7 for
            others, as upstream.
        limit: the most objects a picture, or how many best classes; 300 or 5 where it is None.
        order: of the channels of arrays, "rgb", or "bgr" as OpenCV has them; and of what `Prediction.plot` gives.
        batch: how many pictures go through the network at once; where it is None, as many as it takes, and of what
            comes from a generator as few.
        raw: give the outputs of each picture as they are, arrays by name without batch axis, and decode nothing.
        options: of the runner, as of `Engine.runner`.

    Attributes:
        engine: the engine.
        runner: what executes it.
        task: "classify", "detect", "segment", "pose", "obb", "semantic", "lanes", or one of your own.

    Raises:
        ManifestError: the manifest does not say what to do with a picture or with the outputs, or says what does not
            fit the network.
        ModelError: an option that has no meaning for the task, or a value that it can't take.
        EngineError, RunnerError: the plan can't be loaded or run.
    """

    def __init__(
        self,
        engine: Engine | str | os.PathLike[str],
        runner: Runner | str = "auto",
        *,
        conf: float | None = None,
        iou: float | None = None,
        limit: int | None = None,
        order: str = "rgb",
        batch: int | None = None,
        raw: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(engine)
        manifest = self.engine.manifest
        one_of("order", order, ("rgb", "bgr"))
        self._order = order
        self._input = _the_input(self.engine)
        self._preprocess = _preprocess_of(self.engine)
        self._batch = None if batch is None else whole_number("batch", batch, 1, self._input["max"][0])
        self._outputs = [output["name"] for output in manifest.outputs]
        self._decoder = decoder_of(self.engine, raw, conf=conf, iou=iou, limit=limit)
        self._run_with(runner, options)

    @overload
    def __call__(self, source: NDArray[Any] | Image.Image, *, broken: Broken | None = None) -> Prediction: ...
    @overload
    def __call__(self, source: str | os.PathLike[str], *, broken: Broken | None = None) -> Any: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # a list is iterable too
        self, source: list[Any] | tuple[Any, ...], *, broken: Broken | None = None
    ) -> list[Prediction]: ...
    @overload
    def __call__(self, source: Iterable[Any], *, broken: Broken | None = None) -> Iterator[Prediction]: ...
    def __call__(self, source: Any, *, broken: Broken | None = None) -> Any:
        """What is found in pictures, in order and in their own pixels.

        One frame or the path of one picture gives a `Prediction`; a list or a tuple of these gives a list. A folder
        (with all below it) or a glob gives an iterator, and so does a generator or whatever else can be iterated over:
        it may never end, and each result comes as soon as it can. Of an iterator no more pictures are in memory than go
        through the network at once, and as many that are read meanwhile from files.

        Args:
            source: a frame is uint8, (height, width), (height, width, 3), or with alpha, in the order that this was
                made with, or a PIL image. A network of more channels takes arrays of as many, as they are.
            broken: called with the error of a picture that can't be read, which is then left out; of one picture alone
                the error is raised anyway.

        Raises:
            ImageError: `source` is nothing of these; a picture that can't be read, named by its path or number.
            RunnerError: the run or the decoder failed.
        """
        kind, items = given(source)
        if kind == "one":
            return next(self._results(items, 1, None))
        found = self._results(items, self._at_once(kind), broken, background=kind == "files")
        return list(found) if kind == "list" else found

    def of_files(
        self, paths: Iterable[str | os.PathLike[str]], *, broken: Broken | None = None
    ) -> Iterator[Prediction]:
        """What is found in the pictures of many files, as of a folder.

        Raises:
            ImageError, RunnerError: as for a call.
        """
        return self._results(paths_of(paths), self._at_once("files"), broken, background=True)

    def _at_once(self, kind: str) -> int:
        if self._batch is not None:
            return self._batch
        return max(1, self._input["min" if kind == "stream" else "max"][0])

    def _results(
        self, items: Iterable[Item], most: int, broken: Broken | None, background: bool = False
    ) -> Iterator[Prediction]:
        found = batches(items, self._read, most, self._preprocess.size is None)
        # A generator is never asked from another thread: who gives one need not be ready for that.
        for batch in ahead(found) if background else found:
            yield from self._of_batch(batch)
            if batch.error is not None:
                if broken is None:
                    raise batch.error
                broken(batch.error)
            del batch  # else its pictures would be in memory until the next ones are read

    def _read(self, item: Item) -> Picture:
        channels = self._preprocess.channels
        # Read in colours for a network of grey pictures too, to be drawn on. Of a grey one, that changes no value.
        picture = item.picture(3 if channels == 1 else channels, self._order)
        if self._preprocess.size is None:
            low, high = (
                [spec[i] for i in axes_of(self._preprocess)[1:]] for spec in (self._input["min"], self._input["max"])
            )
            sides = picture.shape[:2]
            if not all(a <= side <= b for a, side, b in zip(low, sides, high, strict=True)):
                raise ImageError(
                    f"{item.where}: found {sides[0]}×{sides[1]} pixels (height × width), expected from "
                    f"{low[0]}×{low[1]} to {high[0]}×{high[1]}"
                )
        return picture

    def _of_batch(self, batch: Batch) -> Iterator[Prediction]:
        if not batch.pictures:
            return
        values, places = self._preprocess([self._turned(one) for one in batch.pictures])
        size = self._preprocess.size_of(values)
        count = len(values)
        if (short := self._input["min"][0] - count) > 0:  # the engine takes no fewer: the last picture again
            values = np.concatenate([values, np.repeat(values[-1:], short, axis=0)])
        made = self.runner.run({self._input["name"]: values})
        outputs = {name: made[name][:count] if short > 0 else made[name] for name in self._outputs}
        del values, made
        results = rows_of(outputs, count) if self._decoder is None else self._decoder(outputs, places, size)
        for one, found in zip(batch.pictures, results, strict=True):
            yield self._prediction(one, found)

    def _turned(self, one: Read) -> Picture:
        """The picture in the order that `Preprocess` takes. An array of more channels than there are colours is in the
        network's own order, whatever that is."""
        turned = (self._order == "bgr") != (self._preprocess.order == "BGR")
        if one.picture.shape[2] > 3 and one.item.is_array and turned:
            return swapped(one.picture)
        return one.picture

    def _prediction(self, one: Read, found: Any) -> Prediction:
        where, path, names = one.item.where, one.item.path, self.engine.manifest.names
        return Prediction(found, self.task, names, where=where, path=path, picture=one.picture, order=self._order)


def _the_input(engine: Engine) -> Input:
    """The one input that pictures become."""
    inputs = engine.manifest.inputs
    names = " and ".join(one["name"] for one in inputs)
    if len(inputs) != 1:
        raise ManifestError(
            f"{name_of(engine)}: takes {names or 'nothing'}, and a picture is one input; give --inputs, an .npz of all"
        )
    return inputs[0]


def _preprocess_of(engine: Engine) -> Preprocess:
    """What is done to a picture, which must make of it what the network takes."""
    name, manifest = name_of(engine), engine.manifest
    if not manifest.preprocess:
        raise ManifestError(
            f"{name}: preprocess: the manifest does not say how a picture becomes the input; set its kind, as in "
            "wtsnet build … --preprocess stretch (or letterbox, crop …), or give --inputs that are prepared"
        )
    try:
        made = Preprocess.from_dict(manifest.preprocess)
        check_fit(made, manifest.inputs[0])
    except ManifestError as error:
        raise ManifestError(f"{name}: {error}") from None
    return made
