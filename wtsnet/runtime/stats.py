"""What a runner has done: bytes, counts and times of each stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Stage:
    """One stage of all runs so far.

    Attributes:
        count: how many runs had it.
        bytes: how many went through it.
        seconds: how long it took, all runs together.
    """

    count: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def __add__(self, other: Stage) -> Stage:
        return Stage(self.count + other.count, self.bytes + other.bytes, self.seconds + other.seconds)


@dataclass(frozen=True)
class Stats:
    """What a runner has done. A call whose batch was cut counts as many runs as pieces.

    The times of the device come from CUDA events, and so contain what a run waits for another one that uses the same
    copy engine or the same multiprocessors: with several contexts their sum exceeds the time that went by.

    Attributes:
        staging: copies between the caller's arrays and page-locked memory, on the host.
        host_to_device, compute, device_to_host: on the device.
        total: from when a run has its execution context until its outputs are there, on the host; its bytes are
            those of the inputs and outputs.
        device_bytes, host_bytes: device and page-locked memory that the runner holds now for inputs and outputs.
    """

    staging: Stage = Stage()
    host_to_device: Stage = Stage()
    compute: Stage = Stage()
    device_to_host: Stage = Stage()
    total: Stage = Stage()
    device_bytes: int = 0
    host_bytes: int = 0


class Tally:
    """Adds up the runs of one execution context."""

    def __init__(self) -> None:
        self._runs = 0
        self._staged, self._in, self._out, self._all = 0, 0, 0, 0
        self._staging, self._copy_in, self._compute, self._copy_out, self._total = 0.0, 0.0, 0.0, 0.0, 0.0

    def add(self, sizes: tuple[int, int, int, int], seconds: tuple[float, float, float, float, float]) -> None:
        """A run.

        Args:
            sizes: bytes staged, copied to the device, copied from it, and of all inputs and outputs.
            seconds: of the five stages.
        """
        self._runs += 1
        self._staged += sizes[0]
        self._in += sizes[1]
        self._out += sizes[2]
        self._all += sizes[3]
        self._staging += seconds[0]
        self._copy_in += seconds[1]
        self._compute += seconds[2]
        self._copy_out += seconds[3]
        self._total += seconds[4]

    def stages(self) -> tuple[Stage, Stage, Stage, Stage, Stage]:
        """The five stages."""
        runs = self._runs
        return (
            Stage(runs, self._staged, self._staging),
            Stage(runs, self._in, self._copy_in),
            Stage(runs, 0, self._compute),
            Stage(runs, self._out, self._copy_out),
            Stage(runs, self._all, self._total),
        )


def stats_of(tallies: Iterable[Tally], device_bytes: int = 0, host_bytes: int = 0) -> Stats:
    """What several execution contexts did together."""
    sums = [Stage()] * 5
    for tally in tallies:
        sums = [a + b for a, b in zip(sums, tally.stages(), strict=True)]
    staging, host_to_device, compute, device_to_host, total = sums
    return Stats(staging, host_to_device, compute, device_to_host, total, device_bytes, host_bytes)
