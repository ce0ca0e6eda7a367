"""CUDA graphs of one execution context, each for its shapes and addresses."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

from wtsnet.errors import RunnerError
from wtsnet.runtime import libcuda

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

KEPT = 8
"""Graphs at most; the one that was used the longest ago goes first."""


class Graphs:
    """The graphs of a stream. Everything here is called with the device's context current."""

    def __init__(self, stream: int) -> None:
        self._stream = stream
        self._graphs: OrderedDict[Hashable, int] = OrderedDict()

    def launch(self, key: Hashable) -> bool:
        """Launch the graph of these shapes and addresses; False where there is none."""
        if key not in self._graphs:
            return False
        self._graphs.move_to_end(key)
        libcuda.launch(self._graphs[key], self._stream)
        return True

    def capture(self, key: Hashable, work: Callable[[], None]) -> None:
        """Keep what `work` gives the stream as a graph. It is not executed.

        Raises:
            RunnerError: it can't be captured.
        """
        libcuda.begin_capture(self._stream)
        try:
            work()
        except RunnerError as error:
            self._give_up()
            raise RunnerError(f"graph=True: the network can't be captured ({error}); run it without") from error
        except BaseException:
            self._give_up()
            raise
        try:
            self._graphs[key] = libcuda.end_capture(self._stream)
        except RunnerError as error:
            raise RunnerError(f"graph=True: the network can't be captured ({error}); run it without") from error
        if len(self._graphs) > KEPT:
            libcuda.destroy(self._graphs.popitem(last=False)[1])

    def _give_up(self) -> None:
        with suppress(RunnerError):  # as expected: a capture that failed gives no graph
            libcuda.destroy(libcuda.end_capture(self._stream))

    def close(self) -> None:
        """Free them."""
        while self._graphs:
            libcuda.destroy(self._graphs.popitem()[1])
