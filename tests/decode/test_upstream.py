"""The same numbers as the `yolov5` package (GPL-3.0; it is only here to compare with)."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from tests.upstream.yolov5 import yolov5_package
from wtsnet.decode.anchors import candidates_from_anchors, yolov5_raw
from wtsnet.decode.boxes import Detections, detections, detections_from_predictions
from wtsnet.decode.candidates import Choice, select
from wtsnet.decode.masks import instances
from wtsnet.pictures.resizing import letterbox

Array = npt.NDArray[Any]
ANCHORS = np.array(
    [
        [[10, 13], [16, 30], [33, 23]],
        [[30, 61], [62, 45], [59, 119]],
        [[116, 90], [156, 198], [373, 326]],
    ],
    np.float32,
)
STRIDES = (8, 16, 32)
MOST = 1000  # objects that any test asks for


def greedy_nms(boxes: torch.Tensor, scores: torch.Tensor, iou: float) -> torch.Tensor:
    """The first boxes of what torchvision's kernel computes; the kernel itself does not load beside a CPU torch."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left, kept = torch.argsort(scores, descending=True, stable=True), list[torch.Tensor]()
    while len(left) and len(kept) < MOST:
        best, left = left[0], left[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[left, :2])
        high = torch.minimum(boxes[best, 2:], boxes[left, 2:])
        shared = (high - low).clamp(min=0).prod(1)
        left = left[(shared / (area[best] + area[left] - shared)).double() <= iou]
    return torch.stack(kept)


def stable_argsort(scores: torch.Tensor, descending: bool) -> torch.Tensor:
    """The package leaves the order of equal scores to torch, where it depends on the processor: settled here."""
    return torch.argsort(scores, descending=descending, stable=True)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Any]:
    """The package's functions, with an NMS that runs here and the order of equal scores settled."""
    package = yolov5_package()
    from yolov5.utils.augmentations import letterbox
    from yolov5.utils.general import non_max_suppression
    from yolov5.utils.segment.general import process_mask_native

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torchvision.ops.nms", greedy_nms)
        patch.setattr(torch.Tensor, "argsort", stable_argsort)
        yield SimpleNamespace(
            detect=package.Detect, letterbox=letterbox, suppress=non_max_suppression, masks=process_mask_native
        )


