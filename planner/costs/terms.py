"""The shape every cost item has: linear in open sites, whole instances and shares of demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Lines:
    """What falls with volume: the least of K straight lines in the share served, arrays (n, K).

    A line costs ``fixed`` + ``per_share`` × share, never negative; it is the least from ``starts`` on. Rows
    with fewer lines end in lines that start at infinity.
    """

    fixed: NDArray[np.float64]
    per_share: NDArray[np.float64]
    starts: NDArray[np.float64]

    def of(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., n) what each site pays for the share (..., n) it serves."""
        known = np.isfinite(self.starts)
        every = self.fixed + self.per_share * share[..., None]
        return np.asarray(np.where(known, every, np.inf).min(axis=-1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class CostTerms:
    """One cost item, US dollars per month, each array (n,) over sites.

    An open site costs ``fixed`` + ``per_instance`` × instances + ``per_share`` × the share of demand it
    serves, and ``lines`` where the price falls with volume. ``per_share`` is then the least rate, so that
    without the lines it is a lower bound.
    """

    name: str
    fixed: NDArray[np.float64]
    per_instance: NDArray[np.float64]
    per_share: NDArray[np.float64]
    lines: Lines | None = None

    def of(self, site: int, instances: int, share: float) -> float:
        """What one open site pays for this item."""
        cost = float(self.fixed[site] + self.per_instance[site] * instances + self.per_share[site] * share)
        if self.lines is None:
            return cost
        return cost + float(self.lines.of(np.full(len(self.fixed), share))[site])


def total(terms: Sequence[CostTerms]) -> CostTerms:
    """All items in one, of which one at most falls with volume."""
    falling = [item.lines for item in terms if item.lines is not None]
    if len(falling) > 1:
        raise ValueError("the prices of two items fall with volume; only the sum of one is known here")
    return CostTerms(
        "total",
        np.sum([item.fixed for item in terms], axis=0),
        np.sum([item.per_instance for item in terms], axis=0),
        np.sum([item.per_share for item in terms], axis=0),
        falling[0] if falling else None,
    )
