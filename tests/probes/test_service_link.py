"""What a round says of an Outpost's service link."""

import math
from dataclasses import replace

import pytest

from probes.record import Measurement
from probes.service_link import ServiceLink, service_link

ROW = Measurement(
    run_id="run",
    vantage="madrid-rack",
    vantage_country="ES",
    vantage_lat=40.42,
    vantage_lon=-3.7,
    site="eu-south-2",
    host="ec2.eu-south-2.amazonaws.com",
    peer="15.216.0.9",
    port=443,
    protocol="tcp",
    sample=0,
    started_at="2026-11-25T05:00:00.000000Z",
    late_ms=0.0,
    dns_ms=None,
    connect_ms=None,
    tls_ms=None,
    ttfb_ms=None,
    rtt_ms=20.0,
    clock="kernel",
    retransmits=0,
    failure=None,
    resolver=None,
    family=4,
    agent="0.1.0",
)


def rows(*times, **changes):
    return [replace(ROW, sample=number, rtt_ms=time, **changes) for number, time in enumerate(times)]


def lost(count, failure="connect_timeout", **changes):
    return [
        replace(ROW, sample=100 + number, rtt_ms=None, failure=failure, **changes) for number in range(count)
    ]


def test_the_link_is_the_round_trip_to_the_parent_by_the_best_protocol_at_hand():
    measured = [
        *rows(20.0, 30.0),
        *rows(1.0, protocol="icmp"),
        *rows(2.0, protocol="dns"),
        *rows(900.0, site="eu-west-1"),
    ]
    assert service_link(measured, "eu-south-2") == ServiceLink("eu-south-2", "tcp", 2, 0, 30.0)
    assert service_link(measured[2:], "eu-south-2").protocol == "icmp"


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (rows(212.4, 31.0), "p95 212 ms, above the 175 ms AWS asks for"),
        (rows(31.4, 175.0), "p95 175.00 ms, within the 175 ms AWS asks for"),
        (rows(31.4, 175.04), "p95 175.04 ms, above the 175 ms AWS asks for"),
        (rows(4.26), "p95 4.3 ms, within the 175 ms AWS asks for"),
        (rows(*[31.4] * 39) + lost(1), "p95 31 ms, 1 of 40 lost, within the 175 ms AWS asks for"),
        (rows(31.4) + lost(1), "1 of 2 lost, so p95 is not within the 175 ms AWS asks for"),
        (lost(3, "dns_timeout", peer=None), "not measured in this round"),
    ],
)
def test_in_words(measured, words):
    assert service_link(measured, "eu-south-2").in_words() == f"service link to eu-south-2: {words}"


def test_what_was_lost_counts_as_infinitely_late():
    link = service_link(rows(31.4) + lost(1), "eu-south-2")
    assert (link.p95_ms, link.loss_ratio, link.sound) == (math.inf, 0.5, False)


@pytest.mark.parametrize("failure", ["deadline", "clock_step", "implausible"])
def test_what_says_nothing_of_the_line_is_no_loss(failure):
    # An implausible row keeps the time it was measured with.
    measured = [*rows(31.4), replace(ROW, rtt_ms=1.0, failure=failure)]
    assert service_link(measured, "eu-south-2") == ServiceLink("eu-south-2", "tcp", 1, 0, 31.4)


@pytest.mark.parametrize("failure", ["dns_servfail", "unreachable", "other"])
def test_a_path_that_was_never_tried_is_no_loss(failure):
    measured = [*rows(31.4), *lost(1, failure, peer=None)]
    assert service_link(measured, "eu-south-2") == ServiceLink("eu-south-2", "tcp", 1, 0, 31.4)


def test_without_a_sample_nothing_is_known():
    link = service_link([], "eu-south-2")
    assert (link.sound, link.loss_ratio, link.p95_ms) == (None, None, None)
