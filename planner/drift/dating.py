"""When did it change? The first round after a step, and whether it may have been before. Pure.

What lies between the plan and what counts as lately tells only this. Of a store that grew for years not all
of it is read (:mod:`planner.drift.basis`), agents may have stood still, and rows may have been dropped: a
step within such a hole shows at the first round after it, and is dated *by* that round.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner.drift.change import Step, find_steps
from planner.drift.placements import FEWEST_RECENT, Comparison, joined


def dated(
    step: Step, lately: Sequence[Comparison], since_made: Sequence[Comparison], made: np.datetime64
) -> tuple[np.datetime64, bool]:
    """The first round after ``step``, and whether the change was by then rather than then.

    ``lately``: the comparisons it was found in, one of each pair; ``since_made``: the same with all that was
    read since the plan was ``made``. They are asked where the step is among the first rounds of ``lately``,
    as far back as was looked at.
    """
    if not _among_first(step.since, lately):
        return step.since, False
    (found,) = find_steps([joined(since_made) if len(since_made) > 1 else since_made[0]], made)
    if (
        found.up != step.up
    ):  # what was meanwhile is another change: this one was at the latest when lately began
        return step.since, True
    return found.since, _after_hole(found.since, since_made)


def _among_first(start: np.datetime64, several: Sequence[Comparison]) -> bool:
    """Whether a sign of a change would need rounds from before these to be dated."""
    return any(start <= each.at[min(FEWEST_RECENT, len(each.at)) - 1] for each in several)


def _after_hole(start: np.datetime64, several: Sequence[Comparison]) -> bool:
    """Whether within a few rounds before ``start`` there were none for as long as a few take: where exactly a
    step is, is not known to the round."""
    usual = max(np.median(np.diff(each.past_at).astype(np.int64)) for each in several)
    at = np.sort(np.concatenate([part for each in several for part in (each.past_at, each.at)]))
    before = at[at <= start][-FEWEST_RECENT * len(several) - 1 :]
    return bool((np.diff(before).astype(np.int64) > FEWEST_RECENT * usual).any())
