"""A round for a person: one line per series, with what was lost and why."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Sequence

from probes.record import Measurement

_COLUMNS = ("site", "protocol", "endpoint", "sent", "lost", "p50 ms", "p95 ms", "failures")
_NUMBERS = frozenset({"sent", "lost", "p50 ms", "p95 ms"})


def table(rows: Iterable[Measurement]) -> str:
    """A plain-text table: per series the samples sent and lost, p50 and p95 of the round trip, failures.

    A lost sample counts as infinitely late, so a p95 of ∞ says that more than one in twenty was lost.
    """
    series: dict[tuple[str, str, str], list[Measurement]] = {}
    for row in rows:
        series.setdefault((row.site, row.protocol, _endpoint(row)), []).append(row)
    lines = [_COLUMNS]
    for (site, protocol, endpoint), samples in series.items():
        times = [math.inf if row.rtt_ms is None else row.rtt_ms for row in samples]
        failures = collections.Counter(row.failure for row in samples if row.failure is not None)
        lines.append(
            (
                site,
                protocol,
                endpoint,
                str(len(samples)),
                str(sum(failures.values())),
                _milliseconds(quantile(times, 0.50)),
                _milliseconds(quantile(times, 0.95)),
                ", ".join(f"{failure} {count}" for failure, count in failures.most_common()),
            )
        )
    return align(lines, right=[name in _NUMBERS for name in _COLUMNS])


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of ``values`` do not exceed (the inverse of their ECDF).

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    return sorted(values)[max(math.ceil(share * len(values) - 1e-9), 1) - 1]


def align(lines: Sequence[Sequence[str]], *, right: Sequence[bool]) -> str:
    """Columns of equal width, without trailing blanks; ``right`` tells which are numbers."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(right))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _endpoint(row: Measurement) -> str:
    if row.protocol == "dns":
        return f"{row.host} @{row.resolver}"
    host = f"[{row.host}]" if ":" in row.host else row.host
    return host if row.port is None else f"{host}:{row.port}"


def _milliseconds(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:.3f}"
