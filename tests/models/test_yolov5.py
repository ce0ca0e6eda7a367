"""YOLOv5's heads: raw, decoded and topk against what the original computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.models.conftest import OWN, Twin, original, own_detector, published_lists, run
from tests.upstream import upstream
from tests.upstream.yolov5 import yolov5
from wtsnet import define
from wtsnet.errors import ModelError, NetworkError
from wtsnet.proof.verifying import relative_error

PUBLISHED = {  # parameters, entries of the state dict
    "yolov5n": (1_872_157, 349),
    "yolov5s": (7_235_389, 349),
    "yolov5m": (21_190_557, 481),
    "yolov5l": (46_563_709, 613),
    "yolov5x": (86_749_405, 745),
    "yolov5n6": (3_246_940, 459),
    "yolov5s6": (12_626_620, 459),
    "yolov5m6": (35_731_932, 627),
    "yolov5l6": (76_770_172, 795),
    "yolov5x6": (140_794_780, 963),
}
FOUR_A_LEVEL = [
    [8, 9, 17, 14, 12, 30, 25, 25],
    [33, 40, 60, 35, 50, 80, 90, 60],
    [90, 120, 210, 180, 100, 300, 400, 350],
]


@pytest.fixture(scope="module", params=["n", "n6", "two anchors a level", "four anchors a level"])
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Twin:
    """Published ones, and ones with classes, anchors, depth and width of their own."""
    if request.param in ("n", "n6"):
        module, x = upstream(f"yolov5{request.param}")
        return Twin(f"yolov5{request.param}", module, x, module.state_dict())
    folder = tmp_path_factory.mktemp("own")
    if request.param == "two anchors a level":
        return own_detector(folder, published_lists(**OWN), batch=1, size=(128, 96))
    lists = published_lists(anchors=FOUR_A_LEVEL, nc=1, depth_multiple=1.0, width_multiple=0.1)
    return own_detector(folder, lists, size=(64, 160))


def outputs(twin: Twin, **options: Any) -> dict[str, Any]:
    n, _, height, width = twin.x.shape
    return run(define(twin.name, twin.weights, batch=n, imgsz=(height, width), **options), twin.x)


def best(predictions: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The k best by objectness times best class, as x1 y1 x2 y2, scores, classes."""
    scores, classes = (predictions[..., 4:5] * predictions[..., 5:]).max(-1)
    scores, order = scores.topk(k)
    chosen = predictions.gather(1, order[..., None].expand(-1, -1, 4))
    centre, half = chosen[..., :2], chosen[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1), scores, classes.gather(1, order)


def check_topk(found: dict[str, Any], predictions: Tensor, k: int) -> None:
    everything = best(predictions, predictions.shape[1])
    boxes, scores, classes = (tensor[:, :k].numpy() for tensor in everything)
    assert list(found) == ["boxes", "scores", "classes"]
    assert found["boxes"].shape == boxes.shape
    assert found["scores"].shape == found["classes"].shape == scores.shape
    assert found["classes"].dtype == np.int32
    assert relative_error(found["scores"], scores) <= 1e-5
    # Candidates of nearly the same score may change places.
    apart = np.abs(np.diff(everything[1].numpy(), axis=1, prepend=np.inf, append=-np.inf)) > 1e-5
    settled = (apart[:, :-1] & apart[:, 1:])[:, :k]
    assert settled.mean() > 0.8
    assert relative_error(found["boxes"][settled], boxes[settled]) <= 1e-5
    np.testing.assert_array_equal(found["classes"][settled], classes[settled])


@pytest.mark.parametrize("twin", PUBLISHED, indirect=True)
def test_published_sizes(twin: Twin) -> None:
    tensors = twin.module.state_dict()
    assert (sum(p.numel() for p in twin.module.parameters()), len(tensors)) == PUBLISHED[twin.name]


def test_raw(detector: Twin) -> None:
    found = outputs(detector, head="raw")
    _, maps = original(detector)
    assert list(found) == ["p3", "p4", "p5", "p6"][: len(maps)]
    for ours, theirs in zip(found.values(), maps, strict=True):
        n, a, h, w, values = theirs.shape
        assert ours.shape == (n, a * values, h, w)
        assert relative_error(ours, theirs.permute(0, 1, 4, 2, 3).flatten(1, 2).numpy()) <= 1e-5


def test_decoded(detector: Twin) -> None:
    found = outputs(detector, head="decoded")
    theirs = original(detector)[0].numpy()
    assert list(found) == ["predictions"]
    assert theirs[..., 4:].min() < 0.02 < 0.98 < theirs[..., 4:].max()  # scores of every size
    for columns in (slice(0, 2), slice(2, 4), slice(4, 5), slice(5, None)):
        assert relative_error(found["predictions"][..., columns], theirs[..., columns]) <= 1e-5


