"""What a plan should say of the measurements behind it: how much was measured, what was left out, and which
sites nobody reaches. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from planner.demand import Demand
from planner.latency.matrix import MEASURED, LatencyMatrix
from planner.latency.modes import Mode
from planner.measurements import MeasurementReport, PairStatistic
from planner.study import Study

NAMED: Final = 4
"""So many sites, or vantages of one, are named; of more, only the number."""


def measurement_notes(
    study: Study, demand: Demand, matrix: LatencyMatrix, reports: Sequence[MeasurementReport]
) -> Iterator[str]:
    """One line each, the most general first."""
    measured = (matrix.provenance == MEASURED).any(axis=1)
    share = float(demand.weight[measured].sum() / demand.weight.sum())
    pairs = float(np.mean(matrix.provenance == MEASURED))
    yield (
        f"{share:.0%} of the demand is where latency to some site was measured, {pairs:.0%} of all pairs of"
        " client and site; the other pairs are modelled"
    )
    speaking = _speaking(matrix)
    heard = [
        each
        for report in reports
        for each in report.statistics
        if each.kind == "sampled" and (each.vantage.id, each.site_id) in speaking
    ]
    used = {(each.vantage.id, each.site_id) for each in heard}
    for report in reports:
        for store in report.stores:
            yield (
                f"{store.url}: {_counted(store.rows, 'row')} read,"
                f" {_counted(len(store.pairs & used), 'vantage-site pair')} used"
            )
        if report.damaged:
            lines = "line of measurements was" if report.damaged == 1 else "lines of measurements were"
            yield f"{report.damaged} damaged {lines} left out"
        yield from report.complaints
    yield from _by_site([each for each in heard if math.isinf(each.rtt_ms)], _out_of_reach)
    yield from _by_site([each for each in heard if len(_levels(each)) == 2], _two_levels)
    if study.latency.bound == "upper":
        unbounded = [each for each in heard if math.isinf(each.upper_ms) and math.isfinite(each.rtt_ms)]
        yield from _by_site(unbounded, _unbounded)


def _speaking(matrix: LatencyMatrix) -> frozenset[tuple[str, str]]:
    """The pairs of vantage and site whose samples stand in the matrix for some client."""
    rows, columns = np.nonzero(matrix.samples > 0)
    pairs = np.unique(np.stack((matrix.vantage[rows, columns], columns), axis=1), axis=0)
    return frozenset((matrix.vantages[vantage], matrix.site_ids[site]) for vantage, site in pairs)


def _by_site(
    statistics: Sequence[PairStatistic], line: Callable[[str, str, Sequence[PairStatistic]], str]
) -> Iterator[str]:
    """A line for each of the first sites, with the vantages that speak of it, and one for all the others."""
    of_site: dict[str, list[PairStatistic]] = {}
    for each in statistics:
        of_site.setdefault(each.site_id, []).append(each)
    # One site too many is named in the place of the line that would only count it.
    named = len(of_site) if len(of_site) <= NAMED + 1 else NAMED
    for site, found in list(of_site.items())[:named]:
        yield line(f"site {site} is", _vantages(found), found)
    rest = [each for found in list(of_site.values())[named:] for each in found]
    if rest:
        yield line(f"{len(of_site) - named} more sites are", _vantages(rest), rest)


def _out_of_reach(subject: str, vantages: str, found: Sequence[PairStatistic]) -> str:
    total = sum(each.samples for each in found)
    lost = sum(round(each.loss_ratio * each.samples) for each in found)
    return f"{subject} out of reach from {vantages}: {lost} of {total} probes lost"


def _unbounded(subject: str, vantages: str, found: Sequence[PairStatistic]) -> str:
    percentile, fewest = found[0].quantile * 100, min(found, key=_worth)
    samples = f"{fewest.samples}"
    if fewest.detail is not None and _worth(fewest) < fewest.samples:
        rounds = _counted(fewest.detail.rounds, "round")
        samples += f" in {rounds}, which are worth {_worth(fewest):.0f} independent of each other"
    return (
        f"{subject} without an upper bound from {vantages}: too few samples for an upper bound of the"
        f" p{percentile:g} ({samples})"
    )


def _worth(statistic: PairStatistic) -> float:
    return statistic.samples if statistic.detail is None else statistic.detail.effective


def _levels(statistic: PairStatistic) -> tuple[Mode, ...]:
    return () if statistic.detail is None else statistic.detail.modes


def _two_levels(subject: str, vantages: str, found: Sequence[PairStatistic]) -> str:
    """The pair whose levels lie furthest apart is told, as a ratio."""
    low, high = max(map(_levels, found), key=lambda levels: levels[1].rtt_ms / levels[0].rtt_ms)
    return (
        f"{subject} reached on two levels from {vantages}, as when a route changes and changes back:"
        f" {low.rtt_ms:.1f} ms ({low.share:.0%} of the samples) and {high.rtt_ms:.1f} ms ({high.share:.0%})"
        f"{'' if len(found) == 1 else ', where they lie furthest apart'}"
    )


def _vantages(found: Sequence[PairStatistic]) -> str:
    ids = sorted({each.vantage.id for each in found})
    if len(ids) == 1:
        return f"vantage {ids[0]}"
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return f"vantages {', '.join(ids[:NAMED])}{more}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
