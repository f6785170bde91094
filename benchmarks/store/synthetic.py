"""Rounds as agents put them into an inbox, and tables of any size, from a seed."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from planner.store.rows import ROWS
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


def fill_table(store: Path, rows: int, vantages: int = 60, sites: int = 50, samples: int = 2) -> int:
    """A table of about so many rows: rounds of ``vantages`` every five minutes, day by day as ingest and a
    compaction leave them; returns how many there are."""
    from deltalake import CommitProperties, Schema, Transaction

    from planner.store.shelf import address_of, open_shelf
    from planner.store.steps import with_steps
    from planner.store.table import INGEST, MEASUREMENTS, SCHEMA, create_table
    from planner.store.writing import written

    address = address_of(str(store))
    store.mkdir(parents=True, exist_ok=True)
    table, shelf = create_table(address), open_shelf(address)
    rounds = 288
    of_day = vantages * rounds * sites * samples
    draw = np.random.default_rng(7)
    middle = np.exp(draw.normal(4.0, 0.7, (vantages, 1, sites, 1)))
    done = batch = 0
    while done < rows:
        number = (START - datetime(1970, 1, 1, tzinfo=UTC)).days + batch
        batch += 1
        part = _day(draw, middle, number, rounds, samples)
        days = np.full(len(part), number)
        actions = written(shelf, MEASUREMENTS, with_steps(part), days, batch)
        table.create_write_transaction(
            actions, "append", Schema.from_arrow(SCHEMA), ["day"],
            commit_properties=CommitProperties(app_transactions=[Transaction(INGEST, batch)]),
        )  # fmt: skip
        table.update_incremental()
        done += of_day
    return done


def _day(
    draw: np.random.Generator, middle: NDArray[np.float64], day: int, rounds: int, samples: int
) -> pa.Table:
    vantages, _, sites, _ = middle.shape
    shape = (vantages, rounds, sites, samples)
    n = int(np.prod(shape))
    rtt = np.round(middle * np.exp(draw.normal(0.0, 0.15, shape)), 3).ravel()
    lost = draw.random(n) < 0.01
    vantage, round_, site, sample = (
        axis.ravel().astype(np.int32) for axis in np.indices(shape, dtype=np.int32)
    )
    started = (day * 86_400 + round_.astype(np.int64) * 300) * 1_000_000 + (site * samples + sample) * 13_000

    def coded(codes: NDArray[np.int32], words: list[str]) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(codes), words)

    runs = [f"{day}T{r:03}-{v:03}" for v in range(vantages) for r in range(rounds)]
    run = vantage * rounds + round_
    names = [f"inbox/day={day}/vantage=vantage-{name[-3:]}/{name}.jsonl.gz" for name in runs]
    constant = np.zeros(n, np.int32)
    columns = {
        "schema": pa.array(np.ones(n, np.int64)),
        "run_id": coded(run, runs),
        "vantage": coded(vantage, [f"vantage-{v:03}" for v in range(vantages)]),
        "vantage_country": coded(constant, ["JP"]),
        "vantage_lat": pa.array(np.full(n, 35.69)),
        "vantage_lon": pa.array(np.full(n, 139.69)),
        "site": coded(site, [f"site-{s:03}" for s in range(sites)]),
        "host": coded(site, [f"ec2.site-{s:03}.example" for s in range(sites)]),
        "peer": coded(site, [f"192.0.2.{s}" for s in range(sites)]),
        "port": pa.array(np.full(n, 443)),
        "protocol": coded(constant, ["tcp"]),
        "sample": pa.array(sample.astype(np.int64)),
        "started_at": pa.array(started, pa.timestamp("us", "UTC")),
        "late_ms": pa.array(np.round(draw.random(n), 3)),
        "connect_ms": pa.array(rtt, mask=lost),
        "rtt_ms": pa.array(rtt, mask=lost),
        "clock": coded(constant, ["kernel"]),
        "retransmits": pa.array(np.zeros(n, np.int64)),
        "failure": pa.DictionaryArray.from_arrays(pa.array(constant, mask=~lost), ["connect_timeout"]),
        "family": pa.array(np.full(n, 4)),
        "agent": coded(constant, ["0.1.0"]),
        "object": coded(run, names),
    }
    arrays = [columns.get(field.name, pa.nulls(n, field.type)) for field in ROWS]
    return pa.Table.from_arrays(arrays, names=ROWS.names)
