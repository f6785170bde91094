"""Quantiles, loss and jitter of every pair, exactly, in bounded memory, however long the table is [I/O].

What counts is what counts everywhere (``planner.store.counting``); lost probes are +inf in a quantile. Values
go by in batches, once where the rollups say in which bucket each quantile is, and twice otherwise
(``planner.store.selection``). Days that the rollups have whole are read from their series, which are the same
values a pair at a time; all others from the rows. A longer window than patience allows is read from the
rollups' histograms alone (``planner.store.rollup``), within 1 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.latency.statistics import estimate_ranks
from planner.store.arrays import numbers
from planner.store.brackets import Rolled, rolled
from planner.store.opened import as_table
from planner.store.placing import Placing, judged
from planner.store.reading import Reading, reading
from planner.store.selection import bits
from planner.store.series import steps_beside, unpacked
from planner.store.shelf import StoreError
from planner.store.steps import STEP
from planner.store.stream import TEXTS, Stream
from planner.store.window import Window

# Rounds whole, as they mostly stand in files.
_ONCE: Final = f"SELECT {', '.join((*TEXTS, 'rtt_ms', STEP))} FROM once ORDER BY vantage, run_id"

_DOUBTFUL: Final = "SELECT run_id FROM doubtful ORDER BY run_id"

_SERIES: Final = ("samples", "per_ms", "series", "steps")

_Values = tuple[NDArray[np.int32], NDArray[np.int64]]
"""The pair of each value, -1 for none, and its bits."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of k pairs: ``rtt_ms`` and ``jitter_ms`` (k, quantiles), ``samples`` and of them ``lost`` (k,).

    ``jitter_ms`` is a quantile of |rtt(i) - rtt(i - 1)| over neighbours in a round that both came back (RFC
    3393), nan where there are none, or none were asked for.
    """

    vantages: tuple[str, ...]
    sites: tuple[str, ...]
    samples: NDArray[np.int64]
    lost: NDArray[np.int64]
    rtt_ms: NDArray[np.float64]
    jitter_ms: NDArray[np.float64]


def read_figures(
    urls: Sequence[str],
    quantiles: Sequence[float],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    jitter: bool = True,
) -> Figures:
    """The figures of every pair of these stores together. Raises what
    :func:`planner.store.rounds.read_rounds` does."""
    asked = np.array(quantiles, dtype=np.float64)
    with reading(urls, Window(since, until)) as found:
        stream, placing = _stream(found, jitter), Placing()
        known = rolled(found, stream, asked)
        brackets = (known.rtt, known.step) if jitter else (known.rtt,)
        sought = [each.selection() for each in brackets]
        ranks: list[NDArray[np.int64]] = []
        while True:
            first = not ranks
            for values in _values(stream, known, placing, jitter, first):
                for selection, bracket, (pair, value) in zip(sought, brackets, values, strict=True):
                    if first and len(placing) > len(selection):
                        bracket.add(selection, placing.keys(len(selection)))
                    selection.sift(pair, value)
            if first:
                placing.close(found.database)
                for selection, bracket in zip(sought, brackets, strict=True):
                    bracket.add(selection, placing.keys(len(selection)))
                samples = placing.samples[: len(placing)].copy()
                came, *stepped = (selection.counted() for selection in sought)
                if (came > samples).any():
                    raise StoreError("the rollups are damaged: more round trips than samples")
                ranks = [estimate_ranks(n[:, None], asked) for n in (samples, *stepped)]
            settled = [selection.settle(rank) for selection, rank in zip(sought, ranks, strict=True)]
            if all(settled):
                break
    keys = placing.keys()
    at = judged(keys, samples)
    steps = np.where(stepped[0][:, None] > 0, sought[1].found, np.nan) if jitter else np.nan
    return Figures(
        tuple(keys[n][0] for n in at),
        tuple(keys[n][1] for n in at),
        samples[at],
        (samples - came)[at],
        sought[0].found[at],
        np.broadcast_to(steps, sought[0].found.shape)[at],
    )


def _stream(found: Reading, steps: bool) -> Stream:
    since, until = found.window.utc()
    return Stream(
        found.parts,
        steps=steps,
        since=since,
        until=until,
        doubtful=[run for (run,) in found.database.execute(_DOUBTFUL).fetchall()],
        once=as_table(found.database, _ONCE) if found.once else None,
    )


def _values(
    stream: Stream, known: Rolled, placing: Placing, steps: bool, count: bool
) -> Iterator[tuple[_Values, ...]]:
    """All round trips, and with ``steps`` all steps, in pieces."""
    for batch in stream.batches():
        pair = placing.place(batch, count=count)
        step = batch.step if len(batch.step) else np.full(len(pair), np.nan).view(np.int64)
        yield ((pair, batch.rtt), (pair, step)) if steps else ((pair, batch.rtt),)
    if known.files is None or not known.days:
        return
    for day, rows in known.files.read(_SERIES):
        if day not in known.days:
            continue
        of = placing.place_rows(rows)
        if count:
            np.add.at(placing.samples, of, numbers(rows.column("samples")))
        pair, *values = unpacked(numbers(rows.column("per_ms")), rows.column("series"), of)
        rtt, step = (bits(each) for each in values)
        yield ((pair, rtt), (pair, step)) if steps else ((pair, rtt),)
        if steps:
            none = np.zeros(0, np.int32), np.zeros(0, np.int64)
            for number, beside in steps_beside(rows.column("steps"), of):
                yield none, (np.full(len(beside), number, np.int32), bits(beside))
