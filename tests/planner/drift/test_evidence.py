"""What counts as evidence: the plan's own figures, told again, until a pair has changed or is new."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from planner.audit import audit_plan
from planner.cli import main
from planner.drift.evidence import replaced, weigh
from planner.drift.pairs import PairRounds, pair_rounds
from planner.drift.report import said, when
from planner.drift.saved_plan import read_plan
from planner.drift.series import series_of
from planner.drift.standing import check_clients, price_changes, stand
from planner.inputs import load_inputs
from planner.measurements import Vantage, Window, read_rounds, read_stores
from tests.planner.drift import scene

SERVING = ("berlin-1", "eu-north-1")
QUANTILE = 0.95


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Three days and a half of rounds, the way from Berlin to Stockholm lost in the last three hours; and the
    moment after the third day."""
    first = scene.now() - timedelta(days=4)
    known = scene.rounds(first, scene.KNOWN)
    more = scene.rounds(first, 36, skip=scene.KNOWN)
    lost = scene.rounds(first, 12, skip=scene.KNOWN + 36, factors={SERVING: None})
    store = scene.as_file(tmp_path_factory.mktemp("evidence") / "store.jsonl", known, more, lost)
    made = first + (scene.KNOWN - 0.5) * scene.EVERY
    return str(store), made


def planned(pairs, made):
    """What the plan was made from: the quantile of each pair until then."""
    return {pair.key: pair.figures(pair.at < made)[0] for pair in pairs}


def stamp(moment):
    return np.datetime64(moment.replace(tzinfo=None), "us")


def known(measured):
    return tuple(pair_rounds(read_rounds([measured[0]]), QUANTILE))


def test_a_round_is_told_by_its_order_statistics(measured):
    pair = next(pair for pair in known(measured) if pair.key == SERVING)
    by_hand = [np.sort(pair.rtt_ms[pair.round == number]) for number in dict.fromkeys(pair.round.tolist())]
    assert len(by_hand) == len(pair.series.at) == scene.KNOWN + 48
    level, top = pair.series.figures
    assert level.values.reshape(-1, 5).tolist() == [rtt.tolist() for rtt in by_hand]
    assert top.values.tolist() == [rtt[4] for rtt in by_hand]  # ceil(0.95 x 5) = 5
    assert np.isinf(top.values[-12:]).all()
    assert (np.diff(pair.series.at) > np.timedelta64(0)).all()


def test_what_the_plan_was_made_from_is_told_as_the_planner_told_it(measured):
    store, made = measured
    said = read_stores([store], QUANTILE, {site for _, site in scene.DELAYS}, window=Window(until=made))
    again = {pair.key: pair.statistic(pair.at < stamp(made)) for pair in known(measured)}
    assert len(said.statistics) == len(again) == 6
    for each in said.statistics:
        ours = again[each.vantage.id, each.site_id]
        for name in ("rtt_ms", "lower_ms", "upper_ms", "samples", "loss_ratio", "direct", "kind"):
            assert getattr(ours, name) == pytest.approx(getattr(each, name)), name


def test_only_what_changed_or_is_new_goes_before_the_plan(measured):
    _, made = measured
    pairs = known(measured)
    knew = planned(pairs, stamp(made))
    evidence = weigh(pairs, made=stamp(made), since=stamp(made), knew=knew)
    assert [change.key for change in evidence.changes] == [SERVING]
    assert evidence.changes[0].after_ms == math.inf
    # The other vantage of that site sees nothing of it: the site as a whole has changed less surely.
    assert all(change.p_value >= evidence.changes[0].p_value for change in evidence.site_changes)
    assert (evidence.judged, evidence.pairs) == (6, 6)
    assert [(each.vantage.id, each.site_id) for each in evidence.current] == [SERVING]
    assert evidence.silent == {SERVING}
    new = ("dublin-1", "eu-north-1")
    evidence = weigh(
        pairs, made=stamp(made), since=stamp(made), knew={key: ms for key, ms in knew.items() if key != new}
    )
    assert {(each.vantage.id, each.site_id) for each in evidence.current} == {SERVING, new}


def test_what_cannot_be_compared_is_told_by_its_bounds(tmp_path):
    """The plan is made from a morning, the check is of an afternoon, in which Stockholm is 40 % slower."""
    midnight = scene.now().replace(hour=0, minute=0) - timedelta(days=1)
    morning = scene.rounds(midnight, 48)
    afternoon = scene.rounds(midnight, 40, skip=52, factors={SERVING: 1.4})
    store = scene.as_file(tmp_path / "store.jsonl", morning, afternoon)
    pairs = tuple(pair_rounds(read_rounds([str(store)]), 0.5))
    noon = stamp(midnight + timedelta(hours=12, minutes=30))
    evidence = weigh(pairs, made=noon, since=noon, knew=planned(pairs, noon))
    assert (evidence.judged, evidence.pairs, evidence.changes) == (0, 6, ())
    assert evidence.apart == {SERVING}
    assert [(each.vantage.id, each.site_id) for each in evidence.current] == [SERVING]


