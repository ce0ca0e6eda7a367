"""The same results as the `ultralytics` package (AGPL-3.0; it is only here to compare with)."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from tests.upstream.ultralytics import modules, package
from wtsnet.decode.boxes import detections
from wtsnet.decode.candidates import Candidates, Choice, candidates_from_final, select
from wtsnet.decode.detectors import Detector
from wtsnet.decode.dfl import DFLHead
from wtsnet.decode.keypoints import poses
from wtsnet.decode.masks import instances
from wtsnet.decode.rotated import RotatedDetections
from wtsnet.decode.rotated_nms import probiou
from wtsnet.pictures.placement import Letterbox, Stretch
from wtsnet.pictures.resizing import letterbox

Array = npt.NDArray[Any]
STRIDES = (8, 16, 32)
SIZE = (256, 320)  # of the input
MASKS, KEYPOINTS = 32, (5, 3)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Any]:
    """The package's functions, with an NMS of its own that runs beside a CPU torch."""
    package()
    from ultralytics.models.rtdetr.predict import RTDETRPredictor
    from ultralytics.utils import metrics, nms, ops

    def suppress(predictions: Array, **options: Any) -> list[torch.Tensor]:
        found: list[torch.Tensor] = nms.non_max_suppression(
            torch.from_numpy(predictions.copy()), max_time_img=1e4, **options
        )
        return found

    def stable_argsort(scores: torch.Tensor, dim: int = -1, descending: bool = False) -> torch.Tensor:
        """The package leaves the order of equal scores to torch, where it depends on the processor: settled here."""
        return torch.sort(scores, dim=dim, descending=descending, stable=True).indices

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torchvision.ops.nms", nms.TorchNMS.nms)
        patch.setattr(torch.Tensor, "argsort", stable_argsort)
        patch.setattr(torch, "argsort", stable_argsort)
        yield SimpleNamespace(suppress=suppress, ops=ops, metrics=metrics, rtdetr=RTDETRPredictor)


def head_of(task: str, classes: int, reg_max: int = 16, end2end: bool = False) -> DFLHead:
    late = reg_max == 1  # YOLO26's heads
    more: dict[str, dict[str, Any]] = {"segment": {"masks": MASKS}, "obb": {"angle": "radians" if late else "logit"}}
    more["pose"] = {"kpt_shape": KEYPOINTS, "spread": 1.0 if late else 2.0}
    facts: dict[str, Any] = {
        "classes": classes,
        "strides": STRIDES,
        "reg_max": reg_max,
        "task": task,
        "end2end": end2end,
    }
    return DFLHead.from_dict(facts | more.get(task, {}))


