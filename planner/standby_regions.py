"""Where a service without a home tier may have its standby, and what copying its data there costs.

Without ``[workload.home]`` each open site holds the data of its clients. What is to be recovered from is the
loss of any one Region with its zones, so the standby, which holds the data of everybody, is a Region in which
no site is open:

    y_j = 0 for every site j that is lost with the standby
    USD a month of copying = change_gb_per_day × 365/12 × Σ_j share_j × price from j to the standby

Where every Region's loss is survived, active/active needs no Region more: a client's backup has its data.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.catalog import ZONE_KINDS, Site, SitePrices
from planner.inputs import Inputs
from planner.study import Resilience, Study

DAYS_PER_MONTH: Final = 365 / 12


def spared(asked: Resilience, inputs: Inputs, standby: Site) -> NDArray[np.bool_]:
    """(n,) True for sites that are not lost with the Region ``standby``: itself, its zones, and where metros
    or Regions may be lost, what stands in its metro, with its zones. A rack runs on without its parent."""
    lost = {site.id for site in inputs.sites if site.kind == "region" and lost_together(asked, site, standby)}
    return np.array([not (_region_of(site) in lost or _near(asked, site, standby)) for site in inputs.sites])


def lost_together(asked: Resilience, one: Site, other: Site) -> bool:
    """Whether two Regions are one, or one metro that may be lost."""
    return one.id == other.id or _near(asked, one, other)


def apart_from(asked: Resilience, home: Site, site: Site) -> bool:
    """A Region that is not lost with the home, of the same network: replication crosses no provider."""
    if site.kind != "region" or lost_together(asked, site, home):
        return False
    return (site.provider, site.partition) == (home.provider, home.partition)


def lacking(study: Study, inputs: Inputs) -> str:
    """What the candidates lack for any Region to stand by, however long it may take; empty for nothing."""
    asked, homes = study.resilience, [home.site for home in inputs.homes]
    regions = [site for site in inputs.sites if site.kind == "region"]
    if study.workload.home is not None:
        homes = homes or [home.site for home in (inputs.home,) if home is not None]
        if any(apart_from(asked, home, region) for home in homes for region in regions):
            return ""
        second = f"a second Region of {homes[0].provider}"
    else:
        if backups_hold(asked) or any(spared(asked, inputs, region).any() for region in regions):
            return ""
        homes, second = regions, "a second Region" if regions else "a Region"
    if len({home.id for home in homes}) > 1:
        second += ", not of the same metro,"
    lost = f" when {homes[0].id} is lost" if homes else " where no site is open"
    return f"{second} among the candidates, to stand by{lost}"


def backups_hold(asked: Resilience) -> bool:
    """Whether every client's backup survives the loss of the Region that serves it, zones and all."""
    return asked.survive == "region" or (asked.survive != "none" and asked.zones_fail_with_parent)


def copying_usd(study: Study, inputs: Inputs, standby: str | None) -> NDArray[np.float64]:
    """(n,) what copying all that changes costs a month if that site serves everybody.

    To another Region of its network, from a zone or rack by way of its parent; else by the internet, at the
    price of its first GB. Without a ``standby`` the data go to backups, and that by the internet
    where sites are of several networks.
    """
    networks = {(site.provider, site.partition) for site in inputs.sites if standby in (None, site.id)}
    usd_gb = [
        _onward(price, (site.provider, site.partition) in networks and len(networks) == 1)
        for site, price in zip(inputs.sites, inputs.prices, strict=True)
    ]
    return study.resilience.change_gb_per_day * DAYS_PER_MONTH * np.array(usd_gb)


def _onward(price: SitePrices, joined: bool) -> float:
    if not joined or price.home_gb is None:
        return price.egress_gb.usd
    return price.home_gb.usd + (0.0 if price.parent_gb is None else price.parent_gb.usd)


def _region_of(site: Site) -> str | None:
    if site.kind == "region":
        return site.id
    return site.parent if site.kind in ZONE_KINDS else None


def _near(asked: Resilience, one: Site, other: Site) -> bool:
    wide = asked.survive in ("metro", "region") and one.kind != "outpost"
    return wide and one.metro != "" and (one.metro, one.country) == (other.metro, other.country)
