"""PyTorch's core ATen operators: for each an op, or the reason why there is none; and the ops that they asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.ops.support import OneOp, Size, bools, build, check, check_sizes, compare, integers, kinds, values
from wtsnet import ops
from wtsnet.errors import NetworkError
from wtsnet.network import OPS, Tensor

# What gives the same here, an op or several, or a method: by the names of PyTorch's operators.
COVERED: dict[str, str | tuple[str, ...]] = {
    # of the same name
    **{
        name: name
        for name in (
            *("abs", "acos", "acosh", "add", "addmm", "amax", "amin", "any", "arange", "argmax", "argmin", "asin"),
            *("asinh", "atan", "atan2", "atanh", "adaptive_avg_pool1d", "avg_pool1d", "avg_pool2d", "avg_pool3d"),
            *("bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "bmm", "cat", "ceil", "clamp", "cos", "cosh"),
            *("cumsum", "diagonal", "div", "elu", "embedding", "eq", "erf", "exp", "expand", "expm1", "flip", "floor"),
            *("fmod", "full", "full_like", "gather", "ge", "gelu", "gt", "hardtanh", "index_put", "index_select"),
            *("isinf", "isnan", "le", "leaky_relu", "log", "log10", "log1p", "log2", "logical_and", "logical_not"),
            *("logical_or", "logical_xor", "lt", "masked_scatter", "max", "maximum", "mean", "min", "minimum", "mm"),
            *("mul", "ne", "neg", "permute", "pow", "prod", "reciprocal", "relu", "remainder", "repeat", "round"),
            *("rsqrt", "scatter", "scatter_add", "scatter_reduce", "select", "select_scatter", "sigmoid", "sign"),
            *("sin", "sinh", "slice_scatter", "sort", "sqrt", "squeeze", "sub", "sum", "tan", "tanh", "topk", "trunc"),
            *("unsqueeze", "var", "where"),
        )
    },
    # what public functions are called inside of PyTorch
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d",
    "_adaptive_avg_pool3d": "adaptive_avg_pool3d",
    "_cdist_forward": "cdist",
    "_embedding_bag": "embedding_bag",
    "_log_softmax": "log_softmax",
    "_native_batch_norm_legit": ("batch_norm", "instance_norm"),
    "_native_batch_norm_legit_no_training": "batch_norm",
    "_pdist_forward": "pdist",
    "_softmax": "softmax",
    "_to_copy": "Tensor.to",
    "col2im": "fold",
    "constant_pad_nd": "pad",
    "convolution": ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    "grid_sampler_2d": "grid_sample",
    "index": "Tensor.__getitem__",
    "max_pool2d_with_indices": ("max_pool1d", "max_pool2d"),
    "max_pool3d_with_indices": "max_pool3d",
    "native_group_norm": "group_norm",
    "native_layer_norm": "layer_norm",
    "reflection_pad1d": "pad",
    "reflection_pad2d": "pad",
    "reflection_pad3d": "pad",
    "replication_pad2d": "pad",
    "replication_pad3d": "pad",
    "scalar_tensor": "tensor",
    "slice": ("Tensor.__getitem__", "narrow"),
    "split_with_sizes": "split",
    "upsample_bilinear2d": "interpolate",
    "upsample_nearest2d": "interpolate",
    # what does without memory of its own: a new tensor is given back
    "alias": "identity",
    "clone": "Tensor.clone",
    "copy": ("Tensor.expand_as", "Tensor.type_as"),
    "fill": "full_like",
    "view": ("reshape", "Tensor.view"),
    # sizes
    "sym_numel": "Tensor.numel",
    "sym_size": ("Tensor.size", "Tensor.dims"),
}

# Of operators that there are here: what they refuse, and why.
IN_PART = {
    "bitwise_and": "integers: TensorRT has no arithmetic of bits",
    "bitwise_not": "integers: TensorRT has no arithmetic of bits",
    "bitwise_or": "integers: TensorRT has no arithmetic of bits",
    "bitwise_xor": "integers: TensorRT has no arithmetic of bits",
    "index": "bools: the result's size depends on values",
    "index_put": "bools with a value for each that is true: how many depends on values (masked_scatter takes enough); "
    "adding up of integers: TensorRT has no product of them",
    "max_pool2d_with_indices": "the indices: TensorRT's pooling gives values alone",
    "max_pool3d_with_indices": "the indices: TensorRT's pooling gives values alone",
    "sort": "more than 3840 values, and an order of equal ones: TensorRT's top-k has neither",
    "topk": "more than 3840 values: TensorRT's top-k has no more",
}

BACKWARD = "a gradient: there is none at inference"
RANDOM = "random numbers: a network gives the same for the same inputs"
COMPLEX = "complex numbers: TensorRT has none"
MEMORY = "memory as such, its strides or what happens to be in it: TensorRT chooses how values lie"
VALUES = "a size or number of Python's that depends on values: TensorRT-RTX has no kernel for them"
LEFT_OUT = {
    **dict.fromkeys(
        (
            *(
                "_adaptive_avg_pool2d_backward",
                "avg_pool2d_backward",
                "convolution_backward",
                "embedding_dense_backward",
            ),
            *("max_pool2d_with_indices_backward", "native_group_norm_backward", "native_layer_norm_backward"),
        ),
        BACKWARD,
    ),
    **dict.fromkeys(("native_dropout", "rand", "randn", "randperm"), RANDOM),
    **dict.fromkeys(("_fft_c2r", "_fft_r2c"), COMPLEX),
    **dict.fromkeys(
        (
            *("as_strided", "empty", "empty_strided", "resize_", "sym_is_contiguous", "sym_storage_offset"),
            "sym_stride",
        ),
        MEMORY,
    ),
    **dict.fromkeys(("_local_scalar_dense", "nonzero"), VALUES),
}


def core_operators() -> set[str]:
    """The names of PyTorch's operators one of whose overloads is tagged as core."""
    found = set()
    for schema in torch._C._jit_get_all_schemas():
        space, _, name = schema.name.partition("::")
        packet = getattr(torch.ops.aten, name, None) if space == "aten" else None
        overload = getattr(packet, schema.overload_name or "default", None)
        if overload is not None and torch.Tag.core in overload.tags:
            found.add(name)
    return found


