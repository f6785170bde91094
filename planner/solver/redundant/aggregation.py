"""Many clients as few: groups of near-identical clients, and a proven bound on what that costs.

A group g takes the place of its clients: demand D_g = Σ_i d_i and, with λ_i = d_i / D_g,

    C_gj = Σ_{i∈g} c_ij.

*Above*: give every client of g the shares of g. Each rule holds as it does for g and the cost is the same,
so every solution of the aggregated problem is one of the original: optimum ≤ aggregated optimum. *Below*:
take an optimal x (and its r^D) of the original and let g have x̄_gj = Σ_i λ_i x_ij. Every rule is linear
and the loads are the same, so x̄ is feasible, and since the shares of a client add up to 1

    Σ_ij c_ij x_ij − Σ_gj C_gj x̄_gj  =  Σ_i Σ_j (c_ij − λ_i C_gj) x_ij  ≥  Σ_i min_j (c_ij − λ_i C_gj)  =
    −error,

so optimum ≥ aggregated optimum − error. This is the a-priori bound of Francis, Lowe, Rayco & Tamir 2009
(Aggregation error for location models) with the distances to a representative replaced by those to the
group's mean.

Clients of a group may differ in where they are allowed. Then there are two problems: ``inner``, where only
what all may do is allowed, for solutions, and ``outer``, where what any may do is (C_gj over those allowed,
divided by their Σ λ_i), for the bound. Where masks agree both are the same."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.solver.facility import facility_location
from planner.solver.redundant.lagrangian import Relaxation


@dataclass(frozen=True, slots=True, eq=False)
class Clients:
    """Arguments of ``capacitated``: ``assignment_cost`` (g, n), ``demand`` (g,), ``backup_allowed`` (g,
    n)."""

    assignment_cost: NDArray[np.float64]
    demand: NDArray[np.float64]
    backup_allowed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Aggregation:
    """``group`` (m,) of each client; optimum of the original ≤ any objective of ``inner``, and
    ≥ any lower bound of ``outer`` − ``error``. A solution's arrays over groups, indexed by ``group``, are
    one of the original. ``same``: inner and outer are the same problem."""

    group: NDArray[np.intp]
    inner: Clients
    outer: Clients
    error: float
    same: bool


def aggregate(
    assignment_cost: ArrayLike,
    demand: ArrayLike,
    groups: int,
    *,
    backup_allowed: ArrayLike | None = None,
    apart: ArrayLike | None = None,
) -> Aggregation:
    """At most ``groups`` groups, or as many as there are kinds of clients that must be kept apart.

    ``apart`` (m,) int: clients with different labels never share a group (jurisdictions, say); without it
    those with different masks do not. Divisive: the group of the largest error is split where its unit
    costs spread most."""
    cost, weight = np.asarray(assignment_cost, dtype=np.float64), np.asarray(demand, dtype=np.float64)
    allowed = np.isfinite(cost)
    backup = allowed if backup_allowed is None else np.asarray(backup_allowed, dtype=np.bool_)
    if weight.shape != cost.shape[:1] or backup.shape != cost.shape:
        raise ValueError(f"demand {weight.shape} and backup_allowed {backup.shape} do not fit {cost.shape}")
    masks = np.concatenate((allowed, backup), axis=1)
    kinds: NDArray[np.generic] = masks if apart is None else np.asarray(apart)
    _, kind = np.unique(kinds, axis=0, return_inverse=True)
    queue = [_entry(cost, weight, np.flatnonzero(kind == k)) for k in np.unique(kind)]
    heapq.heapify(queue)
    while len(queue) < groups and queue and queue[0][0] < 0.0:
        members = heapq.heappop(queue)[2]
        for part in _halves(cost, weight, members):
            heapq.heappush(queue, _entry(cost, weight, part))
    parts = [members for _, _, members in sorted(queue, key=lambda entry: entry[1])]
    group = np.empty(len(weight), dtype=np.intp)
    for g, members in enumerate(parts):
        group[members] = g
    all_may = np.array([allowed[members].all(axis=0) for members in parts]).reshape(-1, cost.shape[1])
    joint = np.array([_joint(cost, weight, members) for members in parts]).reshape(-1, cost.shape[1])
    total = np.array([weight[members].sum() for members in parts])
    back_all = np.array([backup[members].all(axis=0) for members in parts]).reshape(all_may.shape)
    back_any = np.array([backup[members].any(axis=0) for members in parts]).reshape(all_may.shape)
    inner = Clients(np.where(all_may, joint, np.inf), total, back_all)
    outer = Clients(joint, total, back_any)
    same = bool((all_may == np.isfinite(joint)).all() and (back_all == back_any).all())
    # Rounding of the sums is far below this part of what is summed.
    rounding = 1e-12 * float(np.abs(cost[allowed]).max(initial=0.0)) * len(weight)
    return Aggregation(group, inner, outer, max(-sum(key for key, _, _ in queue), 0.0) + rounding, same)


def bound_of_all(
    merged: Aggregation,
    assignment_cost: ArrayLike,
    demand: ArrayLike,
    relaxed: Relaxation,
    *,
    gap: float = 1.0e-3,
    time_limit_s: float | None = None,
) -> float:
    """A lower bound of the original from the ``relaxation`` of ``outer``'s solution.

    What its rows add to C_gj is linear in demand, so client i bears λ_i of it; the rows hold for x̄, hence the
    uncapacitated problem over all clients is a relaxation, which ``facility_location`` solves.
    """
    cost, weight = np.asarray(assignment_cost, dtype=np.float64), np.asarray(demand, dtype=np.float64)
    added = np.subtract(
        relaxed.assignment,
        merged.outer.assignment_cost,
        out=np.zeros(relaxed.assignment.shape),
        where=np.isfinite(merged.outer.assignment_cost),
    )
    part = np.empty(len(weight))
    for g in range(len(added)):
        members = np.flatnonzero(merged.group == g)
        part[members] = _parts(weight[members])
    found = facility_location(
        relaxed.opening, cost + part[:, None] * added[merged.group], gap=gap, time_limit_s=time_limit_s
    )
    return found.lower_bound + relaxed.constant


Entry = tuple[float, int, NDArray[np.intp]]


def _entry(cost: NDArray[np.float64], weight: NDArray[np.float64], members: NDArray[np.intp]) -> Entry:
    """−error of a group first, so that the largest is at the head of the queue; then its first client."""
    joint = _joint(cost, weight, members)
    own = cost[members]
    part = _parts(weight[members])
    above = own - part[:, None] * np.where(np.isfinite(joint), joint, 0.0)
    least = above.min(axis=1, initial=np.inf)
    # Nobody may serve such a client, so the whole is infeasible anyhow.
    return float(least[np.isfinite(least)].sum()) if len(members) > 1 else 0.0, int(members[0]), members


def _parts(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """λ: shares of the group's demand; equal where there is none."""
    total = float(weight.sum())
    return weight / total if total > 0 else np.full(len(weight), 1.0 / len(weight))