@pytest.mark.parametrize("k", [1, 50, 1000])
def test_topk(detector: Twin, k: int) -> None:
    check_topk(outputs(detector, k=k), original(detector)[0], k)


def test_topk_of_a_thousand_is_what_leaves_the_engine_by_default(detector: Twin) -> None:
    found = outputs(detector)
    assert found["scores"].shape[1] == min(1000, original(detector)[0].shape[1])
    np.testing.assert_array_equal(found["boxes"], outputs(detector, head="topk", k=1000)["boxes"])


def test_the_thousand_are_the_best_of_more() -> None:
    module, x = yolov5("n", batch=1, size=(192, 256))
    twin = Twin("yolov5n", module, x, module.state_dict())
    predictions, _ = original(twin)
    assert predictions.shape[1] == 3024
    check_topk(outputs(twin), predictions, 1000)


def test_sizes_are_in_the_networks_own_outputs() -> None:
    module, _ = upstream("yolov5n")
    net = define("yolov5n", module.state_dict(), batch=(1, 2, 4))
    shapes = {net.trt.get_output(i).name: tuple(net.trt.get_output(i).shape) for i in range(net.trt.num_outputs)}
    assert net.profile == {"images": ((1, 3, 640, 640), (2, 3, 640, 640), (4, 3, 640, 640))}
    assert shapes == {"boxes": (-1, 1000, 4), "scores": (-1, 1000), "classes": (-1, 1000)}
    assert net.facts["decode"] == {
        "kind": "yolov5",
        "task": "detect",
        "head": "topk",
        "classes": 80,
        "strides": [8, 16, 32],
        "anchors": [
            [[10, 13], [16, 30], [33, 23]],
            [[30, 61], [62, 45], [59, 119]],
            [[116, 90], [156, 198], [373, 326]],
        ],
    }


def test_the_smallest_picture_bounds_k() -> None:
    module, x = yolov5("n", batch=1, size=(96, 128))
    net = define("yolov5n", module.state_dict(), imgsz=((32, 64, 96), (64, 128, 160)))
    assert tuple(net.trt.get_output(1).shape) == (1, 3 * (4 * 8 + 2 * 4 + 1 * 2))
    check_topk(run(net, x), original(Twin("yolov5n", module, x, None))[0], 126)


@pytest.mark.parametrize("detector", ["n", "n6"], indirect=True)
def test_a_file_without_anchors_takes_the_published_ones(detector: Twin) -> None:
    """Some writers of .wts drop them."""
    weights = {name: value for name, value in detector.weights.items() if not name.endswith(".anchors")}
    found = outputs(Twin(detector.name, detector.module, detector.x, weights), head="decoded")
    np.testing.assert_array_equal(found["predictions"], outputs(detector, head="decoded")["predictions"])


def test_a_file_with_anchor_grid_and_strides() -> None:
    """Other writers add what follows from the rest."""
    module, x = upstream("yolov5n")
    more = {"model.24.anchor_grid": torch.ones(3, 3, 2), "model.24.strides": torch.tensor([8.0, 16.0, 32.0])}
    plain = Twin("yolov5n", module, x, module.state_dict())
    told = Twin("yolov5n", module, x, module.state_dict() | more)
    np.testing.assert_array_equal(outputs(told)["boxes"], outputs(plain)["boxes"])


def test_an_unknown_head(detector: Twin) -> None:
    with pytest.raises(ModelError, match="head: found 'decode', expected one of topk, decoded, raw"):
        outputs(detector, head="decode")


@pytest.mark.parametrize("k", [0, -1])
def test_a_k_that_is_none(detector: Twin, k: int) -> None:
    with pytest.raises((ModelError, NetworkError), match=rf"k: found {k}, expected 1 to 3840"):
        outputs(detector, k=k)


def test_more_than_tensorrt_sorts() -> None:
    module, _ = upstream("yolov5n")
    with pytest.raises((ModelError, NetworkError), match=r"k: found 3841, expected 1 to 3840"):
        define("yolov5n", module.state_dict(), k=3841)


@pytest.mark.parametrize(("imgsz", "found"), [(100, "100"), ((64, 50), "50"), ((64, 96, 130), "130")])
def test_a_picture_that_the_strides_do_not_divide(imgsz: Any, found: str) -> None:
    with pytest.raises(ModelError, match=f"imgsz: found {found}, expected a multiple of 32 for yolov5n"):
        define("yolov5n", {}, imgsz=imgsz)


def test_four_levels_want_multiples_of_64() -> None:
    with pytest.raises(ModelError, match="imgsz: found 96, expected a multiple of 64 for yolov5n6"):
        define("yolov5n6", {}, imgsz=96)
