"""wtsnet/runtime/arrays.py, dlpack.py and memory.py, on a CUDA made of Python."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from tests.runtime.engines import copying, doubling, runner_of, spec
from tests.runtime.fake_cuda import Cuda
from tests.runtime.reference_engine import Launch
from wtsnet.errors import RunnerError
from wtsnet.runtime import dlpack

SIX = np.arange(6, dtype=np.float32).reshape(2, 3)


class Foreign:
    """An array of another library on the device, which is there only once its producer was waited for."""

    def __init__(self, cuda: Cuda, values: np.ndarray[Any, Any], offset: int = 0) -> None:
        self.cuda = cuda
        cuda.stack.append(None)
        self.memory = cuda.mem_alloc(values.nbytes + offset)
        cuda.stack.pop()
        self.values, self.address = values, int(self.memory) + offset

    def produce(self) -> None:
        self.cuda.at(self.address, self.values.nbytes)[:] = self.values.reshape(-1).view(np.uint8)


class ByDLPack(Foreign):
    device = 0
    kind = dlpack.CUDA
    streams: tuple[int, ...] = ()

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.kind, self.device

    def __dlpack__(self, *, stream: int) -> Any:
        self.streams += (stream,)
        self.cuda.streams[stream].add(self.produce)
        return dlpack.write(self, self.address, self.values.shape, self.values.dtype.name, self.device)


class ByInterface(Foreign):
    def __init__(self, cuda: Cuda, values: np.ndarray[Any, Any], **facts: Any) -> None:
        super().__init__(cuda, values)
        self.__cuda_array_interface__ = {
            "version": 3, "shape": values.shape, "typestr": values.dtype.str, "data": (self.address, False), **facts
        }  # fmt: skip


def test_inputs_by_dlpack(cuda: Cuda, launch: Launch) -> None:
    engine = doubling(launch)
    runner = runner_of(engine)
    x = ByDLPack(cuda, SIX)
    for _ in range(2):
        np.testing.assert_array_equal(runner(x=x)["y"], SIX * 2)
    assert engine.contexts[0].addresses["x"] == x.address, "no copy"
    assert runner.stats().host_to_device.bytes == 0
    assert set(x.streams) <= set(cuda.streams), "the producer is told a stream of ours, which waits for it"
    np.testing.assert_array_equal(runner(x=SIX + 1)["y"], SIX * 2 + 2)
    assert len(dlpack._exported) == 0, "the capsules are gone"


def test_inputs_by_cuda_array_interface(cuda: Cuda, launch: Launch) -> None:
    engine = doubling(launch)
    runner = runner_of(engine)
    for facts, followed in (
        ({"stream": 2}, ["follow 2"]),
        ({"stream": None}, []),
        ({"stream": 12345, "strides": (12, 4)}, ["follow 12345"]),
        ({}, ["follow 1"]),
        ({"version": 2}, ["follow 1"]),
    ):
        x = ByInterface(cuda, SIX, **facts)
        cuda.log.clear()
        if followed:
            cuda.producers[int(followed[0].split()[1])] = x.produce
        else:
            x.produce()
        np.testing.assert_array_equal(runner(x=x)["y"], SIX * 2)
        assert engine.contexts[0].addresses["x"] == x.address
        assert [entry for entry in cuda.log if entry.startswith("follow ")] == followed


def test_inputs_on_the_device_that_do_not_fit(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch))
    other = ByDLPack(cuda, SIX)
    other.device = 1
    for value, message in (
        (ByDLPack(cuda, SIX.astype(np.float16)), "found float16 on the device, expected float32; cast it there"),
        (ByDLPack(cuda, SIX[:, :2].copy()), r"found shape \(2, 2\), expected \(1..64, 3\)"),
        (ByInterface(cuda, SIX, strides=(4, 8)), "found strides on the device, expected a C-contiguous array"),
        (ByInterface(cuda, SIX, typestr=">f4"), "found >f4 on the device"),
        (other, "an array is on CUDA device 1, the runner on device 0; copy it there, or make a runner with device=1"),
    ):
        with pytest.raises(RunnerError, match=f"^input 'x': {message}"):
            runner(x=value)
    np.testing.assert_array_equal(runner(x=SIX)["y"], SIX * 2)


def test_a_producer_that_fails(cuda: Cuda, launch: Launch) -> None:
    class Broken(ByDLPack):
        def __dlpack__(self, *, stream: int) -> Any:
            raise BufferError("not\nnow")

    with pytest.raises(RunnerError, match=r"^input 'x': an array on the device can't be taken over: not now$"):
        runner_of(doubling(launch))(x=Broken(cuda, SIX))


def test_addresses_that_tensorrt_does_not_take_are_copied(cuda: Cuda, launch: Launch) -> None:
    engine = doubling(launch)
    runner = runner_of(engine)
    x = ByDLPack(cuda, SIX, offset=16)
    np.testing.assert_array_equal(runner(x=x)["y"], SIX * 2)
    assert engine.contexts[0].addresses["x"] % 256 == 0


def test_a_batch_on_the_device_is_cut(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), {"x": spec("x", "float32", [1, 3], [4, 3])}, contexts=2)
    x = np.arange(33, dtype=np.float32).reshape(11, 3)
    for place in ("numpy", "device"):
        made = runner.run({"x": ByDLPack(cuda, x)}, outputs=place)["y"]
        np.testing.assert_array_equal(made if place == "numpy" else made.numpy(), x * 2)


def test_outputs_on_the_device(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(doubling(launch), outputs="device")
    first, second = runner(x=SIX)["y"], runner(x=SIX + 1)["y"]
    assert (first.shape, first.dtype, first.device, first.nbytes) == ((2, 3), np.float32, 0, 24)
    assert repr(first) == "DeviceArray(float32 (2, 3) on CUDA device 0)"
    np.testing.assert_array_equal(first.numpy(), SIX * 2)
    np.testing.assert_array_equal(second.numpy(), SIX * 2 + 2)
    assert runner.stats().device_to_host.bytes == 0
    facts = first.__cuda_array_interface__
    assert facts["data"] == (first.address, False)
    assert (facts["shape"], facts["typestr"], facts["strides"], facts["stream"]) == ((2, 3), "<f4", None, None)
    np.testing.assert_array_equal(runner(x=second)["y"].numpy(), (SIX + 1) * 4)
    assert runner.run({"x": SIX}, outputs="numpy")["y"].tolist() == (SIX * 2).tolist()


def test_a_dlpack_capsule(cuda: Cuda, launch: Launch) -> None:
    y = runner_of(doubling(launch), outputs="device")(x=SIX)["y"]
    assert y.__dlpack_device__() == (2, 0)
    capsule = y.__dlpack__(max_version=(1, 1), dl_device=(2, 0), copy=False)
    assert dlpack.read(capsule) == (y.address, (2, 3), np.float32, True, 0)
    address = y.address
    del y
    assert address in cuda.memory, "the capsule keeps the memory"
    del capsule
    assert len(dlpack._exported) == 0
    y = runner_of(doubling(launch), outputs="device")(x=SIX)["y"]
    for unwanted in ({"dl_device": (1, 0)}, {"copy": True}):
        with pytest.raises(BufferError):
            y.__dlpack__(**unwanted)
    with pytest.raises(ValueError, match="not a DLPack capsule"):
        dlpack.read(object())


def test_torch_reads_our_capsules() -> None:
    """On the CPU, so that what is in them is checked by someone else."""
    torch = pytest.importorskip("torch")
    cpu, ours = 1, dlpack.CUDA
    for dtype in ("float32", "float16", "bfloat16", "int64", "int32", "int8", "uint8", "bool"):
        for shape in ((2, 3), (), (0, 4)):
            tensor = torch.ones(shape, dtype=getattr(torch, dtype))
            found = dlpack.read(tensor.__dlpack__())
            assert found[0] == tensor.data_ptr() or not tensor.numel()
            assert (found[1], found[2].name, found[3]) == (shape, dtype, True)
            dlpack.CUDA = cpu  # the only difference of a capsule of the host's memory
            try:
                capsule = dlpack.write(tensor, tensor.data_ptr(), shape, dtype, 0)
            finally:
                dlpack.CUDA = ours
            back = torch.utils.dlpack.from_dlpack(capsule)
            del capsule
            assert torch.equal(back, tensor)
            assert back.dtype == tensor.dtype
            del back
            assert len(dlpack._exported) == 0
    assert not dlpack.read(torch.ones(2, 3).T.__dlpack__())[3]
    assert dlpack.read(torch.ones(2, dtype=torch.complex64).__dlpack__())[2] == "complex64"
    assert dlpack.read(torch.ones(3, 1, 2).transpose(0, 1).__dlpack__())[3], "an axis of 1 has any stride"


def test_bfloat16_on_the_device(cuda: Cuda, launch: Launch) -> None:
    runner = runner_of(copying("bfloat16", launch), {"x": spec("x", "bfloat16", [1, 3], [4, 3])}, outputs="device")
    first = runner(x=SIX)["y"]
    assert not hasattr(first, "__cuda_array_interface__")
    second = runner(x=first)["y"]
    assert dlpack.read(second.__dlpack__())[2].name == "bfloat16"
    np.testing.assert_array_equal(second.numpy().astype(np.float32), SIX)


def test_memory_that_others_may_still_read_is_not_used_again(cuda: Cuda, launch: Launch) -> None:
    """What was given to a stream of its own is freed, which waits for the device; all else is kept in the pool."""
    runner = runner_of(doubling(launch), outputs="device")
    for use, kept in (
        (lambda y: None, True),
        (lambda y: y.__dlpack__(), True),
        (lambda y: y.__dlpack__(stream=1), True),
        (lambda y: y.__dlpack__(stream=4711), False),
        (lambda y: y.__cuda_array_interface__, False),
    ):
        y = runner(x=SIX)["y"]
        address = y.address
        use(y)
        cuda.log.clear()
        del y
        gc.collect()
        assert (address in cuda.memory) == kept
        assert ("record" in cuda.log) == kept, "the next user waits for the default stream"
    cuda.log.clear()
    runner(x=SIX)
    assert "wait_for_event" in cuda.log


def test_sizes_of_blocks(cuda: Cuda) -> None:
    from wtsnet.runtime.memory import _rounded

    for size in (0, 1, 511, 513, 640, 641, 1 << 20, (1 << 20) + 1, 640 * 640 * 3, 10**9 + 7):
        block = _rounded(size)
        assert size <= block <= max(512, size * 1.25 + 1)
        assert block % 128 == 0
    assert len({_rounded(size) for size in range(1 << 14, 1 << 15)}) <= 5
