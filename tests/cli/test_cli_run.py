"""wtsnet/cli/run.py: `wtsnet run`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import wtsnet
from tests.small import TINY, lenet, tiny, tiny_file, yolo_file
from tests.small_yolo import small_yolo
from wtsnet.runtime import choosing as runtime
from wtsnet.trt.device import Driver


@pytest.fixture(autouse=True)
def without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "driver", lambda: Driver(None, "no CUDA device"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    random = np.random.default_rng(0)
    for name, size in (("a.png", (70, 50, 3)), ("b.jpg", (64, 64, 3)), ("c.png", (30, 90, 3))):
        Image.fromarray(random.integers(0, 256, size, np.uint8)).save(folder / name)
    weights = yolo_file(folder)
    wtsnet.build("yolov5", weights, imgsz=64).save(folder / "yolo.plan")
    wtsnet.build("yolov5", weights, imgsz=64, batch=4, head="decoded").save(folder / "four.plan")
    wtsnet.build("lenet", lenet(), batch=(1, 2, 2)).save(folder / "lenet.plan")
    for name in ("segment", "pose", "obb", "v10"):
        small_yolo(name, "topk").save(folder / f"{name}.plan")
    (folder / "pixels.py").write_text(PIXELS)
    for task in ("semantic", "lanes"):
        wtsnet.build(f"{folder / 'pixels.py'}:{task}", {}).save(folder / f"{task}.plan")
    return folder


# Two models without weights: of each pixel, which of three colours is strongest; and two lanes down the picture.
PIXELS = """
import numpy as np
import wtsnet

IMAGE = wtsnet.Image(size=8, preprocess={"kind": "stretch"})


@wtsnet.model("semantic", image=IMAGE, task="semantic")
def semantic(s, x):
    s.net.facts["decode"] = {"kind": "semantic", "head": "raw", "classes": 3}
    return {"logits": (x * 4.0).named(s / "out")}


@wtsnet.model("lanes", image=IMAGE, task="lanes")
def lanes(s, x):
    s.net.facts["decode"] = {"kind": "lanes", "size": [8, 8], "rows": [2, 4, 6], "cells": 4, "lanes": 2}
    peaks = np.zeros((1, 5, 3, 2), np.float32)
    peaks[:, 1, :, 0], peaks[:, 3, :, 1] = 50, 50
    return {"keypoints": x[:, :1, :1, :1] * 0.0 + s.constant(peaks, "float32")}
