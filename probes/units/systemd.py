"""systemd: a service that measures one round, and the timer that starts it [I/O].

Both come as one shell script, readable as it is, since a service and its timer are two files. See
systemd.service(5), systemd.exec(5), systemd.timer(5), systemd.time(7), systemd.syntax(7).
"""

from __future__ import annotations

import pwd
import re
import shlex
import sys
from pathlib import Path
from typing import Final

from probes.inbox import StoreError, directory_of, is_object_store
from probes.strict_toml import InputError
from probes.units.request import Request, check_path, even_steps, uninstalled_root

_FOLDER: Final = "/etc/systemd/system"
_END: Final = "END-OF-UNIT"

_CALENDAR: Final = {1: "*:*:0/{}", 60: "*:0/{}", 3600: "0/{}:00", 86_400: "*-*-* 00:00:00"}

_PLAIN: Final = re.compile("[A-Za-z0-9_+=:,./-]+")

# What a sandbox hides, and what then must not be needed.
_HOMES: Final = ("/home", "/root", "/run/user")
_TEMPORARY: Final = ("/tmp", "/var/tmp")

_CONFINED: Final = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "PrivateDevices=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
)


def service_and_timer(request: Request) -> str:
    """The script that installs both units. Raises InputError."""
    name = f"edgeprobe-{request.settings.vantage}"
    owner = _owner(request.settings.spool)
    folders = _written(request)
    made = [
        f"[ -d {folder} ] || install -d -o {shlex.quote(owner)} {folder}"
        for folder in map(shlex.quote, map(str, folders))
    ]
    return "\n".join(
        [
            f"# {request.title}, as a systemd service and its timer.",
            "# This is a shell script: read it, then let root run it,",
            f"#     {request.command_line('systemd')} | sudo sh",
            f"# or copy the two units out of it. Afterwards: systemctl list-timers {name}.timer;"
            f" journalctl -u {name}",
            "set -eu",
            *made,
            f"cat >{_FOLDER}/{name}.service <<'{_END}'",
            *_service(request, name, owner, folders),
            _END,
            f"cat >{_FOLDER}/{name}.timer <<'{_END}'",
            *_timer(request),
            _END,
            "systemctl daemon-reload",
            f"systemctl enable --now {name}.timer",
            "",
        ]
    )


def _service(request: Request, name: str, owner: str, folders: list[Path]) -> list[str]:
    root = uninstalled_root()
    needed = [
        Path(request.config),
        *folders,
        *(Path(path) for path in (sys.executable, sys.prefix, sys.base_prefix)),
        *([] if request.settings.ca_file is None else [request.settings.ca_file]),
        *([] if root is None else [root]),
    ]
    capability = "CAP_NET_RAW" if request.wants_icmp else ""
    command = (sys.executable, "-P", "-m", "probes", "run", request.config, "--every", request.every)
    return [
        "[Unit]",
        f"Description={request.title}",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        "# The colon keeps systemd from reading $ as a variable.",
        f"ExecStart=:{' '.join(map(_quoted, command))} --rounds 1",
        *([] if root is None else [f"Environment={_quoted(f'PYTHONPATH={root}')}"]),
        *_credentials(request, name),
        "# The table for people goes nowhere; what goes wrong is in the journal.",
        "StandardOutput=null",
        "# Another round of this vantage still runs.",
        "SuccessExitStatus=75",
        "# No round takes longer: splay_s, deadline_s, the longest shipping, and what is around them.",
        f"TimeoutStartSec={request.longest_s}",
        "# Told to end, it still ships what it measured.",
        f"TimeoutStopSec={request.ending_s}",
        "",
        "# Whose the spool is; the store and the metrics must be theirs to write as well.",
        f"User={owner}",
        "UMask=0022",
        f"ReadWritePaths={' '.join(_quoted(str(folder)) for folder in folders)}",
        *(["# For echoes, where net.ipv4.ping_group_range does not allow them."] if capability else []),
        f"CapabilityBoundingSet={capability}",
        f"AmbientCapabilities={capability}",
        *_CONFINED,
        *([] if _within(needed, _HOMES) else ["ProtectHome=yes"]),
        *([] if _within(needed, _TEMPORARY) else ["PrivateTmp=yes"]),
    ]


def _timer(request: Request) -> list[str]:
    return [
        "[Unit]",
        f"Description={request.title}",
        "",
        "[Timer]",
        "# The grid that rounds are named after. The agent has a splay of its own (splay_s). What was missed",
        "# is not made up for: that would measure another time.",
        f"OnCalendar={calendar(request.every_s)}",
        "AccuracySec=100ms",
        "RandomizedDelaySec=0",
        "Persistent=false",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]


def calendar(every_s: float) -> str:
    """The calendar event, in UTC, that comes every ``every_s`` seconds. Raises InputError.

    >>> calendar(30.0), calendar(300.0), calendar(86400.0)
    ('*:*:0/30 UTC', '*:0/5 UTC', '*-*-* 00:00:00 UTC')
    """
    steps = even_steps(every_s)
    if steps is None:
        raise InputError(
            "--every",
            "a timer keeps only what divides a minute in seconds, an hour in minutes or a day in hours:"
            " 10s 1m 5m 15m 1h 6h 1d",
        )
    unit_s, count = steps
    return f"{_CALENDAR[unit_s].format(count)} UTC"


def _credentials(request: Request, name: str) -> list[str]:
    if not is_object_store(request.settings.store):
        return []
    return [
        "# The store's credentials, unless the host has a role: NAME=value lines, for root's eyes only.",
        f"EnvironmentFile=-/etc/{name}.env",
    ]


def _written(request: Request) -> list[Path]:
    """The folders that a round writes to. Raises InputError."""
    settings = request.settings
    folders = [settings.spool]
    if not is_object_store(settings.store):
        try:
            folders.append(directory_of(settings.store))
        except StoreError as fault:
            raise request.fault("agent.store", str(fault)) from None
    if settings.metrics is not None:
        folders.append(settings.metrics.parent)
    # systemd takes no .. in a path.
    found = list(dict.fromkeys(folder.resolve() for folder in folders))
    for folder in found:
        check_path(str(folder))
    return found


def _owner(folder: Path) -> str:
    """Whose a folder is, or would be if its owner made it: the owner of what is there of its path."""
    while not folder.exists():
        folder = folder.parent
    number = folder.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _within(paths: list[Path], places: tuple[str, ...]) -> bool:
    return any(
        spelling.is_relative_to(place)
        for path in paths
        for spelling in (path, path.resolve())
        for place in places
    )


def _quoted(word: str) -> str:
    r"""A word as systemd.syntax(7) wants it; % begins a specifier.

    >>> print(_quoted("/etc/probes.toml"), _quoted('50% "x" \\'))
    /etc/probes.toml "50%% \"x\" \\"
    """
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", r"\\").replace('"', r"\"").replace("%", "%%")
    return f'"{escaped}"'
