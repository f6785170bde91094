"""How much of the service each client needs: shares of demand, load and traffic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.inputs import Inputs
from planner.study import Study

HOURS_PER_MONTH = 730.0
OVERLOAD = 0.02
"""The part of one instance by which a site may be overloaded before it needs another.

Nobody knows ``rps_per_instance`` to two per cent; and with no tolerance at all round figures (12,000
requests over instances of 400) would make every plan a perfect packing of cities into machines.
"""

KB_PER_GB = 1.0e6
"""Decimal kilobytes and gigabytes."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """Per client: ``share`` of demand (m,), sums to 1. ``peak_rps`` and ``gb_month`` are totals.

    Because every load and every byte is proportional to a client's share, coefficients are kept per unit
    of share and multiplied once. ``rps_per_instance`` is what an instance is given to carry at the peak, the
    study's headroom left free.
    """

    share: NDArray[np.float64]
    peak_rps: float
    gb_month: float
    rps_per_instance: float
    min_instances: int


def size(study: Study, inputs: Inputs) -> Sizing:
    """The sizing of a study's demand. The weights' sum is positive (the loader refuses anything else)."""
    weight = inputs.demand.weight
    share = np.asarray(weight / weight.sum(), dtype=np.float64)
    share.flags.writeable = False
    return Sizing(
        share=share,
        peak_rps=study.demand.peak_rps,
        gb_month=study.demand.requests_per_month * study.workload.response_kb / KB_PER_GB,
        rps_per_instance=study.workload.rps_per_instance / (1.0 + study.workload.headroom),
        min_instances=study.workload.min_instances,
    )


def by_internet(study: Study, inputs: Inputs) -> NDArray[np.float64]:
    """(n,) the part of a site's traffic that leaves by the internet; the rest goes by Direct Connect."""
    return np.array(
        [1.0 if price.direct_gb is None else 1.0 - study.network.share for price in inputs.prices]
    )


def instances_for(load_rps: float, sizing: Sizing) -> int:
    """Whole instances an open site runs: enough for its peak, never fewer than the study's minimum."""
    return max(sizing.min_instances, int(np.ceil(load_rps / sizing.rps_per_instance - OVERLOAD)))
