"""wtsnet/cli/models.py: `wtsnet models`, and the README's table, which it makes."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain, product
from pathlib import Path
from typing import Any

import pytest

from wtsnet.cli.models import abbreviated, rows
from wtsnet.registry import models

README = Path(__file__).parents[2] / "README.md"


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
