"""Instances that tempt a solver to claim too much: noisy, tied, scaled, gap-ridden, masked, bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.solver.hard_classes import bilde_krarup, chessboard, gap_a, gap_b, projective_plane


@dataclass(frozen=True, slots=True)
class Hostile:
    """``opening`` (n,), ``cost`` (m, n), bounds on the number of open sites (None = not given)."""

    name: str
    opening: NDArray[np.float64]
    cost: NDArray[np.float64]
    low: int | None = None
    high: int | None = None


def middle(seed: int, rounds: int) -> Iterator[Hostile]:
    """Each class ``rounds`` times, and every one also masked, bounded, weighted and in other units."""
    for number in range(rounds):
        random = np.random.default_rng([seed, number])
        for name, (opening, cost) in _classes(random).items():
            yield Hostile(name, opening, cost)
            yield from _changed(name, opening, cost, random)


def _classes(random: np.random.Generator) -> dict[str, tuple[NDArray, NDArray]]:
    return {
        "noisy": _plane(random, 0.4),
        "plane": _plane(random, 0.0),
        "tied": (random.choice([2.0, 4.0], 30), random.choice([0.0, 1.0, 2.0, 3.0], (50, 30))),
        "two values": (np.full(30, 2.0), random.integers(1, 3, (40, 30)).astype(float)),
        "fifteen decades": (10.0 ** random.uniform(-3, 6, 25), 10.0 ** random.uniform(-9, 6, (35, 25))),
        "seventh digit": (10.0 + 1e-6 * random.random(20), 100.0 + 1e-5 * random.random((30, 20))),
        "Bilde-Krarup": bilde_krarup(random, 25, 40),
        "gap A": gap_a(random, 40, 40),
        "gap B": gap_b(random, 40, 40),
        "chessboard": chessboard(random, 6),
        "projective plane": projective_plane(random, 5),
    }


def _plane(random: np.random.Generator, noise: float) -> tuple[NDArray, NDArray]:
    distance = np.linalg.norm(random.random((80, 1, 2)) - random.random((1, 30, 2)), axis=2)
    distance *= random.uniform(1 - noise, 1 + noise, distance.shape)
    weight = 10.0 ** random.uniform(0, 3, 80) * (random.random(80) < 0.9)
    return random.uniform(100, 900, 30), weight[:, None] * distance


def _changed(name: str, opening: NDArray, cost: NDArray, random: np.random.Generator) -> Iterator[Hostile]:
    m, n = cost.shape
    for scale in (1e-6, 1e9):
        yield Hostile(f"{name} × {scale:g}", opening * scale, cost * scale)
    masked = np.where(random.random(cost.shape) < 0.5, np.inf, cost)
    yield Hostile(f"{name}, masked", opening, masked)
    p = int(random.integers(1, n // 2))
    yield Hostile(f"{name}, p = {p}", np.zeros(n), cost, p, p)
    yield Hostile(f"{name}, at most {p}", opening, cost, None, p)
    yield Hostile(f"{name}, masked, at most {p}", opening, masked, None, p)
    yield Hostile(f"{name}, repeated", np.tile(opening, 2), np.tile(cost, (2, 2))[: m + m // 2])
