"""The command line: what it prints, what it writes, and how it exits."""

import csv
import dataclasses
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from planner.cli import main
from planner.solver.decision import Deadline
from planner.solver.frontier import _Trace
from planner.study import shipped_studies
from probes.settings import parse_settings
from tests.planner.store.inbox_writing import SAMPLE, put

ROOT = Path(__file__).resolve().parents[3]
STUDY = """\
name = "shop"
[demand]
csv = "clients.csv"
peak_rps = 4000
requests_per_month = 1e9
[candidates]
include = ["eu-central-1", "eu-west-1", "eu-south-2", "eu-north-1"]
[latency]
slo_ms = 40
coverage = 0.9
[[rule]]
kind = "residency"
clients = { classes = ["card"] }
sites = { jurisdictions = ["EEA"] }
"""
CLIENTS = """\
id,country,lat,lon,weight,classes
berlin,DE,52.5,13.4,3,card
=dublin,IE,53.3,-6.3,1,
madrid,ES,40.4,-3.7,2,card;health
"""
FILES = ["assignments.csv", "placements.csv", "plan.json", "terraform.tfvars.json"]


@pytest.fixture
def study(tmp_path):
    (tmp_path / "clients.csv").write_text(CLIENTS)
    (tmp_path / "shop.toml").write_text(STUDY)
    return tmp_path / "shop.toml"


