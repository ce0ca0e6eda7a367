"""models/yolo.py: pictures become the input as ultralytics and the yolov5 package make them one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tests.models.conftest import Twin, own_ultralytics, run
from tests.upstream import realistic_one, ultralytics
from tests.upstream.realistic import realistic
from tests.upstream.yolov5 import yolov5_package
from wtsnet import define
from wtsnet.network import Weights
from wtsnet.pictures import Preprocess, as_picture, read_image
from wtsnet.proof.verifying import relative_error

SIZE = (64, 96)
GRAY_LEVEL = 1 / 255 + 1e-6


@pytest.fixture(scope="module")
def street() -> NDArray[np.uint8]:
    """A photograph, (900, 810, 3): larger than any input here, and of other proportions."""
    package = find_spec("yolov5")
    assert package is not None
    assert package.origin is not None
    return read_image(Path(package.origin).parent / "data" / "images" / "bus.jpg")[:900]


@pytest.fixture(scope="module", params=[1, 3, 4, 10])
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Twin, int]:
    """A detector, and how many channels its pictures have."""
    lists = ultralytics.lists("yolov8") | {"nc": 1, "scale": "n", "ch": request.param}
    return own_ultralytics(tmp_path_factory.mktemp("own"), lists), request.param


def preprocess(model: str, weights: Any, **options: Any) -> Preprocess:
    return Preprocess.from_dict(define(model, weights, **options).facts["preprocess"])


def predictor(kind: str, size: tuple[int, int] = SIZE) -> Any:
    """One of ultralytics' predictors, with what its preprocessing looks at."""
    ultralytics.package()
    from ultralytics.models.rtdetr import RTDETRPredictor
    from ultralytics.models.yolo.classify import ClassificationPredictor
    from ultralytics.models.yolo.detect import DetectionPredictor

    kinds = {"detect": DetectionPredictor, "rtdetr": RTDETRPredictor, "classify": ClassificationPredictor}
    made: Any = object.__new__(kinds[kind])
    made.imgsz, made.device, made.args = list(size), "cpu", SimpleNamespace(rect=False)
    made.model = SimpleNamespace(stride=32, fp16=False, format="pt", device="cpu")
    return made


def loaded(frame: Any, channels: int) -> NDArray[np.uint8]:
    """A frame in memory as ultralytics takes it."""
    from ultralytics.data.loaders import LoadPilAndNumpy

    taken: NDArray[np.uint8] = LoadPilAndNumpy(frame, channels).im0[0]
    return taken


def read(path: Path, channels: int) -> NDArray[np.uint8]:
    """A file as ultralytics reads it."""
    from ultralytics.data.loaders import LoadImagesAndVideos

    frame: NDArray[np.uint8] = next(iter(LoadImagesAndVideos(str(path), channels=channels)))[1][0]
    return frame


def written(street: NDArray[np.uint8], channels: int, folder: Path) -> Path:
    """The photograph as a file of so many channels, or, where one is wanted, of three."""
    if channels == 10:
        pages = [Image.fromarray(np.roll(street[:, :, 1], 30 * page)) for page in range(10)]
        pages[0].save(folder / "x.tif", save_all=True, append_images=pages[1:])
        return folder / "x.tif"
    alpha = np.roll(street[:, :, :1], 30)
    Image.fromarray(np.dstack([street, alpha]) if channels == 4 else street).save(folder / "x.png")
    return folder / "x.png"


def levels(channels: int) -> float:
    """How far pictures from files may differ: OpenCV's own way from colours to grey differs by a level as well."""
    return GRAY_LEVEL * (2 if channels == 1 else 1)


def test_files_for_detectors(detector: tuple[Twin, int], street: NDArray[np.uint8], tmp_path: Path) -> None:
    twin, channels = detector
    path = written(street, channels, tmp_path)
    wanted = predictor("detect").preprocess([read(path, channels)]).numpy()
    found, _ = preprocess("yolo", twin.weights, imgsz=SIZE)(read_image(path, channels))
    assert found.shape == (1, channels, *SIZE)
    assert np.abs(found - wanted).max() <= levels(channels)
    assert np.abs(found[:, ::-1] - wanted).max() > 0.3 or channels == 1


