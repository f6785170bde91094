"""Round-trip time of a pair nobody measured, from where its ends are and what was measured around them.

    rtt(a, b) = max(curve(d) · exp(d / (d + 200 km) · f(a, b)), light in fibre),        d = d(a, b)

``curve`` is the distance model (``planner/latency/estimate.py``). ``f``, how much longer the route between
two places is than distance says, is a Gaussian process over unordered pairs of places with the covariance

    0.25² · [k(a,a') k(b,b') + k(a,b') k(b,a')]          k(x,y)  = exp(-d(x,y) / 5,000 km)
  + 0.07² · [h(a,a') + h(b,b') + h(a,b') + h(b,a')]      h(x,y)  = exp(-d(x,y) / 1,500 km)

Across town no route is longer than another for the sea between, and only the curve speaks: hence the factor
before ``f``. The first term says that a pair's detour is that of the pairs whose two ends lie near its own:
a cable that is missing between two coasts is missing for everybody on them. The second says that a place is
well or badly connected to everywhere, and its neighbours with it. Both directions of a pair, and all that
stands at one place, make one observation, of variance 0.015² plus that of 1 ms.

The seven constants are judgements, near the best on two providers' networks; they are not fitted again, so
that a handful of pairs cannot bend them (docs/design/0014-modelled-pairs.md has the figures). Far from
everything measured ``f`` is 0 and the curve remains; with fewer than ``MIN_PAIRS`` pairs it is all there is.

What it would have said of pairs it had not seen (``planner/latency/left_out.py``) calibrates the interval
(``planner/latency/intervals.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.geo import fibre_ms, great_circle_km, pairwise_km
from planner.latency.estimate import MIN_PAIRS, DistanceModel, HeldOut, fit_distance_model
from planner.latency.intervals import Errors, Intervals, calibrate
from planner.latency.left_out import LeftOut

Array = NDArray[np.float64]

MAX_PAIRS: Final = 2_000
"""A fit looks at no more pairs of places than this (evenly drawn): its time grows with their cube."""

MIN_PLACES: Final = 8
"""Fewer places than this teach nothing of detours."""

SAME_PLACE_DEGREES: Final = 0.05
"""Positions that round to the same multiple of this are one place."""

FOREIGN: Final = 2.3
"""So many times as far off, as a logarithm, as at two new places of its own is a model on a network it knows
nothing of: with it nine in ten of Azure's pairs lie in intervals that AWS taught, and of AWS's in Azure's."""

_ROUTE_SD, _ROUTE_KM = 0.25, 5_000.0
_PLACE_SD, _PLACE_KM = 0.07, 1_500.0
_NOISE_SD, _NOISE_MS = 0.015, 1.0
_TOWN_KM: Final = 200.0
_NEIGHBOURS: Final = 32
_ENOUGH_PAIRS: Final = 6
"""A place measured with so many others is no longer new."""
_NEW_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class PairModel:
    """The curve and what is known around it; without ``intervals`` the curve is all there is.

    ``place`` (p, 2): latitude and longitude of the measured places. ``weight`` (p, p), symmetric: what each
    measured pair adds to f. ``measured`` (p, p), symmetric. ``doubt`` (p,): how new each is still, for want
    of pairs; ``new_km``: what is so far from every measured place is new. ``new_place`` says how the model
    did on figures of places left out with everything that touches them, ``new_pair`` on a twentieth of the
    pairs at a time. ``foreign``: it was taught by other networks than the one it is asked about, to which
    every place is new.
    """

    distance: DistanceModel
    place: Array
    weight: Array
    measured: NDArray[np.bool_]
    doubt: Array
    new_km: float = 1.0
    intervals: Intervals | None = None
    new_place: HeldOut | None = None
    new_pair: HeldOut | None = None
    foreign: bool = False

    @property
    def pairs(self) -> int:
        """How many measured figures the curve was fitted to."""
        return self.distance.pairs

    def estimate_ms(self, origin: ArrayLike, target: ArrayLike) -> Array:
        """Estimates (m, n) from ``origin`` (m, 2) to ``target`` (n, 2), latitudes and longitudes."""
        start, end = _positions(origin), _positions(target)
        km = pairwise_km(*start.T, *end.T)
        return self._estimate(km, pairwise_km(*start.T, *self.place.T), pairwise_km(*end.T, *self.place.T))

    def predict(self, origin: ArrayLike, target: ArrayLike) -> tuple[Array, Array, Array]:
        """``(estimate, lower, upper)`` in ms, each (m, n): lower ≤ estimate ≤ upper, none below light."""
        start, end = _positions(origin), _positions(target)
        km = pairwise_km(*start.T, *end.T)
        if self.intervals is None:
            return self.distance.predict(km)
        from_place, to_place = pairwise_km(*start.T, *self.place.T), pairwise_km(*end.T, *self.place.T)
        estimate = self._estimate(km, from_place, to_place)
        new = self._newness(from_place)[:, None] + self._newness(to_place)[None, :]
        low, high = self.intervals.ratios(km, self._nearest_pair_km(from_place, to_place), new)
        if self.foreign:
            low, high = low**FOREIGN, high**FOREIGN
        # Across town the long pairs that calibrate are no guide: there the curve's own interval holds.
        curve, floor, ceiling = self.distance.predict(km)
        town = np.maximum(1.0 - km / _TOWN_KM, 0.0)
        low, high = np.minimum(low, (floor / curve) ** town), np.maximum(high, (ceiling / curve) ** town)
        lower = np.clip(estimate * low, fibre_ms(km), estimate)
        return estimate, lower, np.maximum(estimate * high, estimate)

    def _estimate(self, km: Array, from_place: Array, to_place: Array) -> Array:
        curve = self.distance.estimate_ms(km)
        if self.intervals is None:
            return curve
        near, around = np.exp(-from_place / _ROUTE_KM), np.exp(-from_place / _PLACE_KM)
        detour = _ROUTE_SD**2 * (near @ self.weight @ np.exp(-to_place / _ROUTE_KM).T)
        whole = self.weight.sum(axis=1)
        detour += _PLACE_SD**2 * (around @ whole)[:, None]
        detour += _PLACE_SD**2 * (np.exp(-to_place / _PLACE_KM) @ whole)[None, :]
        return np.asarray(np.maximum(curve * np.exp(_reach(km) * detour), fibre_ms(km)), dtype=np.float64)

    def _newness(self, to_place: Array) -> Array:
        """How new places are, from 0 (measured like most) to 1, by their ways to the measured ones."""
        if self.foreign:
            return np.ones(len(to_place))
        newness = np.minimum((to_place / self.new_km + self.doubt).min(axis=1), 1.0)
        return np.asarray(newness, dtype=np.float64)

    def _nearest_pair_km(self, from_place: Array, to_place: Array) -> Array:
        """How far away the nearest measured pair is: the sum of the ways from either end to its own, (m, n).
        Looked for among the pairs of an origin's nearest places."""
        onward = np.full((len(self.place), len(to_place)), np.inf)
        for each in range(len(self.place)):
            onward[each] = to_place[:, self.measured[each]].min(axis=1)
        count = min(_NEIGHBOURS, len(self.place))
        nearest = np.argpartition(from_place, count - 1, axis=1)[:, :count]
        found = np.full((len(from_place), len(to_place)), np.inf)
        for column in nearest.T:
            way = from_place[np.arange(len(from_place)), column]
            np.minimum(found, onward[column] + way[:, None], out=found)
        return found


