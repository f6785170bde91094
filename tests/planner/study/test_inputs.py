"""Everything a study needs, read from the shipped files and from stores."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planner.demand import Client, Demand
from planner.inputs import asking, load_inputs, restated
from planner.latency.matrix import MEASURED, PROVENANCES
from planner.study import StudyError, load_study, parse_study, shipped_studies
from probes.record import Measurement
from probes.strict_toml import InputError

STUDY = """\
name = "shop"
[demand]
csv = "clients.csv"
[candidates]
include = ["eu-central-1", "eu-west-1"]
"""
CLIENTS = """\
id,country,lat,lon,weight,classes
berlin,DE,52.5,13.4,3,card
dublin,IE,53.3,-6.3,1,
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "clients.csv").write_text(CLIENTS)
    (tmp_path / "shop.toml").write_text(STUDY)
    return load_study(tmp_path / "shop.toml")


def sample(site, rtt_ms, number=0, *, vantage="berlin-1", lat=52.5, lon=13.4, country="DE"):
    return Measurement(
        run_id="r1",
        vantage=vantage,
        vantage_country=country,
        vantage_lat=lat,
        vantage_lon=lon,
        site=site,
        host="192.0.2.1",
        peer="192.0.2.1",
        port=443,
        protocol="tcp",
        sample=number,
        started_at="2026-11-23T10:00:00.000000Z",
        late_ms=0.1,
        dns_ms=None,
        connect_ms=rtt_ms,
        tls_ms=None,
        ttfb_ms=None,
        rtt_ms=rtt_ms,
        clock="kernel",
        retransmits=0,
        failure=None,
        resolver=None,
        family=4,
        agent="0.1.0",
    ).to_json()


def test_everything_lines_up(study):
    inputs = load_inputs(study)
    assert [site.id for site in inputs.sites] == ["eu-central-1", "eu-west-1"]
    assert inputs.matrix.site_ids == ("eu-central-1", "eu-west-1")
    assert inputs.matrix.client_ids == ("berlin", "dublin")
    assert len(inputs.prices) == 2
    assert "DE" in inputs.jurisdictions["EEA"]
    assert np.isfinite(inputs.matrix.estimate_ms).all()


def test_every_input_has_its_hash(study):
    hashes = load_inputs(study).hashes
    assert {
        "study",
        "demand",
        "jurisdictions.csv",
        "providers/aws/sites.csv",
        "latency/aws-regions.csv",
    } <= set(hashes)
    assert all(len(digest) == 64 for digest in hashes.values())
    assert hashes["demand"] == hashlib.sha256(CLIENTS.encode()).hexdigest()


def test_the_hash_of_a_study_is_of_what_it_says_and_not_of_how(study, tmp_path):
    before = load_inputs(study).hashes
    (tmp_path / "shop.toml").write_text("# a comment\n" + STUDY)
    assert load_inputs(load_study(tmp_path / "shop.toml")).hashes == before
    after = load_inputs(replace(study, minimize="mean_latency")).hashes
    assert {name for name in before if before[name] != after[name]} == {"study"}


def test_measurements_of_ones_own_change_the_matrix(study, tmp_path):
    store = tmp_path / "round.jsonl"
    store.write_text("\n".join(sample("eu-west-1", 77.0, number) for number in range(30)) + "\n")
    before, after = load_inputs(study), load_inputs(study, [str(store)])
    assert before.matrix.estimate_ms[0, 1] != pytest.approx(77.0, abs=1.0)
    assert after.matrix.estimate_ms[0, 1] == pytest.approx(77.0, abs=1.0)
    assert PROVENANCES[after.matrix.provenance[0, 1]] == "measured"
    assert set(after.hashes) - set(before.hashes) == {str(store)}


def test_damaged_lines_are_reported_and_the_rest_is_used(study, tmp_path):
    store = tmp_path / "round.jsonl"
    lines = [sample("eu-west-1", 77.0, number) for number in range(30)]
    store.write_text("\n".join([*lines, lines[0][:100]]) + "\n")
    inputs = load_inputs(study, [str(store)])
    assert inputs.matrix.provenance[0, 1] == MEASURED
    assert any("1 damaged line of measurements was left out" in note for note in inputs.notes)


def test_a_site_nobody_knows_in_a_store_is_seen(study, tmp_path):
    store = tmp_path / "round.jsonl"
    store.write_text(sample("eu-wset-1", 77.0) + "\n")
    assert any("eu-wset-1" in note for note in load_inputs(study, [str(store)]).notes)


