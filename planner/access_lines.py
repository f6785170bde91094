"""What each kind of access line adds to a round trip [I/O].

``data/access.csv`` holds assumptions and a few published figures, row by row with how far off they may be.
Who knows their clients' lines says so in the study.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from planner.csv_rows import read_rows
from planner.datadir import data_dir
from planner.latency.access import Line
from planner.study_access import ACCESS
from probes.strict_toml import InputError

_REQUIRED: Final = ("access", "p50_ms", "p95_ms", "off", "source", "as_of")


class AccessError(InputError):
    """The file of access lines is malformed."""


@cache
def load_access_lines(path: Path | None = None) -> Mapping[str, Line]:
    """Every line of the file, by its kind. Raises :class:`AccessError`."""
    found: dict[str, Line] = {}
    for row in read_rows(_file(path), _REQUIRED, ("note",), AccessError):
        kind = row.choice("access", ACCESS)
        if kind in found:
            raise row.fault("access", f"{kind} is listed twice")
        row.text("source"), row.date("as_of")
        p50 = row.number("p50_ms", low=0.001)
        found[kind] = Line(p50, row.number("p95_ms", low=p50), row.number("off", low=1.0))
    return found


def access_hash(path: Path | None = None) -> str:
    """The sha256 of the file."""
    return hashlib.sha256(_file(path).read_bytes()).hexdigest()


def _file(path: Path | None) -> Path:
    return path or data_dir() / "access.csv"
