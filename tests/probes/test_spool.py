"""The spool: what was measured is there until the store has it, and only until then."""

import gzip
import os
import resource
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from probes.inbox import DirectoryInbox, StoreDeniedError, StoreError, inbox_key
from probes.record import Measurement, from_json
from probes.spool import Spool, SpoolBusyError, SpoolError, run_id

ROW = Measurement(
    run_id="r",
    vantage="v",
    vantage_country="DE",
    vantage_lat=50.0,
    vantage_lon=8.0,
    site="s",
    host="h",
    peer=None,
    port=443,
    protocol="tcp",
    sample=0,
    started_at="2026-11-23T05:00:00.000000Z",
    late_ms=0.0,
    dns_ms=None,
    connect_ms=None,
    tls_ms=None,
    ttfb_ms=None,
    rtt_ms=None,
    clock="kernel",
    retransmits=0,
    failure="connect_timeout",
    resolver=None,
    family=4,
    agent="0",
)
ROWS = [replace(ROW, sample=n) for n in range(5)]
FIRST, SECOND = (run_id("v", datetime(2026, 11, 23, hour, tzinfo=UTC)) for hour in (5, 6))


@pytest.fixture
def spool(tmp_path):
    made = Spool(tmp_path / "spool", "v")
    with made.locked():
        yield made


@pytest.fixture
def inbox(tmp_path):
    return DirectoryInbox(tmp_path / "store")


def fill(spool, run, rows):
    file = spool.open_round(run)
    file.append(rows)
    file.close()


def another_process(tmp_path):
    """The spool as it looks to who comes after a kill; the lock stays with the test."""
    return Spool(tmp_path / "spool", "v")


def stored(tmp_path, run):
    payload = (tmp_path / "store" / inbox_key("v", run)).read_bytes()
    return [from_json(line) for line in gzip.decompress(payload).splitlines()]


def test_a_run_id_is_the_round_s_and_nothing_else_s():
    moment = datetime(2026, 11, 23, 5, tzinfo=UTC)
    assert run_id("v", moment) == run_id("v", moment)
    assert run_id("v", moment) != run_id("w", moment)
    assert run_id("v", moment) != run_id("v", moment.replace(second=1))
    assert run_id("v", moment) < run_id("v", moment.replace(second=1))


def test_rows_arrive_as_they_were_measured(spool, inbox, tmp_path):
    fill(spool, FIRST, ROWS)
    (shipped,) = spool.ship(inbox)
    assert (shipped.run_id, shipped.rows, shipped.damaged, shipped.conflict) == (FIRST, 5, 0, None)
    assert stored(tmp_path, FIRST) == ROWS
    assert spool.pending() == []


def test_the_oldest_round_is_shipped_first(spool, inbox):
    fill(spool, SECOND, ROWS[:1])
    fill(spool, FIRST, ROWS[:2])
    assert [shipped.run_id for shipped in spool.ship(inbox)] == [FIRST, SECOND]


def test_nothing_leaves_the_spool_until_the_object_is_there(spool, inbox, tmp_path):
    (tmp_path / "store").write_text("a file where the store should be")
    fill(spool, FIRST, ROWS)
    with pytest.raises(StoreError, match="store"):
        list(spool.ship(inbox))
    assert spool.pending() == [FIRST]
    (tmp_path / "store").unlink()
    assert [shipped.rows for shipped in spool.ship(inbox)] == [5]
    assert stored(tmp_path, FIRST) == ROWS


def test_a_half_line_after_a_kill_loses_no_other_row(spool, inbox, tmp_path):
    fill(spool, FIRST, ROWS[:3])
    with (tmp_path / "spool" / "v" / f"{FIRST}.jsonl").open("a") as file:
        file.write(ROWS[3].to_json()[:100])
    (shipped,) = another_process(tmp_path).ship(inbox)
    assert (shipped.rows, shipped.damaged) == (3, 1)
    assert stored(tmp_path, FIRST) == ROWS[:3]


def test_a_whole_last_line_without_its_newline_counts(spool, inbox, tmp_path):
    fill(spool, FIRST, ROWS[:3])
    with (tmp_path / "spool" / "v" / f"{FIRST}.jsonl").open("a") as file:
        file.write(ROWS[3].to_json())
    shipped = list(another_process(tmp_path).ship(inbox))
    assert [(one.rows, one.damaged) for one in shipped] == [(4, 0)]


