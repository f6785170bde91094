"""The words for figures."""

from __future__ import annotations


def seconds(value: float) -> str:
    """Milliseconds below a tenth of a second."""
    if value < 0.1:
        return f"{value * 1000:.2g} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def times(ratio: float) -> str:
    """A ratio, to two digits below 10."""
    return f"{ratio:,.0f}×" if ratio >= 10 else f"{ratio:.1f}×"


def percent(gap: float) -> str:
    """A relative gap; below 1e-9 it is a proof."""
    return "0" if gap <= 1e-9 else f"{gap:.0e}" if gap < 1e-4 else f"{100 * gap:.2g} %"
