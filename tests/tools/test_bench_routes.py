"""tools/bench_routes.py: both routes run, give the same outputs, and our engines are no larger."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from tools import bench_routes
from tools.bench_routes import ENGINE, Run, compare, export_onnx, main, parse, run_route
from tools.route_models import MODELS, Model
from wtsnet import define
from wtsnet import trt as tensorrt
from wtsnet.proof.verifying import relative_error
from wtsnet.reference import ReferenceRunner


@pytest.fixture(scope="module", params=MODELS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    model, checkpoint = MODELS[request.param], tmp_path_factory.mktemp(request.param) / "checkpoint.pt"
    model.save(checkpoint)
    return model, checkpoint


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["bench_routes", *words])
    main()


def test_our_engine_is_no_larger(
    case: tuple[Model, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, checkpoint = case
    call(monkeypatch, "--model", model.name, "--route", "wts", "--checkpoint", str(checkpoint))
    ours = Run(**json.loads(capsys.readouterr().out))
    theirs = run_route("onnx", model, checkpoint)
    assert (list(ours.steps), list(ours.aside)) == (["export", "build"], ["read", "define"])
    assert (list(theirs.steps), list(theirs.aside)) == (["load", "export", "parse", "build"], [])
    assert min(min(run.steps.values()) for run in (ours, theirs)) > 0
    assert min(ours.memory, theirs.memory) > 100
    assert list(ours.engine) == list(theirs.engine) == list(ENGINE)
    for name, figure in theirs.engine.items():
        mine = ours.engine[name]
        assert mine is not None
        assert figure is not None
        assert 0 < mine <= figure, name


def test_the_networks_compute_the_same(case: tuple[Model, Path], tmp_path: Path) -> None:
    model, checkpoint = case
    module = model.load(checkpoint)
    ours = define(model.name, module.state_dict(), **model.options)
    path = tmp_path / "model.onnx"
    export_onnx(module, model.shape, path)
    theirs, parser = parse(tensorrt.builder(), path)
    x = torch.rand(model.shape, generator=torch.Generator().manual_seed(0))
    (a,), (b,) = (ReferenceRunner(network).run({name: x}).values() for network, name in inputs(ours.trt, theirs))
    assert a.shape == b.shape
    assert relative_error(a, b) <= 1e-5
    del parser  # the owner of the weights until here


def inputs(*networks: Any) -> list[tuple[Any, str]]:
    return [(network, network.get_input(0).name) for network in networks]


def test_a_file_that_is_no_onnx(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no")
    with pytest.raises(SystemExit, match=r"the parser refuses .*no\.onnx: "):
        parse(tensorrt.builder(), tmp_path / "no.onnx")


def fake(name: str) -> Model:
    """A model whose checkpoint is its name."""

    def save(path: Path) -> None:
        path.write_text(name, encoding="utf-8")

    return Model(name, (1, 1, 1, 1), save, MODELS[name].load)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Runs that only say what they took: of ours 2, 4, 3 … seconds, of the other route 9, 8, 4 …"""
    seconds = {"wts": iter([2.0, 4.0, 3.0] * 2), "onnx": iter([9.0, 8.0, 4.0] * 2)}
    done: list[tuple[str, str]] = []

    def run(route: str, model: Model, checkpoint: Path) -> Run:
        assert checkpoint.read_text() == model.name
        done.append((model.name, route))
        took = next(seconds[route])
        engine = {"layers": 3, "scratch": None, "activation": 0, "weights": 1500, "plan": 4000}
        if route == "onnx":
            return Run({"parse": 0.0, "build": took}, {}, engine | {"plan": 5000}, 100 * took)
        return Run({"build": took}, {"define": took / 10}, engine, 100 * took)

    monkeypatch.setattr(bench_routes, "MODELS", {name: fake(name) for name in MODELS})
    monkeypatch.setattr(bench_routes, "run_apart", run)
    return done


def test_routes_in_turn_and_medians(runs: list[tuple[str, str]]) -> None:
    found = compare(fake("resnet50"), 3)
    assert runs == [("resnet50", "wts"), ("resnet50", "onnx")] * 3
    assert (found["wts"]["total"], found["onnx"]["total"]) == (3, 8)
    assert found["wts"]["steps"] == {"build": 3}
    assert found["wts"]["aside"] == {"define": pytest.approx(0.3)}
    assert found["onnx"]["steps"] == {"parse": 0, "build": 8}
    assert found["times faster"] == 2  # the median of 9/2, 8/4 and 4/3
    assert found["memory ratio"] == pytest.approx(300 / 800)
    assert found["onnx"]["engine"]["plan"] == 5000


def test_json(runs: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    call(monkeypatch, "--json", "--repeats", "1")
    found = json.loads(capsys.readouterr().out)
    assert list(found) == list(MODELS)
    assert runs == [(name, route) for name in MODELS for route in ("wts", "onnx")]
    assert found["yolov5s"]["wts"]["engine"]["weights"] == 1500
    assert set(found["yolov5s"]) == {"wts", "onnx", "times faster", "memory ratio"}


def test_tables_of_one_model(
    runs: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, "--model", "yolov5s", "--repeats", "1")
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert set(runs) == {("yolov5s", "wts"), ("yolov5s", "onnx")}
    for line in (
        "yolov5s wts build 2.00 2.00 200",
        "yolov5s onnx parse 0.00, build 9.00 9.00 900",
        "yolov5s: 4.50 times faster, with 0.22 of the memory",
        "yolov5s, aside: define 0.20",
        "yolov5s layers before the build 3 3 1.000",
        "yolov5s scratch memory (bytes) – – –",
        "yolov5s weight memory (bytes) 1,500 1,500 1.000",
        "yolov5s plan (bytes) 4,000 5,000 0.800",
    ):
        assert line in lines


def test_a_run_travels_as_json() -> None:
    run = Run({"export": 0.5, "build": 0.25}, {"define": 0.1}, {"plan": 7, "scratch": None}, 12.5)
    assert Run(**json.loads(json.dumps(asdict(run)))) == run
    assert run.total == 0.75
