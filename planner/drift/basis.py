"""What a plan was made from, and how much of the measurements it is compared with [I/O].

A store grows for years; a check reads what it compares. That is a span of ``reference`` from before the plan,
and from that much before what counts as lately on, to tell when a change was. What the plan was made from it
says itself, pair by pair, whatever became of the samples; only where it does not, all of them are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from planner.announced import with_announced
from planner.catalog import load_catalog
from planner.drift.pairs import PairRounds
from planner.drift.saved_plan import SavedPlan
from planner.measurements import MeasurementReport, PairStatistic, Window
from planner.study import Study

REFERENCE: Final = timedelta(days=28)
"""How much from before the plan is compared with, where nobody says: four of each day of the week."""

_NOTHING: Final = MeasurementReport((), 0, 0, ())


def planned(saved: SavedPlan, study: Study) -> tuple[PairStatistic, ...] | None:
    """What the plan was made from, pair by pair; None where it does not say, or another quantile is asked."""
    if saved.made is not None and not saved.stores:
        return ()
    told = saved.measured
    if told is None or any(abs(each.quantile - study.latency.quantile) > 1e-9 for each in told):
        return None
    return told


def compared_window(made: datetime, since: datetime, reference: timedelta, *, told: bool) -> Window:
    """What is read: everything, where what the plan was made from is not ``told`` and has to be counted."""
    if not told:
        return Window()
    again = since - reference
    return Window(since=made - reference, gap=(made, again) if again > made else None)


def known(
    saved: SavedPlan,
    study: Study,
    made: datetime,
    pairs: Sequence[PairRounds],
    told: Sequence[PairStatistic] | None,
) -> MeasurementReport:
    """What the plan was made from, as it is ``told`` or counted again; nothing where it had no measurements
    of its own."""
    sites = statuses(study)
    if told is not None:
        return replace(_NOTHING, statistics=tuple(each for each in told if each.site_id in sites))
    before = [(pair, pair.at < stamp(made)) for pair in pairs]
    return replace(
        _NOTHING,
        statistics=tuple(pair.statistic(then) for pair, then in before if pair.site in sites and then.any()),
    )


def statuses(study: Study) -> Mapping[str, str]:
    """Every site that the study could name, racks as they are probed and in every size, and its status."""
    catalogs = [load_catalog(provider) for provider in study.candidates.providers]
    found: dict[str, str] = {
        site.id: site.status for catalog in with_announced(study, catalogs) for site in catalog.sites
    }
    return found | {id_: "ga" for post in study.candidates.outposts for id_ in (post.id, *post.site_ids)}


def stamp(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
