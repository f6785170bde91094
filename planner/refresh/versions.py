"""A directory of files that is replaced whole, or not at all [I/O].

    DIR/aws                        a symbolic link to the version in use
    DIR/.aws/2026-11-26T070000Z/   a version: every file of the provider, never changed again
    DIR/.aws/.lock                 held while somebody writes

A version is written beside the others, synced and read back before one rename makes ``aws`` lead to it: a
reader that resolves the link once has all of the old files or all of the new. Whatever a kill leaves behind
begins with a dot, is taken for no provider, and is swept by the next refresh. The version before stays, for
those who are still reading it. Design note 0008 says why.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from probes.strict_toml import InputError


class BusyError(OSError):
    """Somebody else writes there, or has just done so."""


def check_place(root: Path, provider: str, named: str) -> None:
    """Whether a version can be written below ``root``, asked before the cloud is; nothing is left behind.
    ``named``: what the user named it by.

    Raises InputError where something else stands, ``OSError`` where nothing may be written.
    """
    existing = root.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir():
        raise InputError(named, f"{existing} is not a directory")
    link = root / provider
    if os.path.lexists(link) and not link.is_symlink():
        raise InputError(
            named,
            f"{link} is not of refresh's making: it writes {provider} as a link; name another directory",
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(13, "may not be written to", str(root))


def publish(
    root: Path,
    provider: str,
    files: Mapping[str, bytes],
    *,
    base: Path,
    check: Callable[[Path], object],
) -> Path:
    """Make ``root/provider`` lead to a new version that holds ``files``; returns that link.

    ``base`` is the version in use that ``files`` were made from, or a directory elsewhere when there is none.
    ``check`` reads a version as every reader will, and raises when it cannot. Raises :class:`BusyError` when
    another refresh is at work or came between. A failure leaves no directory behind that was not there.
    """
    link, versions = root / provider, root / f".{provider}"
    with _made(versions), _alone(versions / ".lock", root):
        current = link.resolve() if link.is_symlink() else None
        if current is not None and current != base:
            raise BusyError(f"{link} was refreshed by somebody else meanwhile; run it again")
        _sweep(versions, {current} if current else set())
        name = _name(versions)
        draft = versions / f".{name}"
        try:
            draft.mkdir()
            for file, content in files.items():
                _write(draft / file, content)
            _sync(draft)
            check(draft)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        draft.rename(versions / name)
        _sync(versions)
        following = root / f".{provider}.next"
        following.unlink(missing_ok=True)
        following.symlink_to(Path(f".{provider}") / name)
        following.replace(link)
        _sync(root)
    return link


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    """Make the names in a directory outlive a power cut, where its filesystem can."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        # Some network filesystems refuse to sync a directory; the files themselves are safe by then.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(versions: Path) -> str:
    """A name that sorts by time and is free."""
    stem = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    number, name = 1, stem
    while (versions / name).exists():
        number += 1
        name = f"{stem}-{number}"
    return name


def _sweep(versions: Path, kept: set[Path]) -> None:
    """Remove drafts and all versions but ``kept``: what is in use."""
    for path in versions.iterdir():
        if path.is_dir() and path.resolve() not in kept:
            shutil.rmtree(path)


@contextmanager
def _made(versions: Path) -> Iterator[None]:
    """Make a directory and those above it, and take them away again if what is done in it fails."""
    new = [path for path in (versions, *versions.parents) if not path.exists()]
    try:
        versions.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in new:
            # Another refresh may have begun to write there; what holds anything stays.
            with suppress(OSError):
                path.rmdir()
        raise


@contextmanager
def _alone(lock: Path, root: Path) -> Iterator[None]:
    busy = BusyError(f"another refresh is writing to {root}; run it again when that has ended")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A refresh that failed may have taken the name away since it was opened.
            if not os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                raise busy
        except (BlockingIOError, FileNotFoundError):
            raise busy from None
        try:
            yield
        except BaseException:
            if [path.name for path in lock.parent.iterdir()] == [lock.name]:
                lock.unlink()
            raise