def test_damage_in_the_middle_loses_that_line_only(spool, inbox, tmp_path):
    path = tmp_path / "spool" / "v" / f"{FIRST}.jsonl"
    path.write_bytes(
        b"\n".join([ROWS[0].to_json().encode(), b"\x00\xff" * 50, b"[]", ROWS[1].to_json().encode(), b""])
    )
    assert [(shipped.rows, shipped.damaged) for shipped in spool.ship(inbox)] == [(2, 2)]
    assert stored(tmp_path, FIRST) == ROWS[:2]
    (kept,) = (tmp_path / "spool" / "v" / "damaged").iterdir()
    assert kept.read_bytes() == b"\x00\xff" * 50 + b"\n[]\n"


def test_a_round_without_rows_leaves_no_object(spool, inbox, tmp_path):
    fill(spool, FIRST, [])
    assert [shipped.rows for shipped in spool.ship(inbox)] == [0]
    assert not (tmp_path / "store").exists()
    assert not spool.knows(FIRST)


def test_a_round_is_known_from_its_first_row_on_and_after_shipping(spool, inbox):
    assert not spool.knows(FIRST)
    fill(spool, FIRST, ROWS)
    assert spool.knows(FIRST)
    list(spool.ship(inbox))
    assert spool.knows(FIRST)
    assert not spool.knows(SECOND)


def test_killed_between_the_store_and_the_spool(spool, inbox, tmp_path):
    fill(spool, FIRST, ROWS)
    path = tmp_path / "spool" / "v" / f"{FIRST}.jsonl"
    kept = path.read_bytes()
    list(spool.ship(inbox))
    path.write_bytes(kept)  # as if the process had died before it could remove the file
    (again,) = spool.ship(inbox)
    assert again.conflict is None
    assert spool.pending() == []
    assert stored(tmp_path, FIRST) == ROWS


def test_other_rows_under_the_same_run_id_are_set_aside(spool, inbox, tmp_path):
    fill(spool, FIRST, ROWS[:2])
    list(spool.ship(inbox))
    fill(spool, FIRST, ROWS[2:])
    (shipped,) = spool.ship(inbox)
    assert stored(tmp_path, FIRST) == ROWS[:2]
    assert (shipped.rows, shipped.conflict_rows, shipped.stored) == (0, 3, False)
    assert (spool.stored(FIRST), spool.conflicts(FIRST), spool.knows(FIRST)) == (False, True, True)
    aside = gzip.decompress(shipped.conflict.read_bytes())
    assert [from_json(line) for line in aside.splitlines()] == ROWS[2:]
    assert spool.pending() == []


def test_only_one_at_a_time(spool, tmp_path):
    with (
        pytest.raises(SpoolBusyError, match="another round of v still runs"),
        Spool(tmp_path / "spool", "v").locked(),
    ):
        pass
    with Spool(tmp_path / "spool", "w").locked():
        pass


def test_the_lock_is_free_again(tmp_path):
    with pytest.raises(RuntimeError), Spool(tmp_path, "v").locked():
        raise RuntimeError
    with Spool(tmp_path, "v").locked(), pytest.raises(SpoolBusyError), Spool(tmp_path, "v").locked():
        pass


def test_a_spool_that_cannot_be_made(tmp_path):
    (tmp_path / "spool").write_text("")
    with (
        pytest.raises(SpoolError, match=r"Not a directory|File exists"),
        Spool(tmp_path / "spool", "v").locked(),
    ):
        pass


def test_a_full_disk_keeps_rows_in_memory_and_ships_them(spool, inbox, tmp_path):
    pid = os.fork()
    if pid == 0:
        # In a child: no file may grow beyond two rows, which is how a full disk looks to write().
        code = 1
        try:
            import signal

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            file = spool.open_round(FIRST)
            line = len(ROWS[0].to_json()) + 1
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2 * line + 10, hard))
            for row in ROWS:
                file.append([row])
            full = file.fault is not None
            file.close()
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            (shipped,) = spool.ship(inbox)
            code = 0 if full and shipped.rows == 5 and shipped.damaged == 0 else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert stored(tmp_path, FIRST) == ROWS


def test_the_list_of_shipped_rounds_stays_short(spool, inbox, tmp_path):
    shipped = tmp_path / "spool" / "v" / "shipped"
    shipped.write_text("\n".join(f"2026-{n:032}" for n in range(9000)) + "\n")
    fill(spool, FIRST, ROWS)
    list(spool.ship(inbox))
    known = shipped.read_text().split()
    assert len(known) == 4000
    assert known[-1] == FIRST
    assert known[0] == f"2026-{5001:032}"


def later(rows):
    """A judge that changes every other row."""
    return [replace(row, failure="implausible") if row.sample % 2 else row for row in rows]


