"""The shape every cost item has: linear in open sites, whole instances and shares of demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CostTerms:
    """One cost item, US dollars per month, each array (n,) over sites.

    An open site costs ``fixed`` + ``per_instance`` × instances + ``per_share`` × the share of demand it
    serves.
    """

    name: str
    fixed: NDArray[np.float64]
    per_instance: NDArray[np.float64]
    per_share: NDArray[np.float64]

    def of(self, site: int, instances: int, share: float) -> float:
        """What one open site pays for this item."""
        return float(self.fixed[site] + self.per_instance[site] * instances + self.per_share[site] * share)


def total(terms: Sequence[CostTerms]) -> CostTerms:
    """All items in one."""
    return CostTerms(
        "total",
        np.sum([item.fixed for item in terms], axis=0),
        np.sum([item.per_instance for item in terms], axis=0),
        np.sum([item.per_share for item in terms], axis=0),
    )
