"""The peers: distance fits, Vivaldi coordinates, matrix factorisation. Each gives an estimate (n, n), in
ms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.latency.tables import Array, Mask, Table
from planner.geo import fibre_ms
from planner.latency.estimate import fit_distance_model

Estimate = Callable[[Array, Mask], Array]


def straight_line(table: Table, learn: Mask) -> Array:
    """Least squares of rtt = a + b·km, not below light."""
    slope, intercept = np.polyfit(table.km[learn], table.rtt[learn], 1)
    return np.asarray(np.maximum(intercept + slope * table.km, fibre_ms(table.km)))


def curve(table: Table, learn: Mask) -> Array:
    """The planner's distance model."""
    assert table.place is not None
    start, end = np.nonzero(learn)
    model = fit_distance_model(table.place[start], table.place[end], table.rtt[learn])
    return model.estimate_ms(table.km)


def both_ways(rtt: Array, learn: Mask) -> Array:
    """The mean of both directions where both are known, one where one is, else nan."""
    some = np.stack((np.where(learn, rtt, np.nan), np.where(learn, rtt, np.nan).T))
    count = np.isfinite(some).sum(axis=0)
    return np.asarray(np.where(count > 0, np.nansum(some, axis=0) / np.maximum(count, 1), np.nan))


def vivaldi(
    rtt: Array, learn: Mask, dimensions: int, height: bool = True, seed: int = 0, rounds: int = 4_000
) -> Array:
    """Vivaldi with adaptive timestep and heights (Dabek et al., SIGCOMM 2004, figure 3 and section 5.4).

    In each round every node takes one sample of a random neighbour. The step is halved evenly to nothing over
    the second half of the rounds, which the original, being a running system, cannot do and which helps it.
    """
    generator, size = np.random.default_rng(seed), len(rtt)
    known = both_ways(rtt, learn)
    np.fill_diagonal(known, np.nan)
    neighbours = [np.flatnonzero(row) for row in np.isfinite(known)]
    degree = np.array([len(each) for each in neighbours])
    table = np.zeros((size, degree.max()), dtype=np.intp)
    for node, each in enumerate(neighbours):
        table[node, : each.size] = each
    every = np.flatnonzero(degree)
    at, up, error = generator.normal(0, 1, (size, dimensions)), np.ones(size), np.ones(size)
    for turn in range(rounds):
        gain = 0.25 * min(1.0, 2.0 * (rounds - turn) / rounds)
        other = table[every, (generator.random(every.size) * degree[every]).astype(np.intp)]
        way = at[every] - at[other]
        apart = np.sqrt((way**2).sum(axis=1)) + 1e-9
        lift = up[every] + up[other] if height else np.zeros(every.size)
        measured = known[every, other]
        weight = error[every] / (error[every] + error[other])
        miss = np.abs(apart + lift - measured) / measured
        error[every] = np.clip(miss * 0.25 * weight + error[every] * (1 - 0.25 * weight), 0.01, 2.0)
        force = gain * weight * (measured - apart - lift)
        at[every] += force[:, None] * way / apart[:, None]
        if height:
            up[every] = np.maximum(up[every] + force * lift / (apart + lift), 0.01)
    apart = np.sqrt(np.maximum(((at[:, None] - at[None]) ** 2).sum(axis=-1), 0.0))
    return np.asarray(np.maximum(apart + (up[:, None] + up[None] if height else 0.0), 0.05))


def factorised(rtt: Array, learn: Mask, rank: int, ridge: float, turns: int = 15) -> Array:
    """Alternating least squares on logarithms, with effects of row and column: ln rtt = m + r + c + U·V."""
    size, generator, weight = len(rtt), np.random.default_rng(0), learn.astype(np.float64)
    value = np.where(learn, np.log(np.where(learn, rtt, 1.0)), 0.0)
    mean, row, column = value.sum() / weight.sum(), np.zeros(size), np.zeros(size)
    for _ in range(20):
        row = (value - weight * (mean + column)).sum(axis=1) / (weight.sum(axis=1) + 1.0)
        column = (value - weight * (mean + row[:, None])).sum(axis=0) / (weight.sum(axis=0) + 1.0)
    effects = mean + row[:, None] + column
    rest = np.where(learn, value - effects, 0.0)
    right = generator.normal(0, 0.1, (size, rank))
    for _ in range(turns):
        left = _solved(weight, rest, right, ridge)
        right = _solved(weight.T, rest.T, left, ridge)
    return np.asarray(np.exp(np.clip(effects + left @ right.T, -5.0, 9.0)))


def _solved(weight: Array, rest: Array, other: Array, ridge: float) -> Array:
    rank = other.shape[1]
    squares = (weight @ (other[:, :, None] * other[:, None, :]).reshape(len(other), -1)).reshape(
        -1, rank, rank
    )
    squares += (ridge * weight.sum(axis=1) + 1e-6)[:, None, None] * np.eye(rank)
    return np.asarray(np.linalg.solve(squares, (rest @ other)[:, :, None])[:, :, 0])


def tuned_vivaldi(rtt: Array, learn: Mask, judge: Mask) -> tuple[str, Estimate]:
    """The best of these settings on what was kept back for it."""
    settings = {
        f"{dimensions} dimensions{', heights' if height else ''}": _of_vivaldi(dimensions, height)
        for dimensions, height in ((2, True), (2, False), (3, True), (5, True), (8, True), (8, False))
    }
    return _best(settings, rtt, learn, judge)


def tuned_factors(rtt: Array, learn: Mask, judge: Mask) -> tuple[str, Estimate]:
    """The best of these settings on what was kept back for it."""
    settings = {
        f"rank {rank}, ridge {ridge:g}": _of_factors(rank, ridge)
        for rank in (1, 3, 5, 10, 20)
        for ridge in (0.02, 0.1)
        if rank < len(rtt) / 3
    }
    return _best(settings, rtt, learn, judge)


def _of_vivaldi(dimensions: int, height: bool) -> Estimate:
    return lambda rtt, learn: vivaldi(rtt, learn, dimensions, height)


def _of_factors(rank: int, ridge: float) -> Estimate:
    return lambda rtt, learn: factorised(rtt, learn, rank, ridge)


def _best(settings: dict[str, Estimate], rtt: Array, learn: Mask, judge: Mask) -> tuple[str, Estimate]:
    error = {
        name: float(np.median(np.abs(method(rtt, learn)[judge] / rtt[judge] - 1.0)))
        for name, method in settings.items()
    }
    name = min(error, key=lambda each: error[each])
    return name, settings[name]
