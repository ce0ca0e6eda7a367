"""The reference runner of a plan: its network, executed by torch within the plan's profile."""

from __future__ import annotations

from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import RunnerError
from wtsnet.runtime.base import BaseRunner
from wtsnet.runtime.batch import joined
from wtsnet.runtime.inputs import Inputs
from wtsnet.runtime.options import on_device
from wtsnet.runtime.stats import Stats, Tally, stats_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from wtsnet.manifest import PlanManifest
    from wtsnet.network import Network
    from wtsnet.reference import ReferenceRunner


def reference_runner(definition: Any, device: str | None = None) -> ReferenceRunner:
    """A `ReferenceRunner` of an INetworkDefinition.

    Args:
        device: "cpu" or "cuda"; None for "cuda" where torch finds one.

    Raises:
        RunnerError: torch is not installed, or finds no such device; a layer that the runtime does not execute.
    """
    try:
        import torch

        from wtsnet.reference import ReferenceRunner
    except ImportError as error:
        raise RunnerError(f"the reference runner needs torch ({error}); pip install torch") from None
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise RunnerError(
            f"device: found {device!r}, expected cpu or a cuda device of this machine ({reason})"
        ) from None
    return ReferenceRunner(definition, device)


class PlanReferenceRunner(BaseRunner):
    """Executes the network of a plan with torch, which needs no GPU and not the plan itself. One run at a time.

    Args:
        network: what the plan was built from. It owns the weights that are read.
        manifest: the plan's.
        reason: why this runner was taken.
        device: "cpu" or "cuda"; None for "cuda" where torch finds one.

    Attributes:
        device: the kind of device that it runs on: "cpu" or "cuda".
    """

    kind = "reference"

    def __init__(self, network: Network, manifest: PlanManifest, reason: str, device: str | None = None) -> None:
        self._network = network
        self._runner = reference_runner(self._network.trt, device)
        self.device = self._runner.device.type
        super().__init__(f"reference on {self.device}: {reason}", 1)
        outputs = {spec.name: tuple(spec.shape) for spec in self._runner.outputs.values()}
        self._inputs = Inputs(manifest.inputs, outputs, manifest.axes)
        self._turn = Lock()
        self._tally = Tally()

    def run(self, inputs: Mapping[str, Any], outputs: str | None = None) -> dict[str, NDArray[Any]]:
        """The outputs by name. A batch that is larger than the engine takes is cut into pieces.

        Args:
            inputs: arrays by name.
            outputs: "numpy", or None.

        Raises:
            RunnerError: inputs that do not fit, outputs that are to stay on a device; a layer that fails.
        """
        if outputs is not None and on_device(outputs):
            raise RunnerError(f"outputs: found 'device', expected 'numpy': it is the runner {self.reason}")
        arrays = self._inputs.checked(inputs)
        pieces, sizes = self._inputs.pieces(arrays)
        results = [self._one(piece) for piece in pieces]
        return joined(results, sizes, np.concatenate) if sizes else results[0]

    def _one(self, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        with self._turn:
            start = perf_counter()
            outputs = self._runner.run(inputs)
            seconds = perf_counter() - start
            size = sum(array.nbytes for array in (*inputs.values(), *outputs.values()))
            self._tally.add((0, 0, 0, size), (0.0, 0.0, seconds, 0.0, seconds))
        return outputs

    def stream(
        self, frames: Iterable[Mapping[str, Any]], outputs: str | None = None
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """The outputs of each frame, in order, one after the other; `outputs` as of `run`."""
        return (self.run(frame, outputs) for frame in frames)

    def stats(self) -> Stats:
        """What was done so far; copies to a device are counted as computing."""
        return stats_of([self._tally])

    def _close(self) -> None:
        self._runner.close()  # who gave the network may keep it
