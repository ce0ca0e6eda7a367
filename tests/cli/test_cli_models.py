"""wtsnet/cli/models.py: `wtsnet models`, and the README's table, which it makes."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain, product
from pathlib import Path
from typing import Any

import pytest

from wtsnet.cli.models import abbreviated, rows
from wtsnet.definition.registry import models

README = Path(__file__).parents[2] / "README.md"


def test_models(cli: Callable[..., Any]) -> None:
    done = cli("models")
    assert (done.status, done.err) == (0, "")
    assert {model.family for model in models().values()} <= set(done.out.split())
    assert "resnet{18,34,50,101,152}" in done.out
    assert "3×1280×1280" in done.out


def test_one_model(cli: Callable[..., Any]) -> None:
    lines = cli("models", "yolov5s6").out.splitlines()
    assert lines[0] == "yolov5s6: detect, weights as in ultralytics/yolov5 v6, v7, input images 3×1280×1280"
    assert [line.split()[0] for line in lines[1:]] == ["head=topk", "k=1000", "cfg=", "scale="]


def test_an_unknown_model(fails: Callable[..., str]) -> None:
    assert fails("models", "yolov5z") == "unknown model 'yolov5z'; did you mean 'yolov5'? (see: wtsnet models)"


def test_the_readmes_table_is_this_one(cli: Callable[..., Any]) -> None:
    done = cli("models", "--markdown")
    assert done.status == 0
    assert done.out.strip() in README.read_text("utf-8"), "put what `wtsnet models --markdown` prints into the README"


def test_every_model_is_in_the_table() -> None:
    named = list(chain.from_iterable(spelt_out(cell) for _, names, *_ in rows() for cell in names.split()))
    assert sorted(named) == sorted(models())


def spelt_out(text: str) -> list[str]:
    """The names that a name with braces stands for, as a shell expands it."""
    parts = re.split(r"[{}]", text)
    return ["".join(one) for one in product(*(part.split(",") for part in parts))]


@pytest.mark.parametrize(
    ("names", "short"),
    [
        ("resnet18 resnet34 resnet101", "resnet{18,34,101}"),
        ("alexnet", "alexnet"),
        ("vgg11 vgg13 vgg11_bn vgg13_bn", "vgg{11,13} vgg{11,13}_bn"),
        ("yolov8n yolov8s yolov8n-seg yolov8s-seg", "yolov8{n,s} yolov8{n,s}-seg"),
        ("swin_t swin_b", "swin_{t,b}"),
        ("regnet_x_400mf regnet_x_1_6gf regnet_y_8gf", "regnet_x_{400mf,1_6gf} regnet_y_8gf"),
        ("yolov3 yolov3-spp yolov3-tiny", "yolov3{,-spp,-tiny}"),
        ("vit-tiny-patch16 vit-base-patch16 vit-base-patch32", "vit-{tiny,base}-patch16 vit-base-patch32"),
        ("one two", "one two"),
        ("net net_v2", "net{,_v2}"),
    ],
)
def test_names_that_differ_in_one_part(names: str, short: str) -> None:
    assert " ".join(abbreviated(names.split())) == short
    assert list(chain.from_iterable(map(spelt_out, short.split()))) == names.split()
