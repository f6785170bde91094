"""The table a person sees."""

import math
from dataclasses import replace

from probes.record import Measurement
from probes.report import LEGEND, layout, table
from probes.series import gather, quantile

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


LOST = replace(ROW, rtt_ms=None, failure="syn_retransmit")


def samples(*rows):
    return [replace(row, sample=number) for number, row in enumerate(rows)]


def test_a_line_per_series():
    rows = samples(ROW, replace(ROW, rtt_ms=12.3456), LOST)
    rows += [replace(ROW, protocol="dns", resolver="1.1.1.1", rtt_ms=1.0), replace(ROW, host="::1")]
    assert table(rows).splitlines()[:-3] == [
        "site          protocol  endpoint                  sent  loss %  p50 ms  p95 ms  jitter ms  failures",
        "eu-central-1  tcp       ec2.example.org:443          3    33.3  12.346       ∞      2.346"
        "  syn_retransmit 1",
        "eu-central-1  dns       ec2.example.org @1.1.1.1     1     0.0   1.000   1.000          –",
        "eu-central-1  tcp       [::1]:443                    1     0.0  10.000  10.000          –",
    ]
    assert table(rows).endswith(f"\n\n{LEGEND}")


def test_both_families_of_a_name_are_told_apart():
    six = replace(ROW, family=6)
    rows = [
        ROW,
        six,
        replace(six, protocol="dns", resolver="1.1.1.1"),
        replace(six, protocol="icmp", port=None),
    ]
    assert [series.endpoint for series in gather(rows)] == [
        "ec2.example.org:443",
        "ec2.example.org:443 IPv6",
        "ec2.example.org AAAA @1.1.1.1",
        "ec2.example.org IPv6",
    ]


def test_series_stand_as_they_were_begun_whichever_came_back_first():
    late = replace(ROW, site="first", started_at="2026-11-23T04:59:59.999999Z")
    lines = table([ROW, late]).splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["first", "eu-central-1"]


def test_the_rows_of_a_site_stand_together():
    rows = [
        replace(ROW, site="a", protocol="tcp", peer=None, failure="dns_timeout", rtt_ms=None),
        replace(ROW, site="b", started_at="2026-11-23T05:00:01Z"),
        replace(ROW, site="a", protocol="icmp", started_at="2026-11-23T05:00:02Z"),
    ]
    assert [line.split()[:2] for line in table(rows).splitlines()[1:4]] == [
        ["a", "tcp"],
        ["a", "icmp"],
        ["b", "tcp"],
    ]


def test_only_what_failed_is_red():
    noted = replace(ROW, site="b", reason="no AAAA record")
    _, failed, sound = layout(gather([LOST, noted]), colour=True)
    assert "\x1b[31m" in failed
    assert "\x1b" not in sound
    assert sound.endswith("no AAAA record")


def test_jitter_is_of_consecutive_samples_that_came_back_whatever_order_they_came_in():
    rows = samples(*(replace(ROW, rtt_ms=ms) for ms in (10.0, 14.0)), LOST, replace(ROW, rtt_ms=50.0), ROW)
    (series,) = gather([rows[3], rows[1], rows[4], rows[0], rows[2]])
    assert series.jitter_ms == (4.0 + 40.0) / 2
    assert gather(rows[2:4])[0].jitter_ms is None


def test_what_says_nothing_of_the_way_is_no_loss():
    aside = [
        replace(ROW, failure="implausible", reason="faster than light"),
        replace(ROW, failure="deadline", rtt_ms=None),
        replace(ROW, failure="http_status", reason="503 Service Unavailable"),
        replace(ROW, failure="dns_timeout", rtt_ms=None),
    ]
    (series,) = gather(aside)
    assert (series.sent, series.lost, series.loss_ratio, series.quantile_ms(0.5)) == (4, 0, None, None)
    (series,) = gather([*aside, ROW, LOST])
    assert (series.loss_ratio, series.quantile_ms(0.5)) == (0.5, 10.0)
    (series,) = gather([replace(ROW, protocol="dns", failure="dns_timeout", rtt_ms=None)])
    assert series.loss_ratio == 1.0


def test_a_path_that_was_never_tried_lost_nothing():
    unknown = replace(LOST, failure="unreachable", peer=None)
    (series,) = gather([ROW, unknown])
    assert (series.sent, series.lost, series.loss_ratio) == (2, 0, 0.0)
    # Of a question to a resolver the peer may be unknown, and it is lost all the same.
    (series,) = gather([replace(unknown, protocol="dns", resolver="1.1.1.1")])
    assert series.loss_ratio == 1.0


def test_reasons_stand_beside_their_class():
    expired = replace(LOST, failure="tls_certificate", reason="certificate has expired")
    other = replace(expired, reason="self-signed certificate")
    assert gather([expired, expired, other, LOST])[0].failures_in_words() == (
        "tls_certificate 3 (certificate has expired; 1 more), syn_retransmit 1"
    )
    assert gather([replace(ROW, reason="no AAAA record")])[0].failures_in_words() == "no AAAA record"


def test_a_peer_cannot_steer_the_terminal():
    evil = replace(LOST, failure="tls_certificate", reason="for \x1b[2J\x9b1mevil\r\n.test")
    assert not set("\x1b\x9b\r") & set(table([evil]))
    assert "for ?[2J?1mevil??.test" in table([evil])


def test_a_narrow_terminal_costs_the_endpoint_first_and_then_the_failures():
    rows = [replace(LOST, host=f"a{'b' * 60}.example.org", reason="x" * 90), ROW]
    for width in (20, 40, 60, 80, 100, 132):
        lines = layout(gather(rows), width=width, cut=True)
        assert max(map(len, lines)) <= width
        assert "…" in lines[1] or width < 40
        assert ("syn_retransmit" in lines[1]) == (width >= 80)
        assert ("jitter" in lines[0]) == (width >= 132)
    whole = table(rows, width=100)
    assert "x" * 90 in whole
    assert "org:443" in whole
    assert "b" * 60 not in whole


def test_colour_is_for_failures_and_takes_no_room():
    rows = [LOST, replace(ROW, host="fine.test")]
    plain, bright = layout(gather(rows)), layout(gather(rows), colour=True)
    assert bright[1] == plain[1].replace("syn_retransmit 1", "\x1b[31msyn_retransmit 1\x1b[0m")
    assert [bright[0], bright[2]] == [plain[0], plain[2]]


def test_quantiles_count_what_was_lost():
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert quantile([1.0] * 95 + [math.inf] * 5, 0.95) == 1.0
    assert quantile([1.0] * 94 + [math.inf] * 6, 0.95) == math.inf
