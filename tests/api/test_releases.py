"""wtsnet runs on every supported release, as far as what the release's bindings have can tell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.release import DATA, RELEASES
from wtsnet import ops
from wtsnet.trt import flavour

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


@pytest.mark.parametrize("name", RELEASES)
def test_everything_runs(name: str) -> None:
    done = python("-m", "tests.api.release", name)
    assert done["tensorrt"] == name
    assert done["ops"] >= len(ops.__all__) - 1  # all but ACTIVATIONS, a table
    assert done["models"] > 5
    assert done["progress"] > 2


MISSING = {
    "a class": "trt.ComputeCapability",
    "a value": "trt.DataType.FP4",
    "a method": "network.add_squeeze(x, x)",
    "a property": "layer.num_ranks",
    "a property to set": "layer.num_ranks = 4",
    "an attribute that wtsnet asks for": "hasattr(config, 'set_compute_capability') or config.absent",
    "an op that calls one": "scope.emit('add_cumulative', x, x, None, False, False)",
    "an enum that an op names": "scope.enum('UnaryOperation', 'ISNAN')",
}
SCRIPT = """
import json, sys
from tests.api.release import pretend
if sys.argv[1] != "tensorrt_rtx":
    pretend(sys.argv[1])
from wtsnet import trt as tensorrt
from wtsnet.network import Network
trt, net = tensorrt.module(), Network({})
scope, network, config = net.root, net.trt, net.builder.create_builder_config()
x = network.add_input("x", trt.float32, (2, 3))
layer = network.add_identity(x)
told = {}
for name, code in json.loads(sys.argv[2]).items():
    try:
        exec(code)
    except Exception as error:
        told[name] = f"{type(error).__name__}: {error}"
print(json.dumps(told))
"""


def test_what_a_release_lacks_is_missing() -> None:
    told = python("-c", SCRIPT, "tensorrt-10.0.1", json.dumps(MISSING))
    assert list(told) == list(MISSING)
    assert all(text.startswith("AttributeError") for text in told.values()), told
    assert told["a method"] == "AttributeError: tensorrt-10.0.1: INetworkDefinition has no 'add_squeeze'"


def test_nothing_is_taken_from_the_release_that_is_installed() -> None:
    """What its table and it itself have differ in private names alone, so the tables can be believed."""
    import tensorrt_rtx

    if not tensorrt_rtx.__version__.startswith("1.7.1"):
        pytest.skip(f"tensorrt_rtx {tensorrt_rtx.__version__} is installed")
    script = "import json; from tests.api.release import pretend; print(json.dumps(pretend('tensorrt_rtx-1.7.1')))"
    assert python("-c", script) == []
