"""The words for figures, and the order of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.table import median


def in_turns(number: int, *parts: Callable[[], object]) -> None:
    """Call each part once; who goes first changes from run to run, of which this is ``number``."""
    first = number % len(parts)
    for part in (*parts[first:], *parts[:first]):
        part()


def us(value: float) -> str:
    """Microseconds, or milliseconds where there are many."""
    return f"{value / 1000:.1f} ms" if value >= 10_000 else f"{value:.0f} µs"


def cpu(seconds: Sequence[float]) -> str:
    """The median, as microseconds of CPU."""
    return f"{median(seconds) * 1e6:.0f} µs"


def at_once(flights: Sequence[int]) -> str:
    """The least of the runs, since that is what a figure can be relied on for."""
    return f"{min(flights):,} in flight"
