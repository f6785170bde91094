"""Capacitated facility location that survives failures, to a proven gap: CFLP with N-1 redundancy.

Sites j may open (y_j ∈ {0, 1}) at f_j. Client i has a demand d_i ≥ 0 that may be split; share x_ij ≥ 0 of
it is served at site j, where assignment is allowed (residency, latency), at c_ij x_ij. A failure domain D
is a set of sites that fail together (a site, a metro, a Region with its zones). While D is down, what it
served moves: share r_ij^D ≥ 0 to open sites j ∉ D where the *backup* of i is allowed; everything else stays
where it is.

    min  Σ_j f_j y_j + Σ_ij c_ij x_ij
    Σ_j x_ij = 1                                                        every client i is served
    x_ij ≤ y_j,   Σ_i d_i x_ij ≤ cap_j y_j                              by open sites, within capacity
    Σ_{j∉D} r_ij^D = Σ_{j∈D} x_ij,   r_ij^D ≤ y_j                       every i, D: all of it moves
    Σ_i d_i (x_ij + r_ij^D) ≤ cap_j y_j                                 every D, j ∉ D: and there is room
    min_open ≤ Σ_j y_j ≤ max_open

A client without demand is served, and moved, all the same. One domain fails at a time; what survives D
survives every part of D, so domains inside another are left out. Capacities and sums hold to 1e-6 of the
whole demand.

The r are never written: they exist for (x, y) if and only if no cut of a flow network falls short, and
violated cuts become rows (:mod:`separation`). The steps: a weak LP with rows and pairs added where they are
missing (:mod:`root`), rows on the open sites alone (:mod:`covering`), the Lagrangian bound of its duals,
which no tolerance enters, and what it fixes (:mod:`lagrangian`), incumbents from a kernel of cheap pairs,
and branch and bound by HiGHS on what is left, in rounds of violated rows, each a relaxation
(:mod:`branching`).

More clients than that are aggregated first, with a proven error (:mod:`aggregation`).

Literature: Cornuéjols, Sridharan & Thizy 1991 (CFLP relaxations); Aardal 1998 and Avella, Boccia, Sforza &
Vasil'ev 2009 (CFLP cuts, reduced-cost fixing); Hogan & ReVelle 1986 (backup coverage); Snyder & Daskin 2005
(reliability: levels of backup); Bodur, Dash, Günlük & Luedtke 2017 (cuts with Benders rows); Guastaroba &
Speranza 2012 (kernel search).
"""

from planner.solver.redundant.aggregation import Aggregation, Clients, aggregate, bound_of_all
from planner.solver.redundant.capacitated import capacitated
from planner.solver.redundant.lagrangian import Relaxation
from planner.solver.redundant.solution import Flows, RedundantSolution

__all__ = [
    "Aggregation",
    "Clients",
    "Flows",
    "RedundantSolution",
    "Relaxation",
    "aggregate",
    "bound_of_all",
    "capacitated",
]
