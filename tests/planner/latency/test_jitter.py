import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.latency.jitter import jitter

LOST = math.inf


def test_by_hand():
    rtt = [10.0, 12.0, 11.0, 20.0, LOST, 21.0, 15.0]
    rounds = [0, 0, 0, 1, 1, 1, 2]
    found = jitter(rtt, rounds, 0.5)
    # Within: |12-10|, |11-12|; the loss takes both its differences along. Between: |20-10|, |15-20|.
    assert (found.within_ms, found.within_pairs) == (1.0, 2)
    assert (found.between_ms, found.between_pairs) == (5.0, 2)
    worst = jitter(rtt, rounds, 0.95)
    assert (worst.within_ms, worst.between_ms) == (2.0, 10.0)


def test_a_loss_is_not_stepped_over():
    found = jitter([10.0, LOST, 90.0], [0, 0, 0], 0.5)
    assert (math.isnan(found.within_ms), found.within_pairs) == (True, 0)
    # A round whose first sample is lost has no place between rounds, though a later one came back.
    found = jitter([10.0, LOST, 11.0, 12.0], [0, 1, 1, 2], 0.5)
    assert found.between_pairs == 0


def test_rounds_may_be_missing_but_not_out_of_order():
    assert jitter([10.0, 14.0], [3, 9], 0.5).between_ms == 4.0
    with pytest.raises(ValueError, match="order"):
        jitter([1.0, 2.0], [1, 0], 0.5)


def test_nothing_to_compare():
    for rtt in ([], [10.0], [LOST, LOST]):
        found = jitter(rtt, [0] * len(rtt), 0.9)
        assert (found.within_pairs, found.between_pairs) == (0, 0)
        assert math.isnan(found.within_ms)


@given(st.lists(st.tuples(st.integers(0, 2), st.one_of(st.just(LOST), st.floats(1, 1e3))), max_size=60))
def test_counted_out(samples):
    rounds = np.cumsum([step for step, _ in samples]) if samples else np.zeros(0)
    rtt = [value for _, value in samples]
    within = [
        abs(b - a)
        for a, b, r, s in zip(rtt, rtt[1:], rounds, rounds[1:], strict=False)
        if r == s and math.isfinite(a) and math.isfinite(b)
    ]
    found = jitter(rtt, rounds, 0.9)
    assert found.within_pairs == len(within)
    if within:
        at_most = sum(step <= found.within_ms for step in within)
        below = sum(step < found.within_ms for step in within)
        assert at_most >= 0.9 * len(within) - 1e-6
        assert below < 0.9 * len(within)
