"""Checking a plan: its measurements and the recent ones, the catalog of today, the optimum of today [I/O]."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.decide import decide
from planner.drift.attained import attained, served, speakers
from planner.drift.basis import REFERENCE, compared_window, known, planned, stamp, statuses
from planner.drift.evidence import Evidence, replaced, weigh
from planner.drift.pairs import PairRounds, pair_rounds
from planner.drift.saved_plan import SavedPlan
from planner.drift.standing import better_candidates, check_clients, price_changes, stand
from planner.drift.timeline import Clients, Timeline, timeline
from planner.drift.verdict import DEFAULT_REGRET, LEAST_DEMAND, Check, Resolved
from planner.inputs import Inputs, load_inputs
from planner.measurements import (
    MeasurementError,
    MeasurementReport,
    PairStatistic,
    Rounds,
    read_rounds,
)
from planner.solver.placement import Progress
from planner.study import Study
from planner.wording import counted

WINDOW: Final = timedelta(hours=24)
"""What counts as lately, where nobody says."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How to check: ``since`` when is lately, how much ``reference`` from before the plan rounds are compared
    with, and from which regret on another plan is enough better."""

    stores: tuple[str, ...]
    since: datetime
    threshold: float = DEFAULT_REGRET
    reference: timedelta = REFERENCE
    time_limit_s: float | None = None


def check_plan(saved: SavedPlan, study: Study, asked: Asked, *, progress: Progress | None = None) -> Check:
    """Hold ``saved`` against what was measured and against today's catalog.

    Raises an :class:`~probes.strict_toml.InputError` where something cannot be read or nothing was measured
    lately, and :class:`~planner.measurements.StoreError` where a store cannot be read.
    """
    say = progress or (lambda done, total, words: None)
    made = saved.made or asked.since
    since = max(asked.since, made)
    say(0, 4, "reading measurements")
    told = planned(saved, study) is not None
    window = compared_window(made, since, asked.reference, told=told)
    rounds = read_rounds(asked.stores, since=window.since, gap=window.gap)
    if not (rounds.started_at >= stamp(since)).any():
        last = ""
        if len(rounds.started_at) and window.gap is None:
            last = f"; the last is of {rounds.started_at.max().astype('datetime64[s]')}Z"
        raise MeasurementError(
            ", ".join(asked.stores), f"holds no measurement since {_said(since)}{last}: do the agents run?"
        )
    return check_rounds(saved, study, asked, rounds, progress=progress)


def check_rounds(
    saved: SavedPlan, study: Study, asked: Asked, rounds: Rounds, *, progress: Progress | None = None
) -> Check:
    """The same, of what was read: ``rounds`` of before the plan and of since, some of them lately."""
    say = progress or (lambda done, total, words: None)
    made = saved.made or asked.since
    since = max(asked.since, made)
    told = planned(saved, study)
    pairs = tuple(pair_rounds(rounds, study.latency.quantile))
    recent = sum(int((pair.series.at >= stamp(since)).sum()) for pair in pairs)
    gone = _gone(saved, study)
    study = _without(study, gone)
    say(1, 4, "comparing with what the plan was made from")
    report = known(saved, study, made, pairs, told)
    knew = {(each.vantage.id, each.site_id): each.rtt_ms for each in report.statistics}
    evidence = weigh(pairs, made=stamp(made), since=stamp(since), knew=knew)
    before = load_inputs(study, own=report)
    check_clients(saved, before)
    gone = gone | _set_aside(saved, study, before)
    news = _Anew(study, report, frozenset(statuses(study)))
    current = news.inputs(evidence.current) if evidence.current else before
    fresh, sure = news.inputs(evidence.fresh), news.inputs(evidence.sure)
    now = served(saved, study, fresh)
    keys = frozenset((each.vantage.id, each.site_id) for each in evidence.fresh)
    probed_as = {site_id: post.id for post in study.candidates.outposts for site_id in post.site_ids}
    speaking = [key if key in keys else None for key in speakers(saved, fresh, now, probed_as)]
    spoken_for = np.array([key is not None for key in speaking])
    share = fresh.demand.weight / fresh.demand.weight.sum()
    standing = stand(saved, study, current)
    say(2, 4, "deciding anew")
    best = decide(
        study,
        current,
        time_limit_s=asked.time_limit_s,
        progress=progress,
        start=None if standing is None else standing.plan,
    )
    resolved = Resolved(
        best=best,
        standing=None if standing is None else standing.plan,
        objective=None if standing is None else standing.objective,
        broken=() if standing is None else standing.broken,
        regret=None if standing is None or standing.broken else _regret(standing.objective, best.objective),
        unproven=max(saved.gap, 0.0),
    )
    say(3, 4, "drawing the timeline")
    return Check(
        plan=saved.name,
        open=saved.open,
        planned_usd=saved.cost_usd_month,
        asked=study.latency.coverage,
        made=saved.made,
        since=since,
        until=_moment(max(pair.at[-1] for pair in pairs)),
        rounds=recent,
        pairs=evidence.pairs,
        judged=evidence.judged,
        attained=attained(saved, study, share, now, served(saved, study, sure), spoken_for),
        changes=evidence.changes,
        site_changes=evidence.site_changes,
        better=better_candidates(
            saved, study, before, current, None if standing is None else standing.allowed
        )
        if evidence.current
        else (),
        prices=() if standing is None else price_changes(saved, standing),
        resolved=resolved,
        gone=gone,
        unreachable=_unreachable(saved, fresh, speaking, share, evidence.silent),
        timeline=_timeline(
            saved,
            study,
            pairs,
            Clients(
                share=share,
                planned_ms=np.array([saved.served[id_].latency_ms for id_ in fresh.matrix.client_ids]),
                now_ms=now.estimate_ms,
                pair=speaking,
            ),
            evidence,
        ),
        notes=tuple(_notes(saved, before, evidence)),
        threshold=asked.threshold,
    )


@dataclass(frozen=True, slots=True)
class _Anew:
    """The plan's inputs with some pairs measured anew."""

    study: Study
    report: MeasurementReport
    known: frozenset[str]

    def inputs(self, statistics: Sequence[PairStatistic]) -> Inputs:
        merged = replaced(self.report.statistics, statistics, self.known)
        return load_inputs(self.study, own=replace(self.report, statistics=merged))


