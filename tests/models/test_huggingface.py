"""The models of transformers: published names, pictures of any size, and what leaves the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.models.conftest import Twin, run
from tests.models.test_parity import compare
from tests.models.test_plans import build_any_size
from tests.upstream import realistic_one
from tests.upstream.huggingface import DETR_HIDDEN, detr, package, vit
from tests.upstream.realistic import realistic
from wtsnet import define
from wtsnet.checkpoint.exporting import export
from wtsnet.errors import ModelError, NetworkError, ShapeError
from wtsnet.proof import record
from wtsnet.proof.verifying import relative_error


def seeded(make: Any, *shape: int) -> tuple[nn.Module, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return realistic(make(), torch.randn(*shape))


@pytest.fixture(scope="module")
def detr_twin() -> Twin:
    """DETR with the ResNet of transformers in place of timm's."""
    module, x = seeded(lambda: detr("resnet50", timm=False), 2, 3, 64, 96)
    return Twin("detr-resnet-50", module, x, module.state_dict(), DETR_HIDDEN)


def assert_upstream(found: dict[str, Any], module: nn.Module, x: torch.Tensor) -> None:
    with torch.no_grad():
        outputs = module(x)
    for name, array in found.items():
        assert relative_error(array, outputs[name].numpy()) <= 1e-5, name


def test_detr_with_the_resnet_of_transformers(detr_twin: Twin, tmp_path: Path) -> None:
    record(detr_twin.module, detr_twin.x, tmp_path / "golden.npz")
    compare(detr_twin, tmp_path / "golden.npz", fold_bn=True)


@pytest.mark.parametrize("twin", ["detr-resnet-50", "segformer-b0", "vit-tiny-patch16"], indirect=True)
def test_published_names(twin: Twin, tmp_path: Path) -> None:
    """Where modules were renamed, transformers goes on writing the old names."""
    check_published(twin, tmp_path)


def test_published_names_of_detr_with_the_resnet_of_transformers(detr_twin: Twin, tmp_path: Path) -> None:
    check_published(detr_twin, tmp_path)


def check_published(twin: Twin, folder: Path) -> None:
    twin.module.save_pretrained(folder)  # type: ignore[operator]  # all are PreTrainedModels
    weights = load_file(folder / "model.safetensors")
    assert len(set(weights) - set(twin.weights)) > len(weights) / 3
    export(folder / "model.safetensors", folder / "model.wts")
    options: dict[str, Any] = {"batch": 2, "imgsz": tuple(twin.x.shape[2:])}
    options |= {} if twin.name.startswith("vit") else {"head": "raw"}
    net = define(twin.name, folder / "model.wts", **options)
    assert_upstream(run(net, twin.x), twin.module, twin.x)
    # The modules go by their names of today.
    assert set(net.modules) == set(define(twin.name, twin.weights, **options).modules)


def test_a_published_name_that_is_missing_is_told_as_published(tmp_path: Path) -> None:
    twin = realistic_one("vit-tiny-patch16")[0].module
    twin.save_pretrained(tmp_path)  # type: ignore[operator]
    weights = load_file(tmp_path / "model.safetensors")
    del weights["vit.encoder.layer.3.intermediate.dense.bias"]
    with pytest.raises(Exception, match=r"weights: vit\.encoder\.layer\.3\.intermediate\.dense\.bias: the network"):
        define("vit-tiny-patch16", weights, imgsz=(64, 96))


@pytest.mark.parametrize("twin", ["detr-resnet-50", "segformer-b0"], indirect=True)
def test_pictures_of_any_size(twin: Twin) -> None:
    sizes = ((64, 96, 128), (32, 96, 160))
    net = define(twin.name, twin.weights, batch=(1, 2, 3), imgsz=sizes, head="raw")
    for n, height, width in ((3, 64, 160), (1, 128, 32), (2, 96, 96)):
        x = torch.randn(n, 3, height, width, generator=torch.Generator().manual_seed(height))
        assert_upstream(run(net, x), twin.module, x)


@pytest.mark.parametrize("twin", ["detr-resnet-50", "segformer-b0"], indirect=True)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_plans_for_pictures_of_any_size(twin: Twin, precision: str) -> None:
    head = "topk" if twin.name.startswith("detr") else "classes"
    build_any_size(twin, precision=precision, head=head)


