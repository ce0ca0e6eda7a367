"""wtsnet/cli/build.py and options.py: `wtsnet build`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import wtsnet
from tests.small import LENET, TINY, lenet, lenet_file, tiny, tiny_file, yolo_file
from tests.small_onnx import refused, relu
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
    first, second, third = done.out.splitlines()
    size = (here / "lenet.plan").stat().st_size
    assert first.startswith(f"lenet.plan: {size:,} bytes in ")
    assert first.endswith(" s, and lenet.plan.yaml beside it")
    assert second == "data float32 [1, 1, 32, 32] -> prob float32 [1, 10]"
    found = re.fullmatch(r"on the GPU: weights ([\d,]+) bytes, and ([\d,]+) for each execution context", third)
    assert found is not None
    assert int(found[1].replace(",", "")) >= 4 * sum(math.prod(shape) for shape in LENET.values())
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
    assert (
        "uint8 [-1, 64, 96, 3] -> "
        in cli("build", "yolov5", "-w", "yolo.wts", *options.split(), "--input", "uint8").out
    )


def test_a_model_of_ones_own(cli: Callable[..., Any], here: Path, tmp_path: Path) -> None:
    tiny_file(here)
    wtsnet.write_wts("tiny.wts", tiny())
    for name in ("mine.py:tiny", "mine.py"):
        assert cli("build", name, "-w", "tiny.wts").status == 0
        assert (here / "tiny.plan").exists()
        assert wtsnet.load("tiny.plan").manifest.model == "mine.py:tiny"
        (here / "tiny.plan").unlink()
    done = cli("models", "mine.py:tiny")
    assert done.out == "tiny: no task of its own, weights as in your own model, input images 3×8×8\n"


INPUTS = """
import wtsnet

@wtsnet.model("sum", inputs={"a": wtsnet.Input(("N", "T")), "b": wtsnet.Input(("N", "T"), "int64")}, task="adding")
def added(s, a, b):
    return a + b.float()
