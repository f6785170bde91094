"""What one's own agents had measured when a plan was made, pair by pair, as a file beside it [I/O].

So that the plan can be checked against what it was made from when the samples themselves are long gone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from planner.csv_rows import read_rows
from planner.export import as_written, csv_text
from planner.measurements import PairStatistic, Vantage
from probes.strict_toml import InputError

COLUMNS: Final = (
    *("vantage", "country", "lat", "lon", "site_id", "quantile", "rtt_ms", "lower_ms", "upper_ms"),
    *("samples", "loss_ratio"),
)


def measured_csv(statistics: Sequence[PairStatistic]) -> str:
    """A row per pair of vantage and site; a figure that fell on lost samples is blank."""
    return csv_text(
        COLUMNS,
        (
            (
                *(each.vantage.id, each.vantage.country, each.vantage.lat, each.vantage.lon, each.site_id),
                *(each.quantile, each.rtt_ms, each.lower_ms, each.upper_ms, each.samples, each.loss_ratio),
            )
            for each in statistics
        ),
    )


def read_measured(path: Path, error: type[InputError]) -> tuple[PairStatistic, ...]:
    """The pairs of such a file. Raises ``error`` where it is damaged."""
    return tuple(
        PairStatistic(
            vantage=Vantage(
                as_written(row.text("vantage")),
                as_written(row.text("country")),
                row.number("lat", low=-90, high=90),
                row.number("lon", low=-180, high=180),
            ),
            site_id=as_written(row.text("site_id")),
            quantile=row.number("quantile", low=0, high=1),
            rtt_ms=row.number("rtt_ms", math.inf, low=0),
            lower_ms=row.number("lower_ms", math.inf, low=0),
            upper_ms=row.number("upper_ms", math.inf, low=0),
            samples=row.number("samples", low=1, whole=True),
            loss_ratio=row.number("loss_ratio", low=0, high=1),
            kind="sampled",
            direct=True,
            source="own agents",
        )
        for row in read_rows(path, COLUMNS, (), error)
    )
