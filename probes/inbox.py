"""The store's inbox: one immutable object per round, in a directory or an object store [I/O].

An object is created or it is not: never half there, and never written over. Every request to an object store
has an end: a store that accepts and then says nothing costs no more than the span the caller gives.
"""

from __future__ import annotations

import errno
import hashlib
import os
import urllib.parse
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from probes.durable import sync_directory
from probes.redaction import redacted, without_secrets

# No single request may take more than this share of the span given to shipping: a silent store then costs one
# request's time, since a request that ran out of time is not repeated, and two in the worst case (one that
# was answered late, the next never).
_REQUEST_SHARE: Final = 0.4
_LONGEST_SPAN_S: Final = 75.0
_LONGEST_CONNECT_S: Final = 5.0
_RETRIES: Final = 3

# Where obstore looks for credentials when it was given none.
_METADATA: Final = "/latest/api/token"

# Filesystems without hard links say so with one of these.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class StoreError(Exception):
    """The store cannot be reached or written; what was measured stays in the spool."""


class StoreDeniedError(StoreError):
    """The store answers, and does not let these credentials do that."""


class Inbox(Protocol):
    """Where rounds are put."""

    def create(self, key: str, payload: bytes) -> bool:
        """Put an object; False when there is one under ``key`` already. Raises StoreError."""
        ...

    def read(self, key: str) -> bytes:
        """The object under ``key``. Raises StoreError, and StoreDeniedError where reading is not allowed."""
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


def open_inbox(store: str, span_s: float = _LONGEST_SPAN_S) -> Inbox:
    """The inbox of a store: a directory, file:// or the URL of an object store. Raises StoreError.

    ``span_s`` is what an object store may take in all to say that it takes an object, or to fail.
    """
    if is_object_store(store):
        return ObjectStoreInbox(store, span_s)
    return DirectoryInbox(directory_of(store))


def directory_of(store: str) -> Path:
    """The directory that a store other than an object store is. Raises StoreError.

    >>> str(directory_of("file:///var/a%20b")), str(directory_of("/var/rows"))
    ('/var/a b', '/var/rows')
    """
    if "://" not in store:
        return Path(store)
    parts = urllib.parse.urlsplit(store)
    if parts.netloc not in ("", "localhost"):
        raise StoreError(f"{without_secrets(store)}: a file:// store is on this machine: file:///path")
    return Path(urllib.parse.unquote(parts.path))


