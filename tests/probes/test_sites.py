"""What the agent says and does by the kind of a site: zones of a carrier, racks, and rounds judged late."""

from __future__ import annotations

import gzip
import json

import pytest

from probes.record import from_json


def stored(directory):
    (path,) = directory.glob("measurements/inbox/*/*/*.jsonl.gz")
    return [from_json(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.mark.parametrize(
    ("agent", "where"),
    [({}, "in none (agent.carrier)"), ({"carrier": "KDDI"}, "in that of KDDI")],
)
def test_check_says_that_a_carrier_s_zone_is_out_of_reach(edgeprobe, configured, agent, where):
    config = configured([{"site": "us-west-2-wl1-lax-wlz-1", "host": "155.146.1.1"}], **agent)
    done = edgeprobe("check", config)
    assert done.returncode == 0
    assert done.stderr == (
        f"edgeprobe: {config}: note: 'us-west-2-wl1-lax-wlz-1' answers only in the network of Verizon,"
        f" and this agent is {where}: its rows will be implausible\n"
    )


def test_check_has_nothing_to_say_within_the_carrier(edgeprobe, configured):
    config = configured([{"site": "us-west-2-wl1-lax-wlz-1", "host": "155.146.1.1"}], carrier="verizon")
    done = edgeprobe("check", config)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_carrier_s_zone_measured_from_elsewhere(edgeprobe, configured, start, tmp_path):
    server = start("tcp", "127.0.0.2")
    zone = {"site": "us-west-2-wl1-lax-wlz-1", "host": server.address, "port": server.port}
    done = edgeprobe("run", configured([zone], samples=1), "--json")
    assert done.returncode == 0
    (row,) = stored(tmp_path)
    assert json.loads(done.stdout) == json.loads(row.to_json())
    assert (row.failure, row.reason) == ("implausible", "measured from outside the network of Verizon")
    assert row.rtt_ms is not None


def test_check_names_the_service_link(edgeprobe, configured):
    targets = [
        {"site": "eu-south-2", "host": "ec2.eu-south-2.amazonaws.com"},
        {"site": "op-1", "host": "10.0.0.9", "lat": 45.8, "lon": -119.7},
    ]
    config = configured(targets, outpost="op-1", parent="eu-south-2")
    done = edgeprobe("check", config)
    # A site whose place the configuration gives is meant to be in no catalog.
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "link     op-1 to eu-south-2, by 1 of the targets"
    document = json.loads(edgeprobe("check", config, "--json").stdout)
    assert (document["outpost"], document["parent"], document["carrier"]) == ("op-1", "eu-south-2", None)
    assert [(target["lat"], target["lon"]) for target in document["targets"]] == [
        (None, None),
        (45.8, -119.7),
    ]


def test_what_a_killed_round_left_is_judged_when_it_is_shipped(edgeprobe, configured, start, tmp_path):
    """Only the process that ships it sees the round whole."""
    server = start("tcp", "127.0.0.2")
    tokyo = {"site": "ap-northeast-1", "host": server.address, "port": server.port}
    config = configured([tokyo], samples=2)
    printed = edgeprobe("run", config, "--json").stdout.splitlines()
    rows = [from_json(line) for line in printed]
    assert {row.failure for row in rows} == {"implausible"}
    (sent,) = tmp_path.glob("measurements/inbox/*/*/*.jsonl.gz")
    sent.unlink()
    # As it lay there before it was sealed.
    raw = [{**json.loads(line), "failure": None, "reason": None} for line in printed]
    left = tmp_path / ".edgeprobe" / "lab-1" / f"{rows[0].run_id}.jsonl"
    left.write_text("".join(json.dumps(row) + "\n" for row in raw), encoding="utf-8")
    done = edgeprobe("ship", config)
    assert (done.returncode, done.stderr) == (0, "")
    assert stored(tmp_path) == rows
