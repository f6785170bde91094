"""Clients the model cannot tell apart are one: merged exactly, by everything the model knows of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem


@dataclass(frozen=True, slots=True)
class Groups:
    """``group`` (m,): each client's group; ``first`` (g,): one member of each; ``share`` (g,): their sum."""

    group: NDArray[np.intp]
    first: NDArray[np.intp]
    share: NDArray[np.float64]


def merge_by(problem: Problem, inside: NDArray[np.bool_], pool: NDArray[np.intp]) -> Groups:
    """Group clients of one ``pool`` (m,) with the same sites ``inside`` (m, n) and, at these, the same
    coefficients in every row and the objective.

    All coefficients are per unit of share, so a group's are those of any member and only shares add up.
    """
    m = len(problem.client_ids)
    parts = [
        np.packbits(inside, axis=1),
        np.ascontiguousarray(pool, dtype=np.int64).view(np.uint8).reshape(m, -1),
    ]
    matrices = [row.pair for _, row in problem.rows if row.pair is not None and row.pair.ndim == 2]
    if problem.minimize == "mean_latency":
        matrices.append(problem.latency_ms)
    for matrix in matrices:
        known = np.ascontiguousarray(np.where(inside, matrix, 0.0))
        parts.append(known.view(np.uint8).reshape(m, -1))
    return _grouped(problem, np.ascontiguousarray(np.hstack(parts)))


def _grouped(problem: Problem, signature: NDArray[np.uint8]) -> Groups:
    rows = signature.view(np.dtype((np.void, signature.shape[1]))).ravel()
    _, first, group = np.unique(rows, return_index=True, return_inverse=True)
    share = np.bincount(group.reshape(-1), weights=problem.sizing.share, minlength=len(first)).astype(
        np.float64
    )
    return Groups(group.reshape(-1), first, share)
