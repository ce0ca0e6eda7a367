"""wtsnet/blocks/yolo/hgnet.py against the modules of the ultralytics package."""

from __future__ import annotations

from typing import Any

import pytest

from tests.blocks.support import check_block, picture
from tests.upstream.ultralytics import modules
from wtsnet.blocks.yolo import hgnet


@pytest.mark.parametrize("size", [(16, 24), (15, 22)])
def test_hg_stem(size: tuple[int, int]) -> None:
    check_block(lambda s, x: hgnet.hg_stem(s, x, 8, 12), modules().HGStem(3, 8, 12), picture(3, *size))


def test_hg_stem_of_pictures_of_any_size() -> None:
    sizes = ((1, 2, 4), 3, (8, 16, 24), (8, 16, 24))
    check_block(lambda s, x: hgnet.hg_stem(s, x, 8, 12), modules().HGStem(3, 8, 12), picture(3, 12, 20), sizes=sizes)


@pytest.mark.parametrize("args", [(), (5, 2), (3, 3, True), (5, 2, True, True), (3, 2, False, True)])
def test_hg_block(args: tuple[Any, ...]) -> None:
    check_block(lambda s, x: hgnet.hg_block(s, x, 6, 16, *args), modules().HGBlock(16, 6, 16, *args), picture(16))


def test_hg_block_of_another_width() -> None:
    twin = modules().HGBlock(8, 6, 16, 3, 2, False, True)
    check_block(lambda s, x: hgnet.hg_block(s, x, 6, 16, 3, 2, False, True), twin, picture(8))


@pytest.mark.parametrize("k", [1, 5])
def test_light_conv(k: int) -> None:
    nn = modules().block.nn
    twin = modules().LightConv(8, 6, k, nn.ReLU())
    check_block(lambda s, x: hgnet.light_conv(s, x, 6, k), twin, picture(8))
