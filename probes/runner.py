"""One round: resolve, then sample every target by every protocol; a row for each sample [I/O]."""

from __future__ import annotations

import dataclasses
import functools
import heapq
import operator
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from probes import AGENT_VERSION
from probes.lane import Lane
from probes.loop import Finding, Loop, Probe, descriptors_for_probes
from probes.network import Network
from probes.protocols import PROTOCOLS
from probes.record import Measurement
from probes.resolvers import SYSTEM, expand, hosts_file
from probes.settings import Settings

# Starts that fall into the same millisecond are one burst: a process that is woken for each of them uses more
# of the processor than the probes do.
_BURST_NS: Final = 1_000_000

# Names that nobody answers for must not use up the time of targets that need no name.
_RESOLVING_SHARE: Final = 1 / 3

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def run_round(
    settings: Settings,
    run_id: str,
    *,
    emit: Callable[[list[Measurement]], None],
    expect: Callable[[int], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    idle: Callable[[float], None] | None = None,
) -> None:
    """Measure everything once, ``settings.samples`` times each, within ``settings.deadline_s``.

    ``emit`` is given rows as they become known, in small lists; ``expect`` is told once how many there will
    be, and ``idle`` for how many seconds nothing is due. Every sample gives exactly one row, failures
    included: what the deadline cut off is failure ``deadline``. After ``stop`` turns true, what has not ended
    gives none. Where a name has no address in this round, the rows of the protocols that connect have no
    peer, and the failure of the last resolver.
    """
    descriptors_for_probes()
    loop = Loop(stop, idle)
    deadline_ns = time.monotonic_ns() + round(settings.deadline_s * 1e9)
    resolvers, servers = expand(settings.resolvers)
    hosts = hosts_file() if SYSTEM in settings.resolvers else {}
    try:
        with Network(
            loop, resolvers=resolvers, servers=servers, hosts=hosts, authorities=settings.ca_file
        ) as network:
            network.resolve(
                (
                    (target.host, target.family)
                    for target in settings.targets
                    if any(PROTOCOLS[protocol].connects for protocol in target.protocols)
                ),
                rate_per_s=settings.rate_per_s,
                timeout_ms=settings.timeout_ms,
                deadline_ns=deadline_ns - round((1 - _RESOLVING_SHARE) * settings.deadline_s * 1e9),
            )
            if stop():
                return
            _sample(settings, run_id, network, lanes(settings, network), deadline_ns, emit, expect)
    finally:
        loop.close()


def lanes(settings: Settings, network: Network) -> list[Lane]:
    """Every series of the round; where two targets of a site share a name, its resolving is measured once."""
    found: dict[tuple[object, ...], Lane] = {}
    for target in settings.targets:
        for protocol in target.protocols:
            for lane in PROTOCOLS[protocol].lanes(target, network):
                key = (target.site, target.host, protocol, lane.peer, lane.port, lane.family, lane.resolver)
                found.setdefault(key, lane)
    return list(found.values())


def _sample(
    settings: Settings,
    run_id: str,
    network: Network,
    series: Sequence[Lane],
    deadline_ns: int,
    emit: Callable[[list[Measurement]], None],
    expect: Callable[[int], None],
) -> None:
    expect(len(series) * settings.samples)
    hopeless = [lane for lane in series if lane.failure is not None]
    if hopeless:
        now_ns = time.time_ns()
        emit(
            [
                _measurement(settings, run_id, lane, sample, found, now_ns, 0.0)
                for lane in hopeless
                for found in (Finding("user", lane.failure, reason=lane.reason),)
                for sample in range(settings.samples)
            ]
        )
    live = [lane for lane in series if lane.failure is None]
    origin: dict[Probe, tuple[Lane, int]] = {}
    begin_ns = time.monotonic_ns()

    def probes() -> Iterator[Probe]:
        for offset_ns, sample, lane in _planned(live, settings, deadline_ns - begin_ns):
            probe = lane.probe()
            probe.intended_ns = begin_ns + offset_ns // _BURST_NS * _BURST_NS
            origin[probe] = (lane, sample)
            yield probe

    def drain(ended: list[Probe]) -> None:
        rows = []
        for probe in ended:
            lane, sample = origin.pop(probe)
            late_ms = max(probe.started_ns - probe.intended_ns, 0) / 1e6
            rows.append(_measurement(settings, run_id, lane, sample, _finding(probe), probe.wall_ns, late_ms))
        emit(rows)

    network.loop.run(
        probes(),
        timeout_ns=round(settings.timeout_ms * 1e6),
        deadline_ns=deadline_ns,
        drain=drain,
        most_in_flight=descriptors_for_probes(network.descriptors),
    )


def _planned(live: Sequence[Lane], settings: Settings, left_ns: int) -> Iterator[tuple[int, int, Lane]]:
    """Every sample to take: when (ns from the begin, ascending), which of its lane, and the lane."""
    by_gap: dict[int, list[tuple[int, Lane]]] = {}
    for position, lane in enumerate(live):
        offset_ns = round(position / settings.rate_per_s * 1e9)
        by_gap.setdefault(_gap_ns(lane, len(live), settings, left_ns), []).append((offset_ns, lane))

    def series(gap_ns: int, lanes: Sequence[tuple[int, Lane]]) -> Iterator[tuple[int, int, Lane]]:
        # A gap is never shorter than one start of every lane, so this ascends.
        for sample in range(settings.samples):
            for offset_ns, lane in lanes:
                yield sample * gap_ns + offset_ns, sample, lane

    all_series = [series(gap_ns, lanes) for gap_ns, lanes in by_gap.items()]
    if len(all_series) == 1:
        return all_series[0]
    return heapq.merge(*all_series, key=operator.itemgetter(0))


def _gap_ns(lane: Lane, series: int, settings: Settings, left_ns: int) -> int:
    """Between one sample of a lane and the next: as the rate demands, else the gap that is wanted."""
    wanted_s = min(lane.gap_s, max(left_ns, 0) / 1e9 / (4 * settings.samples))
    return round(max(series / settings.rate_per_s, wanted_s) * 1e9)


def _finding(probe: Probe) -> Finding:
    if not probe.begun:
        return Finding("user", "deadline")
    finding = probe.finding()
    if probe.ending == "deadline" and finding.failure is not None:
        return dataclasses.replace(finding, failure="deadline", reason=None)
    return finding


def _measurement(
    settings: Settings,
    run_id: str,
    lane: Lane,
    sample: int,
    finding: Finding,
    wall_ns: int,
    late_ms: float,
) -> Measurement:
    # In so many words, since a row is made of every sample: by a dictionary it takes twice as long.
    return Measurement(
        run_id=run_id,
        vantage=settings.vantage,
        vantage_country=settings.country,
        vantage_lat=settings.lat,
        vantage_lon=settings.lon,
        site=lane.target.site,
        host=lane.target.host,
        peer=lane.peer,
        port=lane.port,
        protocol=lane.protocol,
        sample=sample,
        started_at=timestamp(wall_ns),
        late_ms=round(late_ms, 3),
        dns_ms=lane.dns_ms if finding.dns_ms is None else finding.dns_ms,
        connect_ms=finding.connect_ms,
        tls_ms=finding.tls_ms,
        ttfb_ms=finding.ttfb_ms,
        rtt_ms=finding.rtt_ms,
        clock=finding.clock,
        retransmits=finding.retransmits,
        failure=finding.failure,
        resolver=lane.resolver,
        family=lane.family,
        agent=AGENT_VERSION,
        reason=finding.reason,
        transport=finding.transport,
        warm=finding.warm,
        rcode=finding.rcode,
        ttl_s=finding.ttl_s,
        tls_version=finding.tls_version,
        tls_cipher=finding.tls_cipher,
        certificate_days=finding.certificate_days,
        http_status=finding.http_status,
        http_version=finding.http_version,
        crypto_ms=finding.crypto_ms,
        lag_ms=finding.lag_ms,
    )


def timestamp(wall_ns: int) -> str:
    """UTC, RFC 3339, microseconds.

    >>> timestamp(1_700_000_000_000_001_999)
    '2023-11-14T22:13:20.000001Z'
    """
    seconds, nanoseconds = divmod(wall_ns, 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1000:06d}Z"


@functools.lru_cache(maxsize=128)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat(timespec="seconds")
