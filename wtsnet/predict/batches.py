"""Pictures in batches: read as they are needed, so that no more of them are in memory than are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from threading import Thread
from typing import NamedTuple

from wtsnet.errors import ImageError
from wtsnet.pictures import Picture
from wtsnet.predict.sources import Item


class Read(NamedTuple):
    """A picture, and what it was read from."""

    item: Item
    picture: Picture


class Batch(NamedTuple):
    """Pictures that go through the network at once, and what was wrong with the one behind them, if anything was;
    `end` where that is what gives the pictures, so that no more will come."""

    pictures: list[Read]
    error: Exception | None = None
    end: bool = False


def batches(items: Iterable[Item], read: Callable[[Item], Picture], most: int, alike: bool) -> Iterator[Batch]:
    """The pictures, up to `most` at once, in order. A batch ends at a picture that can't be read, and, where they must
    be `alike`, at one of another size."""
    group: list[Read] = []
    try:
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
    except Exception as error:  # of a generator, whatever it is: what it gave before comes first
        yield Batch(group, error, end=True)
        return
    if group:
        yield Batch(group)


def ahead(found: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, each read while the one before it is looked at."""
    coming = _begun(found)
    while (batch := coming.result()) is not None:
        coming = _begun(found)
        yield batch


def _begun(found: Iterator[Batch]) -> Future[Batch | None]:
    """The next batch, which another thread reads. No pool: Python waits for its threads, and one that hangs in opening
    a file would keep Ctrl-C from ending the process."""
    coming: Future[Batch | None] = Future()

    def read() -> None:
        try:
            coming.set_result(next(found, None))
        except BaseException as error:
            coming.set_exception(error)

    Thread(target=read, name="wtsnet-reader", daemon=True).start()
    return coming