def waiting(tmp_path):
    return sorted(path.name for path in (tmp_path / "spool" / "v").glob("*.jsonl*"))


def test_a_round_is_judged_when_it_is_sealed_and_once(tmp_path, inbox):
    spool = Spool(tmp_path / "spool", "v", judge=later)
    judged = later(ROWS)
    with spool.locked():
        fill(spool, FIRST, ROWS)
        assert spool.seal(FIRST).judged == judged
        assert waiting(tmp_path) == [f"{FIRST}.jsonl.gz"]
    # Whoever ships it does not judge it again.
    other = Spool(tmp_path / "spool", "v", judge=lambda rows: [])
    with other.locked():
        assert [shipped.rows for shipped in other.ship(inbox)] == [5]
    assert stored(tmp_path, FIRST) == judged


def test_what_a_killed_agent_left_is_judged_by_the_next(tmp_path, inbox):
    with (killed := Spool(tmp_path / "spool", "v")).locked():
        killed.open_round(FIRST).append(ROWS)
    spool = Spool(tmp_path / "spool", "v", judge=later)
    with spool.locked():
        list(spool.ship(inbox))
    assert stored(tmp_path, FIRST) == later(ROWS)


def test_what_is_sealed_is_what_the_store_gets(spool, inbox, tmp_path):
    fill(spool, FIRST, ROWS)
    spool.seal(FIRST)
    sealed = (tmp_path / "spool" / "v" / f"{FIRST}.jsonl.gz").read_bytes()
    list(spool.ship(inbox))
    assert (tmp_path / "store" / inbox_key("v", FIRST)).read_bytes() == sealed


def test_a_sealed_round_is_not_opened_again(spool):
    fill(spool, FIRST, ROWS)
    spool.seal(FIRST)
    assert spool.knows(FIRST)
    with pytest.raises(SpoolError, match="was measured already"):
        spool.open_round(FIRST)


def test_a_round_that_was_killed_before_its_first_row_may_be_measured(spool, inbox, tmp_path):
    spool.open_round(FIRST)
    assert not spool.knows(FIRST)
    fill(spool, FIRST, ROWS)
    list(spool.ship(inbox))
    assert stored(tmp_path, FIRST) == ROWS