def assert_same(found: Detections, wanted: torch.Tensor) -> None:
    rows = wanted.numpy()
    assert len(found) == len(rows)
    np.testing.assert_allclose(found.boxes, rows[:, :4], rtol=0, atol=1e-3)
    np.testing.assert_allclose(found.scores, rows[:, 4], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(found.classes, rows[:, 5])


def random_predictions(rng: np.random.Generator, classes: int, candidates: int = 600) -> Array:
    """Everything uniform: many candidates of many scores, most of them overlapping something."""
    centre, size = rng.uniform(0, 640, (1, candidates, 2)), rng.uniform(2, 250, (1, candidates, 2))
    return np.concatenate([centre, size, rng.random((1, candidates, 1 + classes))], axis=2).astype(np.float32)


def realistic_predictions(rng: np.random.Generator, classes: int, objects: int = 25) -> Array:
    """A 640×640 picture's 25,200 candidates: nearly all near 0, and around each object a few dozen sure ones."""
    levels = []
    for stride in STRIDES:
        cells = 640 // stride
        level = rng.normal(0, 0.8, (1, 3, 5 + classes, cells, cells)).astype(np.float32)
        level[:, :, 4:] -= 6
        for _ in range(objects):
            row, column = rng.integers(0, cells, 2)
            near = np.s_[:, :, :, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            level[near][:, :, 4] += rng.uniform(4, 9)
            for label in rng.integers(0, classes, 2):
                level[near][:, :, 5 + label] += rng.uniform(4, 9)
        levels.append(level.reshape(1, -1, cells, cells))
    return yolov5_raw(levels, ANCHORS, STRIDES)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"multi_label": True},
    {"conf": 0.5, "iou": 0.6, "max_det": 50},
    {"agnostic": True, "iou": 0.3},
    {"classes": [0, 2], "multi_label": True, "agnostic": True},
    {"conf": 0.05, "multi_label": True, "max_det": MOST},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("classes", [1, 3, 80])
@pytest.mark.parametrize("predict", [random_predictions, realistic_predictions])
def test_the_same_objects_in_the_same_order(upstream: Any, predict: Any, classes: int, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(classes)
    for _ in range(2):
        predictions = predict(rng, classes)
        (found,) = detections_from_predictions(predictions, **options)
        theirs = {"conf": "conf_thres", "iou": "iou_thres"}
        (wanted,) = upstream.suppress(
            torch.from_numpy(predictions.copy()), **{theirs.get(key, key): value for key, value in options.items()}
        )
        assert len(found) >= (0 if options.get("classes") and classes == 1 else 3)
        assert_same(found, wanted)


@pytest.mark.parametrize("size", [(640, 640), (320, 480), (32, 64)])
def test_the_same_candidates(upstream: Any, size: tuple[int, int]) -> None:
    head = upstream.detect(nc=4, anchors=ANCHORS.reshape(3, 6).tolist(), ch=(1, 1, 1)).eval()
    head.m = torch.nn.ModuleList([torch.nn.Identity()] * 3)
    head.stride = torch.tensor(STRIDES)
    head.anchors /= head.stride[:, None, None]
    rng = np.random.default_rng(0)
    levels = [rng.normal(0, 3, (2, 27, size[0] // s, size[1] // s)).astype(np.float32) for s in STRIDES]
    with torch.no_grad():
        wanted = head([torch.from_numpy(level) for level in levels])[0].numpy()
    np.testing.assert_allclose(yolov5_raw(levels, ANCHORS, STRIDES), wanted, rtol=1e-6, atol=1e-4)


def test_the_same_letterbox(upstream: Any) -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        image = rng.integers(0, 256, (*rng.integers(20, 400, 2), 3), dtype=np.uint8)
        size = int(rng.integers(2, 12)) * 32, int(rng.integers(2, 12)) * 32
        scale_up = bool(rng.integers(2))
        wanted, ratio, (dw, dh) = upstream.letterbox(image, size, auto=False, scaleup=scale_up)
        padded, geometry = letterbox(image, size, scale_up=scale_up)
        assert padded.shape == wanted.shape
        assert (geometry.ratio, geometry.ratio) == ratio
        assert (geometry.left, geometry.top) == (int(dw), int(dh))
        assert np.abs(padded.astype(int) - wanted).max() <= 1


def test_masks_are_the_same_but_for_their_edges(upstream: Any) -> None:
    """The package multiplies coefficients by objectness, takes the sigmoid before it scales up, and cuts the padding
    off in whole pixels of the prototypes. Here all kinds have ultralytics' way, and 1 pixel of 100 differs."""
    rng, different, pixels = np.random.default_rng(0), 0, 0
    predictions = np.concatenate([realistic_predictions(rng, 3), rng.normal(0, 0.5, (1, 25200, 32))], axis=2)
    predictions = predictions.astype(np.float32)
    coarse = torch.from_numpy(rng.normal(0, 1, (1, 32, 20, 20)).astype(np.float32))
    prototypes = torch.nn.functional.interpolate(coarse, (160, 160), mode="bicubic")[0]
    choice = Choice(max_det=40)
    (chosen,) = candidates_from_anchors(predictions, choice, masks=32)
    chosen = select(chosen, choice)
    (wanted,) = upstream.suppress(torch.from_numpy(predictions.copy()), max_det=40, nm=32)
    assert_same(detections(chosen), wanted[:, :6])
    for source in ((480, 640), (640, 427), (333, 500), (1080, 1920)):
        place = letterbox(np.zeros((*source, 3), np.uint8), 640)[1]
        found = instances(detections(chosen), chosen.extra, prototypes.numpy(), (640, 640), place)
        boxes = torch.from_numpy(place.to_source(chosen.boxes))
        masks = upstream.masks(prototypes, wanted[:, 6:], boxes, source).numpy().astype(bool)
        masks = masks[masks.any(axis=(1, 2))]
        assert len(masks) == len(found) > 20
        different += int((found.masks != masks).sum())
        pixels += int(masks.sum())
    assert different < 0.01 * pixels