def _joint(
    cost: NDArray[np.float64], weight: NDArray[np.float64], members: NDArray[np.intp]
) -> NDArray[np.float64]:
    """(n,) C_gj over those allowed, divided by their Σ λ_i; inf where nobody is."""
    own = cost[members]
    allowed = np.isfinite(own)
    total = np.where(allowed, own, 0.0).sum(axis=0)
    if allowed.all():
        return np.asarray(total)
    covered = (_parts(weight[members])[:, None] * allowed).sum(axis=0)
    # Where only clients without demand are allowed x̄ is 0 and any cost will do.
    share = np.where(allowed.all(axis=0) | (covered <= 0.0), 1.0, covered)
    return np.where(allowed.any(axis=0), total / share, np.inf)


def _halves(
    cost: NDArray[np.float64], weight: NDArray[np.float64], members: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split at the mean of the column of unit costs with the largest spread; in the middle if all are equal.

    What is not allowed counts as twice the dearest, so that clients of different masks part first.
    """
    part = _parts(weight[members])
    unit = cost[members] / np.where(part > 0.0, part, 1.0)[:, None]
    known = np.isfinite(unit)
    unit = np.where(known, unit, 2.0 * np.abs(unit[known]).max(initial=0.0))
    centre = part @ unit
    column = int((part @ (unit - centre) ** 2).argmax())
    high = unit[:, column] > centre[column]
    if 0 < int(high.sum()) < len(members):
        return members[~high], members[high]
    middle = len(members) // 2
    return members[:middle], members[middle:]
