"""wtsnet/cli/run.py: `wtsnet run`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import wtsnet
from tests.small import lenet, tiny, tiny_file, yolo_file
from wtsnet import runtime
from wtsnet.device import Driver


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
    return folder


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
    tiny_file(
        here / "code",
        Path(tiny_file(here / "code").partition(":")[0]).read_text().replace("return relu(", "return flat("),
    )
    source = (
        (here / "code/mine.py")
        .read_text()
        .replace("import conv, global_avg_pool, relu", "import conv, global_avg_pool, flatten as flat")
    )
    (here / "code/mine.py").write_text(source)
    wtsnet.write_wts("tiny.wts", tiny())
    assert cli("build", "mine.py:tiny", "-w", "tiny.wts", "-o", "../t.plan").status == 0
    monkeypatch.chdir("/")
    done = cli("run", here / "t.plan", here / "a.png")
    assert done.status == 0, done.err
    assert len(done.out.splitlines()) == 5


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
        ("lenet.plan a.png -o out", "--out: found out, but the model finds no boxes to draw: it is there to classify"),
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
