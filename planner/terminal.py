"""Plans as text for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from planner.decide import Explanation
from planner.plan import Certainty, Plan
from planner.solver.explain import RulePrice
from planner.solver.site_prices import SiteValue, searched
from planner.tabulate import table
from planner.whatif import Difference

_TERMINATIONS: Mapping[str, str] = {
    "optimal": "proven optimal",
    "feasible": "feasible, not proven optimal",
    "time_limit": "stopped before it was proven",
    "infeasible": "infeasible",
}

_AIMS: Mapping[str, str] = {"cost": "cost", "mean_latency": "mean latency", "max_latency": "max latency"}


def plan_text(plan: Plan, *, slo_ms: float | None) -> str:
    """The decision, its figures, its sites, what binds, and what was set aside.

    Without a promise (``slo_ms`` None) there is no coverage of it to tell.
    """
    if plan.kpi is None:
        return nothing_text(plan)
    kpi = plan.kpi
    proof = "" if plan.gap is None else f", gap {plan.gap:.1e}"
    lines = [
        f"{plan.study}: {_TERMINATIONS[plan.termination]}{proof}, {plan.seconds:.1f} s",
        "",
        f"  cost      {usd(kpi.cost_usd_month)} a month ({_items(plan.cost_items)})",
        f"  latency   mean {ms(kpi.mean_ms)}, p50 {ms(kpi.p50_ms)}, "
        f"p95 {ms(kpi.p95_ms)}, max {ms(kpi.max_ms)}",
        *(() if slo_ms is None else (f"  coverage  {share(kpi.coverage)} of demand within {slo_ms:g} ms",)),
        *_home(plan),
        f"  evidence  {share(kpi.measured_share)} of demand over pairs measured nearby, the rest modelled",
        *_certainty(plan),
        *(() if plan.priced is None else (f"  prices    {plan.priced.words}",)),
        "",
        table(
            ("site", "kind", "country", "instances", "demand", "p50 ms", "p95 ms", "USD a month"),
            [
                (
                    *(
                        place.site_id,
                        place.kind if place.role == "serving" else f"{place.kind} ({place.role})",
                    ),
                    *(place.country, str(place.instances), share(place.demand_share)),
                    *(_figure(place.latency_p50_ms), _figure(place.latency_p95_ms)),
                    f"{place.cost_usd_month:,.0f}",
                )
                for place in plan.rows
            ],
            flush_right=range(3, 8),
        ),
    ]
    lines += _list("tight at this plan (what each rule costs: edgeplan explain)", plan.binding)
    lines += _routing(plan, slo_ms)
    lines += _ways(plan)
    lines += _list("stays with you", duty_words(plan))
    lines += _list("set aside", [f"{site}: {reason}" for site, reason in plan.set_aside.items()])
    lines += _list("notes", plan.notes)
    return "\n".join(lines)


def _certainty(plan: Plan) -> Iterator[str]:
    if plan.certainty is not None and plan.certainty.coverage is not None:
        yield f"  certainty {certainty_words(plan.certainty)}"


def certainty_words(certainty: Certainty) -> str:
    """How likely the promise is kept, what of the demand that leaves in time, and where the doubt is."""
    assert certainty.probability is not None
    assert certainty.coverage is not None
    low, high = certainty.coverage
    where = ", ".join(site for site, _ in certainty.hangs_on)
    return (
        f"{share(certainty.probability)} that the promise holds, by the bounds of its latencies; 9 times in"
        f" 10 {share(low)} to {share(high)} of demand is in time"
        + (f"; it hangs on {where}" if where else "")
    )


def _home(plan: Plan) -> Iterator[str]:
    if plan.home is not None:
        yield f"  home      {plan.home.region}: {ms(plan.home.mean_ms)} of the mean is between site and home"
    if plan.recovery is not None:
        way = plan.recovery
        yield f"  recovery  {way.strategy} in {way.where}, {usd(way.usd)} a month"
        yield f"            {way.words}"


def _routing(plan: Plan, slo_ms: float | None) -> Iterator[str]:
    """How clients find their site, and what that makes of the plan."""
    if plan.routing is None:
        return
    routed = plan.routing.as_routed
    yield from _list("routing", plan.routing.why)
    yield f"  fails over in {plan.routing.failover_words}"
    within = "" if slo_ms is None else f", {share(routed.coverage)} within {slo_ms:g} ms"
    yield (
        f"  as routed: mean {ms(routed.mean_ms)}, p95 {ms(routed.p95_ms)}, max {ms(routed.max_ms)}{within}; "
        f"{share(routed.differs)} of demand served elsewhere than assigned; "
        f"{usd(routed.cost_usd_month)} a month"
    )
    yield from (f"    {sentence}" for sentence in plan.said_as_routed)
    if routed.forbidden:
        yield f"    rules would have {share(routed.forbidden)} of demand elsewhere"


def _ways(plan: Plan) -> Iterator[str]:
    """Every strategy of recovery, and why it is, or is not, the one."""
    if plan.recovery_ways:
        heads = ("recovery", "standby", "USD a month", "RTO s", "RPO s", "")
        rows = [
            (
                *(way.strategy, way.standby or "", _figure(way.usd_month), _figure(way.rto_s)),
                *(_figure(way.rpo_s), way.why),
            )
            for way in plan.recovery_ways
        ]
        yield from ("", table(heads, rows, flush_right=range(2, 5)))


def duty_words(plan: Plan) -> list[str]:
    """What stays with the customer at the open Outposts, those of one duty together."""
    by_duty: dict[str, list[str]] = {}
    for site_id, duty in plan.duties.items():
        by_duty.setdefault(duty, []).append(site_id)
    return [f"at {', '.join(sorted(sites))}, {duty}" for duty, sites in by_duty.items()]


def nothing_text(plan: Plan) -> str:
    """Why nothing was decided."""
    if plan.conflict is None:
        return f"{plan.study}: no plan was found before it was stopped ({plan.seconds:.1f} s)"
    lines = [f"{plan.study}: infeasible: no plan keeps every rule", "", f"  {plan.conflict.reason}"]
    lines += _list(
        "rules in conflict, and the least change of each that leaves a plan",
        [
            f"{rule}: {plan.conflict.remedies.get(rule, 'it would have to go')}"
            for rule in plan.conflict.rules
        ],
    )
    lines += _list("set aside", [f"{site}: {reason}" for site, reason in plan.set_aside.items()])
    return "\n".join(lines)


def explanation_text(explanation: Explanation, *, slo_ms: float | None) -> str:
    """The plan, what each rule costs, what each site is worth, and what is nearly as good."""
    text = plan_text(explanation.plan, slo_ms=slo_ms)
    if not explanation.rule_prices:
        return text
    minimize = explanation.plan.minimize
    unit = "USD a month" if minimize == "cost" else "ms"
    rules = [
        (
            price.rule,
            _saving(price, minimize),
            "" if price.step is None else _change(price.step_saves, minimize),
            price.words
            + ("" if price.step is None else f"; a step: {price.step}")
            + _overlap(price, minimize, unit),
        )
        for price in explanation.rule_prices
    ]
    header = ("rule", f"dropping it saves ({unit})", "a step saves", "what it asks")
    parts = [text, _lined_up(header, rules, right=(1, 2))]
    sites = [
        (value.site, "open" if value.is_open else "closed", *worth(value, minimize))
        for value in explanation.site_values
    ]
    if sites:
        header = ("site", "is", f"settled otherwise ({unit})", "which means")
        parts.append(_lined_up(header, sites, right=(2,)))
    parts.append(_alternatives_text(explanation))
    return "\n\n".join(part for part in parts if part)


def _overlap(price: RulePrice, minimize: str, unit: str) -> str:
    """Which rules hold what it asks as well, and what is saved without them all."""
    if not price.held_by:
        return ""
    others = ", ".join(price.held_by)
    return f"; {others} hold{'s' if len(price.held_by) == 1 else ''} it as well: dropping all saves " + (
        f"{_change(price.together, minimize)} {unit}"
    )


def worth(value: SiteValue, minimize: str) -> tuple[str, str]:
    """What the plan loses with the site settled the other way, and what that says."""
    if value.forbidden:
        return "", f"kept closed by {', '.join(value.forbidden)}"
    if value.impossible:
        return "", "no plan without it" if value.is_open else "no plan with it"
    if value.dearer is None:
        return "stopped before it was solved", ""
    figure = ("+" if value.proven else "about +") + _change(value.dearer, minimize)
    if value.dearer == 0.0:
        return figure, "another plan is as good"
    if value.is_open:
        return figure, "without it"
    if value.discount is not None:
        return figure, f"it would open if it were {value.discount:.1%} cheaper"
    if not value.share:
        return figure, "it would serve nobody"
    return figure, "no discount opens it" if minimize == "cost" else "with it"


def _alternatives_text(explanation: Explanation) -> str:
    opened, lines = set(explanation.plan.open), []
    for other in explanation.alternatives:
        if other.kpi is None:
            continue
        opens = ", ".join(sorted(set(other.open) - opened)) or "nothing"
        closes = ", ".join(sorted(opened - set(other.open))) or "nothing"
        figures = f"{usd(other.kpi.cost_usd_month)} a month, mean {ms(other.kpi.mean_ms)}"
        lines.append(f"{figures}: opens {opens}; closes {closes}")
    if not lines:
        if searched(explanation.site_values):
            return "no plan within 1 % opens two other sites"
        return "plans within 1 %, with other sites: stopped before all were looked for"
    return "\n".join(("within 1 %, with other sites:", *(f"  {line}" for line in lines)))


def _lined_up(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, right: Sequence[int]) -> str:
    """A table whose columns ``right`` are flush right, and whose last is words."""
    widths = {column: max(len(row[column]) for row in (header, *rows)) for column in right}
    padded = [
        tuple(cell.rjust(widths[column]) if column in widths else cell for column, cell in enumerate(row))
        for row in rows
    ]
    return table(header, padded)


def frontier_text(plans: Sequence[Plan], promises: Sequence[float]) -> str:
    """The front as a table, cheapest first."""
    rows = [
        (
            *(str(point), f"{kpi.cost_usd_month:,.0f}", f"{promise:.1f}", f"{kpi.mean_ms:.1f}"),
            *(f"{kpi.p95_ms:.1f}", str(len(plan.open)), f"{plan.gap or 0.0:.1e}", " ".join(plan.open)),
        )
        for point, (plan, promise) in enumerate(zip(plans, promises, strict=True), start=1)
        if (kpi := plan.kpi) is not None
    ]
    # The site ids come last and flush left: they are as long as they are.
    header = ("point", "USD a month", "promise ms", "mean ms", "p95 ms", "sites", "gap")
    figures = table(header, [row[:-1] for row in rows], flush_right=range(7)).splitlines()
    sites = ("open", "----", *(row[-1] for row in rows))
    return "\n".join(f"{line}  {ids}" for line, ids in zip(figures, sites, strict=True))


def difference_text(difference: Difference) -> str:
    """What changed against the base plan."""
    lines = ["against the base plan:"]
    if difference.cost_usd_month is None:
        return "\n".join([*lines, "  one of the two decides nothing, so there is nothing to compare"])
    lines += [f"  opens {site}" for site in difference.opened]
    lines += [f"  closes {site}" for site in difference.closed]
    moved = difference.moved_share or 0.0
    if len(lines) == 1:
        within = difference.within_gap and moved > 0
        lines.append(
            "  the same sites; assignments differ within the gap" if within else "  the same sites are open"
        )
    lines.append(f"  {share(moved)} of the demand moves to another site")
    if difference.within_gap:
        lines.append(f"  {_AIMS[difference.minimize or '']}: no change within the proven gap")
        if difference.minimize == "cost" and abs(difference.cost_usd_month) >= 0.5:
            lines[-1] += f" ({_signed(difference.cost_usd_month, ',.0f')} USD a month)"
    if not (difference.within_gap and difference.minimize == "cost"):
        lines.append(f"  cost {_signed(difference.cost_usd_month, ',.0f')} USD a month")
        lines += [
            f"    {item.replace('_', ' ')} {_signed(usd_, ',.0f')}"
            for item, usd_ in difference.cost_items_usd_month.items()
            if abs(usd_) >= 0.5
        ]
    for name, delta in (
        ("mean", difference.mean_ms),
        ("p50", difference.p50_ms),
        ("p95", difference.p95_ms),
        ("max", difference.max_ms),
    ):
        if not (difference.within_gap and difference.minimize == f"{name}_latency"):
            lines.append(f"  {name} {_signed(delta, '.1f')} ms")
    coverage = None if difference.coverage is None else 100 * difference.coverage
    lines.append(f"  coverage {_signed(coverage, '.1f')} points")
    return "\n".join(lines)


def usd(value: float) -> str:
    """``$12,345``."""
    return f"${value:,.0f}"


def ms(value: float) -> str:
    """``42.0 ms``."""
    return f"{value:.1f} ms"


def share(value: float) -> str:
    """``95.3%``; what is not all of it is never shown as 100.0%."""
    percent = 100 * value
    return f"{min(percent, 99.9) if value < 1 - 1e-9 else percent:.1f}%"


def _items(items: Mapping[str, float]) -> str:
    return ", ".join(f"{item.replace('_', ' ')} {usd(value)}" for item, value in items.items() if value)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _signed(value: float | None, form: str) -> str:
    return "–" if value is None else format(value + 0.0, f"+{form}")


def _saving(price: RulePrice, minimize: str) -> str:
    text = _change(price.saves, minimize)
    return text if price.proven or price.saves is None else f"about {text}"


def _change(value: float | None, minimize: str) -> str:
    """In the objective's own unit."""
    if value is None:
        return "stopped before it was solved"
    return f"{value:,.0f}" if minimize == "cost" else f"{value:.2f}"


def _list(title: str, entries: Sequence[str]) -> Iterator[str]:
    if entries:
        yield from ("", f"{title}:", *(f"  {entry}" for entry in entries))
