"""The README's commands and code do what it says, typed in as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from tests.ops.support import build, close
from tools.torchvision_models import models as torchvision_models
from wtsnet import Network, ReferenceRunner, Scope, Tensor, write_wts
from wtsnet.errors import NetworkError
from wtsnet.network import OPS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
TOUR = TEXT.partition("## The five-minute tour")[2].partition("\n## ")[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder in which the repository's tools lie where the README's commands look for them."""
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    return tmp_path


def run(command: list[str] | str, folder: Path) -> str:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "120"},
        shell=isinstance(command, str),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def test_the_tour_runs_as_written(folder: Path) -> None:
    commands = [line for block in re.findall(r"```sh\n(.*?)```", TOUR, re.S) for line in block.splitlines()]
    printed = {command.split()[1]: run(command, folder) for command in commands}
    assert len(printed) == 6
    assert "349 entries" in printed["export"]
    assert "all within 1e-05" in printed["verify"]
    assert "found" in printed["run"]
    assert (folder / "found" / "held_out.png").is_file()


def test_the_example_model_equals_pytorch(folder: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    assert len(code.splitlines()) <= 33, "the README says about thirty lines"
    (folder / "tiny.py").write_text(code, encoding="utf-8")
    printed = run([sys.executable, "tiny.py"], folder)
    assert float(printed.split(":")[1]) < 1e-6
    printed = run("wtsnet run tiny.plan tools/digits/held_out.png", folder)
    assert len(printed.splitlines()) == 6  # the picture, and its five best classes
    assert (folder / "tiny.plan.yaml").is_file()


def test_the_picture_to_result_example_runs(folder: Path) -> None:
    run("wtsnet export tools/digits/digits.pt -o digits.wts", folder)
    run("wtsnet build yolov5 -w digits.wts -o digits.plan --imgsz 416", folder)
    code = TOUR.partition("**The same from Python**")[2].split("```")[1].partition("\n")[2]
    assert len([line for line in code.splitlines() if line.strip()]) == 5
    printed = run([sys.executable, "-c", code], folder)
    assert printed.rstrip().endswith("]")
    assert sorted(re.findall(r"'(\d)'", printed)) == sorted("4646193356")
    with Image.open(folder / "found.png") as drawn, Image.open(ROOT / "tools/digits/held_out.png") as picture:
        assert drawn.size == picture.size
        assert drawn.tobytes() != picture.convert("RGB").tobytes()


def test_the_example_of_other_inputs_runs(folder: Path) -> None:
    code = TEXT.partition("**Other inputs, other outputs.**")[2].split("```")[1].partition("\n")[2]
    (folder / "captions.py").write_text(code, encoding="utf-8")
    random = np.random.default_rng(0)
    shapes = {"conv": (16, 3, 3, 3), "words": (100, 16), "fc": (1, 32)}
    weights = {f"{name}.weight": random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights |= {"conv.bias": np.zeros(16, np.float32), "fc.bias": np.zeros(1, np.float32)}
    write_wts(folder / "captions.wts", weights)
    (command,) = re.findall(r"`(wtsnet build captions.py [^`]+)`", TEXT)
    run(command, folder)
    given: dict[str, Any] = {
        "left": random.random((2, 3, 64, 64), np.float32),
        "tokens": random.integers(0, 100, (2, 9)),
    }
    np.savez(folder / "in.npz", **given)
    words = functional.embedding(torch.from_numpy(given["tokens"]), torch.from_numpy(weights["words.weight"])).mean(1)
    seen = functional.conv2d(torch.from_numpy(given["left"]), torch.from_numpy(weights["conv.weight"])).mean((2, 3))
    wanted = (torch.cat((seen, words), 1) @ torch.from_numpy(weights["fc.weight"]).T).sigmoid()
    printed = run("wtsnet run captions.plan --inputs in.npz", folder)
    assert [line.rpartition("fits by ")[2] for line in printed.splitlines() if "fits by" in line] == [
        f"{one:.0%}" for one in wanted[:, 0].tolist()
    ]
    run("wtsnet run captions.plan --inputs in.npz --raw out.npz", folder)
    with np.load(folder / "out.npz") as out:
        np.testing.assert_allclose(out["fit"], wanted.numpy(), rtol=1e-5)


def snippet(text: str, start: str) -> dict[str, Any]:
    """What the snippet defines that follows `start`, with what the one before it imports."""
    code = text.partition(start)[2].split("```")[1]
    names: dict[str, Any] = {"Scope": Scope, "Tensor": Tensor}
    exec(code.partition("\n")[2], names)
    return names


def test_the_module_of_the_readme_is_torchvisions() -> None:
    block = torchvision_models().resnet.BasicBlock
    down = nn.Sequential(nn.Conv2d(4, 8, 1, 2, bias=False), nn.BatchNorm2d(8))
    for theirs in (block(4, 4), block(4, 8, 2, down)):
        net = Network({f"layer.{key}": value for key, value in theirs.eval().state_dict().items()})
        x = net.input("x", (2, 4, 6, 6))
        ours = snippet(TEXT, "A part of a model is a function too.")["basic_block"]
        width = theirs.conv2.out_channels
        net.output("y", ours(net.root / "layer", x, width, stride=width // 4))
        assert set(net.modules) >= {"layer", "layer.bn1", "layer.bn2"}
        given = torch.randn(2, 4, 6, 6)
        with torch.inference_mode():
            close(torch.from_numpy(ReferenceRunner(net.trt).run({"x": given})["y"]), theirs(given))


def test_the_layer_by_hand_of_the_readme_computes() -> None:
    net = Network({})
    by_hand = snippet(TEXT, "**Where there is no op**")["reversed_up_to"]
    x, lengths = net.input("x", (4, 2, 3)), net.input("lengths", (2,), "int32")
    net.output("y", by_hand(net.root / "turned", x, lengths) * 2)
    build(net)
    given = torch.randn(4, 2, 3)
    made = ReferenceRunner(net.trt).run({"x": given, "lengths": np.array([4, 2], np.int32)})["y"]
    expected = torch.stack((given[:, 0].flip(0), torch.cat((given[:2, 1].flip(0), given[2:, 1]))), 1) * 2
    close(torch.from_numpy(made), expected)


def test_the_op_of_contributing_is_torchs() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    before = dict(OPS)
    try:
        softshrink = snippet(text, "## Add an op")["softshrink"]
    finally:
        OPS.update(before)
    net = Network({})
    x = net.input("x", (2, 3))
    net.output("y", softshrink(x, 0.25))
    given = torch.randn(2, 3)
    close(torch.from_numpy(ReferenceRunner(net.trt).run({"x": given})["y"]), nn.functional.softshrink(given, 0.25))
    with pytest.raises(NetworkError, match=r"softshrink: lambd: found -1, expected at least 0"):
        softshrink(x, -1)


def test_every_command_of_the_readme_exists() -> None:
    from wtsnet.cli import COMMANDS

    known = {command.__name__ for command in COMMANDS}
    named = set(re.findall(r"(?:^|`)wtsnet (\w+)", TEXT, re.M))
    assert len(named) >= 5
    assert named <= known
