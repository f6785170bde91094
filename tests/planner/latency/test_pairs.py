import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.geo import fibre_ms, great_circle_km, pairwise_km
from planner.latency.estimate import COVERAGE, fit_distance_model
from planner.latency.pairs import MAX_PAIRS, SAME_PLACE_DEGREES, fit_pair_model
from planner.measurements import read_published


def world(count, seed=3):
    """So many places, whose north and south are a third worse connected than their distance says."""
    rng = np.random.default_rng(seed)
    place = np.column_stack((rng.uniform(-60, 65, count), rng.uniform(-180, 180, count)))
    km = pairwise_km(*place.T, *place.T)
    north = place[:, 0] > 0
    detour = np.where(north[:, None] != north[None, :], 1.5, 1.0)
    return place, np.maximum((3.0 + 0.03 * km**0.95) * detour, fibre_ms(km))


def fit(place, rtt, learn):
    start, end = np.nonzero(learn)
    return fit_pair_model(place[start], place[end], rtt[learn])


def aws():
    statistics = read_published(0.5, "aws").statistics
    place = {each.site_id: each.site_position for each in statistics}
    names = list(place)
    rtt = np.full((len(names), len(names)), np.nan)
    for each in statistics:
        rtt[names.index(each.vantage.id.removeprefix("metro:")), names.index(each.site_id)] = each.rtt_ms
    return np.array(list(place.values())), rtt


def solved_by_hand(place, rtt, start, end, targets):
    """The covariance written out pair by pair, and solved: the definition, word by word."""
    curve = fit_distance_model(place[start], place[end], rtt[start, end])
    km = pairwise_km(*place.T, *place.T)

    def cov(a, b, c, d):
        near, around = (lambda x, y: math.exp(-km[x, y] / 5000)), (lambda x, y: math.exp(-km[x, y] / 1500))
        return 0.0625 * (near(a, c) * near(b, d) + near(a, d) * near(b, c)) + 0.0049 * (
            around(a, c) + around(b, d) + around(a, d) + around(b, c)
        )

    base = curve.estimate_ms(km)
    pairs = sorted({(min(a, b), max(a, b)) for a, b in zip(start, end, strict=True)})
    excess = []
    for a, b in pairs:
        logs = [math.log(rtt[i, j] / base[i, j]) for i, j in zip(start, end, strict=True) if {i, j} == {a, b}]
        excess.append(sum(logs) / len(logs))
    reach = km / (km + 200.0)
    matrix = np.array([[reach[p] * reach[q] * cov(*p, *q) for q in pairs] for p in pairs])
    matrix += np.diag([0.015**2 + (1.0 / base[p]) ** 2 for p in pairs])
    pull = np.linalg.solve(matrix, excess)
    found = [
        base[t]
        * math.exp(reach[t] * sum(reach[p] * cov(*t, *p) * x for p, x in zip(pairs, pull, strict=True)))
        for t in targets
    ]
    return np.maximum(found, fibre_ms([km[t] for t in targets]))


def test_it_is_the_process_written_out():
    place, rtt = world(11)
    rtt = rtt * np.exp(np.random.default_rng(0).normal(0, 0.1, rtt.shape))
    rtt = np.maximum(rtt, fibre_ms(pairwise_km(*place.T, *place.T)))
    learn = np.random.default_rng(1).random(rtt.shape) < 0.6
    start, end = np.nonzero(learn)
    targets = [(a, b) for a in range(11) for b in range(11)]
    model = fit(place, rtt, learn)
    expected = solved_by_hand(place, rtt, start, end, targets)
    assert np.allclose(model.estimate_ms(place, place).ravel(), expected, rtol=1e-7)


