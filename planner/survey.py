"""Which pairs to measure next: those whose measurement could change the plan, by what that may gain.

The latencies are drawn as they may be (:mod:`planner.latency.draws`), the study is decided on each draw as if
that were the truth, and what the plan then regrets is laid to the pairs that the better plan turns on
(:mod:`planner.survey_draws`). A pair's mean part of the regret is its expected gain, in US dollars a month or
in ms: all gains add up to what knowing everything would be worth (but for those too small to list).

After those come pairs that no draw's regret turned on, by

    score = Σ_draws [share of demand from the place that this draw's plan serves from the site] / draws
            × doubt about the pair

Where latency itself is minimised, the doubt is the width of the bounds, none below a tenth of the value.
Where cost is, a latency matters only by the limits it keeps or breaks (the SLO, max_ms, backup_within_ms),
and the doubt is 4 p (1 - p), p the probability that it keeps the limit. Both are posterior sampling (Thompson
1933; Russo 2016, "top-two"): look at what the plausible best plans rest on, and leave alone what no plausible
plan would use, however uncertain.

Pairs are of a *place* and a site: clients who err together, for one agent speaks for them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.inputs import Inputs, at_home
from planner.latency.draws import Errors, errors_of, places_of
from planner.latency.matrix import PROVENANCES
from planner.plan import Plan
from planner.solver.decision import Deadline
from planner.solver.interrupt import stop_asked
from planner.study import Study
from planner.survey_draws import PRICE, Draws, Learnt, limits_of

DRAWS: Final = 16
"""Plans to put side by side: a pair in one of so many plausible plans is seldom missed."""

SEED: Final = 1933

KNOWN: Final = 0.1
"""A pair whose bounds are this close, as a part of the estimate, is known well enough."""

WORTH: Final = 1e-4
"""Below this score nobody need know, nor below this part of the objective as a gain."""

_NOTHING: Final = np.zeros(0)

Report = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A pair worth measuring, from ``place``: the name of its largest client, where that stands.

    ``share``: of demand, at the place. ``vantage``: whose figure is used now, None where it is modelled.
    ``in_time``: the probability that the pair is within the SLO, None without one; with a stateful tier, that
    a whole request by the plan's home is. ``used``: the part of the
    place's demand that the plans of the draws, and the plan itself, serve from the site; ``used_now``:
    whether the plan serves any. ``gain``: the pair's part of what the plan is expected to regret, in US
    dollars a month or, where a latency is minimised, in ms.
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
    gain: float
    score: float


@dataclass(frozen=True, slots=True)
class Survey:
    """``pairs``, the most worth measuring first, of ``draws``.

    ``exact``: draws whose best plan was proven; the rest were decided by local search. ``short``: draws whose
    best plan still misses a rule. ``changed``: the part of the draws whose best plan opens other sites than
    ``plan`` does; ``opened``: by site, the part that opens it. ``regret``: what knowing all latencies is
    expected to be worth, in the objective's unit, a rule missed at its price; of it ``saved`` is the
    objective itself (negative where keeping the promise takes more), and ``spared`` the part of demand, and
    of other bounds, for which a rule would be kept that the plan breaks.
    """

    plan: Plan
    pairs: tuple[Wanted, ...]
    draws: int
    exact: int
    short: int
    changed: float
    opened: dict[str, float]
    regret: float
    saved: float
    spared: float

    @property
    def unit(self) -> str:
        """Of gains and regrets: what the plan minimises is counted in it."""
        return unit_of(self.plan.minimize)


def unit_of(minimize: str) -> str:
    """``USD a month`` or ``ms``."""
    return "USD a month" if minimize == "cost" else "ms"


def survey(
    study: Study,
    inputs: Inputs,
    plan: Plan,
    *,
    draws: int = DRAWS,
    seed: int = SEED,
    time_limit_s: float | None = None,
    progress: Report = lambda done, total, words: None,
) -> Survey:
    """The pairs to measure next for ``plan``, a plan that stands, decided for ``study`` and ``inputs``.

    ``time_limit_s`` is for all draws together. When it is over, or somebody stops it, the survey is of the
    draws until then, one at least. The stateful tier's legs keep their estimates.
    """
    m, n = inputs.matrix.estimate_ms.shape
    share = inputs.demand.weight / inputs.demand.weight.sum()
    place, count = _places(inputs)
    drawn = Draws(study, inputs, plan, seed)
    now = _by_place(place, drawn.assignment, share, count, n)
    used, gain, opened = now.copy(), np.zeros((count, n)), np.zeros(n)
    learnt, deadline = list[Learnt](), Deadline.after(time_limit_s)
    for number in range(draws):
        if learnt and (deadline.passed() or stop_asked()):
            break
        progress(number, draws, "deciding as if the latencies were known")
        left = deadline.remaining_s
        found = drawn.learnt(number, None if left is None else left / (draws - number))
        used += _by_place(place, found.assignment, share, count, n)
        np.add.at(gain, place, found.regret * found.blame)
        opened += found.open
        learnt.append(replace(found, blame=_NOTHING))
    many = len(learnt)
    # Limits are on whole requests, the way to the home included.
    there = at_home(study, inputs, None if plan.home is None else plan.home.region)
    pairs = np.repeat(np.arange(m), n), np.tile(np.arange(n), m)
    whole = errors_of(there.matrix, inputs.demand, inputs.sites, *pairs)
    ranking = _ranked(
        study, inputs, whole, place, share, used / (many + 1.0), now, gain / many, WORTH * drawn.price / PRICE
    )
    order = [j for j in np.argsort(-opened, kind="stable") if opened[j] > 0]
    return Survey(
        plan=plan,
        pairs=ranking,
        draws=many,
        exact=sum(each.exact for each in learnt),
        short=sum(each.missed > 0.0 for each in learnt),
        changed=sum(bool((each.open != drawn.open).any()) for each in learnt) / many,
        opened={inputs.sites[j].id: float(opened[j] / many) for j in order},
        regret=float(np.mean([each.regret for each in learnt])),
        saved=float(np.mean([each.saved for each in learnt])),
        spared=float(np.mean([each.spared for each in learnt])),
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
    gain: NDArray[np.float64],
    least_gain: float,
) -> tuple[Wanted, ...]:
    matrix, clients = inputs.matrix, inputs.demand.clients
    # Of each place its largest client, which the others err with.
    order = np.lexsort((-share, place))
    first = order[np.unique(place[order], return_index=True)[1]]
    slo, shape = study.latency.slo_ms, matrix.estimate_ms.shape
    in_time = None if slo is None else errors.within(slo).reshape(shape)
    score = used * _doubt(study, inputs, errors)[first]
    gain = np.where(gain >= least_gain, gain, 0.0)
    at_place = np.bincount(place, weights=share)
    found = []
    for flat in np.lexsort((-score.ravel(), -gain.ravel())):
        p, j = np.unravel_index(flat, score.shape)
        if gain[p, j] == 0.0 and score[p, j] < WORTH:
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
                gain=float(gain[p, j]),
                score=float(score[p, j]),
            )
        )
    return tuple(found)


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