def test_bounds_for_all_pairs_at_once_are_wider_than_for_each(measured):
    _, made = measured
    evidence = weigh(known(measured), made=stamp(made), since=stamp(made), knew={})
    wider = 0
    for one, all_ in zip(evidence.fresh, evidence.sure, strict=True):
        assert all_.rtt_ms == one.rtt_ms
        assert all_.lower_ms <= one.lower_ms
        assert all_.upper_ms >= one.upper_ms
        wider += all_.lower_ms < one.lower_ms
    assert wider >= 5


def test_a_pair_measured_anew_stands_in_its_own_place(measured):
    _, made = measured
    pairs = known(measured)
    before = [pair.statistic(pair.at < stamp(made)) for pair in pairs]
    after = [pair.statistic(pair.at >= stamp(made)) for pair in pairs if pair.key == SERVING]
    merged = replaced(before, after, frozenset(site for _, site in scene.DELAYS))
    assert len(merged) == len(before)
    assert [each for each in merged if each in after] == after
    assert [each for each in merged if each not in after] == [
        each for each in before if (each.vantage.id, each.site_id) != SERVING
    ]
    assert replaced(before, after, frozenset({"eu-west-1"})) == tuple(before)  # a site that is no candidate's


@pytest.mark.parametrize("name", ["factory-outposts", "multiplayer-gaming"])
def test_a_shipped_plan_stands_as_it_was_written(name, tmp_path, capsys):
    """Written, read back and counted again at the same inputs: racks, zones, routing and all."""
    assert main(["plan", name, "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    saved = read_plan(tmp_path)
    inputs = load_inputs(saved.study)
    assert inputs.hashes["study"] == saved.inputs["study"]
    check_clients(saved, inputs)
    standing = stand(saved, saved.study, inputs)
    assert standing.objective == pytest.approx(saved.objective, rel=1e-9)
    assert standing.broken == ()
    proven = replace(standing.plan, lower_bound=standing.objective, gap=0.0)
    assert audit_plan(proven, saved.study, inputs) == ()
    assert price_changes(saved, standing) == ()


def test_a_way_that_loses_most_is_not_silent(measured):
    """Of each of the last rounds one probe in five comes back: the medians are lost, the site answers."""
    _, made = measured
    pairs = [
        replace(pair, rtt_ms=np.where(np.arange(len(pair.rtt_ms)) % 5 == 0, 20.0, pair.rtt_ms))
        if pair.key == SERVING
        else pair
        for pair in known(measured)
    ]
    assert weigh(pairs, made=stamp(made), since=stamp(made), knew={}).silent == frozenset()


STEP = 60 * 24
"""The hour, after the plan, from which on Stockholm is slower; the plan is 100 days old."""


def hourly(key, stepped, gap):
    """28 days of hourly rounds from before a plan, and those since, but for the hours in ``gap``."""
    hour = np.setdiff1d(np.arange(-28 * 24, 100 * 24), np.arange(*gap))
    at = np.datetime64("2026-03-02", "us") + hour * np.timedelta64(1, "h")
    rtt = 40.0 * np.exp(0.05 * np.random.default_rng([3, stepped]).standard_normal((len(at), 3)))
    rtt[(hour >= STEP) & stepped] *= 1.2
    of = np.repeat(np.arange(len(at)), 3)
    series = series_of(at[of], of, rtt.ravel(), QUANTILE)
    return PairRounds(Vantage(key[0], "DE", 52.0, 13.0), key[1], QUANTILE, series, at[of], of, rtt.ravel())


@pytest.mark.parametrize(
    ("gap", "hours", "by"),
    [
        ((0, 0), STEP, False),  # all of it is read
        ((0, 71 * 24), 71 * 24, True),  # the step is in what is not read
        ((0, 40 * 24), STEP, False),  # it is after it
        ((50 * 24, 90 * 24), 90 * 24, True),  # the agents stood still
    ],
)
def test_a_change_within_what_was_not_read_is_dated_by_its_end(gap, hours, by):
    """Of one pair, and of a site whose pairs both changed."""
    made = np.datetime64("2026-03-02", "us")
    slower = ("berlin-1", "eu-north-1"), ("dublin-1", "eu-north-1")
    pairs = [hourly(key, True, gap) for key in slower]
    pairs += [hourly((vantage, "eu-west-1"), False, gap) for vantage, _ in slower]
    found = weigh(pairs, made=made, since=made + np.timedelta64(99, "D"), knew={})
    assert [change.key for change in found.changes] == sorted(slower)
    assert [change.site for change in found.site_changes] == ["eu-north-1"]
    for change in (*found.changes, *found.site_changes):
        assert change.by == by
        assert abs(change.since - made - np.timedelta64(hours, "h")) <= np.timedelta64(3, "h")
    text = f"by {said(found.changes[0].since)}" if by else said(found.changes[0].since)
    assert when(found.changes[0]) == text
