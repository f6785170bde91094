"""Colours, one set for light and one for dark, and the layout every chart starts from.

Categories begin with the blue and orange of M. Okabe and K. Ito ("Color Universal Design", 2008); the others
were searched for so that no two of them are near to any eye: at least 0.12 apart in OKLab (B. Ottosson, 2020;
0.02 is just seen), also to eyes without one kind of cone (G. Machado and others, 2009). Magnitudes on viridis
(S. van der Walt, N. Smith, 2015), whose lightness rises evenly with and without colour vision.
Provenance is never colour alone: measured is a filled marker and a solid line, modelled a hollow marker
and a dotted line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import plotly.graph_objects as go


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one mode. ``series`` are categories in their order, one for each of ``ITEM_ORDER``;
    ``scale`` is low to high."""

    dark: bool
    background: str
    surface: str
    text: str
    muted: str
    line: str
    land: str
    border: str
    accent: str
    warm: str
    series: tuple[str, ...]
    scale: tuple[str, ...]

    @property
    def colorscale(self) -> list[list[float | str]]:
        """``scale`` as Plotly takes it: pairs of position and colour."""
        return [[k / (len(self.scale) - 1), colour] for k, colour in enumerate(self.scale)]


LIGHT: Final = Palette(
    dark=False,
    background="#FFFFFF",
    surface="#F3F6F9",
    text="#17222E",
    muted="#5B6875",
    line="#DDE3E9",
    land="#E6EBF0",
    border="#FFFFFF",
    accent="#0072B2",
    warm="#D55E00",
    series=("#0072B2", "#E69F00", "#56CBB7", "#8E3D47", "#B08AF0", "#181391", "#CD632D", "#5C1030"),
    # Viridis turned round and without its palest fifth, which would vanish on white: slow is dark.
    scale=("#7AD151", "#35B779", "#1F9E89", "#26828E", "#31688E", "#3E4A89", "#440154"),
)
DARK: Final = Palette(
    dark=True,
    background="#0E151C",
    surface="#17212B",
    text="#E3EAF1",
    muted="#9AA8B5",
    line="#2B3947",
    land="#1E2A36",
    border="#0E151C",
    accent="#56B4E9",
    warm="#F07F3C",
    series=("#56B4E9", "#E69F00", "#F7ED6C", "#5673F0", "#93408E", "#22FCFD", "#9B837F", "#416B25"),
    # Viridis without its darkest third, which would vanish on the dark ground: slow is bright.
    scale=("#31688E", "#26828E", "#1F9E89", "#35B779", "#6DCD59", "#B4DE2C", "#FDE725"),
)

FONT: Final = '"Source Sans", "Source Sans Pro", system-ui, sans-serif'

ITEM_ORDER: Final[tuple[str, ...]] = (
    "compute",
    "egress",
    "transfer",
    "outpost",
    "cross_zone",
    "direct_connect",
    "routing",
    "recovery",
)
"""Every cost item, in the order they are drawn; a new one comes last and brings a colour to each palette."""


def palette(dark: bool) -> Palette:
    """The colours of the mode the reader has chosen."""
    return DARK if dark else LIGHT


def item_colours(colours: Palette) -> dict[str, str]:
    """A colour for each cost item, the same in every plan and on every page."""
    return dict(zip(ITEM_ORDER, colours.series, strict=True))


def figure(colours: Palette, *, height: int, **layout: Any) -> go.Figure:
    """An empty chart in the house style: transparent, quiet axes, legend above, no toolbar of its own."""
    axis = {
        "gridcolor": colours.line,
        "zeroline": False,
        "linecolor": colours.line,
        "tickfont": {"color": colours.muted, "size": 12},
        "title": {"font": {"color": colours.muted, "size": 13}, "standoff": 10},
        "automargin": True,
    }
    chart = go.Figure()
    chart.update_layout(
        template="none",
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "color": colours.text, "size": 13},
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hoverlabel={
            "bgcolor": colours.surface,
            "bordercolor": colours.line,
            "font": {"family": FONT, "color": colours.text, "size": 13},
            "align": "left",
        },
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.0,
            "yanchor": "bottom",
            "font": {"size": 12.5, "color": colours.text},
            "bgcolor": "rgba(0,0,0,0)",
            "traceorder": "normal",
        },
        xaxis=axis,
        yaxis=axis,
    )
    chart.update_layout(**layout)
    return chart


PLOTLY_CONFIG: Final[Mapping[str, Any]] = {"displayModeBar": False, "displaylogo": False, "scrollZoom": False}
"""Passed with every chart: no toolbar, no logo, no link away."""
