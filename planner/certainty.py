"""How likely a plan keeps its promise: its clients' latencies drawn from what is known of them.

    P(Σ_i share_i · [latency_i ≤ slo_ms] ≥ coverage)

over draws of all latencies together (:mod:`planner.latency.draws`), assignments as planned. A plan on
estimates that just reaches its coverage seldom keeps it: it was chosen for what is estimated too low, and a
truth is further above its estimate than below. Planning with the upper bound buys the rest.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.inputs import Inputs
from planner.latency.draws import errors_of
from planner.latency.proportions import wilson
from planner.plan import Certainty
from planner.study import Study

DRAWS: Final = 500
SEED: Final = 20_240_229
"""Fixed, so that the same inputs give the same plan; nothing hangs on its value."""

RANGE: Final = (0.05, 0.95)


def certainty_of(
    study: Study, inputs: Inputs, assignment: NDArray[np.intp], share: NDArray[np.float64], draws: int = DRAWS
) -> Certainty:
    """Of a plan that serves client i (m,) from site ``assignment[i]``; ``share`` (m,) of demand sums to 1."""
    clients = np.arange(len(assignment))
    errors = errors_of(inputs.matrix, inputs.demand, inputs.sites, clients, assignment)
    latency = np.array([errors.draw(SEED, number) for number in range(draws)])
    mean = (latency * share).sum(axis=1)
    slowest = np.argsort(latency, axis=1)
    reached = np.cumsum(share[slowest], axis=1)
    at = np.minimum((reached < 0.95 - 1e-12).sum(axis=1), len(share) - 1)
    p95 = latency[np.arange(draws), slowest[np.arange(draws), at]]
    slo = study.latency.slo_ms
    if slo is None:
        return Certainty(draws, None, None, None, None, _range(mean), _range(p95), ())
    within = latency <= slo
    coverage = (within * share).sum(axis=1)
    kept = int((coverage >= study.latency.coverage - 1e-9).sum())
    low, high = wilson(kept, draws)
    return Certainty(
        draws, kept / draws, float(low), float(high), _range(coverage), _range(mean), _range(p95),
        _in_doubt(inputs, assignment, share, within.mean(axis=0)),
    )  # fmt: skip


def _in_doubt(
    inputs: Inputs, assignment: NDArray[np.intp], share: NDArray[np.float64], chance: NDArray[np.float64]
) -> tuple[tuple[str, float], ...]:
    """Sites by the demand that is neither surely within the SLO nor surely outside it, most first."""
    doubt = np.bincount(assignment, share * 2.0 * np.minimum(chance, 1.0 - chance), len(inputs.sites))
    most = [int(j) for j in np.argsort(-doubt, kind="stable")[:3] if doubt[j] > 5e-4]
    return tuple((inputs.sites[j].id, float(doubt[j])) for j in most)


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    # Order statistics and no interpolation: between two finite values and an infinite one lies nothing.
    low, high = np.quantile(values, RANGE, method="inverted_cdf")
    return float(low), float(high)
