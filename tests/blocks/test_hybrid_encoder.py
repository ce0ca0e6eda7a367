"""wtsnet/blocks/yolo/hybrid_encoder.py against the modules of the ultralytics package."""

from __future__ import annotations

import pytest

from tests.blocks.support import check_block, picture
from tests.ops.support import OneOp, Size
from tests.upstream.ultralytics import modules
from wtsnet.blocks.yolo import hybrid_encoder
from wtsnet.errors import NetworkError

BRANCHES = r"m\.\d+\.conv[12](\..*)?"
# The second of what a MultiheadAttention returns.
WEIGHTS = r"ma\[1\]"
ANY: tuple[Size, ...] = ((1, 2, 3), 32, (2, 4, 6), (3, 5, 8))


@pytest.mark.parametrize(("n", "e"), [(1, 1.0), (3, 1.0), (2, 0.5)])
def test_rep_c3(n: int, e: float) -> None:
    check_block(
        lambda s, x: hybrid_encoder.rep_c3(s, x, 8, n, e), modules().RepC3(12, 8, n, e), picture(12), fused=BRANCHES
    )


@pytest.mark.parametrize("sizes", [None, ANY])
@pytest.mark.parametrize(("width", "heads"), [(48, 4), (16, 8)])
def test_aifi(width: int, heads: int, sizes: tuple[Size, ...] | None) -> None:
    twin = modules().AIFI(32, width, heads)
    check_block(
        lambda s, x: hybrid_encoder.aifi(s, x, width, heads), twin, picture(32, 4, 5), hidden=WEIGHTS, sizes=sizes
    )


def test_aifi_of_an_odd_width() -> None:
    with pytest.raises(NetworkError, match="width: found 6, expected a multiple of 4"):
        OneOp(lambda s, x: hybrid_encoder.aifi(s, x, 8, 2), picture(6))
