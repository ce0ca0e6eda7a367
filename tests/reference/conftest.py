"""A small TensorRT network to put layers in, and its execution by the reference runner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet import trt as trt_of
from wtsnet.reference import ReferenceRunner

trt = trt_of.module()


class Net:
    """A network under test. Arrays become inputs named x0, x1, …; they are also what `run` feeds."""

    def __init__(self) -> None:
        self.builder = trt_of.builder()
        self.trt = trt_of.create_network(self.builder)
        self.fed: dict[str, Any] = {}
        self._keep: list[Any] = []

    def input(self, array: Any, dynamic: Any = ()) -> Any:
        array = np.asarray(array)
        name = f"x{len(self.fed)}"
        shape = tuple(-1 if axis in dynamic else extent for axis, extent in enumerate(array.shape))
        self.fed[name] = array
        return self.trt.add_input(name, trt_of.dtype(array.dtype.name), shape)

    def constant(self, array: Any) -> Any:
        array = np.array(array, order="C")
        self._keep.append(array)
        return self.trt.add_constant(array.shape, trt.Weights(array)).get_output(0)

    def raw_constant(self, dtype: Any, codes: Any, shape: Any) -> Any:
        """A constant of a dtype that numpy lacks, from its bytes."""
        self._keep.append(codes)
        count = int(np.prod(shape))
        return self.trt.add_constant(shape, trt.Weights(dtype, codes.ctypes.data, count)).get_output(0)

    def keep(self, array: Any) -> Any:
        """float32 weights, C-ordered and alive as long as the network."""
        self._keep.append(np.ascontiguousarray(array, np.float32))
        return self._keep[-1]

    def mark(self, *tensors: Any) -> None:
        for i, tensor in enumerate(tensors):
            tensor.name = f"y{i}"
            self.trt.mark_output(tensor)

    def runner(self) -> Any:
        return ReferenceRunner(self.trt)

    def run(self, *tensors: Any) -> Any:
        """Mark these as outputs, execute, and check shape and dtype of each against TensorRT's own."""
        self.mark(*tensors)
        runner = self.runner()
        results = runner.run(self.fed)
        for name, array in results.items():
            spec = runner.outputs[name]
            assert len(spec.shape) == array.ndim, (spec, array.shape)
            assert all(want in (-1, have) for want, have in zip(spec.shape, array.shape, strict=True)), (spec, array)
            assert array.dtype.name == spec.dtype, spec
        assert not trt_of.log.errors, trt_of.log.errors
        values = list(results.values())
        return values[0] if len(values) == 1 else values


@pytest.fixture
def net() -> Any:
    return Net()


@pytest.fixture
def make_net() -> Any:
    """For a test that needs several networks."""
    return Net


@pytest.fixture
def rng() -> Any:
    return np.random.default_rng(0)
