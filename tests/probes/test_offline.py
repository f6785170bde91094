"""Days without a store: every round waits in the spool, and is shipped oldest first once it is back.

A round that is measured then does not wait for those before it.
"""

import gzip
import time
from datetime import UTC, datetime, timedelta

import pytest

import probes.agent
from probes.agent import EXIT_DONE, EXIT_STORE, Agent
from probes.console import Console
from probes.inbox import open_inbox
from probes.record import from_json
from probes.settings import load_settings

BEGAN = datetime(2026, 11, 20, tzinfo=UTC)
EVERY = timedelta(minutes=10)
ROUNDS = 432  # three days

# A store across an ocean; with what a directory takes, the rounds of three days do not fit into one shipping.
SLOW_S = 0.01


def rows_of(paths):
    return [from_json(line) for path in paths for line in gzip.decompress(path.read_bytes()).splitlines()]


def identity(row):
    return row.run_id, row.site, row.protocol, row.family, row.sample


@pytest.fixture
def agent(configured, start):
    server = start("tcp", "127.0.0.2")
    config = configured(
        [{"site": "us-west-2", "host": server.address, "port": server.port, "protocols": ["tcp"]}],
        samples=1,
    )

    def run(number):
        """One process of one round, as a scheduler that knows its moment starts it."""
        made = Agent(load_settings(config), Console(as_json=True))
        return made.run(1, None, (BEGAN + number * EVERY).timestamp())

    return run


def test_three_days_without_a_store(agent, tmp_path, monkeypatch, capsys):
    store, spool = tmp_path / "measurements", tmp_path / ".edgeprobe" / "lab-1"
    store.write_text("a file where the store should be")
    assert {agent(number) for number in range(ROUNDS)} == {EXIT_STORE}
    waiting = sorted(spool.glob("*.jsonl.gz"))
    measured = [identity(row) for row in rows_of(waiting)]
    assert len(waiting) == ROUNDS
    assert len(measured) == len(set(measured)) == ROUNDS
    said = capsys.readouterr().err.splitlines()
    assert said[-1].endswith(f"Not a directory; {ROUNDS} rounds stay in the spool")

    arrived = []

    def open_slow_inbox(*arguments):
        inbox = open_inbox(*arguments)

        class Slow:
            read = inbox.read

            def create(self, key, payload):
                time.sleep(SLOW_S)
                arrived.append(key.rsplit("/", 1)[1])
                return inbox.create(key, payload)

        return Slow()

    monkeypatch.setattr(probes.agent, "open_inbox", open_slow_inbox)
    # Scheduled now, each has the shortest time for shipping there is, and a share of it for what waits.
    monkeypatch.setattr(probes.schedule, "_LONGEST_SHIPPING_S", 9.0)
    store.unlink()
    rounds, late = ROUNDS, []
    while list(spool.glob("*.jsonl*")):
        before = len(arrived)
        assert agent(rounds) == EXIT_DONE
        rounds += 1
        *old, new = arrived[before:]
        assert new[:22] == (BEGAN + (rounds - 1) * EVERY).strftime("%Y%m%dT%H%M%S.%f")
        # Some of the others every time, so that it ends.
        assert old
        late += old
    assert rounds - ROUNDS >= 2
    assert late == sorted(set(late))
    assert len(late) == ROUNDS
    stored = [identity(row) for row in rows_of(sorted(store.rglob("*.jsonl.gz")))]
    assert len(stored) == len(set(stored)) == rounds
    assert set(measured) <= set(stored)
    # Every day has its folder, whenever its rounds arrived.
    assert sorted(path.name for path in (store / "inbox").iterdir())[:3] == [
        "day=2026-11-20",
        "day=2026-11-21",
        "day=2026-11-22",
    ]
    assert capsys.readouterr().err == ""
