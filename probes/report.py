"""A round for a person: one line per series, with what was lost and why. Pure."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Final

from probes.record import Measurement
from probes.series import Series, gather

__all__ = ["LEGEND", "align", "layout", "table"]

LEGEND: Final = (
    "loss: of the samples that could have come back; a lost one is infinitely late\n"
    "jitter: mean absolute difference of consecutive round trips (IPDV, RFC 3393)"
)

_COLUMNS: Final = (
    "site",
    "protocol",
    "endpoint",
    "sent",
    "loss %",
    "p50 ms",
    "p95 ms",
    "jitter ms",
    "failures",
)
_ENDPOINT: Final = _COLUMNS.index("endpoint")
_FAILURES: Final = _COLUMNS.index("failures")
_NUMBERS: Final = frozenset({"sent", "loss %", "p50 ms", "p95 ms", "jitter ms"})

# What goes first where lines are cut to a narrow terminal: a failure's name says more.
_SPARE: Final = tuple(map(_COLUMNS.index, ("jitter ms", "sent", "p50 ms", "protocol")))
_GAP: Final = "  "

# An endpoint is known from the configuration: it gives way first where a terminal is narrow.
_SHORTEST_ENDPOINT: Final = 16
_ROOM_FOR_FAILURES: Final = 20

_RED: Final = "\x1b[31m"
_PLAIN: Final = "\x1b[0m"


def table(rows: Iterable[Measurement], *, width: int | None = None, colour: bool = False) -> str:
    """A plain-text table with its legend: per series the samples sent, loss, round trip, jitter, failures.

    Sites stand in the order they were begun, which is the configuration's. A lost sample counts as
    infinitely late, so a p95 of ∞ says that more than one in twenty was lost. A ``width`` shortens endpoints
    so that figures fit it as far as they can; failures are told in full.
    """
    begun = sorted(rows, key=operator.attrgetter("started_at"))
    places = {site: place for place, site in enumerate(dict.fromkeys(row.site for row in begun))}
    series = sorted(gather(begun), key=lambda one: places[one.site])
    lines = layout(series, width=width, colour=colour)
    return "\n".join((*lines, "", LEGEND))


def layout(
    series: Sequence[Series], *, width: int | None = None, cut: bool = False, colour: bool = False
) -> list[str]:
    """The lines of a table, the heading first; with ``cut`` none is longer than ``width``.

    ``colour`` makes what failed red.
    """
    cells = [_COLUMNS, *map(_cells, series)]
    failed = [False, *(bool(one.failures) for one in series)]
    columns = list(range(_FAILURES))
    if width is not None:
        columns, room = _fitting(cells, width, _SPARE if cut else ())
        cells = [
            (*line[:_ENDPOINT], _shortened(line[_ENDPOINT], room), *line[_ENDPOINT + 1 :]) for line in cells
        ]
    figures = align(
        [[line[column] for column in columns] for line in cells],
        right=[_COLUMNS[column] in _NUMBERS for column in columns],
    )
    lines = []
    for text, line, red in zip(figures.split("\n"), cells, failed, strict=True):
        failures = line[_FAILURES]
        if cut and width is not None:
            failures = _ended(failures, width - len(text) - len(_GAP))
            text = text[:width]
        if failures:
            text += _GAP + (f"{_RED}{failures}{_PLAIN}" if colour and red else failures)
        lines.append(text)
    return lines


def align(lines: Sequence[Sequence[str]], *, right: Sequence[bool]) -> str:
    """Columns of equal width, without trailing blanks; ``right`` tells which are numbers."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(right))]
    return "\n".join(
        _GAP.join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _cells(series: Series) -> tuple[str, ...]:
    loss = series.loss_ratio
    return (
        series.site,
        series.protocol,
        series.endpoint,
        str(series.sent),
        "–" if loss is None else f"{100 * loss:.1f}",
        _milliseconds(series.quantile_ms(0.50)),
        _milliseconds(series.quantile_ms(0.95)),
        _milliseconds(series.jitter_ms),
        series.failures_in_words(),
    )


def _fitting(cells: Sequence[Sequence[str]], width: int, spare: Sequence[int]) -> tuple[list[int], int]:
    """The columns beside failures and the room for endpoints; ``spare`` ones go where it is narrow."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = width - sum(widths[:_FAILURES]) + widths[_ENDPOINT] - len(_GAP) * _FAILURES
    room = left - min(widths[_FAILURES], _ROOM_FOR_FAILURES)
    columns = list(range(_FAILURES))
    for column in spare:
        if room >= min(_SHORTEST_ENDPOINT, widths[_ENDPOINT]):
            break
        columns.remove(column)
        room += widths[column] + len(_GAP)
    return columns, max(room, _SHORTEST_ENDPOINT)


def _shortened(text: str, room: int) -> str:
    """Without its middle where it is too long: both ends of a host name and port tell something."""
    if len(text) <= room:
        return text
    head = (room - 1) // 2
    return f"{text[:head]}…{text[len(text) - (room - 1 - head) :]}"


def _ended(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    return f"{text[: room - 1]}…" if room > 1 else ""


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return "∞" if math.isinf(value) else f"{value:.3f}"
