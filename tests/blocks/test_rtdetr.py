"""wtsnet/blocks/heads/rtdetr.py and deformable.py against the modules of the ultralytics package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.blocks.support import architecture, check_block, picture
from tests.upstream.ultralytics import modules
from wtsnet.blocks.heads.heads import HeadCall
from wtsnet.blocks.heads.rtdetr import inner, rtdetr_decoder
from wtsnet.errors import ModelError
from wtsnet.network.network import Network
from wtsnet.reference import ReferenceRunner

if TYPE_CHECKING:
    from tests.ops.support import Size
    from wtsnet.network import Scope
    from wtsnet.network import Tensor as Value

SMALL = {"hd": 32, "nq": 20, "ndp": 3, "nh": 4, "ndl": 2, "d_ffn": 48}
ARGS = tuple(SMALL.values())
HIDDEN = {
    r"head\.decoder\.layers\.\d+\.self_attn\[1\]": "the weights of attention",
    r"head\.decoder\[\d\]": "what training needs of every layer",
}


class Levels(nn.Module):
    """A head on three levels that are made of one map."""

    def __init__(self, classes: int, channels: int = 8, **options: Any) -> None:
        super().__init__()
        self.head = modules().RTDETRDecoder(classes, [channels] * 3, **(SMALL | options))

    def forward(self, x: Tensor) -> Tensor:
        predictions: Tensor = self.head([x, x[:, :, ::2, ::2], x[:, :, ::4, ::4]])[0]
        return predictions


def call(kind: str = "decoded", k: int = 300) -> HeadCall:
    return HeadCall(architecture(), kind, k, (1, 2, 4))  # the map stands for the picture


def head(s: Scope, x: Value) -> Value:
    levels = [x, x[:, :, ::2, ::2], x[:, :, ::4, ::4]]
    return rtdetr_decoder(s / "head", levels, call(), -1, *ARGS)["predictions"].named(s)


SIZES = [None, ((1, 2, 3), 8, (4, 8, 12), (4, 8, 160))]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("classes", [5, 1])
def test_decoder(classes: int, sizes: tuple[Size, ...] | None) -> None:
    check_block(head, Levels(classes), picture(8, 8, 12), hidden="|".join(HIDDEN), sizes=sizes)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("seed", [0, 1])
def test_decoder_of_a_picture_with_a_margin(seed: int, sizes: tuple[Size, ...] | None) -> None:
    """Where a picture has many cells, those at its edge are no queries; or one query, if their score is the best.

    Between cells of noise samples change fast, and so with how a place among 120 of them is rounded.
    """
    x = picture(8, 8, 120, seed=seed)
    check_block(head, Levels(3), x, hidden="|".join(HIDDEN), sizes=sizes, tol=1e-4)


@pytest.mark.parametrize("dynamic", [False, True])
def test_the_margin(dynamic: bool) -> None:
    height, width = 104, 48
    module = modules().RTDETRDecoder(2, [8] * 3, **SMALL).eval()
    with torch.no_grad():
        module([torch.ones(1, 8, height >> i, width >> i) for i in range(3)])
    theirs = module.valid_mask.flatten()
    assert not theirs.all()
    sizes: list[tuple[Size, ...]] = [(1, 1, height >> i, width >> i) for i in range(3)]
    if dynamic:
        sizes = [(1, 1, (1, 100, 200), (1, 100, 200))] * 3
    net = Network({})
    for i, size in enumerate(sizes):
        x = net.input(f"x{i}", size)
        y = inner(x)
        assert dynamic or (y is x) == (i == 2)  # 26 rows have no margin
        net.output(f"y{i}", y)
    found = ReferenceRunner(net.trt).run({f"x{i}": np.ones((1, 1, height >> i, width >> i)) for i in range(3)})
    np.testing.assert_array_equal(np.concatenate([y.flatten() for y in found.values()]) != 0, theirs.numpy())


@pytest.mark.parametrize("strides", [(8, 16, 64), (8, 16, 32, 64, 128, 256)])
def test_other_strides(strides: tuple[int, ...]) -> None:
    with pytest.raises(
        ModelError, match=r"head: found strides \[8, 16, .*, expected up to five, each twice that before"
    ):
        rtdetr_decoder(Network({}).root / "head", [], HeadCall(architecture(), "topk", 300, strides), 2)
