"""wtsnet/blocks/yolo/psa.py against the modules of the ultralytics package."""

from __future__ import annotations

import pytest

from tests.blocks.support import check_block, picture
from tests.ops.support import Size
from tests.upstream.ultralytics import modules
from wtsnet.blocks.yolo import psa
from wtsnet.errors import NetworkError
from wtsnet.ops import mish

ANY: tuple[Size, ...] = ((1, 2, 3), 128, (2, 4, 8), (3, 6, 8))


@pytest.mark.parametrize("sizes", [None, ANY])
@pytest.mark.parametrize("heads", [1, 2])
def test_attention(heads: int, sizes: tuple[Size, ...] | None) -> None:
    twin = modules().block.Attention(128, heads)
    check_block(lambda s, x: psa.attention(s, x, heads), twin, picture(128, 4, 6), sizes=sizes)


@pytest.mark.parametrize(("c", "e"), [(128, 0.5), (256, 0.5), (96, 1.0)])
def test_psa(c: int, e: float) -> None:
    check_block(lambda s, x: psa.psa(s, x, c, e), modules().PSA(c, c, e), picture(c, 3, 5))


@pytest.mark.parametrize("n", [1, 2])
def test_c2_psa(n: int) -> None:
    check_block(lambda s, x: psa.c2_psa(s, x, 256, n), modules().C2PSA(256, 256, n), picture(256, 3, 5))


def test_c2f_psa() -> None:
    check_block(lambda s, x: psa.c2f_psa(s, x, 128, 2), modules().C2fPSA(128, 128, 2), picture(128, 3, 5))


def test_the_activation() -> None:
    twin = modules().C2PSA(128, 128, 1)
    for part in (twin.cv1, twin.cv2, twin.m[0].ffn[0]):
        part.act = modules().block.nn.Mish()
    check_block(lambda s, x: psa.c2_psa(s, x, 128, act=mish), twin, picture(128, 3, 5))


def test_another_width_than_the_input() -> None:
    with pytest.raises(NetworkError, match="width: found 64, expected that of the input, 128"):
        check_block(lambda s, x: psa.psa(s, x, 64), modules().PSA(128, 128), picture(128, 3, 5))
