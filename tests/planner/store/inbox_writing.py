"""Stores as agents write them, for tests."""

import dataclasses
import gzip

from probes.record import Measurement

SITES = ("eu-west-1", "eu-west-3", "us-east-1")

SAMPLE = Measurement(
    run_id="r1",
    vantage="tokyo-1",
    vantage_country="JP",
    vantage_lat=35.69,
    vantage_lon=139.69,
    site="eu-west-1",
    host="ec2.eu-west-1.amazonaws.com",
    peer="192.0.2.1",
    port=443,
    protocol="tcp",
    sample=0,
    started_at="2026-11-23T10:00:00.000000Z",
    late_ms=0.1,
    dns_ms=None,
    connect_ms=210.0,
    tls_ms=None,
    ttfb_ms=None,
    rtt_ms=210.0,
    clock="kernel",
    retransmits=0,
    failure=None,
    resolver=None,
    family=4,
    agent="0.1.0",
)


def samples(*rtts, failure=None, **changes):
    return [
        dataclasses.replace(
            SAMPLE, sample=n, rtt_ms=rtt, failure=None if rtt is not None else failure, **changes
        )
        for n, rtt in enumerate(rtts)
    ]


def put(store, rows, run_id="r1", vantage="tokyo-1", day="2026-11-23"):
    """One inbox object, as an agent writes it."""
    lines = "".join(row.to_json() + "\n" for row in rows)
    return put_bytes(store, lines.encode(), run_id, vantage, day)


def put_bytes(store, content, run_id="r1", vantage="tokyo-1", day="2026-11-23"):
    folder = store / "inbox" / f"day={day}" / f"vantage={vantage}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{run_id}.jsonl.gz"
    path.write_bytes(gzip.compress(content))
    return path
