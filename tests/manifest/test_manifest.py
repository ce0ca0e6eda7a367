"""wtsnet/manifest/manifest.py and yamlfile.py: what is written comes back, and nothing else passes."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wtsnet.errors import ManifestError
from wtsnet.manifest.manifest import PlanManifest, WeightsManifest, manifest_path, read_manifest

WEIGHTS = WeightsManifest(
    wtsnet="0.1.0",
    source={"file": "x.pt", "sha256": "1" * 64, "key": "ema"},
    wts={"file": "x.wts", "sha256": "0" * 64},
    architecture={
        "yaml": {"nc": 2, "backbone": [[-1, 1, "Conv", [64, 6, 2, 2]], [[-1, 6], 1, "Concat", [1]]], "head": []},
        "names": ["person", "no", "1e-5", "ä: #"],
        "anchors": [[[10.0, 13.0]], [[30.0, 61.5]]],
    },
    bn_eps={"model.0.bn": 1e-3, "model.1.bn": 1e-5},
    entries={
        "model.0.conv.weight": {"shape": [32, 3, 6, 6], "dtype": "float16"},
        "model.0.bn.num_batches_tracked": {"shape": [], "dtype": "int64"},
    },
)

PLAN = PlanManifest(
    wtsnet="0.1.0",
    model="yolov5s",
    source=None,
    options={"batch": [1, 4, 8], "imgsz": [640, 640], "precision": "fp32", "head": "topk", "fold_bn": True, "k": None},
    weights={"file": "x.wts", "sha256": "0" * 64},
    architecture={},
    tensorrt={"flavour": "tensorrt_rtx", "version": "1.7.1"},
    target=["sm_89"],
    gpu=None,
    flags=["tf32"],
    workspace=64,
    level=None,
    inputs=[
        {
            "name": "images",
            "dtype": "float32",
            "shape": [-1, 3, 640, 640],
            "min": [1, 3, 640, 640],
            "opt": [4, 3, 640, 640],
            "max": [8, 3, 640, 640],
        }
    ],
    axes={"images": ["N", "", "", ""]},
    outputs=[{"name": "boxes", "dtype": "float32", "shape": [-1, 1000, 4]}],
    plan={"file": "x.plan", "sha256": "2" * 64, "bytes": 1234},
    preprocess={"kind": "letterbox", "size": [640, 640], "pad": 114},
    decode={"task": "detect", "eps": 1e-3},
    names=["a", "b"],
)


@pytest.mark.parametrize("manifest", [WEIGHTS, PLAN])
def test_round_trip(tmp_path: Path, manifest: WeightsManifest | PlanManifest) -> None:
    manifest.write(tmp_path / "x.yaml")
    assert read_manifest(tmp_path / "x.yaml") == manifest
    assert type(manifest).read(tmp_path / "x.yaml") == manifest
    assert list(tmp_path.iterdir()) == [tmp_path / "x.yaml"]


def test_a_plan_of_the_first_format(tmp_path: Path) -> None:
    text = PLAN.to_yaml().replace("format: 2\n", "format: 1\n")
    for line in ("source: null\n", "workspace: 64\nlevel: null\n", "axes:\n  images: [N, '', '', '']\n"):
        assert line in text
        text = text.replace(line, "")

    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    assert PlanManifest.read(tmp_path / "x.yaml") == replace(PLAN, workspace=None, axes={})
    (tmp_path / "x.yaml").write_text(text.replace("format: 1\n", "format: 2\n"), encoding="utf-8")
    with pytest.raises(ManifestError, match=r"x.yaml: source: missing$"):
        read_manifest(tmp_path / "x.yaml")


def test_order_is_kept(tmp_path: Path) -> None:
    WEIGHTS.write(tmp_path / "x.yaml")
    found = WeightsManifest.read(tmp_path / "x.yaml")
    assert list(found.entries) == list(WEIGHTS.entries)
    assert list(found.architecture) == list(WEIGHTS.architecture)


def test_text_is_made_to_be_read() -> None:
    assert (
        WEIGHTS.to_yaml()
        == f"""\
kind: weights
format: 1
wtsnet: 0.1.0
source:
  file: x.pt
  sha256: '{"1" * 64}'
  key: ema
wts:
  file: x.wts
  sha256: '{"0" * 64}'
