"""Facts about timm's models beside their layers, and RepVGG's branches."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pytest
from torch import nn

from tests.blocks.support import EPS, check_block, picture, prepare
from tests.upstream.timm import package
from wtsnet import Image, define
from wtsnet.definition.registry import find, models
from wtsnet.errors import MissingWeightError
from wtsnet.network import Scope, Tensor

NAMES = [name for name, model in models().items() if model.upstream == "timm"]
BRANCHES = r"(.*\.)?(conv_1x1|conv_kxk|identity|drop_path)(\..*)?"


@pytest.mark.parametrize("name", NAMES)
def test_preprocessing(name: str) -> None:
    """As timm does it for the weights that it gives by default."""
    config = package().data.resolve_data_config(pretrained_cfg=package().get_pretrained_cfg(name).to_dict())
    resize, crop, _, normalize = package().data.create_transform(**config).transforms
    model = models()[name]
    image = model.inputs_of(model.config)
    assert isinstance(image, Image)
    assert (image.size, image.size) == crop.size == config["input_size"][1:]
    assert image.preprocess == {
        "kind": "crop",
        "resize": resize.size,
        "size": crop.size[0],
        "interpolation": resize.interpolation.value,
        "mean": pytest.approx(normalize.mean.tolist()),
        "std": pytest.approx(normalize.std.tolist()),
    }


def narrow_repvgg(groups: int) -> tuple[Callable[[Scope, Tensor], Tensor], nn.Module]:
    """A RepVGG of few channels as wtsnet's and timm's: blocks with groups and without keep the size, or do not."""
    depths, widths = (2, 1, 2, 1), (8, 8, 16, 24, 32)
    byob = package().models.byobnet
    factors = [width / usual for width, usual in zip(widths[1:], (64, 128, 256, 512), strict=True)]
    blocks = byob._rep_vgg_bcfg(depths, factors, groups)
    module = byob.ByobNet(byob.ByoModelCfg(blocks=blocks, stem_type="rep", stem_chs=widths[0]), num_classes=7)
    known = find("repvgg_a0")
    config = dataclasses.replace(known.config, depths=depths, widths=widths, groups=max(groups, 1))

    def op(s: Scope, x: Tensor) -> Tensor:
        s.net.weights.usual_eps = EPS  # that of check_block's modules
        logits: Tensor = known.function(s, x, config)["logits"]
        return logits.named(s)

    return op, module


@pytest.mark.parametrize("groups", [0, 2, 4])
def test_branches(groups: int) -> None:
    """With batch norms folded they are one convolution; apart, every one of them is there."""
    op, module = narrow_repvgg(groups)
    check_block(op, module, picture(3, 64, 96), fused=BRANCHES)


def test_weights_that_are_one_convolution_already() -> None:
    op, module = narrow_repvgg(4)
    x = picture(3, 64, 96)
    prepare(module, x)
    one = package().utils.model.reparameterize_model(module)
    assert [key for key in one.state_dict() if key.startswith("stages.0.1.")] == [
        "stages.0.1.reparam_conv.weight",
        "stages.0.1.reparam_conv.bias",
    ]
    check_block(op, one, x)


def test_a_weight_that_such_a_checkpoint_lacks() -> None:
    state = package().utils.model.reparameterize_model(package().create_model("repvgg_a0")).state_dict()
    for name in ("stem.reparam_conv.weight", "stem.reparam_conv.bias"):
        with pytest.raises(MissingWeightError, match=rf"weights: {re.escape(name)}: the network wants it"):
            define("repvgg_a0", {key: value for key, value in state.items() if key != name})
