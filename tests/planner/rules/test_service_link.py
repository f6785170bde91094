"""An Outpost hangs on its parent: at most 175 ms away, at least 500 Mbps, and nothing assumed silently."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.audit import audit_plan
from planner.catalog import CatalogError
from planner.decide import decide
from planner.inputs import load_inputs
from planner.link_limits import LinkLimits, load_link_limits
from planner.problem import build_problem
from planner.service_links import ServiceLink
from planner.study import Limits, load_study
from probes.record import Measurement
from tests.planner.audit import estate

STUDY = """\
name = "plants"
[demand]
cities = { countries = ["ES"], top = 3 }
[candidates]
include = ["eu-south-2", "op-*"]
[[candidates.outpost]]
id = "op-1"
country = "ES"
lat = 40.4
lon = -3.7
parent = "eu-south-2"
capacity_rps = 4000
upfront_usd = 180000
monthly_usd = 4200
term_months = 36
"""


def inputs(tmp_path, more="", parent="eu-south-2", stores=()):
    path = tmp_path / "plants.toml"
    path.write_text(STUDY.replace('parent = "eu-south-2"', f'parent = "{parent}"') + more)
    return load_inputs(load_study(path), stores)


def test_a_server_needs_no_such_line(tmp_path):
    given = inputs(tmp_path, 'link_ms = 12.5\nform = "server"')
    assert given.links == {"op-1": ServiceLink(12.5, "stated", None, 175.0, 0.0)}
    assert notes(given) == []


def notes(given):
    return [note for note in given.notes if note.startswith("service link")]


def test_what_the_study_says_is_taken_and_needs_no_note(tmp_path):
    given = inputs(tmp_path, "link_ms = 12.5\nlink_mbps = 1000")
    assert given.links == {"op-1": ServiceLink(12.5, "stated", 1000.0, 175.0, 500.0)}
    assert notes(given) == []


def test_a_modelled_round_trip_and_an_unsaid_bandwidth_are_notes(tmp_path):
    given = inputs(tmp_path, "[latency]\nmetro_km = 10\nvantage_km = 10")
    link = given.links["op-1"]
    assert (link.basis, link.mbps) == ("modelled", None)
    assert 1 < link.rtt_ms < 30  # Madrid to Aragon
    assert link.suffices
    assert notes(given) == [
        f"service link, modelled from distance and not measured: op-1 {link.rtt_ms:.0f} ms;"
        " at most 175 ms is allowed",
        "service link of op-1: link_mbps is not said; at least 500 Mbps are needed",
    ]


def test_what_an_agent_beside_the_rack_measured_is_no_model(tmp_path):
    sample = Measurement(
        run_id="r1", vantage="plant-1", vantage_country="ES", vantage_lat=40.41, vantage_lon=-3.71,
        site="eu-south-2", host="192.0.2.1", peer="192.0.2.1", port=443, protocol="tcp", sample=0,
        started_at="2026-11-23T10:00:00.000000Z", late_ms=0.1, dns_ms=None, connect_ms=9.0, tls_ms=None,
        ttfb_ms=None, rtt_ms=9.0, clock="kernel", retransmits=0, failure=None, resolver=None, family=4,
        agent="1",
    )  # fmt: skip
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "rows.jsonl").write_text(
        "".join(replace(sample, sample=number).to_json() + "\n" for number in range(20))
    )
    given = inputs(tmp_path, stores=[str(tmp_path / "store" / "rows.jsonl")])
    assert given.links["op-1"].basis == "measured"
    assert given.links["op-1"].rtt_ms == pytest.approx(9.0)


@pytest.mark.parametrize(
    ("more", "parent", "open_to_it"),
    [
        ("link_ms = 175\nlink_mbps = 500", "eu-south-2", True),
        ("link_ms = 175.1\nlink_mbps = 500", "eu-south-2", False),
        ("link_ms = 10\nlink_mbps = 499", "eu-south-2", False),
        ("link_mbps = 500", "ap-southeast-2", False),  # no line from Spain to Sydney is so fast
    ],
)
def test_the_limits(tmp_path, more, parent, open_to_it):
    path = tmp_path / "plants.toml"
    given = inputs(tmp_path, more, parent)
    problem = build_problem(load_study(path), given)
    assert problem.may_open[problem.site_ids.index("op-1")] == open_to_it
    (effect,) = [effect for effect in problem.effects if effect.rule == "service_link"]
    assert effect.words == "an Outpost's service link has at most 175 ms and at least 500 Mbps to its parent"


def test_the_audit_reads_the_links_itself():
    given = estate.inputs()

    def found(rtt_ms, mbps):
        links = {"plant": ServiceLink(rtt_ms, "stated", mbps, 175.0, 500.0)}
        return audit_plan(estate.plan(), estate.study(), replace(given, links=links))

    assert found(175.0, None) == ()
    assert found(176.0, 400.0) == (
        "service_link: Outpost plant is 176 ms from its parent, above 175",
        "service_link: Outpost plant has 400 Mbps to its parent, below 500",
    )


def test_its_least_change_names_whom_it_would_have_to_let_off():
    """With Madrid too far, only the plant may serve c2; with the plant's link too long, nothing may."""
    given, base = estate.inputs(), estate.study()
    far = given.matrix.estimate_ms.copy()
    far[1, 2] = 50.0
    links = {"plant": ServiceLink(300.0, "stated", None, 175.0, 500.0)}
    study = replace(
        base,
        rules=(),
        budget_usd_per_month=None,
        limits=Limits(),
        latency=replace(base.latency, max_ms=14.0, slo_ms=None),
    )
    cut = replace(given, matrix=replace(given.matrix, estimate_ms=far), links=links)
    plan = decide(study, cut)
    assert plan.conflict.rules == ("max_ms", "service_link")
    assert plan.conflict.remedies["service_link"] == "not for 30.0% of demand (c2), served from plant for one"


def test_limits_are_read_with_their_source(tmp_path):
    path = tmp_path / "limits.csv"
    assert load_link_limits(path, CatalogError) is None
    header = "limit,value,unit,source,as_of,note\n"
    path.write_text(f"{header}service-link-rtt,175,ms,docs,2026,\n")
    with pytest.raises(CatalogError, match="has no row for service-link-bandwidth"):
        load_link_limits(path, CatalogError)
    path.write_text(f"{header}service-link-rtt,175,s,docs,2026,\n")
    with pytest.raises(CatalogError, match="row 2, column unit: 's' is not one of ms"):
        load_link_limits(path, CatalogError)
    path.write_text(
        f"{header}service-link-rtt,175,ms,docs,2026,\nservice-link-bandwidth,500,Mbps,docs,2026,\n"
    )
    assert load_link_limits(path, CatalogError) == LinkLimits(175.0, 500.0)
