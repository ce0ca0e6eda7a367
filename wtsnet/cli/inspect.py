"""`wtsnet inspect`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import yaml

from wtsnet import trt as tensorrt
from wtsnet.cli.options import print_columns
from wtsnet.cli.plans import load_plan, print_ports
from wtsnet.definition import OnnxFile, is_onnx, parse
from wtsnet.errors import ManifestError
from wtsnet.manifest import PlanManifest, WeightsManifest, manifest_path, read_manifest, sha256
from wtsnet.network import layers, shape_text
from wtsnet.wts import read_wts

if TYPE_CHECKING:
    from collections.abc import Sequence


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .wts, a manifest (.yaml), a plan or an .onnx file.")],
    full: Annotated[bool, typer.Option("--full", help="Every entry or layer, not only the first ones.")] = False,
) -> None:
    """Say what a .wts, a manifest, a plan or an .onnx file holds. A plan is described by its manifest: no GPU is
    needed. One without a manifest is opened on the GPU, which runs what is in it, and tells itself what it takes. An
    ONNX file is as TensorRT's parser takes it; exit 1 where that refuses a node.

    Example: wtsnet inspect yolov5s.wts
    """
    if not file.exists():
        raise ManifestError(f"{file}: no such file")
    beside = manifest_path(file)
    if is_onnx(file):
        _show_onnx(OnnxFile(file), full)
    elif file.suffix in (".yaml", ".yml"):
        _show(read_manifest(file), full)
    elif beside.exists() and isinstance(manifest := read_manifest(beside), PlanManifest):
        _show(manifest, full)
        if sha256(file) != manifest.plan["sha256"]:
            print(f"note: {file} changed since its manifest was written")
    elif not beside.exists() and file.suffix in (".plan", ".engine", ".trt"):
        _show(load_plan(file).manifest, full)
    else:
        _show_wts(file, full)


def _show_onnx(file: OnnxFile, full: bool) -> None:
    net, refused = parse(file)
    others = f" in {1 + len(file.external)} files" if file.external else ""
    by = f"{tensorrt.flavour()} {tensorrt.version()}"
    print(f"{file.path}: {file.size:,} bytes{others}, {'refused' if refused else 'parsed'} by {by}")
    if refused:
        print_columns([("node", "operator", "TensorRT's words"), *((one.node, one.op, one.reason) for one in refused)])
        raise typer.Exit(1)
    for kind, count, get in (
        ("input", net.trt.num_inputs, net.trt.get_input),
        ("output", net.trt.num_outputs, net.trt.get_output),
    ):
        for tensor in map(get, range(count)):
            print(f"{kind} {tensor.name}: {tensorrt.dtype_name(tensor.dtype)} {shape_text(tensor)}")
    found = list(layers(net))
    print(f"weights: {sum(one.values for one in found):,} values, {sum(one.bytes for one in found):,} bytes")
    print(f"layers: {len(found):,}")
    if full:
        print_columns([("layer", "kind", "outputs"), *((one.name, one.kind, one.outputs) for one in found)])
    else:
        print_columns([(kind, f"{count:,}") for kind, count in Counter(one.kind for one in found).most_common()])


def _show_wts(file: Path, full: bool) -> None:
    entries = read_wts(file)
    beside = manifest_path(file)
    manifest = WeightsManifest.read(beside) if beside.exists() else None
    counts = {name: entries.count(name) for name in entries}
    print(f"{file}: {len(counts):,} entries, {sum(counts.values()):,} values, {file.stat().st_size:,} bytes")
    if manifest is None:
        print("no manifest beside it: shapes, eps and architecture are not known")
    else:
        _facts(manifest)
    known = manifest.entries if manifest else {}
    rows = [
        (name, f"{count:,}", "×".join(map(str, known[name]["shape"])) if name in known else "")
        for name, count in counts.items()
    ]
    _table(("entry", "values", "shape"), rows, full)


def _origin(manifest: PlanManifest) -> None:
    release = f"{manifest.tensorrt['flavour']} {manifest.tensorrt['version']}"
    gpu = manifest.gpu["name"] if manifest.gpu else "TensorRT's default"
    if not manifest.model:
        print(f"plan of another tool: {manifest.plan['bytes']:,} bytes, opened by {release} on {gpu}")
        return
    print(f"plan of {manifest.model}: {manifest.plan['bytes']:,} bytes, built by {release}")
    print(f"target: {', '.join(manifest.target) or gpu}; flags: {', '.join(manifest.flags) or 'none'}")
    print(f"weights: {manifest.weights['file']} (sha256 {manifest.weights['sha256'][:12]}…)")


def _show(manifest: WeightsManifest | PlanManifest, full: bool) -> None:
    if isinstance(manifest, WeightsManifest):
        print(f"manifest of {manifest.wts['file']}: {len(manifest.entries):,} entries from {manifest.source['file']}")
        _facts(manifest)
        rows = [(name, "×".join(map(str, e["shape"])), e["dtype"]) for name, e in manifest.entries.items()]
        _table(("entry", "shape", "dtype"), rows, full)
        return
    _origin(manifest)
    print_ports(manifest)
    for name in ("options", "preprocess", "decode"):
        if values := getattr(manifest, name):
            print(f"{name}: {yaml.safe_dump(values, default_flow_style=True, width=1000).strip()}")
    if manifest.names:
        print(f"classes: {', '.join(manifest.names)}")


def _facts(manifest: WeightsManifest) -> None:
    shown = {key: value for key, value in manifest.architecture.items() if key != "yaml"}
    if "yaml" in manifest.architecture:
        print("architecture lists: yes")
    for key, value in shown.items():
        print(f"{key}: {value}")
    if manifest.bn_eps:
        print(f"batch norm eps: {', '.join(map(str, dict.fromkeys(manifest.bn_eps.values())))}")


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], full: bool) -> None:
    shown = rows if full else rows[:12]
    print_columns([header, *shown])
    if len(rows) > len(shown):
        print(f"… and {len(rows) - len(shown):,} more (--full shows them)")
