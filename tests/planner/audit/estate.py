"""A small estate worked out by hand, and a sound plan for it.

Loads are 1,000 requests per second and 40,000 GB a month, so a client's weight in per cent times 10 is its
load and times 400 its gigabytes. Every figure below was computed with a pencil from the decision model.
"""

from __future__ import annotations

import numpy as np

from planner.catalog import OutpostTerms, Price, Site, SitePrices
from planner.demand import Client, Demand
from planner.inputs import Inputs
from planner.latency.matrix import MEASURED, MODELLED, LatencyMatrix
from planner.plan import Assignment, Kpi, Placement, Plan
from planner.study import (
    CandidateSpec,
    DemandSpec,
    LatencyObjective,
    Limits,
    ProgramRule,
    ResidencyRule,
    Selector,
    Study,
    Workload,
)


def price(usd: float, unit: str) -> Price:
    return Price(usd, unit, "by hand", "2026-01-01")


def site(id_, kind, country, parent=None, *, programs=(), outpost=None, services=("ec2",)) -> Site:
    return Site(
        id=id_,
        provider="aws",
        kind=kind,
        name=id_,
        parent=parent,
        metro=id_,
        country=country,
        lat=0.0,
        lon=0.0,
        status="ga",
        partition="aws",
        network_border_group=id_,
        services=frozenset(services),
        programs=frozenset(programs),
        source="by hand",
        as_of="2026-01-01",
        tags={},
        outpost=outpost,
    )


def prices(hour: float | None, egress: float, parent: float | None) -> SitePrices:
    return SitePrices(
        instance_hour=None if hour is None else price(hour, "hour"),
        egress_gb=price(egress, "GB"),
        parent_gb=None if parent is None else price(parent, "GB"),
    )


SITES = (
    site("fra", "region", "DE", programs=("pci",)),
    site("ber", "local_zone", "DE", "fra"),
    site("mad", "region", "ES"),
    site("plant", "outpost", "ES", "mad", outpost=OutpostTerms(300.0, 36_000.0, 1_000.0, 36, None)),
    site("iad", "region", "US", programs=("pci",)),
)
PRICES = (
    prices(0.20, 0.09, None),
    prices(0.25, 0.11, 0.02),
    prices(0.22, 0.09, None),
    prices(None, 0.05, 0.01),
    prices(0.19, 0.08, None),
)
CLIENTS = (
    Client("c1", "One", "DE", 0.0, 0.0, 40.0),
    Client("c2", "Two", "ES", 0.0, 0.0, 30.0),
    Client("c3", "Three", "FR", 0.0, 0.0, 20.0, frozenset({"card"})),
    Client("c4", "Four", "US", 0.0, 0.0, 10.0),
    Client("c5", "Five", "DE", 0.0, 0.0, 0.0),
)
#                      fra   ber   mad  plant  iad
ESTIMATE = np.array(
    [
        [10.0, 5.0, 30.0, 35.0, 95.0],
        [35.0, 40.0, 9.0, 2.0, 99.0],
        [12.0, 16.0, 20.0, 25.0, 85.0],
        [90.0, 95.0, 98.0, np.inf, 6.0],
        [11.0, 6.0, 31.0, 36.0, 96.0],
    ]
)
PROVENANCE = np.full(ESTIMATE.shape, MEASURED, dtype=np.int8)
PROVENANCE[:, 3] = MODELLED


def inputs() -> Inputs:
    return Inputs(
        demand=Demand(CLIENTS, np.array([client.weight for client in CLIENTS]), "by hand"),
        sites=SITES,
        prices=PRICES,
        matrix=LatencyMatrix(
            client_ids=tuple(client.id for client in CLIENTS),
            site_ids=tuple(site.id for site in SITES),
            vantages=("v",),
            quantile=0.5,
            estimate_ms=ESTIMATE,
            lower_ms=ESTIMATE - 1,
            upper_ms=ESTIMATE + 2,
            samples=np.full(ESTIMATE.shape, 100),
            loss_ratio=np.zeros(ESTIMATE.shape),
            provenance=PROVENANCE,
            vantage=np.zeros(ESTIMATE.shape, dtype=np.int32),
        ),
        jurisdictions={"EEA": frozenset({"DE", "ES", "FR"})},
        parent_country={"ber": "DE", "plant": "ES"},
        set_aside={},
        hashes={"sites.csv": "aa", "prices.csv": "bb"},
        notes=(),
    )


