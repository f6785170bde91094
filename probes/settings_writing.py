"""A configuration as text, which :func:`probes.settings.parse_settings` reads back as it was. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from probes.settings import DEFAULT_PROTOCOLS
from probes.target import Target


def render_settings(
    *,
    vantage: str,
    country: str,
    lat: float,
    lon: float,
    targets: Sequence[Target],
    carrier: str | None = None,
    outpost: str | None = None,
    parent: str | None = None,
) -> str:
    """A working configuration as TOML. What is None is not written."""
    lines = [
        "# An edgeprobe configuration. Relative paths are taken from this file's directory.",
        "[agent]",
        f"vantage = {_quoted(vantage)}",
        f"country = {_quoted(country)}",
        f"lat = {float(lat)!r}",
        f"lon = {float(lon)!r}",
    ]
    if outpost is not None:
        lines.append(f"outpost = {_quoted(outpost)}  # the rack it stands beside")
    if parent is not None:
        lines.append(f"parent = {_quoted(parent)}  # that rack's parent Region")
    if carrier is not None:
        lines.append(f"carrier = {_quoted(carrier)}")
    lines += [
        'store = "measurements"        # a directory, or a URL such as s3://bucket/prefix',
        'spool = ".edgeprobe"',
        "samples = 5",
        "timeout_ms = 3000",
        "deadline_s = 50",
        "rate_per_s = 2000",
        "splay_s = 0",
        f"protocols = {_list(DEFAULT_PROTOCOLS)}",
        'resolvers = ["system"]',
    ]
    for target in targets:
        lines += [
            "",
            "[[target]]",
            f"site = {_quoted(target.site)}",
            f"host = {_quoted(target.host)}",
            f"port = {target.port}",
            f"protocols = {_list(target.protocols)}",
        ]
        if target.path is not None:
            lines.append(f"path = {_quoted(target.path)}")
        if target.scheme is not None:
            lines.append(f"scheme = {_quoted(target.scheme)}")
        if target.family is not None:
            lines.append(f"family = {target.family}")
        if target.lat is not None and target.lon is not None:
            lines += [f"lat = {target.lat!r}", f"lon = {target.lon!r}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped and JSON does not.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(items: Sequence[str]) -> str:
    return f"[{', '.join(_quoted(item) for item in items)}]"
