"""Finding the study that somebody names: a file of their own, or one that ships [I/O]."""

from __future__ import annotations

from pathlib import Path

from planner.study import Study, StudyError, load_study, shipped_studies
from probes.strict_toml import nearest_name


def find_study(name: str) -> Study:
    """The study in a file, or the shipped one of that name. Raises :class:`StudyError`."""
    if not name.strip():
        raise StudyError("STUDY", "names nothing")
    shipped = {path.stem: path for path in shipped_studies()}
    path = Path(name)
    try:
        is_file, exists = path.is_file(), path.exists()
    except OSError as fault:  # a name too long for a file, or a folder that is somebody else's
        raise StudyError(path, fault.strerror or str(fault)) from None
    # A directory may well have the name of a shipped study: the one its plan was written to.
    if name in shipped and not is_file:
        return load_study(shipped[name])
    if path.parent == Path() and not exists:
        hint = nearest_name(name, shipped)
        raise StudyError(path, "no such file, and no shipped study of that name", nearest=hint)
    return load_study(path)
