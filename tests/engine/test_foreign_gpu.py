"""Plans that TensorRT's own API built, without wtsnet and without a manifest, on a real GPU.

They skip where the installed TensorRT does not run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wtsnet
from tests.engine.test_planfile import headed
from tests.runtime import conftest as of_runtime
from wtsnet import trt as tensorrt
from wtsnet.bench import bench
from wtsnet.manifest.files import sha256
from wtsnet.manifest.manifest import manifest_path
from wtsnet.trt.device import driver

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("gpu")]
gpu = of_runtime.gpu
SHAPES = {"x": ((1, 3), (4, 3), (64, 3)), "ids": ((1,), (2,), (8,))}
OTHERS = {"x": ((65, 3), (100, 3), (200, 3)), "ids": ((9,), (9,), (9,))}
SIZE = ((1, 3), (2, 6), (32, 6))


def built(with_size: bool) -> bytes:
    """A plan of `doubled` = 2x and `picked` = the rows of x that `ids` (int64) names, with two profiles; or of x in the
    shape that `size` (int64, read on the host) says."""
    if problem := driver().problem:
        pytest.skip(problem)
    trt, builder = tensorrt.module(), tensorrt.builder()
    network = tensorrt.create_network(builder)
    x = network.add_input("x", trt.float32, (-1, 3))
    if with_size:
        shuffle = network.add_shuffle(x)
        shuffle.set_input(1, network.add_input("size", trt.int64, (2,)))
        layers = {"shaped": shuffle}
    else:
        ids = network.add_input("ids", trt.int64, (-1,))
        layers = {
            "doubled": network.add_elementwise(x, x, trt.ElementWiseOperation.SUM),
            "picked": network.add_gather(x, ids, 0),
        }
    for name, layer in layers.items():
        layer.get_output(0).name = name
        network.mark_output(layer.get_output(0))
    config = builder.create_builder_config()
    for shapes in (SHAPES,) if with_size else (SHAPES, OTHERS):
        profile = builder.create_optimization_profile()
        profile.set_shape("x", *shapes["x"])
        if with_size:
            profile.set_shape_input("size", *SIZE)
        else:
            profile.set_shape("ids", *shapes["ids"])
        config.add_optimization_profile(profile)
    if hasattr(config, "set_compute_capability"):
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.CURRENT, 0)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        pytest.skip(f"{tensorrt.flavour()} does not build for this GPU: {tensorrt.log.last_error()}")
    data = bytes(plan)
    if trt.Runtime(tensorrt.logger()).deserialize_cuda_engine(data) is None:
        pytest.skip(f"{tensorrt.flavour()} {tensorrt.version()} does not run here: {tensorrt.log.last_error()}")
    return data


@pytest.fixture(scope="module")
def plan() -> bytes:
    return built(with_size=False)


@pytest.fixture(params=["alone", "behind a header"])
def path(plan: bytes, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    data = plan if request.param == "alone" else headed({"task": "detect", "names": {"0": "one"}}, plan)
    (tmp_path / "x.engine").write_bytes(data)
    return tmp_path / "x.engine"


def runs(engine: wtsnet.Engine, **options: Any) -> None:
    random = np.random.default_rng(0)
    with engine.runner(**options) as runner:
        assert runner.kind == "tensorrt"
        for size in (1, 64, 5):
            x, ids = random.random((size, 3), np.float32), random.integers(0, size, 3)
            made = runner(x=x, ids=ids)
            np.testing.assert_array_equal(made["doubled"], x * 2)
            np.testing.assert_array_equal(made["picked"], x[ids])


def test_it_tells_what_it_takes_and_runs(path: Path, plan: bytes) -> None:
    engine = wtsnet.load(path, trust=True)
    manifest = engine.manifest
    assert manifest.inputs == [
        {"name": "x", "dtype": "float32", "shape": [-1, 3], "min": [1, 3], "opt": [4, 3], "max": [64, 3]},
        {"name": "ids", "dtype": "int64", "shape": [-1], "min": [1], "opt": [2], "max": [8]},
    ]
    assert {one["name"]: (one["dtype"], one["shape"]) for one in manifest.outputs} == {
        "doubled": ("float32", [-1, 3]),
        "picked": ("float32", [-1, 3]),
    }
    assert manifest.plan == {"file": "x.engine", "sha256": sha256(path), "bytes": path.stat().st_size}
    assert engine.plan == plan
    for options in ({}, {"contexts": 3}, {"graph": True}):
        runs(engine, **options)


def test_its_manifest_once_written(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wtsnet", "manifest", path], capture_output=True, text=True, check=False, cwd=Path.cwd()
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "input ids: int64 1:2:8\n" in done.stdout
    assert manifest_path(path).exists()
    runs(wtsnet.load(path))


def test_how_fast(path: Path) -> None:
    engine = wtsnet.load(path, trust=True)
    for options in ({}, {"streams": 3, "graph": True}, {"copies": False}):
        found = bench(engine, warm_up=0, duration=0.1, **options)
        assert found.runner == "tensorrt"
        assert found.shapes == {"x": (4, 3), "ids": (2,)}


def test_an_input_that_decides_shapes(tmp_path: Path) -> None:
    (tmp_path / "x.plan").write_bytes(built(with_size=True))
    engine = wtsnet.load(tmp_path / "x.plan", trust=True)
    assert engine.manifest.options == {"values": {"size": [list(values) for values in SIZE]}}
    assert engine.manifest.inputs[1] == {
        "name": "size", "dtype": "int64", "shape": [2], "min": [2], "opt": [2], "max": [2]
    }  # fmt: skip
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    with engine.runner() as runner:
        for size in ((2, 6), (4, 3), (2, 6)):
            np.testing.assert_array_equal(runner(x=x, size=size)["shaped"], x.reshape(size))
    assert bench(engine, warm_up=0, duration=0.05).shapes == {"x": (4, 3), "size": (2,)}


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_plan_is_refused_in_tensorrts_words(plan: bytes, tmp_path: Path, damage: str) -> None:
    """In a process of its own, which TensorRT might end."""
    data = bytearray(plan[: len(plan) // 2] if damage == "cut" else plan)
    if damage == "flipped":
        data[4:64] = bytes(255 - byte for byte in data[4:64])
    (tmp_path / "x.plan").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "wtsnet", "inspect", tmp_path / "x.plan"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path / 'x.plan'}: the plan can't be opened: ")
    assert done.stderr.count("\n") == 1
