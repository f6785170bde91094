"""Whether the service goes on while any one failure lasts: the audit's reading of ``survive``.

Every client has one backup: open, allowed, near enough, and lost in no failure that takes the client's own
site. Instances and capacities are looked at where they are counted (:mod:`planner.ledger`,
:mod:`planner.audit`), with what the backups take over in them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from planner.ledger import Ledger
from planner.ledger_failures import losses
from planner.plan import Assignment


def survival(case: Ledger) -> Iterator[str]:
    """Every client without a backup, or with one that may not or could not stand in."""
    events = losses(case.study, case.inputs.sites)
    for entry in case.plan.assignments:
        who = f"survive: client {entry.client_id}"
        if not events:
            if entry.backup_site_id is not None:
                yield f"{who} has a backup, {entry.backup_site_id}, and nothing is to be survived"
        elif entry.backup_site_id is None:
            yield f"{who} has no backup"
        else:
            for gone in events:
                if entry.site_id in gone and entry.backup_site_id in gone:
                    lost = ", ".join(sorted(gone & case.open_ids))
                    yield f"{who} at site {entry.site_id}: one failure takes its backup too ({lost})"
            yield from _too_far(case, entry, who)


def _too_far(case: Ledger, entry: Assignment, who: str) -> Iterator[str]:
    row, column = case.client_row.get(entry.client_id), case.site_column.get(entry.backup_site_id or "")
    if row is None or column is None:
        return
    within, milliseconds = case.study.resilience.backup_within_ms, case.planning_ms(row, column)
    if not math.isfinite(milliseconds):
        yield f"{who}: there is no latency to its backup {entry.backup_site_id}, it is not allowed"
    elif within is not None and milliseconds > within:
        yield f"{who}: its backup {entry.backup_site_id} is {milliseconds:g} ms away, above {within:g} ms"
