"""Loops and conditionals against the same program in Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtsnet.errors import RunnerError, UnsupportedLayerError
from wtsnet.trt.flavours import module

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


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_iterator_takes_slices_along_its_axis(
    net: Any, rng: np.random.Generator, axis: int, backwards: bool
) -> None:
    x = rng.standard_normal((3, 4, 5)).astype(np.float32)
    count = net.input(i64(x.shape[axis]))
    loop = net.trt.add_loop()
    loop.add_trip_limit(count, trt.TripLimit.COUNT)
    part = loop.add_iterator(net.input(x), axis, backwards).get_output(0)
    got = net.run(output(net, loop, add(net, part, part), CONCATENATE, count, axis))
    np.testing.assert_array_equal(got, 2 * np.flip(x, axis) if backwards else 2 * x)


@pytest.mark.parametrize(("limit", "most"), [(10, 4), (3, 3), (0, 0)])
def test_a_loop_with_both_limits_ends_with_the_first(net: Any, limit: int, most: int) -> None:
    """Powers of two while they are below 16; what the condition cuts off of the output is zero."""
    count = net.input(np.int32(limit))
    loop = net.trt.add_loop()
    value = loop.add_recurrence(net.input(f32([1])))
    loop.add_trip_limit(count, trt.TripLimit.COUNT)
    below = add(net, value.get_output(0), net.constant(f32([16])), LESS)
    scalar = net.trt.add_shuffle(below)
    scalar.reshape_dims = ()
    loop.add_trip_limit(scalar.get_output(0), trt.TripLimit.WHILE)
    doubled = add(net, value.get_output(0), value.get_output(0))
    value.set_input(1, doubled)
    last, all_, reverse = net.run(
        output(net, loop, value.get_output(0), LAST),
        output(net, loop, doubled, CONCATENATE, count),
        output(net, loop, doubled, REVERSE, count),
    )
    assert last == 2**most
    want = [2**i if i <= most else 0 for i in range(1, limit + 1)]
    np.testing.assert_array_equal(all_[:, 0], want)
    np.testing.assert_array_equal(reverse[:, 0], want[::-1])


def test_a_condition_may_look_at_the_iterators_element(net: Any) -> None:
    """How many elements stand before the first that is not positive; the body reads none of them."""
    loop = net.trt.add_loop()
    element = loop.add_iterator(net.input(f32([3, 4, -1]))).get_output(0)
    loop.add_trip_limit(add(net, net.constant(np.float32(0)), element, LESS), trt.TripLimit.WHILE)
    count = loop.add_recurrence(net.input(np.float32(0)))
    count.set_input(1, add(net, count.get_output(0), net.constant(np.float32(1))))
    assert net.run(output(net, loop, count.get_output(0), LAST)) == 2


def test_two_recurrences_step_together(net: Any) -> None:
    """Fibonacci: each takes the other's value of the iteration before."""
    loop = net.trt.add_loop()
    loop.add_trip_limit(net.constant(np.int32(10)), trt.TripLimit.COUNT)
    a, b = (loop.add_recurrence(net.input(i64(start))) for start in (0, 1))
    a.set_input(1, b.get_output(0))
    b.set_input(1, add(net, a.get_output(0), b.get_output(0)))
    got = net.run(output(net, loop, a.get_output(0), LAST), output(net, loop, b.get_output(0), LAST))
    assert [int(value) for value in got] == [55, 89]


def test_a_conditional_inside_of_a_loop(net: Any) -> None:
    """Collatz: halved where even, else 3 n + 1, until it is 1."""
    loop = net.trt.add_loop()
    n = loop.add_recurrence(net.input(np.float32(27)))
    steps = loop.add_recurrence(net.input(np.float32(0)))
    one, two, three = (net.constant(np.float32(i)) for i in (1, 2, 3))
    value = n.get_output(0)
    loop.add_trip_limit(add(net, one, value, LESS), trt.TripLimit.WHILE)
    half = add(net, value, two, trt.ElementWiseOperation.FLOOR_DIV)
    choice = net.trt.add_if_conditional()
    choice.set_condition(add(net, add(net, half, two, PROD), value, trt.ElementWiseOperation.EQUAL))
    x = choice.add_input(value).get_output(0)
    halved = add(net, x, two, trt.ElementWiseOperation.FLOOR_DIV)
    tripled = add(net, add(net, x, three, PROD), one)
    n.set_input(1, choice.add_output(halved, tripled).get_output(0))
    steps.set_input(1, add(net, steps.get_output(0), one))
    assert net.run(output(net, loop, steps.get_output(0), LAST)) == 111


