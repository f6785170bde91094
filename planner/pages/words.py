"""Numbers as a reader expects them: dollars, milliseconds, shares, always with their unit."""

from __future__ import annotations

import math

KIND_NAMES = {
    "region": "Region",
    "local_zone": "Local Zone",
    "wavelength_zone": "Wavelength Zone",
    "outpost": "Outpost",
}
OBJECTIVE_NAMES = {
    "cost": "Lowest monthly cost",
    "mean_latency": "Lowest mean latency",
    "max_latency": "Lowest worst latency",
}
ITEM_NAMES = {"cross_zone": "between zones", "direct_connect": "Direct Connect"}
"""Cost items that go by another name than their own."""
RULES_OF_TERMINATION = {
    "optimal": "proven optimal",
    "feasible": "feasible, not proven optimal",
    "time_limit": "stopped before it was proven",
    "infeasible": "no plan exists",
}


def item_words(item: str) -> str:
    """A cost item within a sentence: ``egress``, ``Direct Connect``."""
    return ITEM_NAMES.get(item, item.replace("_", " "))


def item_name(item: str) -> str:
    """A cost item by itself: ``Egress``, ``Direct Connect``."""
    words = item_words(item)
    return words[0].upper() + words[1:]


def usd(value: float | None, *, signed: bool = False) -> str:
    """``$12,345``; cents only below ten dollars."""
    if value is None or not math.isfinite(value):
        return "–"
    if abs(value) < 0.005:
        return "$0"
    sign = "−" if value < 0 else "+" if signed else ""
    digits = 2 if abs(value) < 10 else 0
    return f"{sign}${abs(value):,.{digits}f}"


def short_usd(value: float) -> str:
    """``$12.3k``: for labels inside a chart."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            figure = f"{value / size:,.1f}".removesuffix(".0")
            return f"${figure}{unit}"
    return f"${value:,.0f}"


def ms(value: float | None, *, signed: bool = False) -> str:
    """``42 ms``; one decimal below ten."""
    if value is None or not math.isfinite(value):
        return "–"
    digits = 1 if abs(value) < 9.95 else 0
    text = f"{abs(value):.{digits}f} ms"
    if float(f"{value:.{digits}f}") == 0:
        return text
    return f"{'−' if value < 0 else '+' if signed else ''}{text}"


def share(value: float | None, digits: int = 1) -> str:
    """``95.3 %``, and never 100 % for what is not all, nor 0 % for what is something."""
    if value is None or not math.isfinite(value):
        return "–"
    floor = 10.0**-digits
    percent = 100.0 * value
    if 0 < percent < floor:
        return f"<{floor:.{digits}f} %"
    if percent < 100 and round(percent, digits) >= 100 and percent < 100 - 1e-7:
        return f">{100 - floor:.{digits}f} %"
    return f"{percent:.{digits}f} %".replace(f".{'0' * digits} %", " %")


def points(value: float) -> str:
    """A difference of shares, in percentage points, with its sign."""
    figure = round(100.0 * value, 1)
    return f"{'−' if figure < 0 else '+' if figure > 0 else ''}{abs(figure):.1f} pts"


def listed(names: list[str] | tuple[str, ...], limit: int = 6) -> str:
    """``a, b, c and 4 more``."""
    if not names:
        return "none"
    if len(names) <= limit:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit} more"


def plain(text: str) -> str:
    """``text`` so that Markdown shows it as it is: no emphasis, no links, no formulas, no colours."""
    return "".join(f"\\{mark}" if mark in "\\`*_{}[]()#+!$~<>|:" else mark for mark in text)


def markdown_table(rows: list[dict[str, str]], *, right: str = "") -> str:
    """A table whose cells wrap, of ``rows`` with one set of columns; the column ``right`` is flush right."""
    if not rows:
        return ""
    heads = list(rows[0])
    lines = [[plain(head) for head in heads], ["--:" if head == right else ":--" for head in heads]]
    lines += [[plain(row[head]) for head in heads] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
