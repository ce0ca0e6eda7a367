"""wtsnet/blocks/yolo/yolo12.py against the modules of the ultralytics package."""

from __future__ import annotations

from typing import Any

import pytest

from tests.blocks.support import architecture, check_block, picture
from tests.ops.support import Size
from tests.upstream.ultralytics import modules
from wtsnet.blocks.yolo import yolo12
from wtsnet.errors import NetworkError

ANY: tuple[Size, ...] = ((1, 2, 3), 64, (2, 4, 8), (2, 6, 8))


@pytest.mark.parametrize("sizes", [None, ANY])
@pytest.mark.parametrize("area", [1, 4, 3])
def test_area_attention(area: int, sizes: tuple[Size, ...] | None) -> None:
    twin = modules().block.AAttn(64, 2, area)
    check_block(lambda s, x: yolo12.area_attention(s, x, area), twin, picture(64, 4, 6), sizes=sizes)


CASES: list[tuple[Any, ...]] = [
    (1, True, 4),
    (2, True, 1, True, 1.2),
    (1, True, 1, False, 3.0, 1.0),
    (2, False, -1),
    (1, False, -1, True, 2.0, 0.5, 2, False),
]


@pytest.mark.parametrize("args", CASES)
def test_a2c2f(args: tuple[Any, ...]) -> None:
    check_block(
        lambda s, x: yolo12.a2c2f(s, x, 64, *args, arch=architecture("m")),
        modules().A2C2f(64, 64, *args),
        picture(64, 4, 6),
    )


@pytest.mark.parametrize("scale", ["l", "x"])
def test_large_sizes_have_a_shortcut(scale: str) -> None:
    twin = modules().A2C2f(64, 64, 1, True, 4, True, 1.2)
    check_block(lambda s, x: yolo12.a2c2f(s, x, 64, 1, True, 4, arch=architecture(scale)), twin, picture(64, 4, 6))


def test_an_area_that_does_not_divide_the_map() -> None:
    with pytest.raises(NetworkError, match=r"area: found 4, expected a divisor of the 15 places of \(2, 32, 3, 5\)"):
        check_block(
            lambda s, x: yolo12.a2c2f(s, x, 64, 1, True, 4, arch=architecture()),
            modules().A2C2f(64, 64),
            picture(64, 3, 5),
        )
