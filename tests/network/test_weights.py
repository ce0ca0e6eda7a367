"""wtsnet/network/weights.py: what a network may take, and strict accounting both ways."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.small import yolo_file
from wtsnet import Network, write_wts
from wtsnet.errors import (
    ManifestError,
    MissingWeightError,
    ShapeError,
    UnusedWeightError,
    WeightError,
    WtsError,
    WtsnetError,
)
from wtsnet.manifest.files import sha256
from wtsnet.manifest.manifest import manifest_path
from wtsnet.network.weights import Weights

SIX = np.arange(6, dtype=np.float32)


@pytest.mark.parametrize(
    "value",
    [
        SIX.reshape(2, 3),
        SIX,
        SIX.reshape(3, 2).T.copy().T.reshape(2, 3),
        np.asfortranarray(SIX.reshape(2, 3)),
        SIX.astype(np.float64).reshape(2, 3),
        SIX.astype(np.int64),
        array("f", range(6)),
        array("d", range(6)),
        list(range(6)),
        torch.arange(6.0).reshape(2, 3),
        torch.arange(6, dtype=torch.bfloat16),
        torch.nn.Parameter(torch.arange(6.0)),
        torch.arange(6.0).reshape(3, 2).T.contiguous().T.reshape(2, 3).half(),
    ],
    ids=str,
)
def test_anything_that_holds_numbers_is_taken(value: Any) -> None:
    taken = Weights({"w": value}).take("w", (2, 3))
    np.testing.assert_array_equal(taken, SIX.reshape(2, 3))
    assert taken.dtype == np.float32
    assert taken.flags.c_contiguous


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.array(["a"]), "found values of type <U1"),
        (np.array([1j]), "found values of type complex128"),
        (np.array([None]), "found values of type object"),
        ([[1, 2], [3]], "inhomogeneous"),
        (np.array([1e39]), "a value is too large"),
        (torch.ones(1).to_sparse(), "Sparse"),
    ],
)
def test_what_can_not_be_taken_is_said(value: Any, reason: str) -> None:
    with pytest.raises(WeightError, match=f"^weights: w: can't be taken as float32 .*{reason}"):
        Weights({"w": value}).take("w", (1,))


def test_again_counts_anew() -> None:
    weights = Weights({"a": np.zeros(2), "b": np.zeros(2)})
    weights.take("a", (2,))
    fresh = weights.again()
    fresh.take("b", (2,))
    assert (weights.unused(), fresh.unused()) == (["b"], ["a"])


def test_a_mapping_in_a_mapping_is_no_weight() -> None:
    with pytest.raises(WeightError, match=r"^weights: state_dict: found a mapping, expected an array"):
        Weights({"state_dict": {"a": np.zeros(2)}})


def test_infinities_are_values() -> None:
    assert np.isinf(Weights({"w": np.array([np.inf])}).take("w", (1,)))


def test_a_missing_weight() -> None:
    store = Weights({"conv1.weight": SIX})
    with pytest.raises(
        MissingWeightError,
        match=r"^weights: conv.weight: the network wants it, the weights lack it; did you mean 'conv1.weight'\?$",
    ):
        store.take("conv.weight", (6,))


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        (SIX, (2, 2), r"w: found 6 values, expected \(2, 2\) \(4 values\)$"),
        (SIX, (4, -1), r"w: found 6 values, expected \(4, -1\)$"),
        (SIX.reshape(2, 3), (3, 2), r"w: found shape \(2, 3\), expected \(3, 2\) \(6 values\)$"),
        (SIX.reshape(2, 3), (6,), r"w: found shape \(2, 3\), expected \(6,\) \(6 values\)$"),
        (SIX.reshape(2, 3), (3, -1), r"w: found shape \(2, 3\), expected \(3, -1\)$"),
    ],
)
def test_a_weight_of_another_shape(value: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Weights({"w": value}).take("w", shape)


def test_an_open_size_is_what_the_weight_holds() -> None:
    assert Weights({"w": SIX}).take("w", (3, -1)).shape == (3, 2)
    assert Weights({"w": SIX.reshape(2, 3)}).take("w", (2, -1)).shape == (2, 3)


def test_unused_weights() -> None:
    store = Weights({f"w{i}": SIX for i in range(9)})
    store.take("w0", (6,))
    store.leave("w1", "absent")
    with pytest.raises(
        UnusedWeightError, match=r"^weights: 7 of 9 weights were never used: w2, w3, w4, w5, w6 and 2 more$"
    ):
        store.check_used()
    store.leave(*store.unused())
    store.check_used()


def test_modules_that_are_left() -> None:
    store = Weights(dict.fromkeys(("a.b.w", "a.b.c.w", "a.bc.w", "a.w"), SIX))
    net = Network(store)
    (net.root / "a").leave_modules("b", "absent")
    assert store.unused() == ["a.bc.w", "a.w"]
    net.root.leave_modules("a")
    assert store.unused() == []


def test_the_prefix_of_data_parallel_is_looked_through() -> None:
    store = Weights({"module.a.w": SIX, "module.a.b": SIX})
    assert "a.w" in store
    store.take("a.w", (6,))
    assert store.unused() == ["a.b"]
    assert list(store.flat()) == ["a.w", "a.b"]
    assert "module.a.w" in Weights({"module.a.w": SIX, "b": SIX})


@pytest.mark.parametrize("source", [3, None, [SIX], {1: SIX}])
def test_what_is_no_source(source: Any) -> None:
    with pytest.raises(WeightError, match=r"expected a .wts path or a mapping of names"):
        Weights(source)


def test_a_file_without_a_manifest(tmp_path: Path) -> None:
    write_wts(tmp_path / "x.wts", {"w": SIX})
    store = Weights(tmp_path / "x.wts")
    assert store.manifest is None
    assert store.take("w", (3, 2)).shape == (3, 2)
    assert store.eps("bn", 1e-5) == 1e-5
    assert store.sha256 == sha256(tmp_path / "x.wts")
    with pytest.raises(MissingWeightError, match=f"^{tmp_path / 'x.wts'}: v: "):
        store.take("v", (1,))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(WtsError, match=r"no.wts"):
        Weights(tmp_path / "no.wts")


def test_a_manifest_tells_shapes_and_facts(tmp_path: Path) -> None:
    store = Weights(yolo_file(tmp_path, eps=0.25))
    assert store.facts["names"] == ["one", "two"]
    assert store.eps("model.0.bn", 1e-5) == 0.25
    with pytest.raises(ShapeError, match=r"model.0.conv.weight: found shape \(8, 3, 6, 6\), expected \(24, 36\)"):
        store.take("model.0.conv.weight", (24, 36))


def test_facts_of_a_plan_take_the_place_of_the_files(tmp_path: Path) -> None:
    store = Weights(yolo_file(tmp_path)).told({"bn_eps": {"a": 0.5}})
    assert (store.eps("a", 1), store.eps("model.0.bn", 1)) == (0.5, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: {**values, "new": SIX}, "x.wts.yaml: new: no such entry, but the .wts has 6 values"),
        (lambda values: {"a": values["a"]}, "x.wts.yaml: b: 1 values, but the .wts has no such entry"),
        (lambda values: {**values, "b": SIX}, "x.wts.yaml: b: 1 values, but the .wts has 6 values"),
    ],
)
def test_a_manifest_of_other_weights(tmp_path: Path, change: Any, message: str) -> None:
    values = {"a": SIX, "b": SIX[:1]}
    _with_manifest(tmp_path / "x.wts", values)
    Weights(tmp_path / "x.wts")
    write_wts(tmp_path / "x.wts", change(values))
    with pytest.raises(ManifestError, match=message):
        Weights(tmp_path / "x.wts")


def test_values_that_changed_since_the_manifest(tmp_path: Path) -> None:
    _with_manifest(tmp_path / "x.wts", {"a": SIX})
    assert Weights(tmp_path / "x.wts").sha256 == sha256(tmp_path / "x.wts")
    write_wts(tmp_path / "x.wts", {"a": -SIX})
    with pytest.raises(ManifestError, match=f"^{tmp_path / 'x.wts'}: found sha256 .*, its manifest says .*"):
        _ = Weights(tmp_path / "x.wts").sha256


def test_the_sha256_of_a_mapping_knows_names_shapes_and_values() -> None:
    mappings: list[dict[str, Any]] = [
        {"a": SIX},
        {"b": SIX},
        {"a": -SIX},
        {"a": SIX.reshape(2, 3)},
        {"a": SIX, "b": SIX},
        {"a": np.zeros((0, 3))},
    ]
    assert len({Weights(mapping).sha256 for mapping in mappings}) == len(mappings)
    assert Weights({"a": torch.arange(6.0)}).sha256 == Weights({"a": SIX}).sha256


def _with_manifest(path: Path, values: dict[str, Any]) -> None:
    from wtsnet.manifest.manifest import WeightsManifest

    write_wts(path, values)
    WeightsManifest(
        wtsnet="0",
        source={"file": "x.pt", "sha256": "0", "key": None},
        wts={"file": path.name, "sha256": sha256(path)},
        architecture={},
        bn_eps={},
        entries={name: {"shape": list(value.shape), "dtype": "float32"} for name, value in values.items()},
    ).write(manifest_path(path))


def test_every_error_is_one_line() -> None:
    for mapping in ({}, {"a": [[1], [1, 2]]}, {"b": SIX}):
        with pytest.raises(WtsnetError) as caught:
            Weights(mapping).take("a", (1,))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_what_begins_with_a_name(prefix: str) -> None:
    """Also where torch.nn.DataParallel has put its own in front of all names."""
    store = Weights({f"{prefix}{name}": SIX for name in ("a.weight", "a.b.weight", "ab")})
    assert [store.has_under(start) for start in ("", "a.", "a.b.", "a", "ab")] == [True] * 5
    assert [store.has_under(start) for start in ("b.", "a.weight.", "module.", "ab.")] == [False] * 4
    assert store.unused() == ["a.weight", "a.b.weight", "ab"]
    assert not Weights({}).has_under("")
