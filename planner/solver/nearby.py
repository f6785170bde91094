"""The best sites near some others, promises at a price: a good answer to each of many problems, none proven.

From the best of the sets given, sites are opened, closed and swapped one for another (Teitz & Bart 1968) as
long as that makes a better placement (:mod:`softened`). A site that needs another one opens with it, and is
closed with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.solver.interrupt import stop_asked
from planner.solver.softened import Placed, Softened

Mask = NDArray[np.bool_]

MOST_SETS: Final = 1_500
"""So many sets of sites are looked at; one takes a fraction of a millisecond."""

BETTER: Final = 1e-9
"""Relative; less is rounding."""


def best_near(problem: Softened, starts: Iterable[Mask], most: int = MOST_SETS) -> Placed | None:
    """The best placement found from the best of ``starts``, sets of open sites (n,); None where a law leaves
    somebody without a site in each of them."""
    seen, sets = dict[bytes, Placed | None](), np.array(list(starts), dtype=bool)

    def look(sets: Mask) -> Placed | None:
        """The best of some sets that are not known yet."""
        best = None
        for is_open in sets[problem.stand(sets)] if len(sets) else ():
            key = is_open.tobytes()
            if key in seen or len(seen) >= most or stop_asked():
                continue
            found = seen[key] = problem.placed(is_open, rough=True)
            if found is not None and (best is None or found.value < best.value):
                best = found
        return best

    best = look(sets)
    while best is not None:
        found = look(_one_more_or_less(problem, best.open))
        if not _better(found, best):
            found = look(_swapped(problem, best.open))
        if found is None or not _better(found, best):
            break
        best = found
    ends = [*sets, *(() if best is None else (best.open,))]
    careful = [found for is_open in ends if (found := problem.placed(is_open)) is not None]
    return min(careful, key=lambda each: each.value, default=None)


def _better(found: Placed | None, best: Placed) -> bool:
    return found is not None and found.value < best.value - BETTER * abs(best.value)


def _one_more_or_less(problem: Softened, is_open: Mask) -> Mask:
    """(c, n) the sets with one site opened or closed."""
    closed = np.nonzero(~is_open & problem.problem.may_open)[0]
    more = [_opened(problem, is_open, int(j)) for j in closed]
    return np.array(more + [_closed(problem, is_open, int(j)) for j in np.nonzero(is_open)[0]])


def _swapped(problem: Softened, is_open: Mask) -> Mask:
    """(c, n) the sets with one site open in the place of another."""
    closed = np.nonzero(~is_open & problem.problem.may_open)[0]
    less = [(int(k), _closed(problem, is_open, int(k))) for k in np.nonzero(is_open)[0]]
    sets = [
        _opened(problem, fewer, int(j)) for k, fewer in less for j in closed if problem.needs.get(int(j)) != k
    ]
    return np.array(sets).reshape(-1, len(is_open))


def _opened(problem: Softened, is_open: Mask, site: int) -> Mask:
    more = is_open.copy()
    more[[site, problem.needs.get(site, site)]] = True
    return more


def _closed(problem: Softened, is_open: Mask, site: int) -> Mask:
    fewer = is_open.copy()
    fewer[[site, *(child for child, parent in problem.needs.items() if parent == site)]] = False
    return fewer
