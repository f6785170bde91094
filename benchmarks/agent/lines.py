"""What a gate gives: lines of the table, and the words for figures."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; ``met`` is None for what is shown for comparison only."""

    gate: str
    goal: str
    ours: str
    peer: str
    met: bool | None
    figures: dict[str, Any]


COMPARISON = "for comparison"

median = statistics.median


def say(text: str) -> None:
    """How it goes, run by run, apart from the table."""
    print(f"  {text}", file=sys.stderr, flush=True)


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
