"""RTO of the recovery ≤ rto, and RPO of the recovery ≤ rpo; without a home, y_j = 0 beside its standby; where
active/active runs nothing of its own, y_standby = 1."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from planner.rules.effect import Effect, Facts, Row
from planner.standby_regions import lacking, spared
from probes.duration import in_words


def effects(facts: Facts) -> tuple[Effect, ...]:
    """When a Region is lost, the data are back in time, and no more than the last few are missing; no site is
    open where it is not so, nor, without a home tier, where what stands by would be lost with it."""
    asked, recovery, home = facts.study.resilience, facts.inputs.recovery, facts.study.workload.home
    found, lacks = [], lacking(facts.study, facts.inputs)
    whose = "the home's data are" if home is not None else "the data of a lost Region are"
    apart = "" if home is not None else ", where no site was open"
    for name, limit, reached, words in (
        ("rto", asked.rto_s, math.inf if recovery is None else recovery.rto_s, "back within"),
        (
            "rpo",
            asked.rpo_s,
            math.inf if recovery is None else recovery.rpo_s,
            "back losing no more than the last",
        ),
    ):
        if limit is not None:
            sites = _outside(facts) if reached <= limit else np.zeros(len(facts.inputs.sites), dtype=bool)
            span = in_words(limit)
            if span != f"{limit:g}s":
                span += f" ({limit:g} s)"
            words = f"{whose} {words} {span}{apart}" + (f": that takes {lacks}" if lacks else "")
            found.append(Effect(name, words, sites=sites, rows=_serving(facts), lacks=lacks))
    return tuple(found)


def _serving(facts: Facts) -> tuple[Row, ...]:
    """One of the Regions that may stand by is open, where one must."""
    recovery = facts.inputs.recovery
    if recovery is None or not recovery.among:
        return ()
    among = np.array([float(site.id in recovery.among) for site in facts.inputs.sites])
    return (Row(1.0, math.inf, site=among),)


def _outside(facts: Facts) -> NDArray[np.bool_] | None:
    """(n,) True outside the standby; None where a home is what it stands by for, or backups stand in."""
    recovery, inputs = facts.inputs.recovery, facts.inputs
    if facts.study.workload.home is not None or recovery is None or recovery.standby is None:
        return None
    standby = next(site for site in inputs.sites if site.id == recovery.standby)
    return spared(facts.study.resilience, inputs, standby)
