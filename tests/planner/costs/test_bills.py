"""Each cost item's bill, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.catalog import OutpostTerms, Price, Site, SitePrices
from planner.commitments import Commitment
from planner.costs import COST_ITEMS, cost_terms, total
from planner.costs.outpost import annuity
from planner.demand import Client, Demand
from planner.inputs import Inputs
from planner.latency.matrix import LatencyMatrix
from planner.ledger import Ledger, lay_over
from planner.plan import Assignment, Placement, Plan
from planner.sizing import instances_for, size
from planner.study import CandidateSpec, DemandSpec, Network, Study, Workload

RACK = OutpostTerms(
    capacity_rps=5000.0, upfront_usd=36_000.0, monthly_usd=100.0, term_months=36, host=None, capital_rate=0.12
)
TIERS = ((10_240.0, 0.085), (51_200.0, 0.07))
NAMES = ("region", "zone", "rack")


def price(usd: float, unit: str = "GB", tiers: tuple[tuple[float, float], ...] = ()) -> Price:
    return Price(usd, unit, "by hand", "2026-01-01", tiers=tiers)


def site(name: str) -> Site:
    kind = {"region": "region", "zone": "local_zone", "rack": "outpost"}[name]
    return Site(
        id=name,
        provider="aws",
        kind=kind,
        name="",
        parent=None if name == "region" else "region",
        metro="",
        country="DE",
        lat=0.0,
        lon=0.0,
        status="ga",
        partition="aws",
        network_border_group="",
        services=frozenset({"ec2"}),
        programs=frozenset(),
        source="by hand",
        as_of="2026-01-01",
        tags={},
        outpost=RACK if name == "rack" else None,
    )


PRICES = {
    "region": SitePrices(
        price(0.2, "hour"),
        price(0.09, tiers=TIERS),
        None,
        zone_gb=price(0.02),
        commitment=Commitment("savings", frozenset(), 0.3, "by hand", "2026"),
        port_hour=price(0.3, "hour"),
        direct_gb=price(0.02),
    ),
    "zone": SitePrices(price(0.24, "hour"), price(0.09, tiers=TIERS), price(0.02)),
    "rack": SitePrices(None, price(0.09), price(0.02)),
}


def inputs() -> Inputs:
    near = np.full((1, 3), 5.0)
    return Inputs(
        demand=Demand((Client("c", "", "DE", 0.0, 0.0, 1.0),), np.ones(1), "by hand"),
        sites=tuple(site(name) for name in NAMES),
        prices=tuple(PRICES[name] for name in NAMES),
        matrix=LatencyMatrix(
            client_ids=("c",),
            site_ids=NAMES,
            vantages=(),
            quantile=0.5,
            estimate_ms=near,
            lower_ms=near,
            upper_ms=near,
            samples=np.zeros((1, 3)),
            loss_ratio=np.full((1, 3), np.nan),
            provenance=np.ones((1, 3), dtype=np.int8),
            vantage=np.full((1, 3), -1, dtype=np.int32),
        ),
        jurisdictions={},
        parent_country={"zone": "DE", "rack": "DE"},
        set_aside={},
        hashes={},
        notes=(),
    )


# 3e9 requests of 20 kB are 60,000 GB a month.
STUDY = Study(
    name="by hand",
    demand=DemandSpec(peak_rps=3000.0, requests_per_month=3e9),
    candidates=CandidateSpec(),
    workload=Workload(
        rps_per_instance=400.0,
        min_instances=2,
        response_kb=20.0,
        home_share=0.1,
        headroom=0.25,
        commitment="savings",
        committed_share=0.5,
        cross_zone_kb=2.0,
    ),
    network=Network(direct_connect=("region",), gbps=1.0, ports=2, share=0.4),
)


def bill(name: str, study: Study = STUDY) -> dict[str, float]:
    """What the site pays when it serves everybody."""
    at = NAMES.index(name)
    run = instances_for(study.demand.peak_rps, size(study, inputs()))
    return {item.name: item.of(at, run, 1.0) for item in cost_terms(study, inputs())}


def test_compute():
    # 3,000 rps with a quarter kept free: 3,750 over instances of 400 is 9.375, so 10.
    assert instances_for(3000.0, size(STUDY, inputs())) == 10
    # Half of them 30 % cheaper: 15 % off.
    assert bill("region")["compute"] == pytest.approx(10 * 0.2 * 730 * 0.85)
    assert bill("zone")["compute"] == pytest.approx(10 * 0.24 * 730)  # no such commitment there
    assert bill("rack")["compute"] == 0.0


def test_egress_by_tier():
    # All 60,000 GB by the internet: 10,240 at 9 ct, 40,960 at 8.5, the last 8,800 at 7.
    assert bill("zone")["egress"] == pytest.approx(10_240 * 0.09 + 40_960 * 0.085 + 8_800 * 0.07)
    # Four tenths leave by Direct Connect: 36,000 GB are left.
    assert bill("region")["egress"] == pytest.approx(10_240 * 0.09 + 25_760 * 0.085)
    assert bill("rack")["egress"] == pytest.approx(60_000 * 0.09)


@pytest.mark.parametrize(
    ("share", "usd"),
    [
        (0.0, 0.0),
        (0.1, 6_000 * 0.09),
        (10_240 / 60_000, 10_240 * 0.09),
        (0.5, 10_240 * 0.09 + 19_760 * 0.085),
        (51_200 / 60_000, 10_240 * 0.09 + 40_960 * 0.085),
    ],
)
def test_egress_of_a_share(share, usd):
    item = {each.name: each for each in cost_terms(STUDY, inputs())}["egress"]
    assert item.of(NAMES.index("zone"), 0, share) == pytest.approx(usd)
    assert item.per_share[NAMES.index("zone")] * share <= usd + 1e-9  # a lower bound without the lines


def test_direct_connect():
    assert bill("region")["direct_connect"] == pytest.approx(2 * 0.3 * 730 + 24_000 * 0.02)
    assert bill("zone")["direct_connect"] == 0.0


def test_cross_zone():
    # 3e9 × 2 kB are 6,000 GB, charged at both ends.
    assert bill("region")["cross_zone"] == pytest.approx(6_000 * 0.02)
    assert bill("zone")["cross_zone"] == bill("rack")["cross_zone"] == 0.0


def test_transfer():
    assert bill("region")["transfer"] == 0.0
    assert bill("zone")["transfer"] == pytest.approx(0.1 * 60_000 * 0.02)


def test_outpost_with_the_cost_of_its_capital():
    # 1 % a month over 36 months: 36,000 × 0.01 / (1 − 1.01⁻³⁶) = 1,195.72 a month.
    assert annuity(RACK) == pytest.approx(1195.72, abs=0.01)
    assert bill("rack")["outpost"] == pytest.approx(1295.72, abs=0.01)
    assert annuity(replace(RACK, capital_rate=0.0)) == pytest.approx(1000.0)
    owed = RACK.upfront_usd
    for _ in range(36):
        owed = owed * 1.01 - annuity(RACK)
    assert owed == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_ledger_of_the_audit_says_the_same(name):
    placement = Placement(name, "aws", "", None, "DE", "serving", 10, 1, 1.0, 5.0, 5.0, 0.0, {})
    assigned = Assignment("c", "DE", 1.0, name, None, 5.0, 5.0, 5.0, "modelled", True)
    figures = ("by hand", "cost", "optimal", 0.0, 0.0, 0.0, 0.0)
    plan = Plan(*figures, (placement,), (assigned,), None, {}, (), (), None, {}, {}, ())
    ledger: Ledger = lay_over(plan, STUDY, inputs())
    counted = ledger.bill(NAMES.index(name))
    mine = bill(name)
    assert counted.keys() >= mine.keys() == COST_ITEMS.keys()
    for item, usd in mine.items():
        assert counted[item] == pytest.approx(usd), item


def test_the_total_is_the_sum_of_the_items():
    items = cost_terms(STUDY, inputs())
    together = total(items)
    for at in range(3):
        for share in (0.0, 0.2, 1.0):
            assert together.of(at, 3, share) == pytest.approx(sum(item.of(at, 3, share) for item in items))
