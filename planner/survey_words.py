"""What a survey found, in words: amounts in what the study minimises, and what knowing would be worth."""

from __future__ import annotations

from planner.survey import Survey
from planner.survey_draws import PRICE


def amount(value: float, unit: str) -> str:
    """``$1,204``, ``0.83 ms``; nothing where there is nothing."""
    if value == 0.0:
        return ""
    return f"${value:,.0f}" if unit == "USD a month" else f"{value:.3g} ms"


def worth_words(found: Survey) -> str:
    """What knowing every latency is expected to be worth, and what of it is what."""
    if found.regret <= 0.0:
        return "in no draw is another plan better: knowing the latencies would gain nothing"
    whole = f"{amount(found.regret, found.unit)}{' a month' if found.unit != 'ms' else ''}"
    itself = "cost" if found.unit != "ms" else "latency"
    less = "less" if found.saved >= 0.0 else "more"
    parts = [f"{amount(abs(found.saved), found.unit) or 0} {less} {itself}"]
    if abs(found.spared) > 5e-5:
        kept = "kept" if found.spared > 0.0 else "given up"
        parts.append(f"promises {kept} for {100.0 * abs(found.spared):.2g} % of demand")
    price = f" (one per cent of it counts as {PRICE:g} % of the {itself})" if len(parts) > 1 else ""
    return f"knowing every latency would be worth {whole}: {' and '.join(parts)}{price}"
