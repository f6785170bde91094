"""What each kind of access line adds to a round trip [I/O].

``data/access.csv`` holds assumptions and a few published figures, row by row with how far off they may be.
Who knows their clients' lines says so in the study.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.csv_rows import read_rows
from planner.datadir import data_dir
from planner.demand import Demand
from planner.latency.access import Line, added_ms
from planner.study import Study
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


def access_notes(study: Study) -> Iterator[str]:
    """What the last mile adds, and on whose word."""
    access, percentile = study.access, f"p{study.latency.quantile * 100:g}"
    lines, own = _lines(study), {line.kind for line in access.lines}
    for name, shares in (("everybody", access.shares), *access.classes):
        if not shares:
            continue
        estimate, lower, upper = added_ms(shares, lines, study.latency.quantile)
        who = name if name == "everybody" and shares is access.shares else f"clients of class {name}"
        mix = ", ".join(f"{share:.0%} {kind}" for kind, share in shares)
        assumed = "" if {kind for kind, _ in shares} <= own else "; data/access.csv is mostly assumption"
        yield (
            f"access lines add {estimate:.0f} ms ({lower:.0f} to {upper:.0f}) to the {percentile} of {who}:"
            f" {mix}{assumed}"
        )


def access_added(study: Study, demand: Demand) -> NDArray[np.float64]:
    """(m, 3) what each client's access line adds: to the estimate and either bound."""
    access, quantile, lines = study.access, study.latency.quantile, _lines(study)
    everybody = added_ms(access.shares, lines, quantile)
    of_class = {name: added_ms(shares, lines, quantile) for name, shares in access.classes}
    return np.array(
        [
            next((added for name, added in of_class.items() if name in client.classes), everybody)
            for client in demand.clients
        ]
    )


def _lines(study: Study) -> dict[str, Line]:
    own = {line.kind: Line(line.p50_ms, line.p95_ms) for line in study.access.lines}
    return {**load_access_lines(), **own}


def _file(path: Path | None) -> Path:
    return path or data_dir() / "access.csv"
