"""Row weighting: a local search for a cover with a given number of sites (Gao, Weise & Li 2015).

A step closes the open site that is missed least, opens a site for an uncovered client, and makes every client
that is still uncovered weigh more: what is often left out comes to decide. Its dice are its own, so that it
finds the same cover every time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled

SEED = 88172645463325252
"""Any number but 0; George Marsaglia's, who proposed these dice (xorshift, 2003)."""


@compiled
def row_weighting(
    row_start: NDArray[np.int64],
    row_site: NDArray[np.int64],
    site_start: NDArray[np.int64],
    site_row: NDArray[np.int64],
    opened: NDArray[np.bool_],
    p: int,
    work: int,
    seed: int,
) -> bool:
    """Change ``opened`` (n,) until at most ``p`` sites cover every client; False = not within ``work``."""
    m, n = len(row_start) - 1, len(opened)
    weight, times = np.ones(m, dtype=np.int64), np.zeros(m, dtype=np.int64)
    # What an open site alone covers, what a closed one would add; when each last moved; who may be opened.
    score, moved, free = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64), np.ones(n, dtype=np.bool_)
    uncovered, place, count = np.empty(m, dtype=np.int64), np.full(m, -1, dtype=np.int64), 0
    for j in range(n):
        if opened[j]:
            for e in range(site_start[j], site_start[j + 1]):
                times[site_row[e]] += 1
    for i in range(m):
        if times[i] == 0:
            uncovered[count], place[i] = i, count
            count += 1
        for e in range(row_start[i], row_start[i + 1]):
            j = row_site[e]
            if (times[i] == 0 and not opened[j]) or (times[i] == 1 and opened[j]):
                score[j] += 1
    sites, done, step, last = opened.sum(), 0, 0, -1
    dice = np.uint64(seed)
    while True:
        if count == 0 and sites <= p:
            return True
        if done > work:
            return False
        step += 1
        opening = -1
        if sites >= p:
            out = -1
            for j in range(n):
                if (
                    opened[j]
                    and (sites > p or j != last)
                    and (
                        out < 0 or score[j] < score[out] or (score[j] == score[out] and moved[j] < moved[out])
                    )
                ):
                    out = j
            done += n
            if out < 0:
                out = last
            changed, sites = out, sites - 1
        else:
            dice ^= dice << np.uint64(13)
            dice ^= dice >> np.uint64(7)
            dice ^= dice << np.uint64(17)
            i = uncovered[np.int64(dice % np.uint64(count))]
            for e in range(row_start[i], row_start[i + 1]):
                j = row_site[e]
                if free[j] and (
                    opening < 0
                    or score[j] > score[opening]
                    or (score[j] == score[opening] and moved[j] < moved[opening])
                ):
                    opening = j
            if opening < 0:
                opening = row_site[row_start[i]]
            changed, sites, last = opening, sites + 1, opening
        opened[changed] = opening >= 0
        moved[changed], free[changed] = step, opening >= 0
        score[changed] = 0
        for e in range(site_start[changed], site_start[changed + 1]):
            i = site_row[e]
            before = times[i]
            times[i] += 1 if opening >= 0 else -1
            after, w = times[i], weight[i]
            done += 3
            if before + after == 1:  # from none to one, or back: all its sites count it differently
                for k in range(row_start[i], row_start[i + 1]):
                    j = row_site[k]
                    if j != changed:
                        free[j] = True
                        score[j] += -w if after == 1 else w
                done += row_start[i + 1] - row_start[i]
                score[changed] += w
                if after == 1:
                    count -= 1
                    moved_up = uncovered[count]
                    uncovered[place[i]], place[moved_up] = moved_up, place[i]
                    place[i] = -1
                else:
                    uncovered[count], place[i] = i, count
                    count += 1
            elif before + after == 3:  # between one and two: the other one is alone, or no longer
                for k in range(row_start[i], row_start[i + 1]):
                    j = row_site[k]
                    if opened[j] and j != changed:
                        score[j] += w if after == 1 else -w
                done += row_start[i + 1] - row_start[i]
        if opening >= 0:
            for q in range(count):
                i = uncovered[q]
                weight[i] += 1
                for k in range(row_start[i], row_start[i + 1]):
                    score[row_site[k]] += 1
                done += row_start[i + 1] - row_start[i]
