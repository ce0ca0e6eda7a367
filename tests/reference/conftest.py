"""A small TensorRT network to put layers in, and its execution by the reference runner."""

from __future__ import annotations

import numpy as np
import pytest

from wtsnet.reference import ReferenceRunner

trt = pytest.importorskip("tensorrt_rtx")

DTYPES = {
    "float32": trt.float32,
    "float16": trt.float16,
    "int32": trt.int32,
    "int64": trt.int64,
    "int8": trt.int8,
    "uint8": trt.uint8,
    "bool": trt.bool,
}


class Log(trt.ILogger):
    """Keeps errors, so that a layer that TensorRT refuses fails the test with TensorRT's words."""

    def __init__(self):
        trt.ILogger.__init__(self)
        self.errors = []

    def log(self, severity, message):
        if severity <= trt.ILogger.ERROR:
            self.errors.append(message)


class Net:
    """A network under test. Arrays become inputs named x0, x1, …; they are also what `run` feeds."""

    def __init__(self):
        self.log = Log()
        self.builder = trt.Builder(self.log)
        self.trt = self.builder.create_network(0)
        self.module = trt
        self.fed = {}
        self._keep = []

    def input(self, array, dynamic=()):
        array = np.asarray(array)
        name = f"x{len(self.fed)}"
        shape = tuple(-1 if axis in dynamic else extent for axis, extent in enumerate(array.shape))
        self.fed[name] = array
        return self.trt.add_input(name, DTYPES[array.dtype.name], shape)

    def constant(self, array):
        array = np.array(array, order="C")
        self._keep.append(array)
        return self.trt.add_constant(array.shape, trt.Weights(array)).get_output(0)

    def raw_constant(self, dtype, codes, shape):
        """A constant of a dtype that numpy lacks, from its bytes."""
        self._keep.append(codes)
        count = int(np.prod(shape))
        return self.trt.add_constant(shape, trt.Weights(dtype, codes.ctypes.data, count)).get_output(0)

    def keep(self, array):
        """float32 weights, C-ordered and alive as long as the network."""
        self._keep.append(np.ascontiguousarray(array, np.float32))
        return self._keep[-1]

    def mark(self, *tensors):
        for i, tensor in enumerate(tensors):
            tensor.name = f"y{i}"
            self.trt.mark_output(tensor)

    def runner(self):
        return ReferenceRunner(self.trt)

    def run(self, *tensors):
        """Mark these as outputs, execute, and check shape and dtype of each against TensorRT's own."""
        self.mark(*tensors)
        runner = self.runner()
        results = runner.run(self.fed)
        for name, array in results.items():
            spec = runner.outputs[name]
            assert len(spec.shape) == array.ndim, (spec, array.shape)
            assert all(want in (-1, have) for want, have in zip(spec.shape, array.shape, strict=True)), (spec, array)
            if spec.dtype in DTYPES:
                assert array.dtype.name == spec.dtype, spec
        assert not self.log.errors, self.log.errors
        values = list(results.values())
        return values[0] if len(values) == 1 else values


@pytest.fixture
def net():
    return Net()


@pytest.fixture
def make_net():
    """For a test that needs several networks."""
    return Net


@pytest.fixture
def rng():
    return np.random.default_rng(0)
