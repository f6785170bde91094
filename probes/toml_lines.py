"""The line of a TOML file that a complaint is about.

tomllib says nothing of lines. But a document cut before any of its statements is a document as well, so a key
stands in the statement whose lines make it appear; where a cut falls inside a statement, nothing is parsed.
A line that is not certain is not said: of a key within a value of several lines, or of a name that two keys
could be written as.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, Final

from probes.strict_toml import InputError, read_text

MOST_LINES: Final = 4000
"""In a longer file no line is looked for."""

Steps = tuple[str | int, ...]
"""Keys and, 0-based, positions in arrays, from the top."""


def located(fault: InputError, text: str | None = None) -> InputError:
    """The same complaint with the line of its key, where one is certain; ``text``: the file's, if at hand."""
    if fault.row is not None or fault.column is None:
        return fault
    try:
        line = line_of(read_text(fault.file) if text is None else text, fault.column)
    except InputError:
        return fault
    return fault if line is None else fault.at_line(line)


def line_of(text: str, key: str) -> int | None:
    """The 1-based line where ``key`` (``candidates.outpost[2].lat``) stands; None where that is not certain.

    Of a key that is missing from an entry of an array of tables, the line of the entry's header.
    """
    lines = text.removeprefix("\ufeff").split("\n")
    whole = _parsed(lines)
    if whole is None or len(lines) > MOST_LINES:
        return None
    named = [path for path in _paths(whole, ()) if _written(path) == key]
    if not named:
        owner, _, _ = key.rpartition(".")
        named = [path for path in _paths(whole, ()) if owner.endswith("]") and _written(path) == owner]
    return _first(lines, named[0]) if len(named) == 1 else None


def _first(lines: list[str], path: Steps) -> int | None:
    """The line where the statement begins that makes ``path`` appear."""

    def begun(count: int) -> tuple[int, dict[str, Any]]:
        """How many of so many lines are whole statements, and what they say."""
        while (said := _parsed(lines[:count])) is None:
            count -= 1
        return count, said

    last = bisect_left(range(len(lines) + 1), True, key=lambda count: _has(begun(count)[1], path))
    before, said = begun(last - 1)
    if last - before > 1 and not all(
        _has(said, path[: at + 1]) for at, step in enumerate(path) if isinstance(step, int)
    ):
        return None  # somewhere within a value of several lines
    return before + 1


def _parsed(lines: list[str]) -> dict[str, Any] | None:
    try:
        return tomllib.loads("\n".join(lines) + "\n")
    except (ValueError, RecursionError):
        return None


def _has(value: Any, path: Steps) -> bool:
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return False
        elif not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True


def _paths(value: Any, path: Steps) -> Iterator[Steps]:
    """Every key, however deep."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _paths(inner, (*path, position))


def _written(path: Steps) -> str:
    """As complaints write it: keys by dots, positions from 1 in brackets."""
    return "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(
        "."
    )
