"""What the measurements since a plan was made say against those it was made from. Pure.

The plan's own figures stand until there is evidence against them. What was measured since goes in their place
for a pair of vantage and site whose rounds were found changed (:mod:`planner.drift.families`), from the
change on; for one that nobody had measured; and for one that cannot be compared round by round, but whose
bounds now leave out what was planned with, by :data:`NOTABLE` or more. So noise alone makes no other plan
better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from planner.drift.change import Step, find_steps
from planner.drift.dating import dated
from planner.drift.families import FALSE_ALARM, Fallen, fallen
from planner.drift.pairs import PairRounds
from planner.drift.placements import FEWEST_RECENT, FEWEST_REFERENCE, Comparison, Reference, compared, joined
from planner.drift.series import FIGURES
from planner.latency.statistics import CONFIDENCE
from planner.measurements import PairStatistic


@dataclass(frozen=True, slots=True)
class PairChange:
    """A pair that is not as it was. ``since``: the first round after the step, as a datetime64[us] in UTC;
    ``by``: nothing from just before it was read, so the step may be older (:mod:`planner.drift.dating`);
    ``before_ms`` and ``after_ms``: its quantile on either side, inf where lost; ``shows_in``: the level of
    the rounds, or their quantile alone; ``p_value``: of its own, before all pairs are allowed for."""

    vantage: str
    site: str
    since: np.datetime64
    before_ms: float
    after_ms: float
    shows_in: str
    p_value: float
    by: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """The ids of vantage and site."""
        return self.vantage, self.site


@dataclass(frozen=True, slots=True)
class SiteChange:
    """A site whose pairs, all ``vantages`` of them together, are not as they were. ``since``: the first round
    after the step, as a datetime64[us] in UTC; ``by``: nothing from just before it was read, so the step may
    be older; ``up``: whether the delay grew; ``p_value``: of its own."""

    site: str
    vantages: int
    since: np.datetime64
    up: bool
    p_value: float
    by: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """``changes`` of pairs and ``site_changes``, the surest first; ``judged`` pairs could be compared, of
    ``pairs`` measured lately.

    ``current``: what to plan with in the place of the plan's own figures; ``fresh``: every pair measured
    lately, with bounds of 95 % each; ``sure``: the same with bounds that hold for all pairs at once, but for
    one check in a hundred. ``silent``: pairs of whose last rounds no probe came back; ``apart``: those told
    by their bounds alone; both by vantage and site.
    """

    changes: tuple[PairChange, ...]
    site_changes: tuple[SiteChange, ...]
    judged: int
    pairs: int
    current: tuple[PairStatistic, ...]
    fresh: tuple[PairStatistic, ...]
    sure: tuple[PairStatistic, ...]
    silent: frozenset[tuple[str, str]]
    apart: frozenset[tuple[str, str]]


def weigh(
    pairs: Sequence[PairRounds],
    *,
    made: np.datetime64,
    since: np.datetime64,
    knew: Mapping[tuple[str, str], float],
) -> Evidence:
    """Compare what each pair gave from ``since`` on with what it had given until the plan was ``made``.

    ``since`` is ``made`` or later; what lies between tells only when a change was. ``knew``: of each
    pair, by vantage and site, that the plan was made from, the quantile it had then, in ms.
    """
    recent = [pair for pair in pairs if pair.between(since).any()]
    scores = {pair.key: each for pair in recent if (each := _compared(pair, made, since)) is not None}
    steps = dict(zip(scores, find_steps(list(scores.values()), made), strict=True))
    sites = _sites(scores, made)
    found = fallen(
        {key: step.p_value for key, step in steps.items()},
        {site: step.p_value for site, (step, _) in sites.items()},
    )
    changes = tuple(
        sorted(
            (
                _change(pair, steps[pair.key], scores[pair.key], made)
                for pair in recent
                if pair.key in found.pairs
            ),
            key=lambda change: (change.p_value, change.key),
        )
    )
    after = {change.key: change.since for change in changes}
    spans = {pair.key: pair.between(after.get(pair.key, since)) for pair in recent}
    # Both sides of every pair's bounds share what one check in a hundred leaves.
    together = 1.0 - FALSE_ALARM / max(len(recent), 1)
    sure = tuple(pair.statistic(spans[pair.key], together) for pair in recent)
    apart = frozenset(
        pair.key
        for pair, now in zip(recent, sure, strict=True)
        if pair.key not in scores and pair.key in knew and _apart(knew[pair.key], now)
    )
    taken = {*after, *apart}
    return Evidence(
        changes=changes,
        site_changes=_site_changes(recent, sites, found, scores, made),
        judged=len(scores),
        pairs=len(recent),
        current=tuple(
            pair.statistic(spans[pair.key])
            for pair in recent
            if pair.key in taken or (pair.key not in knew and len(pair.series.at) >= FEWEST_REFERENCE)
        ),
        fresh=tuple(pair.statistic(spans[pair.key], CONFIDENCE) for pair in recent),
        sure=sure,
        silent=frozenset(pair.key for pair in recent if _silent(pair)),
        apart=apart,
    )


def replaced(
    before: Sequence[PairStatistic], by: Sequence[PairStatistic], known: frozenset[str]
) -> tuple[PairStatistic, ...]:
    """``before`` with those of ``by`` in the place of the same pair's, for the sites that are ``known``."""
    news = {(each.vantage.id, each.site_id): each for each in by if each.site_id in known}
    kept = [each for each in before if (each.vantage.id, each.site_id) not in news]
    # A vantage that has moved since speaks from where it stands now.
    places = {each.vantage.id: each.vantage for each in news.values()}
    return (
        *(replace(each, vantage=places.get(each.vantage.id, each.vantage)) for each in kept),
        *news.values(),
    )


