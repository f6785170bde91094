"""The plan that would have been decided, had one known the scenario: what not knowing it costs [I/O]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.decide import decide
from planner.estate.scenario import Scenario
from planner.estate.true_ways import every_home, ways_of
from planner.homes import Home
from planner.inputs import Inputs, load_inputs
from planner.study import Study, StudyError
from planner.whatif import vary


@dataclass(frozen=True, slots=True)
class Best:
    """With perfect information, as routed where routing is planned; None of all where no plan keeps the rules
    then, or none was found in time."""

    cost_usd_month: float | None
    coverage: float | None
    open: tuple[str, ...]
    termination: str


def best_for(study: Study, inputs: Inputs, scenario: Scenario, time_limit_s: float) -> Best:
    """Decide anew without what is down, at the scenario's demand and its latencies, which are those that the
    estate sees (:mod:`planner.estate.true_ways`).

    Where the Region is down that the study names as home of the stateful tier, any other may be it.
    """
    gone = [site_id for name in scenario.down for site_id in _members(study, inputs, name)]
    tier = study.workload.home
    lost_home = tier is not None and f"region:{tier.region}" in scenario.down
    elsewhere = [("workload.home.region", "auto")] if lost_home else []
    try:
        varied = vary(study, sets=elsewhere, without=gone, demand_factor=scenario.demand_factor)
        known = load_inputs(varied, demand=inputs.demand)
    except StudyError:
        return Best(None, None, (), "infeasible")  # nothing is left to choose from
    plan = decide(varied, _seen(inputs, known, scenario), time_limit_s=time_limit_s, why=False)
    if plan.kpi is None:
        return Best(None, None, (), plan.termination)
    figures = plan.kpi if plan.routing is None else plan.routing.as_routed
    return Best(figures.cost_usd_month, figures.coverage, plan.open, plan.termination)


def bests_of(
    study: Study, inputs: Inputs, time_limit_s: float, scenarios: Sequence[Scenario]
) -> tuple[Best, ...]:
    """Here and now, one after the other."""
    return tuple(best_for(study, inputs, scenario, time_limit_s) for scenario in scenarios)


def _seen(inputs: Inputs, known: Inputs, scenario: Scenario) -> Inputs:
    """``known``, of fewer sites, with the ways of ``inputs``, which were read from stores as well; or with
    those that the scenario draws, known to a hair."""
    place = {site.id: j for j, site in enumerate(inputs.sites)}
    columns = np.array([place[site.id] for site in known.sites], dtype=np.intp)
    every, whole = every_home(inputs), inputs.matrix
    matrix = replace(
        known.matrix,
        vantages=whole.vantages,
        estimate_ms=whole.estimate_ms[:, columns],
        lower_ms=whole.lower_ms[:, columns],
        upper_ms=whole.upper_ms[:, columns],
        samples=whole.samples[:, columns],
        loss_ratio=whole.loss_ratio[:, columns],
        provenance=whole.provenance[:, columns],
        vantage=whole.vantage[:, columns],
        grounds=None,
    )
    homes = tuple(_as_read(every[home.site.id], home, columns) for home in known.homes)
    if scenario.latency_draw is not None:
        ways = ways_of(inputs, columns, tuple(home.site.id for home in homes))
        drawn = ways.of_clients(*scenario.latency_draw)
        matrix = replace(matrix, estimate_ms=drawn, lower_ms=drawn, upper_ms=drawn)
        homes = tuple(
            replace(home, estimate_ms=way, lower_ms=way, upper_ms=way)
            for home, way in zip(homes, ways.of_homes(*scenario.latency_draw), strict=True)
        )
    links = {site_id: inputs.links.get(site_id, link) for site_id, link in known.links.items()}
    return replace(known, matrix=matrix, homes=homes, links=links)


def _as_read(read: Home, home: Home, columns: NDArray[np.intp]) -> Home:
    """``home`` with the ways of ``read``, the same Region, to the sites ``columns``."""
    return replace(
        home,
        estimate_ms=read.estimate_ms[columns],
        lower_ms=read.lower_ms[columns],
        upper_ms=read.upper_ms[columns],
        provenance=read.provenance[columns],
    )


def _members(study: Study, inputs: Inputs, name: str) -> list[str]:
    """The candidates that go with what has this name (:func:`planner.estate.live.domains_of`)."""
    kind, _, rest = name.rpartition(":")
    if kind == "metro":
        return [site.id for site in inputs.sites if site.kind != "outpost" and site.metro == rest]
    if kind == "region":
        return [site.id for site in inputs.sites if rest in (site.id, site.parent) and site.kind != "outpost"]
    # A rack that fails is no rack of another size.
    sizes = next((post.site_ids for post in study.candidates.outposts if name in post.site_ids), (name,))
    return [site.id for site in inputs.sites if site.id in sizes]
