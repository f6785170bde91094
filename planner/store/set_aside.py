"""Damaged objects kept whole under ``aside/``, each with its reasons beside it [I/O]."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

from planner.store.damage import Fault
from planner.store.shelf import Shelf

_SHOWN: Final = 2000
"""So many bytes of a damaged line stand beside its reason; all of it is in the object."""


def aside_key(name: str) -> str:
    return f"aside/{name.removeprefix('inbox/')}"


def set_aside(shelf: Shelf, objects: Sequence[tuple[str, bytes, bool]], faults: Sequence[Fault]) -> None:
    """Keep each damaged object whole, and beside it what is wrong with which line."""
    if not faults:
        return
    content = {name: packed for name, packed, _ in objects}
    for name in Counter(fault.name for fault in faults):
        reasons = [
            {
                "line": fault.line,
                "reason": fault.reason,
                "kept": fault.kept,
                "content": fault.content[:_SHOWN].decode("utf-8", "backslashreplace"),
            }
            for fault in faults
            if fault.name == name
        ]
        key = aside_key(name)
        shelf.put(f"{key}.reasons.json", json.dumps({"object": name, "lines": reasons}, indent=1).encode())
        shelf.put(key, content[name])
