"""What is lost together, and what the backups must then take over, counted again for the audit.

Written from ``docs/design/0001-decision-model.md`` apart from ``planner/rules/survive.py`` and the solver.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planner.site_values import Site
from planner.study import Study


def losses(study: Study, sites: Sequence[Site]) -> tuple[frozenset[str], ...]:
    """The ids lost in each failure the study survives; a failure for every site, several may be the same."""
    survive, follow = study.resilience.survive, study.resilience.zones_fail_with_parent
    if survive == "none":
        return ()
    found = set[frozenset[str]]()
    for first in sites:
        gone = {first.id}
        if survive == "metro" and first.metro and first.kind != "outpost":
            metro = (first.country, first.metro)
            gone |= {s.id for s in sites if s.kind != "outpost" and (s.country, s.metro) == metro}
        if follow or survive == "region":
            gone |= {s.id for s in sites if s.kind in ("local_zone", "wavelength_zone") and s.parent in gone}
        found.add(frozenset(gone))
    return tuple(sorted(found, key=sorted))


def heaviest(
    study: Study,
    sites: Sequence[Site],
    column: NDArray[np.int64],
    standby: NDArray[np.int64],
    share: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(n,) the largest share of demand that one failure moves to each site.

    ``column`` and ``standby`` (m,): each client's site and backup, -1 where the plan names none.
    """
    worst = np.zeros(len(sites))
    for gone in losses(study, sites):
        lost = np.array([site.id in gone for site in sites], dtype=bool)
        moved = (column >= 0) & (standby >= 0)
        moved[moved] = lost[column[moved]]
        worst = np.maximum(worst, np.bincount(standby[moved], share[moved], len(sites)))
    return worst
