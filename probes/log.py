"""A log of JSON lines, one object for each thing that happened. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

Level = Literal["info", "warning", "error"]


def json_line(now_s: float, level: Level, event: str, message: str, fields: Mapping[str, object]) -> str:
    """One line, without its end: when (UTC, RFC 3339, ms), how grave, what by name and in words, and more.

    >>> json_line(0.5, "info", "round", "2 rows", {"rows": 2})
    '{"time": "1970-01-01T00:00:00.500Z", "level": "info", "event": "round", "message": "2 rows", "rows": 2}'
    """
    moment = datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event_fields = {"time": moment, "level": level, "event": event, "message": message}
    return json.dumps({**event_fields, **fields})
