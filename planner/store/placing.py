"""Which pair each row of a reading is of, and how many samples count for it: what ``planner.store.counting``
says in SQL, over a stream of batches.

Rows of a round that reached nothing are put aside until all have been seen, for whether its vantage was cut
off is known only then. They are lost probes one and all, so they change counts and no value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from planner.store.arrays import Words, coded, listed
from planner.store.counting import PROTOCOLS, SEVERAL_SITES, quoted
from planner.store.sifting import number, place
from planner.store.stream import Batch
from probes.record import NOT_LOSS

Key = tuple[str, str, str]
"""A pair and a protocol: vantage, site, protocol."""

_ROOM: Final = 1 << 12

# As planner.store.counting.CUT_OFF has it, of rounds that may be it.
_HEARD: Final = f"""
SELECT vantage, run_id, count(*) FILTER (failure IS NULL), count(DISTINCT site)
FROM sample SEMI JOIN suspect USING (vantage, run_id)
WHERE protocol IN ({quoted(PROTOCOLS)}) GROUP BY ALL
"""


class Placing:
    """Numbers pairs of vantage, site and protocol from 0 as they come, and counts their ``samples``."""

    def __init__(self) -> None:
        self._vantages: dict[str, int] = {}
        self._sites: dict[str, int] = {}
        self._rounds: dict[tuple[int, str], int] = {}
        self._left: list[NDArray[np.int64]] = []
        self._known = np.zeros(0, np.int64)
        self._size = np.zeros(1, np.int64)
        self.samples = np.zeros(0, np.int64)
        self._make_room(0)

    def __len__(self) -> int:
        return int(self._size[0])

    def keys(self, first: int = 0) -> list[Key]:
        """The pairs from number ``first`` on."""
        vantages, sites = list(self._vantages), list(self._sites)
        return [
            (vantages[key >> 34], sites[(key >> 2) & 0xFFFFFFFF], PROTOCOLS[key & 3])
            for key in self._known[first : len(self)].tolist()
        ]

    def place(self, batch: Batch, *, count: bool) -> NDArray[np.int32]:
        """The number of the pair of each row that has a round trip to give, -1 for others. ``count``: the
        samples too, in the first pass."""
        codes, words = batch.codes, batch.words
        vantage_of = _numbers(self._vantages, words["vantage"])
        site_of = _numbers(self._sites, words["site"])
        protocol_of = _judging(words["protocol"])
        lost = np.array([word not in NOT_LOSS for word in listed(words["failure"])] + [False])
        n = len(batch.keep)
        self._make_room(min(n, len(vantage_of) * len(site_of) * len(PROTOCOLS)))
        pair, left = np.empty(n, np.int32), np.empty(n, np.int64)
        named = place(
            codes["vantage"], codes["site"], codes["protocol"], codes["run_id"], codes["failure"],
            codes["peer"], batch.keep, vantage_of, site_of, protocol_of, lost, self._keys, self._numbers,
            self._known, self._size, self.samples if count else np.zeros_like(self.samples), pair, left,
        )  # fmt: skip
        if count and named:
            rows = left[:named]
            vantage, site = vantage_of[codes["vantage"][rows]], site_of[codes["site"][rows]]
            counted = lost[codes["failure"][rows]] & (codes["peer"][rows] >= 0)
            key = (vantage << 34) | (site << 2) | protocol_of[codes["protocol"][rows]]
            run = codes["run_id"][rows].astype(np.int64)
            both, back = np.unique(np.stack((vantage, run)), axis=1, return_inverse=True)
            rounds = [
                self._rounds.setdefault((v, str(words["run_id"][r])), len(self._rounds))
                for v, r in both.T.tolist()
            ]
            self._left.append(np.stack((np.array(rounds)[back.ravel()], site, np.where(counted, key, -1))))
        return pair

    def place_rows(self, rows: pa.Table) -> NDArray[np.int32]:
        """The number of the pair and protocol of each row, whose texts are dictionaries."""
        (vantage, its), (site, sites), (protocol, protocols) = (
            coded(rows.column(name)) for name in ("vantage", "site", "protocol")
        )
        key = (
            (_numbers(self._vantages, its)[vantage] << 34)
            | (_numbers(self._sites, sites)[site] << 2)
            | _judging(protocols)[protocol]
        )
        self._make_room(len(key))
        pair = np.empty(len(key), np.int32)
        number(key, self._keys, self._numbers, self._known, self._size, pair)
        return pair

    def close(self, database: duckdb.DuckDBPyConnection, *, whole: bool = True) -> None:
        """Count what was put aside, but for rounds that were cut off. ``database`` has the view ``sample``;
        ``whole``: all its rows have been here."""
        if not self._left:
            return
        round_, site, key = np.concatenate(self._left, axis=1)
        asked = np.bincount(np.unique(np.stack((round_, site)), axis=1)[0], minlength=len(self._rounds))
        suspect = {of: n for of, n in self._rounds.items() if not whole or asked[n] >= SEVERAL_SITES}
        cut_off = np.zeros(len(self._rounds), bool)
        if suspect:
            vantages = list(self._vantages)
            rows = {"vantage": [vantages[v] for v, _ in suspect], "run_id": [run for _, run in suspect]}
            database.register("suspect", pa.table(rows, pa.schema([(name, pa.string()) for name in rows])))
            for vantage, run, answers, sites in database.execute(_HEARD).fetchall():
                cut_off[suspect[self._vantages[vantage], run]] = answers == 0 and sites >= SEVERAL_SITES
            database.unregister("suspect")
        counted = key[(key >= 0) & ~cut_off[round_]]
        self._make_room(len(np.unique(counted)))
        pair = np.empty(len(counted), np.int32)
        number(counted, self._keys, self._numbers, self._known, self._size, pair)
        self.samples[: len(self)] += np.bincount(pair, minlength=len(self))
        self._left = []

    def _make_room(self, more: int) -> None:
        """Have room for so many more pairs, half the table of their hashes left empty."""
        wanted = len(self) + more
        if wanted < len(self._known):
            return
        room = _ROOM
        while room <= wanted:
            room *= 2
        known, samples = self._known[: len(self)], self.samples[: len(self)]
        self._keys, self._numbers = np.full(2 * room, -1, np.int64), np.empty(2 * room, np.int32)
        self._known, self.samples = np.zeros((2, room), np.int64)
        self.samples[: len(samples)] = samples
        self._size[0] = 0
        number(known, self._keys, self._numbers, self._known, self._size, np.empty(len(known), np.int32))


def judged(keys: Sequence[Key], samples: NDArray[np.int64] | None = None) -> list[int]:
    """Of each pair, with samples if those are told, the number of the protocol that counts, by vantage and
    site."""
    best: dict[tuple[str, str], int] = {}
    some = range(len(keys)) if samples is None else np.flatnonzero(samples).tolist()
    for n in sorted(some, key=lambda n: PROTOCOLS.index(keys[n][2])):
        best.setdefault(keys[n][:2], n)
    return [best[pair] for pair in sorted(best)]


def _numbers(known: dict[str, int], words: Words) -> NDArray[np.int64]:
    """What codes of these words mean, those never met given a number; the last stands for no word."""
    return np.array([known.setdefault(word, len(known)) for word in listed(words)] + [0], dtype=np.int64)


def _judging(words: Words) -> NDArray[np.int64]:
    """What codes of these protocols mean; -1 for one that nothing is judged by."""
    places = [PROTOCOLS.index(word) if word in PROTOCOLS else -1 for word in listed(words)]
    return np.array([*places, -1], dtype=np.int64)
