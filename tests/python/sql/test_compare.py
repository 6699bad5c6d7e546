"""The comparison of results notices what it must."""

import math

import pytest

from sql.compare import difference

NAN = math.nan


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        ([], []),
        ([(1, None, "a")], [(1, None, "a")]),
        ([(1, 2.0, ""), (1, NAN, "")], [(1, NAN, ""), (1, 2.0, "")]),
        ([(1, 0.1 + 0.2, "")], [(1, 0.3, "")]),
        # What rounding puts in another order.
        ([(1, 1.0, "a"), (1, 1.0 + 1e-15, "b")], [(1, 1.0, "b"), (1, 1.0, "a")]),
        ([(1, 5.0000005, ""), (1, 4.9999995, "")], [(1, 4.9999995, ""), (1, 5.0000005, "")]),
    ],
)
def test_the_same(got, expected):
    assert difference(got, expected, ordered=False, exact=[True, False, True]) is None


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        ([(1, 2.0)], []),
        ([], [(1, 2.0)]),
        ([(1, 2.0), (1, 2.0)], [(1, 2.0), (1, 3.0)]),
        ([(1, None)], [(1, 0.0)]),
        ([(1, NAN)], [(1, None)]),
        ([(1, math.inf)], [(1, -math.inf)]),
        ([(1, 2.0)], [(1, 2.0 + 1e-8)]),
        ([(1.0, 2.0)], [(1, 2.0)]),
        ([(True, 2.0)], [(1, 2.0)]),
        ([(2, 1.0), (1, 2.0)], [(1, 1.0), (2, 2.0)]),
    ],
)
def test_not_the_same(got, expected):
    assert difference(got, expected, ordered=False, exact=[True, False])
    assert difference(got, expected, ordered=True, exact=[True, False])


def test_exact_columns_and_orders():
    near = [(0.1 + 0.2,)], [(0.3,)]
    assert difference(*near, ordered=True, exact=[False]) is None
    assert difference(*near, ordered=True, exact=[True])
    turned = [(1,), (2,)], [(2,), (1,)]
    assert difference(*turned, ordered=False, exact=[True]) is None
    assert "row 0" in difference(*turned, ordered=True, exact=[True])
