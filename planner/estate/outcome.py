"""What becomes of an estate in a scenario: who moves where, latency, load, cost, and how long it takes.

The plan's sites stay as they are; nobody decides anew. Where routing is planned, it sends everybody, in peace
as well, to the best of what is up by its own view: a resolver knows no backups and no law. Without routing a
client whose site is down goes to its backup, if it has one that is up, or else to the nearest of the sites
left that the law allows. It is unserved where there is none.

What a site cannot carry at all finds no room: a rack and a site under a capacity rule do not grow. Of the
requests there, so many are turned away whoever sends them, and they are not in time.
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
    (a cloud site can grow, a rack cannot); ``no_room_rps``: above what it can carry at all."""

    site_id: str
    rps: float
    capacity_rps: float
    over_rps: float
    instances: int
    planned: int
    no_room_rps: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """``moved`` (against the same latencies with nothing down), ``unserved``, ``over`` (above what runs now),
    ``no_room`` (above what can be carried at all), ``forbidden`` (served where a rule on pairs forbids it, as
    only routing does), ``coverage`` (in time; those unserved or without room are not): shares of demand.
    ``kept``: whether the promise is; where none is ``promised``, whether all are served.
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
    no_room: float = 0.0
    forbidden: float = 0.0


def outcome_of(estate: Estate, scenario: Scenario) -> Outcome:
    """Work out one scenario."""
    down = lost(estate, scenario)
    latency, view = estate.seen(scenario.latency_draw)
    peace = in_peace(estate, scenario, view)
    site = sent(estate, down, peace, view)
    served, share, row = site >= 0, estate.share, np.arange(len(site))
    load = np.bincount(site[served], weights=share[served], minlength=len(down)).astype(np.float64)
    load *= scenario.demand_factor
    sites = _loads(estate, down, load)
    room = _room(estate, sites)
    carried = np.where(served, share * room[np.maximum(site, 0)], 0.0)
    own = latency[row, np.maximum(site, 0)]
    in_time = served & (np.isfinite(own) if estate.slo_ms is None else own <= estate.slo_ms)
    coverage = float(carried[in_time].sum())
    asked = max(estate.sizing.peak_rps * scenario.demand_factor, 1e-12)
    moved = served & (site != peace)
    rto_s, words = _rto(estate, scenario, bool((site != peace).any()))
    return Outcome(
        scenario=scenario,
        moved=float(share[moved].sum()),
        unserved=float(share[~served].sum()),
        over=sum(each.over_rps for each in sites) / asked,
        coverage=coverage,
        promised=estate.slo_ms is not None,
        kept=coverage >= (estate.coverage if estate.slo_ms is not None else 1.0) - 1e-9,
        mean_ms=_mean(own[served], carried[served]),
        p95_ms=weighted_quantile(own[served], carried[served], 0.95) if carried.sum() > 0 else None,
        cost_usd_month=_cost(estate, down, load * room, sites),
        rto_s=rto_s,
        rto_words=words,
        moves=_moves(estate, peace, site),
        sites=sites,
        no_room=sum(each.no_room_rps for each in sites) / asked,
        forbidden=float(share[served & ~estate.legal[row, np.maximum(site, 0)]].sum()),
    )


def lost(estate: Estate, scenario: Scenario) -> NDArray[np.bool_]:
    """(k,) which sites are down."""
    down = np.zeros(len(estate.site_ids), dtype=bool)
    for name in scenario.down:
        down |= estate.domains[name]
    return down


def in_peace(estate: Estate, scenario: Scenario, view: Floats) -> Indices:
    """(m,) where each client is served while nothing is down: a policy that sees latencies follows a draw."""
    if not (estate.routed and estate.by_latency) or scenario.latency_draw is None:
        return estate.assignment
    return np.asarray(np.where(estate.within_reach, view, np.inf).argmin(axis=1), dtype=np.intp)


def sent(estate: Estate, down: NDArray[np.bool_], peace: Indices, view: Floats) -> Indices:
    """(m,) where each client is served while the sites ``down`` (k,) are, -1 for nowhere."""
    site = peace.copy()
    moved = np.flatnonzero(down[site])
    if not moved.size:
        return site
    backup = estate.backup[moved]
    standing = (backup >= 0) & ~down[backup]
    may = estate.within_reach[moved] & ~down & np.isfinite(estate.latency_ms[moved])
    seen = np.where(may, view[moved], np.inf)
    best = seen.argmin(axis=1)
    elsewhere = np.where(np.isfinite(seen[np.arange(len(moved)), best]), best, -1)
    site[moved] = np.where(standing, backup, elsewhere)
    return site


def _room(estate: Estate, sites: tuple[SiteLoad, ...]) -> Floats:
    """(k,) the share of each site's requests that find room."""
    room = np.ones(len(estate.site_ids))
    at = {site_id: j for j, site_id in enumerate(estate.site_ids)}
    for each in sites:
        if each.no_room_rps > 0:
            room[at[each.site_id]] = 1.0 - each.no_room_rps / each.rps
    return room


def _loads(estate: Estate, down: NDArray[np.bool_], load: Floats) -> tuple[SiteLoad, ...]:
    found = []
    for j in np.flatnonzero(~down):
        rps, planned = float(load[j] * estate.sizing.peak_rps), int(estate.instances[j])
        room, most = float(estate.capacity_rps[j]), float(estate.most_rps[j])
        slack = OVERLOAD * estate.sizing.rps_per_instance if estate.cloud[j] else 1e-6 * room
        needed = instances_for(min(rps, most), estate.sizing) if estate.cloud[j] else planned
        found.append(
            SiteLoad(
                site_id=estate.site_ids[j],
                rps=rps,
                capacity_rps=room,
                over_rps=rps - room if rps > room + slack else 0.0,
                instances=max(planned, needed),
                planned=planned,
                no_room_rps=rps - most if rps > most * (1 + 1e-6) else 0.0,
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
        if estate.home_trips > 0:
            words += " (latencies are still those by the lost home)"
        parts.append((estate.recovery_s, words))
        if anybody and estate.failover_s is None:
            parts.append((0.0, "when clients are sent elsewhere, the plan does not say: it plans no routing"))
    if not parts:
        return None, ""
    return max(seconds for seconds, _ in parts), "; ".join(words for _, words in parts)


def _moves(estate: Estate, peace: Indices, site: Indices) -> tuple[Move, ...]:
    """The largest first."""
    shares: dict[tuple[int, int], float] = {}
    for i in np.flatnonzero(site != peace):
        way = int(peace[i]), int(site[i])
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
