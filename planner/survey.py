"""Which pairs to measure next: those that a plan would use, if one only knew.

The latencies are drawn as they may be (:mod:`planner.latency.draws`), the study is decided on each draw as if
that were the truth, and the plans are put side by side. A pair is worth measuring by

    score = Σ_draws [share of demand from the place that this draw's plan serves from the site] / draws
            × doubt about the pair

Where latency itself is minimised, the doubt is the width of the bounds, none below a tenth of the value.
Where cost is, a latency matters only by the limits it keeps or breaks (the SLO, max_ms, backup_within_ms),
and the doubt is 4 p (1 - p), p the probability that it keeps the limit. That is posterior sampling (Thompson
1933; Russo 2016, "top-two"): measure what the plausible best plans rest on and nobody has looked at, the
plan's own pairs among them, and leave alone what no plausible plan would use, however uncertain.

Pairs are of a *place* and a site: clients who err together, for one agent speaks for them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.decide import decide
from planner.inputs import Inputs, at_home
from planner.latency.draws import Errors, errors_of, places_of
from planner.latency.matrix import PROVENANCES
from planner.plan import Plan
from planner.study import Study

DRAWS: Final = 12
"""Plans to put side by side: a pair in one of a dozen plausible plans is seldom missed."""

SEED: Final = 1933

KNOWN: Final = 0.1
"""A pair whose bounds are this close, as a part of the estimate, is known well enough."""

WORTH: Final = 1e-4
"""Below this score nobody need know."""

Report = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A pair worth measuring, from ``place``: the name of its largest client, where that stands.

    ``share``: of demand, at the place. ``vantage``: whose figure is used now, None where it is modelled.
    ``in_time``: the probability that the pair is within the SLO, None without one; with a stateful tier, that
    a whole request by the plan's home is. ``used``: the part of the
    place's demand that the plans of the draws, and the plan itself, serve from the site; ``used_now``:
    whether the plan serves any.
    """

    place: str
    country: str
    lat: float
    lon: float
    site_id: str
    share: float
    estimate_ms: float
    lower_ms: float
    upper_ms: float
    provenance: str
    vantage: str | None
    in_time: float | None
    used: float
    used_now: bool
    score: float


@dataclass(frozen=True, slots=True)
class Survey:
    """``pairs``, the most worth measuring first. ``opened``: by site, the part of the draws whose plan opens
    it; ``changed``: and the part whose plan opens other sites than ``plan`` does. ``decided``: draws that
    have a plan at all."""

    plan: Plan
    pairs: tuple[Wanted, ...]
    draws: int
    decided: int
    changed: float
    opened: dict[str, float]


def survey(
    study: Study,
    inputs: Inputs,
    plan: Plan,
    *,
    draws: int = DRAWS,
    seed: int = SEED,
    time_limit_s: float = 30.0,
    progress: Report = lambda done, total, words: None,
) -> Survey:
    """The pairs to measure next for ``plan``, which was decided for ``study`` and ``inputs``.

    ``time_limit_s`` is for each draw; a plan that is not proven by then counts as found. The stateful tier's
    legs keep their estimates.
    """
    m, n = inputs.matrix.estimate_ms.shape
    client, column = np.repeat(np.arange(m), n), np.tile(np.arange(n), m)
    errors = errors_of(inputs.matrix, inputs.demand, inputs.sites, client, column)
    share = inputs.demand.weight / inputs.demand.weight.sum()
    place, count = _places(inputs)
    used = np.zeros((count, n))
    opened, changed, decided = dict[str, float](), 0, 0
    index = {site.id: j for j, site in enumerate(inputs.sites)}
    for number in range(draws):
        progress(number, draws, "deciding as if the latencies were known")
        latency = errors.draw(seed, number).reshape(m, n)
        drawn = replace(inputs.matrix, estimate_ms=latency, lower_ms=latency, upper_ms=latency)
        other = decide(study, replace(inputs, matrix=drawn), time_limit_s=time_limit_s, start=plan)
        if other.kpi is None:
            continue
        decided += 1
        changed += set(other.open) != set(plan.open)
        for site_id in other.open:
            opened[site_id] = opened.get(site_id, 0.0) + 1.0
        serving = np.array([index[each.site_id] for each in other.assignments])
        used += _by_place(place, serving, share, count, n)
    # Limits are on whole requests, the way to the home included.
    there = at_home(study, inputs, None if plan.home is None else plan.home.region)
    whole = errors_of(there.matrix, inputs.demand, inputs.sites, client, column)
    now = np.zeros((count, n))
    if plan.kpi is not None:
        serving = np.array([index[each.site_id] for each in plan.assignments])
        now = _by_place(place, serving, share, count, n)
    return Survey(
        plan,
        _ranked(study, inputs, whole, place, share, (used + now) / (decided + 1.0), now),
        draws,
        decided,
        changed / decided if decided else 0.0,
        {site_id: times / decided for site_id, times in sorted(opened.items(), key=lambda item: -item[1])},
    )


