"""wtsnet runs on every supported release, as far as what the release's bindings have can tell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.calls import used
from tests.api.release import DATA, RELEASES, release
from wtsnet import ops
from wtsnet.reference.readback import read_dims
from wtsnet.trt.flavours import flavour

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(flavour() != "tensorrt_rtx", reason="tensorrt_rtx plays the other releases")


def python(*arguments: str) -> Any:
    """What a Python process of its own prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_supported_releases_are_known() -> None:
    assert RELEASES == ["tensorrt-10.0.1", "tensorrt-10.16.1", "tensorrt-11.4.0", "tensorrt_rtx-1.7.1"]
    assert all(file.stat().st_size < 60_000 for file in DATA.iterdir())


# What a release lacks the layers for, and an error says so: a running sum of integers.
REFUSED = {"tensorrt-10.0.1": ["masked_scatter", "cumsum of integers"]}


@pytest.mark.parametrize("name", RELEASES)
def test_everything_runs(name: str) -> None:
    done = python("-m", "tests.api.release", name)
    assert done["tensorrt"] == name
    assert done["ops"] == len(ops.__all__) - 1  # all but ACTIVATIONS, a table
    assert done["more"] > 40
    assert done["refused"] == REFUSED.get(name, [])
    assert done["models"] > 5
    assert done["progress"] > 2
    untried = called_by_ops() - set(done["called"])
    assert untried == {guarded for guarded in untried if lacks(name, guarded)}


def called_by_ops() -> set[str]:
    """All that ops call by `emit` and `enum`, as the source has it."""
    enums = release("tensorrt_rtx-1.7.1").enums
    by_hand = {"INetworkDefinition.add_input", "INetworkDefinition.add_loop"}
    found = {
        f"{use.kind}.{use.member}"
        for use in used()
        if use.where.startswith(("wtsnet/network/", "wtsnet/ops/"))
        and (use.kind.endswith("()") or use.kind in enums or use.member.startswith("add_"))
        and use.kind != "ILoop"
    }
    assert len(found) > 120
    return found - by_hand


def lacks(name: str, call: str) -> bool:
    """Whether a release has no such method or member."""
    kind, _, member = call.rpartition(".")
    return member not in release(name).members.get(kind, ())


# What the oldest release lacks, and the error that says so.
MISSING = {
    "trt.ComputeCapability": "AttributeError: module 'tensorrt' has no attribute 'ComputeCapability'",
    "trt.DataType.FP4": "AttributeError: type object",
    "network.add_squeeze(x, x)": "AttributeError: tensorrt-10.0.1: INetworkDefinition has no 'add_squeeze'",
    "layer.num_ranks": "AttributeError: tensorrt-10.0.1: IIdentityLayer has no 'num_ranks'",
    "layer.num_ranks = 4": "AttributeError: tensorrt-10.0.1: IIdentityLayer has no 'num_ranks'",
    "assert hasattr(config, 'set_compute_capability')": "AssertionError: ",
    "scope.emit('add_cumulative', x)": "NetworkError: network: add_cumulative: tensorrt-10.0.1: INetworkDefinition has",
    "tensorrt.enum('UnaryOperation', 'ISNAN')": "TensorRTError: UnaryOperation.ISNAN: tensorrt 10.0.1 has no such",
    "tensorrt.dtype('float4_e2m1fn')": "TensorRTError: dtype: unknown 'float4_e2m1fn' in tensorrt 10.0.1",
    "build(target='sm89')": "EngineError: target: found sm89, expected current or ampere_plus: tensorrt builds for",
    "build(flags=['strict_nans'])": "EngineError: flag: unknown 'strict_nans'",
}
SCRIPT = """
import json, sys
from functools import partial
from tests import small
from tests.api.release import pretend
pretend(sys.argv[1])
import wtsnet
from wtsnet import trt as tensorrt
trt, net = tensorrt.module(), wtsnet.Network({})
scope, network, config = net.root, net.trt, net.builder.create_builder_config()
x = network.add_input("x", trt.float32, (2, 3))
layer = network.add_identity(x)
build = partial(wtsnet.build, "lenet", small.lenet())
told = []
for code in json.loads(sys.argv[2]):
    try:
        exec(code)
        told.append("nothing")
    except Exception as error:
        told.append(f"{type(error).__name__}: {error}")
print(json.dumps(told))
"""


INSTEAD = """
import json, sys
import numpy as np
from tests.api.release import pretend
pretend("tensorrt-10.0.1")
import wtsnet
from wtsnet import ops
from wtsnet import trt as tensorrt
told = {}

def run(given, op):
    net = wtsnet.Network({})
    net.output("y", op(net.input("x", given.shape, given.dtype.name)))
    kinds = [tensorrt.view(net.trt, i).layer_type for i in range(net.trt.num_layers)]
    return kinds, wtsnet.ReferenceRunner(net.trt).run({"x": given})["y"]

random = np.random.default_rng(0)
for dtype in ("float32", "float16"):
    for shape in ((5,), (2, 3), (2, 3, 4, 5)):
        given = random.integers(-9, 9, shape).astype(dtype)
        for axis in range(-len(shape), len(shape)):
            kinds, found = run(given, lambda x: ops.cumsum(x, axis))
            assert "MATRIX_MULTIPLY" in kinds and found.dtype == given.dtype, (kinds, found.dtype)
            np.testing.assert_array_equal(found, given.cumsum(axis))
for dtype in ("float32", "float16"):
    given = np.array([np.nan, np.inf, -np.inf, 0, -1.5], dtype)
    kinds, found = run(given, ops.isnan)
    np.testing.assert_array_equal(found, np.isnan(given))
for shape, dtype in (((3, (1, 2, 3)), "float32"), ((3, 2), "int32"), ((3, 2), "bool")):
    try:
        ops.cumsum(wtsnet.Network({}).input("x", shape, dtype), 1)
    except wtsnet.WtsnetError as error:
        told[dtype] = str(error)
print(json.dumps(told))
"""


def test_what_is_done_instead_of_what_the_oldest_release_lacks() -> None:
    expected = "expected floats of a fixed size at dim 1 with this TensorRT"
    assert python("-c", INSTEAD) == {
        "float32": f"network: cumsum: found float32 (3, -1), {expected}",
        "int32": f"network: cumsum: found int32 (3, 2), {expected}",
        "bool": f"network: cumsum: found int32 (3, 2), {expected}",
    }


def test_what_a_release_lacks_is_missing() -> None:
    told = python("-c", SCRIPT, "tensorrt-10.0.1", json.dumps(list(MISSING)))
    for code, text, wanted in zip(MISSING, told, MISSING.values(), strict=True):
        assert text.startswith(wanted), code


def test_nothing_is_taken_from_the_release_that_is_installed() -> None:
    """What its table and it itself have differ in private names alone, so the tables can be believed."""
    import tensorrt_rtx

    if not tensorrt_rtx.__version__.startswith("1.7.1"):
        pytest.skip(f"tensorrt_rtx {tensorrt_rtx.__version__} is installed")
    script = "import json; from tests.api.release import pretend; print(json.dumps(pretend('tensorrt_rtx-1.7.1')))"
    assert python("-c", script) == []


def test_sizes_that_a_layer_does_not_have() -> None:
    """Where TensorRT-RTX 1.7 gives None, 1.4 gives Dims that can't be read."""

    class Unset:
        def __len__(self) -> int:
            return -1

        def __getitem__(self, index: int) -> int:
            raise IndexError(index)

    assert read_dims(None) is None
    assert read_dims(Unset()) is None
    assert read_dims([2, -1]) == (2, -1)
