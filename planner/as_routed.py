"""The plan as its routing policy would carry it out: who ends up where, beside who is assigned where.

A resolver or an edge knows nothing of the plan; it picks by its own view among the sites that stand in its
records. Route 53's latency records and Global Accelerator take the Region of least latency, for which the
matrix's estimates stand; geoproximity records take the nearest site on the globe, without any bias.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from planner.costs import COST_ITEMS
from planner.geo import pairwise_km
from planner.inputs import Inputs
from planner.plan import AsRouted, RoutingPlan
from planner.problem import Problem
from planner.routing import NAMES, failover_s, failover_words, knows, settled, shortcomings
from planner.routing_facts import EXPLICIT
from planner.solver.decision import Decision
from planner.solver.frontier import weighted_quantile
from planner.study import Study
from planner.study_values import Policy


def routed_sites(study: Study, inputs: Inputs, recorded: NDArray[np.bool_]) -> NDArray[np.intp]:
    """(m,) the site each client is sent to, among those ``recorded`` (n,)."""
    assert study.routing is not None
    if study.routing.policy == "route53-geoproximity":
        clients, sites = inputs.demand.clients, inputs.sites
        view = pairwise_km(
            [client.lat for client in clients],
            [client.lon for client in clients],
            [site.lat for site in sites],
            [site.lon for site in sites],
        )
    else:
        view = inputs.matrix.estimate_ms
    return np.asarray(np.where(recorded, view, np.inf).argmin(axis=1), dtype=np.intp)


def routing_plan(
    asked: Study, study: Study, inputs: Inputs, problem: Problem, decision: Decision
) -> tuple[RoutingPlan, NDArray[np.intp]] | None:
    """How clients find the decision's sites, and (m,) where that brings them. None without ``[routing]``.

    ``asked`` is the study as it was given, in which the policy may be "auto"; in ``study`` it is not.
    """
    facts = inputs.routing
    if study.routing is None or facts is None or decision.open is None or decision.assignment is None:
        return None
    policy, assignment = study.routing.policy, decision.assignment
    assert policy != "auto"
    recorded = np.zeros(len(inputs.sites), dtype=bool)
    recorded[assignment] = True
    if decision.backup is not None:
        recorded[decision.backup] = True
    routed = routed_sites(study, inputs, recorded)
    bills = {each: _bill(settled(study, each), inputs, decision, problem) for each in EXPLICIT}
    auto = asked.routing is not None and asked.routing.policy == "auto"
    return (
        RoutingPlan(
            policy=policy,
            failover_s=failover_s(policy, study.routing, facts),
            failover_words=failover_words(policy, study.routing, facts),
            usd_month=bills[policy],
            why=_why(asked, policy, inputs, recorded, bills) if auto else ("the study asks for it",),
            as_routed=_figures(study, inputs, problem, assignment, routed),
        ),
        routed,
    )


def _bill(study: Study, inputs: Inputs, decision: Decision, problem: Problem) -> float:
    """What routing would cost with the decision's sites."""
    assert decision.open is not None
    item = COST_ITEMS["routing"](study, inputs)
    return float(item.fixed[decision.open].sum() + item.per_share[0])


def _why(
    asked: Study, policy: Policy, inputs: Inputs, recorded: NDArray[np.bool_], bills: Mapping[Policy, float]
) -> tuple[str, ...]:
    """One sentence for each policy: what it costs with these sites, or why it will not do."""
    assert inputs.routing is not None
    said = []
    for each in sorted(EXPLICIT, key=lambda name: name != policy):
        unknown = [
            site.id
            for site, known in zip(
                inputs.sites, ~recorded | knows(inputs.routing.policies[each], inputs.sites), strict=True
            )
            if not known
        ]
        lacks = shortcomings(each, asked, inputs.routing)
        bill = f"{NAMES[each]}: ${bills[each]:,.2f} a month"
        if each == policy:
            said.append(f"{bill}, and does what is asked")
        elif lacks:
            said.append(f"{NAMES[each]}: {', and '.join(lacks)}")
        elif unknown:
            said.append(f"{NAMES[each]}: cannot send clients to {', '.join(unknown)}")
        else:
            said.append(f"{bill} for the same sites")
    return tuple(said)


def _figures(
    study: Study,
    inputs: Inputs,
    problem: Problem,
    assignment: NDArray[np.intp],
    routed: NDArray[np.intp],
) -> AsRouted:
    rows, share, slo = np.arange(len(routed)), problem.sizing.share, study.latency.slo_ms
    latency = problem.latency_ms[rows, routed]
    weighted = share > 0
    lawful = np.ones(len(routed), dtype=bool)
    for effect in problem.effects:
        if effect.pairs is not None and effect.of_backups:
            lawful &= effect.pairs[rows, routed]
    served = np.bincount(routed, weights=share, minlength=len(inputs.sites))
    return AsRouted(
        mean_ms=float((share[weighted] * latency[weighted]).sum()),
        p50_ms=weighted_quantile(latency, share, 0.50),
        p95_ms=weighted_quantile(latency, share, 0.95),
        max_ms=float(latency.max()),
        coverage=1.0 if slo is None else float(share[latency <= slo].sum()),
        differs=float(share[routed != assignment].sum()),
        forbidden=float(share[~lawful].sum()),
        shares={inputs.sites[j].id: float(served[j]) for j in np.unique(routed)},
    )
