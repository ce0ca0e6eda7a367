"""Detectors that find each object once (Wang et al. 2024, YOLOv10): nothing has to be suppressed behind them.

They have a second set of branches, `one2one_…`, which training teaches to give one box an object. Of its candidates the
best are taken; a candidate may come with several classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops import amax, concat, floor_div, mul, reshape, sigmoid, sub, take, topk, transpose, unsqueeze

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.blocks.heads.heads import HeadCall
    from wtsnet.network import Scope, Tensor

MOST = 300  # results of a picture


def best_pairs(s: Scope, scores: Tensor, call: HeadCall) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, candidates' numbers and classes, each (N, k), of the best pairs of a candidate and a class.

    The `k` candidates come first whose best class has the highest logit: the best pairs are all of these.

    Args:
        scores: logits (N, nc, candidates).
    """
    most = min(MOST, call.cells(s.net)) if call.kind == "decoded" else min(MOST, call.most(s.net))
    best = s.cast(amax(s, scores, 1, suffix="best"), "float32")
    _, first = topk(s, best, most, 1, suffix="first")
    rows = s.cast(take(s, scores, first, 2, batched=1, suffix="rows"), "float32")
    n, classes = scores.dims[0], scores.shape[1]
    flat = reshape(s, transpose(s, rows, 1, 2, suffix="rows:last"), (n, most * classes), suffix="pairs")
    logits, pair = topk(s, flat, most, 1, suffix="topk")
    row = floor_div(s, pair, classes, suffix="row")
    kinds = sub(s, pair, mul(s, row, classes, suffix="row:first"), suffix="classes")
    return logits, take(s, first, row, 1, batched=1, suffix="index"), kinds


def joined(s: Scope, values: Sequence[Tensor], logits: Tensor, index: Tensor, kinds: Tensor) -> Tensor:
    """Upstream's inference output, (N, k, 6 + …): box, score, class and what the task adds.

    Args:
        values: the boxes, and what the task adds, of all candidates: each (N, …, candidates).
        logits, index, kinds: what `best_pairs` gives.
    """
    boxes, *more = (take(s, x, index, 2, batched=1, suffix="chosen") for x in values)
    scores = sigmoid(s, logits, suffix="scores:sigmoid")
    columns = [unsqueeze(s, x, 1, suffix="column") for x in (scores, s.cast(kinds, "float32"))]
    return transpose(s, concat(s, [boxes, *columns, *more], 1, suffix="columns"), 1, 2, suffix="predictions")
