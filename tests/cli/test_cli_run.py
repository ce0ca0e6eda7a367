"""wtsnet/cli/run.py: `wtsnet run`."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import pytest
from PIL import Image

import wtsnet
from tests.small import TINY, lenet, tiny, tiny_file, yolo_file
from tests.small_onnx import means
from tests.small_yolo import small_yolo
from wtsnet.pictures import read_image
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
    (folder / "own.py").write_text(OWN)
    wtsnet.build(f"{folder / 'own.py'}:flat", {}).save(folder / "flat.plan")
    for name in ("words", "two"):
        wtsnet.build(f"{folder / 'own.py'}:{name}", {}, batch=(1, 2, 3)).save(folder / f"{name}.plan")
    plain = wtsnet.build(f"{folder / 'own.py'}:plain", {})
    plain.save(folder / "bare.onnx.plan")
    return folder


# A model with a decoder of its own, one of two inputs, and one that says nothing of pictures.
OWN = """
from dataclasses import dataclass

import numpy as np
import wtsnet
from wtsnet.decode import decoder


@dataclass
class Word:
    text: str
    box: np.ndarray

    def __str__(self):
        return self.text

    def plot(self, picture):
        picture[:9] = 255
        return picture


@decoder("ocr")
def ocr(outputs, seen):
    corner = seen.place.to_source([0, 0, 4, 4])
    return Word(f"mean {outputs['output'].mean():.2f} of {sorted(outputs)}", corner)


@wtsnet.model("words", image=wtsnet.Image(size=4, preprocess={"kind": "stretch"}), task="ocr")
def words(s, x):
    return x * 1.0


@wtsnet.model("two", inputs={"left": wtsnet.Input(("N", 2)), "right": wtsnet.Input(("N", 2))}, task="classify")
def two(s, left, right):
    return left + right


@wtsnet.model("flat", inputs={"x": wtsnet.Input((2, 3))}, task="classify")
def flat(s, x):
    return x * 1.0


@wtsnet.model("plain", image=wtsnet.Image(size=4))
def plain(s, x):
    return x * 1.0
