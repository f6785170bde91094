"""What becomes of a plan in a scenario, on an estate small enough to work out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from planner.costs import CostTerms
from planner.estate import Scenario, failing, outcome_of
from planner.estate.live import Estate, domains_of
from planner.estate.redecide import Best
from planner.estate.report import outcome_text, summary_of, sweep_text
from planner.estate.true_ways import Ways
from planner.latency.draws import Errors
from planner.sizing import Sizing
from probes.strict_toml import InputError
from tests.planner.latency.test_matrix import site

A, B, C = 0, 1, 2
SITES = [site("a", 0, 0), replace(site("a-zone", 0, 1), kind="local_zone", parent="a"), site("c", 0, 90)]
SITES[1] = replace(SITES[1], metro="elsewhere")


def estate(**changes):
    """Three clients at sites a, a-zone and c, which serve 0.5, 0.3 and 0.2 of 1,000 requests a second."""
    latency = np.array([[10.0, 20.0, 200.0], [15.0, 5.0, 210.0], [190.0, 205.0, 8.0]])
    share = np.array([0.5, 0.3, 0.2])
    none, normal = np.zeros(9), np.zeros(9, dtype=bool)
    weight, column = np.ones((9, 3)), np.zeros((9, 3), dtype=int)
    made = Estate(
        site_ids=("a", "a-zone", "c"),
        latency_ms=latency,
        legal=np.ones((3, 3), dtype=bool),
        within_reach=np.ones((3, 3), dtype=bool),
        view=latency,
        ways=Ways(3, Errors(latency.reshape(-1), none, none, none, normal, weight, column, 1)),
        assignment=np.array([A, B, C]),
        backup=np.full(3, -1),
        instances=np.array([5, 3, 3], dtype=np.int64),
        cloud=np.array([True, True, True]),
        capacity_rps=np.array([500.0, 300.0, 300.0]),
        most_rps=np.full(3, np.inf),
        sizing=Sizing(share, 1000.0, 0.0, 100.0, 1),
        column=np.array([0, 1, 2]),
        items=(CostTerms("compute", np.array([1.0, 2.0, 3.0]), np.full(3, 10.0), np.full(3, 100.0)),),
        domains=domains_of(SITES),
        slo_ms=100.0,
        coverage=0.9,
        failover_s=None,
        home_domains=frozenset(),
        recovery_s=None,
    )
    return replace(made, **changes)


def test_nothing_happens():
    found = outcome_of(estate(), Scenario("none"))
    assert (found.moved, found.unserved, found.over, found.coverage, found.kept) == (0, 0, 0, 1.0, True)
    assert found.mean_ms == pytest.approx(0.5 * 10 + 0.3 * 5 + 0.2 * 8)
    assert found.p95_ms == 10.0  # half the demand is there
    assert found.cost_usd_month == pytest.approx(6 + 10 * 11 + 100)  # fixed, instances, volume
    assert found.rto_s is None
    assert found.moves == ()


def test_a_site_is_lost_and_its_clients_go_to_the_nearest_left():
    found = outcome_of(estate(), failing(estate(), ["a"]))
    assert [(each.site_id, each.to, each.share) for each in found.moves] == [("a", "a-zone", 0.5)]
    assert found.moved == 0.5
    loads = {each.site_id: (each.rps, each.over_rps, each.instances) for each in found.sites}
    assert loads == {"a-zone": (800.0, 500.0, 8), "c": (200.0, 0.0, 3)}
    assert found.over == pytest.approx(0.5)
    # The lost site's instances are paid for, its volume is not its own any more.
    assert found.cost_usd_month == pytest.approx(6 + 10 * (5 + 8 + 3) + 100)
    assert found.kept  # 20 ms is in time


def test_a_region_takes_its_zones_along():
    assert set(domains_of(SITES)) == {
        *("a", "a-zone", "c", "metro:a", "metro:elsewhere", "metro:c", "region:a", "region:c"),
    }
    found = outcome_of(estate(), failing(estate(), ["region:a"]))
    assert {(each.site_id, each.to) for each in found.moves} == {("a", "c"), ("a-zone", "c")}
    assert found.coverage == pytest.approx(0.2)
    assert not found.kept


def test_a_backup_that_is_up_goes_before_the_nearest_and_one_that_is_down_does_not():
    with_backups = estate(backup=np.array([C, A, A]))
    found = outcome_of(with_backups, failing(with_backups, ["a"]))
    assert [(each.site_id, each.to) for each in found.moves] == [("a", "c")]
    found = outcome_of(with_backups, failing(with_backups, ["a", "c"]))
    assert {(each.site_id, each.to) for each in found.moves} == {("a", "a-zone"), ("c", "a-zone")}


def test_routing_sends_by_its_own_view():
    by_distance = estate(view=np.array([[1.0, 3.0, 2.0]] * 3))
    found = outcome_of(by_distance, failing(by_distance, ["a"]))
    assert [(each.site_id, each.to) for each in found.moves] == [("a", "c")]


def test_who_may_go_nowhere_is_unserved_and_not_in_time():
    legal = np.ones((3, 3), dtype=bool)
    legal[0] = (True, False, False)
    bound = estate(legal=legal, within_reach=legal)
    found = outcome_of(bound, failing(bound, ["a"]))
    assert found.unserved == 0.5
    assert [(each.to, each.share) for each in found.moves] == [(None, 0.5)]
    assert found.coverage == pytest.approx(0.5)
    assert found.mean_ms == pytest.approx((0.3 * 5 + 0.2 * 8) / 0.5)
    everything = outcome_of(bound, failing(bound, ["a", "a-zone", "c"]))
    assert (everything.unserved, everything.mean_ms, everything.p95_ms) == (1.0, None, None)


def test_twice_the_demand():
    found = outcome_of(estate(), failing(estate(), [], 2.0))
    assert [(each.rps, each.over_rps, each.instances) for each in found.sites] == [
        (1000.0, 500.0, 10),
        (600.0, 300.0, 6),
        (400.0, 100.0, 4),
    ]
    assert found.over == pytest.approx(900 / 2000)
    assert found.cost_usd_month == pytest.approx(6 + 10 * 20 + 200)


def test_a_rack_does_not_grow_and_turns_away_what_it_cannot_carry():
    rack = estate(cloud=np.array([False, True, True]), most_rps=np.array([500.0, np.inf, np.inf]))
    assert outcome_of(rack, failing(rack, [])).no_room == 0.0
    found = outcome_of(rack, failing(rack, [], 2.0))
    first = found.sites[0]
    assert (first.instances, first.over_rps, first.no_room_rps) == (5, 500.0, 500.0)
    assert found.no_room == pytest.approx(500 / 2000)
    # Half of the rack's half of demand is turned away, and what is left is short of nine tenths.
    assert found.coverage == pytest.approx(0.75)
    assert not found.kept
    assert outcome_of(estate(), failing(estate(), [], 2.0)).kept  # clouds grow
    assert found.mean_ms == pytest.approx((0.25 * 10 + 0.3 * 5 + 0.2 * 8) / 0.75)
    # Instances of the clouds grow, and volume is paid for that is carried.
    assert found.cost_usd_month == pytest.approx(6 + 10 * (5 + 6 + 4) + 100 * 1.5)
    assert "25.0% is turned away where nothing can grow" in outcome_text(found)


def test_a_cloud_under_a_cap_grows_to_it_and_no_further():
    capped = estate(most_rps=np.array([700.0, np.inf, np.inf]))
    (first, *_) = outcome_of(capped, failing(capped, [], 2.0)).sites
    assert (first.over_rps, first.no_room_rps, first.instances) == (500.0, 300.0, 7)


def test_where_routing_is_planned_it_sends_everybody_whatever_plan_and_law_say():
    legal = np.ones((3, 3), dtype=bool)
    legal[0] = (True, True, False)
    view = np.array([[1.0, 3.0, 2.0]] * 3)
    reach = np.broadcast_to(np.array([True, False, True]), (3, 3))
    routed = estate(legal=legal, view=view, within_reach=reach, assignment=np.array([A, A, A]), routed=True)
    found = outcome_of(routed, failing(routed, ["a"]))
    # The zone is in no record; the law forbids the first client the site that is.
    assert [(each.site_id, each.to, each.share) for each in found.moves] == [("a", "c", 1.0)]
    assert found.forbidden == 0.5
    assert "50.0% of demand is sent where a rule forbids it" in outcome_text(found)
    assert outcome_of(routed, failing(routed, [])).forbidden == 0.0


def test_a_policy_of_latencies_follows_those_that_are_drawn():
    width = np.full(9, 0.5)
    errors = replace(
        estate().ways.clients, up=width, down=width, column=np.arange(27).reshape(9, 3), count=27
    )
    errors = replace(errors, centre_ms=np.full(9, 20.0))
    routed = estate(ways=Ways(3, errors), routed=True, by_latency=True)
    drawn = Scenario("drawn", latency_draw=(1, 0))
    ways = errors.draw(1, 0).reshape(3, 3)
    best = ways.argmin(axis=1)
    assert list(best) != [A, B, C]
    found = outcome_of(routed, drawn)
    assert (found.moved, found.moves) == (0.0, ())  # nothing is down, so nothing moves
    assert found.mean_ms == pytest.approx((routed.share * ways.min(axis=1)).sum())
    loads = {each.site_id: each.rps for each in found.sites}
    assert loads == pytest.approx(
        {name: 1000.0 * routed.share[best == j].sum() for j, name in enumerate(routed.site_ids)}
    )
    by_distance = replace(routed, by_latency=False)
    stays = outcome_of(by_distance, drawn)
    assert stays.mean_ms == pytest.approx((routed.share * ways[[0, 1, 2], [A, B, C]]).sum())


def test_how_long_it_takes():
    timed = estate(failover_s=90.0, home_domains=frozenset({"region:a"}), recovery_s=600.0)
    assert outcome_of(timed, failing(timed, ["c"])).rto_s == 90.0
    both = outcome_of(timed, failing(timed, ["region:a"]))
    assert both.rto_s == 600.0
    assert both.rto_words == "clients are sent elsewhere in 90 s; the stateful tier is recovered in 600 s"
    unrouted = replace(timed, failover_s=None)
    words = outcome_of(unrouted, failing(unrouted, ["region:a"])).rto_words
    assert words.endswith("when clients are sent elsewhere, the plan does not say: it plans no routing")
    by_home = replace(timed, home_trips=1.0)
    assert "by the lost home" in outcome_of(by_home, failing(by_home, ["region:a"])).rto_words
    assert "by the lost home" not in outcome_of(by_home, failing(by_home, ["c"])).rto_words


def test_latencies_are_those_of_the_draw():
    spread = estate()
    up = np.full(9, 0.1)
    errors = replace(spread.ways.clients, up=up, down=up, weight=np.ones((9, 3)) / 3)
    spread = replace(spread, ways=Ways(3, errors))
    found = outcome_of(spread, Scenario("drawn", latency_draw=(1, 5)))
    once, _ = spread.seen((1, 5))
    assert found.mean_ms == pytest.approx(0.5 * once[0, 0] + 0.3 * once[1, 1] + 0.2 * once[2, 2])
    assert once[0, 0] != 10.0


def test_without_a_promise_none_is_kept_or_broken():
    free = estate(slo_ms=None)
    found = outcome_of(free, failing(free, ["a"]))
    assert (found.promised, found.kept, found.coverage) == (False, True, 1.0)
    assert "promise" not in outcome_text(found)
    assert "everybody is served in 100.0%" in sweep_text(summary_of([found], []))
    assert "the promise holds" in outcome_text(outcome_of(estate(), failing(estate(), ["a"])))


def test_a_latency_that_is_lost_is_told_as_such():
    """A draw from samples of which some were lost may be +inf: here in two scenarios of three."""
    peace = outcome_of(estate(), Scenario("none"))
    lost = replace(peace, mean_ms=np.inf, p95_ms=np.inf)
    rows = sweep_text(summary_of([peace, lost, lost], [])).splitlines()
    mean, p95 = (next(row for row in rows if name in row).split() for name in ("mean latency", "p95 latency"))
    assert mean[2:] == ["8.1", "ms", "lost", "lost"]
    assert p95[2:] == ["10.0", "ms", "lost", "lost"]
    assert "mean lost, p95 lost" in outcome_text(lost)


def test_what_is_not_there_cannot_fail():
    with pytest.raises(InputError, match="'a-zon' is nothing of this plan that may fail"):
        failing(estate(), ["a-zon"])


def test_regret_is_told_where_there_is_something_to_compare():
    held, broken = outcome_of(estate(), failing(estate(), [])), outcome_of(estate(), failing(estate(), ["c"]))
    assert (held.kept, broken.kept) == (True, False)
    cheaper = Best(held.cost_usd_month / 1.25, 1.0, ("a",), "optimal")
    told = sweep_text(summary_of([held, broken], [cheaper, cheaper]))
    assert "where the promise holds, it costs 25.0% more in the middle" in told
    assert "broken though another plan holds it: 1" in told
    assert "a is open in 2" in told
    none = Best(None, None, (), "infeasible")
    told = sweep_text(summary_of([broken], [none]))
    assert "both keep the promise in none, so there is no cost to compare" in told
    assert "no plan at all holds: 1" in told
