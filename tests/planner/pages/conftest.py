"""A plan made by hand: five sites round the globe, twelve clients, every kind of provenance."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from planner.catalog import Price, Site, SitePrices
from planner.demand import Client, Demand
from planner.inputs import Inputs
from planner.latency.matrix import MEASURED, MODELLED, LatencyMatrix
from planner.plan import Assignment, Kpi, Placement, Plan

# id, kind, parent, country, lat, lon
SITES = (
    ("us-east-1", "region", None, "US", 38.9, -77.4),
    ("eu-central-1", "region", None, "DE", 50.1, 8.7),
    ("ap-southeast-2", "region", None, "AU", -33.9, 151.2),
    ("us-east-1-lim-1a", "local_zone", "us-east-1", "PE", -12.0, -77.0),
    ("eu-north-1", "region", None, "SE", 59.3, 18.1),
)
# id, name, country, lat, lon, weight, site, ms, measured
CLIENTS = (
    ("c1", "New York", "US", 40.7, -74.0, 80.0, 0, 9.0, True),
    ("c2", "Chicago", "US", 41.9, -87.6, 30.0, 0, 25.0, False),
    ("c3", "Berlin", "DE", 52.5, 13.4, 40.0, 1, 11.0, True),
    ("c4", "Munich", "DE", 48.1, 11.6, 15.0, 1, 8.0, True),
    ("c5", "<b>Paris</b>", "FR", 48.9, 2.3, 60.0, 1, 13.0, True),
    ("c6", "Warsaw", "PL", 52.2, 21.0, 20.0, 1, 21.0, False),
    ("c7", "Sydney", "AU", -33.9, 151.2, 50.0, 2, 4.0, True),
    ("c8", "Auckland", "NZ", -36.8, 174.8, 15.0, 2, 38.0, False),
    ("c9", "Suva", "FJ", -18.1, 178.4, 1.0, 2, 60.0, False),
    ("c10", "Lima", "PE", -12.0, -77.0, 95.0, 3, 5.0, False),
    ("c11", "Quito", "EC", -0.2, -78.5, 20.0, 3, 28.0, False),
    ("c12", "Nobody", "PE", -13.0, -76.0, 0.0, 3, 7.0, False),
)
SLO_MS = 30.0


@pytest.fixture
def sites() -> tuple[Site, ...]:
    return tuple(
        Site(
            id=site_id,
            provider="aws",
            kind=kind,
            name=f"Site {site_id}",
            parent=parent,
            metro="",
            country=country,
            lat=lat,
            lon=lon,
            status="ga",
            partition="aws",
            network_border_group=site_id,
            services=frozenset({"ec2"}),
            programs=frozenset(),
            source="test",
            as_of="2026-11-23",
            tags=MappingProxyType({}),
        )
        for site_id, kind, parent, country, lat, lon in SITES
    )


@pytest.fixture
def inputs(sites) -> Inputs:
    clients = tuple(
        Client(ident, name, country, lat, lon, weight)
        for ident, name, country, lat, lon, weight, *_ in CLIENTS
    )
    m, n = len(clients), len(sites)
    estimate = np.arange(m * n, dtype=np.float64).reshape(m, n) + 40.0
    provenance = np.full((m, n), MODELLED, dtype=np.int8)
    vantage = np.full((m, n), -1, dtype=np.int32)
    for row, (*_, column, latency, measured) in enumerate(CLIENTS):
        estimate[row, column] = latency
        if measured:
            provenance[row, column] = MEASURED
            # Munich and Berlin share the vantage of Frankfurt's metro; index 1 speaks for nobody.
            vantage[row, column] = 2 if column == 1 else 0
    matrix = LatencyMatrix(
        client_ids=tuple(client.id for client in clients),
        site_ids=tuple(site.id for site in sites),
        vantages=("agent-a", "agent-silent", "agent-b"),
        quantile=0.5,
        estimate_ms=estimate,
        lower_ms=estimate * 0.8,
        upper_ms=estimate * 1.25,
        samples=np.where(provenance == MEASURED, 40, 0).astype(np.int64),
        loss_ratio=np.full((m, n), np.nan),
        provenance=provenance,
        vantage=vantage,
    )
    published = Price(0.2, "hour", "test list", "2026-01")
    guessed = Price(0.24, "hour", "test list", "2026-02", estimated=True)
    prices = tuple(
        SitePrices(guessed if site.kind == "local_zone" else published, published, None) for site in sites
    )
    weight = np.array([client.weight for client in clients])
    return Inputs(
        demand=Demand(clients, weight, "twelve clients"),
        sites=sites,
        prices=prices,
        matrix=matrix,
        jurisdictions=MappingProxyType({}),
        parent_country=MappingProxyType({"us-east-1-lim-1a": "US"}),
        set_aside=MappingProxyType({}),
        hashes=MappingProxyType({"study": "0" * 64}),
        notes=(),
    )


@pytest.fixture
def clients(inputs) -> dict[str, Client]:
    return {client.id: client for client in inputs.demand.clients}


@pytest.fixture
def plan() -> Plan:
    total = sum(client[5] for client in CLIENTS)
    assignments = tuple(
        Assignment(
            client_id=ident,
            country=country,
            weight=weight,
            site_id=SITES[column][0],
            backup_site_id=None,
            latency_ms=latency,
            latency_lower_ms=latency * 0.8,
            latency_upper_ms=latency * 1.25,
            provenance="measured" if measured else "modelled",
            within_slo=latency <= SLO_MS,
        )
        for ident, _, country, _, _, weight, column, latency, measured in CLIENTS
    )
    placements = []
    for site_id, kind, parent, country, _, _ in SITES[:4]:
        mine = [a for a in assignments if a.site_id == site_id]
        share = sum(a.weight for a in mine) / total
        costs = {"compute": 300.0, "egress": 1000.0 * share, "transfer": 0.0, "outpost": 0.0}
        placements.append(
            Placement(
                site_id=site_id,
                provider="aws",
                kind=kind,
                parent=parent,
                country=country,
                role="serving",
                instances=2,
                clients=len(mine),
                demand_share=share,
                latency_p50_ms=float(np.median([a.latency_ms for a in mine])),
                latency_p95_ms=max(a.latency_ms for a in mine),
                cost_usd_month=sum(costs.values()),
                cost_items=costs,
            )
        )
    items = {
        item: sum(p.cost_items[item] for p in placements)
        for item in ("compute", "egress", "transfer", "outpost")
    }
    cost = sum(items.values())
    return Plan(
        study="by-hand",
        minimize="cost",
        termination="optimal",
        objective=cost,
        lower_bound=cost,
        gap=0.0,
        seconds=0.1,
        placements=tuple(placements),
        assignments=assignments,
        kpi=Kpi(
            mean_ms=sum(a.weight * a.latency_ms for a in assignments) / total,
            p50_ms=11.0,
            p95_ms=38.0,
            max_ms=60.0,
            coverage=sum(a.weight for a in assignments if a.within_slo) / total,
            cost_usd_month=cost,
            measured_share=sum(a.weight for a in assignments if a.provenance == "measured") / total,
        ),
        cost_items=items,
        binding=(),
        audit=(),
        conflict=None,
        inputs=MappingProxyType({"study": "0" * 64}),
        set_aside=MappingProxyType({}),
        notes=(),
    )
