"""wtsnet/cli/run.py: `wtsnet run`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import wtsnet
from tests.cli import run_plans as plans
from tests.small import TINY, tiny, tiny_file
from tests.small_onnx import means
from wtsnet.pictures import read_image

without_a_gpu, built, here = plans.without_a_gpu, plans.built, plans.here


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
