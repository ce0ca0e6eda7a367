"""wtsnet/blocks/yolo/yolo10.py against the modules of the ultralytics package."""

from __future__ import annotations

import pytest

from tests.blocks.support import check_block, picture
from tests.upstream.ultralytics import modules
from wtsnet.blocks.yolo import yolo10
from wtsnet.errors import NetworkError


@pytest.mark.parametrize(("k", "stride"), [(3, 2), (5, 1)])
def test_sc_down(k: int, stride: int) -> None:
    check_block(lambda s, x: yolo10.sc_down(s, x, 16, k, stride), modules().SCDown(8, 16, k, stride), picture(8))


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("shortcut", [False, True])
def test_c2f_cib(shortcut: bool, large: bool) -> None:
    check_block(
        lambda s, x: yolo10.c2f_cib(s, x, 16, 2, shortcut, large),
        modules().C2fCIB(8, 16, 2, shortcut, large),
        picture(8, 8, 10),
        fused=r"m\.\d\.cv1\.2\.conv1?(\..*)?" if large else "",
    )


def test_another_width() -> None:
    check_block(lambda s, x: yolo10.c2f_cib(s, x, 16, e=0.25), modules().C2fCIB(8, 16, 1, e=0.25), picture(8))


def test_groups() -> None:
    with pytest.raises(NetworkError, match="groups: found 2, expected 1: compact inverted blocks are depthwise"):
        check_block(lambda s, x: yolo10.c2f_cib(s, x, 16, groups=2), modules().C2fCIB(8, 16), picture(8))