def stands_for(name: str) -> tuple[str, ...]:
    row = COVERED[name]
    return (row,) if isinstance(row, str) else row


def test_every_core_operator_has_an_op_or_a_reason() -> None:
    core = core_operators()
    assert len(core) > 150, "PyTorch no longer tells which operators are core as it did"
    assert sorted(core - set(COVERED) - set(LEFT_OUT)) == []


def test_the_tables_hold_nothing_else() -> None:
    assert sorted((set(COVERED) | set(LEFT_OUT)) - core_operators()) == []
    assert sorted(set(COVERED) & set(LEFT_OUT)) == []
    assert sorted(set(IN_PART) - set(COVERED)) == []


@pytest.mark.parametrize("name", sorted(COVERED))
def test_what_stands_for_an_operator_is_there(name: str) -> None:
    for found in stands_for(name):
        method = found.removeprefix("Tensor.")
        assert hasattr(Tensor, method) if method != found else found in ops.__all__ and found in OPS, found


def test_what_is_left_out_is_no_op() -> None:
    assert sorted(set(LEFT_OUT) & set(ops.__all__)) == []


# The ops.

MATRICES = (values(3, 5), values(3, 4, seed=1), values(4, 5, seed=2))


def test_mm() -> None:
    check(ops.mm, torch.mm, *MATRICES[1:])
    check(lambda a, b: a.mm(b), torch.mm, *MATRICES[1:])
    build(check_sizes(ops.mm, torch.mm, [((1, 2, 4), 6), (6, (1, 3, 5))], [(4, 6), (6, 5)], [(1, 6), (6, 1)]).net)