@pytest.mark.parametrize("condition", [True, False])
def test_a_conditional_with_two_outputs(net: Any, condition: bool) -> None:
    choice = net.trt.add_if_conditional()
    choice.set_condition(net.input(np.array(condition)))
    x = choice.add_input(net.input(f32([1, 2]))).get_output(0)
    y = choice.add_input(net.input(f32([3, 4]))).get_output(0)
    first = choice.add_output(add(net, x, y), add(net, x, y, PROD)).get_output(0)
    second = choice.add_output(add(net, x, x), y).get_output(0)
    got = net.run(first, second)
    np.testing.assert_array_equal(got, [[4, 6], [2, 4]] if condition else [[3, 8], [3, 4]])


def counted(net: Any, count: Any) -> Any:
    loop = net.trt.add_loop()
    loop.add_trip_limit(count, trt.TripLimit.COUNT)
    return loop


def test_a_layer_that_fails_inside_of_a_loop_names_itself(net: Any) -> None:
    loop = counted(net, net.constant(np.int32(3)))
    start = net.input(f32([1, 2]), dynamic=(0,))
    value = loop.add_recurrence(start)
    broken = net.trt.add_elementwise(value.get_output(0), net.input(f32([1, 2]), dynamic=(0,)), SUM)
    broken.name = "join"
    value.set_input(1, broken.get_output(0))
    net.mark(output(net, loop, value.get_output(0), LAST))
    with pytest.raises(
        RunnerError, match=r"layer 'join' \(ELEMENTWISE\) failed: .*; its inputs: float32\[2\], float32\[3\]"
    ):
        net.runner()(x0=[1, 2], x1=[1, 2, 3])


def test_an_iterator_that_runs_out_names_itself(net: Any) -> None:
    loop = counted(net, net.constant(np.int32(4)))
    rows = loop.add_iterator(net.input(f32([[1, 2], [3, 4], [5, 6]])))
    rows.name = "rows"
    total = loop.add_recurrence(net.constant(f32([0, 0])))
    total.set_input(1, add(net, total.get_output(0), rows.get_output(0)))
    with pytest.raises(
        RunnerError,
        match=r"layer 'rows' \(ITERATOR\) failed: iteration 3 reads index 3 of axis 0; its inputs: float32\[3, 2\]",
    ):
        net.run(output(net, loop, total.get_output(0), LAST))


def test_a_reverse_iterator_needs_a_count(net: Any) -> None:
    loop = net.trt.add_loop()
    element = loop.add_iterator(net.input(f32([3, 4])), 0, True).get_output(0)
    loop.add_trip_limit(add(net, net.constant(np.float32(0)), element, LESS), trt.TripLimit.WHILE)
    total = loop.add_recurrence(net.constant(np.float32(0)))
    total.set_input(1, add(net, total.get_output(0), element))
    net.mark(output(net, loop, total.get_output(0), LAST))
    with pytest.raises(RunnerError, match=r"\(ITERATOR\): it runs in reverse, and its loop has no trip limit of kind"):
        net.runner()


def test_an_output_that_is_shorter_than_its_loop_names_itself(net: Any) -> None:
    loop = counted(net, net.constant(np.int32(4)))
    value = loop.add_recurrence(net.input(f32([1])))
    value.set_input(1, add(net, value.get_output(0), value.get_output(0)))
    net.mark(output(net, loop, value.get_output(0), CONCATENATE, net.input(np.int32(3))))
    with pytest.raises(RunnerError, match=r"\(LOOP_OUTPUT\) failed: 4 iterations in an output of length 3"):
        net.runner().run(net.fed)


def test_an_assertion_inside_of_a_loop_is_tested_each_time(net: Any) -> None:
    loop = counted(net, net.input(np.int32(0)))
    value = loop.add_recurrence(net.input(np.float32(1)))
    doubled = add(net, value.get_output(0), value.get_output(0))
    value.set_input(1, doubled)
    net.trt.add_assertion(add(net, doubled, net.constant(np.float32(5)), LESS), "below 5").name = "small"
    net.mark(output(net, loop, value.get_output(0), LAST))
    runner = net.runner()
    assert runner(x0=2, x1=1)["y0"] == 4
    with pytest.raises(RunnerError, match=r"layer 'small' \(ASSERTION\): assertion failed: below 5"):
        runner(x0=3, x1=1)


def test_an_assertion_inside_of_a_conditional_is_refused(net: Any) -> None:
    choice = net.trt.add_if_conditional()
    choice.set_condition(net.input(np.array(True)))
    x = choice.add_input(net.input(np.float32(1))).get_output(0)
    net.trt.add_assertion(add(net, x, net.constant(np.float32(5)), LESS), "below 5").name = "small"
    net.mark(choice.add_output(add(net, x, x), x).get_output(0))
    with pytest.raises(UnsupportedLayerError, match=r"layer 'small' \(ASSERTION\): .*does not say of which branch"):
        net.runner()
