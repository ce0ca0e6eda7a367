"""The TensorRT runner: a plan on a GPU, for any number of threads."""

from __future__ import annotations

import weakref
from collections import deque
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.errors import EngineError, RunnerError
from wtsnet.runtime import cuda
from wtsnet.runtime.arrays import Arrivals, DeviceArray, concatenated
from wtsnet.runtime.base import BaseRunner
from wtsnet.runtime.batch import joined
from wtsnet.runtime.buffers import Memory, taken
from wtsnet.runtime.inputs import Inputs
from wtsnet.runtime.memory import DevicePool, HostPool
from wtsnet.runtime.options import check_contexts, on_device
from wtsnet.runtime.ports import ports_of
from wtsnet.runtime.slot import Slot
from wtsnet.runtime.slots import Slots
from wtsnet.runtime.stats import Stats, stats_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from wtsnet.manifest import Input, PlanManifest
    from wtsnet.runtime.arrays import Lane


class TensorRTRunner(BaseRunner):
    """Runs an engine in the device's primary context: the one that torch and CuPy use.

    Args:
        engine: an ICudaEngine.
        inputs: what it takes, by name.
        reason: why this runner was taken.
        device: the CUDA device's number.
        contexts: how many runs can be in flight at once, each with its execution context, stream and buffers.
        graph: whether to replay the engine's work from a CUDA graph, which is captured anew for new shapes.
        outputs: "numpy", or "device" for arrays that stay there (`DeviceArray`).
        owner: what the engine came from, and must outlive it.
        axes: the names of axes, as in a plan's manifest.

    Raises:
        EngineError: an engine with other inputs than `inputs`, with a tensor of a 4-bit dtype, or that does not fit
            into memory.
        RunnerError: CUDA failed, or an option has no such value.
    """

    kind = "tensorrt"

    def __init__(
        self,
        engine: Any,
        inputs: Mapping[str, Input],
        reason: str = "",
        *,
        device: int = 0,
        contexts: int = 1,
        graph: bool = False,
        outputs: str = "numpy",
        owner: Any = None,
        axes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        check_contexts(contexts)
        super().__init__(f"tensorrt: {reason}", contexts)
        self._on_device = on_device(outputs)
        self._device = cuda.device(device)
        with self._device:
            taken_in, given_out = ports_of(engine, inputs)
        if graph and (host := [port.name for port in taken_in if port.host]):
            raise EngineError(f"graph=True: input {host[0]!r} decides shapes, and is read on the host; run without")
        self._inputs = Inputs(inputs.values(), {port.name: port.shape for port in given_out}, axes)
        self._memory = Memory(DevicePool(self._device), HostPool(self._device))
        self._arrivals = Arrivals(self._device)
        self._slots = Slots(
            lambda: Slot(engine, taken_in, given_out, self._memory, graph),
            contexts,
            self._memory,
            self._arrivals,
            [owner, engine],
        )
        self._finalizer = weakref.finalize(self, self._slots.close)

    @classmethod
    def from_plan(
        cls, plan: bytes, manifest: PlanManifest, reason: str = "", *, device: int = 0, **options: Any
    ) -> TensorRTRunner:
        """Deserialize a plan and run it.

        Raises:
            EngineError: TensorRT can't open it; TensorRT's own words are given.
        """
        runtime, engine = opened(plan, device)
        specs = {spec["name"]: spec for spec in manifest.inputs}
        return cls(engine, specs, reason, device=device, owner=runtime, axes=manifest.axes, **options)

    def run(self, inputs: Mapping[str, Any], outputs: str | None = None) -> dict[str, Any]:
        """The outputs by name. A batch that is larger than the engine takes is cut into pieces.

        From any thread; waits for an execution context that is free.

        Args:
            inputs: by name: arrays, or what is on the device and has `__dlpack__` or `__cuda_array_interface__`.
                The latter is not copied, and read once what its producer has on its stream is done. Arrays from
                `empty` are copied to the device directly.
            outputs: "numpy" or "device"; None for what the runner was made for.

        Raises:
            RunnerError: inputs that do not fit; CUDA or TensorRT failed. Where the device is lost the runner is
                closed, and the error says so; else it can be used again.
        """
        stay = self._on_device if outputs is None else on_device(outputs)
        call = self._accept(inputs)
        if call.sizes:
            return next(self._flow((call,), stay))
        slot: Any = None
        try:
            slot = self._slots.take()
            slot.begin(call.pieces[0], stay, call.lane)
            result: dict[str, Any] = slot.finish()
            return result
        except BaseException as error:
            self._recover([slot] if slot else [], error)
            raise
        finally:
            if slot is not None:
                self._slots.give_back(slot)
            self._let_go(call)

    def stream(self, frames: Iterable[Mapping[str, Any]], outputs: str | None = None) -> Iterator[dict[str, Any]]:
        """The outputs of each frame, in order, while up to `contexts` of them are on their way.

        Copies in, the engine and copies out of different frames overlap. The outputs of a frame come once
        `contexts` − 1 more were taken, or at the end: for a live source that must not wait, use `submit`. A frame's
        memory must stay as it is until its outputs come. Where `frames` raises, the frames on their way are dropped
        and the runner can be used again.

        Args:
            frames: inputs by name.
            outputs: as of `run`.

        Raises:
            RunnerError: as `run`.
        """
        stay = self._on_device if outputs is None else on_device(outputs)
        return self._flow(map(self._accept, frames), stay)

    def _flow(self, calls: Iterable[_Call], stay: bool) -> Iterator[dict[str, Any]]:
        running: deque[tuple[Slot, _Call]] = deque()
        try:
            for call in calls:
                for piece in call.pieces:
                    # Never wait for a slot while holding some: another stream may be waiting for those.
                    while (slot := self._slots.take(wait=not running)) is None:
                        yield from self._collect(running)
                    running.append((slot, call))
                    slot.begin(piece, stay, call.lane)
            while running:
                yield from self._collect(running)
        except BaseException as error:
            self._recover([slot for slot, _ in running], error)
            raise
        finally:
            for slot, call in running:
                self._slots.give_back(slot)
                self._let_go(call)

    def _collect(self, running: deque[tuple[Slot, _Call]]) -> Iterator[dict[str, Any]]:
        """Finish the oldest piece; gives the outputs of its call, if that was the last one."""
        slot, call = running[0]
        call.results.append(slot.finish())
        running.popleft()
        self._slots.give_back(slot)
        if len(call.results) == len(call.pieces):
            self._let_go(call)
            yield joined(call.results, call.sizes, self._join) if call.sizes else call.results[0]

    def _accept(self, inputs: Mapping[str, Any]) -> _Call:
        """Check inputs, take over those that are on the device, and cut them where they are too many."""
        if self._slots.closed:
            raise RunnerError(self._slots.closed)
        call = _Call()
        try:
            if not all(type(value) is np.ndarray for value in getattr(inputs, "values", tuple)()):
                call.lane = self._arrivals.lane()
            arrays = self._inputs.checked(inputs, call.lane.take if call.lane else None)
            call.pieces, call.sizes = self._inputs.pieces(arrays)
        except BaseException:
            self._let_go(call)
            raise
        return call

    def _let_go(self, call: _Call) -> None:
        lane, call.lane = call.lane, None
        if lane is not None:
            self._arrivals.give_back(lane)

    def _recover(self, slots: Sequence[Slot], error: BaseException) -> None:
        """After an error: make the slots usable again, or close the runner where the device is lost."""
        for slot in slots:
            if lost := slot.reset():
                self._slots.close(f"the runner is closed: {lost}")
                raise RunnerError(
                    f"{error}; CUDA's context on device {self._device.number} is lost for this process, "
                    "and the runner is closed"
                ) from error

    def _join(self, arrays: list[Any]) -> NDArray[Any] | DeviceArray:
        if not isinstance(arrays[0], DeviceArray):
            whole: NDArray[Any] = np.concatenate(arrays)
            return whole
        lane = self._arrivals.lane()
        with self._device:
            array = concatenated(arrays, lambda size: taken(self._memory.device, size, lane.stream), lane.stream)
        self._arrivals.give_back(lane)
        return array

    def _empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        if self._slots.closed:
            raise RunnerError(self._slots.closed)
        with self._device:
            block = self._memory.host.take(prod(shape) * dtype.itemsize)
        array: NDArray[Any] = block.array(shape, dtype)
        return array

    def stats(self) -> Stats:
        """What was done so far, by all execution contexts together."""
        return stats_of(self._slots.tallies, self._memory.device.bytes, self._memory.host.bytes)

    def _close(self) -> None:
        self._finalizer()


class _Call:
    """One set of inputs on its way.

    Attributes:
        pieces: what the engine takes at once.
        sizes: the batch of each, where there are several.
        results: the outputs of the pieces that are done.
        lane: where inputs are on the device.
    """

    __slots__ = ("lane", "pieces", "results", "sizes")

    def __init__(self) -> None:
        self.pieces: Sequence[Mapping[str, Any]] = ()
        self.sizes: Sequence[int] = ()
        self.results: list[dict[str, Any]] = []
        self.lane: Lane | None = None


def opened(plan: bytes, device: int) -> tuple[Any, Any]:
    """A Runtime, and the ICudaEngine that it makes of a plan on a CUDA device; the first must outlive the second.

    Raises:
        EngineError: TensorRT can't open it; TensorRT's own words are given.
    """
    tensorrt.log.errors.clear()
    with cuda.device(device):
        runtime = tensorrt.module().Runtime(tensorrt.logger())
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise EngineError(f"the plan can't be opened: {tensorrt.log.last_error()}")
    return runtime, engine