class DirectoryInbox:
    """Write, fsync, link under the final name: a reader sees the whole object or none."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, key: str, payload: bytes) -> bool:
        final = self._root / key
        # The same object has the same draft, so that what a kill leaves behind is swept up by the next try.
        draft = final.with_name(f".{final.name}.{hashlib.sha256(payload).hexdigest()[:16]}.tmp")
        try:
            added = _make_directories(final.parent)
            # Never reopened for writing: after a kill it may share its blocks with the object.
            draft.unlink(missing_ok=True)
            if final.exists():
                return False
            try:
                with draft.open("xb") as file:
                    file.write(payload)
                    file.flush()
                    os.fsync(file.fileno())
                created = _name_once(draft, final)
            finally:
                draft.unlink(missing_ok=True)
            for directory in (final.parent, *added):
                sync_directory(directory)
        except OSError as fault:
            raise StoreError(f"store {self._root}: {fault.strerror or fault}") from None
        return created

    def read(self, key: str) -> bytes:
        try:
            return (self._root / key).read_bytes()
        except PermissionError as fault:
            raise StoreDeniedError(f"store {self._root}: {fault.strerror or fault}") from None
        except OSError as fault:
            raise StoreError(f"store {self._root}: {fault.strerror or fault}") from None


class ObjectStoreInbox:
    """Conditional put through obstore, which comes with the extra ``s3`` and is imported only here.

    The store is asked for the object before it is put. So a store that ignores the condition, or does not
    know it, still takes a repeated round once; what it cannot tell apart are two machines under one vantage
    that put the same round within the same moment.
    """

    def __init__(self, url: str, span_s: float = _LONGEST_SPAN_S) -> None:
        shown = without_secrets(url)
        try:
            import obstore
            import obstore.exceptions
            import obstore.store
        except ImportError:
            raise StoreError(f"store {shown}: needs obstore: pip install 'edgeplan[s3]'") from None
        self._shown, self._obstore = shown, obstore
        faults = obstore.exceptions
        # Older S3 lookalikes answer a conditional put with 412 instead of 409.
        self._exists: tuple[type[Exception], ...] = (faults.AlreadyExistsError, faults.PreconditionError)
        self._denied: tuple[type[Exception], ...] = (
            faults.PermissionDeniedError,
            faults.UnauthenticatedError,
        )
        self._unsupported: type[Exception] = faults.NotSupportedError
        self._fault: type[Exception] = faults.BaseError
        request = timedelta(seconds=_REQUEST_SHARE * span_s)
        try:
            self._store: Any = obstore.store.from_url(
                url,
                client_options={
                    "connect_timeout": min(timedelta(seconds=_LONGEST_CONNECT_S), request),
                    "timeout": request,
                    # Options given here replace those of the environment, and an endpoint on one's own
                    # network may well be plain http.
                    "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true"),
                },
                retry_config={
                    "max_retries": _RETRIES,
                    "retry_timeout": request,
                    "backoff": {"max_backoff": timedelta(seconds=1)},
                },
            )
        except (self._fault, ValueError, TypeError) as fault:
            raise StoreError(f"store {shown}: {_first_line(fault)}") from None

    def create(self, key: str, payload: bytes) -> bool:
        try:
            if self._has(key):
                return False
            try:
                self._put(key, payload, mode="create")
            except self._exists:
                return False
            except (self._unsupported, self._fault) as fault:
                if not isinstance(fault, self._unsupported) and "501 Not Implemented" not in str(fault):
                    raise
                self._put(key, payload, mode="overwrite")
        except (self._fault, OSError) as fault:
            raise self._error(fault) from None
        return True

    def read(self, key: str) -> bytes:
        try:
            return bytes(self._obstore.get(self._store, key).bytes())
        except (self._fault, OSError) as fault:
            raise self._error(fault) from None

    def _has(self, key: str) -> bool:
        try:
            self._obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        except self._denied:
            # Who may write need not be allowed to look; S3 says so too where one may not list.
            return False
        return True

    def _put(self, key: str, payload: bytes, *, mode: Literal["create", "overwrite"]) -> None:
        self._obstore.put(self._store, key, payload, mode=mode, use_multipart=False)

    def _error(self, fault: Exception) -> StoreError:
        kind = StoreDeniedError if isinstance(fault, self._denied) else StoreError
        text = _first_line(fault)
        hint = "no credentials in the environment, and no instance metadata: " if _METADATA in text else ""
        return kind(f"store {self._shown}: {hint}{text}")


def _make_directories(directory: Path) -> list[Path]:
    """Make a directory and those above it; the directories that got a new name in them."""
    missing = []
    at = directory
    while not at.is_dir() and at != at.parent:
        missing.append(at.parent)
        at = at.parent
    directory.mkdir(parents=True, exist_ok=True)
    return missing


def _name_once(draft: Path, final: Path) -> bool:
    try:
        os.link(draft, final)
    except FileExistsError:
        return False
    except OSError as fault:
        if fault.errno not in _NO_LINKS:
            raise
        # Without links a rename is as whole, but not exclusive; run ids make a clash a repeat of the round.
        if final.exists():
            return False
        draft.rename(final)
    return True


def _first_line(fault: Exception) -> str:
    lines = str(fault).strip().splitlines()
    return redacted(lines[0]) if lines else type(fault).__name__
