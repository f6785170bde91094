import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.latency.effective import batch_of, effective_samples
from planner.latency.loss import loss_ratio


def test_published_bounds():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 15 of 148.
    found = loss_ratio(15, 148)
    assert float(found.ratio) == 15 / 148
    assert (float(found.lower), float(found.upper)) == (
        pytest.approx(0.0624, abs=5e-5),
        pytest.approx(0.1605, abs=5e-5),
    )


def test_samples_worth_less_say_less():
    # 60 of 592, in bursts of four: worth the 148 of the table above.
    assert loss_ratio(60, 592, 148) == loss_ratio(15, 148)


@given(st.integers(1, 300), st.floats(1, 300), st.data())
def test_bounds_enclose_the_ratio_and_mirror_each_other(sent, worth, data):
    lost = data.draw(st.integers(0, sent))
    found, answered = loss_ratio(lost, sent, worth), loss_ratio(sent - lost, sent, worth)
    assert 0 <= found.lower <= found.ratio <= found.upper <= 1
    assert float(found.lower) == pytest.approx(1 - float(answered.upper), abs=1e-12)
    whole = loss_ratio(lost, sent)
    assert found.lower <= whole.lower + 1e-12
    assert found.upper >= whole.upper - 1e-12


def test_none_lost_is_not_surely_none():
    found = loss_ratio([0, 0, 5], [10, 1000, 5])
    z2 = 3.8414588
    assert list(found.lower) == pytest.approx([0, 0, 5 / (5 + z2)])
    # z² / (n + z²), from the formula with p = 0.
    assert list(found.upper) == pytest.approx([z2 / (10 + z2), z2 / (1000 + z2), 1])


@pytest.mark.parametrize("arguments", [(1, 0), (-1, 5), (6, 5), (0, 5, 0.0), (0, 5, None, 1.0)])
def test_nonsense_is_refused(arguments):
    with pytest.raises(ValueError, match=r"one probe|confidence in"):
        loss_ratio(*arguments)


def test_arrays_keep_their_shape():
    assert loss_ratio(np.zeros((2, 3)), np.ones((2, 3))).upper.shape == (2, 3)
    assert math.isclose(float(loss_ratio(1, 2).ratio), 0.5)


def test_bounds_hold_where_losses_come_in_bursts():
    """One in fifty minutes is bad for five on end and loses half; else one probe in a thousand is lost."""
    rng, rounds, held, naive = np.random.default_rng(9), np.repeat(np.arange(600), 4), 0, 0
    true = (5 * 0.02 * 0.5 + 0.001) / (1 + 5 * 0.02)  # of 55 minutes, 50 good and 5 bad
    for _ in range(200):
        bad, left = np.zeros(600, dtype=bool), 0
        for minute, dice in enumerate(rng.random(600)):
            left = left - 1 if left else (5 if dice < 0.02 else 0)
            bad[minute] = left > 0
        lost = rng.random(2400) < np.where(bad, 0.5, 0.001)[rounds]
        batch = batch_of(rounds)
        worth = effective_samples(np.bincount(batch, lost), np.bincount(batch), 600)
        found, alone = loss_ratio(lost.sum(), 2400, worth), loss_ratio(lost.sum(), 2400)
        held += found.lower <= true <= found.upper
        naive += alone.lower <= true <= alone.upper
    assert naive < 150
    assert held >= 185
