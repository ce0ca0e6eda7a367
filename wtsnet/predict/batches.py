"""Pictures in batches: read as they are needed, so that no more of them are in memory than are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from wtsnet.errors import ImageError
from wtsnet.pictures import Picture
from wtsnet.predict.sources import Item


class Read(NamedTuple):
    """A picture, and what it was read from."""

    item: Item
    picture: Picture


class Batch(NamedTuple):
    """Pictures that go through the network at once, and what was wrong with the one behind them, if anything was."""

    pictures: list[Read]
    error: ImageError | None = None


def batches(items: Iterable[Item], read: Callable[[Item], Picture], most: int, alike: bool) -> Iterator[Batch]:
    """The pictures, up to `most` at once, in order. A batch ends at a picture that can't be read, and, where they must
    be `alike`, at one of another size."""
    group: list[Read] = []
    for item in items:
        try:
            picture = read(item)
        except ImageError as error:
            yield Batch(group, error)
            group = []
            continue
        if alike and group and group[0].picture.shape != picture.shape:
            yield Batch(group)
            group = []
        group.append(Read(item._replace(frame=None), picture))
        if len(group) == most:
            yield Batch(group)
            group = []
    if group:
        yield Batch(group)


def ahead(found: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, each read while the one before it is looked at."""
    with ThreadPoolExecutor(1, "wtsnet-reader") as reader:
        coming = reader.submit(next, found, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, found, None)
            yield batch
