"""Placement problems too large for the short cut and small enough for the binary model."""

from __future__ import annotations

import numpy as np

from planner.costs.terms import CostTerms
from planner.problem import Problem
from planner.rules import Effect, Row
from planner.sizing import Sizing


def middling(seed: int, clients: int = 110, sites: int = 15) -> Problem:
    """Clients and sites on a square, a third of the sites zones with parents; cost, coverage and a
    maximum."""
    random = np.random.default_rng(seed)
    at, site_at = random.random((clients, 2)), random.random((sites, 2))
    latency = 10 + 150 * np.linalg.norm(at[:, None] - site_at[None], axis=2)
    weight = random.pareto(1.2, clients) + 0.05
    parent = {j: int(random.integers(sites // 2)) for j in range(sites - sites // 3, sites)}
    rows = []
    for zone, region in parent.items():
        column = np.zeros(sites)
        column[zone], column[region] = 1.0, -1.0
        rows.append(Row(-np.inf, 0.0, site=column))
    within = (latency <= 55).astype(np.float64)
    zero = np.zeros(sites)
    terms = CostTerms(
        "total",
        zero,
        random.choice([100.0, 120.0, 150.0], sites),
        random.choice([9000.0, 11000.0, 14000.0], sites),
    )
    allowed = latency <= 150
    effects = (
        Effect("max_ms", "nobody above 150 ms", pairs=allowed),
        Effect("coverage", "nine in ten within 55 ms", rows=(Row(0.9, np.inf, pair=within),)),
        Effect("parent", "a zone needs its parent", rows=tuple(rows)),
    )
    return Problem(
        minimize="cost",
        client_ids=tuple(f"client-{i}" for i in range(clients)),
        site_ids=tuple(f"site-{j}" for j in range(sites)),
        sizing=Sizing(weight / weight.sum(), 6000.0, 1e5, 400.0, 2),
        latency_ms=latency,
        allowed=allowed,
        may_open=np.ones(sites, dtype=bool),
        cloud=np.ones(sites, dtype=bool),
        cost=terms,
        items=(terms,),
        effects=effects,
    )
