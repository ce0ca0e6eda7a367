"""wtsnet/definition/onnxfile.py: what an ONNX file is made of, and what is none."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.small_onnx import KERNEL, conv, relu, write
from wtsnet.definition.onnxfile import OnnxFile, is_onnx
from wtsnet.errors import MissingWeightError, ModelError
from wtsnet.manifest.files import sha256


def test_names_of_onnx_files() -> None:
    assert all(map(is_onnx, ("a.onnx", "b/A.ONNX", Path("a.onnx"))))
    assert not any(map(is_onnx, ("lenet", "a.py:onnx", "a.onnx.wts", "onnx", None, 3)))


def test_a_file_of_its_own(tmp_path: Path) -> None:
    path = conv(tmp_path / "x.onnx")
    file = OnnxFile(path)
    assert (file.path, file.external, file.size) == (path, [], path.stat().st_size)
    assert file.sha256 == sha256(path)
    assert file.unused() == []
    with pytest.raises(MissingWeightError, match=r"x.onnx: w: the network wants it"):
        file.take("w", (4, 3, 3, 3))


def test_external_data(tmp_path: Path) -> None:
    path, data = conv(tmp_path / "x.onnx", external="x.data"), tmp_path / "x.data"
    file = OnnxFile(path)
    assert file.external == [data]
    assert file.size == path.stat().st_size + KERNEL.nbytes
    assert file.sha256 == hashlib.sha256((sha256(path) + sha256(data)).encode()).hexdigest()
    data.write_bytes(data.read_bytes()[:-1] + b"\x01")
    assert OnnxFile(path).sha256 != file.sha256
    data.unlink()
    with pytest.raises(ModelError, match=rf"^{path}: has weights in x.data, which is not in {tmp_path}$"):
        OnnxFile(path)


def outside(name: str, file: str) -> Any:
    """A tensor whose values are in another file."""
    tensor = onnx.numpy_helper.from_array(np.ones(2, np.float32), name)
    onnx.external_data_helper.set_external_data(tensor, file)
    tensor.ClearField("raw_data")
    return tensor


def test_external_data_wherever_a_tensor_may_be(tmp_path: Path) -> None:
    """In initializers, sparse ones, attributes, subgraphs and functions; each name once, sorted."""
    sparse = onnx.SparseTensorProto(values=outside("", "sparse"), indices=outside("", "indices"), dims=[4])
    initial = onnx.SparseTensorProto(values=outside("s", "initial"), indices=outside("", "indices"), dims=[4])
    branch = helper.make_graph([], "branch", [], [], [outside("b", "folder/branch"), outside("c", "again")])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=outside("", "constant")),
        helper.make_node("Constant", [], ["s"], sparse_value=sparse),
        helper.make_node("If", ["c"], ["i"], then_branch=branch, else_branch=branch),
        helper.make_node("Own", [], ["o"], tensors=[outside("", "many")], graphs=[branch]),
    ]
    inside = onnx.numpy_helper.from_array(np.ones(2, np.float32), "inside")
    told = outside("told", "not")  # names a file, but says that the values are here
    told.data_location = TensorProto.DEFAULT
    graph = helper.make_graph(nodes, "g", [], [], [outside("a", "again"), inside, told], sparse_initializer=[initial])
    body = [helper.make_node("Constant", [], ["y"], value=outside("", "function"))]
    function = helper.make_function("own", "F", [], ["y"], body, [helper.make_opsetid("", 17)])
    model = helper.make_model(graph, functions=[function])
    path = tmp_path / "x.onnx"
    path.write_bytes(model.SerializeToString())
    names = ["again", "constant", "folder/branch", "function", "indices", "initial", "many", "sparse"]
    (tmp_path / "folder").mkdir()
    for name in names:
        (tmp_path / name).write_bytes(bytes(8))
    assert OnnxFile(path).external == [tmp_path / name for name in names]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"hello there\n", "wire type 4 at byte 3"),
        (b"\x89PNG garbage" * 9, "wire type 7 at byte 11"),
        (b"\x08\x08", "it holds no graph"),  # an ir_version alone
        (b"version https://git-lfs.github.com/spec/v1\n", ""),
        (b"\x08" + b"\xff" * 12, "a number that does not end at byte 11"),
        (b"\x02\x00", "field 0 at byte 2 ends at 2 of 2"),
    ],
)
def test_what_is_no_onnx_file(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        OnnxFile(path)
    assert str(caught.value).startswith(f"{path}: no ONNX file, or one that was cut short ({reason}")


def test_a_file_that_was_cut_short(tmp_path: Path) -> None:
    """Wherever it was cut: the graph, which is most of it, must be whole."""
    path = conv(tmp_path / "x.onnx")
    data = path.read_bytes()
    graph = onnx.load(path).graph.ByteSize()
    assert len(data) > graph > 400
    for length in range(0, graph, 7):
        path.write_bytes(data[:length])
        with pytest.raises(ModelError, match="no ONNX file, or one that was cut short"):
            OnnxFile(path)


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"^{tmp_path}/no.onnx: can't be read \(No such file or directory\)$"):
        OnnxFile(tmp_path / "no.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ModelError, match=r"folder.onnx: can't be read \(Is a directory\)"):
        OnnxFile(tmp_path / "folder.onnx")


def test_fields_of_every_width(tmp_path: Path) -> None:
    """A model is passed over whatever numbers it holds: fixed ones of 4 and 8 bytes, too."""
    path = relu(tmp_path / "x.onnx")
    known = path.read_bytes()
    path.write_bytes(
        known + bytes([99 << 3 & 127 | 5 | 128, 6, 1, 2, 3, 4]) + bytes([98 << 3 & 127 | 1 | 128, 6]) + bytes(8)
    )
    assert OnnxFile(path).external == []
    node = helper.make_node("LeakyRelu", ["x"], ["y"], alpha=0.5)  # a fixed32 in an attribute
    assert OnnxFile(write(path, [node], {"x": (2,)})).external == []