def study() -> Study:
    """One study in which every rule is present and holds, several of them just so."""
    return Study(
        name="estate",
        demand=DemandSpec(peak_rps=1000.0, requests_per_month=1e9),
        candidates=CandidateSpec(kinds=("region", "local_zone", "outpost")),
        workload=Workload(services=("ec2",), rps_per_instance=150.0, response_kb=40.0, home_share=0.1),
        latency=LatencyObjective(slo_ms=60.0, coverage=0.9, max_ms=90.0),
        minimize="cost",
        budget_usd_per_month=6323.5,
        limits=Limits(min_sites=3, max_sites=3, max_changes=3),
        current_open=("fra", "iad"),
        rules=(
            ResidencyRule(Selector(jurisdictions=("EEA",)), Selector(jurisdictions=("EEA",))),
            ProgramRule(Selector(classes=("card",)), ("pci",)),
        ),
    )


def _placement(id_, kind, parent, country, instances, clients, share, p50, p95, **items) -> Placement:
    return Placement(
        site_id=id_,
        provider="aws",
        kind=kind,
        parent=parent,
        country=country,
        role="serving",
        instances=instances,
        clients=clients,
        demand_share=share,
        latency_p50_ms=p50,
        latency_p95_ms=p95,
        cost_usd_month=sum(items.values()),
        cost_items=items,
    )


def _assignment(id_, country, weight, site_id, latency, provenance, within) -> Assignment:
    return Assignment(
        id_, country, weight, site_id, None, latency, latency - 1, latency + 2, provenance, within
    )


def plan() -> Plan:
    return Plan(
        study="estate",
        minimize="cost",
        termination="optimal",
        objective=6323.5,
        lower_bound=6323.5,
        gap=0.0,
        seconds=0.1,
        placements=(
            # 400 rps need 3 instances: 3 × 0.25 × 730; 16,000 GB: × 0.11, and a tenth of them × 0.02.
            _placement(
                "ber", "local_zone", "fra", "DE", 3, 2, 0.4, 5.0, 5.0,
                compute=547.5, egress=1760.0, transfer=32.0, outpost=0.0,
            ),
            # 300 rps: 2 × 0.20 × 730; 12,000 GB × 0.09.
            _placement(
                "fra", "region", None, "DE", 2, 2, 0.3, 12.0, 90.0,
                compute=292.0, egress=1080.0, transfer=0.0, outpost=0.0,
            ),
            # 300 rps fill the rack; 36,000 / 36 + 1,000; 12,000 GB × 0.05, and a tenth of them × 0.01.
            _placement(
                "plant", "outpost", "mad", "ES", 2, 1, 0.3, 2.0, 2.0,
                compute=0.0, egress=600.0, transfer=12.0, outpost=2000.0,
            ),
        ),
        assignments=(
            _assignment("c1", "DE", 40.0, "ber", 5.0, "measured", True),
            _assignment("c2", "ES", 30.0, "plant", 2.0, "modelled", True),
            _assignment("c3", "FR", 20.0, "fra", 12.0, "measured", True),
            _assignment("c4", "US", 10.0, "fra", 90.0, "measured", False),
            _assignment("c5", "DE", 0.0, "ber", 6.0, "measured", True),
        ),
        kpi=Kpi(
            mean_ms=14.0,
            p50_ms=5.0,
            p95_ms=90.0,
            max_ms=90.0,
            coverage=0.9,
            cost_usd_month=6323.5,
            measured_share=0.7,
        ),
        cost_items={"compute": 839.5, "egress": 3440.0, "transfer": 44.0, "outpost": 2000.0},
        binding=("coverage",),
        audit=(),
        conflict=None,
        inputs={"sites.csv": "aa", "prices.csv": "bb"},
        set_aside={},
        notes=(),
    )  # fmt: skip
