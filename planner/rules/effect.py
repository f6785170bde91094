"""What a rule does to the problem: forbid sites, forbid pairs, add linear rows, or ask groups to be hit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

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
    """``low`` ≤ Σ site·y + Σ instance·n + Σ share_i·pair_ij·x_ij + volume·(what falls with it) ≤ ``high``.

    ``site`` and ``instance``: (n,) or None. ``pair``: coefficients per unit of share, (n,) where all
    clients have the same, else (m, n); or None. ``volume``: times the part of the cost that falls with
    volume (:class:`planner.costs.Lines`), in dollars.
    """

    low: float
    high: float
    site: NDArray[np.float64] | None = None
    instance: NDArray[np.float64] | None = None
    pair: NDArray[np.float64] | None = None
    volume: float = 0.0


@dataclass(frozen=True, slots=True)
class Failover:
    """What may fail, and who may stand in.

    ``domains`` (k, n): a row for each set of sites that fail together, none inside another. ``backups``
    (m, n): True where the site may be the client's backup, as far as its own site does not fail with it.
    """

    domains: NDArray[np.bool_]
    backups: NDArray[np.bool_]

    @property
    def together(self) -> NDArray[np.bool_]:
        """(n, n) True where some failure takes both sites, and on the diagonal."""
        return _together(self.domains.tobytes(), *self.domains.shape)

    def backed(self, is_open: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """(m, n) True where a client served at that site has a backup (among the open sites)."""
        backups = self.backups if is_open is None else self.backups & is_open
        return np.asarray(backups.astype(np.float32) @ (~self.together).astype(np.float32) > 0.5)


@lru_cache(maxsize=16)
def _together(domains: bytes, failures: int, sites: int) -> NDArray[np.bool_]:
    """Asked for time and again of the same failures."""
    fail = np.frombuffer(domains, dtype=np.bool_).reshape(failures, sites).astype(np.float32)
    together = np.asarray(fail.T @ fail > 0.5) | np.eye(sites, dtype=bool)
    together.flags.writeable = False
    return together


@dataclass(frozen=True, slots=True)
class Cover:
    """At least ``at_least`` of the ``groups`` (g, n) of sites have an open one. Groups may overlap."""

    at_least: int
    groups: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Effect:
    """One rule at work. ``rule`` is the name people see. Masks are True where allowed; None = no say.

    ``of_backups``: whether ``pairs`` binds a client's backup, too; a law does, everyday's latency does not.
    ``lacks``: what the candidates lack for the rule to hold at all, whatever number it asks.
    """

    rule: str
    words: str
    sites: NDArray[np.bool_] | None = None
    pairs: NDArray[np.bool_] | None = None
    rows: tuple[Row, ...] = ()
    of_backups: bool = True
    failover: Failover | None = None
    covers: tuple[Cover, ...] = ()
    lacks: str = ""