@pytest.mark.parametrize("twin", ["detr-resnet-50"], indirect=True)
@pytest.mark.parametrize("size", [(64, 96), ((64, 96, 128), (32, 96, 160))], ids=["fixed", "dynamic"])
def test_the_best_queries(twin: Twin, size: Any) -> None:
    bias = "class_labels_classifier.bias"
    unlikely = torch.eye(92)[-1] * 6  # so that most queries are of no object
    weights = {**twin.weights, bias: twin.weights[bias] + unlikely}
    with torch.no_grad():
        outputs = twin.module(twin.x)
    outputs.logits += unlikely
    assert (outputs.logits.argmax(-1) == 91).float().mean() > 0.5
    processor = package().DetrImageProcessor()
    wanted = processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=[(64, 96)] * 2)
    for k in (100, 7):
        found = run(define(twin.name, weights, batch=2, imgsz=size, k=k), twin.x)
        assert list(found) == ["boxes", "scores", "classes"]
        assert found["classes"].dtype == np.int32
        for i, theirs in enumerate(wanted):
            best = torch.argsort(theirs["scores"], descending=True, stable=True)[:k]
            np.testing.assert_allclose(found["boxes"][i], theirs["boxes"][best], rtol=0, atol=1e-3)
            np.testing.assert_allclose(found["scores"][i], theirs["scores"][best], rtol=0, atol=1e-5)
            np.testing.assert_array_equal(found["classes"][i], theirs["labels"][best])


@pytest.mark.parametrize("twin", ["segformer-b0"], indirect=True)
@pytest.mark.parametrize("size", [(64, 96), ((64, 96, 128), (32, 96, 160))], ids=["fixed", "dynamic"])
def test_the_class_of_each_pixel(twin: Twin, size: Any) -> None:
    with torch.no_grad():
        outputs = twin.module(twin.x)
    bias, mean = "decode_head.classifier.bias", outputs.logits.mean((0, 2, 3))
    weights = {**twin.weights, bias: twin.weights[bias] - mean}  # so that no class is the best everywhere
    outputs.logits -= mean[:, None, None]
    processor = package().SegformerImageProcessor()
    wanted = torch.stack(processor.post_process_semantic_segmentation(outputs, target_sizes=[(64, 96)] * 2))
    found = run(define(twin.name, weights, batch=2, imgsz=size, head="classes"), twin.x)["classes"]
    assert found.dtype == np.int32
    assert found.shape == (2, 64, 96)
    assert len(np.unique(found)) > 5
    best = nn.functional.interpolate(outputs.logits, size=(64, 96), mode="bilinear").topk(2, 1).values
    sure = (best[:, 0] - best[:, 1] > 1e-4).numpy()
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(found[sure], wanted.numpy()[sure])


def test_what_decoders_are_told() -> None:
    for name, kind, classes in (("detr-resnet-50", "detr", 91), ("segformer-b0", "semantic", 19)):
        made, _ = realistic_one(name)
        net = define(name, made.module.state_dict(), imgsz=(64, 96), head="raw")
        assert net.facts["decode"] == {"kind": kind, "head": "raw", "classes": classes}


def test_the_size_of_pictures_follows_the_positions() -> None:
    module, x = seeded(lambda: vit("tiny", 16, (64, 64)), 1, 3, 64, 64)
    net = define("vit-tiny-patch16", module.state_dict())
    assert net.profile["pixel_values"][0] == (1, 3, 64, 64)
    assert net.facts["preprocess"] == {"kind": "stretch", "size": [64, 64], "mean": [0.5] * 3, "std": [0.5] * 3}
    assert_upstream(run(net, x), module, x)


def test_pictures_for_which_there_are_no_positions() -> None:
    weights = realistic_one("vit-tiny-patch16")[0].module.state_dict()
    text = r"^input: found 224x224 pixels, which are 196 patches, expected 24, for which vit\.embeddings\.position_emb"
    with pytest.raises(NetworkError, match=f"^network: {text[1:]}"):
        define("vit-tiny-patch16", weights)
    with pytest.raises(NetworkError, match=r"^network: input: found dynamic sizes \(1, 3, -1, 96\), expected fixed"):
        define("vit-tiny-patch16", weights, imgsz=((64, 64, 128), 96))
    with pytest.raises(ShapeError, match=r"^weights: vit\.embeddings\.position_embeddings: found shape \(1, 25, 192\)"):
        define("vit-base-patch16", weights, imgsz=(64, 96))


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("detr-resnet-50", {"head": "masks"}, "head: found 'masks', expected one of topk, decoded, raw"),
        ("detr-resnet-50", {"k": 0}, "k: found 0, expected at least 1"),
        ("segformer-b0", {"head": "topk"}, "head: found 'topk', expected one of raw, decoded, classes"),
    ],
)
def test_options(name: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ModelError, match=f"^{text}$"):
        define(name, {}, **options)
