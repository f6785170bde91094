"""The plan as its routing policy would carry it out: who ends up where, beside who is assigned where.

A resolver or an edge knows nothing of the plan; it picks by its own view among the sites that stand in its
records. Route 53's latency records and Global Accelerator take the Region of least latency, for which the
matrix's estimates stand; geoproximity records take the nearest site on the globe, without any bias. While a
site is down its clients are at the best of those left.

Every rule is looked at again there (:mod:`planner.routed_rules`). ``forbidden`` adds up the demand at a site
that a rule on pairs forbids (residency, program, tags, ``max_ms``), what each site carries above its
capacity, and what coverage lacks; at most all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from planner.costs import COST_ITEMS
from planner.geo import pairwise_km
from planner.inputs import Inputs
from planner.plan import AsRouted, Breach, RoutedSite, RoutingPlan
from planner.problem import Problem
from planner.routed_rules import Routed, breaches, forbidden_pairs
from planner.routing import NAMES, failover_s, failover_words, knows, settled, shortcomings
from planner.routing_facts import EXPLICIT
from planner.sizing import instances_for
from planner.solver.decision import Decision, tally
from planner.solver.frontier import weighted_quantile
from planner.study import Study
from planner.study_values import Policy


def view_of(study: Study, inputs: Inputs) -> NDArray[np.float64]:
    """(m, n) what the policy compares sites by."""
    assert study.routing is not None
    if study.routing.policy != "route53-geoproximity":
        return inputs.matrix.estimate_ms
    clients, sites = inputs.demand.clients, inputs.sites
    return pairwise_km(
        [client.lat for client in clients],
        [client.lon for client in clients],
        [site.lat for site in sites],
        [site.lon for site in sites],
    )


def _best(view: NDArray[np.float64], among: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.asarray(np.where(among, view, np.inf).argmin(axis=1), dtype=np.intp)


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
    bills = {each: _bill(settled(study, each), inputs, decision) for each in EXPLICIT}
    every = {
        each: _followed(
            settled(study, each), inputs, problem, decision, recorded, bills[each] - bills[policy]
        )
        for each in EXPLICIT
    }
    breaks = {each: breaches(study, problem, routed) for each, routed in every.items()}
    if asked.routing is not None and asked.routing.policy == "auto":
        why = _why(asked, policy, inputs, recorded, bills, breaks)
    else:
        why = ("the study asks for it" + _said(breaks[policy], ", and every rule holds as routed"),)
    return (
        RoutingPlan(
            policy=policy,
            failover_s=failover_s(policy, study.routing, facts),
            failover_words=failover_words(policy, study.routing, facts),
            usd_month=bills[policy],
            why=why,
            as_routed=_figures(study, inputs, problem, decision, every[policy], breaks[policy]),
        ),
        every[policy].site,
    )


def _bill(study: Study, inputs: Inputs, decision: Decision) -> float:
    """What routing would cost with the decision's sites."""
    assert decision.open is not None
    item = COST_ITEMS["routing"](study, inputs)
    return float(item.fixed[decision.open].sum() + item.per_share[0])


def _followed(
    study: Study,
    inputs: Inputs,
    problem: Problem,
    decision: Decision,
    recorded: NDArray[np.bool_],
    more: float,
) -> Routed:
    """Everyone where the study's policy sends them, also while each failure lasts.

    ``more``: what the policy costs beyond the one that ``problem`` counts.
    """
    assert decision.open is not None
    assert decision.assignment is not None
    view, share = view_of(study, inputs), problem.sizing.share
    site = _best(view, recorded)
    n, count = len(inputs.sites), len(share)
    load = np.bincount(site, weights=share, minlength=n).astype(np.float64)
    handed, unbacked = np.zeros(n), np.zeros(count, dtype=bool)
    if problem.failover is not None:
        # With backups of its own choice a part of a failure may ask more of a site than all of it does.
        alone = np.eye(n, dtype=bool)[recorded]
        for gone in (*problem.failover.domains, *alone):
            moved = np.nonzero(gone[site])[0]
            if not moved.size:
                continue
            left = recorded & ~gone
            if not left.any():
                unbacked[moved] = True
                continue
            to = _best(view[moved], left)
            unbacked[moved] |= ~problem.failover.backups[moved, to]
            handed = np.maximum(handed, np.bincount(to, weights=share[moved], minlength=n))
    counted = tally(problem, decision.open, decision.assignment, decision.backup)
    worst = load + handed
    instances = counted.instances.copy()
    for j in np.nonzero(decision.open)[0]:
        needed = instances_for(float(worst[j]) * problem.sizing.peak_rps, problem.sizing)
        instances[j] = max(instances[j], needed)
    usd, total = np.zeros(n), more
    recovery = None if problem.arrangement is None else problem.arrangement.recovery
    for j in np.nonzero(decision.open)[0]:
        for item in problem.items:
            cost = item.of(int(j), int(instances[j]), float(load[j]))
            total += cost
            # What stands by in a Region of its own has a bill of its own.
            if item.name != "recovery" or recovery is None or recovery.standby is None:
                usd[j] += cost
    return Routed(decision.open, site, load, worst, instances, usd, total, unbacked)


