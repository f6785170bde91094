"""The four strategies of disaster recovery, and what each is taken to do and to cost [I/O].

``data/recovery.csv`` holds assumptions, and says so row by row: nobody knows how long a fleet takes to start
but who has tried it. Who edits the file edits the plan.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from planner.csv_rows import read_rows
from planner.datadir import data_dir
from probes.strict_toml import InputError

STRATEGIES: Final = ("backup-restore", "pilot-light", "warm-standby", "active-active")

_REQUIRED: Final = (
    *("strategy", "provision_s", "rpo_s", "compute_fraction", "storage_usd_gb_month", "source", "as_of"),
)


class RecoveryError(InputError):
    """The file of strategies is malformed."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """``provision_s``: from the decision to fail over until the standby serves, without restoring data.

    ``restore_gbps``: how fast data come back from a backup; None where they are replicated. ``rpo_s``: the
    interval between backups or the lag of replication. ``compute_fraction``: of the whole fleet, runs in
    the standby all the time. ``storage_usd_gb_month``: of the copy.
    """

    name: str
    provision_s: float
    restore_gbps: float | None
    rpo_s: float
    compute_fraction: float
    storage_usd_gb_month: float


@cache
def load_strategies(path: Path | None = None) -> tuple[Strategy, ...]:
    """Every strategy of the file. Raises :class:`RecoveryError`."""
    found: dict[str, Strategy] = {}
    for row in read_rows(_file(path), _REQUIRED, ("restore_gbps", "note"), RecoveryError):
        name = row.choice("strategy", STRATEGIES)
        if name in found:
            raise row.fault("strategy", f"{name} is listed twice")
        row.text("source"), row.date("as_of")
        restore = row.number("restore_gbps", 0.0, low=0.0)
        found[name] = Strategy(
            name=name,
            provision_s=row.number("provision_s", low=0.0),
            restore_gbps=restore or None,
            rpo_s=row.number("rpo_s", low=0.0),
            compute_fraction=row.number("compute_fraction", low=0.0, high=1.0),
            storage_usd_gb_month=row.number("storage_usd_gb_month", low=0.0),
        )
    return tuple(found.values())


def strategies_hash(path: Path | None = None) -> str:
    """The sha256 of the file."""
    return hashlib.sha256(_file(path).read_bytes()).hexdigest()


def _file(path: Path | None) -> Path:
    return path or data_dir() / "recovery.csv"
