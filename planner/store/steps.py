"""How far each sample is from the one before it in its round: the jitter of a path, told when a row arrives.

    step(i) = |rtt(i) - rtt(i - 1)|        (RFC 3393, of neighbours of one pair, protocol and round)

Neighbours are those that count (``planner.store.counting``), in order of their start; where either of the
two was lost there is no step. A round arrives whole, so this is a pass over rows that are at hand; asked of
a table later, it would be a sort of all it holds.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from planner.store.arrays import coded, listed, numbers, plain
from planner.store.counting import PROTOCOLS
from probes.record import NOT_LOSS

STEP: Final = "step_ms"

_GROUP: Final = ("vantage", "run_id", "site", "protocol")


def with_steps(rows: pa.Table) -> pa.Table:
    """The rows with a column :data:`STEP`, null where there is none."""
    steps = np.full(len(rows), np.nan)
    at = np.flatnonzero(_counted(rows))
    group = _groups(rows)[at]
    started = numbers(rows.column("started_at").cast(pa.int64()))[at]
    sample = numbers(rows.column("sample"))[at]
    rtt = numbers(rows.column("rtt_ms"))[at]
    came_back = coded(rows.column("failure"))[0][at] < 0
    # A round stands together and in order, mostly: sorting what is sorted is a pass.
    order = np.argsort(group, kind="stable")
    together = np.diff(group[order]) == 0
    later, more = np.diff(started[order]), np.diff(sample[order])
    if np.any(together & ((later < 0) | ((later == 0) & (more < 0)))):
        order = np.lexsort((sample, started, group))
    answered = np.where(came_back, rtt, np.nan)[order]
    steps[at[order[1:]]] = np.where(together, np.abs(np.diff(answered)), np.nan)
    return rows.append_column(STEP, plain(steps, pa.float64(), np.isnan(steps)))


def _groups(rows: pa.Table) -> NDArray[np.int64]:
    """A number for each vantage, run, site and protocol."""
    group = np.zeros(len(rows), dtype=np.int64)
    for name in _GROUP:
        codes, words = coded(rows.column(name))
        most = len(words)
        if most > 1:
            group = group * most + codes
        if most > 1 and group.max(initial=0) > 1 << 31:  # lest the next product be too much
            group = np.unique(group, return_inverse=True)[1]
    return group


def _counted(rows: pa.Table) -> NDArray[np.bool_]:
    """As ``planner.store.counting.COUNTS`` has it in SQL."""
    protocol, protocols = coded(rows.column("protocol"))
    failure, failures = coded(rows.column("failure"))
    peer, _ = coded(rows.column("peer"))
    # The last entry speaks for an absent text, whose code is -1.
    judged = np.array([word in PROTOCOLS for word in listed(protocols)] + [False])[protocol]
    silent = np.array([word in NOT_LOSS for word in listed(failures)] + [False])[failure]
    return np.asarray(judged & ((failure < 0) | ((peer >= 0) & ~silent)))
