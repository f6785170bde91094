"""How old prices are and who says so, in one line."""

from __future__ import annotations

from collections.abc import Iterable

from planner.price_list import Price

UNDATED = "undated"
NAMED = 4
"""So many sources are named; the rest is counted."""


def dates_of(prices: Iterable[Price]) -> str:
    """``data as of 2026-03 to 2026-11-23``: the oldest and the newest date of any of them, and
    whether a study supposes that some change."""
    every = tuple(prices)
    supposed = ", some supposed" if any(price.before is not None for price in every) else ""
    dates = {price.as_of for price in every}
    known = dates - {UNDATED}
    if not known:
        return f"data undated{supposed}"
    oldest = min(date.partition("/")[0] for date in known)
    newest = max(date.rpartition("/")[2] for date in known)
    span = oldest if oldest == newest else f"{oldest} to {newest}"
    return f"data as of {span}" + (", some undated" if UNDATED in dates else "") + supposed


def sources_of(prices: Iterable[Price]) -> str:
    """The sources, the one of most prices first."""
    count: dict[str, int] = {}
    for price in prices:
        count[price.source] = count.get(price.source, 0) + 1
    names = sorted(count, key=lambda name: (-count[name], name))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
