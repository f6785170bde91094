"""Ingest: every row once, whatever is killed when."""

import dataclasses
import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from planner.cli import main
from planner.measurements import MeasurementError, read_rounds, read_stores
from planner.store import ingest as module
from planner.store import reading, shelf
from planner.store.ingest import BusyError, ingest
from planner.store.shelf import address_of
from planner.store.table import open_table, snapshot_of
from tests.planner.store.inbox_writing import SAMPLE, SITES, put, put_bytes, samples

ROOT = Path(__file__).resolve().parents[3]


def rows_of(store):
    """Every row of the table, by what a sample is known by."""
    table = open_table(address_of(str(store)))
    found = table.to_pyarrow_table().to_pylist() if table is not None else []
    return sorted((row["run_id"], row["site"], row["sample"], row["rtt_ms"]) for row in found)


def inbox_of(store):
    return sorted(path.name for path in (store / "inbox").rglob("*") if path.is_file())


def test_rows_keep_every_field(tmp_path):
    full = dataclasses.replace(
        SAMPLE, site="são-paulo", reason='a "quoted" \\ reason', warm=False, ttl_s=60, http_status=200,
        certificate_days=81.25, lag_ms=0.1 + 0.2, started_at="2026-11-23T23:59:59.999999Z",
    )  # fmt: skip
    bare = dataclasses.replace(SAMPLE, sample=1, rtt_ms=None, failure="connect_timeout", port=None)
    path = put(tmp_path, [full, bare])
    done = ingest(str(tmp_path))
    assert (done.objects, done.rows, done.known, done.damaged, done.batch) == (1, 2, 0, 0, 1)
    assert inbox_of(tmp_path) == []
    found = open_table(address_of(str(tmp_path))).to_pyarrow_table().sort_by("sample").to_pylist()
    for row, sent in zip(found, (full, bare), strict=True):
        expected = dataclasses.asdict(sent)
        expected["started_at"] = row["started_at"]
        assert row["started_at"].isoformat().replace("+00:00", "Z").removesuffix("Z") in sent.started_at
        assert row["object"] == path.relative_to(tmp_path).as_posix()
        assert row.pop("step_ms") is None
        assert (row.pop("object"), row.pop("batch"), row.pop("day").isoformat())[1:] == (1, "2026-11-23")
        assert row == expected


def test_a_reader_sees_table_and_inbox_once(tmp_path):
    put(tmp_path, samples(10.0, 11.0, run_id="a"), "a")
    before = read_stores([str(tmp_path)], 0.5, SITES)
    kept = put(tmp_path, samples(12.0, run_id="b"), "b").read_bytes()
    ingest(str(tmp_path))
    put(tmp_path, samples(13.0, 14.0, run_id="c"), "c")
    put_bytes(tmp_path, b"", "empty")
    # The agent that never heard that its round arrived sends it again.
    again = tmp_path / "inbox" / "day=2026-11-23" / "vantage=tokyo-1" / "b.jsonl.gz"
    again.write_bytes(kept)
    report = read_stores([str(tmp_path)], 0.5, SITES)
    (found,) = report.statistics
    assert (found.samples, report.rows, found.rtt_ms) == (5, 5, 12.0)
    assert report.hashes != before.hashes
    done = ingest(str(tmp_path))
    assert (done.objects, done.rows, done.known) == (3, 2, 1)
    assert [row[0] for row in rows_of(tmp_path)] == ["a", "a", "b", "c", "c"]
    assert read_rounds([str(tmp_path)]).rtt_ms.tolist() == [10.0, 11.0, 12.0, 13.0, 14.0]


def test_the_same_round_in_another_form_adds_what_is_new(tmp_path):
    put(tmp_path, samples(10.0, 11.0, run_id="a"), "a")
    ingest(str(tmp_path))
    put(tmp_path, samples(10.0, 11.0, 12.0, run_id="a"), "a")
    # Somebody put another run's rows into a second object as well.
    put(tmp_path, samples(5.0, 6.0, run_id="z") * 2, "y")
    put(tmp_path, samples(5.0, 6.0, 7.0, run_id="z"), "z")
    done = ingest(str(tmp_path))
    assert (done.rows, done.known) == (3, 4)
    assert inbox_of(tmp_path) == ["z.jsonl.gz"]
    assert read_stores([str(tmp_path)], 0.5, SITES).rows == 6
    assert ingest(str(tmp_path)).rows == 1
    assert len(rows_of(tmp_path)) == 6


