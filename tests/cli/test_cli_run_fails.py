"""wtsnet/cli/run.py: what `wtsnet run` refuses, and what it saves where something fails."""

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
from tests.cli import run_plans as plans

without_a_gpu, built, here = plans.without_a_gpu, plans.built, plans.here


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
