"""A store by its URL: listing, reading and writing whole objects, in a directory or an object store [I/O].

A store is a directory, the same as a ``file://`` URL, or an object store's URL. ``URL@N`` is the store as it
was when its table had taken in N batches (``planner.store.table``).
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from probes.strict_toml import InputError

# A store that does not answer is an answer too, and should come while somebody still waits for it.
_RETRIES: Final[Any] = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}


# Filesystems without hard links say so with one of these.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


_SCHEMES: Final = ("s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss", "file")
"""Of the URLs that the clients of objects and of tables both know."""

_MUCH: Final = 1 << 16
"""Bytes of an object that are read at once; mostly these are all."""


class MeasurementError(InputError):
    """A store or measurement file that cannot be used at all, or a damaged published table."""


class StoreError(OSError):
    """A store that may be one, but cannot be read or written now: out of reach, or not for us.

    No :class:`~probes.strict_toml.InputError`, for nothing is wrong with what was asked.
    """


@dataclass(frozen=True, slots=True)
class Address:
    """``url`` as it was given, ``root`` without ``@version``; ``path`` where it is on this machine's disk."""

    url: str
    root: str
    version: int | None
    path: Path | None


def address_of(url: str) -> Address:
    """Take a store's URL apart. ``@N`` at its end is a version, unless a file or directory is so called."""
    path = _path_of(url)
    version = None
    match = re.fullmatch(r"(.+)@(\d{1,18})", url)
    if match is not None and not (path is not None and path.exists()):
        url_of_all, version = match[1], int(match[2])
        return Address(url, url_of_all, version, _path_of(url_of_all))
    return Address(url, url, None, path)


def _path_of(url: str) -> Path | None:
    scheme = urlsplit(url).scheme
    if scheme and scheme != "file" and "://" in url:
        return None
    return Path(unquote(urlsplit(url).path)) if scheme == "file" else Path(url)


class Shelf(Protocol):
    """Objects under keys such as ``inbox/day=.../x.jsonl.gz``. Everything raises :class:`StoreError`."""

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys under ``prefix``, a folder, in no particular order; none where there is no such folder."""
        ...

    def get(self, key: str) -> bytes | None:
        """The object, or None where there is none (any more)."""
        ...

    def put(self, key: str, content: bytes) -> None:
        """Write the object, over one that is there; whole or not at all, and on the disk when this
        returns."""
        ...

    def create(self, key: str, content: bytes) -> bool:
        """Write the object as :meth:`put` does; False, and nothing is done, where there is one already."""
        ...

    def settle(self, key: str) -> None:
        """See to it that an object that another hand wrote outlasts a loss of power."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Take the objects away; one that is gone already is no fault."""
        ...


def open_shelf(address: Address) -> Shelf:
    """The objects of a store. Raises :class:`MeasurementError` for a URL that can be none."""
    if address.path is not None:
        return Directory(address.path, address.url)
    return Bucket(address.root, address.url)


