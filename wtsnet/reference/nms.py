"""Non-maximum suppression."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wtsnet.reference.readback import Node
from wtsnet.reference.registry import Run, executes


@executes("NMS")
def nms(node: Node) -> Run:
    """Rows (batch, class, box) of the kept boxes, by batch and then by falling score, and their number.

    boxes (N, B, 4) or (N, B, classes, 4), scores (N, B, classes), the most to keep of a class, and optionally
    the IoU and score thresholds (inputs 3 and 4, both 0 where absent).
    """
    layer = node.layer
    centred: bool = layer.bounding_box_format.name == "CENTER_SIZES"
    limit: int = layer.topk_box_limit
    dtype, count_dtype = node.dtype(0), node.dtype(1)

    def corners(boxes: Tensor) -> Tensor:
        first, second = boxes.float().chunk(2, -1)
        if centred:
            first, second = first - second / 2, first + second / 2
        return torch.cat((torch.minimum(first, second), torch.maximum(first, second)), -1)

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        boxes, scores, most = corners(inputs[0]), inputs[1].float(), int(inputs[2])
        overlap = float(inputs[3]) if node.has(3) else 0.0
        threshold = float(inputs[4]) if node.has(4) else 0.0
        rows: list[tuple[int, int, int]] = []
        for n in range(scores.shape[0]):
            found = []
            for c in range(scores.shape[2]):
                of_class = boxes[n] if boxes.ndim == 3 else boxes[n, :, c]
                found += [(c, b) for b in _keep(of_class, scores[n, :, c], overlap, threshold, most, limit)]
            found.sort(key=lambda place: -float(scores[n, place[1], place[0]]))
            rows += [(n, c, b) for c, b in found]
        kept = torch.tensor(rows, dtype=dtype, device=boxes.device).reshape(-1, 3)
        return kept, torch.tensor(len(rows), dtype=count_dtype, device=boxes.device)

    return run


def _keep(boxes: Tensor, scores: Tensor, overlap: float, threshold: float, most: int, limit: int) -> list[int]:
    """The boxes (B, 4) above the threshold that overlap no better one by more than `overlap`."""
    order = scores.sort(descending=True, stable=True).indices
    order = order[scores[order] > threshold][:limit]
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    kept: list[int] = []
    while order.numel() and len(kept) < most:
        best, order = int(order[0]), order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[order, :2])
        high = torch.minimum(boxes[best, 2:], boxes[order, 2:])
        common = (high - low).clamp(min=0).prod(-1)
        order = order[common <= overlap * (area[best] + area[order] - common)]
    return kept
