"""What the reader has chosen, as one frozen value that lives in the URL.

A link carries the study and every slider, so that two people see the same plan. What is None is the study's
own. An edited study is text of its own and stays in the session; a link to it opens the shipped one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, get_args

from planner.estate import Hazards
from planner.study import Study

HAZARDS: Final = Hazards()
DEFAULT_STUDY: Final = "worldwide-saas"
EDITED: Final = "edited"
SLO_RANGE_MS: Final = (1.0, 400.0)
DEMAND_RANGE: Final = (0.1, 10.0)

SCENARIOS: Final = 200
MOST_SCENARIOS: Final = 2000
SEED: Final = 1
MOST_SPREAD: Final = 2.0

Objective = Literal["cost", "mean_latency", "max_latency"]
Part = Literal["anew", "stands", "many"]
"""Of *What if*: decided anew, the plan as it stands, and many scenarios of that."""


@dataclass(frozen=True, slots=True)
class Choices:
    """The sidebar (first seven), the loaded point of the front (0-based), and the page *What if*.

    ``prices`` and ``announce``: rows as :func:`planner.whatif.price_row` and ``zone_row`` read them.
    ``max_sites`` and ``budget``: 0 for "no limit although the study has one". Of *What if*, from ``part`` on:
    what fails, and how many scenarios of which hazards (:class:`~planner.estate.Hazards`, ``lose_`` its
    probabilities, ``spread`` that of demand, ``stray`` whether latencies do), drawn from ``seed``.
    """

    study: str = DEFAULT_STUDY
    slo: float | None = None
    coverage: float | None = None
    objective: Objective | None = None
    max_sites: int | None = None
    budget: float | None = None
    point: int | None = None
    without: tuple[str, ...] = ()
    demand: float = 1.0
    if_slo: float | None = None
    if_coverage: float | None = None
    if_budget: float | None = None
    prices: tuple[str, ...] = ()
    announce: tuple[str, ...] = ()
    part: Part = "anew"
    fail: tuple[str, ...] = ()
    scenarios: int = SCENARIOS
    seed: int = SEED
    lose_site: float = HAZARDS.site
    lose_metro: float = HAZARDS.metro
    lose_region: float = HAZARDS.region
    spread: float = HAZARDS.demand_spread
    stray: bool = HAZARDS.latency

    @property
    def hazards(self) -> Hazards:
        """What may happen in one of the many scenarios."""
        return Hazards(
            site=self.lose_site,
            metro=self.lose_metro,
            region=self.lose_region,
            demand_spread=self.spread,
            demand_factor=self.demand,
            latency=self.stray,
        )


def from_query(query: Mapping[str, str]) -> Choices:
    """The choices a URL carries. What does not parse or is out of range is left at the study's own value:
    an old or mistyped link still opens the page."""
    return Choices(
        study=query.get("study", DEFAULT_STUDY) or DEFAULT_STUDY,
        slo=_number(query, "slo", *SLO_RANGE_MS),
        coverage=_number(query, "coverage", 0.0, 1.0),
        objective=_objective(query.get("objective")),
        max_sites=_whole(query, "max_sites", 0, 999),
        budget=_number(query, "budget", 0.0, 1e12),
        point=_whole(query, "point", 0, 999),
        without=_names(query, "without"),
        demand=_number(query, "demand", *DEMAND_RANGE) or 1.0,
        if_slo=_number(query, "if_slo", *SLO_RANGE_MS),
        if_coverage=_number(query, "if_coverage", 0.0, 1.0),
        if_budget=_number(query, "if_budget", 0.0, 1e12),
        prices=_names(query, "prices"),
        announce=_names(query, "announce"),
        part=_part(query.get("part")),
        fail=_names(query, "fail"),
        scenarios=_whole(query, "scenarios", 1, MOST_SCENARIOS) or SCENARIOS,
        seed=_whole(query, "seed", 1, 999_999) or SEED,
        lose_site=_or(_number(query, "lose_site", 0.0, 1.0), HAZARDS.site),
        lose_metro=_or(_number(query, "lose_metro", 0.0, 1.0), HAZARDS.metro),
        lose_region=_or(_number(query, "lose_region", 0.0, 1.0), HAZARDS.region),
        spread=_or(_number(query, "spread", 0.0, MOST_SPREAD), HAZARDS.demand_spread),
        stray=query.get("stray") != "False",
    )


def to_query(choices: Choices) -> dict[str, str]:
    """The shortest URL that says the same: what is at its default does not appear, but for the study."""
    query = {"study": choices.study}
    for field in fields(Choices):
        value: Any = getattr(choices, field.name)
        if field.name == "study" or value == field.default:
            continue
        if isinstance(value, tuple):
            query[field.name] = ",".join(value)
        else:
            query[field.name] = f"{value:.10g}" if isinstance(value, float) else str(value)
    return query


def applied(study: Study, choices: Choices) -> Study:
    """``study`` with the sidebar's choices in place of its own values."""
    budget = study.budget_usd_per_month if choices.budget is None else choices.budget or None
    most = study.limits.max_sites if choices.max_sites is None else choices.max_sites or None
    return replace(
        study,
        minimize=choices.objective or study.minimize,
        budget_usd_per_month=budget,
        latency=replace(
            study.latency,
            slo_ms=study.latency.slo_ms if choices.slo is None else choices.slo,
            coverage=study.latency.coverage if choices.coverage is None else choices.coverage,
        ),
        limits=replace(study.limits, max_sites=most),
    )


def settled(choices: Choices, study: Study) -> Choices:
    """``choices`` with what only repeats the study's own value taken out, so that links stay short."""
    latency, limits = study.latency, study.limits
    return replace(
        choices,
        slo=None if choices.slo == latency.slo_ms else choices.slo,
        coverage=None if choices.coverage == latency.coverage else choices.coverage,
        objective=None if choices.objective == study.minimize else choices.objective,
        max_sites=None if choices.max_sites == (limits.max_sites or 0) else choices.max_sites,
        budget=None if choices.budget == (study.budget_usd_per_month or 0.0) else choices.budget,
    )


def _number(query: Mapping[str, str], key: str, low: float, high: float) -> float | None:
    try:
        value = float(query[key])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) and low <= value <= high else None


def _whole(query: Mapping[str, str], key: str, low: int, high: int) -> int | None:
    value = _number(query, key, low, high)
    return int(value) if value is not None and value == int(value) else None


def _names(query: Mapping[str, str], key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for part in query.get(key, "").split(",") if part))


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _part(text: str | None) -> Part:
    for known in get_args(Part):
        if text == known:
            return known  # type: ignore[no-any-return]
    return "anew"


def _objective(text: str | None) -> Objective | None:
    for known in get_args(Objective):
        if text == known:
            return known  # type: ignore[no-any-return]
    return None
