"""wtsnet/cli/bench.py: `wtsnet bench`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wtsnet
from tests.engine import test_foreign as of_foreign
from tests.engine.test_planfile import PLAN
from tests.runtime.test_runtime_ports import Plans
from tests.small import lenet
from wtsnet.bench.timing import Measurement
from wtsnet.cli.bench import bench
from wtsnet.runtime import choosing
from wtsnet.runtime.stats import Stage, Stats
from wtsnet.trt.device import Driver

cuda, launch, runtime, plan = of_foreign.cuda, of_foreign.launch, of_foreign.runtime, of_foreign.plan
QUICK = ("--warm-up", "0", "--duration", "0.01")


@pytest.fixture(autouse=True)
def without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "driver", lambda: Driver(None, "no CUDA device"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    wtsnet.build("lenet", lenet(), batch=(1, 2, 4)).save(folder / "lenet.plan")
    return folder


@pytest.fixture
def here(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(built)
    return built


def test_without_a_gpu(cli: Callable[..., Any], here: Path) -> None:
    done = cli("bench", "lenet.plan", *QUICK, "--iterations", "3", "--batch", "4", "--percentile", "75,99.9")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("lenet.plan: data 4×1×32×32; tensorrt_rtx 1.")
    assert lines[1] == "reference on cpu: no CUDA device"
    assert lines[2].endswith(" s, 1 stream, with copies, without a graph, after 0 s of warm-up")
    assert int(lines[2].split()[0]) >= 3
    assert lines[5].split() == ["latency", "min", "mean", "median", "max", "75", "%", "99.9", "%"]
    assert [line.split()[0] for line in lines[8:]] == ["stage", "compute"]


def test_the_figures(cli: Callable[..., Any], here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def measured(engine: Any, **options: Any) -> Measurement:
        asked.update(options)
        return Measurement(
            runner="tensorrt",
            reason="tensorrt: NVIDIA RTX fits the plan",
            tensorrt="tensorrt_rtx 1.7.1",
            shapes={"data": (4, 1, 32, 32), "scale": ()},
            streams=2,
            copies=True,
            graph=True,
            warm_up=0.5,
            seconds=0.005,
            latencies=np.array([0.001, 0.002, 0.003, 0.004]),
            stats=Stats(Stage(4, 0, 4e-6), Stage(4, 65536, 65536 / 25e9), Stage(4, 0, 0.004), Stage(4, 160, 160 / 2e9)),
        )

    monkeypatch.setitem(bench.__globals__, "measure", measured)
    places = ("--runner", "tensorrt", "--device", "1", "--no-copies", "--shape", "data=4x1x32x32")
    times = ("--warm-up", "0.5", "--duration", "2", "--iterations", "7")
    done = cli("bench", "lenet.plan", *places, *times, "--streams", "2", "--graph")
    assert done.out == (
        "lenet.plan: data 4×1×32×32, scale (); tensorrt_rtx 1.7.1\n"
        "tensorrt: NVIDIA RTX fits the plan\n"
        "4 inferences in 0.01 s, 2 streams, with copies, with a graph, after 0.5 s of warm-up\n"
        "throughput: 800.0 inferences/s, 3,200.0 pictures/s\n"
        "\n"
        "latency  min    mean   median  max    50 %   90 %   95 %   99 %\n"
        "ms       1.000  2.500  2.000   4.000  2.000  4.000  4.000  4.000\n"
        "\n"
        "stage           mean ms  bytes   GB/s\n"
        "staging         0.001\n"
        "host to device  0.001    16,384  25.00\n"
        "compute         1.000\n"
        "device to host  0.000    40      2.00\n"
        "with 2 streams the time of a stage contains its wait for the others\n"
    )
    assert asked == {
        "runner": "tensorrt", "device": 1, "inputs": None, "batch": None, "shapes": {"data": (4, 1, 32, 32)},
        "warm_up": 0.5, "duration": 2, "iterations": 7, "copies": False, "streams": 2, "graph": True, "progress": None,
    }  # fmt: skip


def test_json_alone_on_stdout(cli: Callable[..., Any], here: Path) -> None:
    np.savez(here / "in.npz", data=np.zeros((3, 1, 32, 32), np.float32))
    done = cli("bench", "lenet.plan", *QUICK, "--json", "-", "--input", "in.npz", "--runner", "reference")
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    assert (found["plan"], found["runner"], found["reason"]) == (
        "lenet.plan",
        "reference",
        "reference on cpu: asked for",
    )
    assert found["inputs"] == {"data": [3, 1, 32, 32]}
    assert found["inferences"] >= 10
    assert found["pictures_per_second"] == pytest.approx(3 * found["inferences_per_second"])
    assert list(found["latency_ms"]["percentiles"]) == ["50", "90", "95", "99"]


def test_json_in_a_file(cli: Callable[..., Any], here: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    target.write_text("old")
    done = cli("bench", "lenet.plan", *QUICK, "--json", target)
    assert done.status == 0
    assert done.out.startswith("lenet.plan: data 2×1×32×32; ")
    assert json.loads(target.read_text())["copies"] is True
    assert list(tmp_path.iterdir()) == [target]


def test_a_bar_on_a_terminal(cli: Callable[..., Any], here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes stderr for a terminal
    done = cli("bench", "lenet.plan", *QUICK, "--json", "-")
    assert "Warming up" in done.err
    assert "Measuring" in done.err
    assert "100%" in done.err
    assert json.loads(done.out)["inferences"] >= 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("none.plan", "none.plan: can't be read (No such file or directory)"),
        ("lenet.plan.wts", "lenet.plan.wts: found b'10\\nc' at its beginning, expected a TensorRT plan"),
        ("lenet.plan --duration 0", "duration: found 0.0, expected seconds above 0"),
        ("lenet.plan --duration nan", "duration: found nan, expected seconds above 0"),
        ("lenet.plan --warm-up -1", "warm_up: found -1.0, expected seconds from 0"),
        ("lenet.plan --iterations 0", "Invalid value for '--iterations': "),
        ("lenet.plan --streams 0", "Invalid value for '--streams': "),
        ("lenet.plan --percentile 101", "--percentile: found '101', expected numbers from 0 to 100, as in 50,99.9"),
        ("lenet.plan --percentile 50,nan", "--percentile: found '50,nan', expected"),
        ("lenet.plan --percentile 50,", "--percentile: found '50,', expected"),
        ("lenet.plan --batch 5", "input 'data': found shape (5, 1, 32, 32), expected (1..4, 1, 32, 32)"),
        ("lenet.plan --shape data=1x3x32x32", "input 'data': found shape (1, 3, 32, 32), expected (1..4, 1, 32, 32)"),
        ("lenet.plan --shape dat=1x1x32x32", "input 'dat': unknown; did you mean 'data'?"),
        ("lenet.plan --shape data", "--shape: found 'data', expected NAME="),
        ("lenet.plan --shape x=1:2:3", "--shape: found a range for x, expected one shape, as in x=1x3x224x224"),
        ("lenet.plan --input none.npz", "none.npz: can't be read as an .npz of inputs"),
        ("lenet.plan --runner trt", "runner: found 'trt', expected one of auto, tensorrt, reference"),
        ("lenet.plan --runner tensorrt", "the plan can't run here: no CUDA device; "),
        ("lenet.plan --streams 2", "2 streams: the plan can't run here: no CUDA device; "),
        ("lenet.plan --no-copies", "no copies: the plan can't run here: no CUDA device; "),
        ("lenet.plan --graph --runner reference", "a graph: only where the plan runs on a GPU; found the reference"),
        ("lenet.plan --device gpu", "device: found 'gpu', expected cpu or a cuda device of this machine"),
        ("lenet.plan --json none/x.json", "none/x.json: can't be written (No such file or directory)"),
        ("lenet.plan --json .", ".: can't be written (Is no regular file)"),
    ],
)
def test_errors(
    fails: Callable[..., str], here: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, message: str
) -> None:
    before = sorted(here.iterdir())
    if "--json" in arguments:
        monkeypatch.setitem(bench.__globals__, "measure", pytest.fail)  # nothing runs before
    assert fails("bench", *arguments.split()).startswith(message)
    assert sorted(here.iterdir()) == before


def test_a_plan_without_a_manifest(cli: Callable[..., Any], runtime: Plans, plan: Path) -> None:
    done = cli("bench", plan, *QUICK, "--streams", "2", "--json", "-")
    assert done.err == f"note: {plan}: no manifest beside it: names, shapes and profiles are the engine's own\n"
    assert done.status == 0
    figures = json.loads(done.out)
    assert figures["reason"] == "tensorrt: Some GPU fits the plan"
    assert figures["inputs"] == {"x": [4, 3], "size": [1]}


def test_a_plan_without_a_manifest_and_without_a_gpu(fails: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "x.plan").write_bytes(PLAN)
    assert fails("bench", tmp_path / "x.plan") == (
        f"{tmp_path / 'x.plan'}: without a manifest a plan tells what it takes only to a GPU that it fits: no CUDA "
        "device; there, `wtsnet manifest x.plan` writes the manifest (x.plan.yaml)"
    )


def test_ctrl_c(here: Path, tmp_path: Path) -> None:
    code = """
from wtsnet import cli
from wtsnet.bench import bench
def measure(*args, progress, **options):
    def told(what, done, total):
        if done > 0 and what == "Measuring":
            print("measuring", flush=True)
    return bench(*args, progress=told, **options)
cli.bench.__globals__["measure"] = measure
cli.main()
"""
    target = tmp_path / "x.json"
    arguments = ("bench", here / "lenet.plan", "--duration", "20", "--runner", "reference", "--json", target)
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "measuring\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert set(out.splitlines()) <= {"measuring"}
    assert err == ""
    assert list(tmp_path.iterdir()) == []
