"""How a figure spreads over many scenarios, those with a failure told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from planner.pages.theme import Palette, figure
from planner.pages.words import ms, share, usd
from planner.wording import counted

BINS: Final = 24
FORMS: Final[Mapping[str, tuple[Callable[[float], str], Mapping[str, str]]]] = {
    "share": (share, {"tickformat": ".0%"}),
    "usd": (usd, {"tickprefix": "$", "tickformat": "~s"}),
    "ms": (ms, {"ticksuffix": " ms"}),
}
"""A figure in words, and its axis."""


def bins(values: Sequence[float]) -> NDArray[np.float64]:
    """Edges of at most :data:`BINS` bins of one width over ``values``; one bin where all are alike."""
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(abs(high), 1.0):
        width = 0.01 * max(abs(high), 1e-9)
        return np.array([low - width, high + width])
    return np.linspace(low, high, BINS + 1)


def spread_chart(
    values: Sequence[float | None],
    failed: Sequence[bool],
    mark: float | None,
    form: str,
    colours: Palette,
) -> go.Figure:
    """Scenarios by ``values``, None and what is not finite left out; ``mark`` is drawn dashed.

    ``form`` is one of :data:`FORMS`.
    """
    words, ticks = FORMS[form]
    known = [
        (value, hurt)
        for value, hurt in zip(values, failed, strict=True)
        if value is not None and np.isfinite(value)
    ]
    chart = figure(colours, height=280, barmode="stack", bargap=0.06, dragmode=False)
    if known:
        edges = bins([value for value, _ in known])
        for name, hurt, hue in (
            ("No failure", False, colours.accent),
            ("A failure", True, colours.series[1]),
        ):
            counts, _ = np.histogram([value for value, each in known if each is hurt], edges)
            chart.add_bar(
                x=(edges[:-1] + edges[1:]) / 2.0,
                y=counts,
                name=f"{name} ({int(counts.sum())})",
                marker={"color": hue, "line": {"width": 0}},
                text=[
                    f"{words(float(low))} to {words(float(high))}<br>{counted(int(count), 'scenario')}"
                    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
                ],
                textposition="none",
                hovertemplate=f"{name}<br>%{{text}}<extra></extra>",
            )
    if mark is not None:
        chart.add_vline(x=mark, line={"color": colours.warm, "width": 1.5, "dash": "dash"})
    chart.update_xaxes(**ticks, nticks=6)
    chart.update_yaxes(title_text="Scenarios")
    return chart
