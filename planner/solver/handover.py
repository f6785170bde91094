"""Rows of N-1 over divisible demand: when a failure domain D is lost, what it served has somewhere to go.

While D is down, share v of demand that a model's column brings to a site of D moves to sites outside where
its backup is allowed, and a site holds n_b + OVERLOAD·y_b instances' worth (a rack: its capacity). Such moves
exist if and only if no cut of a flow network falls short (Ford & Fulkerson 1956): for every set T of sites
outside D,

    Σ_{T} capacity_b  ≥  Σ_{T} load_b  +  Σ load of D that can go nowhere but to T.

Whole clients with one backup each are such moves, so every row is valid; found where a point violates it, it
is known by D and T alone and can be written over any model of the same problem.

Two kinds more need no point. With clients that have nowhere but J = D ∪ T, b instances' worth of them, and
f = b − (⌈b⌉ − 1), the rounding of the row, as in :mod:`cutting`:

    Σ_T n_b + Σ_T min(1, OVERLOAD / f) y_b  ≥  ⌈b⌉.

And their number (:mod:`counting`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from planner.problem import Problem
from planner.sizing import OVERLOAD
from planner.solver.counting import envelope, least_instances
from planner.solver.formulation import Columns, Flows
from planner.solver.loads import capacity_shares
from planner.solver.transport import saturate

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

VIOLATED = 1e-4
"""In instances."""

LEAST_PART = 0.05
MOST_SITE_ROWS, MOST_STAND_ROWS = 30, 200
LEAST_LAW = 0.005
"""Clients under one law are looked at by themselves from this share of demand on."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The sites lost, by the number of their domain, and T (n,)."""

    domain: int
    into: Mask

    @property
    def key(self) -> tuple[int, bytes]:
        """What tells it from others."""
        return self.domain, self.into.tobytes()


