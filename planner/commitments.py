"""Discounts for committing to a term, read from ``commitments.csv`` [I/O].

A provider without the file offers none. A discount is for the families it names, or for all where it names
none; where several rows of one name match, the one that names the family decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from planner.csv_rows import read_rows
from probes.strict_toml import InputError

UNSOURCED: Final = "unsourced"
"""In a ``source`` column: none was found."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """``discount``: the part of the on-demand price that is saved, 0 to 1. ``term`` and ``payment`` in words.

    ``own``: from the user's own file.
    """

    name: str
    families: frozenset[str]
    discount: float
    source: str
    as_of: str
    term: str = ""
    payment: str = ""
    own: bool = False

    @property
    def sourced(self) -> bool:
        """Whether anything vouches for the discount."""
        return self.source != UNSOURCED


def load_commitments(path: Path, error: type[InputError]) -> tuple[Commitment, ...]:
    """Every row of the file; none where there is no file. Raises ``error``."""
    if not path.exists():
        return ()
    required = ("commitment", "term", "payment", "families", "discount", "source", "as_of")
    found: list[Commitment] = []
    for row in read_rows(path, required, ("note",), error):
        each = Commitment(
            name=row.text("commitment"),
            families=frozenset(row.texts("families", ())),
            discount=row.number("discount", low=0.0, high=1.0),
            source=row.text("source"),
            as_of=row.date("as_of"),
            term=row.text("term"),
            payment=row.text("payment"),
        )
        for other in found:
            overlap = bool(other.families & each.families) or other.families == each.families
            if other.name == each.name and overlap:
                raise row.fault("commitment", f"{each.name!r} is given twice for the same families")
        found.append(each)
    return tuple(found)


def discount_of(commitments: tuple[Commitment, ...], name: str, family: str) -> Commitment | None:
    """The row of that name for an instance family, or None."""
    mine = [
        each for each in commitments if each.name == name and (not each.families or family in each.families)
    ]
    return max(mine, key=lambda each: bool(each.families), default=None)
