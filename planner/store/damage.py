"""What is wrong with a line of measurements, and what of it is still sound.

Plain lines are read by ``planner.store.scanning``, fast. Only a line it left alone comes here, is read as
Python reads JSON, and is either sound after all or named with its reason.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from planner.jurisdictions import load_countries
from probes.record import CLOCKS, FAILURES, SCHEMA_VERSION

_zlib: Any = zlib
with contextlib.suppress(ImportError):  # twice as fast, and not to be had for every machine
    from isal import isal_zlib

    _zlib = isal_zlib

COMPLAINTS_PER_OBJECT: Final = 5
"""So many damaged lines of one object are named; of more, only the number."""

KNOWN_PROTOCOLS: Final = ("dns", "tcp", "tls", "http", "icmp")
"""What a record may name. An agent that measures by a newer one needs a newer planner, too."""

RFC_3339: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"

YEARS: Final = (1970, 2199)
"""The first and the last that a measurement may be of, as plain lines are read, too. Beyond is a broken
clock; and at the ends of the calendar no day can be counted on from."""

_CHUNK: Final = 4096


@dataclass(frozen=True, slots=True)
class Fault:
    """What was found wrong with ``line`` (from 1) of the object ``name``: its ``content``, and why.

    ``kept``: the line is used, but for the fields the reason names.
    """

    name: str
    line: int
    reason: str
    content: bytes
    kept: bool = False

    def __str__(self) -> str:
        return f"{self.name}, line {self.line}: {self.reason}"


def inflated(packed: bytes) -> tuple[bytes, str | None]:
    """The content of a gzip stream as far as it can be had, and why it ends too early, if it does."""
    stream = _zlib.decompressobj(wbits=31)
    try:
        whole = stream.decompress(packed)
    except (zlib.error, _zlib.error):
        return _inflated_in_steps(packed)
    return (whole, None) if stream.eof and not stream.unused_data else _inflated_in_steps(packed)


def _inflated_in_steps(packed: bytes) -> tuple[bytes, str | None]:
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


def read_line(line: bytes) -> tuple[dict[str, Any] | None, str]:
    """The line's values, ``started_at`` as a moment in UTC, or None, and what is wrong with it, if anything.

    A field that nobody judges by and that is not of its kind is left empty, and named.
    """
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
    if lacks_result(values.get("failure"), values.get("rtt_ms"), values["protocol"]):
        return None, NO_RESULT
    odd = [name for name, sound in DETAILS.items() if not sound(values.get(name))]
    kept = {name: None if name in odd else values.get(name) for name in (*CHECKS, *DETAILS)}
    kept["started_at"] = _moment(values["started_at"])
    return kept, f"{', '.join(odd)} cannot be, and {'is' if len(odd) == 1 else 'are'} left out" if odd else ""


NO_RESULT: Final = "has neither a round trip nor a failure"


def lacks_result(failure: str | None, rtt_ms: float | None, protocol: str) -> bool:
    return failure is None and rtt_ms is None and protocol != "dns"


def _writable(value: Any) -> bool:
    # A lone surrogate is valid in JSON and in a Python string, and nowhere else.
    return isinstance(value, str) and not any(0xD800 <= ord(char) < 0xE000 for char in value)


def _text(value: Any) -> bool:
    return bool(value) and _writable(value)


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value).astimezone(UTC)


def _instant(value: Any) -> bool:
    if not isinstance(value, str) or re.fullmatch(RFC_3339, value, re.ASCII) is None:
        return False
    if not YEARS[0] <= int(value[:4]) <= YEARS[1]:
        return False
    try:
        _moment(value)
    except (ValueError, OverflowError):  # the 30th of February, or before the year 1
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
    "protocol": lambda value: isinstance(value, str) and value in KNOWN_PROTOCOLS,
    "sample": _whole(0, 2**31 - 1),
    "started_at": _instant,
    "rtt_ms": _optional(_number(0.0, 1e9)),
    "clock": lambda value: isinstance(value, str) and value in CLOCKS,
    "failure": _optional(lambda value: isinstance(value, str) and value in FAILURES),
    "resolver": _optional(_text),
    "family": _optional(lambda value: _whole(4, 6)(value) and value != 5),
}
"""The fields that are judged by, and when a value is sound."""

_DURATION: Final = _optional(_number(-1e9, 1e9))
_COUNT: Final = _optional(_whole(0, 2**31 - 1))
_WORDS: Final = _optional(_writable)

DETAILS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "late_ms": _DURATION,
    "dns_ms": _DURATION,
    "connect_ms": _DURATION,
    "tls_ms": _DURATION,
    "ttfb_ms": _DURATION,
    "retransmits": _COUNT,
    "agent": _WORDS,
    "reason": _WORDS,
    "transport": _WORDS,
    "warm": _optional(lambda value: isinstance(value, bool)),
    "rcode": _WORDS,
    "ttl_s": _optional(_whole(0, 2**32 - 1)),
    "tls_version": _WORDS,
    "tls_cipher": _WORDS,
    "certificate_days": _DURATION,
    "http_status": _COUNT,
    "http_version": _WORDS,
    "crypto_ms": _DURATION,
    "lag_ms": _DURATION,
}
"""The fields that are only kept."""
