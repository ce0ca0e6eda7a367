"""The models of transformers, made from configurations: nothing is downloaded."""

from __future__ import annotations

import os
import re
import warnings
from functools import cache
from typing import Any
from unittest.mock import patch

import tests.upstream.torchvision  # noqa: F401  # declares the operators that the package's imports ask for
from tests.upstream.made import Made

FULL = ("detr-resnet-50", "segformer-b0", "vit-tiny-patch16")

VITS = {"tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16)}
SEGFORMERS = {
    "b0": ((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "b1": ((64, 128, 320, 512), (2, 2, 2, 2), 256),
    "b2": ((64, 128, 320, 512), (3, 4, 6, 3), 768),
    "b3": ((64, 128, 320, 512), (3, 4, 18, 3), 768),
    "b4": ((64, 128, 320, 512), (3, 8, 27, 3), 768),
    "b5": ((64, 128, 320, 512), (3, 6, 40, 3), 768),
}
DETR_HIDDEN = {
    r"model\.backbone\.model\..*(conv\d|downsample\.0|convolution)": "one layer with the frozen batch norm behind",
    r"model\.backbone\[\d\]\[1\]": "the mask of what is padding: pictures come without",
    r"model\.position_embedding": "one constant for all pictures of a batch",
    r"output [23]": "the decoder's and the encoder's last tokens: logits and boxes are compared",
}


def make(name: str) -> Made | None:
    if found := re.fullmatch(r"vit-(\w+)-patch(\d+)", name):
        side = int(found[2])
        return Made(vit(found[1], side, (4 * side, 6 * side)), (3, 4 * side, 6 * side))
    if found := re.fullmatch(r"segformer-(b\d)", name):
        return Made(segformer(found[1]), (3, 64, 96))
    if found := re.fullmatch(r"detr-(resnet-\d+)", name):
        return Made(detr(found[1].replace("-", "")), (3, 64, 96), hidden=DETR_HIDDEN)
    return None


def vit(size: str, patch: int, image: tuple[int, int]) -> Any:
    """ViT for classification, with positions for pictures of `image` (height, width)."""
    width, depth, heads = VITS[size]
    config = package().ViTConfig(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        patch_size=patch,
        image_size=image,
        num_labels=17,
    )
    return package().ViTForImageClassification(config)


def segformer(size: str) -> Any:
    """SegFormer for semantic segmentation."""
    widths, depths, decoder = SEGFORMERS[size]
    config = package().SegformerConfig(
        hidden_sizes=list(widths), depths=list(depths), decoder_hidden_size=decoder, num_labels=19
    )
    return package().SegformerForSemanticSegmentation(config)


def detr(backbone: str, timm: bool = True) -> Any:
    """DETR for detection, with timm's ResNet, as it was published, or with that of transformers."""
    depths = {"resnet50": [3, 4, 6, 3], "resnet101": [3, 4, 23, 3]}[backbone]
    if timm:
        config = package().DetrConfig(
            backbone_config=package().TimmBackboneConfig(backbone=backbone, out_indices=[1, 2, 3, 4])
        )
    else:
        config = package().DetrConfig(backbone_config=package().ResNetConfig(depths=depths, out_features=["stage4"]))
    config.num_labels = 91
    return package().DetrForObjectDetection(config)


@cache
def package() -> Any:
    """transformers, kept off the network."""
    with patch.dict(os.environ, {"HF_HUB_OFFLINE": "1"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

        return transformers
