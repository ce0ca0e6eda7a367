"""tools/yolov5_torch.py against the published figures and the published implementation."""

from __future__ import annotations

import copy
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml

from tools.yolov5_torch import DetectionModel, layout
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


def architecture(name):
    """The architecture file of a variant, inside the yolov5 package."""
    spec = find_spec("yolov5")
    if spec is None:
        pytest.skip("the yolov5 package is not installed")
    models = Path(spec.origin).parent / "models"
    return models / "hub" / f"yolov5{name}.yaml" if "6" in name else models / f"yolov5{name}.yaml"


@pytest.fixture(scope="module")
def upstream():
    """The published DetectionModel; packages that it imports but does not need here may be missing."""
    architecture("n")
    library = torch.library.Library("torchvision", "FRAGMENT")
    if not hasattr(torch.ops.torchvision, "nms"):
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOLO_AUTOINSTALL", "False")
        patch.setenv("YOLO_OFFLINE", "True")
        for name in ("pkg_resources", "seaborn"):
            if find_spec(name) is None:
                patch.setitem(sys.modules, name, ModuleType(name))
                sys.modules[name].parse_version = lambda text: [int(n) for n in text.split("+")[0].split(".")]
        yield pytest.importorskip("yolov5.models.yolo").DetectionModel
    del library


@pytest.fixture
def nano():
    return layout(80, *VARIANTS["n"])


def with_statistics(model):
    """Running statistics as training would leave them, so that batch norm does something."""
    generator = torch.Generator().manual_seed(1)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1, generator=generator)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5, generator=generator)
    return model


def error(got, wanted):
    assert got.shape == wanted.shape
    return ((got - wanted).abs().max() / wanted.abs().max()).item()


def measured(cfg):
    with torch.device("meta"):
        model = DetectionModel(cfg)
    return sum(p.numel() for p in model.parameters()), len(model.state_dict())


class TestAgainstThePublished:
    @pytest.mark.parametrize("name", VARIANTS)
    def test_parameters_of_our_layout(self, name):
        assert measured(layout(80, *VARIANTS[name])) == PUBLISHED[name]

    @pytest.mark.parametrize("name", PUBLISHED)
    def test_parameters_of_their_lists(self, name):
        assert measured(yaml.safe_load(architecture(name).read_text("utf-8"))) == PUBLISHED[name]

    @pytest.mark.parametrize("name", ["n", "n6"])
    def test_outputs(self, upstream, name):
        theirs = upstream(str(architecture(name)))
        ours = DetectionModel(theirs.yaml)
        ours.load_state_dict(theirs.state_dict(), strict=True)
        theirs.load_state_dict(with_statistics(ours).state_dict(), strict=True)
        x = torch.rand(2, 3, 128, 192, generator=torch.Generator().manual_seed(2))
        with torch.inference_mode():
            predictions, maps = theirs.eval()(x)
            assert error(ours.eval()(x), predictions) <= 1e-6
            ours.model[-1].train()
            for got, wanted in zip(ours(x), maps, strict=True):
                assert error(got, wanted) <= 1e-6

    def test_facts_on_the_module(self, upstream, nano):
        theirs, ours = upstream(str(architecture("n"))), DetectionModel(nano)
        assert ours.save == theirs.save
        assert [(m.i, m.f) for m in ours.model] == [(m.i, m.f) for m in theirs.model]
        assert torch.equal(ours.stride, theirs.stride)
        assert torch.equal(ours.model[-1].anchors, theirs.model[-1].anchors)
        assert set(theirs.yaml) == set(ours.yaml)

    def test_initial_weights_of_a_seed(self, upstream, nano):
        torch.manual_seed(3)
        theirs = dict(upstream(str(architecture("n"))).named_parameters())
        torch.manual_seed(3)
        for name, parameter in DetectionModel(nano).named_parameters():
            torch.testing.assert_close(parameter, theirs[name], rtol=1e-6, atol=1e-6, msg=name)


class TestDetectionModel:
    def test_another_width_class_count_and_channels(self):
        model = DetectionModel(layout(10, 0.33, 0.17), ch=1).eval()
        assert [m.conv.out_channels for m in model.model if hasattr(m, "conv")][:5] == [16, 24, 48, 88, 176]
        with torch.inference_mode():
            assert model(torch.zeros(1, 1, 64, 96)).shape == (1, 3 * (8 * 12 + 4 * 6 + 2 * 3), 15)

    def test_building_leaves_the_running_statistics_alone(self, nano):
        model = DetectionModel(nano)
        assert model.training
        assert model.model[0].bn.num_batches_tracked == 0
        assert torch.equal(model.model[0].bn.running_var, torch.ones(16))

    def test_candidates_run_over_level_anchor_row_column(self, nano):
        model = DetectionModel(nano).eval()
        for conv in model.model[-1].m:
            torch.nn.init.zeros_(conv.weight)
            torch.nn.init.zeros_(conv.bias)
        with torch.inference_mode():
            boxes = model(torch.zeros(1, 3, 64, 96))[0, :, :4]
        # A sigmoid of 0.5 is the cell's centre and the anchor's own size.
        assert boxes[0].tolist() == [4, 4, 10, 13]
        assert boxes[12].tolist() == [4, 12, 10, 13]
        assert boxes[2 * 96 + 1].tolist() == [12, 4, 33, 23]
        assert boxes[3 * 96 + 24 + 7].tolist() == [24, 24, 62, 45]
        assert boxes[-1].tolist() == [80, 48, 373, 326]

    def test_names(self, nano):
        assert DetectionModel(nano).names == [str(i) for i in range(80)]
        with pytest.raises(ModelError, match=r"^names: 2 class names for nc = 80$"):
            DetectionModel(nano, names=["cat", "dog"])

    def test_an_unknown_module_is_named(self, nano):
        cfg = copy.deepcopy(nano)
        cfg["backbone"][9][2] = "SPPD"
        with pytest.raises(ModelError, match=r"^architecture: unknown module 'SPPD'; did you mean 'SPPF'\?$"):
            DetectionModel(cfg)

    def test_a_repeated_concatenation_is_refused(self, nano):
        cfg = copy.deepcopy(nano)
        cfg["head"][2][1] = 9
        with pytest.raises(ModelError, match=r"^architecture: Concat is asked for 3 times, expected once$"):
            DetectionModel(cfg)

    def test_lists_that_do_not_end_in_detect_are_refused(self, nano):
        with pytest.raises(ModelError, match=r"^architecture: the last module is C3, expected Detect$"):
            DetectionModel({**nano, "head": nano["head"][:-1]})
