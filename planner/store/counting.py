"""What counts: from samples to counted samples of each pair, in SQL.

Every statement here reads a table or view ``sample`` in which each sample stands once.

- ``dns`` rows time a resolver, not a site, and are left out. Of the other protocols a pair uses the
  first it was probed by in :data:`PROTOCOLS`, all hosts and ports of the site together.
- A failure is a lost probe, +inf in the quantile, except ``deadline`` (the round ran out of time and
  never asked), ``dns_*`` or no peer (the name was not resolved, so the path was never tried),
  ``clock_step`` and ``implausible`` (the figure is the clock's or a middlebox's, not the network's),
  ``tls_certificate``, ``tls_protocol``, ``http_status`` and ``http_protocol`` (the path was there, and what
  answered was not what was asked for) and ``other`` (the agent's own host, mostly): these are left out.
- A round that asked several sites and reached nothing at all speaks of a vantage that was cut off, not of
  the sites: it is left out, and said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from probes.record import NOT_LOSS

PROTOCOLS: Final = ("tcp", "icmp", "tls", "http")
"""Whose round trip a pair is judged by, best first: TCP_INFO's is the kernel's own and what a request
meets."""

SEVERAL_SITES: Final = 3
"""With this many sites asked and none reached, the fault is taken to be the vantage's own."""

SAMPLE_KEY: Final = ("run_id", "site", "host", "port", "protocol", "sample", "resolver", "family")
"""What a sample is known by; the same one twice counts once."""


def quoted(values: Sequence[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


COUNTS: Final = f"""(
    protocol IN ({quoted(PROTOCOLS)})
    AND (failure IS NULL OR (peer IS NOT NULL AND failure NOT IN ({quoted(sorted(NOT_LOSS))})))
)"""
"""Whether a sample speaks of the path to its site, as an answer or as a loss."""

_PROBED: Final = f"protocol IN ({quoted(PROTOCOLS)})"

# From the failures, which are few, to the rounds that are nothing else: answers are looked at for those only.
CUT_OFF: Final = f"""
CREATE TABLE cut_off AS
WITH suspect AS (
    SELECT vantage, run_id FROM sample WHERE {_PROBED} AND failure IS NOT NULL
    GROUP BY vantage, run_id HAVING count(DISTINCT site) >= {SEVERAL_SITES}
)
SELECT vantage, run_id FROM suspect ANTI JOIN (
    SELECT vantage, run_id FROM sample SEMI JOIN suspect USING (vantage, run_id)
    WHERE {_PROBED} AND failure IS NULL
) USING (vantage, run_id)
"""
"""Table ``cut_off``: the rounds, by vantage and run, of which nothing counts."""

PAIRS: Final = f"""
CREATE TABLE pair AS
SELECT row_number() OVER (ORDER BY vantage, site) - 1 AS pair, vantage, site, protocol, samples, answered
FROM (
    SELECT vantage, site, protocol, count(*) AS samples, count(*) FILTER (failure IS NULL) AS answered
    FROM sample ANTI JOIN cut_off USING (vantage, run_id)
    WHERE {COUNTS} GROUP BY vantage, site, protocol
    QUALIFY row_number() OVER (
        PARTITION BY vantage, site ORDER BY list_position([{quoted(PROTOCOLS)}], protocol)
    ) = 1
)
"""
"""Table ``pair``: of each vantage and site the protocol that counts, and how many samples it has."""

COUNTED: Final = f"""
SELECT pair, run_id, started_at, sample, host, port, CASE WHEN failure IS NULL THEN rtt_ms END AS rtt_ms
FROM sample ANTI JOIN cut_off USING (vantage, run_id) JOIN pair USING (vantage, site, protocol)
WHERE {COUNTS}
"""
"""Each counted sample of each pair; ``rtt_ms`` is NULL where it was lost."""