def maps(rng: np.random.Generator, head: DFLHead, objects: int = 25) -> list[Array]:
    """Raw maps: nearly all candidates near 0, and around each object a few sure ones whose boxes are much the same."""
    levels = []
    for stride in STRIDES:
        height, width = SIZE[0] // stride, SIZE[1] // stride
        level = rng.normal(0, 1, (2, 4 * head.reg_max + head.classes + head.extra, height, width)).astype(np.float32)
        scores = level[:, 4 * head.reg_max : 4 * head.reg_max + head.classes]
        scores -= 5
        if head.reg_max == 1:
            level[:, :4] = rng.uniform(1, 6, level[:, :4].shape)
        if head.task == "obb" and head.angle == "radians":
            level[:, -1:] = rng.uniform(-1, 2, level[:, -1:].shape)
        for _ in range(objects):
            row, column = rng.integers(0, height), rng.integers(0, width)
            near = np.s_[:, :, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            for label in rng.integers(0, head.classes, 2):
                own = scores[near][:, label]
                own[...] = np.maximum(own, rng.uniform(-2, 4, own.shape))
        levels.append(level)
    return levels


def inference(head: DFLHead, levels: list[Array]) -> Array:
    """What the package's head makes of the maps."""
    late = head.reg_max == 1
    name = {"detect": "Detect", "segment": "Segment", "pose": "Pose", "obb": "OBB"}[head.task]
    extra = (KEYPOINTS,) if head.task == "pose" else ()
    if late and head.task != "detect":
        name += "26"
    found = getattr(modules(), name, None) or getattr(__import__("ultralytics.nn.modules.head", fromlist=[name]), name)
    keys = {"segment": {"nm": MASKS}}.get(head.task, {})
    made = found(head.classes, *extra, reg_max=head.reg_max, end2end=head.end2end, ch=(16, 16, 16), **keys).eval()
    made.stride, made.end2end = torch.tensor(STRIDES), head.end2end
    tensors = [torch.from_numpy(level) for level in levels]
    ends = 4 * head.reg_max, 4 * head.reg_max + head.classes
    boxes, scores, more = torch.tensor_split(torch.cat([x.flatten(2) for x in tensors], 2), ends, 1)
    raw = {"boxes": boxes, "scores": scores, "feats": tensors}
    if head.task == "obb":
        raw["angle"] = more if late else (more.sigmoid() - 0.25) * torch.pi
    raw |= {"segment": {"mask_coefficient": more}, "pose": {"kpts": more}}.get(head.task, {})
    with torch.no_grad():
        y = made._inference(raw)
        final: Array = (made.postprocess(y.permute(0, 2, 1)) if head.end2end else y).numpy()
    return final


TASKS = ["detect", "segment", "pose", "obb"]


@pytest.mark.parametrize("reg_max", [16, 1])
@pytest.mark.parametrize("task", TASKS)
def test_the_same_predictions(task: str, reg_max: int) -> None:
    head = head_of(task, 4, reg_max)
    levels = maps(np.random.default_rng(0), head)
    ours, theirs = head.predictions(levels), inference(head, levels)
    np.testing.assert_allclose(ours[:, :4], theirs[:, :4], rtol=0, atol=1e-3)
    np.testing.assert_allclose(ours[:, 4:8], theirs[:, 4:8], rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours[:, 8:], theirs[:, 8:], rtol=0, atol=1e-3 if task == "pose" else 1e-6)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"iou": 0.7},
    {"conf": 0.5, "iou": 0.6, "max_det": 20},
    {"multi_label": True, "conf": 0.15, "iou": 0.3, "max_det": 3000},
    {"agnostic": True, "iou": 0.3, "classes": [0, 2]},
]
THEIRS = {"conf": "conf_thres", "iou": "iou_thres"}


