"""Finding the study that somebody names: a file of their own, or one that ships [I/O]."""

from __future__ import annotations

from pathlib import Path

from planner.study import Study, StudyError, load_study, shipped_studies
from probes.strict_toml import nearest_name


def find_study(name: str) -> Study:
    """The study in a file, or the shipped one of that name. Raises :class:`StudyError`."""
    shipped = {path.stem: path for path in shipped_studies()}
    path = Path(name)
    # A directory may well have the name of a shipped study: the one its plan was written to.
    if name in shipped and not path.is_file():
        return load_study(shipped[name])
    if path.parent == Path() and not path.exists():
        hint = nearest_name(name, shipped)
        raise StudyError(path, "no such file, and no shipped study of that name", nearest=hint)
    return load_study(path)
