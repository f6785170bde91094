"""The instance as the kernels see it: whole-number costs, and for each client its sites, nearest first.

*Whole numbers.* Each client's cheapest pair is a constant; what is above it, and every opening cost, is
multiplied by ``scale`` and rounded down. Sums of 64-bit integers are exact, so a bound computed by the
kernels is a bound, whatever the order of summation: there is no tolerance to choose. Rounding down loses
less than one unit a client and one a site, and the scale is such that this is about 1e-12 of the objective;
it is counted in (:meth:`Instance.lower_bound`). Costs that are whole to begin with are multiplied by a
whole scale: nothing is lost, and a bound above the incumbent less one unit of cost proves it.

*Lists.* A pair is one 64-bit key, cost above, site below: sorting keys sorts a client's sites, and one word
per step is all a kernel reads. Pairs that no solution as good as a known one can use are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled

EMPTY = 2**63 - 1
"""Ends every client's list; also stands for a pair that is not allowed."""

ROOM = 2.0**58
"""What all costs together may sum to in units: 16 such sums still fit into 64 bits."""

BUDGETED = 2.0**54
"""The same where a multiplier on a budget needs room beside them."""

UNKNOWN = 2**60
"""A bound below minus this was never computed."""

WHOLE, FRACTIONAL, STRANDED, NOT_NUMBERS = 0, 1, 2, 3
"""What :func:`survey` finds: sound and whole; sound; a client has no site; not a number, or minus
infinity."""

Ints = NDArray[np.int64]
Flags = NDArray[np.int8]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Instance:
    """``keys`` (m, n + 1): cost << ``bits`` | site, ascending, :data:`EMPTY` at the end. ``opening`` (n,).

    ``base``: what the cheapest pairs cost together, in the caller's unit; ``scale``: units in one of those;
    ``unit``: values of solutions differ by at least this much (1 where nothing is known of them).
    ``ceiling``: above the value of every solution. ``lost``: what rounding took from its value, at most.
    Clients are those left after merging (:mod:`.reduction`).
    """

    keys: Ints
    bits: int
    opening: Ints
    base: float
    scale: float
    unit: int
    ceiling: int
    lost: int

    @property
    def clients(self) -> int:
        """m."""
        return int(self.keys.shape[0])

    @property
    def sites(self) -> int:
        """n."""
        return len(self.opening)

    def lower_bound(self, units: int) -> float:
        """What a bound in units proves in the caller's: rounding of the scale and of ``base`` taken off.

        Costs were rounded down, so the bound of the rounded problem is one of the problem itself; only the
        multiplication by the scale can have rounded up, by one part in 2^53, and so can the sums here.
        """
        if units < -UNKNOWN:
            return -np.inf
        above = units / self.scale
        if self.unit > 1:
            return self.base + above  # whole costs: nothing was rounded
        return self.base + above - 2.0**-50 * (abs(above) + abs(self.base))

    def units(self, cost: float) -> int:
        """A difference of costs in units, rounded down."""
        return int(min(cost * self.scale, float(self.ceiling)))


