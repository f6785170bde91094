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

from probes.addresses import Prefixes, nowhere, true_address
from probes.strict_toml import InputError


def load_reachability(paths: Sequence[Path]) -> tuple[Mapping[str, tuple[str, ...]], tuple[str, ...]]:
    """The addresses of each network border group, in the order of the files, and what was left out of them.

    Left out is what no host of the internet has as its address: an echo to it would measure this network, or
    this machine. Raises InputError.
    """
    found: dict[str, dict[str, None]] = {}
    left_out: dict[str, None] = {}
    special = nowhere()
    for path in paths:
        for entry in _entries(path):
            for group, addresses in entry.items():
                if not isinstance(addresses, dict):
                    raise InputError(path, f"{addresses!r} is not a mapping of prefixes", column=group)
                for prefix, address in addresses.items():
                    text = _address(path, group, prefix, address)
                    if _is_public(text, special):
                        found.setdefault(group, {})[text] = None
                    else:
                        left_out[text] = None
    return {group: tuple(addresses) for group, addresses in found.items()}, tuple(left_out)


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(path.read_bytes().decode("utf-8-sig"))
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


def _is_public(text: str, special: Prefixes) -> bool:
    """Whether a host of the internet can have an address: of no special purpose, of no link, not another's
    in disguise."""
    address = ip_address(text)
    return "%" not in text and true_address(text) == address and special.name(address) is None