def written(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_what_each_store_gave_is_told(study, tmp_path):
    used = written(tmp_path / "used.jsonl", *(sample("eu-west-1", 77.0, n) for n in range(3)))
    # A vantage in Tokyo speaks for nobody in this study.
    idle = written(
        tmp_path / "idle.jsonl",
        sample("eu-west-1", 210.0, vantage="tokyo-1", lat=35.7, lon=139.7, country="JP"),
    )
    notes = load_inputs(study, [used, idle]).notes
    assert f"{used}: 3 rows read, 1 vantage-site pair used" in notes
    assert f"{idle}: 1 row read, 0 vantage-site pairs used" in notes


def test_a_figure_that_beats_light_is_told_and_not_planned_with(study, tmp_path):
    store = written(tmp_path / "round.jsonl", *(sample("eu-west-1", 0.05, n) for n in range(30)))
    before, after = load_inputs(study), load_inputs(study, [store])
    assert (after.matrix.estimate_ms == before.matrix.estimate_ms).all()
    assert (after.matrix.provenance == before.matrix.provenance).all()
    assert f"{store}: 30 rows read, 0 vantage-site pairs used" in after.notes
    (note,) = (note for note in after.notes if "implausible" in note)
    assert note.startswith("vantage 'berlin-1', site 'eu-west-1': 0.05 ms is implausible and set aside")


def failed(site, number, failure="connect_timeout"):
    values = json.loads(sample(site, 1.0, number))
    return json.dumps(values | {"rtt_ms": None, "connect_ms": None, "failure": failure})


def test_a_site_that_probes_do_not_reach_is_told(study, tmp_path):
    lines = [sample("eu-west-1", 77.0, n) if n < 4 else failed("eu-west-1", n) for n in range(10)]
    inputs = load_inputs(study, [written(tmp_path / "round.jsonl", *lines)])
    assert np.isinf(inputs.matrix.estimate_ms[0, 1])
    assert "site eu-west-1 is out of reach from vantage berlin-1: 6 of 10 probes lost" in inputs.notes


def test_many_sites_that_probes_do_not_reach_take_a_few_lines(study, tmp_path):
    every = replace(study, candidates=replace(study.candidates, include=("*",)))
    sites = [site.id for site in load_inputs(every).sites if site.kind == "region"][:20]
    lines = [failed(site, 0) for site in sites[1:]]
    store = written(tmp_path / "round.jsonl", *lines, sample(sites[0], 500.0))
    notes = [note for note in load_inputs(every, [store]).notes if "out of reach" in note]
    assert len(notes) == 5
    assert notes[-1] == "15 more sites are out of reach from vantage berlin-1: 15 of 15 probes lost"


def test_a_route_that_comes_and_goes_is_told(study, tmp_path):
    lines = []
    for number in range(60):
        row = json.loads(sample("eu-west-1", 100.0 if number % 12 < 3 else 77.0, number))
        started = f"2026-11-23T{10 + number // 60}:{number % 60:02}:00.000000Z"
        lines.append(json.dumps(row | {"run_id": f"r{number}", "started_at": started}))
    inputs = load_inputs(study, [written(tmp_path / "rounds.jsonl", *lines)])
    assert any(
        note.startswith("site eu-west-1 is reached on two levels from vantage berlin-1")
        and note.endswith("77.1 ms (75% of the samples) and 100.0 ms (25%)")
        for note in inputs.notes
    ), inputs.notes


def test_too_few_samples_for_an_upper_bound_are_told(study, tmp_path):
    store = written(tmp_path / "round.jsonl", *(sample("eu-west-1", 77.0, n) for n in range(5)))
    upper = replace(study, latency=replace(study.latency, bound="upper"))
    (note,) = (note for note in load_inputs(upper, [store]).notes if "upper bound" in note)
    assert note == (
        "site eu-west-1 is without an upper bound from vantage berlin-1: too few samples for an upper bound"
        f" of the p{study.latency.quantile * 100:g}"
        " (5 in 1 round, which are worth 1 independent of each other)"
    )
    assert not any("upper bound" in note for note in load_inputs(study, [store]).notes)


def test_a_store_that_is_none(study, tmp_path):
    with pytest.raises(InputError) as caught:
        load_inputs(study, [str(tmp_path / "nowhere")])
    assert str(tmp_path / "nowhere") in str(caught.value)


def test_the_share_that_was_measured_is_told(study):
    # Dublin is where eu-west-1 stands and was measured from; Berlin is 420 km from Frankfurt.
    matrix = load_inputs(study).matrix
    assert (matrix.provenance[1] == MEASURED).all()
    near = load_inputs(replace(study, latency=replace(study.latency, vantage_km=50.0)))
    assert (near.matrix.provenance[0] != MEASURED).all()
    assert any(note.startswith("25% of the demand is where latency") for note in near.notes)


def test_given_demand_takes_the_place_of_the_studys(study):
    clients = (Client("oslo", "Oslo", "NO", 59.9, 10.7, 1.0),)
    inputs = load_inputs(study, demand=Demand(clients, np.ones(1), "a test"))
    assert inputs.matrix.client_ids == ("oslo",)
    assert inputs.hashes["demand"] != load_inputs(study).hashes["demand"]


def test_a_class_nobody_has_protects_nobody(study):
    text = STUDY + '[[rule]]\nkind = "program"\nclients = { classes = ["crad"] }\nprograms = ["pci"]\n'
    with pytest.raises(StudyError) as caught:
        load_inputs(parse_study(text, name="shop.toml", directory=study.path.parent))
    assert str(caught.value) == (
        "shop, rule[1].clients.classes: no client has the data class 'crad'; did you mean 'card'?"
    )


def test_no_clients_file(tmp_path):
    study = parse_study(STUDY, name="shop.toml", directory=tmp_path)
    with pytest.raises(StudyError) as caught:
        load_inputs(study)
    assert str(caught.value) == f"shop, demand.csv: {tmp_path / 'clients.csv'}: no such file"


def test_cities():
    text = 'name = "c"\n[demand]\ncities = { countries = ["DE"], top = 3 }\n[candidates]\n'
    inputs = load_inputs(parse_study(text, name="c", directory=Path()))
    assert len(inputs.demand.clients) == 3
    assert {client.country for client in inputs.demand.clients} == {"DE"}


@pytest.mark.parametrize("name", ["worldwide-saas", "eu-regulated"])
def test_promise_goal_limits_and_amounts_do_not_change_what_is_read(name):
    study = load_study(next(path for path in shipped_studies() if path.stem == name))
    moved = replace(
        study,
        minimize="mean_latency",
        budget_usd_per_month=9e5,
        latency=replace(study.latency, slo_ms=77.0, coverage=0.5, max_ms=None),
        limits=replace(study.limits, max_sites=5),
        demand=replace(study.demand, peak_rps=7.0, requests_per_month=7e6),
    )
    assert asking(moved) == asking(study)
    fresh, reused = load_inputs(moved), restated(load_inputs(asking(study)), moved)
    assert list(reused.hashes.items()) == list(fresh.hashes.items())
    for part in ("sites", "prices", "jurisdictions", "parent_country", "set_aside", "notes"):
        assert getattr(reused, part) == getattr(fresh, part), part
    assert reused.demand.clients == fresh.demand.clients
    assert np.array_equal(reused.demand.weight, fresh.demand.weight)
    for part in ("estimate_ms", "lower_ms", "upper_ms", "samples", "loss_ratio", "provenance", "vantage"):
        one, other = getattr(reused.matrix, part), getattr(fresh.matrix, part)
        assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), part