@dataclass(slots=True)
class Handover:
    """Writes and finds rows for one model; mutable: it remembers what is written.

    ``reach`` (R, n): sites that may stand in for somebody of a group or pool; ``row`` (V,): where the
    columns of ``flows`` stand in it. ``home`` (R,): for a group followed by sites the row of the pool it may
    flow to besides, −1 for none, and for a pool itself −2; ``outside`` (R,): the column with its part there.
    ``weight`` (R,): shares. ``carries`` (n,): columns with the load of each site, in instances.
    """

    problem: Problem
    columns: Columns
    flows: Flows
    reach: Mask
    row: NDArray[np.intp]
    home: NDArray[np.intp]
    outside: NDArray[np.intp]
    weight: Floats
    carries: NDArray[np.intp]
    apart: Floats = field(init=False)
    domains: Mask = field(init=False)
    unit: float = field(init=False)
    load: Floats = field(init=False)
    per_site: Floats = field(init=False)
    carried: Floats = field(init=False)
    written: set[tuple[int, bytes]] = field(default_factory=set)
    sites_written: set[bytes] = field(default_factory=set)
    stand_written: set[tuple[int, int]] = field(default_factory=set)
    laws: list[Mask] = field(init=False)
    needed: list[float] = field(init=False)

    def __post_init__(self) -> None:
        problem = self.problem
        assert problem.failover is not None
        sizing = problem.sizing
        self.domains = problem.failover.domains & problem.may_open
        self.apart = (~problem.failover.together & problem.may_open[:, None]).astype(np.float32)
        self.unit = sizing.peak_rps / sizing.rps_per_instance
        self.load = self.flows.share * self.unit
        most = capacity_shares(problem) * self.unit
        grows = OVERLOAD if self.columns.instances.size else self.unit
        self.per_site = np.where(problem.cloud, grows, np.where(np.isfinite(most), most, self.unit))
        self.laws = list(self._laws())
        self.needed = [self.unit * float(sizing.share[self._inside(law)].sum()) for law in self.laws]

    def _laws(self) -> Iterator[Mask]:
        """Sets of sites that hold all that some large part of demand may ever use."""
        everywhere = self.problem.may_open
        yield everywhere
        assert self.problem.failover is not None
        legal = np.isfinite(self.problem.latency_ms) & everywhere
        for effect in self.problem.effects:
            if effect.pairs is not None and effect.of_backups:
                legal &= effect.pairs
        sets, which = np.unique(legal, axis=0, return_inverse=True)
        share = np.bincount(which.reshape(-1), weights=self.problem.sizing.share, minlength=len(sets))
        for j in np.argsort(-share, kind="stable")[:12]:
            if share[j] >= LEAST_LAW and (sets[j] != everywhere).any():
                yield sets[j]

    def _inside(self, law: Mask) -> Mask:
        """(m,) clients that neither have nor may have anything else."""
        assert self.problem.failover is not None
        beyond = (self.problem.allowed | self.problem.failover.backups) & ~law
        return np.array(~beyond.any(axis=1), dtype=bool)

    def _stays(self, cut: Cut) -> Mask:
        """(R, n) whether what the row brings to a site of D can go nowhere but to T."""
        beyond = self.reach & (self.problem.may_open & ~cut.into)
        gone = np.nonzero(self.domains[cut.domain])[0]
        stays = np.zeros(self.reach.shape, dtype=bool)
        stays[:, gone] = beyond.astype(np.float32) @ self.apart[:, gone] < 0.5
        return stays

    def rows(self, cuts: Iterable[Cut]) -> tuple[csr_array, Floats, Floats]:
        """The rows of some cuts, each with its rounding where there is one: matrix, lower and upper sides."""
        index, value, start, low = list[NDArray[np.intp]](), list[Floats](), [0], list[float]()
        for cut in cuts:
            self.written.add(cut.key)
            stays = self._stays(cut)
            for columns, values, side in self._rows_of(cut, stays):
                index.append(columns)
                value.append(values)
                start.append(start[-1] + len(columns))
                low.append(side)
        matrix = csr_array(
            (np.concatenate(value or [np.empty(0)]), np.concatenate(index or [np.empty(0, np.intp)]), start),
            shape=(len(low), self.columns.model.width),
        )
        return matrix, np.array(low), np.full(len(low), np.inf)

    def _rows_of(self, cut: Cut, stays: Mask) -> Iterator[tuple[NDArray[np.intp], Floats, float]]:
        flows, columns = self.flows, self.columns
        into = np.nonzero(cut.into)[0]
        cloud = into[self.problem.cloud[into]] if columns.instances.size else into[:0]
        stuck = stays[self.row, flows.site]
        gone = self.domains[cut.domain]
        # A site all of whose clients stay is one column: what it carries.
        mixed = np.bincount(flows.site[~stuck], minlength=len(gone)) > 0
        loaded = np.nonzero(cut.into | (gone & ~mixed))[0]
        alone = stuck & mixed[flows.site]
        parts = [columns.instances[cloud], columns.open[into], self.carries[loaded], flows.variable[alone]]
        values = [
            *(np.ones(len(cloud)), self.per_site[into]),
            *(np.full(len(loaded), -1.0), -self.load[alone]),
        ]
        yield np.concatenate(parts), np.concatenate(values), 0.0
        if columns.instances.size:
            yield from self._rounded(cut, stuck, into, cloud)

    def _rounded(
        self, cut: Cut, stuck: Mask, into: NDArray[np.intp], cloud: NDArray[np.intp]
    ) -> Iterator[tuple[NDArray[np.intp], Floats, float]]:
        counted = cut.into[self.flows.site] | stuck
        lost = np.bincount(self.row[~counted], minlength=len(self.reach)) > 0
        pool = self.home == -2
        whole = ~pool & ~lost & (self.weight > 0)
        partly = whole & ~np.append(pool & ~lost, True)[self.home]  # what its pool takes is not counted
        needed = self.unit * float(self.weight[whole].sum()) - 1e-9
        part = needed - (math.ceil(needed) - 1)
        if needed <= 0 or part < LEAST_PART:
            return
        size = self.per_site[into]
        carried = np.floor(size) + np.minimum(1.0, (size - np.floor(size)) / part)
        parts = [self.columns.instances[cloud], self.columns.open[into], self.outside[partly]]
        values = [np.ones(len(cloud)), carried, self.unit / part * self.weight[partly]]
        yield np.concatenate(parts), np.concatenate(values), float(math.ceil(needed))

    def write_first(self) -> None:
        """What needs no point: that any domain is lost among all sites, and how many instances that takes."""
        everywhere = self.problem.may_open
        self.add(Cut(d, everywhere & ~lost) for d, lost in enumerate(self.domains) if lost.any())
        if self.columns.instances.size:
            for law in self.laws:
                self._count(law)

    def add(self, cuts: Iterable[Cut]) -> None:
        """Write the rows into the model itself."""
        self._write(*self.rows(cuts))

    def _write(self, matrix: csr_array, low: Floats, high: Floats) -> None:
        entries = matrix.tocoo()
        self.columns.model.rows(len(low), low, high, (entries.row, entries.col, entries.data))

    def _count(self, law: Mask) -> None:
        problem = self.problem
        cloud, racks = np.nonzero(law & problem.cloud)[0], law & ~problem.cloud
        needed = self.unit * float(problem.sizing.share[self._inside(law)].sum()) - float(
            self.per_site[racks].sum()
        )
        least = least_instances(needed, len(cloud), problem.sizing.min_instances)
        if needed <= 0 or len(least) < 1:
            return
        model, columns = self.columns.model, self.columns
        model.rows(1, 2.0, np.inf, (0, columns.open[cloud], 1.0))
        for slope, fixed in envelope(least):
            model.rows(1, fixed, np.inf, (0, columns.instances[cloud], 1.0), (0, columns.open[cloud], -slope))

    def separate(self, x: Floats) -> list[Cut]:
        """Cuts that a point violates and that are not written yet."""
        brought = self.load * x[self.flows.variable]
        opened = x[self.columns.open]
        held = self.per_site * opened
        if self.columns.instances.size:
            held = held + np.where(self.problem.cloud, x[self.columns.instances], 0.0)
        elif self.unit > 0:
            held = np.where(self.problem.cloud & (opened > 1e-6), np.inf, held)
        spare = held - np.bincount(self.flows.site, weights=brought, minlength=len(held))
        found = []
        for domain in range(len(self.domains)):
            cut = self._least_cut(domain, brought, spare)
            if cut is not None and cut.key not in self.written:
                found.append(cut)
        if self.columns.instances.size:
            found += self._short_under_law(x, held, {cut.key for cut in found} | self.written)
        settled = bool((np.abs(opened - np.rint(opened)) < 1e-6).all())
        return found + [cut for cut in self._alike(found) if settled or self._is_violated(cut, x)]

    def _is_violated(self, cut: Cut, x: Floats) -> bool:
        matrix, low, _ = self.rows([cut])
        self.written.discard(cut.key)
        return bool((matrix @ x < low - VIOLATED).any())

    def _alike(self, found: list[Cut]) -> list[Cut]:
        """The same region J when another of its domains is lost: what is short of room then is so, soon."""
        known = {cut.key for cut in found} | self.written
        more = []
        for region in {(cut.into | self.domains[cut.domain]).tobytes() for cut in found}:
            sites = np.frombuffer(region, dtype=bool)
            for domain in np.nonzero((self.domains & sites).any(axis=1))[0]:
                cut = Cut(int(domain), sites & ~self.domains[domain])
                if cut.key not in known:
                    more.append(cut)
        return more

    def _short_under_law(self, x: Floats, held: Floats, known: set[tuple[int, bytes]]) -> list[Cut]:
        """Cuts into all that a law leaves, where its clients alone need a whole instance more."""
        found = []
        for law, needed in zip(self.laws[1:], self.needed[1:], strict=True):
            left = float(held[law].sum()) - (self.domains & law) @ held
            for domain in np.nonzero((left < math.ceil(needed - 1e-9)) & (self.domains & law).any(axis=1))[0]:
                cut = Cut(int(domain), law & ~self.domains[domain])
                if cut.key not in known and self._is_violated(cut, x):
                    found.append(cut)
        return found

    def _least_cut(self, domain: int, brought: Floats, spare: Floats) -> Cut | None:
        """The most violated row for one domain, None where everything finds its place."""
        lost = self.domains[domain]
        moved = np.nonzero(lost[self.flows.site] & (brought > 1e-9))[0]
        if not len(moved):
            return None
        may = self.reach[self.row[moved]] & (self.apart[:, self.flows.site[moved]].T > 0.5)
        into = np.nonzero(~lost & (spare > 1e-9))[0]
        amount = brought[moved]
        total = float(amount.sum())
        kinds, which = np.unique(np.packbits(may[:, into], axis=1), axis=0, return_inverse=True)
        which = which.reshape(-1)
        need: Floats = np.bincount(which, weights=amount, minlength=len(kinds)).astype(np.float64)
        options = np.unpackbits(kinds, axis=1, count=len(into)).astype(bool)
        flow, source_side = saturate(need, options, np.minimum(spare[into], total))
        if flow >= total - VIOLATED:
            return None
        stuck = source_side[which]
        return Cut(domain, np.array(may[stuck].any(axis=0), dtype=bool))

    def site_rows(self, x: Floats) -> tuple[csr_array, Floats, Floats]:
        """Rows on y that ``x`` violates: a client needs some open site that may stand in for it, and of all
        that may serve it or stand in one that is left when a domain is lost."""
        problem = self.problem
        assert problem.failover is not None
        opened = x[self.columns.open]
        backups = np.unique(problem.failover.backups, axis=0)
        found = [self._fresh(sites) for sites in backups[backups @ opened < 1 - 1e-3][:MOST_SITE_ROWS]]
        sets = np.unique(problem.allowed | problem.failover.backups, axis=0)
        left = (sets @ opened)[:, None] - sets @ (self.domains * opened).T
        for flat in np.argsort(left, axis=None, kind="stable")[:MOST_SITE_ROWS]:
            row, domain = divmod(int(flat), len(self.domains))
            if left[row, domain] < 1 - 1e-3:
                found.append(self._fresh(sets[row] & ~self.domains[domain]))
        rows = [sites for sites in found if sites is not None]
        which, site = np.nonzero(np.array(rows, dtype=bool).reshape(len(rows), len(opened)))
        matrix = csr_array((np.ones(len(which)), (which, self.columns.open[site])), shape=(len(rows), len(x)))
        return matrix, np.ones(len(rows)), np.full(len(rows), np.inf)

    def stand_rows(self, x: Floats) -> tuple[csr_array, Floats, Floats]:
        """Of what a group has at the sites of D: at most what is open elsewhere of its backups."""
        group = np.nonzero(self.home[self.row] != -2)[0]
        served = np.zeros(self.reach.shape)
        served[self.row[group], self.flows.site[group]] = x[self.flows.variable[group]]
        opened = x[self.columns.open]
        left = (self.reach @ opened)[:, None] - self.reach @ (self.domains * opened).T
        over = served @ self.domains.T - left
        over[self.home == -2] = 0.0
        violated = np.argsort(-over, axis=None, kind="stable")[:MOST_STAND_ROWS]
        index, value, start = list[NDArray[np.intp]](), list[Floats](), [0]
        for row, domain in zip(*np.unravel_index(violated, over.shape), strict=True):
            if over[row, domain] <= 1e-3 or (row, domain) in self.stand_written:
                continue
            self.stand_written.add((int(row), int(domain)))
            mine = np.nonzero((self.row == row) & self.domains[domain][self.flows.site])[0]
            others = np.nonzero(self.reach[row] & self.problem.may_open & ~self.domains[domain])[0]
            index += [self.flows.variable[mine], self.columns.open[others]]
            value += [np.full(len(mine), -1.0), np.ones(len(others))]
            start.append(start[-1] + len(mine) + len(others))
        count = len(start) - 1
        matrix = csr_array(
            (np.concatenate(value or [np.empty(0)]), np.concatenate(index or [np.empty(0, np.intp)]), start),
            shape=(count, len(x)),
        )
        return matrix, np.zeros(count), np.full(count, np.inf)

    def _fresh(self, sites: Mask) -> Mask | None:
        """The sites of a row on y that is not written yet."""
        if (key := sites.tobytes()) in self.sites_written:
            return None
        self.sites_written.add(key)
        return sites

    def tighten(self, x: Floats) -> int:
        """Write into the model what a point violates; how many rows."""
        added = 0
        for rows in self.violated(x):
            added += rows[0].shape[0]
            self._write(*rows)
        return added

    def violated(self, x: Floats) -> Iterator[tuple[csr_array, Floats, Floats]]:
        """All the rows that a point violates and that are not written yet; they count as written then."""
        yield self.site_rows(x)
        yield self.stand_rows(x)
        yield self.rows(self.separate(x))