def edgeplan(*arguments, **options):
    """Run the command in a process of its own, as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "planner", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        **options,
    )


def run(capsys, *arguments):
    """Run the command in this process: its exit code, stdout and stderr."""
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_plan_in_a_process_of_its_own(study, tmp_path):
    out = tmp_path / "out"
    done = edgeplan("plan", study, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert "shop: proven optimal" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == FILES
    document = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    placements, assignments = (pd.read_csv(out / name) for name in ("placements.csv", "assignments.csv"))
    assert document["termination"] == "optimal"
    assert document["gap"] <= 1e-4
    assert document["audit"] == []
    assert sorted(placements["site_id"]) == document["open"]
    assert list(assignments["client_id"]) == ["berlin", "'=dublin", "madrid"]
    items = placements.filter(regex="_usd_month$").drop(columns="cost_usd_month")
    assert items.sum(axis=1).to_numpy() == pytest.approx(placements["cost_usd_month"].to_numpy(), abs=0.005)
    assert placements["cost_usd_month"].sum() == pytest.approx(document["kpi"]["cost_usd_month"], abs=0.005)


def test_plan_as_json_is_one_document_and_nothing_else(study, tmp_path, capsys):
    code, printed, said = run(capsys, "plan", study, "--json", "--out", tmp_path / "out")
    assert (code, said) == (0, "")
    assert json.loads(printed) == json.loads((tmp_path / "out" / "plan.json").read_text(encoding="utf-8"))


def test_plan_writes_nothing_unasked(study, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    assert run(capsys, "plan", study)[0] == 0
    assert sorted(tmp_path.iterdir()) == before


def test_progress_goes_to_stderr(study, capsys):
    _, printed, said = run(capsys, "plan", study, "--json", "--verbose")
    assert json.loads(printed)["study"] == "shop"
    assert "/" in said


def test_infeasible_is_explained_and_not_written(study, tmp_path, capsys):
    study.write_text(STUDY + "[budget]\nusd_per_month = 1\n")
    code, printed, _ = run(capsys, "plan", study, "--out", tmp_path / "out")
    assert code == 3
    assert "infeasible" in printed
    assert "budget" in printed
    assert not (tmp_path / "out").exists()
    code, printed, _ = run(capsys, "plan", study, "--json")
    document = json.loads(printed)
    assert (code, document["termination"], document["kpi"]) == (3, "infeasible", None)
    assert document["conflict"]["rules"] == ["budget"]


BAD_STUDIES = [
    ("slo_ms = 40", "slo_m = 40", "{study}, latency.slo_m: unknown key; did you mean 'slo_ms'?"),
    ("slo_ms = 40", "slo_ms = nan", "{study}, latency.slo_ms: nan is not a finite number"),
    ("slo_ms = 40", "slo_ms = ", "{study}: is not valid TOML: Invalid value (at line 9, column 10)"),
    (
        '"eu-west-1"',
        '"eu-wst-1"',
        "{study}, candidates.include: 'eu-wst-1' matches no known site; did you mean 'eu-west-1'?",
    ),
    (
        '["EEA"]',
        '["EAE"]',
        "{study}, rule[1].sites.jurisdictions: 'EAE' is not a known jurisdiction; did you mean 'EEA'?",
    ),
    (
        '["card"]',
        '["crad"]',
        "{study}, rule[1].clients.classes: no client has the data class 'crad'; did you mean 'card'?",
    ),
    ("clients.csv", "client.csv", "{study}, demand.csv: client.csv: no such file"),
    ("clients.csv", ".", "{study}, demand.csv: .: is not a file"),
]


@pytest.mark.parametrize("command", ["plan", "frontier", "matrix"])
def test_an_empty_name_is_not_the_directory_one_stands_in(study, tmp_path, capsys, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert run(capsys, command, "") == (2, "", "edgeplan: error: STUDY: names nothing\n")
    with pytest.raises(SystemExit) as stopped:
        run(capsys, command, study, "--out", "")
    assert stopped.value.code == 2
    assert "argument --out: names nothing" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("old", "new", "message"), BAD_STUDIES)
def test_a_bad_study(study, tmp_path, capsys, old, new, message):
    study.write_text(STUDY.replace(old, new))
    line = 1 + next(at for at, text in enumerate(STUDY.splitlines()) if old in text)
    where = study if "not valid TOML" in message else f"{study}, line {line}"
    message = message.format(study=where)
    code, printed, said = run(capsys, "plan", study, "--out", tmp_path / "out")
    assert (code, printed, said) == (2, "", f"edgeplan: error: {message}\n")
    assert not (tmp_path / "out").exists()


BAD_CLIENTS = [
    ("berlin,DE,52.5", "berlin,DE,91", "row 2, column lat"),
    ("berlin,DE,52.5", "berlin,DE,nan", "row 2, column lat"),
    ("berlin,DE", "berlin,Germny", "row 2, column country"),
    ("13.4,3,", "13.4,-3,", "row 2, column weight"),
    ("13.4,3,", "13.4,,", "row 2, column weight"),
    ("13.4,3,card\n", "13.4\n", "row 2"),
    ("madrid", "berlin", "row 4, column id"),
    ("card;health\n", '"card', "row 4"),
    ("weight", "wieght", "did you mean 'weight'?"),
]


@pytest.mark.parametrize(("old", "new", "where"), BAD_CLIENTS)
def test_bad_clients(study, tmp_path, capsys, old, new, where):
    assert old in CLIENTS
    clients = tmp_path / "clients.csv"
    clients.write_text(CLIENTS.replace(old, new))
    code, printed, said = run(capsys, "plan", study, "--out", tmp_path / "out")
    assert (code, printed) == (2, "")
    assert said.startswith(f"edgeplan: error: {clients}")
    assert where in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"", b"\x00" * 50, CLIENTS.encode("utf-16"), b"id,country\n"]
)
def test_clients_that_are_no_csv(study, tmp_path, capsys, content):
    (tmp_path / "clients.csv").write_bytes(content)
    code, printed, said = run(capsys, "plan", study)
    assert (code, printed, said.count("\n")) == (2, "", 1)


def test_bad_input_in_a_process_of_its_own_leaves_no_traceback(study, tmp_path):
    study.write_bytes(STUDY.encode("utf-16"))
    done = edgeplan("plan", study, "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"edgeplan: error: {study}: is not UTF-8 (byte 0)\n"


def test_measurements_that_are_none(study, tmp_path, capsys):
    code, printed, said = run(capsys, "plan", study, "--measurements", tmp_path / "nowhere")
    assert (code, printed, said.count("\n")) == (2, "", 1)


def test_a_shipped_study_goes_by_its_name(capsys):
    code, printed, _ = run(capsys, "matrix", shipped_studies()[0].stem, "--json")
    assert code == 0
    assert json.loads(printed)["clients"]
    code, _, said = run(capsys, "plan", shipped_studies()[0].stem[:-1])
    assert code == 2
    assert f"did you mean {shipped_studies()[0].stem!r}?" in said


def test_where_nothing_can_be_written(study, tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "held" / "plan.json").mkdir(parents=True)
    taken, held = tmp_path / "taken", tmp_path / "held"
    before = sorted(tmp_path.rglob("*"))
    for command, out, complaint in (
        ("plan", taken, f"--out: {taken} is not a directory"),
        ("plan", taken / "below" / "it", f"--out: {taken} is not a directory"),
        ("plan", held, f"--out: {held / 'plan.json'} is a directory"),
        ("frontier", held, f"--out: {held} is a directory"),
        ("matrix", held, f"--out: {held} is a directory"),
        ("matrix", tmp_path / "no" / "m.csv", f"--out: {tmp_path / 'no' / 'm.csv'}: there is no directory"),
        ("frontier", "/dev/null", "--out: /dev/null is not a regular file"),
    ):
        code, printed, said = run(capsys, command, study, "--out", out, "--verbose")
        assert (code, printed) == (2, "")
        assert said.startswith(f"edgeplan: error: {complaint}")  # and no progress before it
        assert said.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("command", "out"), [("plan", "/proc/out"), ("frontier", "/proc/front.csv")])
def test_where_nobody_may_write_is_told_before_solving(study, capsys, command, out):
    code, printed, said = run(capsys, command, study, "--out", out, "--verbose")
    assert (code, printed, said.count("\n")) == (2, "", 1)
    assert said.startswith(f"edgeplan: error: --out: {out}: ")


def test_a_directory_does_not_hide_a_shipped_study(tmp_path, capsys, monkeypatch):
    name = shipped_studies()[0].stem
    (tmp_path / name).mkdir()
    (tmp_path / "plans").mkdir()
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "matrix", name)[0] == 0
    code, _, said = run(capsys, "matrix", "plans")
    assert (code, said) == (2, "edgeplan: error: plans: Is a directory\n")


def test_coverage_is_told_of_a_promise_only(study, capsys):
    assert "of demand within 40 ms" in run(capsys, "plan", study)[1]
    study.write_text(STUDY.replace("slo_ms = 40\ncoverage = 0.9\n", ""))
    code, printed, _ = run(capsys, "plan", study)
    assert code == 0
    assert "  coverage  " not in printed


def test_frontier(study, tmp_path, capsys):
    out = tmp_path / "front.csv"
    code, printed, _ = run(capsys, "frontier", study, "--points", "5", "--out", out)
    assert code == 0
    front = pd.read_csv(out)
    assert len(front) >= 2
    assert front["cost_usd_month"].is_monotonic_increasing
    assert front["promise_ms"].is_monotonic_decreasing
    assert set(front["termination"]) == {"optimal"}
    assert (front["gap"] <= 1e-4).all()
    assert front["complete"].all()
    assert len(printed.splitlines()) == 2 + len(front)
    code, printed, _ = run(capsys, "frontier", study, "--points", "5", "--json")
    assert [point["open"] for point in json.loads(printed)["points"]] == [
        row.split() for row in front["open"]
    ]


def test_a_front_that_was_cut_short_says_so_in_its_file(study, tmp_path, capsys, monkeypatch):
    out, solve = tmp_path / "front.csv", _Trace.cheapest_within
    asked = []

    def out_of_time(trace, slo_ms):
        asked.append(slo_ms)
        if len(asked) == 3:
            trace.deadline = Deadline.after(0.0)
        return solve(trace, slo_ms)

    monkeypatch.setattr(_Trace, "cheapest_within", out_of_time)
    code, _, said = run(capsys, "frontier", study, "--out", out)
    assert code == 0
    assert "stopped at a promise of" in said
    front = pd.read_csv(out)
    assert 2 <= len(front) <= 3
    assert not front["complete"].any()


def test_a_front_of_nothing_says_why(study, tmp_path, capsys):
    study.write_text(STUDY.replace("[latency]", "[latency]\nmax_ms = 1"))
    code, printed, _ = run(capsys, "frontier", study, "--out", tmp_path / "front.csv")
    assert code == 3
    assert "max_ms" in printed
    assert not (tmp_path / "front.csv").exists()


def test_explain(study, capsys):
    code, printed, _ = run(capsys, "explain", study)
    assert code == 0
    assert "dropping it saves" in printed
    code, printed, _ = run(capsys, "explain", study, "--json")
    document = json.loads(printed)
    assert document["plan"]["termination"] == "optimal"
    assert "coverage" in [price["rule"] for price in document["rule_prices"]]


def test_whatif(study, capsys):
    arguments = ("whatif", study, "--set", "latency.slo_ms=60", "--without", "eu-west-1", "--demand", "X2")
    code, printed, _ = run(capsys, *arguments)
    assert code == 0
    assert "against the base plan:" in printed
    code, printed, _ = run(capsys, *arguments, "--json")
    document = json.loads(printed)
    assert set(document) == {"base", "other", "difference"}
    assert "eu-west-1" not in document["other"]["open"]
    assert document["difference"]["cost_usd_month"] == pytest.approx(
        document["other"]["kpi"]["cost_usd_month"] - document["base"]["kpi"]["cost_usd_month"]
    )


def test_whatif_something_is_announced_and_prices_change(study, capsys):
    zone = "eu-central-1-xyz-1a,eu-central-1,PL,52.2,21.0"
    prices = ("--price", "egress_gb=X1.3", "--price", "instance_hour@eu-*=X2", "--demand", "X2")
    code, printed, _ = run(capsys, "whatif", study, "--announce", zone, *prices, "--json")
    assert code == 0
    document = json.loads(printed)
    said = document["other"]["notes"]
    assert any(note.startswith("eu-central-1-xyz-1a is announced (the study)") for note in said)
    assert any(note.startswith("supposed: egress_gb × 1.3 at") for note in said)
    assert "some supposed" in document["other"]["prices"]["as_of"]
    assert "supposed" not in json.dumps(document["base"])
    assert document["other"]["audit"] == []


def test_whatif_nothing_is_possible(study, capsys):
    code, printed, _ = run(capsys, "whatif", study, "--set", "budget.usd_per_month=1")
    assert code == 3
    assert "nothing to compare" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "latency.slo=60"], "--set, latency.slo: unknown key; did you mean 'slo_ms'?"),
        (
            ["--set", "workload.instance=m5.xlagre"],
            "--set, workload.instance: 'm5.xlagre' is not a known instance type; did you mean 'm5.xlarge'?",
        ),
        (["--demand", "-2"], "--demand: -2 is not a factor above 0 and up to 1e+06"),
        (
            ["--without", "eu-wset-1"],
            "--without: 'eu-wset-1' matches no known site; did you mean 'eu-west-1'?",
        ),
        (
            ["--announce", "eu-west-1"],
            "--announce: 'eu-west-1' is not of the form ID,PARENT,COUNTRY,LAT,LON",
        ),
        (
            ["--announce", "xyz,eu-wst-1,PL,52.2,21.0"],
            "--announce, parent: 'eu-wst-1' is not a known Region; did you mean 'eu-west-1'?",
        ),
        (
            ["--price", "egress_gb"],
            "--price: 'egress_gb' is not of the form ITEM=X1.3 or ITEM@SITES=X1.3",
        ),
        (["--price", "egress_gb@xx-*=2"], "--price, sites: 'xx-*' matches no candidate"),
        (
            ["--price", "egress_gb@xx-*=2", "--fail", "eu-west-1"],
            "--price, sites: 'xx-*' matches no candidate",
        ),
        (
            ["--set", "workload.instance=m5.xlagre", "--fail", "eu-west-1"],
            "{study}, workload.instance: 'm5.xlagre' is not a known instance type; did you mean 'm5.xlarge'?",
        ),
    ],
)
def test_whatif_that_is_not_possible_to_ask(study, capsys, arguments, message):
    code, printed, said = run(capsys, "whatif", study, *arguments)
    assert (code, printed, said) == (2, "", f"edgeplan: error: {message.format(study=study)}\n")


def test_matrix(study, tmp_path, capsys):
    code, printed, _ = run(capsys, "matrix", study)
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert len(rows) == 3 * 4
    assert {row["provenance"] for row in rows} <= {"measured", "modelled"}
    code, _, _ = run(capsys, "matrix", study, "--out", tmp_path / "matrix.csv")
    assert code == 0
    assert (tmp_path / "matrix.csv").read_text(encoding="utf-8") == printed


def test_matrix_with_samples_of_ones_own(study, tmp_path, capsys):
    rows = [
        dataclasses.replace(
            SAMPLE,
            vantage="berlin-1",
            vantage_country="DE",
            vantage_lat=52.5,
            vantage_lon=13.4,
            run_id=f"r{number}",
            sample=sample,
            started_at=f"2026-11-23T{number:02}:00:0{sample}.000000Z",
            rtt_ms=50.0 + sample * 2,
        )
        for number in range(20)
        for sample in range(2)
    ]
    put(tmp_path / "store", rows)
    code, printed, _ = run(capsys, "matrix", study, "--measurements", tmp_path / "store")
    assert code == 0
    (told,) = (
        row
        for row in csv.DictReader(io.StringIO(printed))
        if (row["client_id"], row["site_id"]) == ("berlin", "eu-west-1")
    )
    assert (told["vantage"], told["samples"], told["loss_ratio"]) == ("berlin-1", "40", "0")
    assert (told["jitter_ms"], told["jitter_between_ms"], told["widened_ms"]) == ("2", "0", "0")
    assert 0 < float(told["loss_upper"]) < 0.3
    assert 1 < float(told["effective_samples"]) <= 40


def test_catalog_show(capsys):
    code, printed, _ = run(capsys, "catalog", "show", "--kind", "local_zone")
    assert code == 0
    assert "us-west-2-lax-1a" in printed
    assert "\neu-south-2 " not in printed
    code, printed, _ = run(capsys, "catalog", "show", "--json")
    site = next(site for site in json.loads(printed)["sites"] if site["id"] == "us-west-2-lax-1a")
    assert site["instance_hour"]["estimated"]
    assert site["source"]
    assert site["as_of"]


@pytest.mark.parametrize(
    ("provider", "instance"), [("aws", "m5.xlarge"), ("gcp", "n2-standard-4"), ("azure", "Standard_D4s_v5")]
)
def test_catalog_show_prices_what_the_provider_has_and_says_how_old_it_is(capsys, provider, instance):
    code, printed, _ = run(capsys, "catalog", "show", "--provider", provider, "--kind", "region")
    assert code == 0
    assert f"{instance} USD/h" in printed
    with (ROOT / "data" / "providers" / provider / "prices.csv").open(encoding="utf-8") as file:
        prices = {row["source"]: row["as_of"] for row in csv.DictReader(file)}
    said = re.fullmatch(r"prices: data as of (\S+) to (\S+); from (.*)", printed.splitlines()[-1])
    assert said
    dates = {date for each in prices.values() for date in each.split("/")}
    assert said[1].partition("/")[0] in dates
    assert said[1] < said[2]
    assert set(said[3].partition(" and ")[0].split(", ")) <= set(prices)


def test_catalog_show_tells_which_prices_are_ones_own(capsys, tmp_path):
    code, printed, _ = run(capsys, "catalog", "show", "--prices")
    assert code == 0
    mine = tmp_path / "mine.csv"
    mine.write_text(printed, "utf-8")
    _, printed, _ = run(capsys, "catalog", "show", "--own", str(mine))
    assert "*0" not in printed  # as it stands, the file says what is listed
    head = "category,site,item,unit,price,currency,source,as_of\n"
    mine.write_text(head + "instance_hour,eu-west-1,m5.xlarge,hour,0.1234,USD,contract,2026-10-01\n", "utf-8")
    _, printed, _ = run(capsys, "catalog", "show", "--own", str(mine))
    assert [line.split()[0] for line in printed.splitlines() if "*0.1234" in line] == ["eu-west-1"]
    _, printed, _ = run(capsys, "catalog", "show", "--json", "--own", str(mine))
    (own,) = json.loads(printed)["own"]
    assert (own["site"], own["usd"], own["source"]) == ("eu-west-1", 0.1234, "mine.csv: contract")
    code, printed, said = run(capsys, "catalog", "show", "--own", str(tmp_path / "none.csv"))
    assert (code, printed) == (2, "")
    assert "none.csv: No such file" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["catalog", "show", "--kind", "regoin"], "--kind: 'regoin' is not one of"),
        (["catalog", "show", "--provider", "was"], "--provider: 'was' is not a known provider; did you mean"),
        (["catalog", "show", "--provider", "was", "--prices"], "--provider: 'was' is not a known provider;"),
        (["targets", "--provider", "was"], "--provider: 'was' is not a known provider; did you mean 'aws'?"),
        (["catalog", "show", "--instance", "m5.xlagre"], "did you mean 'm5.xlarge'?"),
        (["targets", "--vantage", "home"], "--country: is required with any of"),
        (
            ["targets", "--vantage", "home", "--country", "UK", "--lat", "51", "--lon", "0"],
            "--country: 'UK' is not a known ISO 3166 country code; did you mean 'GB'?",
        ),
        (
            ["targets", "--vantage", "home", "--country", "GB", "--lat", "91", "--lon", "0"],
            "--lat: 91 is out of range (from -90 up to 90)",
        ),
        (
            ["targets", "--vantage", "home", "--country", "GB", "--lat", "nan", "--lon", "0"],
            "--lat: nan is out of range (from -90 up to 90)",
        ),
    ],
)
def test_bad_arguments(capsys, arguments, said):
    code, printed, complaint = run(capsys, *arguments)
    assert (code, printed, complaint.count("\n")) == (2, "", 1)
    assert said in complaint


def test_targets_are_a_configuration_an_agent_runs_with(capsys, tmp_path):
    place = ("--vantage", "london-1", "--country", "GB", "--lat", "51.5", "--lon", "-0.1")
    code, printed, said = run(capsys, "targets", "--kind", "region", *place)
    assert (code, said) == (0, "")
    settings = parse_settings(printed, tmp_path / "probes.toml")
    assert (settings.vantage, settings.country, settings.lat, settings.lon) == ("london-1", "GB", 51.5, -0.1)
    assert "eu-west-2" in {target.site for target in settings.targets}
    code, printed, _ = run(capsys, "targets", "--kind", "region", *place, "--json")
    assert len(json.loads(printed)["targets"]) == len(settings.targets)


def test_targets_of_an_agent_that_stands_nowhere_yet(capsys, tmp_path):
    code, printed, said = run(capsys, "targets")
    assert code == 0
    assert "say where the agent stands" in said
    with pytest.raises(ValueError, match="country"):
        parse_settings(printed, tmp_path / "probes.toml")


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan"],
        ["plna", "x.toml"],
        ["plan", "x.toml", "--ot", "y"],
        ["plan", "x.toml", "--time-limit", "0"],
        ["frontier", "x.toml", "--points", "1"],
        ["whatif", "x.toml", "--set", "latency.slo_ms"],
        ["whatif", "x.toml", "--demand", "much"],
        [],
    ],
)
def test_usage(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out) == (2, "")
    assert "usage: edgeplan" in printed.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plna", "x.toml"], "did you mean 'plan'?"),
        (["whtaif", "x.toml"], "did you mean 'whatif'?"),
        (["catalog", "shwo"], "did you mean 'show'?"),
        (
            ["whatif", "x.toml", "--fial=a"],
            "edgeplan whatif: error: unrecognized arguments: --fial=a; did you",
        ),
        (["whatif", "x.toml", "--fial", "a"], "--fial a; did you mean '--fail'?"),
        (["check", "x", "--measurements", "y", "--out-promtheus", "z"], "did you mean '--out-prometheus'?"),
        (["--verison", "catalog", "show"], "did you mean '--version'?"),
        (["plan", "x.toml", "y.toml"], "unrecognized arguments: y.toml\n"),
        (["xyzzy"], "'xyzzy' is none of plan, frontier,"),
    ],
)
def test_a_misspelt_word_names_the_nearest(capsys, arguments, said):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out) == (2, "")
    assert said in printed.err
    assert printed.err.count("error:") == 1
    assert ("did you mean" in printed.err) is (arguments[0] != "xyzzy" and "y.toml" not in arguments)


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys, planner.cli\n"
        "try: planner.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'scipy', 'pandas', 'duckdb', 'streamlit'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_catalog_needs_no_solver():
    code = "import sys, planner.catalog_commands; print('scipy' in sys.modules, 'duckdb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_a_reader_that_goes_away_is_no_error():
    # Far more than a pipe holds, so that the writer meets the closed end.
    command = f"{sys.executable} -m planner catalog show --json | head -c 10"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ('{\n  "provi', "")
    assert done.returncode == 141


def test_an_interrupt_is_quiet(tmp_path):
    # A study read from a pipe that nobody writes to: the command waits until it is interrupted.
    os.mkfifo(tmp_path / "study.toml")
    process = subprocess.Popen(
        [sys.executable, "-m", "planner", "plan", str(tmp_path / "study.toml")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with (tmp_path / "study.toml").open("wb"):  # opens once the command has begun to read
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed) == (130, b"")
    assert re.fullmatch(rb"edgeplan: stopped before a plan was found, after \d+\.\d s\n", said)


def test_a_locale_without_letters(tmp_path):
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = edgeplan("catalog", "show", "--kind", "local_zone", env=environment)
    assert done.returncode == 0
    assert "México (Querétaro)" in done.stdout


def test_the_page_opens_on_this_machine_only(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "planner", "ui", "--server.headless", "true", f"--server.port={port}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,  # far from the configuration file of the checkout
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        # Any other address of the loopback network would answer if it listened on all of them.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=1)
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.parametrize("command", ["plan", "frontier", "explain", "whatif"])
def test_the_time_limit_is_for_the_whole_command(study, capsys, command):
    started = time.monotonic()
    code, printed, said = run(capsys, command, study, "--time-limit", "20", "--json")
    assert (code, said) == (0, "")
    assert json.loads(printed)
    assert time.monotonic() - started < 20
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "seconds for all that the command solves" in " ".join(capsys.readouterr().out.split())


def test_a_front_says_whether_it_is_whole(study, capsys):
    code, printed, said = run(capsys, "frontier", study, "--points", "4", "--json")
    assert (code, json.loads(printed)["complete"], said) == (0, True, "")
    code, printed, said = run(capsys, "frontier", study, "--points", "9", "--json", "--time-limit", "1e-6")
    assert not json.loads(printed)["complete"]
    assert said.startswith("edgeplan: ")
