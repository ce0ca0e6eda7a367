"""How pictures become the input of a network, as its manifest says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.definition import axes_of, check_fit
from wtsnet.errors import ImageError, ManifestError
from wtsnet.pictures import Preprocess, swapped
from wtsnet.predict.engines import name_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.engine import Engine
    from wtsnet.pictures import Picture, Placement
    from wtsnet.predict.batches import Read
    from wtsnet.predict.sources import Item


def no_picture(engine: Engine) -> str:
    """Why an engine can be given no picture; nothing where it can."""
    name, inputs = name_of(engine), engine.manifest.inputs
    if len(inputs) != 1:
        names = " and ".join(one["name"] for one in inputs)
        return f"{name}: takes {names or 'nothing'}, and a picture is one input"
    (takes,) = inputs
    if len(takes["max"]) != 4:
        return f"{name}: takes {takes['name']} {takes['dtype']} {takes['shape']}, which is no picture"
    if not engine.manifest.preprocess:
        return (
            f"{name}: preprocess: the manifest does not say how a picture becomes the input; set its kind, as in "
            "wtsnet build … --preprocess stretch (or letterbox, crop …)"
        )
    return ""


def check_takes_pictures(engine: Engine, otherwise: str) -> None:
    """Refuse an engine that can be given no picture.

    Args:
        otherwise: what to do then.

    Raises:
        ManifestError: it takes several inputs or none that is a picture, or nothing says how one becomes the input.
    """
    if why := no_picture(engine):
        raise ManifestError(f"{why}; {otherwise}")


class Picturing:
    """How pictures become the one input of an engine that takes some.

    Attributes:
        takes: the input.
        order: of the channels of frames that are arrays of 3, "rgb" or "bgr".
        alike: whether all pictures of a batch must have one size.

    Raises:
        ManifestError: what is done to a picture does not make of it what the network takes.
    """

    def __init__(self, engine: Engine, order: str) -> None:
        (self.takes,) = engine.manifest.inputs
        self.order = order
        try:
            self._preprocess = Preprocess.from_dict(engine.manifest.preprocess)
            check_fit(self._preprocess, self.takes)
        except ManifestError as error:
            raise ManifestError(f"{name_of(engine)}: {error}") from None
        self.alike = self._preprocess.size is None

    def read(self, item: Item) -> Picture:
        """The picture of an item, (height, width, channels) uint8, red first.

        Raises:
            ImageError: it can't be read, or is of a size that the network does not take.
        """
        channels = self._preprocess.channels
        # Read in colours for a network of grey pictures too, to be drawn on. Of a grey one, that changes no value.
        picture = item.picture(3 if channels == 1 else channels, self.order)
        if self.alike:
            low, high = ([self.takes[end][i] for i in axes_of(self._preprocess)[1:]] for end in ("min", "max"))
            sides = picture.shape[:2]
            if not all(a <= side <= b for a, side, b in zip(low, sides, high, strict=True)):
                raise ImageError(
                    f"{item.where}: found {sides[0]}×{sides[1]} pixels (height × width), expected from "
                    f"{low[0]}×{low[1]} to {high[0]}×{high[1]}"
                )
        return picture

    def inputs(
        self, pictures: Sequence[Read]
    ) -> tuple[dict[str, NDArray[Any]], list[Placement | None], tuple[int, int]]:
        """The input by name for pictures that were read, no shorter than the engine takes; where each lies in it; and
        its height and width."""
        values, places = self._preprocess([self._turned(one) for one in pictures])
        size = self._preprocess.size_of(values)
        if (short := self.takes["min"][0] - len(values)) > 0:  # the engine takes no fewer: the last picture again
            values = np.concatenate([values, np.repeat(values[-1:], short, axis=0)])
        return {self.takes["name"]: values}, places, size

    def _turned(self, one: Read) -> Picture:
        """The picture in the order that `Preprocess` takes. An array of more channels than there are colours is in the
        network's own order, whatever that is: the turns of its first three, here and by `Preprocess`, cancel out."""
        by_order = self.order == "bgr" and one.item.path is None  # a .npy file is read red first
        turned = by_order != (self._preprocess.order == "BGR")
        if one.picture.shape[2] == 4 and one.item.is_array and turned:  # of more than 4, none is turned at all
            return swapped(one.picture)
        return one.picture
