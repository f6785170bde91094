"""What a refresh found, as words and as one document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from planner.refresh.answers import Answers
from planner.refresh.comparison import Comparison
from planner.refresh.offer_rows import OfferChange
from planner.refresh.price_rows import Amount, PriceChange
from planner.refresh.site_rows import PENDING, SiteChange
from planner.tabulate import table

ROWS: Final = 40
"""So many rows of a section are printed; of more, ``--json`` has all."""

NAMED: Final = 8
"""So many names are printed in a row of words."""


def document(provider: str, found: Comparison, written: Path | None) -> dict[str, Any]:
    """All of it, for a program."""
    answers = found.answers
    return {
        "provider": provider,
        "partition": answers.partition,
        "as_of": answers.as_of,
        "compared_with": {"directory": str(found.base), "as_of": found.base_as_of},
        "asked": sorted(answers.zones_of),
        "silent": dict(answers.silent),
        "sites": [asdict(change) for change in found.sites.changes],
        "needs_coordinates": [row["site_id"] for row in found.sites.pending],
        "offerings": [asdict(change) for change in found.offers.changes],
        "prices": [asdict(change) | {"what": _what(change)} for change in found.prices.changes],
        "confirmed": {
            "sites": found.sites.confirmed,
            "offerings": found.offers.confirmed,
            "prices": found.prices.confirmed,
        },
        "outposts": [asdict(rack) for rack in answers.racks],
        "not_told": list(not_told(found)),
        "written": None if written is None else str(written),
    }


def text(provider: str, found: Comparison) -> str:
    """All of it, for a person."""
    answers = found.answers
    parts = [
        f"{provider}, {answers.as_of}: {_count(len(answers.zones_of), 'Region')} told their zones,"
        f" {len(answers.silent)} did not; compared with {found.base} (newest row: {found.base_as_of})",
        *_sites(found),
        *_offers(found),
        *_prices(found),
        *_racks(answers),
        *_list("not told", list(not_told(found))),
    ]
    return "\n\n".join(parts)


def not_told(found: Comparison) -> Iterator[str]:
    """What stays as it was because nobody said anything of it, or nothing clear."""
    answers = found.answers
    closed = sorted(region for region, why in answers.silent.items() if why == "not opted in")
    if closed:
        yield f"zones and instance types of {', '.join(closed)}: the account has not opted in"
    yield from (why for why in answers.silent.values() if why != "not opted in")
    for change in found.sites.changes:
        if change.what == "needs":
            yield f"of {change.site}: {change.now}"
        elif change.what == "refused":
            yield f"of {change.site}, {change.column}: {change.now}"
    if found.offers.untold:
        yield f"instance types of {_some(found.offers.untold)}: none was named; rows are as they were"
    yield from (
        f"the price list names no {instance}: its rows are as they were"
        for instance in answers.prices.unanswered
    )
    yield from (f"{', '.join(key)}: no one price that can be read; as it was" for key in found.prices.unclear)
    yield from (f"{', '.join(key)}: not on the price list; as it was" for key in found.prices.unlisted)
    if found.prices.elsewhere:
        where = _some(found.prices.elsewhere)
        yield f"prices of {_count(len(found.prices.elsewhere), 'place')} that are no site here: {where}"
    yield from answers.notes
    yield (
        "not asked, and as they were: prices of Route 53, Global Accelerator, Direct Connect, Outposts and"
        " commitments; services other than EC2; certification programs"
    )


def _sites(found: Comparison) -> Iterator[str]:
    changes = [change for change in found.sites.changes if change.what in ("new", "gone", "changed")]
    words = f"sites: {_tally(changes)}, {found.sites.confirmed} as they were"
    if changes:
        header = ("site", "", "what", "was", "is")
        words += "\n\n" + _cut(header, [_site(change) for change in changes])
    yield words
    needs = [change for change in found.sites.changes if change.what == "needs"]
    if needs:
        rows = [(change.site, change.column, change.was, change.now) for change in needs]
        yield (
            f"needs coordinates: held back, and no candidate, until what is missing stands in {PENDING}\n\n"
            + _cut(("site", "kind", "name", "missing"), rows)
        )


def _site(change: SiteChange) -> tuple[str, ...]:
    return change.site, change.what, change.column, change.was, change.now


def _offers(found: Comparison) -> Iterator[str]:
    changes = found.offers.changes
    words = f"instance types: {_count(len(changes), 'place')} changed, {found.offers.confirmed} as they were"
    if changes:
        words += "\n\n" + _cut(("site", "offers", "lacks"), [_offer(change) for change in changes])
    yield words


def _offer(change: OfferChange) -> tuple[str, ...]:
    if change.first:
        what = f"{_count(change.offered, 'family or type', 'families or types')}, not known before"
    else:
        what = "; ".join(
            f"{sign} {_some(names)}" for sign, names in (("+", change.added), ("-", change.removed)) if names
        )
    return change.site, what, _some(change.lacks)


def _prices(found: Comparison) -> Iterator[str]:
    changes = found.prices.changes
    words = f"prices: {_tally(changes)}, {found.prices.confirmed} as they were"
    if changes:
        rows = [
            (
                *(change.category, change.site, change.item, _what(change)),
                *(_amount(change.was), _amount(change.now)),
            )
            for change in changes
        ]
        words += "\n\n" + _cut(("category", "site", "item", "", "was", "is"), rows)
    yield words
    if any(change.now is None for change in changes):
        yield "a price that is gone is estimated from now on, and erring high"


def _what(change: PriceChange) -> str:
    return "new" if change.was is None else "gone" if change.now is None else "changed"


def _amount(amount: Amount | None) -> str:
    """``0.09 to 0.05 (2024-09-25)``, of tiers the first and the last."""
    if amount is None:
        return ""
    prices = list(dict.fromkeys([amount.tiers[0][1], amount.tiers[-1][1]]))
    currency = "" if amount.currency == "USD" else f" {amount.currency}"
    return f"{' to '.join(prices)}{currency} ({amount.as_of})"


def _racks(answers: Answers) -> Iterator[str]:
    if answers.racks:
        rows = [
            (rack.id, rack.name, rack.form, rack.region, rack.state, _some(rack.types))
            for rack in answers.racks
        ]
        yield (
            "your Outposts: a study says where each stands and what it costs ([[candidates.outpost]])\n\n"
            + _cut(("id", "name", "form", "parent", "state", "instance types"), rows)
        )


def _tally(changes: Sequence[SiteChange | PriceChange]) -> str:
    kinds = [change.what if isinstance(change, SiteChange) else _what(change) for change in changes]
    names = [change.site for change in changes if isinstance(change, SiteChange) and change.what == "changed"]
    counts = {kind: kinds.count(kind) for kind in ("new", "gone", "changed")}
    if names:
        counts["changed"] = len(set(names))
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def _cut(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    words = table(header, rows[:ROWS])
    more = len(rows) - ROWS
    return f"{words}\n... and {more} more: --json has them" if more > 0 else words


def _list(title: str, entries: Sequence[str]) -> Iterator[str]:
    if entries:
        yield "\n".join((f"{title}:", *(f"  {entry}" for entry in entries)))


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
