"""The pool of slots: who may run, and when what is freed."""

from __future__ import annotations

from threading import Condition
from typing import TYPE_CHECKING, Any

from wtsnet.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wtsnet.runtime.arrays import Arrivals
    from wtsnet.runtime.buffers import Memory
    from wtsnet.runtime.slot import Slot
    from wtsnet.runtime.stats import Tally


class Slots:
    """Hands out slots, each to one at a time, and frees them and what they share.

    Args:
        make: makes one.
        count: how many there are to be.
        memory, arrivals: what they share.
        owners: what the engine came from, and the engine: freed in the reverse order, after the slots.
    """

    def __init__(
        self, make: Callable[[], Slot], count: int, memory: Memory, arrivals: Arrivals, owners: list[Any]
    ) -> None:
        self._free: list[Slot] = []
        self._left = 0
        self._changed = Condition()
        self._memory, self._arrivals, self._owners = memory, arrivals, owners
        self._closed = ""
        try:
            for _ in range(count):
                self._free.append(make())
                self._left += 1
        except BaseException:
            self.close()
            raise
        self.tallies: list[Tally] = [slot.tally for slot in self._free]

    @property
    def closed(self) -> str:
        """Why there are no more slots; empty while there are."""
        return self._closed

    def take(self, wait: bool = True) -> Slot | None:
        """A slot: the one that was used last, whose memory is the warmest. With `wait` it is never None.

        Raises:
            RunnerError: the runner is closed, or was closed meanwhile.
        """
        with self._changed:
            while not self._free or self._closed:
                if self._closed:
                    raise RunnerError(self._closed)
                if not wait:
                    return None
                self._changed.wait()
            return self._free.pop()

    def give_back(self, slot: Slot) -> None:
        """Let the next one have a slot; free it where the runner was closed meanwhile."""
        with self._changed:
            if not self._closed:
                self._free.append(slot)
                self._changed.notify()
                return
        self._discard([slot])

    def close(self, reason: str = "the runner is closed") -> None:
        """Free the slots that are not in use now, and each other one when it comes back; nobody gets one any more."""
        with self._changed:
            if self._closed:
                return
            self._closed = reason
            slots, self._free = self._free, []
            self._changed.notify_all()
        self._discard(slots)

    def _discard(self, slots: list[Slot]) -> None:
        with self._changed:
            self._left -= len(slots)
            last = self._left == 0  # or none was made
        try:
            with self._memory.device.device:
                for slot in slots:
                    slot.close()
                if last:
                    self._arrivals.close()
                    while self._owners:
                        self._owners.pop()
                    for pool in self._memory:
                        pool.close()
        except RunnerError:
            pass  # a device that is lost has nothing left to free
