"""A plan as the live estate that it is: sites fail, demand swells, latencies are not what was thought."""

from planner.estate.live import Estate, estate_of
from planner.estate.outcome import Move, Outcome, SiteLoad, outcome_of
from planner.estate.scenario import Hazards, Scenario, drawn, failing

__all__ = [
    "Estate",
    "Hazards",
    "Move",
    "Outcome",
    "Scenario",
    "SiteLoad",
    "drawn",
    "estate_of",
    "failing",
    "outcome_of",
]