@pytest.mark.parametrize(("beta", "alpha"), [(1, 1), (0.5, 1), (1, -2), (0.25, 3)])
@pytest.mark.parametrize("shape", [(3, 5), (5,), (3, 1), (1,)], ids=str)
def test_addmm(shape: tuple[int, ...], beta: float, alpha: float) -> None:
    check(
        lambda x, a, b: ops.addmm(x, a, b, beta=beta, alpha=alpha),
        lambda x, a, b: torch.addmm(x, a, b, beta=beta, alpha=alpha),
        *(values(*shape), *MATRICES[1:]),
    )


def test_addmm_is_a_method_and_adds_no_more_than_it_needs() -> None:
    one = check(lambda x, a, b: x.addmm(a, b), torch.addmm, *MATRICES)
    assert kinds(one.net) == ["MATRIX_MULTIPLY", "ELEMENTWISE"]


def test_addmm_of_dynamic_sizes() -> None:
    one = check_sizes(
        ops.addmm, torch.addmm, [(5,), ((1, 2, 4), 6), (6, 5)], [(5,), (4, 6), (6, 5)], [(5,), (1, 6), (6, 5)]
    )
    build(one.net)


@pytest.mark.parametrize("offset", [0, 1, -1, 3, -4])
@pytest.mark.parametrize("dims", [(0, 1), (1, 2), (2, 0), (-1, -3), (-2, -1)])
def test_diagonal(dims: tuple[int, int], offset: int) -> None:
    for x in (values(5, 6, 7), integers(6, 5, 8, below=9), bools(7, 7, 5)):
        check(lambda x: ops.diagonal(x, offset, *dims), lambda x: torch.diagonal(x, offset, *dims), x, tol=0)


def test_diagonal_of_a_matrix() -> None:
    x = values(4, 6)
    one = check(lambda x: x.diagonal(), torch.diagonal, x, tol=0)
    assert kinds(one.net) == ["SHUFFLE", "SLICE"]
    for offset in (5, -3):
        check(lambda x, o=offset: x.diagonal(o), lambda x, o=offset: x.diagonal(o), x, tol=0)


@pytest.mark.parametrize("offset", [0, 2, -1])
def test_diagonal_of_dynamic_sizes(offset: int) -> None:
    """Of the matrices themselves, and of what else there is."""
    n, sizes = (1, 2, 3), (3, 5, 8)
    for dims, shape, shapes in (
        ((1, 2), (n, sizes, sizes), [(3, 8, 8), (1, 3, 8), (2, 8, 3)]),
        ((-1, 1), (n, 4, sizes), [(3, 4, 8), (1, 4, 3)]),
        ((1, 2), (n, sizes, 4), [(3, 8, 4), (1, 3, 4)]),
        ((1, 2), (n, 4, 5), [(3, 4, 5), (1, 4, 5)]),
    ):
        one = check_sizes(
            lambda x, d=dims: ops.diagonal(x, offset, *d),
            lambda x, d=dims: torch.diagonal(x, offset, *d),
            *(shape, *shapes),
            tol=0,
        )
        build(one.net)


@pytest.mark.parametrize("p", [2.0, 1, 0.0, 3, 1.5, float("inf")])
@pytest.mark.parametrize(
    ("first", "second"), [((4, 6), (5, 6)), ((3, 4, 6), (3, 5, 6)), ((3, 1, 6), (6, 6)), ((2, 1, 4, 1), (3, 5, 1))]
)
def test_cdist(first: tuple[int, ...], second: tuple[int, ...], p: float) -> None:
    a, b = values(*first), values(*second, seed=1)
    check(lambda a, b: ops.cdist(a, b, p), lambda a, b: torch.cdist(a, b, p), a, b)