def test_damage_is_set_aside_with_its_reasons(tmp_path):
    lines = [SAMPLE.to_json().encode(), b"broken", b'{"schema":1}']
    content = put_bytes(tmp_path, b"\n".join(lines)).read_bytes()
    put_bytes(tmp_path, b"nothing sound", "r2")
    late = json.loads(SAMPLE.to_json()) | {"run_id": "r3", "late_ms": "much"}
    put_bytes(tmp_path, json.dumps(late).encode(), "r3")
    done = ingest(str(tmp_path))
    assert (done.objects, done.rows, done.damaged) == (3, 2, 3)
    assert done.complaints[0] == (
        f"{tmp_path}/inbox/day=2026-11-23/vantage=tokyo-1/r1.jsonl.gz, line 2: is not JSON (Expecting value)"
    )
    aside = tmp_path / "aside" / "day=2026-11-23" / "vantage=tokyo-1"
    assert (aside / "r1.jsonl.gz").read_bytes() == content
    reasons = json.loads((aside / "r1.jsonl.gz.reasons.json").read_text())
    assert reasons["object"] == "inbox/day=2026-11-23/vantage=tokyo-1/r1.jsonl.gz"
    assert [(each["line"], each["content"]) for each in reasons["lines"]] == [
        (2, "broken"),
        (3, '{"schema":1}'),
    ]
    (kept,) = json.loads((aside / "r3.jsonl.gz.reasons.json").read_text())["lines"]
    assert (kept["kept"], kept["reason"]) == (True, "late_ms cannot be, and is left out")
    assert inbox_of(tmp_path) == []


# A forked child would share a runtime of threads that it has none of, and wait for it with all its might.
# What is forked is a server that has imported all and started nothing.
KILLABLE = multiprocessing.get_context("forkserver")
KILLABLE.set_forkserver_preload(["planner.store.ingest"])
STEPS = ("manifest", "files", "commit", "deleted", "done")


def killed_at(store, name):
    def step(reached):
        if reached == name:
            os.kill(os.getpid(), signal.SIGKILL)

    ingest(str(store), step=step)


@pytest.mark.parametrize("name", STEPS)
def test_a_kill_between_any_two_steps(tmp_path, name):
    for n in range(4):
        put(tmp_path, samples(10.0 + n, 20.0 + n, run_id=f"r{n}"), f"r{n}")
    put_bytes(tmp_path, b"nothing sound", "r9")
    child = KILLABLE.Process(target=killed_at, args=(tmp_path, name))
    child.start()
    child.join(120)
    if child.is_alive():
        child.kill()
        pytest.fail(f"was not killed at {name}")
    assert child.exitcode == -signal.SIGKILL
    put(tmp_path, samples(99.0, run_id="later"), "later")
    assert len(read_rounds([str(tmp_path)]).rtt_ms) == 9
    ingest(str(tmp_path))
    assert len(rows_of(tmp_path)) == len(set(rows_of(tmp_path))) == 9
    assert inbox_of(tmp_path) == []
    assert not list((tmp_path / "ingest").glob("*.json"))
    assert len(read_rounds([str(tmp_path)]).rtt_ms) == 9


@pytest.mark.parametrize("name", ["manifest", "files", "commit"])
def test_two_ingesters_at_once(tmp_path, monkeypatch, name):
    """Without the lock, as in an object store: one of them does it, the other says so and goes on."""
    monkeypatch.setattr(module, "_alone", module.contextlib.nullcontext)
    for n in range(3):
        put(tmp_path, samples(10.0 + n, run_id=f"r{n}"), f"r{n}")
    done = []

    def other(reached):
        if reached == name and not done:
            done.append(ingest(str(tmp_path)))
            put(tmp_path, samples(50.0, run_id="new"), "new")

    late = ingest(str(tmp_path), step=other)
    assert len(read_rounds([str(tmp_path)]).rtt_ms) == 4
    if name == "commit":
        assert (late.objects, late.elsewhere, done[0].objects) == (3, 0, 0)
        ingest(str(tmp_path))
    else:
        assert (late.objects, late.elsewhere, done[0].objects, late.batch) == (1, 1, 3, 2)
    assert [row[0] for row in rows_of(tmp_path)] == ["new", "r0", "r1", "r2"]
    assert inbox_of(tmp_path) == []
    assert not list((tmp_path / "ingest").glob("*.json"))


def test_a_commit_that_fails_and_was_nobody_elses_is_said(tmp_path):
    put(tmp_path, samples(10.0))
    log, gone = tmp_path / "measurements" / "_delta_log", tmp_path / "gone"

    def spoil(reached):
        if reached == "files":
            log.rename(gone)
            log.write_text("no directory")

    with pytest.raises(OSError, match="its table cannot be"):
        ingest(str(tmp_path), step=spoil)
    log.unlink()
    gone.rename(log)
    assert ingest(str(tmp_path)).rows == 1


def test_the_lock_keeps_a_second_one_out(tmp_path):
    put(tmp_path, samples(10.0))

    def other(reached):
        with pytest.raises(BusyError):
            ingest(str(tmp_path))

    ingest(str(tmp_path), step=other)
    assert len(rows_of(tmp_path)) == 1