def _timeline(
    saved: SavedPlan, study: Study, pairs: Sequence[PairRounds], clients: Clients, evidence: Evidence
) -> Timeline | None:
    tier = study.workload.home
    return timeline(
        pairs,
        clients if tier is None or saved.home is None else replace(clients, trips=tier.client_trips),
        {(each.vantage.id, each.site_id): each.rtt_ms for each in evidence.fresh},
        slo_ms=study.latency.slo_ms,
        coverage=study.latency.coverage,
    )


def _used(saved: SavedPlan) -> tuple[str, ...]:
    return saved.open if saved.standby is None else tuple(dict.fromkeys((*saved.open, saved.standby)))


def _gone(saved: SavedPlan, study: Study) -> dict[str, str]:
    known = statuses(study)
    return {site: "stands in the catalog no more" for site in _used(saved) if site not in known}


def _without(study: Study, gone: Collection[str]) -> Study:
    """The study without the names of sites that are gone, which would not be known any more."""
    if not gone:
        return study

    def left(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in gone)

    spec = study.candidates
    return replace(
        study,
        candidates=replace(spec, include=left(spec.include), exclude=left(spec.exclude)),
        current_open=left(study.current_open),
        network=replace(study.network, direct_connect=left(study.network.direct_connect)),
    )


def _set_aside(saved: SavedPlan, study: Study, inputs: Inputs) -> dict[str, str]:
    """Sites of the plan that are known and yet no candidates."""
    here, status = {site.id for site in inputs.sites}, statuses(study)
    return {
        site: inputs.set_aside.get(site) or f"is no candidate any more: its status is {status[site]}"
        for site in _used(saved)
        if site not in here and site in status
    }


def _unreachable(
    saved: SavedPlan,
    inputs: Inputs,
    speaking: Sequence[tuple[str, str] | None],
    share: NDArray[np.float64],
    silent: Collection[tuple[str, str]],
) -> dict[str, float]:
    """Sites that do not answer who speaks for clients they serve, and how much of demand these are."""
    found: dict[str, float] = {}
    for i, client in enumerate(inputs.demand.clients):
        if speaking[i] in silent:
            site = saved.served[client.id].site
            found[site] = found.get(site, 0.0) + float(share[i])
    return {site: lost for site, lost in sorted(found.items()) if lost >= LEAST_DEMAND}


def _regret(standing: float, best: float | None) -> float | None:
    return None if best is None else (standing - best) / max(abs(best), 1e-9)


def _notes(saved: SavedPlan, before: Inputs, evidence: Evidence) -> Iterator[str]:
    if saved.inputs.get("study") != before.hashes["study"]:
        yield "the study is not the one that was planned: what it asks now is what the plan is held against"
    moved = [
        name
        for name, digest in before.hashes.items()
        if name != "study" and saved.inputs.get(name, digest) != digest
    ]
    if moved:
        yield f"not what they were when the plan was made: {', '.join(sorted(moved))}"
    silent = evidence.pairs - evidence.judged
    if silent:
        yield (
            f"{counted(silent, 'pair')} of {evidence.pairs} cannot be compared: too few rounds since, or too"
            " few that the plan was made from of the same hours of three days"
        )
    if evidence.apart:
        yield (
            f"{counted(len(evidence.apart), 'pair')} of these cannot be what was planned with: today's best"
            " plan takes what is measured now"
        )
    if saved.made is None:
        yield "the plan does not say when it was made: what was measured before the window stands for it"


def _moment(stamp: np.datetime64) -> datetime:
    return datetime.fromisoformat(str(stamp.astype("datetime64[us]"))).replace(tzinfo=UTC)


def _said(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
