"""Which sampled figures no network can have given: those faster than light in fibre. Pure.

Something nearer than the site answered (a proxy, a cache, a name that resolves to the wrong host), or site or
vantage stands elsewhere than we were told. Either way the figure says nothing of the pair: it is set aside
and said, and neither plans nor teaches the distance model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from planner.geo import fibre_ms, great_circle_km
from planner.measurements import PairStatistic

PLACE_KM: Final = 50.0
"""How far off a position may be: the catalog knows a site by its metro's centroid, not by its building."""

NAMED: Final = 5
"""So many pairs are named one by one; of more, only the number."""


@dataclass(frozen=True, slots=True)
class Sifted:
    """The statistics that may count, in their order, and what is wrong with the others."""

    plausible: tuple[PairStatistic, ...]
    complaints: tuple[str, ...]


def sift(statistics: Sequence[PairStatistic], positions: Mapping[str, tuple[float, float]]) -> Sifted:
    """Set aside each sampled pair whose figure beats light from its vantage to its site.

    ``positions`` maps a site's id to its latitude and longitude; a site without one cannot be judged, and
    what others published passes as it is.
    """
    kept: list[PairStatistic] = []
    complaints: list[str] = []
    for each in statistics:
        position = positions.get(each.site_id)
        if each.kind != "sampled" or position is None:
            kept.append(each)
            continue
        km = float(great_circle_km(each.vantage.lat, each.vantage.lon, *position))
        if each.rtt_ms >= float(fibre_ms(max(km - PLACE_KM, 0.0))):
            kept.append(each)
            continue
        complaints.append(
            f"vantage {each.vantage.id!r}, site {each.site_id!r}: {each.rtt_ms:.2f} ms is implausible and set"
            f" aside, for light in fibre takes {float(fibre_ms(km)):.2f} ms over {km:,.0f} km"
        )
    more = len(complaints) - NAMED
    if more > 0:
        pairs = "1 more pair is" if more == 1 else f"{more} more pairs are"
        complaints[NAMED:] = [f"{pairs} faster than light in fibre and set aside"]
    return Sifted(tuple(kept), tuple(complaints))
