"""The figures of a round that a monitoring system is given, under the names of Prometheus. Pure.

Base units (seconds, ratios), so a latency of 12 ms reads 0.012. A site is one series per protocol whatever
the endpoints it is reached by, so that there are never more of them than sites times protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from probes import AGENT_VERSION
from probes.outcome import Outcome
from probes.record import FAILURES, Measurement
from probes.series import Series

Labels = tuple[tuple[str, str], ...]
Kind = Literal["gauge", "counter", "summary"]

RTT: Final = "edgeprobe_rtt_seconds"
QUANTILES: Final = (0.5, 0.95)


@dataclass(frozen=True, slots=True)
class Family:
    """What a metric is. ``of_round``: it speaks of the last round that measured, not of the last run."""

    kind: Kind
    meaning: str
    of_round: bool = False


FAMILIES: Final[Mapping[str, Family]] = {
    "edgeprobe_build_info": Family("gauge", "The agent's version; the value is always 1."),
    "edgeprobe_last_run_timestamp_seconds": Family("gauge", "When the last run ended, whatever came of it."),
    "edgeprobe_last_success_timestamp_seconds": Family(
        "gauge", "When the last run ended whose own round reached the store; 0 before the first."
    ),
    "edgeprobe_last_exit_code": Family(
        "gauge", "Exit code of the last run: 0 success, 5 store or spool failed, 75 another one still ran."
    ),
    "edgeprobe_spool_rounds": Family("gauge", "Rounds that wait to be shipped."),
    "edgeprobe_round_scheduled_timestamp_seconds": Family(
        "gauge", "When the last measured round was meant to start.", of_round=True
    ),
    "edgeprobe_round_lag_seconds": Family(
        "gauge", "From the scheduled start until measuring began, the splay included.", of_round=True
    ),
    "edgeprobe_round_duration_seconds": Family(
        "gauge", "How long measuring the last round took.", of_round=True
    ),
    "edgeprobe_round_rows": Family(
        "gauge", "Rows of the last measured round, failures included.", of_round=True
    ),
    "edgeprobe_round_failures": Family(
        "gauge", "Failed samples of the last measured round, by class.", of_round=True
    ),
    "edgeprobe_round_start_lateness_seconds": Family(
        "gauge", "Longest delay of a sample's start behind its intended time.", of_round=True
    ),
    "edgeprobe_round_loop_lag_seconds": Family(
        "gauge", "Longest time the agent's own loop kept a sample waiting.", of_round=True
    ),
    "edgeprobe_loss_ratio": Family(
        "gauge", "Lost samples of those lost or answered in the last measured round.", of_round=True
    ),
    "edgeprobe_success_ratio": Family(
        "gauge", "Samples of the last measured round that did not fail in any way.", of_round=True
    ),
    RTT: Family(
        "summary",
        "Network round trip; quantiles are of the last measured round, where a lost sample is infinite.",
        of_round=True,
    ),
    "edgeprobe_service_link_p95_seconds": Family(
        "gauge", "95th percentile of an Outpost's round trip to its parent Region.", of_round=True
    ),
    "edgeprobe_service_link_loss_ratio": Family(
        "gauge", "Lost samples between an Outpost and its parent Region.", of_round=True
    ),
    "edgeprobe_runs_total": Family("counter", "Runs by exit code."),
    "edgeprobe_rows_total": Family("counter", "Rows measured, failures included."),
    "edgeprobe_failures_total": Family("counter", "Failed samples, by class."),
    "edgeprobe_shipped_rows_total": Family("counter", "Rows the store took."),
    "edgeprobe_lost_rows_total": Family("counter", "Rows that neither spool nor store will ever hold."),
    "edgeprobe_conflict_rows_total": Family(
        "counter", "Rows set aside because the store has others under their run id."
    ),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One sample of the family ``name``."""

    name: str
    labels: Labels
    value: float


def readings(outcome: Outcome) -> Iterator[Reading]:
    """What the outcome says by itself; nothing of a round where none was measured."""
    yield _reading("build_info", 1, ("version", AGENT_VERSION))
    yield _reading("last_run_timestamp_seconds", outcome.ended_s)
    yield _reading("last_exit_code", outcome.code)
    if outcome.waiting_rounds is not None:
        yield _reading("spool_rounds", outcome.waiting_rounds)
    if outcome.measuring_s is not None:
        yield from _of_round(outcome)


def by_site(outcome: Outcome) -> dict[Labels, Series]:
    """The round's rows gathered by site and protocol."""
    found: dict[Labels, Series] = {}
    for row in outcome.rows:
        labels = (("site", row.site), ("protocol", row.protocol))
        if labels not in found:
            found[labels] = Series(row.site, row.protocol, "")
        found[labels].add(row)
    return found


def _of_round(outcome: Outcome) -> Iterator[Reading]:
    yield _reading("round_scheduled_timestamp_seconds", outcome.due_s)
    yield _reading("round_rows", len(outcome.rows))
    for name, value in (
        ("round_lag_seconds", outcome.lag_s),
        ("round_duration_seconds", outcome.measuring_s),
        ("round_start_lateness_seconds", _longest_s(outcome, lambda row: row.late_ms)),
        ("round_loop_lag_seconds", _longest_s(outcome, lambda row: row.lag_ms)),
    ):
        if value is not None:
            yield _reading(name, value)
    failures = outcome.failures
    for failure in FAILURES:
        yield _reading("round_failures", failures.get(failure, 0), ("failure", failure))
    for labels, series in by_site(outcome).items():
        if (loss := series.loss_ratio) is not None:
            yield _reading("loss_ratio", loss, *labels)
        yield _reading("success_ratio", series.success_ratio, *labels)
        for share in QUANTILES:
            if (time_ms := series.quantile_ms(share)) is not None:
                yield Reading(RTT, (*labels, ("quantile", f"{share:g}")), time_ms / 1e3)
    link = outcome.service_link
    if link is not None and link.p95_ms is not None and link.loss_ratio is not None:
        yield _reading("service_link_p95_seconds", link.p95_ms / 1e3, ("parent", link.parent))
        yield _reading("service_link_loss_ratio", link.loss_ratio, ("parent", link.parent))


def _reading(name: str, value: float, *labels: tuple[str, str]) -> Reading:
    return Reading(f"edgeprobe_{name}", labels, value)


def _longest_s(outcome: Outcome, of: Callable[[Measurement], float | None]) -> float | None:
    times = [value for row in outcome.rows if (value := of(row)) is not None]
    return max(times) / 1e3 if times else None
