"""The store's inbox: one immutable object per round, in a directory or an object store [I/O].

An object is created or it is not: never half there, and never written over.
"""

from __future__ import annotations

import contextlib
import errno
import os
import urllib.parse
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol

_CONNECT_TIMEOUT: Final = timedelta(seconds=5)
_REQUEST_TIMEOUT: Final = timedelta(seconds=30)
_RETRY_TIMEOUT: Final = timedelta(seconds=30)
_RETRIES: Final = 3

# Filesystems without hard links say so with one of these.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class StoreError(Exception):
    """The store cannot be reached or written; what was measured stays in the spool."""


class Inbox(Protocol):
    """Where rounds are put."""

    def create(self, key: str, payload: bytes) -> bool:
        """Put an object; False when there is one under ``key`` already. Raises StoreError."""
        ...

    def read(self, key: str) -> bytes:
        """The object under ``key``. Raises StoreError."""
        ...


def inbox_key(vantage: str, run_id: str) -> str:
    """Where a round's object stands under the store; a run id starts with its scheduled day.

    >>> inbox_key("tokyo-1", "20261123T050000.000000Z-0123456789ab")
    'inbox/day=2026-11-23/vantage=tokyo-1/20261123T050000.000000Z-0123456789ab.jsonl.gz'
    """
    day = f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}"
    return f"inbox/day={day}/vantage={vantage}/{run_id}.jsonl.gz"


def is_object_store(store: str) -> bool:
    """Whether ``store`` needs obstore: a URL other than file://."""
    return "://" in store and not store.lower().startswith("file://")


def open_inbox(store: str) -> Inbox:
    """The inbox of a store: a directory, file:// or the URL of an object store. Raises StoreError."""
    if is_object_store(store):
        return ObjectStoreInbox(store)
    if "://" in store:
        parts = urllib.parse.urlsplit(store)
        if parts.netloc not in ("", "localhost"):
            raise StoreError(f"{store}: a file:// store is on this machine: file:///path")
        return DirectoryInbox(Path(urllib.parse.unquote(parts.path)))
    return DirectoryInbox(Path(store))


class DirectoryInbox:
    """Write, fsync, link under the final name: a reader sees the whole object or none."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, key: str, payload: bytes) -> bool:
        final = self._root / key
        unfinished = final.with_name(f".{final.name}.{os.getpid()}.tmp")
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            try:
                with unfinished.open("wb") as file:
                    file.write(payload)
                    file.flush()
                    os.fsync(file.fileno())
                created = _name_once(unfinished, final)
            finally:
                unfinished.unlink(missing_ok=True)
            for directory in (final.parent, final.parent.parent):
                _sync_directory(directory)
        except OSError as fault:
            raise StoreError(f"store {self._root}: {fault.strerror or fault}") from None
        return created

    def read(self, key: str) -> bytes:
        try:
            return (self._root / key).read_bytes()
        except OSError as fault:
            raise StoreError(f"store {self._root}: {fault.strerror or fault}") from None


class ObjectStoreInbox:
    """Conditional put through obstore, which comes with the extra ``s3`` and is imported only here."""

    def __init__(self, url: str) -> None:
        try:
            import obstore
            import obstore.exceptions
            import obstore.store
        except ImportError:
            raise StoreError(f"store {url}: needs obstore: pip install 'edgeplan[s3]'") from None
        self._url, self._obstore = url, obstore
        self._exists: type[Exception] = obstore.exceptions.AlreadyExistsError
        # Older S3 lookalikes answer a conditional put with 412 instead of 409.
        self._precondition: type[Exception] = obstore.exceptions.PreconditionError
        self._fault: type[Exception] = obstore.exceptions.BaseError
        try:
            self._store: Any = obstore.store.from_url(
                url,
                client_options={
                    "connect_timeout": _CONNECT_TIMEOUT,
                    "timeout": _REQUEST_TIMEOUT,
                    # Options given here replace those of the environment, and an endpoint on one's own
                    # network may well be plain http.
                    "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true"),
                },
                retry_config={"max_retries": _RETRIES, "retry_timeout": _RETRY_TIMEOUT},
            )
        except (self._fault, ValueError, TypeError) as fault:
            raise StoreError(f"store {url}: {_first_line(fault)}") from None

    def create(self, key: str, payload: bytes) -> bool:
        try:
            self._obstore.put(self._store, key, payload, mode="create", use_multipart=False)
        except (self._exists, self._precondition):
            return False
        except (self._fault, OSError) as fault:
            raise StoreError(f"store {self._url}: {_first_line(fault)}") from None
        return True

    def read(self, key: str) -> bytes:
        try:
            return bytes(self._obstore.get(self._store, key).bytes())
        except (self._fault, OSError) as fault:
            raise StoreError(f"store {self._url}: {_first_line(fault)}") from None


def _name_once(unfinished: Path, final: Path) -> bool:
    try:
        os.link(unfinished, final)
    except FileExistsError:
        return False
    except OSError as fault:
        if fault.errno not in _NO_LINKS:
            raise
        # Without links a rename is as whole, but not exclusive; run ids make a clash a repeat of the round.
        if final.exists():
            return False
        unfinished.rename(final)
    return True


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        # Some network filesystems refuse to sync a directory; the object itself is safe by then.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _first_line(fault: Exception) -> str:
    lines = str(fault).strip().splitlines()
    return lines[0] if lines else type(fault).__name__
