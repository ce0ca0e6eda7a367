"""torchvision's transformers at sizes that the common checks do not see."""

from __future__ import annotations

import pytest
import torch
import torchvision.models

from tests.models.conftest import run
from tests.upstream import realistic_one
from tests.upstream.realistic import realistic
from wtsnet import define
from wtsnet.errors import NetworkError
from wtsnet.proof.verifying import relative_error


# Whole windows throughout; odd sides to be merged; a row of windows shifted one way alone; less than a window.
@pytest.mark.parametrize("size", [(224, 224), (60, 100), (28, 120), (20, 12)], ids=str)
@pytest.mark.parametrize("name", ["swin_t", "swin_v2_t"])
def test_swin_takes_pictures_of_any_fixed_size(name: str, size: tuple[int, int]) -> None:
    module = realistic_one(name, batch=1)[0].module
    if name == "swin_v2_t":
        module.features[1][1].attn.logit_scale.fill_(5.0)  # type: ignore[index, union-attr]  # more than the limit
    x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = module(x)
    found = run(define(name, module.state_dict(), imgsz=size), x)["logits"]
    assert relative_error(found, wanted.numpy()) <= 1e-5


def test_swin_keys_have_no_bias() -> None:
    made, x = realistic_one("swin_v2_t", batch=1)
    weights = made.module.state_dict()
    bias = weights["features.1.0.attn.qkv.bias"]
    assert bias[96:192].abs().min() > 0
    other = {**weights, "features.1.0.attn.qkv.bias": torch.cat([bias[:96], bias[96:192] * 9, bias[192:]])}
    one, same = (run(define("swin_v2_t", w, imgsz=(64, 96)), x)["logits"] for w in (weights, other))
    assert relative_error(one, same) == 0


@pytest.mark.parametrize("name", ["swin_t", "vit_b_32"])
def test_sizes_are_fixed(name: str) -> None:
    weights = realistic_one(name, batch=1)[0].module.state_dict()
    with pytest.raises(NetworkError, match=r"^network: input: found dynamic sizes \(1, 3, -1, 64\), expected"):
        define(name, weights, imgsz=((64, 64, 128), 64))


def test_vit_for_larger_pictures() -> None:
    """As weights that were trained on at 384×384: the size is that of their positions."""
    module, x = realistic(torchvision.models.vit_b_32(image_size=96), torch.randn(1, 3, 96, 96))
    net = define("vit_b_32", module.state_dict())
    assert net.profile["input"][0] == (1, 3, 96, 96)
    assert net.facts["preprocess"]["resize"] == 110
    assert relative_error(run(net, x)["logits"], module(x).numpy()) <= 1e-5


@pytest.mark.parametrize(("name", "small"), [("vit_b_32", 1e-3), ("vit-tiny-patch16", 1e-6)])
def test_what_norms_add_to_the_variance(name: str, small: float) -> None:
    """With tokens so small that it decides."""
    made, x = realistic_one(name, batch=1)
    added = ("token", "pos_embedding", "position_embeddings", "conv_proj", "projection", "_proj", "mlp.3", "mlp.fc2")
    inner = ("q_proj", "k_proj", "v_proj", "in_proj")
    for path, parameter in made.module.named_parameters():
        if any(part in path for part in added) and not any(part in path for part in inner):
            parameter.mul_(small)
    with torch.no_grad():
        outputs = made.module(x)
    wanted = outputs if isinstance(outputs, torch.Tensor) else outputs.logits
    assert wanted.std() > 0.1
    found = run(define(name, made.module.state_dict(), imgsz=made.shape[1:]), x)["logits"]
    assert relative_error(found, wanted.numpy()) <= 1e-5