architecture:
  yaml:
    nc: 2
    backbone:
    - [-1, 1, Conv, [64, 6, 2, 2]]
    - [[-1, 6], 1, Concat, [1]]
    head: []
  names: [person, 'no', '1e-5', 'ä: #']
  anchors:
  - - [10.0, 13.0]
  - - [30.0, 61.5]
bn_eps:
  model.0.bn: 0.001
  model.1.bn: 1.0e-05
entries:
  model.0.conv.weight: {{shape: [32, 3, 6, 6], dtype: float16}}
  model.0.bn.num_batches_tracked: {{shape: [], dtype: int64}}
"""
    )


def test_manifest_path() -> None:
    assert manifest_path("folder/x.wts") == Path("folder/x.wts.yaml")
    assert manifest_path(Path("x.plan")) == Path("x.plan.yaml")


def test_tuples_become_lists(tmp_path: Path) -> None:
    replace(PLAN, options={"batch": (1, (2, 3))}).write(tmp_path / "x.yaml")
    assert PlanManifest.read(tmp_path / "x.yaml").options == {"batch": [1, [2, 3]]}


def edited(tmp_path: Path, manifest: WeightsManifest | PlanManifest, old: str, new: str) -> Path:
    text = manifest.to_yaml()
    assert text.count(old) == 1, text
    (tmp_path / "x.yaml").write_text(text.replace(old, new), encoding="utf-8")
    return tmp_path / "x.yaml"


@pytest.mark.parametrize("text", ["1e-5", "1E-5", "1.e-5", "1.0e-05", ".1e-4", "+1e-5", "0.00001"])
def test_numbers_with_an_exponent(tmp_path: Path, text: str) -> None:
    path = edited(tmp_path, WEIGHTS, "model.1.bn: 1.0e-05", f"model.1.bn: {text}")
    eps = WeightsManifest.read(path).bn_eps["model.1.bn"]
    assert (eps, type(eps)) == (1e-5, float)


def test_whole_number_for_a_float(tmp_path: Path) -> None:
    eps = WeightsManifest.read(edited(tmp_path, WEIGHTS, "bn: 0.001", "bn: 1")).bn_eps["model.0.bn"]
    assert (eps, type(eps)) == (1.0, float)


@pytest.mark.parametrize(
    ("manifest", "old", "new", "message"),
    [
        (WEIGHTS, "kind: weights", "kind: weight", "kind: found 'weight', expected 'weights' or 'plan'"),
        (WEIGHTS, "kind: weights", "kind: [a]", "kind: found ['a'], expected"),
        (WEIGHTS, "kind: weights\n", "", "kind: found None, expected"),
        (WEIGHTS, "format: 1\n", "", "format: found None, expected a number from 1 to 1"),
        (WEIGHTS, "format: 1\n", "format: 0\n", "format: found 0, expected a number from 1 to 1"),
        (
            WEIGHTS,
            "format: 1\nwtsnet: 0.1.0",
            "format: 2\nnews: 3\nwtsnet: 7.1.0",
            "format: found 2, written by wtsnet 7.1.0; this one reads up to 1",
        ),
        (WEIGHTS, "bn_eps:", "bn_esp:", "bn_esp: unknown key; did you mean 'bn_eps'?"),
        (WEIGHTS, "  key: ema\n", "", "source.key: missing"),
        (WEIGHTS, "  key: ema\n", "  key: ema\n  keys: 3\n", "source.keys: unknown key; did you mean 'key'?"),
        (WEIGHTS, "dtype: int64", "dtype: 64", "entries.model.0.bn.num_batches_tracked.dtype: found 64, expected text"),
        (WEIGHTS, "shape: [32, 3, 6, 6]", "shape: [32, 3.0]", "weight.shape[1]: found 3.0, expected a whole number"),
        (WEIGHTS, "shape: [32, 3, 6, 6]", "shape: [true]", "weight.shape[0]: found True, expected a whole number"),
        (WEIGHTS, "shape: [32, 3, 6, 6]", "shape: 32", "weight.shape: found 32, expected a list"),
        (WEIGHTS, "bn: 0.001", "bn: '1e-3'", "bn_eps.model.0.bn: found '1e-3', expected a number"),
        (WEIGHTS, "bn: 0.001", "bn:", "bn_eps.model.0.bn: found None, expected a number"),
        (WEIGHTS, "  model.1.bn: ", "  3: ", "bn_eps: found {'model.0.bn': 0.001, 3: 1e-05}, expected a mapping"),
        (WEIGHTS, "  model.1.bn: ", "  model.0.bn: ", "not YAML: the key 'model.0.bn' occurs twice, first in line 23"),
        (WEIGHTS, "wtsnet: 0.1.0", "wtsnet: 0.1", "wtsnet: found 0.1, expected text"),
        (WEIGHTS, "wtsnet: 0.1.0", "wtsnet: [", "not YAML: "),
        (PLAN, "gpu: null", "gpu: 3", "gpu: found 3, expected a mapping"),
        (PLAN, "gpu: null", "gpu: {name: x}", "gpu.compute_capability: missing"),
        (PLAN, "target: [sm_89]", "target: sm_89", "target: found 'sm_89', expected a list"),
        (PLAN, "bytes: 1234", "bytes: many", "plan.bytes: found 'many', expected a whole number"),
        (PLAN, "name: boxes", "nam: boxes", "outputs[0].nam: unknown key; did you mean 'name'?"),
    ],
)
def test_malformed(tmp_path: Path, manifest: WeightsManifest | PlanManifest, old: str, new: str, message: str) -> None:
    path = edited(tmp_path, manifest, old, new)
    with pytest.raises(ManifestError) as error:
        read_manifest(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [b"", b"3", b"- 1", b"\xff\xfe\x00", b"\x00", b"a: !!python/name:os.system x"])
def test_other_files(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.yaml").write_bytes(data)
    with pytest.raises(ManifestError, match=r"x\.yaml: (not YAML|found .*, expected a mapping)"):
        read_manifest(tmp_path / "x.yaml")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"x\.yaml: can't be read: No such file or directory"):
        read_manifest(tmp_path / "x.yaml")
    with pytest.raises(ManifestError, match=r"x\.yaml: can't be written: No such file or directory"):
        WEIGHTS.write(tmp_path / "no" / "x.yaml")


def test_the_other_kind(tmp_path: Path) -> None:
    PLAN.write(tmp_path / "x.yaml")
    with pytest.raises(ManifestError, match=r"x\.yaml: kind: found 'plan', expected 'weights'"):
        WeightsManifest.read(tmp_path / "x.yaml")


@pytest.mark.parametrize("value", [object(), 1j, b"bytes".__len__, {"a": {1, 2}.__iter__()}])
def test_what_is_not_plain(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "x.yaml"
    PLAN.write(path)
    before = path.read_text()
    with pytest.raises(ManifestError, match="not plain data"):
        replace(PLAN, options={"value": value}).write(path)
    assert path.read_text() == before


TEXT = st.text(st.characters(blacklist_categories=["Cs"])) | st.sampled_from(
    ["1e-5", "1:4:8", "yes", "~", "<<", "=", "null", "0x10", "2026-11-23", "- a", "a: b", "#", "!x", "&a", "*a", "..."]
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | st.integers(), inner, max_size=4),
    max_leaves=15,
)


@given(options=st.dictionaries(TEXT, PLAIN, max_size=4), names=st.lists(TEXT, max_size=4))
@example(options={"a": ["x " * 100, {"b": [[]], "c": [{}]}]}, names=["\x85\u2028\x07\U0001f600", "'", " a "])
@settings(max_examples=150, deadline=None)
def test_any_plain_data_comes_back(tmp_path_factory: pytest.TempPathFactory, options: Any, names: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    manifest = replace(PLAN, options=options, names=names)
    manifest.write(path)
    found = PlanManifest.read(path)
    assert found == manifest
    assert repr(found.options) == repr(options)  # 1 == 1.0 == True


def test_any_yaml_1_1_reader_reads_it() -> None:
    for manifest in (WEIGHTS, PLAN):
        found = yaml.safe_load(manifest.to_yaml())
        assert found == {"kind": manifest.kind, "format": 1 + (manifest is PLAN), **asdict(manifest)}


def test_without_libyaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML's own reader and writer, which are there where its C parts are not."""
    import importlib

    from wtsnet.manifest import yamlfile

    monkeypatch.delattr(yaml, "CSafeLoader")
    monkeypatch.delattr(yaml, "CSafeDumper")
    try:
        importlib.reload(yamlfile)
        text = WEIGHTS.to_yaml()
        WEIGHTS.write(tmp_path / "x.yaml")
        assert read_manifest(tmp_path / "x.yaml") == WEIGHTS
    finally:
        monkeypatch.undo()
        importlib.reload(yamlfile)
    assert yaml.safe_load(text) == yaml.safe_load(WEIGHTS.to_yaml())