@compiled
def survey(
    opening: NDArray[np.float64], cost: NDArray[np.float64]
) -> tuple[int, NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    """One look at the costs: what is wrong with them, each client's cheapest pair, each site serving alone.

    Returns a verdict (:data:`WHOLE` ...), ``base`` (m,), ``alone`` (n,): the sum over clients of what the
    site costs above the cheapest, inf where it may not serve them all; ``nearest`` (n,): whether some
    client is cheapest there.
    """
    m, n = cost.shape
    base, alone = np.empty(m), np.zeros(n)
    nearest = np.zeros(n, dtype=np.int8)
    whole, stranded = True, False
    for j in range(n):
        if not np.isfinite(opening[j]):
            return NOT_NUMBERS, base, alone, nearest
        whole = whole and opening[j] == np.floor(opening[j]) and abs(opening[j]) < 2.0**53
    for i in range(m):
        best, low = -1, np.inf
        for j in range(n):
            here = cost[i, j]
            if np.isnan(here) or here == -np.inf:
                return NOT_NUMBERS, base, alone, nearest
            if here < low:
                low, best = here, j
        base[i] = low
        if best < 0:
            stranded = True
            continue
        nearest[best] = 1
        fraction = low != np.floor(low) or abs(low) >= 2.0**53
        for j in range(n):
            here = cost[i, j]
            alone[j] += here - low
            if here != np.inf and (here != np.floor(here) or abs(here) >= 2.0**53):
                fraction = True
        whole = whole and not fraction
    return (STRANDED if stranded else WHOLE if whole else FRACTIONAL), base, alone, nearest


@compiled
def pack(
    cost: NDArray[np.float64], base: NDArray[np.float64], room: float, scale: float, bits: int
) -> NDArray[np.int64]:
    """Keys of all pairs whose cost above the cheapest is at most ``room``; not sorted yet."""
    m, n = cost.shape
    keys = np.empty((m, n + 1), dtype=np.int64)
    for i in range(m):
        low = base[i]
        for j in range(n):
            above = cost[i, j] - low
            keys[i, j] = (np.int64(above * scale) << bits) | j if above <= room else EMPTY
        keys[i, n] = EMPTY
    return keys


@compiled
def dearest(cost: NDArray[np.float64], base: NDArray[np.float64], room: float) -> tuple[float, float]:
    """The sum over clients of the dearest pair within ``room`` above the cheapest, and the dearest of all."""
    m, n = cost.shape
    total, most = 0.0, 0.0
    for i in range(m):
        top, low = 0.0, base[i]
        for j in range(n):
            above = cost[i, j] - low
            if above <= room and above > top:
                top = above
        total += top
        most = max(most, top)
    return total, most


@compiled
def reached(keys: Ints, bits: int, sites: int) -> NDArray[np.bool_]:
    """(m, n): the pairs in the lists."""
    m = keys.shape[0]
    mask = (1 << bits) - 1
    pairs = np.zeros((m, sites), dtype=np.bool_)
    for i in range(m):
        for key in keys[i]:
            if key == EMPTY:
                break
            pairs[i, key & mask] = True
    return pairs


@compiled
def known_value(
    opening: NDArray[np.float64],
    alone: NDArray[np.float64],
    nearest: NDArray[np.int8],
    low: int,
    high: int,
) -> float:
    """The value, above the cheapest pairs, of some solution that opens ``low`` to ``high`` sites; or inf.

    Two are looked at: one site for everyone, filled up to ``low`` with the cheapest; each client's nearest.
    """
    value = np.inf
    fill = 0.0
    if low > 1:
        fill = np.maximum(np.partition(opening, low - 1)[:low], 0.0).sum()
    if high >= max(low, 1):
        value = (alone + opening).min() + fill
    count = nearest.sum()
    if low <= count <= high:
        value = min(value, opening[nearest > 0].sum())
    return value


def prepare(
    opening: NDArray[np.float64],
    cost: NDArray[np.float64],
    base: NDArray[np.float64],
    value: float,
    *,
    whole: bool,
    size: float = ROOM,
) -> Instance:
    """Scale, pack and sort. ``value``: that of a known solution above the cheapest pairs, or inf.

    ``size``: what all costs sum to in units. Needs at least one client and one site, and a finite pair for
    every client.
    """
    n = len(opening)
    negative = float(np.minimum(opening, 0.0).sum())
    # Slack by the size of both terms: their difference may cancel.
    room = (value - negative) * (1 + 1e-9) + 2.0**-40 * (abs(value) + abs(negative))
    if not np.isfinite(room):
        room = np.finfo(np.float64).max
    sum_of_pairs, most = dearest(cost, base, room)
    # A site that costs more than the known solution is open in no better one; its exact price is no matter.
    capped = opening
    if np.isfinite(value) and max(room, most) > 0:
        capped = np.minimum(opening, 2.0 * max(room, most))
    total = sum_of_pairs + float(np.abs(capped).sum())
    bits = max(1, int(n - 1).bit_length())
    scale = min(size / total if total > 0 else 1.0, 2.0 ** (60 - bits) / most if most > 0 else np.inf)
    unit = 1
    if whole and scale >= 1.0:
        scale = float(np.floor(min(scale, 2.0**52)))
        unit = int(scale)
    elif scale > 1e300:
        scale = 1e300
    keys = pack(cost, base, room, scale, bits)
    keys.sort(axis=1)
    units = np.floor(capped * scale).astype(np.int64)
    ceiling = int(total * scale * (1 + 2.0**-40)) + len(base) + n + 2
    lost = 0 if unit > 1 else len(base) + n
    return Instance(keys, bits, units, float(base.sum()), scale, unit, ceiling, lost)
