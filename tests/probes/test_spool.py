"""The spool: what was measured is there until the store has it, and only until then."""

import gzip
import os
import resource
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from probes.inbox import DirectoryInbox, StoreError, inbox_key
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
    (shipped,) = spool.ship(inbox)
    assert (shipped.rows, shipped.damaged) == (3, 1)
    assert stored(tmp_path, FIRST) == ROWS[:3]


def test_a_whole_last_line_without_its_newline_counts(spool, inbox, tmp_path):
    fill(spool, FIRST, ROWS[:3])
    with (tmp_path / "spool" / "v" / f"{FIRST}.jsonl").open("a") as file:
        file.write(ROWS[3].to_json())
    assert [(shipped.rows, shipped.damaged) for shipped in spool.ship(inbox)] == [(4, 0)]


def test_damage_in_the_middle_loses_that_line_only(spool, inbox, tmp_path):
    path = tmp_path / "spool" / "v" / f"{FIRST}.jsonl"
    path.write_bytes(
        b"\n".join([ROWS[0].to_json().encode(), b"\x00\xff" * 50, b"[]", ROWS[1].to_json().encode(), b""])
    )
    assert [(shipped.rows, shipped.damaged) for shipped in spool.ship(inbox)] == [(2, 2)]
    assert stored(tmp_path, FIRST) == ROWS[:2]


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
    for _ in range(2):
        with Spool(tmp_path, "v").locked():
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