"""

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
    assert done.err.splitlines()[-1] == "reference on cpu: no CUDA device"
    assert done.err.count("reference on cpu") == 1
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


def test_what_a_plan_of_an_onnx_file_lacks_can_be_given(cli: Callable[..., Any], here: Path) -> None:
    wtsnet.build(str(means(here / "x.onnx"))).save("x.plan")
    done = cli("run", "x.plan", "a.png")
    assert (done.status, done.out) == (2, "")
    assert "x.plan: preprocess: the manifest does not say how a picture becomes the input; set its kind" in done.err
    done = cli("run", "x.plan", "a.png", "--preprocess", "stretch")
    assert done.status == 2
    assert "x.plan: decode: task: found 'none': the model tells no task; give one with --task" in done.err
    done = cli("run", "x.plan", "a.png", "--preprocess", "stretch", "--mean", "0.5,0.5,0.5", "--task", "classify")
    assert (done.status, done.out.splitlines()[0]) == (0, "a.png:")
    image = np.asarray(Image.open("a.png").resize((4, 4), Image.Resampling.BILINEAR)) / 255 - 0.5
    shares = np.exp(image.mean((0, 1))) / np.exp(image.mean((0, 1))).sum()
    found = {row.split()[0]: float(row.split()[1]) for row in done.out.splitlines()[1:]}
    assert found == {str(i): pytest.approx(share, abs=1e-3) for i, share in enumerate(shares)}


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
        ("bare.plan a.png", "bare.plan: without a manifest a plan tells what it takes only to a GPU that it fits"),
        ("a.png a.png", "a.png: found b'"),
        ("yolo.wts a.png", "yolo.wts.yaml: kind: found 'weights', expected 'plan'"),
        ("changed.plan a.png", "changed.plan: found sha256"),
        ("yolo.plan none.png", "none.png: no such file"),
        ("yolo.plan yolo.wts --strict", "yolo.wts: not a readable picture"),
        ("yolo.plan cut.png --strict", "cut.png: not a readable picture"),
        ("yolo.plan empty", "empty: no file in this folder or below it is a picture by its suffix"),
        ("yolo.plan *.tif", "*.tif: no file matches this"),
        ("yolo.plan", "found no pictures, expected files, folders or globs, or --inputs, an .npz by input name"),
        ("yolo.plan -w yolo.wts a.png", "weights: yolo.plan is a plan, for which this was settled when it was built"),
        ("yolo.plan --imgsz 32 a.png", "imgsz: yolo.plan is a plan, for which this was settled when it was built"),
        ("yolo.plan --batch 1:2:4 a.png", "batch: found '1:2:4', expected a number: of a plan, how many"),
        ("yolo.plan --batch 2 a.png", "batch is 2, expected a whole number from 1 to 1"),
        ("resnet18 a.png", "resnet18: found no weights, expected a .wts file"),
        ("resnet19 -w yolo.wts a.png", "unknown model 'resnet19'"),
        ("yolo.plan a.png --raw out.npz -o out", "--out: found out, but with --raw there is nothing to draw"),
        ("yolo.plan --inputs in.npz -o out", "--out: found out, but with --inputs there is no picture to draw"),
        ("yolo.plan a.png --inputs in.npz", "--inputs: found in.npz, and the pictures a.png too; give one of the two"),
        ("yolo.plan a.png --raw none/out.npz", "none/out.npz: can't be written (No such file or directory)"),
        ("yolo.plan a.png --raw out.npz --conf 0.5", "conf is 0.5, but has no meaning for raw outputs"),
        ("yolo.plan --inputs none.npz", "none.npz: can't be read (No such file or directory)"),
        ("yolo.plan --inputs in.npz", "input 'x': unknown (the engine takes images float32"),
        ("lenet.plan a.png --head raw", "head: lenet.plan is a plan, for which this was settled when it was built"),
        ("two.plan a.png", "{here}/two.plan: takes left and right, and a picture is one input; give --inputs, an .npz"),
        ("flat.plan a.png", "{here}/flat.plan: takes x float32 [2, 3], which is no picture; give --inputs, an .npz of"),
        ("yolo.plan a.png --raw out.bin", "--raw: found out.bin, expected a name that ends in .npz"),
        ("yolo.plan in.npz --raw ./in.npz", "in.npz: is read by this command; write to another file"),
        ("two.plan --inputs in.npz --raw in.npz", "in.npz: is read by this command; write to another file"),
        ("plan.npz a.png --raw plan.npz", "plan.npz: is read by this command; write to another file"),
        ("words -w in.npz a.png --raw in.npz", "in.npz: is read by this command; write to another file"),
        ("two.plan --inputs in.npz --batch 2", "--batch: found 2, which has no meaning with --inputs: they are run as"),
        ("two.plan --inputs in.npz --strict", "--strict: has no meaning with --inputs: no picture is read"),
        ("bare.onnx.plan a.png", "{here}/bare.onnx.plan: preprocess: the manifest does not say how a picture becomes"),
        ("yolo.plan a.png --runner trt", "runner: found 'trt', expected one of auto, tensorrt, reference"),
        ("yolo.plan a.png --runner tensorrt", "the plan can't run here: no CUDA device; runner('reference') executes"),
        ("yolo.plan a.png -o .", "a.png: would be overwritten; choose another folder with --out"),
        ("yolo.plan a.png sub/a.png -o out", "sub/a.png: would go to out/a.png, and so would a.png"),
        ("yolo.plan a.png -o cut.png", "cut.png: can't be made (File exists)"),
        ("lenet.plan a.png --conf 0.5", "conf is 0.5, but has no meaning for the task 'classify'"),
        ("v10.plan a.png --iou 0.5", "iou is 0.5, but this detector finds each object once: nothing is suppressed"),
        ("gone.plan a.png", "{here}/gone.plan: "),
    ],
)
def test_errors(cli: Callable[..., Any], here: Path, arguments: str, message: str) -> None:
    shutil.copy("yolo.plan", "bare.plan")
    shutil.copy("lenet.plan", "plan.npz")
    for name in ("changed.plan", "gone.plan"):
        shutil.copy("lenet.plan", name)
        shutil.copy("lenet.plan.yaml", f"{name}.yaml")
    with open("changed.plan", "ab") as file:
        file.write(b"x")
    (here / "gone.plan.yaml").write_text((here / "gone.plan.yaml").read_text().replace("lenet.plan.wts", "none.wts"))
    (here / "cut.png").write_bytes((here / "a.png").read_bytes()[:500])
    np.savez("in.npz", x=np.ones(3))
    (here / "empty").mkdir()
    (here / "sub").mkdir()
    shutil.copy("a.png", "sub/a.png")
    before = sorted(here.rglob("*"))
    done = cli("run", *arguments.split())
    assert (done.status, done.out) == (2, "")
    *notes, error = done.err.splitlines()
    assert error.startswith(f"error: {message.format(here=here)}")
    assert all(note.startswith(("reference on cpu: ", "note: the plan can't run here: ")) for note in notes)
    assert sorted(here.rglob("*")) == before


class TestOwnTask:
    def test_a_decoder_gives_what_run_json_and_drawing_need(
        self, cli: Callable[..., Any], here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir("/")
        done = cli("run", here / "words.plan", here / "a.png", here / "b.jpg", "-o", here / "found")
        assert done.status == 0, done.err
        first, written, second, _ = done.out.splitlines()
        mean = np.asarray(Image.open(here / "a.png")).mean() / 255
        assert first == f"{here}/a.png: mean {mean:.2f} of ['output']"
        assert written == f"  written to {here}/found/a.png"
        assert second.startswith(f"{here}/b.jpg: mean 0.")
        assert (np.asarray(Image.open(here / "found/a.png"))[:9] == 255).all()
        (record,) = map(json.loads, cli("run", here / "words.plan", here / "a.png", "--json").out.splitlines())
        assert record["task"] == "ocr"
        assert record["results"] == {"text": f"mean {mean:.2f} of ['output']", "box": [0, 0, 50, 70]}

    def test_a_file_of_ones_own_is_built_and_run(self, cli: Callable[..., Any], here: Path) -> None:
        wtsnet.write_wts("none.wts", {})
        planned = cli("run", "words.plan", "a.png", "b.jpg")
        before = sorted(here.rglob("*"))
        built = cli("run", "own.py:words", "-w", "none.wts", "a.png", "b.jpg", "--batch", "2")
        assert built.status == 0, built.err
        assert built.out == planned.out
        assert sorted(here.rglob("*")) == before


# A task whose decoder fails at dark pictures, and gives what can't be drawn on those that are not quite light.
FRAIL = """
import wtsnet


