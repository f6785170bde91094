"""The share of probes that never came back, with bounds. Pure.

    loss ratio = lost / sent     (round-trip loss: RFC 6673, whose T-max is the agent's timeout)

Its bounds are Wilson's (:mod:`planner.latency.proportions`), of as many trials as the samples are worth
(:mod:`planner.latency.effective`), for losses come in bursts. They are no point where nothing was lost: of
20 probes all answered, up to 16 % may be lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.latency.proportions import wilson
from planner.latency.statistics import CONFIDENCE


@dataclass(frozen=True, slots=True)
class LossRatio:
    """``ratio`` with ``lower`` ≤ ratio ≤ ``upper``, float64, shaped like what they were made from."""

    ratio: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


def loss_ratio(
    lost: ArrayLike, sent: ArrayLike, effective: ArrayLike | None = None, confidence: float = CONFIDENCE
) -> LossRatio:
    """``lost`` of ``sent`` ≥ 1 probes, worth ``effective`` independent ones (default: as many as were sent).

    Raises ``ValueError`` outside these ranges.
    """
    gone, probes = np.asarray(lost, dtype=np.float64), np.asarray(sent, dtype=np.float64)
    worth = probes if effective is None else np.minimum(np.asarray(effective, dtype=np.float64), probes)
    if np.any(probes < 1.0) or np.any(gone < 0.0) or np.any(gone > probes) or np.any(worth <= 0.0):
        raise ValueError("of one probe or more, none to all are lost")
    ratio = gone / probes
    lower, upper = wilson(ratio * worth, worth, confidence)
    return LossRatio(ratio, np.minimum(lower, ratio), np.maximum(upper, ratio))
