import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import lognorm

from planner.access_lines import AccessError, load_access_lines
from planner.latency.access import Line, added_ms, with_access
from planner.latency.matrix import build_matrix
from planner.measurements import Vantage
from planner.study_access import ACCESS
from tests.planner.latency.test_matrix import AWAY, clients, statistic

Z95 = 1.6448536269514722
SLOW, FAST = Line(600.0, 700.0), Line(10.0, 30.0)
LINES = {"satellite": SLOW, "wired": FAST}
ALL_WIRED = (("wired", 1.0),)


def test_one_line_is_its_own_quantiles():
    assert added_ms(ALL_WIRED, LINES, 0.5)[0] == pytest.approx(10.0)
    assert added_ms(ALL_WIRED, LINES, 0.95)[0] == pytest.approx(30.0)
    # z(0.75) is 0.6745: 10 · 3^(0.6745 / 1.6449)
    assert added_ms(ALL_WIRED, LINES, 0.75)[0] == pytest.approx(10 * 3 ** (0.6744897501960817 / Z95))


def test_of_two_lines_nobody_waits_the_average():
    mix = (("wired", 0.7), ("satellite", 0.3))
    assert added_ms(mix, LINES, 0.5)[0] < 30
    assert added_ms(mix, LINES, 0.95)[0] > 590
    # 0.7 · F_wired(t) = 0.5 while no satellite is that fast.
    assert added_ms(mix, LINES, 0.5)[0] == pytest.approx(
        lognorm(math.log(3) / Z95, scale=10).ppf(0.5 / 0.7), rel=1e-6
    )


def test_what_is_on_no_line_adds_nothing():
    assert added_ms((("satellite", 0.4),), LINES, 0.5) == (0.0, 0.0, 0.0)
    assert added_ms((("satellite", 0.6),), LINES, 0.5)[0] > 500
    assert added_ms((), LINES, 0.99) == (0.0, 0.0, 0.0)


def test_bounds_are_lines_that_much_faster_and_slower():
    doubtful = {"wired": Line(10.0, 30.0, off=2.0)}
    assert added_ms(ALL_WIRED, doubtful, 0.95) == pytest.approx((30.0, 15.0, 60.0))


@given(
    st.lists(st.floats(0.01, 1), min_size=1, max_size=4),
    st.lists(st.tuples(st.floats(0.1, 1e3), st.floats(1, 20), st.floats(1, 5)), min_size=4, max_size=4),
    st.sampled_from((0.5, 0.75, 0.9, 0.95, 0.99)),
)
def test_the_mixture_s_quantile_is_where_that_many_are_below(weights, figures, quantile):
    lines = {
        kind: Line(p50, p50 * ratio, off) for kind, (p50, ratio, off) in zip(ACCESS, figures, strict=True)
    }
    shares = [(kind, weight / sum(weights)) for kind, weight in zip(ACCESS, weights, strict=False)]
    found, lower, upper = added_ms(shares, lines, quantile)
    assert lower <= found * (1 + 1e-9)
    assert found <= upper * (1 + 1e-9)

    def below(t):
        widths = {kind: max(math.log(line.p95_ms / line.p50_ms) / Z95, 1e-12) for kind, line in lines.items()}
        return sum(share * lognorm(widths[kind], scale=lines[kind].p50_ms).cdf(t) for kind, share in shares)

    assert below(found * (1 + 1e-6)) >= quantile - 1e-6
    assert below(found * (1 - 1e-6)) <= quantile + 1e-6


def matrix_of(demand, statistics):
    return build_matrix(demand, [AWAY], statistics, quantile=0.5, metro_km=100.0, vantage_km=500.0)


def test_every_pair_gets_its_client_s_line_but_behind_a_vantage_that_has_one():
    demand = clients((0.0, 0.0, "AA"), (40.0, 0.0, "BB"), (-40.0, 0.0, "CC"))
    office, centre = Vantage("office-1", "AA", 0.0, 0.0), Vantage("dc", "BB", 40.0, 0.0)
    before = matrix_of(demand, [statistic(office, "away", 90.0), statistic(centre, "away", 95.0)])
    added = np.array([[5.0, 2.0, 9.0], [5.0, 2.0, 9.0], [50.0, 20.0, 90.0]])
    after = with_access(before, added, ["office-*"])
    assert list((after.estimate_ms - before.estimate_ms)[:, 0]) == pytest.approx([0, 5, 50])
    assert list((after.lower_ms - before.lower_ms)[:, 0]) == pytest.approx([0, 2, 20])
    assert list((after.upper_ms - before.upper_ms)[:, 0]) == pytest.approx([0, 9, 90])
    assert list(after.grounds.access_ms[:, 0]) == [0, 5, 50]
    assert not after.estimate_ms.flags.writeable
    assert after.provenance.tolist() == before.provenance.tolist()
    assert after.grounds.spoken == before.grounds.spoken


def test_the_shipped_lines_are_all_there_and_say_how_sure_they_are():
    lines = load_access_lines()
    assert tuple(lines) == ACCESS
    assert all(1 < line.off <= 3 and line.p50_ms < line.p95_ms for line in lines.values())


def test_a_damaged_file_is_refused(tmp_path):
    head = "access,p50_ms,p95_ms,off,source,as_of,note\n"
    for row, words in (
        ("wired,8,5,2,x,2026-01-01,", "p95_ms"),
        ("wirde,8,25,2,x,2026-01-01,", "wired"),
        ("wired,8,25,0.5,x,2026-01-01,", "off"),
        ("wired,8,25,2,x,2026-01-01,\nwired,8,25,2,x,2026-01-01,", "twice"),
    ):
        file = tmp_path / f"{words}.csv"
        file.write_text(head + row + "\n")
        with pytest.raises(AccessError, match=words):
            load_access_lines(file)