def fit_pair_model(origin: ArrayLike, target: ArrayLike, rtt_ms: ArrayLike) -> PairModel:
    """The model of k measured pairs: ``origin`` and ``target`` (k, 2) latitude and longitude, ``rtt_ms``
    (k,).

    Pairs that were lost (inf), are not positive or beat light in fibre teach nothing, as in
    :func:`~planner.latency.estimate.fit_distance_model`, and so do those beyond :data:`MAX_PAIRS`. The same
    pairs give the same model: a plan asks for it of its clients, its racks and its homes.
    """
    start, end, rtt = _positions(origin), _positions(target), np.asarray(rtt_ms, dtype=np.float64)
    return _fitted(start.tobytes(), end.tobytes(), rtt.tobytes())


@lru_cache(maxsize=16)
def _fitted(origin: bytes, target: bytes, rtt_ms: bytes) -> PairModel:
    start, end, rtt = (np.frombuffer(each) for each in (origin, target, rtt_ms))
    start, end = start.reshape(-1, 2), end.reshape(-1, 2)
    distance = fit_distance_model(start, end, rtt)
    none = np.zeros((0, 0))
    curve_only = PairModel(distance, np.zeros((0, 2)), none, none.astype(bool), np.zeros(0))
    km = great_circle_km(*start.T, *end.T)
    usable = np.isfinite(rtt) & np.isfinite(km) & (rtt > 0.0) & (rtt >= fibre_ms(km))
    if distance.pairs == 0 or np.count_nonzero(usable) < MIN_PAIRS:
        return curve_only
    observed = _observe(start[usable], end[usable], np.log(rtt[usable]), distance)
    if len(observed.place) < MIN_PLACES or np.count_nonzero(observed.low != observed.high) < MIN_PLACES:
        return curve_only
    apart = pairwise_km(*observed.place.T, *observed.place.T)
    inverse: Array = np.linalg.inv(_covariance(observed, apart)).astype(np.float64)
    pull = inverse @ observed.excess
    size = len(observed.place)
    weight, measured = np.zeros((size, size)), np.zeros((size, size), dtype=bool)
    # A place with itself stands on the diagonal, where both halves of its covariance meet: twice its pull.
    np.add.at(weight, (observed.low, observed.high), _reach(observed.km) * pull)
    np.add.at(weight, (observed.high, observed.low), _reach(observed.km) * pull)
    measured[observed.low, observed.high] = measured[observed.high, observed.low] = True
    known = measured.sum(axis=1)
    enough = max(min(_ENOUGH_PAIRS, int(np.median(known))), 2)
    doubt = np.maximum(1.0 - known / enough, 0.0)
    lone = np.where(apart > 0.0, apart, np.inf).min(axis=1)
    new_km = max(float(np.quantile(lone, _NEW_SHARE)), 1.0)
    left_out = LeftOut(observed.low, observed.high, apart, inverse, pull, doubt, new_km)
    errors = [
        _errors(observed, *found)
        for found in (left_out.pairs(), left_out.places(enough // 2), left_out.places(0), left_out.both())
    ]
    intervals, (new_pair, _, new_place, _) = calibrate(errors)
    for array in (observed.place, weight, measured, doubt):
        array.flags.writeable = False
    return replace(
        curve_only,
        place=observed.place,
        weight=weight,
        measured=measured,
        doubt=doubt,
        new_km=new_km,
        intervals=intervals,
        new_pair=new_pair,
        new_place=new_place,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Observed:
    """``low``, ``high`` (n,): the places of each unordered pair; ``km``, ``curve_ms``, ``excess`` (n,): its
    length, the curve there, and the mean of ln(rtt / curve). ``of`` and ``own`` (k,): the pair that each
    figure belongs to, and how far its own excess is from that mean."""

    place: Array
    low: NDArray[np.intp]
    high: NDArray[np.intp]
    km: Array
    curve_ms: Array
    excess: Array
    of: NDArray[np.intp]
    own: Array


def _reach(km: Array) -> Array:
    """How much of f a pair of this length has."""
    return np.asarray(km / (km + _TOWN_KM), dtype=np.float64)


def _positions(places: ArrayLike) -> Array:
    return np.asarray(places, dtype=np.float64).reshape(-1, 2)


def _observe(start: Array, end: Array, log_rtt: Array, distance: DistanceModel) -> _Observed:
    ends = np.concatenate((start, end))
    _, first, index = np.unique(
        np.round(ends / SAME_PLACE_DEGREES).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    index = index.reshape(2, -1)
    keys = np.sort(index, axis=0)
    pairs, of = np.unique(keys, axis=1, return_inverse=True)
    of = of.reshape(-1)
    if pairs.shape[1] > MAX_PAIRS:
        kept = np.linspace(0, pairs.shape[1] - 1, MAX_PAIRS).astype(np.intp)
        renumbered = np.full(pairs.shape[1], -1)
        renumbered[kept] = np.arange(kept.size)
        here = renumbered[of] >= 0
        pairs, of, log_rtt = pairs[:, kept], renumbered[of][here], log_rtt[here]
    used, pairs = np.unique(pairs, return_inverse=True)
    place, (low, high) = ends[first][used], pairs.reshape(2, -1)
    km = great_circle_km(*place[low].T, *place[high].T)
    curve_ms = distance.estimate_ms(km)
    excess = log_rtt - np.log(curve_ms)[of]
    mean = np.bincount(of, excess) / np.bincount(of)
    return _Observed(place, low, high, km, curve_ms, mean, of, excess - mean[of])


def _covariance(observed: _Observed, apart: Array) -> Array:
    """Of the observations with each other, (n, n)."""
    low, high = observed.low, observed.high
    near, around = np.exp(-apart / _ROUTE_KM), np.exp(-apart / _PLACE_KM)
    found = near[np.ix_(low, low)] * near[np.ix_(high, high)]
    found += near[np.ix_(low, high)] * near[np.ix_(high, low)]
    found *= _ROUTE_SD**2
    for a, b in ((low, low), (high, high), (low, high), (high, low)):
        found += _PLACE_SD**2 * around[np.ix_(a, b)]
    found *= np.outer(_reach(observed.km), _reach(observed.km))
    found[np.diag_indices_from(found)] += _NOISE_SD**2 + (_NOISE_MS / observed.curve_ms) ** 2
    return found


def _errors(
    observed: _Observed,
    pair: NDArray[np.intp],
    error: Array,
    nearest_km: Array,
    new: Array,
    group: NDArray[np.intp],
) -> Errors:
    """Errors of pairs as errors of the figures they are made of, each direction for itself. A place to itself
    is left out: across the street there is no detour, and the curve's own interval stands."""
    apart = observed.low[pair] != observed.high[pair]
    pair, error, nearest_km, new, group = (each[apart] for each in (pair, error, nearest_km, new, group))
    order = np.argsort(observed.of, kind="stable")
    count = np.bincount(observed.of, minlength=observed.low.size)
    begin = np.concatenate(([0], np.cumsum(count)[:-1]))
    repeat = np.repeat(np.arange(pair.size), count[pair])
    inside = np.arange(repeat.size) - np.repeat(np.cumsum(count[pair]) - count[pair], count[pair])
    figure = order[begin[pair[repeat]] + inside]
    return Errors(
        log_ratio=error[repeat] + observed.own[figure],
        km=observed.km[pair[repeat]],
        nearest_km=nearest_km[repeat],
        new=new[repeat],
        group=group[repeat],
    )
