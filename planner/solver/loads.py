"""What an open site may and must carry, read off the rows of single sites."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Row


@dataclass(frozen=True, slots=True)
class Loads:
    """(n,) the ``least`` and ``most`` share of demand an open site carries; 0 and inf where no row says."""

    least: NDArray[np.float64]
    most: NDArray[np.float64]


def loads_of(problem: Problem, *, besides: Collection[str] = ()) -> Loads:
    """The tightest of each site's rows load ≥ a·y and load ≤ b·y, of every rule ``besides`` these."""
    least, most = np.zeros(len(problem.site_ids)), np.full(len(problem.site_ids), np.inf)
    for rule, row in problem.rows:
        limit = None if rule in besides else _limit(row)
        if limit is None:
            continue
        j, share = limit
        if row.high == 0.0:
            most[j] = min(most[j], share)
        if row.low == 0.0:
            least[j] = max(least[j], share)
    return Loads(least, most)


def capacity_shares(problem: Problem) -> NDArray[np.float64]:
    """(n,) the share of demand a site can carry in a failure; inf where it grows.

    Every capacity holds then, whereas utilisation is what everyday's load leaves free for it.
    """
    rules = {rule for rule in problem.rules if not rule.startswith("capacity[")}
    return loads_of(problem, besides=rules).most


def _limit(row: Row) -> tuple[int, float] | None:
    """(site, share of demand) of a row on one site's load alone; None for any other."""
    if row.site is None or row.pair is None or row.pair.ndim != 1 or row.instance is not None:
        return None
    site, pair = np.nonzero(row.site)[0], np.nonzero(row.pair)[0]
    if len(site) != 1 or len(pair) != 1 or site[0] != pair[0]:
        return None
    j = int(site[0])
    return (j, float(-row.site[j] / row.pair[j])) if row.site[j] < 0 < row.pair[j] else None
