"""``edgeplan catalog refresh``: ask, show the difference, and write it if that was asked for [I/O]."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from planner.catalog import Catalog, load_catalog, provider_directory, shipped_providers
from planner.progress_line import ProgressLine
from planner.refresh.answers import CloudError
from planner.refresh.comparison import compare
from planner.refresh.report import document, text
from planner.refresh.versions import check_place, publish
from probes.shipped import CATALOG
from probes.strict_toml import InputError, nearest_name

DONE: Final = 0

ASKED: Final = ("aws",)
"""The providers whose APIs edgeplan knows how to ask."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """``instances`` are priced instead of those the catalog prices already; ``out`` is the directory of
    catalogs to compare with and to write to, by default the one ``EDGEPLAN_CATALOG`` names."""

    provider: str = "aws"
    instances: tuple[str, ...] = ()
    out: Path | None = None
    write: bool = False
    json: bool = False


def refresh(wanted: Refresh) -> int:
    """Do it. Raises InputError for what was asked wrongly and ``OSError`` for what did not answer."""
    if wanted.provider not in ASKED:
        known = wanted.provider in shipped_providers()
        why = "has no API that edgeplan asks; only aws has" if known else "is not a known provider"
        hint = None if known else nearest_name(wanted.provider, shipped_providers())
        raise InputError("--provider", f"{wanted.provider!r} {why}", nearest=hint)
    root = wanted.out or _named_directory()
    if wanted.write and root is None:
        raise InputError("--write", f"needs a directory for catalogs: --out DIR, or {CATALOG}=DIR")
    named = CATALOG if wanted.out is None else "--out"
    catalog = _catalog(wanted.provider, root, named)
    if root is not None and wanted.write:
        check_place(root, wanted.provider, named)
    # What is not installed is said after what was asked wrongly.
    from planner.refresh.cloud import Cloud, ask

    line = ProgressLine()
    progress = line if sys.stderr.isatty() else _quiet
    try:
        priced = wanted.instances or tuple(sorted(catalog.instances))
        answers = ask(
            Cloud(),
            datetime.now(UTC).date().isoformat(),
            lambda offered: _offered(wanted.instances, offered) or priced,
            progress,
        )
    finally:
        line.clear()
    found = compare(catalog, answers, priced)
    written = None
    if root is not None and wanted.write:
        written = publish(
            root,
            wanted.provider,
            found.files,
            base=catalog.path,
            check=lambda version: _read_back(wanted.provider, version),
        )
    if wanted.json:
        print(json.dumps(document(wanted.provider, found, written), indent=2, ensure_ascii=False))
        return DONE
    print(text(wanted.provider, found))
    if written is not None and root is not None:
        print(f"\nwritten: {written}{_how_to_use(root)}")
    else:
        print("\nnothing was written; --write --out DIR does, and plans read it with " + f"{CATALOG}=DIR")
    return DONE


def _quiet(done: int, total: int, words: str) -> None:
    """Nobody looks."""


def _named_directory() -> Path | None:
    named = os.environ.get(CATALOG)
    return Path(named) if named else None


def _catalog(provider: str, root: Path | None, named: str) -> Catalog:
    """What to compare with: the catalog that stands in ``root``, else the one plans use now."""
    mine = None if root is None else root / provider
    if mine is not None and mine.is_symlink() and not mine.exists():
        lost = f"{mine} leads to {mine.readlink()}, which is not there"
        raise InputError(named, f"{lost}; remove {mine} to begin with what plans use now")
    if mine is not None and os.path.lexists(mine):
        return load_catalog(provider, mine.resolve())
    return load_catalog(provider, provider_directory(provider))


def _offered(asked: Sequence[str], offered: Collection[str]) -> tuple[str, ...]:
    """``asked``, each of them known to the cloud. Raises InputError with the nearest type."""
    for instance in asked:
        if instance not in offered:
            message = f"{instance!r} is offered in no Region that answered"
            raise InputError("--instances", message, nearest=nearest_name(instance, offered))
    return tuple(asked)


def _read_back(provider: str, version: Path) -> None:
    """Raise :class:`CloudError` when what was answered makes no catalog that anyone can read."""
    try:
        load_catalog(provider, version)
    except InputError as fault:
        file = Path(fault.file).name
        where = ", ".join(str(part) for part in (file, fault.row, fault.column) if part is not None)
        words = f"what was answered makes no catalog ({where}: {fault.message}); nothing was changed"
        raise CloudError(words) from None


def _how_to_use(root: Path) -> str:
    named = _named_directory()
    if named is not None and named.resolve() == root.resolve():
        return ""
    return f"\nplans read it with {CATALOG}={root} in the environment"
