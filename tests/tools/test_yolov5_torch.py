"""tools/yolov5_torch.py against the published figures and the published implementation."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from tests.upstream.yolov5 import architecture_file, yolov5, yolov5_package
from tools.yolov5_torch import Conv, Detect, DetectionModel, layout
from wtsnet.errors import ModelError

VARIANTS = {"n": (0.33, 0.25), "s": (0.33, 0.50), "m": (0.67, 0.75)}
PUBLISHED = {  # parameters, entries of the state dict
    "n": (1_872_157, 349),
    "s": (7_235_389, 349),
    "m": (21_190_557, 481),
    "l": (46_563_709, 613),
    "x": (86_749_405, 745),
    "n6": (3_246_940, 459),
    "s6": (12_626_620, 459),
    "m6": (35_731_932, 627),
    "l6": (76_770_172, 795),
    "x6": (140_794_780, 963),
}


def published(variant: str) -> Any:
    """The published model of a variant with the initial weights that torch's random state leads to."""
    return yolov5_package().DetectionModel(str(architecture_file(variant)))


def lists(variant: str) -> dict[str, Any]:
    cfg: dict[str, Any] = yaml.safe_load(architecture_file(variant).read_text("utf-8"))
    return cfg


def head(model: DetectionModel) -> Detect:
    detect = model.model[-1]
    assert isinstance(detect, Detect)
    return detect


@pytest.fixture
def nano() -> dict[str, Any]:
    return layout(80, *VARIANTS["n"])


def error(got: Tensor, wanted: Tensor) -> float:
    assert got.shape == wanted.shape
    return ((got - wanted).abs().max() / wanted.abs().max()).item()


def measured(cfg: Mapping[str, Any]) -> tuple[int, int]:
    with torch.device("meta"):
        model = DetectionModel(cfg)
    return sum(p.numel() for p in model.parameters()), len(model.state_dict())


class TestAgainstThePublished:
    @pytest.mark.parametrize("name", VARIANTS)
    def test_parameters_of_our_layout(self, name: str) -> None:
        assert measured(layout(80, *VARIANTS[name])) == PUBLISHED[name]

    @pytest.mark.parametrize("name", PUBLISHED)
    def test_parameters_of_their_lists(self, name: str) -> None:
        assert measured(lists(name)) == PUBLISHED[name]

    @pytest.mark.parametrize("name", ["n", "n6"])
    def test_outputs(self, name: str) -> None:
        theirs, x = yolov5(name, size=(128, 192))
        ours = DetectionModel(lists(name))
        ours.load_state_dict(theirs.state_dict(), strict=True)
        with torch.inference_mode():
            predictions, maps = theirs(x)
            assert error(ours.eval()(x), predictions) <= 1e-6
            head(ours).train()
            for got, wanted in zip(ours(x), maps, strict=True):
                assert error(got, wanted) <= 1e-6

    def test_facts_on_the_module(self, nano: dict[str, Any]) -> None:
        theirs, ours = published("n"), DetectionModel(nano)
        assert ours.save == theirs.save
        assert [(m.i, m.f) for m in ours.model] == [(m.i, m.f) for m in theirs.model]
        assert torch.equal(ours.stride, theirs.stride)
        assert torch.equal(head(ours).anchors, theirs.model[-1].anchors)
        assert set(theirs.yaml) == set(ours.yaml)

    def test_initial_weights_of_a_seed(self, nano: dict[str, Any]) -> None:
        torch.manual_seed(3)
        theirs = dict(published("n").named_parameters())
        torch.manual_seed(3)
        for name, parameter in DetectionModel(nano).named_parameters():
            torch.testing.assert_close(parameter, theirs[name], rtol=1e-6, atol=1e-6, msg=name)


class TestDetectionModel:
    def test_another_width_class_count_and_channels(self) -> None:
        model = DetectionModel(layout(10, 0.33, 0.17), ch=1).eval()
        assert [m.conv.out_channels for m in model.model if isinstance(m, Conv)][:5] == [16, 24, 48, 88, 176]
        with torch.inference_mode():
            assert model(torch.zeros(1, 1, 64, 96)).shape == (1, 3 * (8 * 12 + 4 * 6 + 2 * 3), 15)

    def test_building_leaves_the_running_statistics_alone(self, nano: dict[str, Any]) -> None:
        model = DetectionModel(nano)
        assert model.training
        first = model.model[0]
        assert isinstance(first, Conv)
        assert first.bn.num_batches_tracked == 0
        assert first.bn.running_var is not None
        assert torch.equal(first.bn.running_var, torch.ones(16))

    def test_candidates_run_over_level_anchor_row_column(self, nano: dict[str, Any]) -> None:
        model = DetectionModel(nano).eval()
        for parameter in head(model).parameters():
            torch.nn.init.zeros_(parameter)
        with torch.inference_mode():
            boxes = model(torch.zeros(1, 3, 64, 96))[0, :, :4]
        # A sigmoid of 0.5 is the cell's centre and the anchor's own size.
        assert boxes[0].tolist() == [4, 4, 10, 13]
        assert boxes[12].tolist() == [4, 12, 10, 13]
        assert boxes[2 * 96 + 1].tolist() == [12, 4, 33, 23]
        assert boxes[3 * 96 + 24 + 7].tolist() == [24, 24, 62, 45]
        assert boxes[-1].tolist() == [80, 48, 373, 326]

    def test_names(self, nano: dict[str, Any]) -> None:
        assert DetectionModel(nano).names == [str(i) for i in range(80)]
        with pytest.raises(ModelError, match=r"^names: 2 class names for nc = 80$"):
            DetectionModel(nano, names=["cat", "dog"])

    def test_an_unknown_module_is_named(self, nano: dict[str, Any]) -> None:
        cfg = copy.deepcopy(nano)
        cfg["backbone"][9][2] = "SPPD"
        with pytest.raises(ModelError, match=r"^architecture: unknown module 'SPPD'; did you mean 'SPPF'\?$"):
            DetectionModel(cfg)

    def test_a_repeated_concatenation_is_refused(self, nano: dict[str, Any]) -> None:
        cfg = copy.deepcopy(nano)
        cfg["head"][2][1] = 9
        with pytest.raises(ModelError, match=r"^architecture: Concat is asked for 3 times, expected once$"):
            DetectionModel(cfg)

    def test_lists_that_do_not_end_in_detect_are_refused(self, nano: dict[str, Any]) -> None:
        with pytest.raises(ModelError, match=r"^architecture: the last module is C3, expected Detect$"):
            DetectionModel({**nano, "head": nano["head"][:-1]})
