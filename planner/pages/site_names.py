"""What a site is called on the page: its id, with whose it is where the candidates are several providers'.

us-east-1 is one provider's and us-east1 another's, and a city has Regions of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.catalog import Site
from planner.plan import Plan


def site_names(sites: Iterable[Site], *plans: Plan) -> dict[str, str]:
    """By id, of ``sites`` and of those that ``plans`` open: some plan has a site that the study has not."""
    owner = {site.id: site.provider for site in sites}
    owner |= {placed.site_id: placed.provider for plan in plans for placed in plan.rows}
    mixed = len(set(owner.values())) > 1
    return {site_id: f"{site_id} ({whose})" if mixed else site_id for site_id, whose in owner.items()}


def called(names: Mapping[str, str], site_ids: Iterable[str]) -> tuple[str, ...]:
    """The sites' names, in order; a site that has none goes by its id."""
    return tuple(names.get(site_id, site_id) for site_id in site_ids)