@pytest.mark.parametrize("damage", ["cut", "garbled"])
def test_a_sealed_round_that_the_disk_spoilt_still_gives_what_it_has(spool, inbox, tmp_path, damage):
    rows = [replace(ROW, sample=n, host=os.urandom(20).hex()) for n in range(2000)]
    fill(spool, FIRST, rows)
    spool.seal(FIRST)
    # What was sealed by this very process would be shipped from memory.
    spool = another_process(tmp_path)
    path = tmp_path / "spool" / "v" / f"{FIRST}.jsonl.gz"
    sealed = path.read_bytes()
    half = len(sealed) // 2
    path.write_bytes(
        sealed[:half] if damage == "cut" else sealed[:half] + b"\xff" * 999 + sealed[half + 999 :]
    )
    (shipped,) = spool.ship(inbox)
    assert shipped.damaged >= 1
    assert 500 < shipped.rows < 2000
    (kept,) = (tmp_path / "spool" / "v" / "damaged").iterdir()
    assert kept.read_bytes()[: half // 2] == sealed[: half // 2]
    # A reader of the store meets a whole object.
    assert stored(tmp_path, FIRST)[:500] == rows[:500]
    assert len(stored(tmp_path, FIRST)) == shipped.rows


def test_a_sealed_round_that_is_nothing_but_damage(spool, inbox, tmp_path):
    (tmp_path / "spool" / "v" / f"{FIRST}.jsonl.gz").write_bytes(b"\x00" * 4096)
    assert [(shipped.rows, shipped.damaged) for shipped in spool.ship(inbox)] == [(0, 1)]
    assert waiting(tmp_path) == []
    assert not (tmp_path / "store").exists()


def test_drafts_of_a_killed_process_are_swept(tmp_path):
    draft = tmp_path / "spool" / "v" / f".{FIRST}.jsonl.gz.tmp"
    draft.parent.mkdir(parents=True)
    draft.write_bytes(b"half")
    with (spool := Spool(tmp_path / "spool", "v")).locked():
        assert not draft.exists()
        assert spool.pending() == []


def test_shipping_stops_between_rounds_when_told(spool, inbox):
    fill(spool, FIRST, ROWS)
    fill(spool, SECOND, ROWS)
    asked = iter([False, True])
    assert [shipped.run_id for shipped in spool.ship(inbox, lambda: next(asked))] == [FIRST]
    assert spool.pending() == [SECOND]


def test_the_bound_takes_the_oldest_and_leaves_the_newest(tmp_path):
    runs = [run_id("v", datetime(2026, 11, 23, hour, tzinfo=UTC)) for hour in range(10)]
    size = 0
    with (spool := Spool(tmp_path / "spool", "v", max_mb=None)).locked():
        for run in runs:
            fill(spool, run, ROWS)
            spool.seal(run)
            size = (tmp_path / "spool" / "v" / f"{run}.jsonl.gz").stat().st_size
        assert spool.trim() == []
    with (spool := Spool(tmp_path / "spool", "v", max_mb=4.5 * size / 1e6)).locked():
        assert [(one.run_id, one.rows) for one in spool.trim()] == [(run, 5) for run in runs[:6]]
        assert spool.pending() == runs[6:]
        assert spool.trim() == []
    with (spool := Spool(tmp_path / "spool", "v", max_mb=1e-6)).locked():
        assert [one.run_id for one in spool.trim()] == runs[6:9]
        assert spool.pending() == runs[9:]


def test_what_was_set_aside_goes_before_what_waits(spool, inbox, tmp_path):
    for rows in (ROWS[:2], ROWS[2:], ROWS[1:]):
        fill(spool, FIRST, rows)
        list(spool.ship(inbox))
    fill(spool, SECOND, ROWS)
    spool.seal(SECOND)
    assert len(list((tmp_path / "spool" / "v" / "conflicts").iterdir())) == 2
    bounded = Spool(tmp_path / "spool", "v", max_mb=1e-6)
    assert [one.run_id for one in bounded.trim()] == [FIRST, FIRST]
    assert bounded.pending() == [SECOND]


def test_a_round_that_may_not_be_read_back_is_set_aside_and_lets_the_others_pass(spool, tmp_path):
    class WriteOnly(DirectoryInbox):
        def read(self, key):
            raise StoreDeniedError("store: 403")

    inbox = WriteOnly(tmp_path / "store")
    fill(spool, FIRST, ROWS)
    spool.seal(FIRST)
    path = tmp_path / "spool" / "v" / f"{FIRST}.jsonl.gz"
    kept = path.read_bytes()
    list(spool.ship(inbox))
    path.write_bytes(kept)
    fill(spool, SECOND, ROWS)
    first, second = spool.ship(inbox)
    assert first.conflict.read_bytes() == kept
    assert second.conflict is None
    assert spool.pending() == []


def test_a_list_of_shipped_rounds_that_cannot_be_written_holds_up_nothing(spool, inbox, tmp_path):
    (tmp_path / "spool" / "v" / "shipped").mkdir()
    fill(spool, FIRST, ROWS)
    assert [shipped.rows for shipped in spool.ship(inbox)] == [5]
    assert spool.pending() == []
    assert stored(tmp_path, FIRST) == ROWS


NEWER = ROW.to_json().replace('"schema":1', '"schema":2').encode()
UNHEARD = ROW.to_json().replace("connect_timeout", "carrier_pigeon").encode()


@pytest.mark.parametrize("sound", [ROWS[:1], []])
def test_what_a_newer_version_wrote_is_kept_and_told_by_whoever_ships(spool, inbox, tmp_path, sound):
    lines = [NEWER, UNHEARD, *(row.to_json().encode() for row in sound)]
    path = tmp_path / "spool" / "v" / f"{FIRST}.jsonl"
    path.write_bytes(b"\n".join([*lines, b""]))
    for _ in range(2):
        # Processes that seal it, and are gone before they could tell.
        assert list(another_process(tmp_path).ship(inbox, lambda: True)) == []
    (shipped,) = another_process(tmp_path).ship(inbox)
    assert (shipped.rows, shipped.damaged, shipped.stored) == (len(sound), 2, True)
    (kept,) = (tmp_path / "spool" / "v" / "damaged").iterdir()
    assert kept.read_bytes().splitlines() == [NEWER, UNHEARD]
    assert waiting(tmp_path) == []


def test_files_that_are_no_rounds_are_left_alone(spool, inbox, tmp_path):
    strays = [
        tmp_path / "spool" / "v" / name for name in ("notes.jsonl", f"{FIRST}.jsonl.gz.bak", "x.jsonl.gz")
    ]
    for stray in strays:
        stray.write_bytes(b"a person's own" * 1000)
    fill(spool, FIRST, ROWS)
    assert spool.pending() == [FIRST]
    assert [shipped.rows for shipped in spool.ship(inbox)] == [5]
    assert Spool(tmp_path / "spool", "v", max_mb=1e-6).trim() == []
    assert all(stray.read_bytes() == b"a person's own" * 1000 for stray in strays)


@pytest.mark.parametrize("name", [f"{FIRST}.jsonl", f"{FIRST}.jsonl.gz"])
def test_a_round_that_cannot_be_read_holds_up_neither_the_others_nor_the_bound(spool, inbox, tmp_path, name):
    (tmp_path / "spool" / "v" / name).mkdir()
    fill(spool, SECOND, ROWS)
    spool.seal(SECOND)
    spool = another_process(tmp_path)
    first, second = spool.ship(inbox)
    assert (first.run_id, first.rows, first.stored) == (FIRST, 0, False)
    assert first.fault.endswith(f"{name}: Is a directory")
    assert (second.run_id, second.rows, second.stored) == (SECOND, 5, True)
    assert spool.pending() == [FIRST]
    later_runs = [run_id("v", datetime(2026, 11, 23, hour, tzinfo=UTC)) for hour in (7, 8, 9)]
    for run in later_runs:
        fill(spool, run, ROWS)
        spool.seal(run)
    assert [one.run_id for one in Spool(tmp_path / "spool", "v", max_mb=1e-6).trim()] == later_runs[:2]
    assert (tmp_path / "spool" / "v" / name).is_dir()


def test_the_bound_takes_what_cannot_be_read(spool, tmp_path, monkeypatch):
    for run in (FIRST, SECOND):
        fill(spool, run, ROWS)
        spool.seal(run)

    # A sector that fails cannot be had here.
    def fail(path):
        raise SpoolError(f"spool {path}: Input/output error")

    monkeypatch.setattr("probes.spool_bound.read_sealed", fail)
    (trimmed,) = Spool(tmp_path / "spool", "v", max_mb=1e-6).trim()
    assert (trimmed.run_id, trimmed.rows) == (FIRST, None)
    assert waiting(tmp_path) == [f"{SECOND}.jsonl.gz"]


def test_the_bound_passes_over_what_cannot_be_deleted(spool, tmp_path, monkeypatch):
    third = run_id("v", datetime(2026, 11, 23, 7, tzinfo=UTC))
    for run in (FIRST, SECOND, third):
        fill(spool, run, ROWS)
        spool.seal(run)
    unlink = Path.unlink

    # Root deletes what it likes.
    def refuse(path, **options):
        if path.name.startswith(FIRST):
            raise PermissionError(1, "Operation not permitted")
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert [one.run_id for one in Spool(tmp_path / "spool", "v", max_mb=1e-6).trim()] == [SECOND]
    assert waiting(tmp_path) == [f"{FIRST}.jsonl.gz", f"{third}.jsonl.gz"]


def test_damaged_lines_go_first_and_are_not_lost_twice(spool, inbox, tmp_path):
    (tmp_path / "spool" / "v" / f"{FIRST}.jsonl").write_bytes(NEWER + b"\n")
    list(spool.ship(inbox))
    fill(spool, SECOND, ROWS)
    spool.seal(SECOND)
    assert Spool(tmp_path / "spool", "v", max_mb=1e-6).trim() == []
    assert list((tmp_path / "spool" / "v" / "damaged").iterdir()) == []
    assert waiting(tmp_path) == [f"{SECOND}.jsonl.gz"]


def test_a_list_of_shipped_rounds_with_bytes_of_no_text(spool, inbox, tmp_path):
    shipped = tmp_path / "spool" / "v" / "shipped"
    shipped.write_bytes(b"\xff\xfe" + os.urandom(400_000).replace(b"\n", b" ") + b"\xff\n")
    assert not spool.knows(FIRST)
    fill(spool, FIRST, ROWS)
    assert [one.rows for one in spool.ship(inbox)] == [5]
    assert spool.knows(FIRST)
    assert spool.stored(FIRST)
    assert shipped.stat().st_size < 400_000


def test_the_fresh_round_does_not_wait_for_the_backlog(spool, inbox):
    third = run_id("v", datetime(2026, 11, 23, 7, tzinfo=UTC))
    for run in (FIRST, SECOND, third):
        fill(spool, run, ROWS)
    asked = iter([False, True])
    found = spool.ship(inbox, lambda: next(asked), fresh=third)
    assert [shipped.run_id for shipped in found] == [FIRST, third]
    assert (spool.stored(FIRST), spool.stored(SECOND), spool.stored(third)) == (True, False, True)
    assert spool.pending() == [SECOND]
