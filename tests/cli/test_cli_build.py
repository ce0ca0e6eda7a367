"""wtsnet/cli/build.py and options.py: `wtsnet build`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wtsnet
from tests.small import TINY, lenet, lenet_file, tiny, tiny_file, yolo_file
from wtsnet.cli.options import late_progress, model_options, print_columns
from wtsnet.errors import ModelError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lenet_file(tmp_path)
    return tmp_path


def test_build(cli: Callable[..., Any], here: Path) -> None:
    done = cli("build", "lenet", "-w", "lenet.wts")
    assert (done.status, done.err) == (0, "")
    first, second = done.out.splitlines()
    size = (here / "lenet.plan").stat().st_size
    assert first.startswith(f"lenet.plan: {size:,} bytes in ")
    assert first.endswith(" s, and lenet.plan.yaml beside it")
    assert second == "data float32 [1, 1, 32, 32] -> prob float32 [1, 10]"
    assert sorted(path.name for path in here.iterdir()) == ["lenet.plan", "lenet.plan.yaml", "lenet.wts"]


def test_options_reach_the_engine(cli: Callable[..., Any], here: Path) -> None:
    yolo_file(here)
    options = "--batch 1:2:4 --imgsz 64x96 --precision fp16 --head decoded --no-fold-bn --set k=5"
    how = "--target sm86,sm89 --flag weight_streaming --flag tf32 --workspace 64 --level 1 --cache cache"
    done = cli("build", "yolov5", "-w", "yolo.wts", "-o", "out.plan", *options.split(), *how.split())
    assert done.status == 0, done.err
    manifest = wtsnet.load("out.plan").manifest
    assert manifest.options == {
        "batch": [1, 2, 4],
        "imgsz": [64, 96],
        "precision": "fp16",
        "head": "decoded",
        "fold_bn": False,
        "k": 5,
    }
    assert (manifest.target, manifest.flags) == (["sm86", "sm89"], ["tf32", "weight_streaming"])
    assert manifest.inputs[0]["max"] == [4, 3, 64, 96]
    assert len(list((here / "cache").iterdir())) == 1


def test_a_model_of_ones_own(cli: Callable[..., Any], here: Path, tmp_path: Path) -> None:
    tiny_file(here)
    wtsnet.write_wts("tiny.wts", tiny())
    assert cli("build", "mine.py:tiny", "-w", "tiny.wts").status == 0
    assert (here / "tiny.plan").exists()
    assert wtsnet.load("tiny.plan").manifest.model == "mine.py:tiny"
    done = cli("models", "mine.py:tiny")
    assert done.out == "tiny: classify, weights as in your own model, input images 3×8×8\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("lennet -w lenet.wts", "unknown model 'lennet'; did you mean 'lenet'? (see: wtsnet models)"),
        ("none.py:a -w lenet.wts", "{here}/none.py: can't be read (No such file or directory); expected a file that"),
        ("mine.py:tinny -w lenet.wts", "unknown model 'tinny'; did you mean 'tiny'? ({here}/mine.py registers tiny)"),
        ("lenet -w none.wts", "{here}/none.wts: "),
        ("lenet -w mine.py", "{here}/mine.py, line 1: "),
        ("lenet -w lenet.wts -o no/x.plan", "no/x.plan: can't be written (there is no folder no)"),
        ("lenet -w lenet.wts -o folder", "folder: can't be written (Is no regular file)"),
        ("lenet -w lenet.wts --batch 0", "batch: found 0, expected a number or (min, opt, max)"),
        ("lenet -w lenet.wts --batch x", "batch: found 'x', expected a number or MIN:OPT:MAX"),
        ("lenet -w lenet.wts --batch 1:2", "batch: found '1:2', expected a number or MIN:OPT:MAX"),
        ("lenet -w lenet.wts --batch 4:2:8", "batch: found (4, 2, 8), expected a number or"),
        ("lenet -w lenet.wts --imgsz 32x", "imgsz: found '', expected a number or MIN:OPT:MAX"),
        ("lenet -w lenet.wts --imgsz 32x32x32x32", "imgsz: found (32, 32, 32, 32), expected a number or"),
        ("lenet -w lenet.wts --imgsz 64", "lenet.wts: fc1.weight: found "),
        ("lenet -w lenet.wts --precision int8", "precision: found 'int8', expected one of fp32, fp16, bf16"),
        ("lenet -w lenet.wts --head raw", "lenet: unknown option 'head' (it has none)"),
        ("lenet -w lenet.wts --target sm1", "target: unknown 'sm1'; did you mean 'sm121'?"),
        ("lenet -w lenet.wts --flag fp16", "flag: unknown 'fp16'"),
        ("lenet -w lenet.wts --workspace 0", "workspace: found 0, expected a whole number from 1"),
        ("lenet -w lenet.wts --cache mine.py", "mine.py: can't be used as a cache (File exists)"),
        ("lenet -w lenet.wts --set k", "--set: found 'k', expected NAME=VALUE"),
        ("lenet -w lenet.wts --set k=[", "--set: found 'k=[', expected a plain value"),
        ("lenet -w lenet.wts --set batch=2", "--set: found 'batch=2', expected an option of the model"),
        ("yolov5s -w lenet.wts --set k=x", "yolov5s: k: found 'x', expected int as in 1000"),
        ("yolov5s -w lenet.wts --head all", "head: found 'all', expected one of topk, decoded, raw"),
        ("yolov5 -w lenet.wts", "lenet.wts: yolov5 takes its architecture from the manifest"),
        ("lenet -w other.wts", "other.wts: 1 of 11 weights were never used: extra"),
    ],
)
def test_errors(fails: Callable[..., str], here: Path, arguments: str, message: str) -> None:
    tiny_file(here, TINY)
    (here / "folder").mkdir()
    wtsnet.write_wts("other.wts", {**lenet(), "extra": lenet()["fc3.bias"]})
    before = sorted(here.rglob("*"))
    assert fails("build", *arguments.split()).startswith(message.format(here=here))
    assert sorted(path for path in here.rglob("*") if "__pycache__" not in path.parts) == before


def test_spellings() -> None:
    made = model_options("8", "640", "fp32", None, True, ["a=1", "b=x", "c=[1, 2]", "d=1e-3", "e="])
    assert made == {
        "batch": 8,
        "imgsz": 640,
        "precision": "fp32",
        "fold_bn": True,
        "a": 1,
        "b": "x",
        "c": [1, 2],
        "d": "1e-3",
        "e": None,
    }
    assert model_options("1:2:4", "32:64:96x128", "fp32", "raw", False, None) == {
        "batch": (1, 2, 4),
        "imgsz": ((32, 64, 96), 128),
        "precision": "fp32",
        "head": "raw",
        "fold_bn": False,
    }
    assert model_options("1", "32:64:96", "fp32", None, True, None)["imgsz"] == (32, 64, 96)
    with pytest.raises(ModelError, match="--set"):
        model_options("1", None, "fp32", None, True, ["device=cpu"])


def test_columns_are_never_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    print_columns([("a", "b"), ("x" * 200, "[bold]")])
    assert capsys.readouterr().out == f"a{' ' * 201}b\n{'x' * 200}  [bold]\n"


def test_progress_is_late_and_keeps_out_of_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from wtsnet.cli import options

    now = iter(range(100))
    monkeypatch.setattr(options, "monotonic", lambda: next(now))
    with late_progress() as progress:
        progress("Building", 0, 3)
        progress("Building", 3, 3)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    now = iter(range(100))
    with late_progress() as progress:
        for done in range(4):
            progress("Building", done, 3)
    assert "Building" in capsys.readouterr().err
