"""Loops and conditionals against the same program in Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.errors import RunnerError
from wtsnet.trt import module

trt = module()
# Called with lists, which numpy's own annotations do not know.
f32: Any = np.float32
i64: Any = np.int64
SUM, PROD, LESS = (getattr(trt.ElementWiseOperation, name) for name in ("SUM", "PROD", "LESS"))
LAST, CONCATENATE, REVERSE = (getattr(trt.LoopOutput, n) for n in ("LAST_VALUE", "CONCATENATE", "REVERSE"))


def add(net: Any, a: Any, b: Any, op: Any = SUM) -> Any:
    return net.trt.add_elementwise(a, b, op).get_output(0)


def output(net: Any, loop: Any, tensor: Any, kind: str, length: Any = None, axis: Any = 0) -> Any:
    layer = loop.add_loop_output(tensor, kind, axis)
    if length is not None:
        layer.set_input(1, length)
    return layer.get_output(0)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_counted_loop_runs_over_its_input(net: Any, backwards: bool) -> None:
    x = f32([[1, 10], [2, 20], [4, 40]])
    count = net.constant(np.int32(3))
    loop = net.trt.add_loop()
    loop.add_trip_limit(count, trt.TripLimit.COUNT)
    row = loop.add_iterator(net.input(x), 0, backwards).get_output(0)
    total = loop.add_recurrence(net.constant(f32([0, 0])))
    step = add(net, total.get_output(0), row)
    total.set_input(1, step)
    got = net.run(
        output(net, loop, total.get_output(0), LAST),
        output(net, loop, step, CONCATENATE, count),
        output(net, loop, step, REVERSE, count, axis=1),
    )
    sums = np.cumsum(x[::-1] if backwards else x, 0)
    np.testing.assert_array_equal(got[0], sums[-1])
    np.testing.assert_array_equal(got[1], sums)
    np.testing.assert_array_equal(got[2], sums[::-1].T)


def test_a_loop_runs_while_its_condition_holds(net: Any) -> None:
    loop = net.trt.add_loop()
    value = loop.add_recurrence(net.input(np.float32(3)))
    loop.add_trip_limit(add(net, value.get_output(0), net.constant(np.float32(100)), LESS), trt.TripLimit.WHILE)
    value.set_input(1, add(net, value.get_output(0), net.constant(np.float32(2)), PROD))
    assert net.run(output(net, loop, value.get_output(0), LAST)) == 192


def test_a_loop_of_no_iterations_gives_its_initial_value(net: Any) -> None:
    loop = net.trt.add_loop()
    loop.add_trip_limit(net.input(np.int32(0)), trt.TripLimit.COUNT)
    value = loop.add_recurrence(net.input(np.float32(7)))
    value.set_input(1, add(net, value.get_output(0), value.get_output(0)))
    assert net.run(output(net, loop, value.get_output(0), LAST)) == 7


def test_a_loop_inside_of_a_loop(net: Any) -> None:
    outer, inner = net.trt.add_loop(), net.trt.add_loop()
    outer.add_trip_limit(net.constant(np.int32(3)), trt.TripLimit.COUNT)
    inner.add_trip_limit(net.constant(np.int32(2)), trt.TripLimit.COUNT)
    a = outer.add_recurrence(net.input(np.float32(1)))
    b = inner.add_recurrence(a.get_output(0))
    b.set_input(1, add(net, b.get_output(0), net.constant(np.float32(3)), PROD))
    a.set_input(1, add(net, output(net, inner, b.get_output(0), LAST), net.constant(np.float32(1))))
    want = 1
    for _ in range(3):
        want = want * 9 + 1
    assert net.run(output(net, outer, a.get_output(0), LAST)) == want


def conditional(net: Any, condition: Any) -> Any:
    """x doubled where the condition holds, else a slice of x that only a long enough x has."""
    choice = net.trt.add_if_conditional()
    choice.set_condition(net.input(np.array(condition)))
    x = choice.add_input(net.input(f32([1, 2, 3]), dynamic=(0,))).get_output(0)
    cut = net.trt.add_slice(x, (0,), (1,), (1,))
    cut.name = "cut"
    cut.set_input(1, net.input(i64([5])))
    cut.set_input(2, net.trt.add_shape(x).get_output(0))
    return choice.add_output(add(net, x, x), cut.get_output(0)).get_output(0)


def test_a_conditional_runs_only_the_branch_taken(net: Any) -> None:
    np.testing.assert_array_equal(net.run(conditional(net, True)), [2, 4, 6])


def test_the_other_branch_fails_by_name(net: Any) -> None:
    with pytest.raises(RunnerError, match=r"layer 'cut' \(SLICE\) failed: axis 0 of extent 3"):
        net.run(conditional(net, False))


def test_what_is_inside_of_a_loop_can_not_be_traced(net: Any) -> None:
    loop = net.trt.add_loop()
    loop.add_trip_limit(net.constant(np.int32(3)), trt.TripLimit.COUNT)
    value = loop.add_recurrence(net.input(np.float32(1)))
    step = add(net, value.get_output(0), value.get_output(0))
    step.name = "doubled"
    value.set_input(1, step)
    net.mark(output(net, loop, value.get_output(0), LAST))
    with pytest.raises(RunnerError, match="tensor 'doubled' is inside of a loop or conditional"):
        list(net.runner().trace(net.fed, ["doubled"]))