def assert_same(found: Candidates, wanted: torch.Tensor, pixels: float = 1e-3) -> None:
    rows = wanted.numpy()
    assert len(found.scores) == len(rows)
    boxes = rows[:, [0, 1, 2, 3, -1]] if found.boxes.shape[1] == 5 else rows[:, :4]
    np.testing.assert_allclose(found.boxes, boxes, rtol=0, atol=pixels)
    np.testing.assert_allclose(found.scores, rows[:, 4], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(found.classes, rows[:, 5])
    if found.extra.size:
        np.testing.assert_allclose(found.extra, rows[:, 6:], rtol=0, atol=pixels)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("task", TASKS)
def test_the_same_objects_of_raw_maps_and_of_predictions(upstream: Any, task: str, options: dict[str, Any]) -> None:
    for seed, classes in enumerate((1, 3, 80)):
        head = head_of(task, classes)
        levels = maps(np.random.default_rng(seed), head)
        predictions = inference(head, levels)
        theirs = {THEIRS.get(key, key): value for key, value in options.items()}
        wanted = upstream.suppress(predictions, nc=classes, rotated=task == "obb", **theirs)
        choice = Choice(**options)
        for found in (head.candidates_from_raw(levels, choice), head.candidates(predictions, choice)):
            for ours, rows in zip(found, wanted, strict=True):
                assert len(rows) >= (1 if options.get("classes") else 3)
                assert_same(select(ours, choice), rows)


@pytest.mark.parametrize("reg_max", [16, 1])
@pytest.mark.parametrize("task", TASKS)
def test_the_same_objects_with_nothing_to_suppress(upstream: Any, task: str, reg_max: int) -> None:
    head = head_of(task, 3, reg_max, end2end=True)
    levels = maps(np.random.default_rng(1), head)
    predictions = inference(head, levels)
    for options in ({}, {"conf": 0.01, "max_det": 250}, {"classes": [1]}):
        wanted = upstream.suppress(
            predictions, end2end=True, **{THEIRS.get(key, key): value for key, value in options.items()}
        )
        choice = Choice(iou=None, **options)
        final = candidates_from_final(predictions, choice.conf, rotated=task == "obb")
        for found in (head.candidates_from_raw(levels, choice), final):
            for ours, rows in zip(found, wanted, strict=True):
                assert len(rows) >= 20
                assert_same(select(ours, choice), rows)


def turned(rng: np.random.Generator, count: int) -> Array:
    """Turned boxes of all shapes, thin ones among them, near others of their kind."""
    first = np.column_stack(
        [rng.uniform(0, 640, (count, 2)), np.exp(rng.uniform(1.5, 5, (count, 2))), rng.uniform(-0.8, 2.4, count)]
    )
    spread = np.column_stack([first[:, 2:4] / 6, first[:, 2:4] / 6, np.full(count, 0.1)])
    moved = first + np.clip(rng.normal(0, 1, first.shape), -2, 2) * spread
    return np.concatenate([first, moved]).astype(np.float32)


def test_the_same_overlap_of_turned_boxes(upstream: Any) -> None:
    boxes = turned(np.random.default_rng(0), 300)
    ours, theirs = probiou(boxes, boxes[::2]), upstream.metrics.batch_probiou(boxes, boxes[::2]).numpy()
    assert (theirs > 0.3).sum() > 500
    # The distance is a root: near 0, of boxes that are the same, any rounding is seen. Sides of up to 1 : 33.
    np.testing.assert_allclose((1 - ours) ** 2, (1 - theirs) ** 2, rtol=0, atol=5e-6)


@pytest.mark.parametrize("iou", [0.1, 0.45, 0.7])
def test_the_same_turned_boxes_stay(upstream: Any, iou: float) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        boxes = turned(rng, 200)
        classes = np.eye(3)[rng.integers(0, 3, len(boxes))] * rng.permutation(np.linspace(0.3, 1, len(boxes)))[:, None]
        predictions = np.concatenate([boxes[:, :4], classes, boxes[:, 4:]], axis=1).T[None].astype(np.float32)
        (wanted,) = upstream.suppress(predictions, nc=3, rotated=True, iou_thres=iou)
        choice = Choice(iou=iou)
        (found,) = head_of("obb", 3).candidates(predictions, choice)
        assert 50 < len(wanted) < 400
        assert_same(select(found, choice), wanted)


def placed(rng: np.random.Generator) -> Letterbox:
    height, width = rng.integers(40, 700, 2)
    return letterbox(np.zeros((height, width, 3), np.uint8), SIZE)[1]


def test_the_same_boxes_and_points_in_the_picture(upstream: Any) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        place = placed(rng)
        boxes = rng.uniform(-30, 350, (20, 4)).astype(np.float32)
        wanted = upstream.ops.scale_boxes(SIZE, torch.from_numpy(boxes.copy()), place.source)
        np.testing.assert_allclose(place.to_source(boxes), wanted, rtol=0, atol=1e-3)
        points = rng.uniform(-30, 350, (4, 7, 3)).astype(np.float32)
        wanted = upstream.ops.scale_coords(SIZE, torch.from_numpy(points.copy()), place.source)
        candidates = Candidates(boxes[:4], points[:, 0, 2], np.zeros(4, np.int64), points.reshape(4, -1))
        np.testing.assert_allclose(poses(candidates, (7, 3)).to_source(place).keypoints, wanted, rtol=0, atol=1e-3)


def test_the_same_turned_boxes_in_the_picture(upstream: Any) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        place, boxes = placed(rng), turned(rng, 20)
        found = RotatedDetections(boxes, np.ones(40, np.float32), np.zeros(40, np.int64)).to_source(place)
        wanted = torch.from_numpy(boxes.copy())
        wanted[:, :4] = upstream.ops.scale_boxes(SIZE, wanted[:, :4], place.source, xywh=True)
        np.testing.assert_allclose(found.boxes, wanted, rtol=1e-6, atol=1e-3)
        np.testing.assert_allclose(found.corners(), upstream.ops.xywhr2xyxyxyxy(wanted), rtol=1e-5, atol=1e-3)


def blobs(rng: np.random.Generator, planes: int = MASKS) -> Array:
    """Prototypes as smooth as a network's: noise of low frequency."""
    coarse = torch.from_numpy(rng.normal(0, 1, (1, planes, SIZE[0] // 32, SIZE[1] // 32)).astype(np.float32))
    size = [side // 4 for side in SIZE]
    smooth = torch.nn.functional.interpolate(coarse, size, mode="bicubic")[0].numpy()
    return (smooth + rng.normal(0, 0.05, smooth.shape)).astype(np.float32)


def test_the_same_masks(upstream: Any) -> None:
    rng, different, pixels, dropped = np.random.default_rng(0), 0, 0, 0
    for _ in range(25):
        place, prototypes = placed(rng), blobs(rng)
        low = rng.uniform(-10, [SIZE[1] - 5, SIZE[0] - 5], (12, 2))
        boxes = np.concatenate([low, low + rng.uniform(1, 150, (12, 2))], axis=1).astype(np.float32)
        coefficients = rng.normal(0, 0.5, (12, MASKS)).astype(np.float32)
        found = detections(Candidates(boxes, np.linspace(1, 0.3, 12, dtype=np.float32), np.arange(12), coefficients))
        ours = instances(found, coefficients, prototypes, SIZE, place)
        scaled = upstream.ops.scale_boxes(SIZE, torch.from_numpy(boxes.copy()), place.source)
        masks = upstream.ops.process_mask_native(
            torch.from_numpy(prototypes), torch.from_numpy(coefficients), scaled, place.source
        )
        kept = (masks.amax((-2, -1)) > 0).numpy()
        np.testing.assert_array_equal(ours.classes, np.arange(12)[kept])
        np.testing.assert_allclose(ours.boxes, scaled[kept], rtol=0, atol=1e-3)
        assert ours.masks.shape == (kept.sum(), *place.source)
        different += int((ours.masks != masks[kept].numpy().astype(bool)).sum())
        pixels += int(ours.masks.sum())
        dropped += int((~kept).sum())
    assert pixels > 1e6
    assert dropped > 50
    assert different <= 1e-6 * pixels  # those whose logit is 0 but for rounding


@pytest.mark.parametrize("options", [{}, {"conf": 0.5}, {"max_det": 20}, {"classes": [0, 2]}], ids=str)
def test_the_same_objects_of_rtdetr(upstream: Any, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    boxes = rng.uniform(0.05, 0.6, (2, 300, 4)).astype(np.float32)
    logits = rng.normal(-3, 1.5, (2, 300, 4)).astype(np.float32)
    head = modules().RTDETRDecoder(4, (16, 16, 16), hd=32, nh=4, ndl=1).eval()
    predictions = head.postprocess(torch.from_numpy(boxes), torch.from_numpy(logits).sigmoid())
    place = Stretch((417, 300), SIZE)
    pictures = [np.zeros((*place.source, 3), np.uint8)] * 2
    choice = Choice(iou=None, **options)
    args = SimpleNamespace(conf=choice.conf, classes=choice.classes, max_det=choice.max_det)
    predictor = SimpleNamespace(args=args, batch=[["a", "b"]], model=SimpleNamespace(names=dict.fromkeys(range(4), "")))
    wanted = upstream.rtdetr.postprocess(predictor, predictions, torch.zeros(2, 3, *SIZE), pictures)
    for kind, outputs in (
        ("decoded", {"predictions": predictions.numpy()}),
        ("raw", {"boxes": boxes, "logits": logits}),
    ):
        detector = Detector({"kind": "rtdetr", "head": kind})
        found = [detections(select(one, choice)) for one in detector.candidates(outputs, SIZE, choice)]
        for ours, theirs in zip(found, wanted, strict=True):
            rows = theirs.boxes.data.numpy()
            assert len(ours) == len(rows) > 5
            whole = rows[:, :4].clip(0, [300, 417, 300, 417])  # upstream leaves boxes that reach out of the picture
            np.testing.assert_allclose(ours.to_source(place).boxes, whole, rtol=0, atol=1e-3)
            np.testing.assert_allclose(ours.scores, rows[:, 4], rtol=0, atol=1e-5)
            np.testing.assert_array_equal(ours.classes, rows[:, 5])
