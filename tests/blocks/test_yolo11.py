"""wtsnet/blocks/yolo/yolo11.py against the modules of the ultralytics package."""

from __future__ import annotations

from typing import Any

import pytest

from tests.blocks.support import architecture, check_block, picture
from tests.upstream.ultralytics import modules
from wtsnet.blocks.yolo import yolo11

CASES: list[tuple[Any, ...]] = [
    (1, False, 0.25),
    (2, False, 0.5, False, 2),
    (2, True),
    (1, True, 0.5, False, 2, False),
    (1, False, 1.0, False, 1, False),
    (2, True, 0.5, True),
    (1, True, 0.5, True, 2, False),
]


@pytest.mark.parametrize("args", CASES)
def test_c3k2(args: tuple[Any, ...]) -> None:
    check_block(
        lambda s, x: yolo11.c3k2(s, x, 32, *args, arch=architecture()), modules().C3k2(16, 32, *args), picture(16)
    )


@pytest.mark.parametrize(("scale", "csp"), [("n", False), ("s", False), ("m", True), ("l", True), ("x", True)])
def test_larger_sizes_have_c3k(scale: str, csp: bool) -> None:
    twin = modules().C3k2(16, 32, 2, csp)
    check_block(lambda s, x: yolo11.c3k2(s, x, 32, 2, False, arch=architecture(scale)), twin, picture(16))


@pytest.mark.parametrize("args", [(1,), (2, False), (2, True, 2)])
def test_c3k(args: tuple[Any, ...]) -> None:
    check_block(lambda s, x: yolo11.c3k(s, x, 16, *args), modules().block.C3k(8, 16, *args), picture(8))
