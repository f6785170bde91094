"""Spans of time as people write them: 30s, 5m, 1h."""

from __future__ import annotations

import re
from typing import Final

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds(text: str) -> float:
    """Seconds, more than none, from a number and an optional unit. Raises ValueError.

    >>> seconds("5m"), seconds("250ms"), seconds("10")
    (300.0, 0.25, 10.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", text)
    value = float(found[1]) * _SECONDS[found[2] or "s"] if found else 0.0
    if not 0 < value <= 366 * _SECONDS["d"]:
        raise ValueError(f"{text!r} is not a span of time such as 30s, 5m or 1h")
    return value


def in_words(span_s: float) -> str:
    """The shortest way to write a span that :func:`seconds` reads back.

    >>> in_words(300.0), in_words(90.0), in_words(0.25)
    ('5m', '90s', '250ms')
    """
    for unit in ("d", "h", "m", "s"):
        if span_s >= _SECONDS[unit] and span_s % _SECONDS[unit] == 0:
            return f"{int(span_s / _SECONDS[unit])}{unit}"
    return f"{span_s * 1000:g}ms"