def _places(inputs: Inputs) -> tuple[NDArray[np.intp], int]:
    """(m,) each client's place, and how many there are."""
    place = places_of(inputs.demand)
    return place, int(place.max()) + 1


def _by_place(
    place: NDArray[np.intp], serving: NDArray[np.intp], share: NDArray[np.float64], count: int, n: int
) -> NDArray[np.float64]:
    """(count, n) the share of demand of each place that each site serves."""
    served = np.bincount(place * n + serving, weights=share, minlength=count * n)
    return served.astype(np.float64).reshape(count, n)


def _ranked(
    study: Study,
    inputs: Inputs,
    errors: Errors,
    place: NDArray[np.intp],
    share: NDArray[np.float64],
    used: NDArray[np.float64],
    now: NDArray[np.float64],
) -> tuple[Wanted, ...]:
    matrix, clients = inputs.matrix, inputs.demand.clients
    # Of each place its largest client, which the others err with.
    order = np.lexsort((-share, place))
    first = order[np.unique(place[order], return_index=True)[1]]
    slo, shape = study.latency.slo_ms, matrix.estimate_ms.shape
    in_time = None if slo is None else errors.within(slo).reshape(shape)
    score = used * _doubt(study, inputs, errors)[first]
    at_place = np.bincount(place, weights=share)
    found = []
    for flat in np.argsort(-score, axis=None, kind="stable"):
        p, j = np.unravel_index(flat, score.shape)
        if score[p, j] < WORTH:
            break
        i = int(first[p])
        who = clients[i]
        speaker = int(matrix.vantage[i, j])
        found.append(
            Wanted(
                place=who.id,
                country=who.country,
                lat=who.lat,
                lon=who.lon,
                site_id=inputs.sites[j].id,
                share=float(at_place[p]),
                estimate_ms=float(matrix.estimate_ms[i, j]),
                lower_ms=float(matrix.lower_ms[i, j]),
                upper_ms=float(matrix.upper_ms[i, j]),
                provenance=PROVENANCES[matrix.provenance[i, j]],
                vantage=None if speaker < 0 else matrix.vantages[speaker],
                in_time=None if in_time is None else float(in_time[i, j]),
                used=float(used[p, j] / at_place[p]) if at_place[p] > 0 else 0.0,
                used_now=bool(now[p, j] > 0.0),
                score=float(score[p, j]),
            )
        )
    return tuple(found)


def limits_of(study: Study) -> tuple[float, ...]:
    """The limits in ms that a latency keeps or breaks: the SLO, the largest latency, a backup's."""
    limits = (study.latency.slo_ms, study.latency.max_ms, study.resilience.backup_within_ms)
    return tuple(limit for limit in limits if limit is not None)


def _doubt(study: Study, inputs: Inputs, errors: Errors) -> NDArray[np.float64]:
    """(m, n) from 0, nothing to learn that could matter, to 1."""
    matrix = inputs.matrix
    if study.minimize != "cost":
        with np.errstate(invalid="ignore"):
            spread = (matrix.upper_ms - matrix.lower_ms) / (2.0 * matrix.estimate_ms)
        return np.where(np.isfinite(spread), np.clip(spread / KNOWN - 1.0, 0.0, 1.0), 1.0)
    doubt = np.zeros(matrix.estimate_ms.shape)
    for limit in limits_of(study):
        chance = errors.within(limit).reshape(doubt.shape)
        doubt = np.maximum(doubt, 4.0 * chance * (1.0 - chance))
    return doubt


def sites_of(pairs: Sequence[Wanted], place: str) -> tuple[str, ...]:
    """The sites to measure from that place, the most worth it first."""
    return tuple(each.site_id for each in pairs if each.place == place)
