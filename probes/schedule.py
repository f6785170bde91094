"""When rounds are due: points of a grid, a vantage's own delay, and how long shipping may take.

Pure: the clock is the caller's. Moments are seconds of the epoch.
"""

from __future__ import annotations

import hashlib
import math
from datetime import datetime
from typing import Final

# Without a grid, the shortest period cron knows.
_ASSUMED_PERIOD_S: Final = 60.0

# A process that ends a moment before its successor starts has let go of the lock by then.
_MARGIN_S: Final = 1.0
_SHORTEST_SHIPPING_S: Final = 9.0
_LONGEST_SHIPPING_S: Final = 75.0

# The year 9999 begins, UTC. Beyond it nothing can be reckoned with: a round ends after it was due.
_END_S: Final = 253_370_764_800.0


def due(now_s: float, every_s: float | None) -> float:
    """The start that ``now_s`` belongs to: the last point of the grid, or now where there is none.

    >>> due(125.5, 60.0), due(125.5, None)
    (120.0, 125.5)
    """
    return now_s if every_s is None else math.floor(now_s / every_s) * every_s


def splay(vantage: str, splay_s: float) -> float:
    """A delay in [0, splay_s) that is this vantage's own, so that agents on one grid do not start as one.

    The same in every round: rounds stay a period apart.
    """
    digest = hashlib.sha256(vantage.encode()).digest()
    # 53 bits, so that the quotient cannot be rounded up to 1.
    return splay_s * (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def left_out(before_s: float, after_s: float, every_s: float) -> int:
    """How many points of the grid lie between two that were taken; 0 where the clock went back.

    >>> left_out(120.0, 180.0, 60.0), left_out(120.0, 360.0, 60.0), left_out(120.0, 60.0, 60.0)
    (0, 3, 0)
    """
    return max(round((after_s - before_s) / every_s) - 1, 0)


def shipping_span(scheduled_s: float, now_s: float, every_s: float | None) -> float:
    """How long shipping may take: until a second before the next round is due, within 9 to 75 s.

    So a round that starts every minute and measures for up to 50 s ends before the next. A clock that was
    stepped meanwhile cannot stretch it.

    >>> shipping_span(0.0, 50.0, 60.0), shipping_span(0.0, 58.0, 60.0), shipping_span(0.0, 5.0, 3600.0)
    (9.0, 9.0, 75.0)
    """
    left_s = scheduled_s + (_ASSUMED_PERIOD_S if every_s is None else every_s) - now_s - _MARGIN_S
    return min(max(left_s, _SHORTEST_SHIPPING_S), _LONGEST_SHIPPING_S)


def longest_round(splay_s: float, deadline_s: float) -> float:
    """The most a round alone in its process can take: its splay, its measuring, the longest span of shipping.

    >>> longest_round(10.0, 50.0)
    135.0
    """
    return splay_s + deadline_s + _LONGEST_SHIPPING_S


def moment(text: str) -> float:
    """An RFC 3339 moment, with its offset, as a scheduler hands it on. Raises ValueError.

    Rounds are named and filed by years of four digits, so it lies within 1970 to 9998.

    >>> moment("2026-11-24T05:00:00Z")
    1795496400.0
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(f"{text!r} is not a moment such as 2026-11-24T05:00:00Z")
    if not 0 <= (moment_s := found.timestamp()) < _END_S:
        raise ValueError(f"{text!r} is not within the years 1970 to 9998")
    return moment_s
