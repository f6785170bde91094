"""The table a person sees."""

import math
from dataclasses import replace

from probes.record import Measurement
from probes.report import quantile, table

ROW = Measurement(
    run_id="r",
    vantage="v",
    vantage_country="DE",
    vantage_lat=50.0,
    vantage_lon=8.0,
    site="eu-central-1",
    host="ec2.example.org",
    peer="192.0.2.1",
    port=443,
    protocol="tcp",
    sample=0,
    started_at="2026-11-23T05:00:00.000000Z",
    late_ms=0.0,
    dns_ms=None,
    connect_ms=10.5,
    tls_ms=None,
    ttfb_ms=None,
    rtt_ms=10.0,
    clock="kernel",
    retransmits=0,
    failure=None,
    resolver=None,
    family=4,
    agent="0",
)


def test_a_line_per_series():
    lost = replace(ROW, rtt_ms=None, failure="syn_retransmit")
    rows = [ROW, replace(ROW, rtt_ms=12.3456), lost]
    rows += [replace(ROW, protocol="dns", resolver="1.1.1.1", rtt_ms=1.0), replace(ROW, host="::1")]
    assert table(rows).splitlines() == [
        "site          protocol  endpoint                  sent  lost  p50 ms  p95 ms  failures",
        "eu-central-1  tcp       ec2.example.org:443          3     1  12.346       ∞  syn_retransmit 1",
        "eu-central-1  dns       ec2.example.org @1.1.1.1     1     0   1.000   1.000",
        "eu-central-1  tcp       [::1]:443                    1     0  10.000  10.000",
    ]


def test_quantiles_count_what_was_lost():
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert quantile([1.0] * 95 + [math.inf] * 5, 0.95) == 1.0
    assert quantile([1.0] * 94 + [math.inf] * 6, 0.95) == math.inf
