"""What a rule does to the problem: forbid sites, forbid pairs, or add linear rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.costs.terms import CostTerms
from planner.inputs import Inputs
from planner.sizing import Sizing
from planner.study import Study


@dataclass(frozen=True, slots=True)
class Facts:
    """What every rule may look at. ``latency_ms`` (m, n): the number the study plans with."""

    study: Study
    inputs: Inputs
    sizing: Sizing
    latency_ms: NDArray[np.float64]
    cost: CostTerms


@dataclass(frozen=True, slots=True)
class Row:
    """``low`` ≤ Σ site·y + Σ instance·n + Σ share_i·pair_ij·x_ij ≤ ``high``.

    ``site`` and ``instance``: (n,) or None. ``pair``: coefficients per unit of share, (n,) where all
    clients have the same, else (m, n); or None.
    """

    low: float
    high: float
    site: NDArray[np.float64] | None = None
    instance: NDArray[np.float64] | None = None
    pair: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """One rule at work. ``rule`` is the name people see. Masks are True where allowed; None = no say."""

    rule: str
    words: str
    sites: NDArray[np.bool_] | None = None
    pairs: NDArray[np.bool_] | None = None
    rows: tuple[Row, ...] = ()
