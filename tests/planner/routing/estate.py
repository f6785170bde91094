"""Five sites of every kind, two clients, and round prices: figures that a pencil can check."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.catalog import OutpostTerms, Price, Site, SitePrices
from planner.demand import Client, Demand
from planner.inputs import Inputs
from planner.latency.matrix import LatencyMatrix
from planner.routing_facts import PolicyFacts, RoutingFacts
from planner.study import CandidateSpec, DemandSpec, ResidencyRule, Routing, Selector, Study, Workload

KINDS = ("region", "region", "local_zone", "outpost", "region")
NAMES = ("fra", "par", "ber", "rack", "gcp-fra")
WHERE = ((50.1, 8.7), (48.9, 2.4), (52.5, 13.4), (52.4, 13.0), (50.1, 8.7))


def price(usd: float, unit: str = "GB", **more) -> Price:
    return Price(usd, unit, "by hand", "2026-01-01", **more)


def site(at: int) -> Site:
    kind = KINDS[at]
    return Site(
        id=NAMES[at],
        provider="gcp" if NAMES[at].startswith("gcp") else "aws",
        kind=kind,
        name="",
        parent=None if kind == "region" else "fra",
        metro=NAMES[at],
        country="FR" if NAMES[at] == "par" else "DE",
        lat=WHERE[at][0],
        lon=WHERE[at][1],
        status="ga",
        partition="aws",
        network_border_group=f"{NAMES[at]}-1",
        services=frozenset({"ec2"}),
        programs=frozenset(),
        source="by hand",
        as_of="2026-01-01",
        tags={},
        outpost=OutpostTerms(1e6, 0.0, 100.0, 36, None) if kind == "outpost" else None,
    )


FACTS = RoutingFacts(
    policies={
        "route53-latency": PolicyFacts(frozenset({"region"})),
        "route53-geoproximity": PolicyFacts(
            frozenset({"region", "local_zone", "wavelength_zone", "outpost"}), elsewhere=True
        ),
        "global-accelerator": PolicyFacts(frozenset({"region"}), static_addresses=True, redirect_s=30.0),
    },
    queries={
        "route53-latency": price(0.6, "million", tiers=((1000.0, 0.3),)),
        "route53-geoproximity": price(0.7, "million", tiers=((1000.0, 0.35),)),
        "global-accelerator": price(0.4, "million", tiers=((1000.0, 0.2),)),
    },
    zone_month=price(0.5, "month"),
    check_inside=price(0.5, "month"),
    option_inside=price(1.0, "month"),
    check_outside=price(0.75, "month"),
    option_outside=price(2.0, "month"),
    accelerator_hour=price(0.025, "hour"),
    premium_gb=(price(0.015), price(0.035)),
)

#                      fra   par   ber  rack  gcp
ESTIMATE = np.array([[12.0, 30.0, 4.0, 3.0, 11.0], [20.0, 9.0, 31.0, 33.0, 19.0]])


def inputs(keep: tuple[str, ...] = NAMES) -> Inputs:
    at = [NAMES.index(name) for name in keep]
    # Berlin has three quarters of the demand, and Rouen the rest.
    clients = (Client("ber", "", "DE", 52.5, 13.4, 3.0), Client("rouen", "", "FR", 49.4, 1.1, 1.0))
    estimate = ESTIMATE[:, at]
    return Inputs(
        demand=Demand(clients, np.array([3.0, 1.0]), "by hand"),
        sites=tuple(site(j) for j in at),
        prices=tuple(
            SitePrices(
                None if KINDS[j] == "outpost" else price(0.1, "hour"),
                price(0.05),
                None if KINDS[j] == "region" else price(0.0),
            )
            for j in at
        ),
        matrix=LatencyMatrix(
            client_ids=("ber", "rouen"),
            site_ids=tuple(keep),
            vantages=(),
            quantile=0.5,
            estimate_ms=estimate,
            lower_ms=estimate,
            upper_ms=estimate,
            samples=np.zeros(estimate.shape),
            loss_ratio=np.full(estimate.shape, np.nan),
            provenance=np.ones(estimate.shape, dtype=np.int8),
            vantage=np.full(estimate.shape, -1, dtype=np.int32),
        ),
        jurisdictions={},
        parent_country={"ber": "DE", "rack": "DE"},
        set_aside={},
        hashes={},
        notes=(),
        routing=FACTS,
    )


# 4e8 requests of 25 kB are 10,000 GB a month.
STUDY = Study(
    name="by hand",
    demand=DemandSpec(peak_rps=400.0, requests_per_month=4e8),
    candidates=CandidateSpec(),
    workload=Workload(rps_per_instance=100.0, min_instances=1, response_kb=25.0),
    minimize="mean_latency",
    routing=Routing(queries_per_month=3e9),
)
AT_HOME = (ResidencyRule(Selector(countries=("FR",)), Selector(countries=("FR",))),)


def routed(study: Study = STUDY, **changes) -> Study:
    """``study`` with other values in its ``[routing]``."""
    assert study.routing is not None
    return replace(study, routing=replace(study.routing, **changes))
