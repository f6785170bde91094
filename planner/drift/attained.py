"""What demand gets now at the sites that the plan assigns, and how sure that is. Pure.

A client keeps the promise where the asked quantile of its latency is within the SLO. Its lower bound within
it says that it may, its upper bound that it surely does; so bounds of latency become bounds of the share of
demand. A client whose site nobody measured lately counts with the plan's own figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.drift.saved_plan import SavedPlan
from planner.inputs import Inputs, at_home
from planner.study import Study


@dataclass(frozen=True, slots=True)
class Attained:
    """Shares of demand within ``slo_ms``: ``lower``, ``estimate`` and ``upper``, from bounds of 95 % for each
    pair; ``at_most`` from bounds that hold for all pairs at once, but for one check in a hundred.

    ``promised``: what the study asks; ``planned``: what the plan expected; ``fresh``: the share of demand
    whose pair was measured lately. Without an SLO everything is within it.
    """

    slo_ms: float | None
    promised: float
    planned: float
    lower: float
    estimate: float
    upper: float
    at_most: float
    fresh: float

    @property
    def missed(self) -> bool:
        """Whether the promise is broken beyond doubt."""
        return self.slo_ms is not None and self.at_most < self.promised * (1 - 1e-9)


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """Each client at its assigned site: ``estimate``, ``lower`` and ``upper`` (m,) in ms, inf where there is
    no such site any more; ``vantage`` (m,): the index of who was measured from, -1 for nobody."""

    estimate_ms: NDArray[np.float64]
    lower_ms: NDArray[np.float64]
    upper_ms: NDArray[np.float64]
    vantage: NDArray[np.int32]


def served(saved: SavedPlan, study: Study, inputs: Inputs) -> Served:
    """What ``inputs`` say of each client at the site the plan assigns it to."""
    homes = {each.site.id for each in inputs.homes}
    matrix = at_home(study, inputs, saved.home if saved.home in homes else None).matrix
    column = {site: j for j, site in enumerate(matrix.site_ids)}
    at = np.array([column.get(saved.served[client].site, -1) for client in matrix.client_ids])
    rows = np.arange(len(at))
    estimate, lower, upper = (
        np.where(at >= 0, each[rows, at], np.inf)
        for each in (matrix.estimate_ms, matrix.lower_ms, matrix.upper_ms)
    )
    return Served(estimate, lower, upper, np.where(at >= 0, inputs.matrix.vantage[rows, at], -1))


def speakers(
    saved: SavedPlan, inputs: Inputs, who: Served, probed_as: Mapping[str, str]
) -> tuple[tuple[str, str] | None, ...]:
    """(m,) the pair of vantage and site that speaks for each client, None for none. ``probed_as``: of a size
    of a rack, the rack."""
    names = inputs.matrix.vantages
    sites = [saved.served[client].site for client in inputs.matrix.client_ids]
    return tuple(
        (names[vantage], probed_as.get(site, site)) if vantage >= 0 else None
        for vantage, site in zip(who.vantage.tolist(), sites, strict=True)
    )


def attained(
    saved: SavedPlan,
    study: Study,
    share: NDArray[np.float64],
    now: Served,
    sure: Served,
    fresh: NDArray[np.bool_],
) -> Attained:
    """The shares; ``share`` (m,) is each client's of demand, ``sure`` has the bounds for all pairs at once,
    ``fresh`` (m,) says who was measured lately."""
    slo = study.latency.slo_ms

    def within(latency: NDArray[np.float64]) -> float:
        return 1.0 if slo is None else float(share[latency <= slo].sum())

    return Attained(
        slo_ms=slo,
        promised=study.latency.coverage if slo is not None else 0.0,
        planned=saved.coverage,
        lower=within(now.upper_ms),
        estimate=within(now.estimate_ms),
        upper=within(now.lower_ms),
        at_most=within(sure.lower_ms),
        fresh=float(share[fresh].sum()),
    )