def test_a_store_as_it_was(tmp_path):
    for n in range(3):
        put(tmp_path, samples(10.0 * (n + 1), run_id=f"r{n}"), f"r{n}")
        ingest(str(tmp_path))
    put(tmp_path, samples(99.0, run_id="inbox"), "inbox")
    assert snapshot_of(address_of(str(tmp_path))).batches == 3
    for n in (1, 2, 3):
        report = read_stores([f"{tmp_path}@{n}"], 0.5, SITES)
        assert (report.rows, report.sources[0].batches) == (n, n)
    assert read_stores([str(tmp_path)], 0.5, SITES).rows == 4
    with pytest.raises(MeasurementError, match="is not there yet: the table is at 3"):
        read_stores([f"{tmp_path}@4"], 0.5, SITES)
    with pytest.raises(MeasurementError, match="past version"):
        ingest(f"{tmp_path}@2")


def test_a_filesystem_without_links(tmp_path, monkeypatch):
    def refused(*given):
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refused)
    put(tmp_path, samples(10.0))
    assert ingest(str(tmp_path)).rows == 1
    assert not shelf.Directory(tmp_path, "s").create("ingest/upkeep", b"again")


def test_what_is_no_store(tmp_path):
    with pytest.raises(MeasurementError, match="is not there"):
        ingest(str(tmp_path / "missing"))
    with pytest.raises(MeasurementError, match="neither inbox nor table"):
        ingest(str(tmp_path))
    put(tmp_path / "measurements", samples(10.0))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(MeasurementError, match="did you mean measurements in it"):
        ingest(str(tmp_path))
    assert sorted(tmp_path.rglob("*")) == before


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "planner", "ingest", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_command(tmp_path):
    put(tmp_path, samples(10.0, 11.0))
    put_bytes(tmp_path, b"broken", "r2")
    done = command(str(tmp_path), "--json")
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    assert (answer["rows"], answer["version"], answer["damaged_lines"]) == (2, 1, 1)
    assert done.stderr.startswith("edgeplan: set aside: ")


def test_what_the_command_refuses(tmp_path, capsys):
    (tmp_path / "full" / "inbox").mkdir(parents=True)
    (tmp_path / "full" / "ingest").write_text("no directory")
    for url, code, complaint in (
        (str(tmp_path / "missing"), 2, "is not there"),
        ("s4://bucket/x", 2, "did you mean s3://?"),
        ("https://host/x", 2, "is no store: https:// is none of s3://"),
        (str(tmp_path / "full"), 5, "cannot be written"),
    ):
        assert main(["ingest", url]) == code
        said = capsys.readouterr()
        assert (said.out, len(said.err.splitlines())) == ("", 1)
        assert complaint in said.err


def test_a_reader_sees_the_same_at_every_step(tmp_path):
    for n in range(3):
        put(tmp_path, samples(10.0 + n, 20.0 + n, run_id=f"r{n}"), f"r{n}")
    expected = read_rounds([str(tmp_path)]).rtt_ms.tolist()
    seen = []
    ingest(str(tmp_path), step=lambda name: seen.append(read_rounds([str(tmp_path)]).rtt_ms.tolist()))
    assert seen == [expected] * len(STEPS)


@pytest.mark.parametrize("moment", ["listed", "read"])
def test_an_ingest_that_overtakes_a_reader(tmp_path, monkeypatch, moment):
    """The inbox is listed, or read, and then an ingest takes it away before the reader goes on."""
    for n in range(3):
        put(tmp_path, samples(10.0 + n, 20.0 + n, run_id=f"r{n}"), f"r{n}")
    expected = read_rounds([str(tmp_path)]).rtt_ms.tolist()
    owner, name = (reading, "snapshot_of") if moment == "read" else (shelf.Directory, "get")
    original, overtaken = getattr(owner, name), []

    def overtaking(*given):
        if not overtaken:
            overtaken.append(True)
            ingest(str(tmp_path))
        return original(*given)

    monkeypatch.setattr(owner, name, overtaking)
    assert read_rounds([str(tmp_path)]).rtt_ms.tolist() == expected
    assert inbox_of(tmp_path) == []
    assert overtaken


def test_two_stores_that_share_rounds(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for store, runs in ((one, "abc"), (two, "bcd")):
        for run in runs:
            put(store, samples(10.0, 20.0, run_id=run), run)
        ingest(str(store))
        put(store, samples(30.0, run_id="e"), "e")
    report = read_stores([str(one), str(two)], 0.5, SITES)
    assert report.rows == 9
    assert [store.rows for store in report.stores] == [7, 7]
    assert [len(store.pairs) for store in report.stores] == [1, 1]


@pytest.mark.parametrize(
    "content", ["", "garbage", "null", "[]", '"a"', '{"objects": 5}', '{"objects": [5]}']
)
def test_a_manifest_that_is_none_names_no_objects(tmp_path, content):
    """What it might have named is in the inbox still, and is taken in by the next."""
    put(tmp_path, samples(10.0, 11.0))
    (tmp_path / "ingest").mkdir()
    (tmp_path / "ingest" / "000000001.json").write_text(content)
    assert ingest(str(tmp_path)).rows == 2