def _why(
    asked: Study,
    policy: Policy,
    inputs: Inputs,
    recorded: NDArray[np.bool_],
    bills: Mapping[Policy, float],
    breaks: Mapping[Policy, tuple[Breach, ...]],
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
            said.append(bill + _said(breaks[each], ", and does what is asked"))
        elif lacks:
            said.append(f"{NAMES[each]}: {', '.join(lacks)}")
        elif unknown:
            said.append(f"{NAMES[each]}: cannot send clients to {', '.join(unknown)}")
        else:
            said.append(f"{bill} for the same sites{_said(breaks[each], '')}")
    return tuple(said)


def _said(breaks: tuple[Breach, ...], sound: str) -> str:
    """Which rules do not hold as routed; ``sound`` where all do."""
    names = dict.fromkeys(breach.rule for breach in breaks)
    return f"; as routed it breaks {', '.join(names)}" if names else sound


def _figures(
    study: Study,
    inputs: Inputs,
    problem: Problem,
    decision: Decision,
    routed: Routed,
    breaks: tuple[Breach, ...],
) -> AsRouted:
    share, slo = problem.sizing.share, study.latency.slo_ms
    latency = problem.latency_ms[np.arange(len(share)), routed.site]
    weighted = share > 0
    over = sum(_over(breaks, problem.sizing.peak_rps))
    forbidden = float(share[forbidden_pairs(problem, routed.site)].sum()) + over
    return AsRouted(
        mean_ms=float((share[weighted] * latency[weighted]).sum()),
        p50_ms=weighted_quantile(latency, share, 0.50),
        p95_ms=weighted_quantile(latency, share, 0.95),
        max_ms=float(latency.max()),
        coverage=1.0 if slo is None else float(share[latency <= slo].sum()),
        differs=float(share[routed.site != decision.assignment].sum()),
        forbidden=min(forbidden, 1.0),
        shares={inputs.sites[j].id: float(routed.load[j]) for j in np.unique(routed.site)},
        cost_usd_month=routed.cost_usd,
        sites=tuple(sorted(_sites(problem, routed), key=lambda site: site.site_id)),
        breaks=breaks,
    )


def _over(breaks: tuple[Breach, ...], peak_rps: float) -> Iterator[float]:
    """As shares of demand: what is above a site's capacity, by the tightest rule, and what coverage lacks."""
    above: dict[str, float] = {}
    for breach in breaks:
        if breach.rule == "coverage":
            yield breach.asked - breach.reached
        elif (
            breach.site_id is not None
            and breach.rule.startswith("capacity")
            and breach.reached > breach.asked
        ):
            excess = (breach.reached - breach.asked) / peak_rps
            above[breach.site_id] = max(above.get(breach.site_id, 0.0), excess)
    yield from above.values()


def _sites(problem: Problem, routed: Routed) -> Iterator[RoutedSite]:
    peak = problem.sizing.peak_rps
    for j in np.nonzero(routed.open)[0]:
        yield RoutedSite(
            site_id=problem.site_ids[j],
            rps=float(routed.load[j]) * peak,
            worst_rps=float(routed.worst[j]) * peak,
            instances=int(routed.instances[j]),
            cost_usd_month=float(routed.usd[j]),
        )
