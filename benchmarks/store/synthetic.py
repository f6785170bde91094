"""Rounds as agents put them into an inbox, and tables of any size, from a seed."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from probes.inbox import inbox_key, open_inbox
from probes.record import Measurement

START = datetime(2026, 10, 1, tzinfo=UTC)

SAMPLE = Measurement(
    run_id="", vantage="", vantage_country="JP", vantage_lat=35.69, vantage_lon=139.69, site="", host="",
    peer="192.0.2.1", port=443, protocol="tcp", sample=0, started_at="", late_ms=0.0, dns_ms=None,
    connect_ms=None, tls_ms=None, ttfb_ms=None, rtt_ms=None, clock="kernel", retransmits=0, failure=None,
    resolver=None, family=4, agent="0.1.0",
)  # fmt: skip


def round_rows(
    vantage: int, number: int, rows: int, every_s: int = 300
) -> tuple[str, str, list[Measurement]]:
    """Name, run and rows of a vantage's round: the same ones whenever it is asked for."""
    draw = np.random.default_rng((vantage, number))
    name = f"vantage-{vantage:03}"
    at = START + timedelta(seconds=every_s * number)
    run = f"{at:%Y%m%dT%H%M%S.%fZ}-{vantage:06x}{number:06x}"
    found = []
    for k in range(rows):
        site = f"site-{k // 5:03}"
        lost = draw.random() < 0.02
        rtt = round(float(draw.lognormal(4.0, 0.3)), 3)
        found.append(
            dataclasses.replace(
                SAMPLE, run_id=run, vantage=name, site=site, host=f"ec2.{site}.example", sample=k % 5,
                started_at=f"{at + timedelta(milliseconds=13 * k):%Y-%m-%dT%H:%M:%S.%fZ}",
                late_ms=round(float(draw.random()), 3), dns_ms=round(float(draw.random()) * 20, 3),
                connect_ms=None if lost else rtt, rtt_ms=None if lost else rtt,
                failure="connect_timeout" if lost else None,
            )
        )  # fmt: skip
    return name, run, found


def payload(rows: list[Measurement]) -> bytes:
    return gzip.compress("".join(row.to_json() + "\n" for row in rows).encode(), mtime=0)


def fill_inbox(store: Path, objects: int, rows: int) -> Iterator[int]:
    """Put so many rounds of a hundred vantages into the store's inbox."""
    inbox = open_inbox(str(store))
    for n in range(objects):
        name, run, found = round_rows(n % 100, n // 100, rows)
        inbox.create(inbox_key(name, run), payload(found))
        yield n
