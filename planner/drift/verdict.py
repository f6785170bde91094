"""What a check found, and what that means for the plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from planner.drift.attained import Attained
from planner.drift.evidence import PairChange, SiteChange
from planner.drift.standing import Better, PriceChange
from planner.drift.timeline import Timeline
from planner.plan import Plan
from planner.wording import counted

DEFAULT_REGRET: Final = 0.02
"""A plan is no longer right where another, under the same rules, is better by more than this."""

LEAST_DEMAND: Final = 0.01
"""A site that does not answer less of the demand than this may have to do with that vantage."""

Reason = Literal["gone", "unreachable", "coverage", "impossible", "rules", "regret"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The best plan now, beside the one that runs, both at today's latencies and prices.

    ``objective``: of the plan as assigned; ``broken``: rules it breaks there; ``regret``: how much better
    ``best`` is, as a share of it, None where the plan breaks a rule or either of them is not to be had.
    ``unproven``: the gap that was left when the plan was made.
    """

    best: Plan
    standing: Plan | None
    objective: float | None
    broken: tuple[str, ...]
    regret: float | None
    unproven: float

    @property
    def opened(self) -> tuple[str, ...]:
        """Sites that the best plan opens besides."""
        return () if self.standing is None else tuple(sorted({*self.best.open} - {*self.standing.open}))

    @property
    def closed(self) -> tuple[str, ...]:
        """Sites that it does without."""
        return () if self.standing is None else tuple(sorted({*self.standing.open} - {*self.best.open}))


@dataclass(frozen=True, slots=True)
class Check:
    """A plan held against what was measured from ``since`` to ``until``, and against today's catalog.

    ``open`` sites, ``planned_usd`` a month and the share of demand ``asked`` to be in time are the plan's.
    ``rounds``, of all ``pairs`` together, were measured lately; ``judged`` pairs could be compared with what
    the plan was made from; ``changes`` are of pairs, ``site_changes`` of all pairs of a site together.
    ``gone``: sites of the plan that are no candidates any more, and why. ``unreachable``: sites of the plan
    that do not answer some of those they serve, and the share of demand that these are. ``resolved``: None
    where it could not be asked.
    """

    plan: str
    open: tuple[str, ...]
    planned_usd: float
    asked: float
    made: datetime | None
    since: datetime
    until: datetime
    rounds: int
    pairs: int
    judged: int
    attained: Attained
    changes: tuple[PairChange, ...]
    site_changes: tuple[SiteChange, ...]
    better: tuple[Better, ...]
    prices: tuple[PriceChange, ...]
    resolved: Resolved | None
    gone: Mapping[str, str]
    unreachable: Mapping[str, float]
    timeline: Timeline | None
    notes: tuple[str, ...] = ()
    threshold: float = DEFAULT_REGRET

    @property
    def reasons(self) -> Mapping[Reason, str]:
        """Why the plan is no longer right, each in words; empty where it is."""
        found: dict[Reason, str] = {}
        if self.gone:
            found["gone"] = "; ".join(f"{site}: {why}" for site, why in self.gone.items())
        if self.unreachable:
            found["unreachable"] = "; ".join(
                f"{site} does not answer the vantages of {100 * share:.1f} % of demand any more"
                for site, share in self.unreachable.items()
            )
        if self.attained.missed:
            have = self.attained
            found["coverage"] = (
                f"at most {100 * have.at_most:.1f} % of demand is within {have.slo_ms:g} ms,"
                f" {100 * have.promised:g} % is promised"
            )
        resolved = self.resolved
        if resolved is not None and resolved.best.termination == "infeasible":
            found["impossible"] = "no plan keeps the study's rules any more"
        elif resolved is not None:
            # Short coverage is noise or news; which of them, the bounds above say. A pair that is not allowed
            # has no latency any more, or a rule of the study's own forbids it, which is said by name.
            broken = [rule for rule in resolved.broken if rule not in ("coverage", "allowed")]
            if broken or ("allowed" in resolved.broken and not found):
                named = ", ".join(broken) or "a rule on who may be served from where"
                found["rules"] = f"the plan as it runs breaks {named}"
            if resolved.regret is not None and resolved.regret - resolved.unproven > self.threshold:
                found["regret"] = f"another plan is {100 * resolved.regret:.1f} % better"
        return found

    @property
    def right(self) -> bool:
        """Whether the plan may stay as it is."""
        return not self.reasons

    @property
    def _changed(self) -> tuple[str, ...]:
        if self.changes:
            return (counted(len(self.changes), "pair") + " changed",)
        return (counted(len(self.site_changes), "site") + " changed",) if self.site_changes else ()

    @property
    def advice(self) -> str:
        """One sentence: what to do."""
        if self.right:
            if not (self.changes or self.site_changes or self.prices or self.better):
                return "There is nothing to do."
            what = [
                *self._changed,
                *(["prices moved"] if self.prices else []),
                *(["candidates became faster"] if self.better and not self.changes else []),
            ]
            return f"There is nothing to do: {' and '.join(what)}, but no plan is enough better to move."
        resolved = self.resolved
        if resolved is not None and resolved.best.kpi is None and "impossible" not in self.reasons:
            return "Today's best plan was not found in time: check again with a longer --time-limit."
        if resolved is None or resolved.best.kpi is None:
            return "Loosen the study's rules or give it other candidates, and plan again: edgeplan explain."
        moves = [
            *([f"open {', '.join(resolved.opened)}"] if resolved.opened else []),
            *([f"close {', '.join(resolved.closed)}"] if resolved.closed else []),
        ]
        move = " and ".join(moves) or "the same sites, other assignments"
        usd = f"${resolved.best.kpi.cost_usd_month:,.0f} a month"
        return f"Plan again with these measurements; today's best plan: {move}, at {usd}."