class Mean:
    def __init__(self, value):
        self.value = value

    def to_dict(self):
        return {"mean": self.value if self.value < 0.9 else float("nan")}

    def __str__(self):
        return f"{self.value:.1f}"

    def plot(self, picture):
        return picture if self.value > 0.7 else 1 / 0


@wtsnet.decoder("mean")
def mean(outputs, seen):
    if outputs["output"].mean() < 0.3:
        raise ValueError("too dark")
    return Mean(round(float(outputs["output"].mean()), 1))


@wtsnet.model("frail", image=wtsnet.Image(size=8, preprocess={"kind": "stretch"}), task="mean")
def frail(s, x):
    return x * 1.0
"""


class TestWhatFails:
    @pytest.fixture
    def frail(self, here: Path) -> Path:
        (here / "frail.py").write_text(FRAIL)
        wtsnet.build(f"{here / 'frail.py'}:frail", {}, batch=(1, 4, 4)).save("frail.plan")
        for name, value in (("light", 204), ("grey", 153), ("dark", 0), ("white", 255)):
            Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(f"{name}.png")
        return here

    def test_results_before_the_failing_decoder_are_told(self, cli: Callable[..., Any], frail: Path) -> None:
        done = cli("run", "frail.plan", "light.png", "grey.png", "dark.png", "light.png")
        assert (done.status, done.out) == (2, "light.png: 0.8\ngrey.png: 0.6\n")
        error = rf"error: dark.png: the decoder of 'mean' \({frail}/frail.py, line \d+\): ValueError: too dark"
        assert re.fullmatch(error, done.err.splitlines()[-1])

    @pytest.mark.parametrize(
        ("options", "first", "second"),
        [
            ([], "light.png: 0.8\n  written to out/light.png\n", "grey.png: 0.6\n"),
            (
                ["--json"],
                '{"picture": "light.png", "task": "mean", "results": {"mean": 0.8}, "written": "out/light.png"}\n',
                '{"picture": "grey.png", "task": "mean", "results": {"mean": 0.6}}\n',
            ),
        ],
    )
    def test_a_result_that_can_not_be_drawn_is_told(
        self, cli: Callable[..., Any], frail: Path, options: list[str], first: str, second: str
    ) -> None:
        done = cli("run", "frail.plan", "light.png", "grey.png", "-o", "out", *options)
        assert (done.status, done.out) == (2, first + second)
        assert done.err.splitlines()[-1].startswith("error: grey.png: plot of Mean (")

    def test_numbers_that_json_does_not_have(self, cli: Callable[..., Any], frail: Path) -> None:
        done = cli("run", "frail.plan", "light.png", "white.png", "--json")
        assert (done.status, len(done.out.splitlines())) == (2, 1)
        assert done.err.splitlines()[-1].startswith("error: white.png: result.mean: found nan, which JSON can't hold")
        assert cli("run", "frail.plan", "white.png").out == "white.png: 1.0\n"

    def test_names_that_are_no_text(self, here: Path) -> None:
        name = b"\xff[bold]\n.png"
        shutil.copy(b"a.png", name)
        shutil.copy("a.png", "broken\n.png")
        Path("broken\n.png").write_bytes(b"none")
        done = process("run", "words.plan", name, "--json")
        (record,) = map(json.loads, done.stdout.decode("utf-8").splitlines())
        assert record["picture"].encode("utf-8", "surrogateescape") == name
        done = process("run", "words.plan", name, "broken\n.png", "b.jpg")
        assert done.returncode == 1
        first, second = done.stdout.decode("utf-8").splitlines()
        assert first.startswith(r"\udcff[bold]\n.png: mean ")
        assert second.startswith("b.jpg: mean ")
        *_, skipped, count = done.stderr.decode("utf-8").splitlines()
        assert skipped.startswith(r"skipped: broken\n.png: not a readable picture (cannot identify image file)")
        assert count == "1 of 3 pictures were skipped"


def process(*arguments: str | bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "wtsnet", *arguments]
    return subprocess.run(command, capture_output=True, check=False, env=os.environ | {"PYTHONUTF8": "1"}, timeout=100)


def test_a_terminal_gets_every_line_whole(here: Path) -> None:
    """Also while a bar is shown on it, and whatever the names look like."""
    shutil.copy("a.png", "[bold]a   :smile: \N{GREEK SMALL LETTER ALPHA}.png")
    arguments = ["run", "lenet.plan", "[bold]a   :smile: \N{GREEK SMALL LETTER ALPHA}.png", "b.jpg", "c.png", "--json"]
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "40", "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "wtsnet", *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as running:
        os.close(theirs)
        seen = b""
        with suppress(OSError):  # at its end
            while block := os.read(ours, 1 << 16):
                seen += block
        os.close(ours)
    assert running.returncode == 0, seen.decode()
    assert b"/3" in seen, "there is a bar"
    lines = process(*arguments).stdout.splitlines()
    assert len(lines) == 3
    assert min(map(len, lines)) > 80
    for line in lines:
        assert line + b"\r\n" in seen


def test_ctrl_c_ends_it_while_a_file_hangs(here: Path) -> None:
    os.mkfifo("pipe.png")
    command = [sys.executable, "-m", "wtsnet", "run", "lenet.plan", "a.png", "pipe.png", "--batch", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        late = Timer(60, running.kill)
        late.start()
        assert running.stdout is not None
        assert running.stdout.readline() == b"a.png:\n"
        running.send_signal(signal.SIGINT)
        status = running.wait()
        late.cancel()
    assert status == 130


class TestRaw:
    def test_of_a_model_that_nobody_can_decode(self, cli: Callable[..., Any], here: Path) -> None:
        done = cli("run", "words.plan", "a.png", "b.jpg", "c.png", "a.png", "--raw", "out.npz")
        assert done.status == 0, done.err
        assert done.out == "out.npz: output (4, 3, 4, 4)\n"
        with np.load("out.npz") as found:
            assert found["picture"].tolist() == ["a.png", "b.jpg", "c.png", "a.png"]
            np.testing.assert_allclose(found["output"][0], found["output"][3])
            np.testing.assert_allclose(
                found["output"].mean((1, 2, 3))[0], np.asarray(Image.open("a.png")).mean() / 255, atol=0.01
            )

    def test_with_json_stdout_is_kept_for_it(self, cli: Callable[..., Any], here: Path) -> None:
        done = cli("run", "words.plan", "a.png", "--raw", "out.npz", "--json")
        assert (done.status, done.out) == (0, "")
        assert done.err.splitlines()[-1] == "out.npz: output (1, 3, 4, 4)"
        np.savez("in.npz", left=np.ones((1, 2), np.float32), right=np.ones((1, 2), np.float32))
        done = cli("run", "two.plan", "--inputs", "in.npz", "--raw", "out.npz", "--json")
        assert (done.out, done.err.splitlines()[-1]) == ("", "out.npz: output (1, 2)")

    def test_inputs_in_the_place_of_pictures(self, cli: Callable[..., Any], here: Path) -> None:
        left = np.arange(10, dtype=np.float32).reshape(5, 2)
        np.savez("in.npz", left=left, right=left)
        done = cli("run", "two.plan", "--inputs", "in.npz", "--raw", "out.npz")
        assert (done.status, done.out) == (0, "out.npz: output (5, 2)\n"), done.err
        with np.load("out.npz") as found:
            assert list(found) == ["output"]
            np.testing.assert_array_equal(found["output"], 2 * left)

    def test_inputs_are_decoded_where_the_task_is_known(self, cli: Callable[..., Any], here: Path) -> None:
        np.savez("in.npz", left=np.array([[1, 2], [4, 3]], np.float32), right=np.zeros((2, 2), np.float32))
        done = cli("run", "two.plan", "--inputs", "in.npz", "--limit", "1", "--json")
        assert done.status == 0, done.err
        records = [json.loads(line) for line in done.out.splitlines()]
        assert [one["picture"] for one in records] == ["in.npz[0]", "in.npz[1]"]
        assert [one["results"][0]["class"] for one in records] == [1, 0]
        text = cli("run", "two.plan", "--inputs", "in.npz", "--limit", "1").out
        assert text.splitlines()[::2] == ["in.npz[0]:", "in.npz[1]:"]

    def test_a_picture_that_is_skipped_has_no_row(self, cli: Callable[..., Any], here: Path) -> None:
        (here / "b.jpg").write_bytes(b"none")
        done = cli("run", "words.plan", "a.png", "b.jpg", "c.png", "--raw", "out.npz")
        assert (done.status, done.out) == (1, "out.npz: output (2, 3, 4, 4)\n")
        with np.load("out.npz") as found:
            assert found["picture"].tolist() == ["a.png", "c.png"]


class TestTree:
    @pytest.fixture
    def tree(self, here: Path) -> Path:
        for name in ("t/a.png", "t/in/b.gif", "t/in/c.jpg"):
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            with Image.open("a.png") as picture:
                picture.save(here / name)
        (here / "t/in/broken.png").write_bytes(b"none")
        (here / "t/notes.txt").write_text("none")
        return here

    def test_it_is_mirrored_and_a_broken_picture_skipped(self, cli: Callable[..., Any], tree: Path) -> None:
        done = cli("run", "yolo.plan", "t", "-o", "out", "--conf", "0.3", "--limit", "1")
        assert done.status == 1
        assert [line for line in done.out.splitlines() if not line.startswith(" ")] == [
            "t/a.png: 1 found",
            "t/in/b.gif: 1 found",
            "t/in/c.jpg: 1 found",
        ]
        *_, skipped, count = done.err.splitlines()
        assert skipped.startswith("skipped: t/in/broken.png: not a readable picture")
        assert count == "1 of 4 pictures were skipped"
        files = sorted(str(path.relative_to(tree)) for path in (tree / "out").rglob("*") if path.is_file())
        assert files == ["out/a.png", "out/in/b.png", "out/in/c.jpg"]

    def test_results_below_the_folder_are_no_sources(self, cli: Callable[..., Any], tree: Path) -> None:
        (tree / "t/in/broken.png").unlink()
        first, second = (cli("run", "lenet.plan", "t", "-o", "t/found") for _ in range(2))
        assert (first.status, second.out) == (0, first.out)

    def test_strict_stops_there(self, cli: Callable[..., Any], tree: Path) -> None:
        done = cli("run", "yolo.plan", "t/in", "--strict", "-o", "out", "--conf", "0.3")
        assert done.status == 2
        assert done.out.startswith("t/in/b.gif: ")
        assert done.err.splitlines()[-1].startswith("error: t/in/broken.png: not a readable picture")
        assert [path.name for path in (tree / "out").iterdir()] == ["b.png"]

    def test_globs_and_several_sources(self, cli: Callable[..., Any], tree: Path) -> None:
        done = cli("run", "lenet.plan", "t/**/*.gif", "b.jpg", "t/*.png", "--limit", "1")
        assert done.status == 0, done.err
        assert done.out.splitlines()[::2] == ["t/in/b.gif:", "b.jpg:", "t/a.png:"]

    def test_a_picture_is_told_before_the_next_is_read(
        self, cli: Callable[..., Any], tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order: list[str] = []
        command = sys.modules["wtsnet.cli.run"]  # the room hands on the function of the same name
        monkeypatch.setattr(command, "_tell", lambda found, *more: order.append(f"told {found.where}"))

        def read(path: Path, channels: int) -> Any:
            order.append(f"read {path}")
            return read_image(path, channels)

        monkeypatch.setattr("wtsnet.predict.sources.read_image", read)
        assert cli("run", "yolo.plan", *["a.png", "b.jpg", "c.png"] * 3).status == 0
        reads = [i for i, what in enumerate(order) if what.startswith("read")]
        told = [i for i, what in enumerate(order) if what.startswith("told")]
        # One is looked at, one is read meanwhile, and a third may be begun as soon as that is taken.
        assert all(read > told for read, told in zip(reads[3:], told, strict=False))

    def test_the_bar_is_on_a_terminal_only(
        self, cli: Callable[..., Any], tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "pictures/s" not in cli("run", "lenet.plan", "a.png", "b.jpg").err
        monkeypatch.setenv("FORCE_COLOR", "1")
        done = cli("run", "lenet.plan", "a.png", "b.jpg", "c.png", "--limit", "1")
        assert "3/3" in done.err
        assert "pictures/s" in done.err
        assert done.out.splitlines()[::2] == ["a.png:", "b.jpg:", "c.png:"], "results do not go through the bar"


def test_classes_are_written_on_the_picture(cli: Callable[..., Any], here: Path) -> None:
    done = cli("run", "lenet.plan", "a.png", "-o", "out")
    assert done.status == 0, done.err
    with Image.open("out/a.png") as drawn, Image.open("a.png") as source:
        assert drawn.tobytes() != source.tobytes()