def test_other_candidates_are_read_anew():
    study = load_study(next(path for path in shipped_studies() if path.stem == "worldwide-saas"))
    other = replace(study, candidates=replace(study.candidates, exclude=("us-*",)))
    assert asking(other) != asking(study)


RACK = """\
[[candidates.outpost]]
id = "op-1"
country = "DE"
lat = 52.5
lon = 13.4
parent = "eu-central-1"
term_months = 36
host = "10.0.0.1"
size = [
    { name = "half", capacity_rps = 700, upfront_usd = 95000, monthly_usd = 1700 },
    { name = "full", capacity_rps = 1250, upfront_usd = 140000, monthly_usd = 2300 },
]
"""


def test_what_was_measured_to_a_rack_holds_for_each_of_its_sizes(study, tmp_path):
    (tmp_path / "shop.toml").write_text(STUDY + RACK)
    store = written(tmp_path / "round.jsonl", *(sample("op-1", 3.0, number) for number in range(30)))
    inputs = load_inputs(load_study(tmp_path / "shop.toml"), [store])
    assert inputs.matrix.site_ids == ("eu-central-1", "eu-west-1", "op-1.half", "op-1.full")
    assert inputs.matrix.estimate_ms[0, 2:] == pytest.approx([3.0, 3.0], abs=0.1)
    assert [PROVENANCES[code] for code in inputs.matrix.provenance[0, 2:]] == ["measured", "measured"]
