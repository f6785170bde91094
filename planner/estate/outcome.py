"""What becomes of an estate in a scenario: who moves where, latency, load, cost, and how long it takes.

The plan's sites stay as they are; nobody decides anew. A client whose site is down goes to its backup, if it
has one that is up, or else where routing sends it among the sites left that the law allows; without routing,
to the nearest of them. It is unserved where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.estate.live import Estate, Floats, Indices
from planner.estate.scenario import Scenario
from planner.sizing import OVERLOAD, instances_for
from planner.solver.frontier import weighted_quantile


@dataclass(frozen=True, slots=True)
class Move:
    """A share of demand that goes from one site to another; ``to`` None: it is unserved."""

    site_id: str
    to: str | None
    share: float


@dataclass(frozen=True, slots=True)
class SiteLoad:
    """A site that is up. ``instances``: enough for its load, a rack's none; ``over_rps``: above what runs now
    (a cloud site can grow, a rack cannot)."""

    site_id: str
    rps: float
    capacity_rps: float
    over_rps: float
    instances: int
    planned: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """``moved``, ``unserved``, ``over`` (above what runs now), ``coverage`` (the unserved are not in time):
    shares of demand. ``kept``: whether the promise is; where none is ``promised``, whether all are served.
    Latency figures are of those served, None where nobody is. ``cost_usd_month``: were it
    to last a month, with the instances it takes. ``rto_s``: until all that can be served is, None where
    nothing fails or nothing is planned for it; ``rto_words`` is its arithmetic.
    """

    scenario: Scenario
    moved: float
    unserved: float
    over: float
    coverage: float
    kept: bool
    promised: bool
    mean_ms: float | None
    p95_ms: float | None
    cost_usd_month: float
    rto_s: float | None
    rto_words: str
    moves: tuple[Move, ...]
    sites: tuple[SiteLoad, ...]


def outcome_of(estate: Estate, scenario: Scenario) -> Outcome:
    """Work out one scenario."""
    down = lost(estate, scenario)
    site = sent(estate, down)
    latency = estate.latency_ms if scenario.latency_draw is None else estate.drawn(*scenario.latency_draw)
    served, share = site >= 0, estate.share
    own = latency[np.arange(len(site)), np.maximum(site, 0)]
    in_time = served & (np.isfinite(own) if estate.slo_ms is None else own <= estate.slo_ms)
    coverage = float(share[in_time].sum())
    load = np.bincount(site[served], weights=share[served], minlength=len(down)).astype(np.float64)
    load *= scenario.demand_factor
    sites = _loads(estate, down, load)
    over = sum(each.over_rps for each in sites) / max(estate.sizing.peak_rps * scenario.demand_factor, 1e-12)
    moved = served & (site != estate.assignment)
    rto_s, words = _rto(estate, scenario, bool((site != estate.assignment).any()))
    return Outcome(
        scenario=scenario,
        moved=float(share[moved].sum()),
        unserved=float(share[~served].sum()),
        over=over,
        coverage=coverage,
        promised=estate.slo_ms is not None,
        kept=coverage >= (estate.coverage if estate.slo_ms is not None else 1.0) - 1e-9,
        mean_ms=_mean(own[served], share[served]),
        p95_ms=weighted_quantile(own[served], share[served], 0.95) if share[served].sum() > 0 else None,
        cost_usd_month=_cost(estate, down, load, sites),
        rto_s=rto_s,
        rto_words=words,
        moves=_moves(estate, site),
        sites=sites,
    )


def lost(estate: Estate, scenario: Scenario) -> NDArray[np.bool_]:
    """(k,) which sites are down."""
    down = np.zeros(len(estate.site_ids), dtype=bool)
    for name in scenario.down:
        down |= estate.domains[name]
    return down


def sent(estate: Estate, down: NDArray[np.bool_]) -> Indices:
    """(m,) where each client is served while the sites ``down`` (k,) are, -1 for nowhere."""
    site = estate.assignment.copy()
    moved = np.flatnonzero(down[site])
    if not moved.size:
        return site
    backup = estate.backup[moved]
    standing = (backup >= 0) & ~down[backup]
    may = estate.legal[moved] & ~down & np.isfinite(estate.latency_ms[moved])
    view = np.where(may, estate.view[moved], np.inf)
    best = view.argmin(axis=1)
    elsewhere = np.where(np.isfinite(view[np.arange(len(moved)), best]), best, -1)
    site[moved] = np.where(standing, backup, elsewhere)
    return site


def _loads(estate: Estate, down: NDArray[np.bool_], load: Floats) -> tuple[SiteLoad, ...]:
    found = []
    for j in np.flatnonzero(~down):
        rps, planned = float(load[j] * estate.sizing.peak_rps), int(estate.instances[j])
        room = float(estate.capacity_rps[j])
        slack = OVERLOAD * estate.sizing.rps_per_instance if estate.cloud[j] else 1e-6 * room
        found.append(
            SiteLoad(
                site_id=estate.site_ids[j],
                rps=rps,
                capacity_rps=room,
                over_rps=rps - room if rps > room + slack else 0.0,
                instances=max(planned, instances_for(rps, estate.sizing)) if estate.cloud[j] else planned,
                planned=planned,
            )
        )
    return tuple(found)


def _cost(estate: Estate, down: NDArray[np.bool_], load: Floats, sites: tuple[SiteLoad, ...]) -> float:
    """What is up is paid for as it runs; what is down as planned, for nothing is given back."""
    running = {each.site_id: each.instances for each in sites}
    total = 0.0
    for j, site_id in enumerate(estate.site_ids):
        instances = running.get(site_id, int(estate.instances[j]))
        share = 0.0 if down[j] else float(load[j])
        total += sum(item.of(int(estate.column[j]), instances, share) for item in estate.items)
    return total


def _rto(estate: Estate, scenario: Scenario, anybody: bool) -> tuple[float | None, str]:
    parts = []
    if anybody and estate.failover_s is not None:
        parts.append((estate.failover_s, f"clients are sent elsewhere in {estate.failover_s:g} s"))
    if estate.recovery_s is not None and estate.home_domains & set(scenario.down):
        words = f"the stateful tier is recovered in {estate.recovery_s:g} s"
        if estate.through_home:
            words += " (latencies are still those by the lost home)"
        parts.append((estate.recovery_s, words))
    if not parts:
        return None, ""
    return max(seconds for seconds, _ in parts), "; ".join(words for _, words in parts)


def _moves(estate: Estate, site: Indices) -> tuple[Move, ...]:
    """The largest first."""
    shares: dict[tuple[int, int], float] = {}
    for i in np.flatnonzero(site != estate.assignment):
        way = int(estate.assignment[i]), int(site[i])
        shares[way] = shares.get(way, 0.0) + float(estate.share[i])
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        Move(estate.site_ids[a], None if b < 0 else estate.site_ids[b], share) for (a, b), share in ordered
    )


def _mean(latency: Floats, share: Floats) -> float | None:
    some = share > 0
    if not some.any():
        return None
    return float((share[some] * latency[some]).sum() / share[some].sum())
