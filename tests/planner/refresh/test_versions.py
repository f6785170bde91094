"""A reader has all of the old files or all of the new, whenever the writer is killed and however often."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from planner.catalog import load_catalog, shipped_providers
from planner.refresh.versions import BusyError, check_place, publish
from probes.shipped import provider_directories
from tests.planner.refresh.conftest import small_catalog

ROOT = Path(__file__).resolve().parents[3]

# Counts the calls that change a disk, and dies by SIGKILL before the one whose number it is given.
KILLED = """
import fcntl, io, os, pathlib, shutil, signal, sys
from planner.refresh.versions import publish

root, source, stop = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
files = {path.name: path.read_bytes() for path in source.iterdir()}
calls = 0

def counted(function):
    def call(*given, **more):
        global calls
        calls += 1
        if calls == stop:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*given, **more)
    return call

for owner, names in ((os, ("mkdir", "rename", "replace", "symlink", "unlink", "fsync", "rmdir")),):
    for name in names:
        setattr(owner, name, counted(getattr(owner, name)))
opened = io.open

def opening(path, mode="r", *given, **more):
    return (counted(opened) if set(mode) & set("wxa") else opened)(path, mode, *given, **more)

io.open = opening
link = root / "aws"
publish(root, "aws", files, base=link.resolve() if link.is_symlink() else source, check=lambda version: None)
print(calls)
"""


def files_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def killed(root: Path, source: Path, stop: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(root), str(source), str(stop)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def two_catalogs(tmp_path: Path) -> tuple[Path, Path]:
    """Two that differ in every file."""
    old, new = small_catalog(tmp_path / "old"), small_catalog(tmp_path / "new")
    for path in new.iterdir():
        text = path.read_text("utf-8")
        path.write_text(
            text.replace(",2026-", ",2027-") + ("\n# new\n" if path.suffix == ".toml" else "\n"), "utf-8"
        )
    before, after = files_of(old), files_of(new)
    assert all(before[name] != after[name] for name in before)
    return old, new


def test_killed_at_every_step(tmp_path, monkeypatch):
    old, new = two_catalogs(tmp_path)
    root = tmp_path / "catalogs"
    publish(root, "aws", files_of(old), base=old, check=lambda version: None)
    monkeypatch.setenv("EDGEPLAN_CATALOG", str(root))
    states = []
    for stop in range(1, 200):
        done = killed(root, new, stop)
        now = files_of(provider_directories()["aws"])
        assert now in (files_of(old), files_of(new)), f"torn after {stop} steps"
        states.append(now == files_of(new))
        assert shipped_providers() == ("aws", "azure", "gcp")
        load_catalog("aws")
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        if now == files_of(new):  # back to the start, over what the kill has left
            publish(root, "aws", files_of(old), base=(root / "aws").resolve(), check=lambda version: None)
    # There were steps before the swap and one after it; nothing but the swap made the new ones be seen.
    assert states[0] is False
    assert states[-1] is True
    assert 20 < states.index(True) + 1 < len(states)
    assert len(states) > len(files_of(old))
    # What the kills left is swept by the next one: the version in use and the one before remain.
    publish(root, "aws", files_of(old), base=(root / "aws").resolve(), check=lambda version: None)
    assert len([path for path in (root / ".aws").iterdir() if path.is_dir()]) == 2


def test_who_reads_while_it_is_written_has_one_version(tmp_path):
    old, new = two_catalogs(tmp_path)
    contents = (files_of(old), files_of(new))
    root = tmp_path / "catalogs"
    publish(root, "aws", contents[0], base=old, check=lambda version: None)
    torn, reads, done = [], [], threading.Event()

    def read() -> None:
        while not done.is_set() and not torn:
            directory = (root / "aws").resolve()
            try:
                now = {name: (directory / name).read_bytes() for name in contents[0]}
            except OSError as fault:
                torn.append(fault)
                return
            reads.append(now == contents[1])
            if now not in contents:
                torn.append(now)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(1, 30):
        publish(root, "aws", contents[turn % 2], base=(root / "aws").resolve(), check=lambda version: None)
        seen = len(reads)
        # Whoever began before has ended, and one has begun since.
        while len(reads) < seen + 2 and not torn:
            time.sleep(0.001)
    done.set()
    reader.join()
    assert not torn
    assert {True, False} == set(reads)


def test_two_writers_are_told_apart(tmp_path):
    old, new = two_catalogs(tmp_path)
    root = tmp_path / "catalogs"

    def meanwhile(version: Path) -> None:
        with pytest.raises(BusyError, match="another refresh is writing"):
            publish(root, "aws", files_of(new), base=old, check=lambda version: None)

    publish(root, "aws", files_of(old), base=old, check=meanwhile)
    with pytest.raises(BusyError, match="refreshed by somebody else meanwhile"):
        publish(root, "aws", files_of(new), base=old, check=lambda version: None)
    assert files_of((root / "aws").resolve()) == files_of(old)


def test_a_version_that_cannot_be_read_back_is_not_used(tmp_path):
    old, new = two_catalogs(tmp_path)
    root = tmp_path / "catalogs"
    publish(root, "aws", files_of(old), base=old, check=lambda version: None)
    in_use = (root / "aws").resolve()
    with pytest.raises(ZeroDivisionError):
        publish(root, "aws", files_of(new), base=in_use, check=lambda version: 1 // 0)
    assert (root / "aws").resolve() == in_use
    assert [path.name for path in (root / ".aws").iterdir() if path.is_dir()] == [in_use.name]


def test_a_disk_that_is_full_leaves_the_old_one(tmp_path, monkeypatch):
    old, new = two_catalogs(tmp_path)
    root = tmp_path / "catalogs"
    publish(root, "aws", files_of(old), base=old, check=lambda version: None)
    in_use, synced = (root / "aws").resolve(), []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        publish(root, "aws", files_of(new), base=in_use, check=lambda version: None)
    assert (root / "aws").resolve() == in_use
    assert [path.name for path in (root / ".aws").iterdir() if path.is_dir()] == [in_use.name]


@pytest.mark.parametrize("there", ["", "here", "here/.aws"])
def test_a_first_version_that_fails_leaves_what_was_there(tmp_path, there):
    old, _ = two_catalogs(tmp_path)
    root = tmp_path / "here" / "deep"
    (tmp_path / there).mkdir(exist_ok=True, parents=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ZeroDivisionError):
        publish(root, "aws", files_of(old), base=old, check=lambda version: 1 // 0)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_lock_that_was_taken_away_meanwhile_is_no_lock(tmp_path, monkeypatch):
    old, _ = two_catalogs(tmp_path)
    root, locked = tmp_path / "catalogs", fcntl.flock

    def meanwhile(file, how) -> None:
        # The refresh that made the directory fails, and tidies, after the lock was opened here.
        (root / ".aws" / ".lock").unlink()
        locked(file, how)

    monkeypatch.setattr(fcntl, "flock", meanwhile)
    with pytest.raises(BusyError, match="another refresh is writing"):
        publish(root, "aws", files_of(old), base=old, check=lambda version: None)
    assert not root.exists()


def test_a_place_is_asked_for_beforehand(tmp_path):
    check_place(tmp_path / "deep" / "down", "aws", "--out")
    assert not (tmp_path / "deep").exists()