NOTABLE: Final = 0.03
"""A figure is another one from this part of it on."""

_EVER: Final = np.datetime64("1970-01-01", "us")


def _compared(pair: PairRounds, made: np.datetime64, since: np.datetime64) -> Comparison | None:
    reference = Reference.of(pair.rounds_between(_EVER, made))
    return None if reference is None else compared(reference, pair.rounds_between(since))


def _sites(scores: Mapping[tuple[str, str], Comparison], made: np.datetime64) -> dict[str, tuple[Step, int]]:
    """The strongest sign in all pairs of a site as one series, and their number, where there are several."""
    of_site: dict[str, list[Comparison]] = {}
    for (_, site), each in scores.items():
        of_site.setdefault(site, []).append(each)
    several = {site: parts for site, parts in of_site.items() if len(parts) > 1}
    steps = find_steps([joined(parts) for parts in several.values()], made)
    return {site: (step, len(several[site])) for site, step in zip(several, steps, strict=True)}


def _site_changes(
    pairs: Sequence[PairRounds],
    sites: Mapping[str, tuple[Step, int]],
    found: Fallen,
    scores: Mapping[tuple[str, str], Comparison],
    made: np.datetime64,
) -> tuple[SiteChange, ...]:
    changed = list[SiteChange]()
    for site, (step, vantages) in sites.items():
        if site not in found.sites:
            continue
        of_site = [pair for pair in pairs if pair.site == site and pair.key in scores]
        longer = [each for pair in of_site if (each := _compared(pair, made, made)) is not None]
        start, by = dated(step, [scores[pair.key] for pair in of_site], longer, made)
        changed.append(SiteChange(site, vantages, start, step.up, step.p_value, by))
    return tuple(sorted(changed, key=lambda change: (change.p_value, change.site)))


def _change(pair: PairRounds, step: Step, score: Comparison, made: np.datetime64) -> PairChange:
    longer = _compared(pair, made, made)
    start, by = dated(step, [score], [score if longer is None else longer], made)
    return PairChange(
        vantage=pair.vantage.id,
        site=pair.site,
        since=start,
        before_ms=pair.figures(pair.between(_EVER, made))[0],
        after_ms=pair.figures(pair.between(start))[0],
        shows_in=FIGURES[step.figure],
        p_value=step.p_value,
        by=by,
    )


def _apart(planned_ms: float, now: PairStatistic) -> bool:
    """Whether the bounds of now leave out what the plan was made with."""
    return now.lower_ms > planned_ms * (1.0 + NOTABLE) or now.upper_ms * (1.0 + NOTABLE) < planned_ms


def _silent(pair: PairRounds) -> bool:
    """Whether not one probe of the last rounds came back: half of them lost is loss, and an answer."""
    begun = pair.series.at
    return len(begun) >= FEWEST_RECENT and bool(np.isinf(pair.rtt_ms[pair.at >= begun[-FEWEST_RECENT]]).all())