def test_frames_for_detectors(detector: tuple[Twin, int], street: NDArray[np.uint8]) -> None:
    twin, channels = detector
    prepare = preprocess("yolo", twin.weights, imgsz=SIZE)
    frame = np.dstack([np.roll(street, 40 * i) for i in range(4)])[:, :, :channels]
    frames = [frame, street, street[:, :, 0]] if channels in (1, 3) else [frame]
    for one in frames:
        wanted = predictor("detect").preprocess([loaded(one, channels)]).numpy()
        found, _ = prepare(as_picture(one, channels, order="bgr"))
        assert np.abs(found - wanted).max() <= GRAY_LEVEL


def test_pixels_for_detectors(detector: tuple[Twin, int]) -> None:
    twin, channels = detector
    image = np.random.default_rng(0).integers(0, 256, (90, 120, channels), dtype=np.uint8)
    found = []
    for kind in ("float32", "uint8"):
        net = define("yolo", twin.weights, imgsz=SIZE, head="decoded", input=kind)
        given, _ = Preprocess.from_dict(net.facts["preprocess"])(image)
        assert given.dtype == kind
        found.append(run(net, torch.from_numpy(given))["predictions"])
    assert relative_error(found[1], found[0]) <= 1e-6


def test_a_yolov5_classifier_of_grey_pictures() -> None:
    """Upstream has none; with numbers for three channels none could be built."""
    made = realistic(ultralytics.module("yolov8n-cls.yaml", nc=4, ch=1), torch.rand(1, 1, 64, 64))[0]
    weights = Weights(made.state_dict())
    weights.facts = {"yaml": {**ultralytics.lists("yolov8-cls"), "scale": "n", "nc": 4, "ch": 1, "yolov5": True}}
    found = preprocess("yolo", weights, imgsz=64)
    assert (found.kind, found.channels, found.mean, found.std) == ("middle", 1, None, None)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_stretched(channels: int, street: NDArray[np.uint8], tmp_path: Path) -> None:
    lists = ultralytics.lists("rtdetr-l") | {"nc": 4, "ch": channels}
    twin = own_ultralytics(tmp_path, lists, size=(128, 128), batch=1)
    path = written(street, channels, tmp_path)
    wanted = predictor("rtdetr", (128, 160)).preprocess([read(path, channels)]).numpy()
    found, (place,) = preprocess("yolo", twin.weights, imgsz=(128, 160))(read_image(path, channels))
    assert np.abs(found - wanted).max() <= levels(channels)
    assert place is not None
    assert place.area == (0, 0, 128, 160)


def classifier(name: str) -> Any:
    return realistic_one(name)[0].module.state_dict()


def test_classified_by_ultralytics(street: NDArray[np.uint8]) -> None:
    theirs = predictor("classify", (64, 64))
    from ultralytics.data.augment import classify_transforms

    theirs.transforms, theirs.device_transform = classify_transforms(64), None
    wanted = theirs.preprocess([street[:, :, ::-1]]).numpy()
    found, _ = preprocess("yolov8n-cls", classifier("yolov8n-cls"), imgsz=64)(street)
    np.testing.assert_array_equal(found, wanted)


def test_classified_by_yolov5(street: NDArray[np.uint8]) -> None:
    yolov5_package()
    from yolov5.utils.augmentations import classify_transforms

    prepare = preprocess("yolov5n-cls", classifier("yolov5n-cls"), imgsz=64)
    for frame in (street, street[:501], street[:100, :70]):
        wanted = classify_transforms(64)(frame[:, :, ::-1]).numpy()
        found, _ = prepare(frame)
        assert np.abs(found[0] - wanted).max() <= GRAY_LEVEL / min(prepare.std or ())
