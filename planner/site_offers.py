"""What sites offer: services, certification programs, instance families [I/O].

``services.csv`` and ``compliance.csv`` hold claims, each about every site of a kind, narrowed to a partition
or to one site (or network border group). Of the claims about one name at one site the most specific decides:
the site's, then the partition's, then the kind's. A name nobody claims is not offered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from planner.csv_rows import Row, read_rows
from probes.strict_toml import InputError

_YES_NO: Final = ("yes", "no")


@dataclass(frozen=True, slots=True)
class Claim:
    """``name`` is, or is not, offered where ``kind``, ``partition`` and ``site`` match; blank matches all."""

    name: str
    kind: str
    partition: str
    site: str
    offered: bool
    verified: bool
    families: frozenset[str]
    row: Row

    @property
    def rank(self) -> int:
        """How specific the claim is; of two that match, the higher decides."""
        return 2 if self.site else 1 if self.partition else 0


@dataclass(frozen=True, slots=True)
class Offers:
    """Every claim about services and about programs."""

    services: tuple[Claim, ...]
    programs: tuple[Claim, ...]

    def offered(
        self, claims: tuple[Claim, ...], kind: str, partition: str, names: Collection[str]
    ) -> frozenset[str]:
        """What is offered at a site of ``kind`` that goes by ``names`` (its id and network border group)."""
        return frozenset(
            name for name, claim in _deciding(claims, kind, partition, names).items() if claim.offered
        )

    def unverified(self, kind: str, partition: str, names: Collection[str]) -> frozenset[str]:
        """Those services and programs offered at a site for which no source was found."""
        return frozenset(
            name
            for claims in (self.services, self.programs)
            for name, claim in _deciding(claims, kind, partition, names).items()
            if claim.offered and not claim.verified
        )

    def program_notes(self, kind: str, partition: str, names: Collection[str]) -> Mapping[str, str]:
        """What the file notes of each program, whether it covers a site or not."""
        claims = _deciding(self.programs, kind, partition, names)
        return {name: claim.row.text("note", "") for name, claim in claims.items()}

    def families(self, kind: str, partition: str, names: Collection[str]) -> frozenset[str] | None:
        """Instance families, and single types of further ones, that a site is limited to; None where no limit
        is known."""
        ec2 = _deciding(self.services, kind, partition, names).get("ec2")
        return (ec2.families or None) if ec2 is not None else None

    def check_sites(self, known: Collection[str]) -> None:
        """Raise the file's error for a claim about a site that is not in ``known``."""
        for claim in (*self.services, *self.programs):
            if claim.site:
                claim.row.choice("site", known, what="site")


def load_offers(directory: Path, kinds: Collection[str], error: type[InputError]) -> Offers:
    """Read ``services.csv`` and ``compliance.csv``. Raises ``error``."""
    services = _load(directory / "services.csv", "service", kinds, error)
    return Offers(services, _load(directory / "compliance.csv", "program", kinds, error))


def _load(path: Path, subject: str, kinds: Collection[str], error: type[InputError]) -> tuple[Claim, ...]:
    required = (subject, "kind", "partition", "site", "offered", "verified", "source", "as_of")
    lines: dict[tuple[str, str, str, str], int] = {}
    claims = []
    for row in read_rows(path, required, ("families", "note"), error):
        key = (row.text(subject), row.choice("kind", kinds), row.text("partition", ""), row.text("site", ""))
        if key in lines:
            raise row.fault(subject, f"repeats the claim of row {lines[key]}")
        lines[key] = row.line
        row.text("source"), row.date("as_of")
        offered = row.choice("offered", _YES_NO) == "yes"
        verified = row.choice("verified", _YES_NO) == "yes"
        claims.append(Claim(*key, offered, verified, frozenset(row.texts("families", ())), row))
    return tuple(claims)


def _deciding(
    claims: tuple[Claim, ...], kind: str, partition: str, names: Collection[str]
) -> Mapping[str, Claim]:
    """By name, the most specific claim that matches."""
    found: dict[str, Claim] = {}
    for claim in claims:
        matches = claim.kind == kind and claim.partition in ("", partition)
        if matches and (not claim.site or claim.site in names):
            held = found.get(claim.name)
            if held is None or claim.rank > held.rank:
                found[claim.name] = claim
    return found