def test_cdist_of_what_is_nearly_the_same() -> None:
    """A product of many rows, as torch may take, leaves nothing of such a distance."""
    a = values(30, 4) + 1000
    check(ops.cdist, lambda a, b: torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist"), a, a + 0.01)


def test_cdist_in_half_precision_overflows_no_more_than_it_must() -> None:
    """Differences and squares are of float32."""
    a, b = torch.full((1, 8), 300.0), torch.zeros(1, 8)
    check(ops.cdist, lambda a, b: torch.cdist(a.float(), b.float()).half(), a.half(), b.half(), tol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_cdist_in_half_precision_is_rounded_once(dtype: torch.dtype) -> None:
    def twin(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        exact: torch.Tensor = torch.linalg.vector_norm(a.float()[:, None] - b.float()[None], dim=-1)
        return exact.to(dtype)

    check(ops.cdist, twin, values(30, 8).to(dtype), values(40, 8, seed=1).to(dtype), tol=0)


def test_cdist_of_dynamic_sizes() -> None:
    n, m = (1, 2, 4), (1, 3, 9)
    one = check_sizes(ops.cdist, torch.cdist, [(n, m, 6), (n, m, 6)], [(4, 9, 6), (4, 1, 6)], [(1, 2, 6), (1, 3, 6)])
    build(one.net)


@pytest.mark.parametrize("p", [2.0, 1, 0.0, 3, float("inf")])
def test_pdist(p: float) -> None:
    for shape in ((5, 4), (2, 3), (3, 1)):
        check(lambda x: ops.pdist(x, p), lambda x: F.pdist(x, p), values(*shape))


def test_pdist_of_a_dynamic_size() -> None:
    build(check_sizes(ops.pdist, F.pdist, (5, (2, 4, 6)), (5, 2), (5, 6)).net)


class Index:
    """`INDEX[1:, ...]` is what `x[1:, ...]` is given."""

    def __getitem__(self, index: Any) -> Any:
        return index


INDEX = Index()
X = values(6, 6, 5, 6)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize(
    "index",
    [
        lambda i, j: INDEX[i, j],
        lambda i, j: INDEX[:, i, j],
        lambda i, j: INDEX[i, :, j],
        lambda i, j: INDEX[..., i, :, j],
        lambda i, j: INDEX[i, 1:3, None, j],
        lambda i, j: INDEX[i, None, j],
        lambda i, j: INDEX[:, None, i, j],
        lambda i, j: INDEX[0, i, ..., j],
        lambda i, j: INDEX[:, i, 2, j],
        lambda i, j: INDEX[i, j, ::2, i],
        lambda i, j: INDEX[j, i, :, i - 6],
        lambda i, j: INDEX[i, ..., j, -1],
    ],
)
@pytest.mark.parametrize(("first", "second"), [((3,), (3,)), ((), (4,)), ((2, 1), (3,)), ((2, 3), (2, 3)), ((), ())])
def test_getitem_with_several_tensors(first: Any, second: Any, index: Any, dtype: torch.dtype) -> None:
    """They broadcast; what they pick stands where the first was, or in front where they lie apart."""
    i, j = integers(*first, below=6).to(dtype), integers(*second, below=5, seed=1).to(dtype)
    check(lambda x, i, j: x[index(i, j)], lambda x, i, j: x[index(i.long(), j.long())], X, i, j, tol=0)


def test_getitem_with_a_tensor_of_each_dtype() -> None:
    i, j = integers(3, below=6), integers(3, below=6, seed=1)
    check(lambda x, i, j: x[i, j], lambda x, i, j: x[i, j], X, i, j.long(), tol=0)
    check(lambda x, i, j: x[i, j], lambda x, i, j: x[i, j], X, i.long(), j, tol=0)


def test_getitem_with_several_tensors_of_dynamic_sizes() -> None:
    n = (1, 2, 4)
    # What picks, the sizes of both indices, and what these are in the first run and the second.
    cases: list[tuple[Any, tuple[Size, Size], list[tuple[int, int]]]] = [
        (lambda x, i, j: x[:, i, j], (n, n), [(3, 3), (1, 1)]),
        (lambda x, i, j: x[:, i, j], (3, n), [(3, 3), (3, 3)]),
        (lambda x, i, j: x[i, :, j], (n, 1), [(4, 1), (1, 1)]),
        (lambda x, i, j: x[:, None, i[:, None], j], (n, 3), [(4, 3), (1, 3)]),
    ]
    for op, sizes, runs in cases:
        one = OneOp(op, ((n, 6, (5, 6, 7)), "float32"), *(((size,), "int32") for size in sizes))
        build(one.net)
        for (batch, length), picks in zip([(1, 7), (4, 5)], runs, strict=True):
            given = [integers(count, below=5 if k else batch, seed=k) for k, count in enumerate(picks)]
            compare(one, op, [values(batch, 6, length), *given], 0)


def test_several_tensors_take_one_layer_where_they_come_first() -> None:
    i = integers(3, below=5)
    assert kinds(OneOp(lambda x, i: x[i, i], X, i).net) == ["SHUFFLE", "SHUFFLE", "CONCATENATION", "GATHER"]


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (lambda x, i: ops.mm(x, x[0]), "mm: found (3, 4) and (4,), expected two dimensions each"),
        (
            lambda x, i: ops.addmm(x, x, x),
            "addmm: found (3, 4) and (3, 4), expected equal inner sizes, not 4 and 3",
        ),
        (
            lambda x, i: x.diagonal(0, 1, -1),
            "diagonal: dim2: found -1 beside dim1 1 for shape (3, 4), expected another",
        ),
        (lambda x, i: x.diagonal(0, 0, 2), "diagonal: dim2: found 2, expected -2 to 1 for shape (3, 4)"),
        (lambda x, i: x.diagonal(4), "diagonal: offset: found 4, expected it within (3, 4)"),
        (lambda x, i: x.diagonal(-3), "diagonal: offset: found -3, expected it within (3, 4)"),
        (lambda x, i: ops.cdist(x, i), "cdist: found float32 and int32, expected equal dtypes, of floats"),
        (lambda x, i: ops.cdist(i, i), "cdist: found int32 and int32, expected equal dtypes, of floats"),
        (
            lambda x, i: ops.cdist(x, x[:, :1]),
            "cdist: found (3, 4) and (3, 1), expected two dimensions or more each, the last equal",
        ),
        (
            lambda x, i: ops.cdist(x, x[0]),
            "cdist: found (3, 4) and (4,), expected two dimensions or more each, the last equal",
        ),
        (lambda x, i: ops.cdist(x, x, -1), "cdist: p: found -1, expected at least 0"),
        (lambda x, i: ops.pdist(x, -0.5), "pdist: p: found -0.5, expected at least 0"),
        (lambda x, i: ops.pdist(i), "pdist: found int32 (3, 4), expected floats in two dimensions"),
        (lambda x, i: ops.pdist(x[0]), "pdist: found float32 (4,), expected floats in two dimensions"),
        (lambda x, i: ops.pdist(x[:1]), "pdist: found (1, 4), expected two rows or more"),
        (
            lambda x, i: x[i[:, :2], i[:, :3]],
            "getitem: index: found (3, 3), expected sizes that broadcast to (3, 2)",
        ),
        (lambda x, i: x[i, x], "getitem: index: found float32, expected int32 or int64"),
        (
            lambda x, i: x[i, x > 0],
            "getitem: index: found bool, expected int32 or int64; where and masked_fill take bools",
        ),
    ],
)
def test_errors(op: Any, text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(op, values(3, 4), integers(3, 4, below=3))
    assert str(caught.value) == f"a.b: {text}"


def test_pairs_of_rows_that_nobody_counted() -> None:
    with pytest.raises(
        NetworkError, match=r"^a\.b: pdist: found a dynamic size at dim 0 of \(-1, 4\), expected a fixed one$"
    ):
        OneOp(ops.pdist, (((1, 2, 3), 4), "float32"))
