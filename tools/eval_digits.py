"""mAP of a digit detector over the held-out composites, by pycocotools.

    python -m tools.eval_digits tools/digits/digits.pt --runner torch
    python -m tools.eval_digits tools/digits/digits.pt --runner reference

`torch` is the PyTorch model itself; `reference` is the network that TensorRT is given, executed by the reference
runtime: the checkpoint exported to a .wts, the network defined from that.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import wtsnet
from tools.digits_data import SIZE, held_out
from wtsnet.checkpoint import export
from wtsnet.decode import detections_from_predictions
from wtsnet.pictures import to_input

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from tools.digits_data import Composite

    Image: TypeAlias = NDArray[np.uint8]  # (H, W, 3), RGB
    Found: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]  # boxes (n, 4) xyxy, scores, classes
    Predict: TypeAlias = Callable[[list[Image]], list[Found]]

BATCH = 20
CONFIDENCE = 0.001  # low, since mAP integrates over every threshold
NMS_IOU = 0.6


def evaluate(predict: Predict, count: int = 500) -> dict[str, float]:
    """`mAP50` and `mAP50-95` over the first `count` held-out composites.

    `predict` takes a list of pictures (H, W, 3) of uint8 RGB and gives, for each, boxes (n, 4) as x1 y1 x2 y2
    in its pixels, scores (n,) and classes (n,).
    """
    return score(predict, held_out(count))


def score(predict: Predict, composites: Iterable[Composite]) -> dict[str, float]:
    """`mAP50` and `mAP50-95` over any composites."""
    truth: list[list[float]] = []
    found: list[list[float]] = []
    images = 0
    for batch in _batches(composites):
        for sample, (boxes, scores, classes) in zip(batch, predict([sample.image for sample in batch]), strict=True):
            truth += _rows(images, sample.boxes, np.ones(len(sample.boxes)), sample.labels)
            found += _rows(images, boxes, scores, classes)
            images += 1
    return _coco(images, truth, found)


def torch_predictor(model: torch.nn.Module, confidence: float = CONFIDENCE) -> Predict:
    """What `evaluate` takes, from a PyTorch YOLOv5 in evaluation mode; the pictures must have one size."""
    parameter = next(model.parameters())

    def predict(images: list[Image]) -> list[Found]:
        x = torch.from_numpy(np.stack(images)).to(parameter.device).permute(0, 3, 1, 2).to(parameter.dtype) / 255
        with torch.inference_mode():
            predictions = model(x).float().cpu().numpy()
        return found(predictions, confidence)

    return predict


def reference_predictor(checkpoint: Path, size: int = SIZE, confidence: float = CONFIDENCE) -> Predict:
    """What `evaluate` takes, from the network that the exported checkpoint defines; pictures are (size, size, 3)."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "digits.wts"
        export(checkpoint, weights)
        network = wtsnet.define("yolov5", weights, imgsz=size, batch=(1, BATCH, BATCH), head="decoded")
    runner = wtsnet.ReferenceRunner(network.trt)

    def predict(images: list[Image]) -> list[Found]:
        return found(runner(images=to_input(images))["predictions"], confidence)

    return predict


def found(predictions: NDArray[np.float32], confidence: float = CONFIDENCE) -> list[Found]:
    """Decoded predictions (N, candidates, 5+nc) as `evaluate` takes them, after non-maximum suppression."""
    results = detections_from_predictions(predictions, conf=confidence, iou=NMS_IOU, max_det=100, multi_label=True)
    return [(d.boxes, d.scores, d.classes) for d in results]


def load_checkpoint(path: Path) -> torch.nn.Module:
    """The model of a checkpoint that `train_digits` wrote, in float32 and evaluation mode.

    It is unpickled, which runs what the file says: for checkpoints of one's own only.
    """
    model = torch.load(path, map_location="cpu", weights_only=False)["model"]
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"{path}: 'model' is {type(model).__name__}, expected a module")
    return model.float().eval()


def _batches(composites: Iterable[Composite]) -> Iterator[list[Composite]]:
    iterator = iter(composites)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _rows(image: int, boxes: NDArray[Any], scores: NDArray[Any], classes: NDArray[Any]) -> list[list[float]]:
    """[image, x, y, w, h, score, class] a box."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    first = np.full(len(boxes), image)
    rows: list[list[float]] = np.column_stack((first, boxes[:, :2], sides, scores, classes)).tolist()
    return rows


def _coco(images: int, truth: list[list[float]], found: list[list[float]]) -> dict[str, float]:
    """COCO's average precision of `found` against `truth`, both as rows of `_rows`."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if not found:
        return {"mAP50": 0.0, "mAP50-95": 0.0}
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = COCO()
        dataset.dataset = {
            "images": [{"id": i} for i in range(images)],
            "categories": [{"id": i, "name": str(i)} for i in range(10)],
            "annotations": [
                {"id": i, "image_id": row[0], "bbox": row[1:5], "area": row[3] * row[4], "iscrowd": 0}
                | {"category_id": row[6]}
                for i, row in enumerate(truth, 1)
            ],
        }
        dataset.createIndex()
        evaluation = COCOeval(dataset, dataset.loadRes(np.array(found)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {"mAP50": float(evaluation.stats[1]), "mAP50-95": float(evaluation.stats[0])}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures as one line of JSON."""
    parser = argparse.ArgumentParser(description="mAP over the held-out composites.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--runner", choices=["torch", "reference"], default="torch")
    parser.add_argument("--count", type=int, default=500)
    options = parser.parse_args(arguments)
    predictors = {
        "torch": lambda: torch_predictor(load_checkpoint(options.checkpoint)),
        "reference": lambda: reference_predictor(options.checkpoint),
    }
    figures = evaluate(predictors[options.runner](), options.count)
    print(json.dumps({"runner": options.runner, "count": options.count, **figures}))


if __name__ == "__main__":
    main()
