"""wtsnet/blocks/yolo/gelan.py and rep.py against the modules of the ultralytics package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from torch import Tensor, nn

from tests.blocks.support import check_block, picture
from tests.upstream.ultralytics import modules
from wtsnet.blocks.yolo import gelan
from wtsnet.blocks.yolo.rep import rep_conv

if TYPE_CHECKING:
    from tests.ops.support import Size
    from wtsnet.network import Scope
    from wtsnet.network import Tensor as Value

# The branches of re-parametrised convolutions.
BRANCHES = r"(.*\.)?conv[12](\..*)?"


def test_rep_conv() -> None:
    check_block(lambda s, x: rep_conv(s, x, 8), modules().RepConv(6, 8), picture(6), fused=BRANCHES)


@pytest.mark.parametrize("n", [1, 2])
def test_rep_ncsp_elan(n: int) -> None:
    twin = modules().RepNCSPELAN4(6, 10, 16, 12, n)
    check_block(lambda s, x: gelan.rep_ncsp_elan(s, x, 10, 16, 12, n), twin, picture(6), fused=BRANCHES)


def test_elan() -> None:
    check_block(lambda s, x: gelan.elan(s, x, 10, 16, 12), modules().ELAN1(6, 10, 16, 12), picture(6))


@pytest.mark.parametrize("k", [5, 3])
def test_spp_elan(k: int) -> None:
    check_block(lambda s, x: gelan.spp_elan(s, x, 10, 6, k), modules().SPPELAN(8, 10, 6, k), picture(8))


def test_average_conv() -> None:
    check_block(lambda s, x: gelan.average_conv(s, x, 10), modules().AConv(8, 10), picture(8, 7, 10))


def test_average_down() -> None:
    check_block(lambda s, x: gelan.average_down(s, x, 10), modules().ADown(8, 10), picture(8, 7, 10))


@pytest.mark.parametrize("args", [(), (3, 2), (3, 1, 0, 2)])
def test_cb_linear(args: tuple[int, ...]) -> None:
    twin = modules().CBLinear(8, [4, 8, 2], *args)
    check_block(lambda s, x: gelan.cb_linear(s, x, [4, 8, 2], *args), twin, picture(8))


class Links(nn.Module):
    """A CBFuse behind two CBLinears, whose maps are smaller than the last."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = modules().CBLinear(4, [8, 4]), modules().CBLinear(4, [4])
        self.fuse = modules().CBFuse([1, 0])

    def forward(self, x: Tensor) -> Tensor:
        half = x[:, :, ::2, ::2]
        fused: Tensor = self.fuse([self.a(half[:, :, ::2, ::2]), self.b(half), x])
        return fused


def links(s: Scope, x: Value) -> Value:
    half = x[:, :, ::2, ::2]
    a, b = gelan.cb_linear(s / "a", half[:, :, ::2, ::2], [8, 4]), gelan.cb_linear(s / "b", half, [4])
    return gelan.cb_fuse(s / "fuse", [a, b, x], [1, 0]).named(s)


@pytest.mark.parametrize("sizes", [None, ((1, 2, 3), 4, (4, 8, 12), (4, 8, 12))])
def test_cb_fuse(sizes: tuple[Size, ...] | None) -> None:
    check_block(links, Links(), picture(4, 8, 12), sizes=sizes)
