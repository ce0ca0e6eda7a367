"""What all runners do alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import RunnerError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray
    from typing_extensions import Self

    from wtsnet.runtime.inputs import Inputs
    from wtsnet.runtime.stats import Stats


class BaseRunner(ABC):
    """A runner (see `wtsnet.runtime.Runner`), as far as it does not matter what executes the network.

    Args:
        reason: why this kind was taken.
        workers: how many runs of `submit` go on at once.
    """

    kind: str
    _inputs: Inputs

    def __init__(self, reason: str, workers: int) -> None:
        self.reason = reason
        self._workers = workers
        self._executor: ThreadPoolExecutor | None = None
        self._starting = Lock()
        self._closed = False

    @abstractmethod
    def run(self, inputs: Mapping[str, Any], outputs: str | None = None) -> dict[str, Any]:
        """The outputs by name."""

    @abstractmethod
    def stream(self, frames: Iterable[Mapping[str, Any]], outputs: str | None = None) -> Iterator[dict[str, Any]]:
        """The outputs of each frame, in order."""

    @abstractmethod
    def stats(self) -> Stats:
        """What was done so far."""

    @abstractmethod
    def _close(self) -> None:
        """Free everything."""

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        """`run` with the inputs as keyword arguments."""
        return self.run(inputs)

    def submit(self, **inputs: Any) -> Future[dict[str, Any]]:
        """Run on another thread: a future of the outputs. The inputs must stay as they are until then."""
        with self._starting:
            if self._closed:
                raise RunnerError("the runner is closed")
            self._executor = self._executor or ThreadPoolExecutor(self._workers, "wtsnet-runner")
            return self._executor.submit(self.run, inputs)

    def empty(self, name: str, shape: Sequence[int]) -> NDArray[Any]:
        """An uninitialized array of an input's dtype, in the memory from which the runner takes it fastest."""
        specs = self._inputs.specs
        if name not in specs:
            raise RunnerError(f"input {name!r}: unknown{nearest(name, specs)} (the engine takes {self._inputs})")
        return self._empty(tuple(shape), specs[name].dtype)

    def _empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        return np.empty(shape, dtype)

    def close(self) -> None:
        """Free everything. Runs that go on elsewhere end first; those that wait for their turn fail."""
        with self._starting:
            self._closed = True
        self._close()
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
