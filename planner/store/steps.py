"""How far each sample is from the one before it in its round: the jitter of a path, told when a row arrives.

    step(i) = |rtt(i) - rtt(i - 1)|        (RFC 3393, of neighbours of one pair, protocol and round)

Neighbours are those that count (``planner.store.counting``), in order of their start; where either of the
two was lost there is no step. A round arrives whole, so this is a pass over rows that are at hand; asked of
a table later, it would be a sort of all it holds.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from planner.store.counting import PROTOCOLS
from probes.record import NOT_LOSS

STEP: Final = "step_ms"

_GROUP: Final = ("vantage", "run_id", "site", "protocol")


def with_steps(rows: pa.Table) -> pa.Table:
    """The rows with a column :data:`STEP`, null where there is none."""
    steps = np.full(len(rows), np.nan)
    at = np.flatnonzero(_counted(rows))
    group = [_codes(rows, name)[at] for name in _GROUP]
    started = rows.column("started_at").cast(pa.int64()).to_numpy()[at]
    order = np.lexsort((rows.column("sample").to_numpy()[at], started, *reversed(group)))
    rtt = rows.column("rtt_ms").to_numpy(zero_copy_only=False)[at].astype(np.float64)
    came_back = rows.column("failure").is_null().to_numpy(zero_copy_only=False)[at]
    answered = np.where(came_back, rtt, np.nan)[order]
    together = np.ones(max(len(at) - 1, 0), dtype=bool)
    for codes in group:
        together &= np.diff(codes[order]) == 0
    steps[at[order[1:]]] = np.where(together, np.abs(np.diff(answered)), np.nan)
    return rows.append_column(STEP, pa.array(steps, mask=np.isnan(steps)))


def _counted(rows: pa.Table) -> NDArray[np.bool_]:
    """As ``planner.store.counting.COUNTS`` has it in SQL."""
    failure = rows.column("failure")
    silent = pc.is_in(failure, pa.array(sorted(NOT_LOSS)))
    lost = pc.and_(pc.is_valid(rows.column("peer")), pc.invert(silent))
    judged = pc.is_in(rows.column("protocol"), pa.array(PROTOCOLS))
    counted: Any = pc.and_(judged, pc.or_(failure.is_null(), lost))
    return np.asarray(counted.to_numpy(zero_copy_only=False), dtype=bool)


def _codes(rows: pa.Table, name: str) -> NDArray[np.int64]:
    column = rows.column(name).combine_chunks()
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return np.asarray(coded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
