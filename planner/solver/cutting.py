"""Rows the lean model left out, found where a linear programme's solution violates them.

*Variable upper bounds*: x_gj ≤ y_j, one for each pair (Cornuéjols, Nemhauser & Wolsey 1990).

*Regional rounding*: clients that can be served within the SLO only from the sites J put their load there, or
leave it outside. With T instances' worth of load, b of it theirs and f = b − (⌈b⌉ − 1),

    Σ_J n_j + Σ_J min(1, a_j / f) y_j + (T / f) Σ share_g u_g ≥ ⌈b⌉,

the mixed-integer rounding (Nemhauser & Wolsey 1990) of "J carries b less what is outside", where an open
site carries a_j < 1 beyond its instances. Sites that are closed in the solution cost nothing on the left, so
only the open ones need be chosen among: all their subsets, by a sum over subsets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from planner.problem import Problem
from planner.solver.gathering import Gathered, regional_load
from planner.solver.highs import LinearProgram
from planner.solver.versions import places

Floats = NDArray[np.float64]

OPEN_AT_MOST = 14
"""So many open sites have all their subsets looked at: 2¹⁴ of them."""

VIOLATED = 1e-3
ROUNDED = 0.03
LEAST_PART = 0.05
"""Cuts with a smaller f are steep and change little."""

FEW_ROWS = 40
CUTS_A_ROUND = 12


@dataclass(slots=True)
class Cutter:
    """Adds violated rows to one linear programme; mutable, local to one solve."""

    problem: Problem
    lean: Gathered
    program: LinearProgram
    linked: NDArray[np.bool_] = field(init=False)
    place: NDArray[np.intp] = field(init=False)
    seen: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.linked = np.zeros(len(self.lean.pair), dtype=bool)
        self.place = places(self.problem)

    def link(self, pairs: NDArray[np.intp]) -> None:
        """Write x ≤ y for these pairs."""
        pairs = pairs[~self.linked[pairs]]
        if not len(pairs):
            return
        self.linked[pairs] = True
        columns = np.empty(2 * len(pairs), dtype=np.intp)
        columns[0::2] = self.lean.pair[pairs]
        columns[1::2] = self.lean.columns.open[self.lean.pair_site[pairs]]
        values = np.tile([1.0, -1.0], len(pairs))
        matrix = csr_array(
            (values, columns, np.arange(0, 2 * len(pairs) + 1, 2)), shape=(len(pairs), self.lean.model.width)
        )
        self.program.add_rows(matrix, np.full(len(pairs), -np.inf), np.zeros(len(pairs)))

    def written(self) -> NDArray[np.intp]:
        """(k, 2) client and site of every row x ≤ y that is written."""
        lean = self.lean
        at = self.linked
        return np.column_stack((lean.groups.first[lean.pair_group[at]], lean.pair_site[at]))

    def tight(self, x: Floats | None) -> NDArray[np.intp]:
        """(k, 2) client and site of the pairs written that are tight at ``x``."""
        lean = self.lean
        if x is None:
            return np.empty((0, 2), dtype=np.intp)
        tight = self.linked & (x[lean.pair] >= x[lean.columns.open[lean.pair_site]] - 1e-9)
        tight &= x[lean.pair] > 1e-9
        return np.column_stack((lean.groups.first[lean.pair_group[tight]], lean.pair_site[tight]))

    def cut(self, x: Floats) -> int:
        """Add rows that ``x`` violates; how many."""
        lean = self.lean
        over = x[lean.pair] - x[lean.columns.open[lean.pair_site]]
        violated = np.nonzero((over > VIOLATED) & ~self.linked)[0]
        self.link(violated)
        added = len(violated)
        if added < FEW_ROWS and lean.columns.instances.size:
            added += self._round(x)
        if added < FEW_ROWS:
            added += self.hand_over(x)
        return added

    def hand_over(self, x: Floats) -> int:
        """Add rows of N-1 that ``x`` violates; how many."""
        handover, added = self.lean.handover, 0
        if handover is not None:
            for rows in handover.violated(x):
                self.program.add_rows(*rows)
                added += rows[0].shape[0]
        return added

    def _round(self, x: Floats) -> int:
        lean, problem = self.lean, self.problem
        unit, extra = regional_load(problem)
        place = self.place
        count = int(place.max()) + 1
        opened = np.bincount(place, weights=x[lean.columns.open])
        run = np.bincount(place, weights=x[lean.columns.instances])
        carried = np.bincount(place, weights=np.minimum(extra, 1.0) * x[lean.columns.open])
        outside = x[lean.outside] if len(lean.outside) else np.zeros(len(lean.share))
        support = np.nonzero((opened > 1e-5) | (run > 1e-5))[0]
        chosen = support[np.argsort(-run[support], kind="stable")[:OPEN_AT_MOST]]
        reach = np.zeros((len(lean.share), count), dtype=bool)
        reach[lean.pair_group, place[lean.pair_site]] = True
        others = np.setdiff1d(support, chosen)
        whole = np.ones(count, dtype=bool)
        whole[place[~np.isfinite(extra)]] = False
        usable = (outside < 0.5) & ~reach[:, others].any(axis=1) & reach.any(axis=1) & (lean.share > 0)
        usable &= ~reach[:, ~whole].any(axis=1)
        members = reach[:, chosen] @ (1 << np.arange(len(chosen)))
        subsets = 1 << len(chosen)
        demand = np.bincount(members[usable], weights=lean.share[usable], minlength=subsets)
        left_out = np.bincount(members[usable], weights=(lean.share * outside)[usable], minlength=subsets)
        running, carrying = np.zeros(subsets), np.zeros(subsets)
        for bit, site in enumerate(chosen):
            for sums in (demand, left_out):
                halves = sums.reshape(-1, 2, 1 << bit)
                halves[:, 1] += halves[:, 0]
            running.reshape(-1, 2, 1 << bit)[:, 1] += run[site]
            carrying.reshape(-1, 2, 1 << bit)[:, 1] += carried[site]
        needed = unit * demand
        ceiling = np.ceil(needed - 1e-9)
        part = needed - (ceiling - 1)
        sound = (part >= LEAST_PART) & (ceiling > 0)
        part = np.where(sound, part, 1.0)
        short = np.where(sound, ceiling - running - carrying / part - unit / part * left_out, -1.0)
        added, taken = 0, list[int]()
        for subset in np.argsort(-short, kind="stable")[:300]:
            if short[subset] <= ROUNDED or added >= CUTS_A_ROUND:
                break
            if any((int(subset) ^ other).bit_count() <= 1 for other in taken):
                continue
            taken.append(int(subset))
            groups = np.nonzero(usable & ((members & ~subset) == 0))[0]
            if (key := groups.tobytes()) not in self.seen:
                self.seen.add(key)
                added += self._add_rounding(groups, reach[:, place], unit, extra)
        return added

    def _add_rounding(
        self, groups: NDArray[np.intp], reach: NDArray[np.bool_], unit: float, extra: Floats
    ) -> int:
        lean, problem = self.lean, self.problem
        sites = np.nonzero(reach[groups].any(axis=0))[0]
        load = unit * float(lean.share[groups].sum()) - 1e-9
        part = load - (math.ceil(load) - 1)
        carried = np.floor(extra[sites]) + np.minimum(1.0, (extra[sites] - np.floor(extra[sites])) / part)
        cloud = sites[problem.cloud[sites]]
        columns = [lean.columns.instances[cloud], lean.columns.open[sites]]
        values = [np.ones(len(cloud)), carried]
        if len(lean.outside):
            columns.append(lean.outside[groups])
            values.append(unit / part * lean.share[groups])
        index = np.concatenate(columns)
        matrix = csr_array(
            (np.concatenate(values), index, np.array([0, len(index)])), shape=(1, lean.model.width)
        )
        self.program.add_rows(matrix, np.array([float(math.ceil(load))]), np.array([np.inf]))
        return 1
