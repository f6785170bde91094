"""Shares counted from trials, with Wilson's bounds (Wilson 1927, J. Am. Stat. Assoc. 22:209).

    (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n),   z the two-sided normal quantile

Unlike p ± z √(p(1 - p)/n) they never leave [0, 1], and none lost of 20 is not a loss of nought for certain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from planner.latency.statistics import CONFIDENCE


def wilson(
    successes: ArrayLike, trials: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bound of the share, shaped like both broadcast; 0 and 1 where nothing was tried.

    ``trials`` may be an effective number, and so no whole one. Raises ``ValueError`` where more succeeded
    than were tried, or for a confidence outside (0, 1).
    """
    k, n = np.broadcast_arrays(*(np.asarray(each, dtype=np.float64) for each in (successes, trials)))
    if not 0.0 < confidence < 1.0 or np.any(k < 0.0) or np.any(k > n):
        raise ValueError("successes lie between 0 and the trials, and confidence in (0, 1)")
    z = float(ndtri(0.5 + confidence / 2.0))
    some = np.maximum(n, 1e-300)
    share, extra = k / some, z * z / some
    half = z * np.sqrt(share * (1.0 - share) / some + extra / (4.0 * some))
    low = np.where(n > 0.0, (share + extra / 2.0 - half) / (1.0 + extra), 0.0)
    high = np.where(n > 0.0, (share + extra / 2.0 + half) / (1.0 + extra), 1.0)
    # Rounding must not put the share itself outside.
    return np.clip(low, 0.0, np.where(n > 0.0, share, 0.0)), np.clip(high, share, 1.0)
