"""Detectors that find each object once (Wang et al. 2024, YOLOv10): nothing has to be suppressed behind them.

They have a second set of branches, `one2one_…`, which training teaches to give one box an object. Of its candidates the
best are taken; a candidate may come with several classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops import cat, index_select, sigmoid, topk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.blocks.heads.heads import HeadCall
    from wtsnet.network import Tensor

MOST = 300  # results of a picture


def best_pairs(scores: Tensor, call: HeadCall) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, candidates' numbers and classes, each (N, k), of the best pairs of a candidate and a class.

    The `k` candidates come first whose best class has the highest logit: the best pairs are all of these.

    Args:
        scores: logits (N, nc, candidates).
    """
    most = min(MOST, call.cells(scores.net) if call.kind == "decoded" else call.most(scores.net))
    _, first = topk(scores.amax(1).float(), most, 1)
    rows = index_select(scores, 2, first, batch_dims=1).float()
    logits, pair = topk(rows.transpose(1, 2).flatten(1), most, 1)
    row = pair // scores.shape[1]
    return logits, index_select(first, 1, row, batch_dims=1), pair - row * scores.shape[1]


def joined(values: Sequence[Tensor], logits: Tensor, index: Tensor, kinds: Tensor) -> Tensor:
    """Upstream's inference output, (N, k, 6 + …): box, score, class and what the task adds.

    Args:
        values: the boxes, and what the task adds, of all candidates: each (N, …, candidates).
        logits, index, kinds: what `best_pairs` gives.
    """
    boxes, *more = (index_select(x, 2, index, batch_dims=1) for x in values)
    columns = [x.unsqueeze(1) for x in (sigmoid(logits), kinds.float())]
    return cat((boxes, *columns, *more), 1).transpose(1, 2)
