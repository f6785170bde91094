"""Where things are, as a configuration names them: files, stores and endpoints. Reads home directories [I/O].

Whatever could never work is refused here, so that it is known before anything was measured.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from probes.redaction import without_secrets
from probes.strict_toml import nearest_name
from probes.target import address_family, is_host

STORE_SCHEMES: Final = ("file", "s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "https")

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")


def resolve_path(text: str, directory: Path, *, here: bool = True) -> Path:
    """An absolute path: a relative one is taken from ``directory``, ~ is a home directory.

    Unless it is meant ``here``, on this machine, no home directory is known. Raises ValueError for what can
    be no path.
    """
    if "\0" in text:
        raise ValueError(f"{text!r} is no path: it holds a NUL")
    if not here and text.startswith("~"):
        raise ValueError(f"{text!r}: no home directory is known there")
    try:
        return (directory / Path(text).expanduser()).absolute()
    except RuntimeError:
        raise ValueError(f"{text!r}: the home directory is not known") from None


def resolve_store(store: str, directory: Path, *, here: bool = True) -> str:
    """``store`` with a relative path made absolute from ``directory``; a URL stays as it is.

    Raises ValueError for what no store can be.
    """
    found = _SCHEME.match(store)
    if found is None:
        return str(resolve_path(store, directory, here=here))
    scheme = found[1].lower()
    if scheme not in STORE_SCHEMES:
        hint = nearest_name(scheme, STORE_SCHEMES)
        offer = f"; did you mean {hint!r}?" if hint else ""
        raise ValueError(f"{scheme!r} is not one of {', '.join(STORE_SCHEMES)}{offer}")
    parts = _split(store)
    if scheme == "file":
        _check_file(store, parts)
    elif scheme == "https":
        _check_host(store, parts)
    elif not parts.netloc:
        raise ValueError(f"{_shown(store)} names no bucket or container")
    return store


def check_endpoint(url: str) -> None:
    """Raises ValueError for what is not the http:// or https:// URL of a server."""
    if not re.fullmatch(r"https?://\S*", url):
        raise ValueError(f"{_shown(url)} is not an http:// or https:// URL")
    parts = _split(url)
    if parts.query:
        raise ValueError(f"{_shown(url)} has a query, which an endpoint has not")
    _check_host(url, parts)


def _shown(url: str) -> str:
    """A URL in a complaint, which more people read than the configuration."""
    return repr(without_secrets(url))


def _split(url: str) -> SplitResult:
    if _CONTROLS.search(url):
        raise ValueError(f"{_shown(url)} is not a URL: it holds a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as fault:
        raise ValueError(f"{_shown(url)} is not a URL: {fault}") from None
    if port == 0:
        raise ValueError(f"{_shown(url)} is not a URL: port 0 is none")
    if "#" in url or ("?" in url and parts.scheme != "https"):
        # Nothing would read them: what they say would be left out without a word. A signature may stand
        # behind an https:// store.
        raise ValueError(f"{_shown(url)} goes on with ? or #, which in a path are written %3F and %23")
    return parts


def _check_host(url: str, parts: SplitResult) -> None:
    host = parts.hostname
    if not host:
        raise ValueError(f"{_shown(url)} names no host")
    if not is_host(host) or (address_family(host) == 6) != ("[" in parts.netloc):
        raise ValueError(f"{_shown(url)}: {host!r} is not a host name or an address")


def _check_file(url: str, parts: SplitResult) -> None:
    if parts.netloc not in ("", "localhost"):
        raise ValueError(f"{_shown(url)}: a file:// store is on this machine: file:///path")
    path = unquote(parts.path)
    if not path.startswith("/"):
        raise ValueError(f"{_shown(url)} names no directory: file:///path")
    if "\0" in path:
        raise ValueError(f"{_shown(url)} is no path: it holds a NUL")
