"""Plans of every task and kind, to be run by `wtsnet run`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import wtsnet
from tests.small import lenet, yolo_file
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
