"""Instances that are hard on purpose, drawn by their published definitions (the published files are others).

Koerkel (1989), Ghosh (2003): costs without any geometry, in three ranges of opening costs. Bilde & Krarup
(1977). Kochetov & Ivanenko (2005), the classes of UflLib: a relaxation far below the optimum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.solver.instances import Instance

KG_OPENING = {"a": (100, 200), "b": (1_000, 2_000), "c": (10_000, 20_000)}

GAP_OPENING, FAR = 3_000.0, 1.0e6
"""Of the UflLib classes: what a site costs, and what a pair costs that is not meant to be used."""


def koerkel_ghosh(letter: str, *, symmetric: bool, n: int = 250, seed: int = 1) -> Instance:
    """gs (symmetric) or ga, letter a, b or c: n × n, assignment costs whole in 1,000..2,000."""
    random = np.random.default_rng([seed, ord(letter), symmetric, n])
    cost = random.integers(1_000, 2_001, (n, n)).astype(np.float64)
    if symmetric:
        upper = np.triu(cost)
        cost = upper + np.triu(cost, 1).T
    low, high = KG_OPENING[letter]
    opening = random.integers(low, high + 1, n).astype(np.float64)
    return Instance(f"{'gs' if symmetric else 'ga'}{n}{letter}-s{seed}", "uflp", opening, cost)


def bilde_krarup(random: np.random.Generator, n: int, m: int) -> tuple[NDArray, NDArray]:
    """Assignment costs whole in 0..1,000, one opening cost for all, 1,000 to 10,000 (their D and E)."""
    opening = np.full(n, 1_000.0 * random.integers(1, 11))
    return opening, random.integers(0, 1_001, (m, n)).astype(np.float64)


def gap_a(random: np.random.Generator, n: int, m: int) -> tuple[NDArray, NDArray]:
    """Every client has a few near sites (10 of 100), anywhere."""
    near = np.argsort(random.random((m, n)), axis=1) < max(2, n // 10)
    return np.full(n, GAP_OPENING), _near(random, near)


def gap_b(random: np.random.Generator, n: int, m: int) -> tuple[NDArray, NDArray]:
    """Every site has a few near clients (10 of 100), and no client is without."""
    near = np.argsort(random.random((m, n)), axis=0) < max(2, m // 10)
    near[np.arange(m), random.integers(n, size=m)] = True
    return np.full(n, GAP_OPENING), _near(random, near)


def chessboard(random: np.random.Generator, side: int) -> tuple[NDArray, NDArray]:
    """Squares of a torus, side × side; a site serves its own and the eight around it, as a king moves."""
    row, column = np.divmod(np.arange(side * side), side)

    def ring(x: NDArray) -> NDArray:
        apart = np.abs(x[:, None] - x[None, :])
        return np.minimum(apart, side - apart)

    near = np.maximum(ring(row), ring(column)) <= 1
    return np.full(side * side, GAP_OPENING), _near(random, near)


def projective_plane(random: np.random.Generator, q: int) -> tuple[NDArray, NDArray]:
    """Points and lines of the plane of prime order q, q² + q + 1 of each; a line serves its q + 1 points."""
    points = [(1, x, y) for x in range(q) for y in range(q)]
    points += [(0, 1, x) for x in range(q)] + [(0, 0, 1)]
    vectors = np.array(points)
    near = (vectors @ vectors.T) % q == 0
    return np.full(len(points), GAP_OPENING), _near(random, near)


def _near(random: np.random.Generator, near: NDArray) -> NDArray[np.float64]:
    return np.where(near, random.integers(0, 5, near.shape), FAR)
