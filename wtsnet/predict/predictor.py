"""From pictures, or from prepared inputs, to results, as an engine's manifest says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from wtsnet.decode import rows_of
from wtsnet.errors import ImageError, ModelError
from wtsnet.manifest import one_of, whole_number
from wtsnet.predict.batches import Batch, ahead, batches
from wtsnet.predict.engines import decoder_of, engine_of
from wtsnet.predict.inputs import count_of, place_of_inputs
from wtsnet.predict.picturing import Picturing, check_takes_pictures, no_picture
from wtsnet.predict.prediction import Prediction
from wtsnet.predict.sources import given, paths_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image
    from typing_extensions import Self

    from wtsnet.engine import Engine
    from wtsnet.pictures import Placement
    from wtsnet.predict.sources import Item
    from wtsnet.runtime import Runner

    Broken = Callable[[ImageError], None]


class Predictor:
    """Results for pictures, or for inputs by name, from a plan.

        with wtsnet.Predictor("yolov5s.plan") as predictor:
            predictor("street.jpg").save("found.jpg")

    Closing it closes the runner where this made it, as the end of a `with` does.

    Args:
        engine: an `Engine`, or the path of a plan.
        runner: a kind of runner, which is then made and closed with this, or one of `Engine.runner`.
        conf: the lowest score of an object; 0.25 where it is None.
        iou: how much two boxes of a class may overlap; where it is None, 0.45 for detectors with anchors and 0.7 for
            others, as upstream.
        limit: the most objects a picture, or how many best classes; 300 or 5 where it is None.
        order: of the channels of arrays of 3, "rgb", or "bgr" as OpenCV has them, and of the first 3 of 4 for a network
            of 3; and of what `Prediction.plot` gives. Arrays for a network of more than 3 channels are taken as they
            are, and PIL images and files tell their own order.
        batch: how many pictures go through the network at once; where it is None, as many as it takes, and of what
            comes from a generator as few.
        raw: decode nothing: `found` of each Prediction is a mapping, the outputs by name without batch axis.
        options: of the runner, as of `Engine.runner`.

    Attributes:
        engine: the engine.
        runner: what executes it.
        task: "classify", "detect", "segment", "pose", "obb", "semantic", "lanes", or one of your own.

    Raises:
        ManifestError: the manifest does not say what to do with the outputs, or says of them, or of pictures, what does
            not fit the network. Where it says nothing of pictures, a call with one raises this.
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
        self.engine = engine_of(engine)
        self.task = str(self.engine.manifest.decode.get("task"))
        one_of("order", order, ("rgb", "bgr"))
        self._order = order
        inputs = self.engine.manifest.inputs
        one_input = len(inputs) == 1 and bool(self.engine.manifest.preprocess)
        self._picturing = Picturing(self.engine, order) if one_input else None
        if batch is not None and no_picture(self.engine):
            raise ModelError(f"batch is {batch!r}, but has no meaning where no pictures are taken")
        self._batch = None if batch is None else whole_number("batch", batch, 1, inputs[0]["max"][0])
        self._outputs = [output["name"] for output in self.engine.manifest.outputs]
        self._decoder = decoder_of(self.engine, raw, conf=conf, iou=iou, limit=limit)
        # The last thing that is done, after all that may be wrong.
        self._owned: Runner | None = None
        if isinstance(runner, str):
            self._owned = runner = self.engine.runner(runner, **options)
        elif options:
            raise TypeError(f"unexpected {', '.join(options)}: options of a runner go with a kind of runner")
        self.runner: Runner = runner

    def close(self) -> None:
        """Close the runner, where one was made for this."""
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @overload
    def __call__(self, source: NDArray[Any] | Image.Image, *, broken: Broken | None = None) -> Prediction: ...
    @overload
    def __call__(self, source: str | os.PathLike[str], *, broken: Broken | None = None) -> Any: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # a list and a mapping are iterable too
        self, source: list[Any] | tuple[Any, ...] | Mapping[str, Any], *, broken: Broken | None = None
    ) -> list[Prediction]: ...
    @overload
    def __call__(self, source: Iterable[Any], *, broken: Broken | None = None) -> Iterator[Prediction]: ...
    def __call__(self, source: Any, *, broken: Broken | None = None) -> Any:
        """What is found in pictures, in order and in their own pixels; or what comes of inputs by name.

        One frame or the path of one picture gives a `Prediction`; a list or a tuple of these gives a list. A folder
        (with all below it) or a glob gives an iterator, and so does a generator or whatever else can be iterated over:
        it may never end, and each result comes as soon as it can. Of an iterator no more pictures are in memory than go
        through the network at once, and as many that are read meanwhile from files.

        A mapping of arrays by input name gives a list, a `Prediction` for each row of the batch: this is how networks
        are run that look at no picture, or at several.

        Args:
            source: a frame is uint8, (height, width), (height, width, 3) or, with alpha, (height, width, 4), in the
                order that this was made with, or a PIL image. A network of more than 3 channels takes arrays and .npy
                files of as many, as they are, whatever the order.
            broken: called with the error of a picture that can't be read, which is then left out; of one picture alone
                the error is raised anyway.

        Raises:
            ImageError: `source` is nothing of these; a picture that can't be read, named by its path or number.
            ManifestError: a picture, where the network takes none, or nothing says how it becomes the input.
            RunnerError: the run or the decoder failed; an input is missing, unknown, or of a shape or dtype that the
                engine does not take.
        """
        if isinstance(source, Mapping):
            return list(self.of_inputs(source))
        kind, items = given(source)
        if kind == "one":
            return next(self._results(items, "one", None))
        found = self._results(items, kind, broken)
        return list(found) if kind == "list" else found

    def of_files(
        self, paths: Iterable[str | os.PathLike[str]], *, broken: Broken | None = None
    ) -> Iterator[Prediction]:
        """What is found in the pictures of many files, as of a folder.

        Raises:
            ImageError, ManifestError, RunnerError: as for a call.
        """
        return self._results(paths_of(paths), "files", broken)

    def of_inputs(self, inputs: Mapping[str, Any], where: str = "inputs") -> Iterator[Prediction]:
        """The result of each row of a batch of inputs by name, in pixels of the input where that is a picture.

        Args:
            where: what the inputs are called; their rows are then `where[0]`, `where[1]` …

        Raises:
            RunnerError: as for `outputs`, or the decoder failed.
        """
        outputs, place = self.outputs(inputs), place_of_inputs(self.engine.manifest, inputs)
        count = count_of(outputs)
        wheres = [f"{where}[{i}]" for i in range(count)]
        found = self._found(outputs, [place] * count, None if place is None else place.source, wheres)
        for one, called in zip(found, wheres, strict=True):
            yield Prediction(one, self.task, self.engine.manifest.names, where=called)

    def outputs(self, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """The outputs by name as they are, for arrays by input name.

        Raises:
            RunnerError: an input is missing, unknown, or of a shape or dtype that the engine does not take.
        """
        return self.runner.run(inputs)

    def _results(self, items: Iterable[Item], kind: str, broken: Broken | None) -> Iterator[Prediction]:
        """What is found in items of a kind that `given` tells; that they can be looked at is checked now."""
        if self._picturing is None:
            check_takes_pictures(self.engine, "give the inputs by name, as a mapping")
        assert self._picturing is not None
        usual = self._picturing.takes["min" if kind == "stream" else "max"][0]
        most = 1 if kind == "one" else self._batch or max(1, usual)
        found = batches(items, self._picturing.read, most, self._picturing.alike)
        # A generator is never asked from another thread: who gives one need not be ready for that.
        return self._of_batches(self._picturing, ahead(found) if kind == "files" else found, broken)

    def _of_batches(self, picturing: Picturing, found: Iterator[Batch], broken: Broken | None) -> Iterator[Prediction]:
        for batch in found:
            if batch.pictures:
                yield from self._of_batch(picturing, batch)
            if batch.error is not None:
                if broken is None or batch.end or not isinstance(batch.error, ImageError):
                    raise batch.error
                broken(batch.error)
            del batch  # else its pictures would be in memory until the next ones are read

    def _of_batch(self, picturing: Picturing, batch: Batch) -> Iterator[Prediction]:
        inputs, places, size = picturing.inputs(batch.pictures)
        made, count = self.runner.run(inputs), len(places)
        filled = len(inputs[picturing.takes["name"]]) > count
        outputs = {name: made[name][:count] if filled and made[name].ndim else made[name] for name in self._outputs}
        del inputs, made
        results = self._found(outputs, places, size, [one.item.where for one in batch.pictures])
        names = self.engine.manifest.names
        for one, found in zip(batch.pictures, results, strict=True):
            where, path = one.item.where, one.item.path
            yield Prediction(found, self.task, names, where=where, path=path, picture=one.picture, order=self._order)

    def _found(
        self,
        outputs: Mapping[str, NDArray[Any]],
        places: Sequence[Placement | None],
        size: tuple[int, int] | None,
        wheres: Sequence[str],
    ) -> Iterator[Any]:
        """What is found in each of a batch, one by one: where the decoder fails at one, those before are there."""
        if self._decoder is None:
            return iter(rows_of(outputs, len(places)))
        return self._decoder.each(outputs, places, size, wheres)
