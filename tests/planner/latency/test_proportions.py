"""Wilson's bounds against the inequality they solve, and figures worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.latency.proportions import wilson


@given(st.integers(1, 5_000), st.floats(0, 1), st.floats(0.5, 0.999))
def test_bounds_are_where_the_score_test_turns(trials: int, part: float, confidence: float) -> None:
    from scipy.special import ndtri

    successes = round(part * trials)
    low, high = wilson(successes, trials, confidence)
    z = ndtri(0.5 + confidence / 2)
    for bound in (float(low), float(high)):
        if 1e-9 < bound < 1 - 1e-9:
            score = abs(successes / trials - bound) / np.sqrt(bound * (1 - bound) / trials)
            assert score == pytest.approx(z, rel=1e-6)
    assert low <= successes / trials <= high


def test_none_of_twenty_lost_is_no_certainty() -> None:
    low, high = wilson(0, 20)
    assert float(low) == 0.0
    assert float(high) == pytest.approx(1.959964**2 / (20 + 1.959964**2), rel=1e-6)  # z²/(n + z²)


def test_nothing_tried_says_nothing() -> None:
    low, high = wilson([0, 5], [0, 10])
    assert low.tolist()[0] == 0.0
    assert high.tolist()[0] == 1.0
    assert low[1] == pytest.approx(0.2366, abs=1e-4)  # 5 of 10: the textbook's 0.237 to 0.763
    assert high[1] == pytest.approx(0.7634, abs=1e-4)


@pytest.mark.parametrize(("successes", "trials", "confidence"), [(3, 2, 0.9), (-1, 2, 0.9), (1, 2, 1.0)])
def test_what_cannot_be_is_refused(successes: int, trials: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and the trials"):
        wilson(successes, trials, confidence)
