"""Rounds on a grid while the clock is set forwards and back, between rounds and under them."""

import gzip
import time
from types import SimpleNamespace

import pytest

import probes.agent
from probes.agent import Agent
from probes.console import Console
from probes.settings import load_settings

HOUR_S = 3600.0
EVERY_S = 0.5


@pytest.fixture
def clock(monkeypatch):
    """The agent's wall clock, off by ``offset_s``; its monotonic clock is the real one."""
    made = SimpleNamespace(
        offset_s=0.0,
        time=lambda: time.time() + made.offset_s,
        monotonic=time.monotonic,
        naps=[],
        steps_in_sleep=[],
    )

    def sleep(span_s):
        made.naps.append(span_s)
        time.sleep(span_s)
        if made.steps_in_sleep:
            made.offset_s += made.steps_in_sleep.pop()

    made.sleep = sleep
    monkeypatch.setattr(probes.agent, "time", made)
    return made


@pytest.fixture
def run(configured, start, clock, monkeypatch, tmp_path, capsys):
    """Run so many rounds of a grid; ``steps`` sets the clock off in the middle of the n-th round measured.

    Gives the names of the rounds in the order they were measured, and what was said.
    """
    server = start("tcp", "127.0.0.2")
    config = configured(
        [{"site": "s", "host": server.address, "port": server.port, "protocols": ["tcp"]}], samples=1
    )
    measured = []

    def measure(rounds, steps):
        real = probes.agent.run_round

        def step_under(settings, run_id, **how):
            clock.offset_s += steps.get(len(measured), 0.0)
            measured.append(run_id)
            real(settings, run_id, **how)

        monkeypatch.setattr(probes.agent, "run_round", step_under)
        # Right after a point of the grid, so that the first round ends well before the next.
        time.sleep(EVERY_S - time.time() % EVERY_S)
        code = Agent(load_settings(config), Console(as_json=True)).run(rounds, EVERY_S)
        stored = {
            path.name.removesuffix(".jsonl.gz"): len(gzip.decompress(path.read_bytes()).splitlines())
            for path in (tmp_path / "measurements").rglob("*.jsonl.gz")
        }
        assert code == 0
        assert stored == dict.fromkeys(measured, 1)
        assert len(set(measured)) == len(measured)
        # Never a sleep that the clock could have stretched.
        assert max(clock.naps, default=0.0) <= EVERY_S
        said = capsys.readouterr().err.splitlines()
        return measured, [line for line in said if " shipped, " not in line]

    return measure


def test_an_hour_back_under_a_round(run):
    measured, said = run(3, {1: -HOUR_S})
    assert measured[2] < measured[0] < measured[1]
    assert said == []


def test_an_hour_forward_under_a_round(run):
    measured, said = run(3, {1: HOUR_S})
    assert measured[0] < measured[1] < measured[2]
    (line,) = said
    assert line.endswith("rounds left out: the clock was set forward")
    assert int(line.split()[1]) == pytest.approx(HOUR_S / EVERY_S, abs=4)


@pytest.mark.parametrize("step_s", [-HOUR_S, HOUR_S])
def test_an_hour_between_two_rounds(run, clock, step_s):
    clock.steps_in_sleep.append(step_s)
    measured, _ = run(3, {})
    assert (measured[0] > measured[1]) == (step_s < 0)
    assert measured[1] < measured[2]


def test_back_and_forth_measures_no_point_twice(run):
    measured, said = run(5, {0: -HOUR_S, 1: HOUR_S, 2: -HOUR_S, 3: HOUR_S})
    assert len(measured) + sum(line.endswith("was measured already") for line in said) == 5


def test_points_that_were_measured_already_are_left_out(run):
    measured, said = run(6, {1: -2 * EVERY_S})
    again = [line for line in said if line.endswith("was measured already")]
    assert len(again) >= 1
    assert len(measured) + len(again) == 6
    assert all(any(name in line for name in measured) for line in again)


def test_an_agent_of_many_rounds_holds_on_to_nothing(run, monkeypatch):
    agents = []
    real = Agent.__init__

    def remember(self, *arguments):
        real(self, *arguments)
        agents.append(self)

    monkeypatch.setattr(Agent, "__init__", remember)
    run(4, {})
    (agent,) = agents
    spool = agent._spool
    assert (spool._rounds, spool.pending()) == ({}, [])
