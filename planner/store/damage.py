"""What is wrong with an inbox object, line by line, and what of it is still sound [I/O].

DuckDB reads sound objects by itself, fast. Only an object it stumbled over comes here: each line is
looked at, the damaged ones are named, and the rest is written out anew for DuckDB to read.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from planner.jurisdictions import load_countries
from planner.store.inbox import InboxObject
from probes.record import CLOCKS, FAILURES, SCHEMA_VERSION

COMPLAINTS_PER_OBJECT: Final = 5
"""So many damaged lines of one object are named; of more, only the number."""

KNOWN_PROTOCOLS: Final = ("dns", "tcp", "tls", "http", "icmp")
"""What a record may name. An agent that measures by a newer one needs a newer planner, too."""

RFC_3339: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
"""A date and time with its offset, as both Python and DuckDB read the pattern."""

_CHUNK: Final = 4096


@dataclass(frozen=True, slots=True)
class Salvage:
    """``sound`` lines were written out; ``damaged`` were not, for the reasons given."""

    sound: int
    damaged: int
    complaints: tuple[str, ...]


def salvage(item: InboxObject, target: Path) -> Salvage:
    """Write the sound lines of ``item`` to ``target``, plain JSON Lines, only the columns that are read."""
    try:
        data, cut = _inflated(item.path)
    except OSError as fault:
        return Salvage(0, 0, (f"{item.name}: cannot be read: {fault.strerror or fault}",))
    # Editors of one system put a byte order mark before the first line; it is no part of it.
    lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    faults: list[str] = []
    damaged = sound = 0
    with target.open("w", encoding="ascii") as out:
        for number, line in enumerate(lines, start=1):
            # What stands behind the last line break of a cut object is half a line, or nothing at all.
            half = cut is not None and number == len(lines)
            if not half and not line.strip():
                continue
            values, reason = (None, cut) if half else _read(line)
            if values is None:
                damaged += 1
                if damaged <= COMPLAINTS_PER_OBJECT:
                    faults.append(f"{item.name}, line {number}: {reason}")
                continue
            sound += 1
            out.write(json.dumps({name: values.get(name) for name in CHECKS}, allow_nan=False) + "\n")
    if damaged > COMPLAINTS_PER_OBJECT:
        faults.append(f"{item.name}: {damaged - COMPLAINTS_PER_OBJECT} more damaged lines")
    return Salvage(sound, damaged, tuple(faults))


def _inflated(path: Path) -> tuple[bytes, str | None]:
    """The content as far as it can be had, and why it ends too early, if it does."""
    packed = path.read_bytes()
    if not path.name.endswith(".gz"):
        return packed, None
    parts: list[bytes] = []
    position = 0
    while True:
        stream = zlib.decompressobj(wbits=31)
        try:
            while not stream.eof and position < len(packed):
                # In small steps, so that a broken block takes little with it.
                parts.append(stream.decompress(packed[position : position + _CHUNK]))
                position += _CHUNK
        except zlib.error as fault:
            reason = "is not gzip" if not parts else f"the gzip stream is broken here ({fault})"
            return b"".join(parts), reason
        if not stream.eof:
            return b"".join(parts), "the gzip stream is truncated here"
        position = min(position, len(packed)) - len(stream.unused_data)
        if position >= len(packed):
            return b"".join(parts), None


def _read(line: bytes) -> tuple[Mapping[str, Any] | None, str]:
    """The line's values, or None and what is wrong with it."""
    try:
        values = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return None, "is not UTF-8"
    except ValueError as fault:
        return None, f"is not JSON ({getattr(fault, 'msg', fault)})"
    except RecursionError:
        return None, "is not a measurement (nested too deeply)"
    if not isinstance(values, dict):
        return None, "is not a JSON object"
    if values.get("schema") != SCHEMA_VERSION:
        return None, f"schema {values.get('schema')!r} is not {SCHEMA_VERSION}"
    for name, sound in CHECKS.items():
        if not sound(values.get(name)):
            what = "lacks " + name if name not in values else f"{name} {str(values[name])[:40]!r} cannot be"
            return None, what
    if values.get("failure") is None and values.get("rtt_ms") is None and values["protocol"] != "dns":
        return None, "has neither a round trip nor a failure"
    return values, ""


def _text(value: Any) -> bool:
    # A lone surrogate is valid in JSON and in a Python string, and nowhere else.
    return isinstance(value, str) and bool(value) and not any(0xD800 <= ord(char) < 0xE000 for char in value)


def _instant(value: Any) -> bool:
    if not isinstance(value, str) or re.fullmatch(RFC_3339, value, re.ASCII) is None:
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:  # the 30th of February
        return False
    return True


def _country(value: Any) -> bool:
    return isinstance(value, str) and value in load_countries()


def _number(low: float, high: float) -> Callable[[Any], bool]:
    def sound(value: Any) -> bool:
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        return plain and low <= value <= high and math.isfinite(value)

    return sound


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _optional(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "schema": _whole(SCHEMA_VERSION, SCHEMA_VERSION),
    "run_id": _text,
    "vantage": _text,
    "vantage_country": _country,
    "vantage_lat": _number(-90.0, 90.0),
    "vantage_lon": _number(-180.0, 180.0),
    "site": _text,
    "host": _text,
    "peer": _optional(_text),
    "port": _optional(_whole(0, 65_535)),
    "protocol": KNOWN_PROTOCOLS.__contains__,
    "sample": _whole(0, 2**31 - 1),
    "started_at": _instant,
    "rtt_ms": _optional(_number(0.0, 1e9)),
    "clock": CLOCKS.__contains__,
    "failure": _optional(FAILURES.__contains__),
    "resolver": _optional(_text),
    "family": _optional((4, 6).__contains__),
}
"""The columns that are read, and when a value is sound; ``query.py`` asks the same of whole objects in
SQL."""
