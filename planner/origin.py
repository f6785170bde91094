"""Where a plan comes from, beside what it decided: enough to ask later whether it is still right. Pure."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from planner.export import assignments_csv, placements_csv
from planner.plan import Plan
from planner.study import Study, study_document


def origin_document(
    plan: Plan,
    study: Study,
    stores: Sequence[str],
    made: datetime,
    directory: Path | None,
    beside: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """``made`` and ``files``, the sha256 of the rows beside plan.json.

    ``made``: when; the study as a document, and its file, relative to the plan's ``directory`` where it has
    one; the measurements. ``beside``: other files that are part of it, by name."""
    file = (Path(f"{study.name}.toml") if study.path is None else study.path).absolute()
    texts = {"placements.csv": placements_csv(plan), "assignments.csv": assignments_csv(plan)}
    texts |= dict(beside or {})
    return {
        "made": {
            "at": made.astimezone(UTC).isoformat(timespec="seconds"),
            "study": study_document(study),
            "file": str(file) if directory is None else os.path.relpath(file, directory.absolute()),
            "measurements": list(stores),
        },
        "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()},
    }
