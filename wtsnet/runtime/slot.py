"""One execution context with a stream and buffers of its own: what runs one batch at a time."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from wtsnet import trt as tensorrt
from wtsnet.errors import EngineError, RunnerError
from wtsnet.runtime import cuda
from wtsnet.runtime.allocator import output_allocator
from wtsnet.runtime.buffers import Drain, Feed
from wtsnet.runtime.graphs import Graphs
from wtsnet.runtime.stats import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wtsnet.runtime.arrays import Lane
    from wtsnet.runtime.buffers import Memory
    from wtsnet.runtime.ports import Port


class Slot:
    """Runs an engine: `begin` gives all work to the stream, `finish` waits for it. One thread at a time.

    Args:
        engine: an ICudaEngine.
        inputs, outputs: its ports.
        memory: where buffers come from.
        graph: whether to replay what the engine does from a CUDA graph.

    Attributes:
        tally: what was done.

    Raises:
        EngineError: TensorRT makes no execution context.
    """

    def __init__(
        self, engine: Any, inputs: Sequence[Port], outputs: Sequence[Port], memory: Memory, graph: bool
    ) -> None:
        self.tally = Tally()
        self._device = memory.device.device
        self._feeds = [Feed(port, memory) for port in inputs]
        self._drains = [Drain(port, memory) for port in outputs]
        self._shapes: dict[str, tuple[int, ...]] = {}  # what TensorRT was told, by input
        self._addresses: dict[str, int] = {}  # the same, by input and output
        self._made: list[tuple[int, ...]] | None = None  # the shapes of the outputs, by these of the inputs
        self._allocators: dict[str, Any] = {}
        self._key: Any = None  # of the graph for these shapes and addresses
        self._on_device = False
        self._held: Any = None  # the inputs of the run at hand
        self._start = self._staging = 0.0
        with self._device:
            self._execution = engine.create_execution_context()
            if self._execution is None:
                raise EngineError(f"no execution context: {_last_error()}")
            self._stream = cuda.stream()
            self._handle = self._stream.handle
            self._events = [cuda.event() for _ in range(4)]
            self._graphs = Graphs(self._handle) if graph else None

    def begin(self, inputs: Mapping[str, Any], on_device: bool, lane: Lane | None = None) -> None:
        """Give a run to the stream: copies in, the engine, copies out.

        Args:
            inputs: checked ones; they must stay as they are until `finish`.
            on_device: whether the outputs stay on the device.
            lane: what inputs that are on the device wait for.

        Raises:
            RunnerError: CUDA or TensorRT failed; see `reset`.
        """
        self._start = perf_counter()
        self._held, self._on_device = inputs, on_device
        stream, events = self._stream, self._events
        with self._device:
            if lane is not None:
                lane.hold(stream)
            for feed in self._feeds:
                if feed.take(inputs[feed.name], stream):
                    self._made = None
            self._staging = perf_counter() - self._start
            events[0].record(stream)
            for feed in self._feeds:
                feed.copy(stream)
                self._tell(feed, inputs[feed.name].shape)
            events[1].record(stream)
            self._bind()
            self._execute()
            events[2].record(stream)
            for drain in self._drains:
                if not drain.open:
                    drain.fetch(on_device, stream)
            events[3].record(stream)

    def _tell(self, feed: Feed, shape: tuple[int, ...]) -> None:
        """Tell TensorRT of an input what is new about it."""
        name = feed.name
        if self._shapes.get(name) != shape:
            self._made = self._key = None
            if not self._execution.set_input_shape(name, shape):
                raise RunnerError(f"input {name!r}: shape {shape}: {_last_error()}")
            self._shapes[name] = shape
        self._place(name, feed.address)

    def _place(self, name: str, address: int) -> None:
        if self._addresses.get(name) != address:
            self._key = None
            if not self._execution.set_tensor_address(name, address):
                raise RunnerError(f"tensor {name!r}: {_last_error()}")
            self._addresses[name] = address

    def _bind(self) -> None:
        """Have memory for the outputs."""
        if self._made is None:
            self._made = self._infer()
        own = self._graphs is None
        for drain, shape in zip(self._drains, self._made, strict=True):
            drain.bind(shape, self._on_device, own, self._stream)
            if not drain.open:
                self._place(drain.name, drain.address)
            elif not own:
                raise RunnerError(f"graph=True: only the values decide the size of output {drain.name!r}; run without")
            elif drain.name not in self._allocators:
                allocator = output_allocator(drain, self._stream)
                if not self._execution.set_output_allocator(drain.name, allocator):
                    raise RunnerError(f"output {drain.name!r}: {_last_error()}")
                self._allocators[drain.name] = allocator

    def _infer(self) -> list[tuple[int, ...]]:
        try:
            lacking = self._execution.infer_shapes()
        except RuntimeError as error:
            raise RunnerError(f"these inputs do not go together: {_last_error(str(error))}") from None
        if lacking:
            raise RunnerError(f"input {lacking[0]!r}: {_last_error()}")
        return [tuple(self._execution.get_tensor_shape(drain.name)) for drain in self._drains]

    def _execute(self) -> None:
        if self._graphs is None:
            return self._enqueue()
        if self._key is None:
            self._key = (*self._shapes.items(), *self._addresses.items())
        if not self._graphs.launch(self._key):
            self._enqueue()  # TensorRT must have run once with these shapes; this is the result, too
            self._graphs.capture(self._key, self._enqueue)
        return None

    def _enqueue(self) -> None:
        if not self._execution.execute_async_v3(self._handle):
            for drain in self._drains:
                if drain.error is not None:
                    raise RunnerError(f"output {drain.name!r}: {drain.error}") from drain.error
            raise RunnerError(f"the engine failed: {_last_error()}")

    def finish(self) -> dict[str, Any]:
        """Wait for the run, and give its outputs by name.

        Raises:
            RunnerError: CUDA failed; see `reset`.
        """
        stream, events, on_device = self._stream, self._events, self._on_device
        with self._device:
            stream.synchronize()
            if late := [drain for drain in self._drains if drain.open]:
                events[2].record(stream)
                for drain in late:
                    drain.fetch(on_device, stream)
                events[3].record(stream)
                stream.synchronize()
            seconds = [events[i].time_till(events[i + 1]) / 1000 for i in range(3)]
        arrived = perf_counter()
        outputs = {drain.name: drain.result(on_device) for drain in self._drains}
        end = perf_counter()
        staging = self._staging + end - arrived
        self.tally.add(self._sizes(outputs), (staging, seconds[0], seconds[1], seconds[2], end - self._start))
        self._held = None
        return outputs

    def _sizes(self, outputs: Mapping[str, Any]) -> tuple[int, int, int, int]:
        staged = copied_in = copied_out = 0
        for feed in self._feeds:
            staged += feed.staged
            copied_in += feed.copied
        for drain in self._drains:
            staged += drain.staged
            copied_out += drain.copied
        total = sum(array.nbytes for array in self._held.values()) + sum(array.nbytes for array in outputs.values())
        return staged, copied_in, copied_out, total

    def reset(self) -> str:
        """Wait for what the stream was given and forget it, after a run that failed or whose outputs nobody wants.

        Gives what CUDA says where the device's context is lost; else the slot can be used again.
        """
        try:
            with self._device:
                self._stream.synchronize()
        except RunnerError as error:
            return str(error)
        finally:
            self._held = None
        return ""

    def close(self) -> None:
        """Free everything; the device's context is current."""
        if self._graphs is not None:
            self._graphs.close()
        self._execution = None
        self._allocators.clear()
        self._feeds.clear()
        self._drains.clear()
        self._events.clear()
        self._stream = None


def _last_error(default: str = "") -> str:
    """What TensorRT said last, once."""
    errors = tensorrt.log.errors
    said = tensorrt.log.last_error() if errors or not default else default
    errors.clear()
    return said
