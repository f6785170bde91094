"""Holm over sites and within them, by hand, and over all that can be true of two small sites."""

import numpy as np
import pytest

from planner.drift.families import fallen, significant, site_p_value


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.001, 0.004, 0.2], [True, True, False]),  # 0.01/3, then 0.01/2
        ([0.004, 0.001, 0.006], [True, True, True]),
        ([0.004, 0.004, 0.004], [False, False, False]),
        ([], []),
    ],
)
def test_holm(p_values, expected):
    assert significant(p_values, 0.01) == tuple(expected)


def test_a_site_of_one_vantage_is_its_pair():
    assert site_p_value([0.003], None) == 0.003
    assert site_p_value([0.003, 0.5], None) == 0.006
    assert site_p_value([0.003, 0.5], 0.001) == 0.002
    assert site_p_value([0.9, 0.9], 0.9) == 1.0


def test_pairs_are_named_where_their_site_fell():
    pairs = {("a", "x"): 0.004, ("b", "x"): 0.2, ("a", "y"): 0.004, ("b", "y"): 0.2}
    # The whole of x: 2 x 0.0004 is within 0.01/2; its pair a within 0.01/2, b is not. Of y, 4 x 0.004 is not.
    found = fallen(pairs, {"x": 0.0004, "y": 0.5})
    assert (found.pairs, found.sites) == ({("a", "x")}, {"x"})
    # A way that changed alone brings its site down, which as a whole has not.
    found = fallen({**pairs, ("a", "y"): 0.0005}, {"x": 0.5, "y": 0.3})
    assert (found.pairs, found.sites) == ({("a", "y")}, set())
    assert fallen({}, {}).pairs == frozenset()


def test_false_findings_are_as_rare_as_promised():
    """20,000 checks of 3 sites of 4 vantages, p-values uniform; what is together found hangs on the pairs'.
    In the second half a site has changed at one of its vantages: what else is named then is false."""
    rng, false = np.random.default_rng(3), [0, 0]
    for number in range(20_000):
        changed = number % 2
        draws = rng.random((3, 4))
        together = draws.mean(axis=1)
        together[0] = 1e-9 if changed else together[0]
        draws[0, 0] = 1e-9 if changed else draws[0, 0]
        pairs = {(f"v{v}", f"s{s}"): draws[s, v] for s in range(3) for v in range(4)}
        # Of the mean of four uniform ones no more than (4 m)^4 / 4! lie below m < 1/4; so it is a p-value.
        sites = {f"s{s}": min(1.0, (4 * together[s]) ** 4 / 24) for s in range(3)}
        found = fallen(pairs, sites, 0.05)
        named = set(found.pairs) | {("", site) for site in found.sites}
        false[changed] += bool(named - ({("v0", "s0"), ("", "s0")} if changed else set()))
    # 5 % of 10,000, three standard deviations above; twice that where two guarantees meet.
    assert false[0] <= 500 + 66
    assert false[1] <= 2 * (500 + 66)
    assert min(false) > 100
