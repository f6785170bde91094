"""What the samples of one series come to: loss, quantiles, jitter, and what failed. Pure."""

from __future__ import annotations

import collections
import itertools
import math
from collections.abc import Iterable, Sequence

from probes.record import Measurement, is_loss

SeriesKey = tuple[object, ...]


class Series:
    """The samples of one endpoint by one protocol, as they come in.

    ``sent`` counts all of them, ``failures`` those that failed by class, ``lost`` those the way to the peer
    lost (:func:`probes.record.is_loss`). A failure that says nothing of the way is neither lost nor answered.
    A lost sample is infinitely late.
    """

    __slots__ = (
        "_reasons",
        "_times",
        "endpoint",
        "failures",
        "lost",
        "protocol",
        "sent",
        "site",
        "slowest_ms",
    )

    def __init__(self, site: str, protocol: str, endpoint: str) -> None:
        self.site, self.protocol, self.endpoint = site, protocol, endpoint
        self.sent = self.lost = 0
        self.slowest_ms = 0.0
        self.failures: collections.Counter[str] = collections.Counter()
        self._times: list[tuple[int, float]] = []
        self._reasons: dict[str, collections.Counter[str]] = {}

    def add(self, row: Measurement) -> None:
        """One more sample of this series."""
        self.sent += 1
        if row.failure is not None:
            self.failures[row.failure] += 1
        if row.reason is not None:
            self._reasons.setdefault(row.failure or "", collections.Counter())[row.reason] += 1
        if row.failure is not None and not is_loss(row):
            return
        time_ms = math.inf if row.failure is not None or row.rtt_ms is None else row.rtt_ms
        if time_ms == math.inf:
            self.lost += 1
        elif time_ms > self.slowest_ms:
            self.slowest_ms = time_ms
        self._times.append((row.sample, time_ms))

    @property
    def answered_ms(self) -> list[float]:
        """The round trips of the samples that came back."""
        return [time_ms for _, time_ms in self._times if time_ms != math.inf]

    @property
    def loss_ratio(self) -> float | None:
        """Lost of those lost or answered (RFC 6673); None where there is neither."""
        return self.lost / len(self._times) if self._times else None

    @property
    def success_ratio(self) -> float:
        """Samples that did not fail of those sent; there is no series without a sample."""
        return 1 - self.failures.total() / self.sent

    def quantile_ms(self, share: float) -> float | None:
        """A quantile of the round trip, inf where too many were lost; None where nothing is known."""
        return quantile([time_ms for _, time_ms in self._times], share) if self._times else None

    @property
    def jitter_ms(self) -> float | None:
        """Mean absolute difference between the round trips of consecutive samples, both of which came back.

        That is the mean of |IPDV| (RFC 3393, consecutive packets) taken over round trips: unlike the moving
        average of RFC 3550 it does not depend on what came first. None without two such samples.
        """
        times = sorted(self._times)
        steps = [
            abs(after - before)
            for (one, before), (other, after) in itertools.pairwise(times)
            if other == one + 1 and before != math.inf and after != math.inf
        ]
        return sum(steps) / len(steps) if steps else None

    def failures_in_words(self) -> str:
        """What failed, how often, and the commonest reason where one is known; what else there is to say.

        A reason may hold a peer's own words, so what would steer a terminal is replaced.
        """
        words = [
            f"{failure} {count}{self._reason(failure, ' ({})')}"
            for failure, count in self.failures.most_common()
        ]
        return ", ".join(words) or self._reason("", "{}")

    def _reason(self, failure: str, form: str) -> str:
        counts = self._reasons.get(failure)
        if not counts:
            return ""
        more = f"; {len(counts) - 1} more" if len(counts) > 1 else ""
        return form.format(printable(counts.most_common(1)[0][0]) + more)


def gather(rows: Iterable[Measurement]) -> list[Series]:
    """The series that rows make, in the order of their first."""
    found: dict[SeriesKey, Series] = {}
    add_rows(found, rows)
    return list(found.values())


def add_rows(found: dict[SeriesKey, Series], rows: Iterable[Measurement]) -> None:
    """Add rows to their series, those not yet ``found`` included."""
    for row in rows:
        key = (row.site, row.protocol, row.host, row.port, row.resolver, row.family)
        series = found.get(key)
        if series is None:
            series = found[key] = Series(row.site, row.protocol, endpoint(row))
        series.add(row)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of ``values`` do not exceed (the inverse of their ECDF).

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    return sorted(values)[max(math.ceil(share * len(values) - 1e-9), 1) - 1]


def endpoint(row: Measurement) -> str:
    """What a sample was taken of, as a person writes it; a name says so where IPv6 was asked for."""
    literal = ":" in row.host
    if row.protocol == "dns":
        return f"{row.host}{' AAAA' if row.family == 6 else ''} @{row.resolver}"
    host = f"[{row.host}]" if literal else row.host
    six = " IPv6" if row.family == 6 and not literal else ""
    return f"{host}{six}" if row.port is None else f"{host}:{row.port}{six}"


def printable(text: str) -> str:
    """``text`` without characters that a terminal would obey."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