"""


@pytest.fixture
def here(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_detect(cli: Callable[..., Any], here: Path) -> None:
    done = cli("run", "yolo.plan", "a.png", "b.jpg", "--conf", "0.3", "--limit", "3", "-o", "found/here")
    assert done.status == 0
    assert done.err == "reference on cpu: no CUDA device\n"
    lines = done.out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["a.png: 3 found", "b.jpg: 3 found"]
    assert lines[4] == "  written to found/here/a.png"
    name, score, *box = lines[1].split()
    assert name in ("one", "two")
    assert 0.3 < float(score) <= 1
    assert len(box) == 4
    with Image.open("found/here/a.png") as drawn, Image.open("a.png") as source:
        assert drawn.size == source.size
        assert drawn.tobytes() != source.tobytes()
    assert sorted(path.name for path in (here / "found/here").iterdir()) == ["a.png", "b.jpg"]


def test_one_picture_through_an_engine_of_four(cli: Callable[..., Any], here: Path) -> None:
    one, four = (
        cli("run", plan, "a.png", "--conf", "0.3", "--runner", "reference") for plan in ("yolo.plan", "four.plan")
    )
    assert one.status == four.status == 0
    assert four.err == "reference on cpu: asked for\n"
    assert len(one.out.splitlines()) > 1
    assert one.out == four.out


def test_more_pictures_than_fit_at_once(cli: Callable[..., Any], here: Path) -> None:
    done = cli("run", "lenet.plan", "a.png", "b.jpg", "c.png", "a.png", "b.jpg", "--limit", "2")
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[::3] == ["a.png:", "b.jpg:", "c.png:", "a.png:", "b.jpg:"]
    assert lines[:3] == lines[9:12]
    assert float(lines[1].split()[1]) >= float(lines[2].split()[1])


def test_a_model_of_ones_own_from_another_folder(
    cli: Callable[..., Any], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "code").mkdir()
    monkeypatch.chdir(here / "code")
    tiny_file(here / "code", TINY.replace('return relu(x).named(s / "act")', "return x.flatten(1)"))
    wtsnet.write_wts("tiny.wts", tiny())
    assert cli("build", "mine.py:tiny", "-w", "tiny.wts", "-o", "../t.plan").status == 0
    monkeypatch.chdir("/")
    done = cli("run", here / "t.plan", here / "a.png")
    assert done.status == 0, done.err
    assert len(done.out.splitlines()) == 5


@pytest.mark.parametrize(
    ("task", "line", "keys"),
    [
        ("segment", r"  (one|two) +0\.\d{3}  \d+\.\d \d+\.\d \d+\.\d \d+\.\d  \d+ pixels", ["box", "mask"]),
        (
            "pose",
            r"  (one|two) +0\.\d{3}  \d+\.\d( \d+\.\d){3}  \d+\.\d,\d+\.\d( \d+\.\d,\d+\.\d){4}",
            ["box", "keypoints"],
        ),
        ("obb", r"  (one|two) +0\.\d{3}  -?\d+\.\d( -?\d+\.\d){3}  turned -?\d\.\d{3}", ["box", "corners"]),
        ("v10", r"  (one|two) +0\.\d{3}  \d+\.\d( \d+\.\d){3}", ["box"]),
        ("semantic", r"  [012] +\d+\.\d%", []),
        ("lanes", r"  lane \d +1\.000  \d+\.\d \d+\.\d to \d+\.\d \d+\.\d", ["points", "scores", "attributes"]),
    ],
    ids=["segment", "pose", "obb", "v10", "semantic", "lanes"],
)
def test_every_task(cli: Callable[..., Any], here: Path, task: str, line: str, keys: list[str]) -> None:
    done = cli("run", f"{task}.plan", "a.png", "b.jpg", "-o", "found")
    assert done.status == 0, done.err
    told = [row for row in done.out.splitlines() if row.startswith("  ") and not row.startswith("  written")]
    assert len(told) >= 2
    assert [row for row in told if not re.fullmatch(line, row)] == []
    for name in ("a.png", "b.jpg"):
        with Image.open(here / "found" / name) as drawn, Image.open(name) as source:
            assert drawn.size == source.size
            assert np.abs(np.asarray(drawn).astype(int) - np.asarray(source)).max() > 50
    again = cli("run", f"{task}.plan", "a.png", "b.jpg", "--json", "-o", "found")
    records = [json.loads(row) for row in again.out.splitlines()]
    assert [(one["picture"], one["written"]) for one in records] == [("a.png", "found/a.png"), ("b.jpg", "found/b.jpg")]
    assert {one["task"] for one in records} == {"detect" if task == "v10" else task}
    assert sum(len(one["results"]) for one in records) == len(told)
    for result in records[0]["results"]:
        assert set(keys) <= set(result)


def test_json_of_classes(cli: Callable[..., Any], here: Path) -> None:
    done = cli("run", "lenet.plan", "a.png", "--limit", "2", "--json")
    (record,) = map(json.loads, done.out.splitlines())
    assert list(record) == ["picture", "task", "results"]
    assert (record["picture"], record["task"], len(record["results"])) == ("a.png", "classify", 2)
    text = cli("run", "lenet.plan", "a.png", "--limit", "2").out
    assert [one["name"] for one in record["results"]] == [row.split()[0] for row in text.splitlines()[1:]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("none.plan a.png", "none.plan: can't be read (No such file or directory)"),
        (". a.png", ".: can't be read (Is a directory)"),
        ("bare.plan a.png", "bare.plan.yaml: can't be read: No such file or directory"),
        ("a.png a.png", "a.png.yaml: can't be read: No such file or directory"),
        ("yolo.wts a.png", "yolo.wts.yaml: kind: found 'weights', expected 'plan'"),
        ("changed.plan a.png", "changed.plan: found sha256"),
        ("yolo.plan none.png", "none.png: no such file"),
        ("yolo.plan yolo.wts", "yolo.wts: not a readable picture"),
        ("yolo.plan cut.png", "cut.png: not a readable picture"),
        ("yolo.plan .", ".: not a readable picture"),
        ("yolo.plan a.png --runner trt", "runner: found 'trt', expected one of auto, tensorrt, reference"),
        ("yolo.plan a.png --runner tensorrt", "the plan can't run here: no CUDA device; runner('reference') executes"),
        ("yolo.plan a.png -o .", "a.png: would be overwritten; choose another folder with --out"),
        ("yolo.plan a.png sub/a.png -o out", "a.png: another picture is called a.png too"),
        ("yolo.plan a.png -o cut.png", "cut.png: can't be made (File exists)"),
        ("lenet.plan a.png -o out", "--out: found out, but the model finds nothing to draw: it is there to classify"),
        ("lenet.plan a.png --conf 0.5", "conf is 0.5, but has no meaning for the task 'classify'"),
        ("v10.plan a.png --iou 0.5", "iou is 0.5, but this detector finds each object once: nothing is suppressed"),
        ("gone.plan a.png", "{here}/gone.plan: the reference runner needs the weights that the plan was built from"),
    ],
)
def test_errors(cli: Callable[..., Any], here: Path, arguments: str, message: str) -> None:
    shutil.copy("yolo.plan", "bare.plan")
    for name in ("changed.plan", "gone.plan"):
        shutil.copy("lenet.plan", name)
        shutil.copy("lenet.plan.yaml", f"{name}.yaml")
    with open("changed.plan", "ab") as file:
        file.write(b"x")
    (here / "gone.plan.yaml").write_text((here / "gone.plan.yaml").read_text().replace("lenet.plan.wts", "none.wts"))
    (here / "cut.png").write_bytes((here / "a.png").read_bytes()[:500])
    (here / "sub").mkdir()
    shutil.copy("a.png", "sub/a.png")
    before = sorted(here.rglob("*"))
    done = cli("run", *arguments.split())
    assert (done.status, done.out) == (2, "")
    *notes, error = done.err.splitlines()
    assert error.startswith(f"error: {message.format(here=here)}")
    assert all(note.startswith("reference on cpu: ") for note in notes)
    assert sorted(here.rglob("*")) == before