class Directory:
    """A store on this machine's disk."""

    def __init__(self, root: Path, url: str) -> None:
        self._root, self._url = root, url

    def keys(self, prefix: str) -> Iterator[str]:
        with self._faults("read"):
            yield from self._below(prefix)

    def _below(self, folder: str) -> Iterator[str]:
        # Unlike a glob, it says when it may not look.
        try:
            entries = sorted(os.scandir(f"{self._root}/{folder}"), key=lambda each: each.name)
        except (FileNotFoundError, NotADirectoryError):  # an empty folder may be tidied away meanwhile
            return
        for each in entries:
            if each.is_dir():
                yield from self._below(f"{folder}/{each.name}")
            elif each.is_file():
                yield f"{folder}/{each.name}"

    def get(self, key: str) -> bytes | None:
        with self._faults("read"):
            try:
                return _content(f"{self._root}/{key}")
            except FileNotFoundError:
                return None

    def put(self, key: str, content: bytes) -> None:
        final = self._root / key
        with self._faults("written"):
            self._draft(final, content).replace(final)
            _sync(final.parent)

    def create(self, key: str, content: bytes) -> bool:
        final = self._root / key
        with self._faults("written"):
            draft = self._draft(final, content)
            try:
                os.link(draft, final)
            except FileExistsError:
                return False
            except OSError as fault:
                if fault.errno not in _NO_LINKS:
                    raise
                # Without links there is the lock, which whoever writes here has.
                if final.exists():
                    return False
                draft.replace(final)
            finally:
                draft.unlink(missing_ok=True)
            _sync(final.parent)
            return True

    def settle(self, key: str) -> None:
        with self._faults("written"):
            _sync(self._root / key)
            _sync((self._root / key).parent)

    def _draft(self, final: Path, content: bytes) -> Path:
        final.parent.mkdir(parents=True, exist_ok=True)
        draft = final.with_name(f".{final.name}.tmp")
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return draft

    def delete(self, keys: Iterable[str]) -> None:
        with self._faults("written"):
            for key in keys:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{self._root}/{key}")  # noqa: PTH108 - thousands of them

    @contextlib.contextmanager
    def _faults(self, done: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except OSError as fault:
            where = f" ({fault.filename})" if fault.filename is not None else ""
            raise StoreError(f"{self._url}: cannot be {done}: {fault.strerror or fault}{where}") from None


class Bucket:
    """A store in an object store, by obstore."""

    def __init__(self, root: str, url: str) -> None:
        scheme = urlsplit(root).scheme.lower()
        if scheme not in _SCHEMES:
            nearest = "".join(difflib.get_close_matches(scheme, _SCHEMES, n=1, cutoff=0.5))
            meant = f"; did you mean {nearest}://?" if nearest else ""
            known = ", ".join(f"{each}://" for each in _SCHEMES)
            raise MeasurementError(url, f"is no store: {scheme}:// is none of {known}{meant}")
        try:
            # Only here: the base planner install does without the object-store client.
            import obstore
            from obstore.exceptions import BaseError
            from obstore.store import from_url
        except ImportError:
            raise MeasurementError(
                url, "is an object store; reading it needs the s3 extra (edgeplan[s3])"
            ) from None
        self._url, self._obstore, self._fault = url, obstore, BaseError
        try:
            self._store: Any = from_url(root, retry_config=_RETRIES)
        except (BaseError, ValueError) as fault:
            raise MeasurementError(url, f"is no store: {first_line(fault)}") from None

    def keys(self, prefix: str) -> Iterator[str]:
        with self._faults("read"):
            for page in self._obstore.list(self._store, prefix=prefix):
                yield from (entry["path"] for entry in page)

    def get(self, key: str) -> bytes | None:
        with self._faults("read"):
            try:
                return bytes(self._obstore.get(self._store, key).bytes())
            except FileNotFoundError:
                return None

    def put(self, key: str, content: bytes) -> None:
        with self._faults("written"):
            self._obstore.put(self._store, key, content)

    def create(self, key: str, content: bytes) -> bool:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._faults("written"):
            try:
                self._obstore.put(self._store, key, content, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def settle(self, key: str) -> None:
        """An object store has it or has it not."""

    def delete(self, keys: Iterable[str]) -> None:
        with self._faults("written"):
            for key in keys:
                with contextlib.suppress(FileNotFoundError):
                    self._obstore.delete(self._store, key)

    @contextlib.contextmanager
    def _faults(self, done: str) -> Iterator[None]:
        try:
            yield
        except self._fault as fault:
            raise StoreError(f"{self._url}: cannot be {done}: {first_line(fault)}") from None


def first_line(fault: Exception) -> str:
    lines = str(fault).strip().splitlines()
    return lines[0] if lines else type(fault).__name__


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _content(path: str) -> bytes:
    # Thousands are read one after the other, each of a few kB: as few calls as can be.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(descriptor, _MUCH)
        while part := os.read(descriptor, _MUCH):
            content += part
        return content
    finally:
        os.close(descriptor)
