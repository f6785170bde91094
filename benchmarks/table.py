"""What a gate gives, and the table of all gates: goal, ours, the peer's, met or not."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; ``met`` is None for what is shown for comparison, or was not measured."""

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


def print_table(us: str, lines: Sequence[Line]) -> bool:
    """Print the lines, ours under the name ``us``; whether every gate that was measured is met."""
    print(f"| gate | goal | {us} | peer | met |\n| --- | --- | --- | --- | --- |")
    for line in lines:
        met = "" if line.met is None else "yes" if line.met else "**no**"
        print(f"| {line.gate} | {line.goal} | {line.ours} | {line.peer} | {met} |")
    return all(line.met is not False for line in lines)