"""


def test_several_inputs_and_a_task_that_nobody_reads(cli: Callable[..., Any], here: Path) -> None:
    (here / "sum.py").write_text(INPUTS)
    (here / "none.wts").write_text("0\n")
    assert cli("models", "sum.py").out == (
        "sum: adding, weights as in your own model, input a float32 N×T, b int64 N×T\n"
    )
    done = cli("build", "sum.py", "-w", "none.wts", "--shape", "b=1x8:1x128:4x512")
    assert (done.status, done.out.splitlines()[1]) == (
        0,
        "a float32 [-1, -1], b int64 [-1, -1] -> output float32 [-1, -1]",
    )
    assert re.fullmatch(
        r"note: .*sum.py:sum: decode: task 'adding' has no decoder: .*; the plan gives its outputs as they are "
        r"\(wtsnet run --raw\)\n",
        done.err,
    ), done.err
    assert [one["max"] for one in wtsnet.load("sum.plan").manifest.inputs] == [[4, 512]] * 2
    (here / "sum.py").write_text(INPUTS + "\n@wtsnet.decoder('adding')\ndef read(outputs, seen): return 'fine'\n")
    assert cli("build", "sum.py", "-w", "none.wts", "--shape", "b=1x8").err == ""


def test_a_task_that_the_outputs_do_not_fit(cli: Callable[..., Any], here: Path) -> None:
    tiny_file(here, TINY.replace('"tiny", ', '"tiny", task="classify", '))
    wtsnet.write_wts("tiny.wts", tiny())
    done = cli("build", "mine.py", "-w", "tiny.wts")
    assert done.status == 0
    assert re.match(r"note: .*mine.py:tiny: .*output.*(classes).*; the plan gives its outputs as they are", done.err), (
        done.err
    )


def test_the_way_from_a_picture_to_the_input(cli: Callable[..., Any], here: Path) -> None:
    tiny_file(here)
    wtsnet.write_wts("tiny.wts", tiny())
    words = "--preprocess stretch,antialias=false --mean 0.5,0.5,0.25 --std 1,1,2 --order bgr --task none"
    assert cli("build", "mine.py", "-w", "tiny.wts", *words.split()).status == 0
    assert wtsnet.load("tiny.plan").manifest.preprocess == {
        "kind": "stretch",
        "antialias": False,
        "mean": [0.5, 0.5, 0.25],
        "std": [1.0, 1.0, 2.0],
        "order": "BGR",
        "size": [8, 8],
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--preprocess stretch,fast", "preprocess: found 'stretch,fast', expected KIND,KEY=VALUE"),
        ("--preprocess strech", "{here}/mine.py:tiny: preprocess: kind is 'strech', expected"),
        ("--preprocess stretch,resize=3", "{here}/mine.py:tiny: preprocess: unknown key 'resize' for kind 'stretch'"),
        ("--mean 1,x", "--mean: found '1,x', expected a number for each channel"),
        ("--std 0,1,1", "{here}/mine.py:tiny: preprocess: std is [0.0, 1.0, 1.0], expected 3 finite numbers above 0"),
        ("--order rbg", "{here}/mine.py:tiny: preprocess: order is 'RBG', expected RGB or BGR"),
    ],
)
def test_ways_that_are_none(fails: Callable[..., str], here: Path, words: str, message: str) -> None:
    tiny_file(here)
    wtsnet.write_wts("tiny.wts", tiny())
    before = sorted(here.iterdir())
    assert fails("build", "mine.py", "-w", "tiny.wts", *words.split()).startswith(message.format(here=here))
    assert sorted(here.iterdir()) == before


def test_names_of_classes(cli: Callable[..., Any], here: Path) -> None:
    (here / "names.txt").write_text("cat\n\ndog \n")
    for names, wanted in (("names.txt", ["cat", "dog"]), ("a, b,c", ["a", "b", "c"])):
        assert cli("build", "lenet", "-w", "lenet.wts", "--names", names).status == 0
        assert wtsnet.load("lenet.plan").manifest.names == wanted


@pytest.mark.parametrize(
    "words",
    [
        "build lenet -w lenet.wts -o lenet.wts",
        "build mine.py -w tiny.wts -o mine.py",
        "build mine.py -w tiny.wts -o ./link.py",
        "rebuild lenet.plan -w lenet.wts -o lenet.wts",
        "record twin.py:Twin -w twin.pth --shape 1,2 -o twin.py",
        "record twin.py:Twin -w twin.pth --shape 1,2 -o twin.pth",
        "record twin.py:Twin -w twin.pth --inputs in.npz -o in.npz",
    ],
)
def test_what_is_read_is_not_written_over(
    cli: Callable[..., Any], fails: Callable[..., str], here: Path, words: str
) -> None:
    tiny_file(here)
    (here / "link.py").symlink_to("mine.py")
    wtsnet.write_wts("tiny.wts", tiny())
    cli("build", "lenet", "-w", "lenet.wts")
    (here / "twin.py").write_text(
        "import torch\nclass Twin(torch.nn.Linear):\n    def __init__(self): super().__init__(2, 2)\n"
    )
    torch.save(torch.nn.Linear(2, 2).state_dict(), "twin.pth")
    np.savez("in.npz", input=np.zeros((1, 2), np.float32))
    before = {path: path.read_bytes() for path in here.iterdir() if path.is_file()}
    out = words.split()[-1]
    assert fails(*words.split()) == (
        f"{Path(out)}: would be overwritten, and this command reads it; choose another name with --out"
    )
    assert {path: path.read_bytes() for path in here.iterdir() if path.is_file()} == before


def test_rebuild(cli: Callable[..., Any], here: Path) -> None:
    cli("build", "lenet", "-w", "lenet.wts", "--batch", "1:2:4", "--level", "1")
    wtsnet.write_wts("new.wts", {name: values * 0 for name, values in lenet().items()})
    done = cli("rebuild", "lenet.plan", "-w", "new.wts", "-o", "new.plan")
    assert (done.status, done.err) == (0, "")
    first, second, _ = done.out.splitlines()
    assert first.startswith("new.plan: ")
    assert second == "data float32 [-1, 1, 32, 32] -> prob float32 [-1, 10]"
    made, old = wtsnet.load("new.plan").manifest, wtsnet.load("lenet.plan").manifest
    assert (made.weights["file"], made.level, made.options) == ("new.wts", 1, old.options)
    assert cli("rebuild", "lenet.plan", "-w", "new.wts").status == 0
    assert wtsnet.load("lenet.plan").manifest.weights["file"] == "new.wts"


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
        ("yolov5 -w lenet.wts", "lenet.wts: the architecture is taken from the manifest beside the .wts"),
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


def test_an_onnx_file(cli: Callable[..., Any], here: Path) -> None:
    relu(here / "net.onnx")
    done = cli("build", "net.onnx", "--batch", "1:2:4", "--imgsz", "8x6", "--precision", "fp32")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[1] == "x float32 [-1, 3, 8, 6] -> y float32 [-1, 3, 8, 6]"
    manifest = wtsnet.load("net.plan").manifest
    assert manifest.model == manifest.weights["file"] == "net.onnx"
    assert manifest.options == {"batch": [1, 2, 4], "imgsz": [8, 6], "precision": "fp32"}
    done = cli("build", "net.onnx", "-o", "b.plan", "--shape", "x=1x3x8x8:2x3x8X8:4x3x9x9")
    assert done.out.splitlines()[1].startswith("x float32 [-1, 3, -1, -1] -> ")
    assert wtsnet.load("b.plan").manifest.inputs[0]["max"] == [4, 3, 9, 9]
    picture = here / "p.png"
    Image.new("RGB", (8, 8)).save(picture)
    done = cli("run", "net.plan", picture)
    assert done.status == 2
    assert done.err.splitlines()[-1].startswith(f"error: {here}/net.plan: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("none.onnx", "{here}/none.onnx: can't be read (No such file or directory)"),
        ("empty.onnx", "{here}/empty.onnx: no ONNX file, or one that was cut short (it is empty)"),
        ("net.onnx", "{here}/net.onnx: input x -1×3×-1×-1: axis 0 is dynamic and was given no size; give --batch and"),
        ("net.onnx -w lenet.wts --batch 1", "{here}/net.onnx: found weights as well, expected none"),
        (
            "bad.onnx",
            "{here}/bad.onnx: TensorRT's parser refuses it: node coin (Bernoulli): UNSUPPORTED_NODE; and 1 more",
        ),
        ("fixed.onnx --precision fp16", "{here}/fixed.onnx: precision: found 'fp16', expected fp32: the types in the"),
        ("fixed.onnx --no-fold-bn", "{here}/fixed.onnx: fold_bn: found False, expected none: an ONNX file is taken"),
        ("fixed.onnx --fold-bn", "{here}/fixed.onnx: fold_bn: found True, expected none"),
        ("fixed.onnx --head raw", "{here}/fixed.onnx: head: found 'raw', expected none"),
        ("fixed.onnx --set k=3", "{here}/fixed.onnx: k: found 3, expected none"),
        ("fixed.onnx --set shapes=3", "--set: found 'shapes=3', expected an option of the model (shapes is none"),
        ("fixed.onnx --batch 2", "{here}/fixed.onnx: batch: found 2, but the inputs are x 1×2"),
        ("fixed.onnx --shape x=1", "{here}/fixed.onnx: shape of x: found (1,), expected 2 sizes"),
        ("fixed.onnx --shape y=1x2", "{here}/fixed.onnx: shape: unknown input 'y' (it has x)"),
        ("fixed.onnx --shape x", "--shape: found 'x', expected NAME=1x3x224x224, or NAME=MIN:OPT:MAX of such"),
        ("fixed.onnx --shape =1x2", "--shape: found '=1x2', expected NAME="),
        ("fixed.onnx --shape x=1x2:1x2", "--shape: found 'x=1x2:1x2', expected NAME="),
        ("fixed.onnx --shape x=1xn", "--shape: found 'x=1xn', expected NAME="),
        ("fixed.onnx --shape x=1x2 --shape x=1x2", "--shape: found 'x=1x2', but x has a shape already"),
        (
            "lenet -w lenet.wts --shape data=1x3x32x32",
            "lenet: input data N×1×H×W: axis 1 is 1; shape says 3",
        ),
    ],
)
def test_errors_about_onnx_files(fails: Callable[..., str], here: Path, arguments: str, message: str) -> None:
    relu(here / "net.onnx")
    relu(here / "fixed.onnx", (1, 2))
    refused(here / "bad.onnx")
    (here / "empty.onnx").touch()
    assert fails("build", *arguments.split()).startswith(message.format(here=here))


def test_shapes_by_their_spelling() -> None:
    """A name may hold colons and equals signs: the shape is behind the last."""
    made = model_options(None, None, None, None, None, None, ["in:0=1x2", "a=b=1:2:3"])
    assert made == {"shapes": {"in:0": (1, 2), "a=b": ((1,), (2,), (3,))}}
