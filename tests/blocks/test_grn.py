"""wtsnet/blocks/classifiers/grn.py against timm's module."""

from __future__ import annotations

import pytest
import torch

from tests.blocks.support import check_block, picture
from tests.ops.support import OneOp, close
from tests.upstream.timm import package
from wtsnet.blocks.classifiers.grn import global_response_norm


@pytest.mark.parametrize("axis", [1, 3])
@pytest.mark.parametrize("sizes", [None, ((1, 2, 3), 4, (1, 5, 9), 6)], ids=["fixed", "dynamic"])
def test_lengths(axis: int, sizes: tuple[tuple[int, int, int] | int, ...] | None) -> None:
    module = package().layers.grn.GlobalResponseNorm(4 if axis == 1 else 6, channels_last=axis == 3)
    check_block(lambda s, x: global_response_norm(s, x, axis), module, picture(4, 5, 6), sizes=sizes)


def test_squares_beyond_half_precision() -> None:
    module = package().layers.grn.GlobalResponseNorm(4, channels_last=False)
    torch.nn.init.ones_(module.weight)
    x = (1000 * picture(4)).half()
    one = OneOp(global_response_norm, x, weights=module.state_dict())
    close(one(x)[0].float(), module(x.float()).detach(), 1e-3)
