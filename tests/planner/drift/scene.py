"""A small service in Europe, what its agents measured, and a plan of it: what the tests of drift check.

Two vantages measure three Regions, five samples a round, every quarter of an hour, whose delays differ by 2 %
from round to round. The plan is made from three days of them: Berlin is served from Stockholm at 20 ms,
Dublin from Ireland at 8, each within the 22 ms promised. Frankfurt would do for Berlin as well, but costs
more.
"""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

import numpy as np

from probes.inbox import inbox_key, open_inbox
from probes.record import Measurement
from probes.spool import run_id

STUDY = """\
name = "shop"
[demand]
csv = "clients.csv"
peak_rps = 4000
requests_per_month = 1e9
[candidates]
include = ["eu-central-1", "eu-west-1", "eu-north-1"]
[latency]
statistic = "p95"
slo_ms = 22
coverage = 0.95
"""
CLIENTS = """\
id,country,lat,lon,weight
berlin,DE,52.5,13.4,3
dublin,IE,53.3,-6.3,2
"""
PLACES = {"berlin-1": ("DE", 52.5, 13.4), "dublin-1": ("IE", 53.3, -6.3)}
DELAYS = {
    ("berlin-1", "eu-central-1"): 20.5,
    ("berlin-1", "eu-north-1"): 20.0,
    ("berlin-1", "eu-west-1"): 35.0,
    ("dublin-1", "eu-central-1"): 32.0,
    ("dublin-1", "eu-north-1"): 45.0,
    ("dublin-1", "eu-west-1"): 8.0,
}
EVERY = timedelta(minutes=15)
PER_DAY = 96
KNOWN = 3 * PER_DAY
"""Rounds that the plan is made from."""


def start(plan_made: datetime) -> datetime:
    """When the first round was due, so that the last of them came just before the plan."""
    return plan_made - KNOWN * EVERY - timedelta(minutes=1)


def rounds(first: datetime, count: int, *, seed=1, skip=0, factors=None, course=0.0):
    """``count`` rounds of both vantages from the ``skip``-th after ``first`` on: rows by run.

    ``factors`` multiply the delay of a pair of vantage and site; None loses every probe of it. ``course``:
    how far the delay swings within a day.
    """
    rng, factors, found = np.random.default_rng([seed, skip]), factors or {}, {}
    for number in range(skip, skip + count):
        due = first + number * EVERY
        swing = 1.0 + course * np.sin(2 * np.pi * number / PER_DAY)
        for vantage, (country, lat, lon) in PLACES.items():
            run = run_id(vantage, due)
            rows = found.setdefault((vantage, run), [])
            for (of, site), delay in DELAYS.items():
                if of != vantage:
                    continue
                factor = factors.get((vantage, site), 1.0)
                level = delay * swing * np.exp(0.02 * rng.standard_normal())
                for sample in range(5):
                    noise = np.exp(0.005 * rng.standard_normal())
                    lost = factor is None
                    rows.append(
                        Measurement(
                            run_id=run,
                            vantage=vantage,
                            vantage_country=country,
                            vantage_lat=lat,
                            vantage_lon=lon,
                            site=site,
                            host=f"ec2.{site}.amazonaws.com",
                            peer="192.0.2.1",
                            port=443,
                            protocol="tcp",
                            sample=sample,
                            started_at=f"{due + timedelta(seconds=sample):%Y-%m-%dT%H:%M:%S.%fZ}",
                            late_ms=0.0,
                            dns_ms=None,
                            connect_ms=None,
                            tls_ms=None,
                            ttfb_ms=None,
                            rtt_ms=None if lost else round(float(level * noise * factor), 3),
                            clock="kernel",
                            retransmits=0,
                            failure="connect_timeout" if lost else None,
                            resolver=None,
                            family=4,
                            agent="0.1.0",
                        )
                    )
    return found


def as_file(path, *parts):
    """All rounds in one file, which counts as a store."""
    rows = [row for part in parts for of_run in part.values() for row in of_run]
    path.write_text("".join(f"{row.to_json()}\n" for row in rows))
    return path


def as_inbox(store, *parts):
    """Each round as its agent puts it into the store's inbox."""
    inbox = open_inbox(str(store))
    for part in parts:
        for (vantage, run), rows in part.items():
            payload = gzip.compress("".join(f"{row.to_json()}\n" for row in rows).encode())
            assert inbox.create(inbox_key(vantage, run), payload)
    return store


def study(directory):
    """The study's file, its clients beside it."""
    (directory / "clients.csv").write_text(CLIENTS)
    (directory / "shop.toml").write_text(STUDY)
    return directory / "shop.toml"


def now() -> datetime:
    return datetime.now(UTC)
