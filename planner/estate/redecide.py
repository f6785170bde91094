"""The plan that would have been decided, had one known the scenario: what not knowing it costs [I/O]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.decide import decide
from planner.estate.scenario import Scenario
from planner.inputs import Inputs, load_inputs
from planner.latency.draws import errors_of
from planner.study import Study, StudyError
from planner.whatif import vary


@dataclass(frozen=True, slots=True)
class Best:
    """With perfect information; None of all where no plan keeps the rules then, or none was found in time."""

    cost_usd_month: float | None
    coverage: float | None
    open: tuple[str, ...]
    termination: str


def best_for(study: Study, inputs: Inputs, scenario: Scenario, time_limit_s: float) -> Best:
    """Decide anew without what is down, at the scenario's demand and its latencies.

    Where the study has a home tier, latencies stay the estimates: a draw is of whole requests, and whole
    requests of another home are others.
    """
    gone = [site_id for name in scenario.down for site_id in _members(study, inputs, name)]
    try:
        varied = vary(study, without=gone, demand_factor=scenario.demand_factor)
        known = load_inputs(varied, demand=inputs.demand)
    except StudyError:
        return Best(None, None, (), "infeasible")  # nothing is left to choose from
    matrix, column = inputs.matrix, {site.id: j for j, site in enumerate(inputs.sites)}
    columns = np.array([column[site.id] for site in known.sites], dtype=np.intp)
    latency = matrix.estimate_ms[:, columns]
    if scenario.latency_draw is not None and study.workload.home is None:
        m, k = latency.shape
        pairs = np.repeat(np.arange(m), k), np.tile(columns, m)
        errors = errors_of(matrix, inputs.demand, inputs.sites, *pairs)
        latency = errors.draw(*scenario.latency_draw).reshape(m, k)
    same = replace(known.matrix, estimate_ms=latency, lower_ms=latency, upper_ms=latency)
    plan = decide(varied, replace(known, matrix=same), time_limit_s=time_limit_s)
    if plan.kpi is None:
        return Best(None, None, (), plan.termination)
    return Best(plan.kpi.cost_usd_month, plan.kpi.coverage, plan.open, plan.termination)


def bests_of(
    study: Study, inputs: Inputs, time_limit_s: float, scenarios: Sequence[Scenario]
) -> tuple[Best, ...]:
    """Here and now, one after the other."""
    return tuple(best_for(study, inputs, scenario, time_limit_s) for scenario in scenarios)


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