def test_errors_left_out_are_those_of_a_fit_without_them():
    place, rtt = aws()
    learn = np.isfinite(rtt)
    whole = fit(place, rtt, learn)
    assert whole.new_place is not None
    errors = []
    for each in (3, 17):
        strangers = learn.copy()
        strangers[each], strangers[:, each] = False, False
        estimate = fit(place, rtt, strangers).estimate_ms(place[[each]], place)[0]
        errors.append(np.abs(estimate / rtt[each] - 1.0))
        # The curve is fitted again here and is not there, so they agree nearly.
        alone = fit_distance_model(*(place[x] for x in np.nonzero(strangers)), rtt[strangers])
        km = pairwise_km(*place[[each]].T, *place.T)[0]
        assert np.median(errors[-1]) < np.median(np.abs(alone.estimate_ms(km) / rtt[each] - 1.0))
    assert 0.3 < np.median(np.concatenate(errors)) / whole.new_place.median_relative_error < 3.0


def test_half_the_error_of_distance_alone_and_intervals_that_hold():
    place, rtt = aws()
    model = fit(place, rtt, np.isfinite(rtt))
    assert model.distance.held_out is not None
    assert model.new_place is not None
    assert model.new_pair is not None
    assert model.new_place.median_relative_error < 0.45 * model.distance.held_out.median_relative_error
    assert model.new_pair.median_relative_error < 0.15 * model.distance.held_out.median_relative_error
    # Across the street the curve's own interval stands: no place is judged by its way to itself.
    assert model.new_pair.pairs == np.isfinite(rtt).sum() - len(place)
    for held in (model.new_place, model.new_pair):
        assert COVERAGE - 0.005 <= held.coverage <= COVERAGE + 0.025


def test_hidden_pairs_are_found_and_their_intervals_hold():
    place, rtt = aws()
    low, high = np.minimum(*np.indices(rtt.shape)), np.maximum(*np.indices(rtt.shape))
    hidden = np.random.default_rng(5).random(rtt.shape)[low, high] < 0.2
    np.fill_diagonal(hidden, False)
    estimate, lower, upper = fit(place, rtt, ~hidden).predict(place, place)
    truth = rtt[hidden]
    assert np.median(np.abs(estimate[hidden] / truth - 1.0)) < 0.03
    assert 0.80 <= np.mean((lower[hidden] <= truth) & (truth <= upper[hidden])) <= 0.96


def test_a_detour_of_half_the_world_is_learnt_from_its_neighbours():
    place, rtt = world(40)
    learn = np.zeros(rtt.shape, dtype=bool)
    learn[:30, :30] = True
    model = fit(place, rtt, learn)
    ours = np.abs(model.estimate_ms(place[30:], place[:30]) / rtt[30:, :30] - 1.0)
    curve = np.abs(
        model.distance.estimate_ms(pairwise_km(*place[30:].T, *place[:30].T)) / rtt[30:, :30] - 1.0
    )
    assert np.median(ours) < 0.5 * np.median(curve)


def test_across_town_is_a_few_milliseconds():
    place, rtt = aws()
    model = fit(place, rtt, np.isfinite(rtt))
    for lat, lon in (*place, (41.31, 69.28), (-1.29, 36.82), (64.13, -21.9)):
        estimate, lower, upper = (
            each[:, 0]
            for each in model.predict([(lat, lon), (lat + 0.18, lon), (lat + 0.45, lon)], [(lat, lon)])
        )
        assert np.all((estimate > 0.9) & (estimate < 9.0))
        assert np.all(lower < estimate)
        assert np.all(upper < 25.0)


def test_the_interval_of_a_place_to_itself_holds():
    place, rtt = aws()
    inside = []
    for each in range(0, len(place), 4):
        strangers = np.isfinite(rtt)
        strangers[each], strangers[:, each] = False, False
        _, lower, upper = fit(place, rtt, strangers).predict(place[[each]], place[[each]])
        inside.append(lower[0, 0] <= rtt[each, each] <= upper[0, 0])
    assert np.mean(inside) >= 0.8


