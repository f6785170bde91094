"""The agents' stores: finding their inbox objects and bringing them within reach of a local reader [I/O].

A store is a directory, the same as a ``file://`` URL, or an object store's URL. One object per round
stands at ``inbox/day=YYYY-MM-DD/vantage=NAME/RUN_ID.jsonl.gz`` and never changes. A single ``.jsonl``
or ``.jsonl.gz`` file counts as a store of one object.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from probes.strict_toml import InputError

_OBJECT: Final = re.compile(r"inbox/day=[^/]+/vantage=[^/]+/[^/]+\.jsonl\.gz")
# A store that does not answer is an answer too, and should come while somebody still waits for it.
_RETRIES: Final[Any] = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
_FILE_ENDINGS: Final = (".jsonl", ".jsonl.gz")


class MeasurementError(InputError):
    """A store or measurement file that cannot be used at all, or a damaged published table."""


class StoreError(OSError):
    """A store that may be one, but cannot be read now: out of reach, or not for us.

    No :class:`~probes.strict_toml.InputError`, for nothing is wrong with what was asked.
    """


@dataclass(frozen=True, slots=True)
class InboxObject:
    """One object of the store ``url``, on the local disk; ``name`` is what a complaint calls it, and
    ``sha256`` that of its content."""

    path: Path
    name: str
    url: str
    sha256: str


@contextmanager
def local_objects(urls: Sequence[str]) -> Iterator[tuple[InboxObject, ...]]:
    """All inbox objects of these stores as local files, in order of URL and name.

    Those of an object store are copied to a temporary folder that lives as long as the context, and so is
    a single file, which somebody may be writing to. An inbox object never changes. Raises
    :class:`MeasurementError` when a URL is no store, or its inbox is empty, and :class:`StoreError` when
    it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="edgeplan-") as scratch:
        found: list[InboxObject] = []
        for number, url in enumerate(dict.fromkeys(urls)):
            found += _objects(url, Path(scratch) / str(number))
        yield tuple(found)


def hash_objects(objects: Sequence[InboxObject]) -> Mapping[str, str]:
    """The sha256 of each store's content, by URL: of a file its bytes, of a store each object's name and
    sha256, in order."""
    listed: dict[str, list[InboxObject]] = {}
    for each in objects:
        listed.setdefault(each.url, []).append(each)
    return {url: _hash_listing(url, found) for url, found in listed.items()}


def _hash_listing(url: str, objects: Sequence[InboxObject]) -> str:
    if len(objects) == 1 and objects[0].name == url:
        return objects[0].sha256
    total = hashlib.sha256()
    for each in objects:
        inside = each.name.removeprefix(url).lstrip("/")
        total.update(f"{each.sha256}  {inside}\n".encode())
    return total.hexdigest()


def _objects(url: str, scratch: Path) -> list[InboxObject]:
    scheme = urlsplit(url).scheme
    if scheme and scheme != "file" and "://" in url:
        return _fetched(url, scratch)
    try:
        return _local(url, Path(unquote(urlsplit(url).path)) if scheme == "file" else Path(url), scratch)
    except OSError as fault:
        where = f" ({fault.filename})" if fault.filename is not None else ""
        raise StoreError(f"{url}: cannot be read: {fault.strerror or fault}{where}") from None


def _local(url: str, path: Path, scratch: Path) -> list[InboxObject]:
    if path.is_file():
        if not path.name.endswith(_FILE_ENDINGS):
            raise MeasurementError(url, "is neither a store nor a .jsonl or .jsonl.gz file of measurements")
        ending = ".jsonl.gz" if path.name.endswith(".gz") else ".jsonl"
        return [_kept(path.read_bytes(), scratch / f"file{ending}", url, url)]
    if not path.is_dir():
        raise MeasurementError(
            url, "is not there" if not path.exists() else "is neither a directory nor a file"
        )
    if (path / "measurements" / "_delta_log").is_dir():
        raise _has_table(url)
    inbox = path / "inbox"
    if not inbox.is_dir():
        raise MeasurementError(url, "is not a store of measurements: it has no inbox")
    names = sorted(
        name
        for day in _listed(inbox)
        for vantage in _listed(day)
        for each in _listed(vantage)
        if _OBJECT.fullmatch(name := each.relative_to(path).as_posix()) and each.is_file()
    )
    if not names:
        raise MeasurementError(url, "holds no measurements yet: its inbox is empty")
    return [
        InboxObject(path / name, f"{url.rstrip('/')}/{name}", url, _sha256((path / name).read_bytes()))
        for name in names
    ]


def _listed(folder: Path) -> list[Path]:
    """What stands in a folder; nothing in what is none. Unlike a glob, it says when it may not look."""
    return list(folder.iterdir()) if folder.is_dir() else []


def _kept(content: bytes, path: Path, name: str, url: str) -> InboxObject:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return InboxObject(path, name, url, _sha256(content))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _has_table(url: str) -> MeasurementError:
    return MeasurementError(
        url,
        "has a measurements/ table, which this version cannot read;"
        " planning on its inbox alone would leave out what was moved there",
    )


def _fetched(url: str, scratch: Path) -> list[InboxObject]:
    """The inbox of an object store, copied to ``scratch``."""
    try:
        # Only here: the base planner install does without the object-store client.
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise MeasurementError(
            url, "is an object store; reading it needs the s3 extra (edgeplan[s3])"
        ) from None
    try:
        store = from_url(url, retry_config=_RETRIES)
    except (BaseError, ValueError) as fault:
        raise MeasurementError(url, f"is no store: {_first_line(fault)}") from None
    try:
        return _copied(store, url, scratch)
    except BaseError as fault:
        raise StoreError(f"{url}: cannot be read: {_first_line(fault)}") from None


def _first_line(fault: Exception) -> str:
    lines = str(fault).strip().splitlines()
    return lines[0] if lines else type(fault).__name__


def _copied(store: Any, url: str, scratch: Path) -> list[InboxObject]:
    import obstore

    if any(page for page in obstore.list(store, prefix="measurements/_delta_log")):
        raise _has_table(url)
    names = sorted(
        entry["path"]
        for page in obstore.list(store, prefix="inbox")
        for entry in page
        if _OBJECT.fullmatch(entry["path"])
    )
    if not names:
        raise MeasurementError(url, "holds no measurements: there is no object under inbox/")
    found = []
    for number, name in enumerate(names):
        # Numbered, not named: an object's key may be no file name here.
        content = bytes(obstore.get(store, name).bytes())
        found.append(_kept(content, scratch / f"{number:08}.jsonl.gz", f"{url.rstrip('/')}/{name}", url))
    return found
