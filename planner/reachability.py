"""Reading the list of addresses that AWS publishes for reachability tests, as somebody downloaded it [I/O].

``http://ec2-reachability.amazonaws.com/prefixes-ipv4.json`` and its IPv6 twin hold
``[{network border group: {prefix: address}}]``; a Local Zone's group stands beside the Regions'.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from probes.strict_toml import InputError


def load_reachability(paths: Sequence[Path]) -> Mapping[str, tuple[str, ...]]:
    """The addresses of each network border group, in the order of the files. Raises InputError."""
    found: dict[str, dict[str, None]] = {}
    for path in paths:
        for entry in _entries(path):
            for group, addresses in entry.items():
                if not isinstance(addresses, dict):
                    raise InputError(path, f"{addresses!r} is not a mapping of prefixes", column=group)
                for prefix, address in addresses.items():
                    found.setdefault(group, {})[_address(path, group, prefix, address)] = None
    return {group: tuple(addresses) for group, addresses in found.items()}


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as fault:
        raise InputError(path, fault.strerror or str(fault)) from None
    except UnicodeDecodeError as fault:
        raise InputError(path, f"is not UTF-8 (byte {fault.start})") from None
    except RecursionError:
        raise InputError(path, "is not valid JSON: nested too deeply") from None
    except ValueError as fault:
        raise InputError(path, f"is not valid JSON: {fault}") from None
    entries = document if isinstance(document, list) else [document]
    if not entries or not all(isinstance(entry, dict) and entry for entry in entries):
        raise InputError(path, "is not a list of {group: {prefix: address}}, as AWS publishes it")
    return entries


def _address(path: Path, group: str, prefix: str, address: object) -> str:
    try:
        if isinstance(address, str):
            return str(ip_address(address))
    except ValueError:
        pass
    raise InputError(path, f"{address!r} is not an address", column=f"{group}.{prefix}")