def test_far_from_all_that_is_measured_the_curve_remains():
    place, rtt = world(12)
    place[:, 0] = place[:, 0] / 100 + 60.0
    place[:, 1] = place[:, 1] / 100
    model = fit(place, rtt, np.ones(rtt.shape, dtype=bool))
    away = [(-60.0, 179.0)], [(-50.0, 170.0)]
    km = great_circle_km(-60.0, 179.0, -50.0, 170.0)
    assert float(model.estimate_ms(*away)[0, 0]) == pytest.approx(
        float(model.distance.estimate_ms(km)), rel=0.1
    )


def test_one_place_is_one_place_and_both_directions_one_pair():
    place, rtt = aws()
    start, end = np.nonzero(np.isfinite(rtt))
    model = fit_pair_model(place[start], place[end], rtt[start, end])
    home = np.round(place / SAME_PLACE_DEGREES) * SAME_PLACE_DEGREES
    again = fit_pair_model(home[start] + 0.001, home[end] - 0.001, rtt[start, end])
    assert len(model.place) == len(again.place) == 33
    assert np.allclose(again.estimate_ms(place, place), model.estimate_ms(place, place), rtol=0.02)
    assert np.allclose(model.weight, model.weight.T)


def test_lost_and_impossible_figures_teach_nothing():
    place, rtt = aws()
    start, end = np.nonzero(np.isfinite(rtt))
    clean = fit_pair_model(place[start], place[end], rtt[start, end])
    spoilt = fit_pair_model(
        np.concatenate((place[start], [[0, 0]] * 4)),
        np.concatenate((place[end], [[0, 90]] * 4)),
        np.concatenate((rtt[start, end], [math.inf, 0.0, math.nan, 0.2])),
    )
    assert np.allclose(spoilt.estimate_ms(place, place), clean.estimate_ms(place, place))


def test_with_little_measured_the_curve_is_all_there_is():
    place, rtt = world(12)
    km = pairwise_km(*place.T, *place.T)
    nothing, diagonal = np.zeros(rtt.shape, dtype=bool), np.eye(12, dtype=bool)
    for learn in (nothing, diagonal):
        model = fit(place, rtt, learn)
        assert model.intervals is None
        for ours, curve in zip(model.predict(place, place), model.distance.predict(km), strict=True):
            assert np.array_equal(ours, curve)
    # Plenty of figures, but between two places only.
    to, fro = [0, 1] * 20, [1, 0] * 20
    assert fit_pair_model(place[to], place[fro], rtt[to, fro]).intervals is None
    assert fit(place, rtt, np.ones(rtt.shape, dtype=bool)).intervals is not None


@settings(deadline=None, max_examples=15)
@given(st.integers(8, 24), st.floats(0.05, 1.0), st.floats(0.0, 0.8), st.integers(0, 2**31))
def test_any_table_gives_a_sane_model(count, share, noise, seed):
    rng = np.random.default_rng(seed)
    place, rtt = world(count, seed)
    rtt = rtt * np.exp(rng.normal(0, noise, rtt.shape))
    model = fit(place, rtt, rng.random(rtt.shape) < share)
    clients = np.column_stack((rng.uniform(-90, 90, 50), rng.uniform(-180, 180, 50)))
    clients = np.concatenate((clients, place))
    estimate, lower, upper = model.predict(clients, place)
    light = fibre_ms(pairwise_km(*clients.T, *place.T))
    assert np.all(np.isfinite(upper))
    assert np.all((light <= lower + 1e-9) & (lower <= estimate) & (estimate <= upper))
    assert np.array_equal(estimate, model.estimate_ms(clients, place))


def test_of_many_figures_an_even_part_teaches():
    place, rtt = world(70)
    model = fit(place, rtt, np.ones(rtt.shape, dtype=bool))
    assert np.count_nonzero(np.triu(model.measured)) == MAX_PAIRS < 70 * 71 / 2
    km = pairwise_km(*place.T, *place.T)
    curve = np.median(np.abs(model.distance.estimate_ms(km) / rtt - 1.0))
    assert np.median(np.abs(model.estimate_ms(place, place) / rtt - 1.0)) < 0.5 * curve
