"""``edgeplan check`` on a store and a plan in small: what it finds, says and exits with."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import shutil

import pytest
from prometheus_client.parser import text_string_to_metric_families

from planner.cli import main
from planner.datadir import data_dir
from planner.drift.prometheus import METRICS
from tests.planner.drift import scene

KEYS = ("site_id", "parent", "site", "network_border_group")
SERVING, ELSEWHERE = ("berlin-1", "eu-north-1"), ("berlin-1", "eu-central-1")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The study, what was measured before the plan, and the plan."""
    here = tmp_path_factory.mktemp("drift")
    made = scene.now()
    first = scene.start(made)
    known = scene.rounds(first, scene.KNOWN)
    store = scene.as_file(here / "known.jsonl", known)
    study = scene.study(here)
    assert main(["plan", str(study), "--measurements", str(store), "--out", str(here / "plan")]) == 0
    return here, first, known


@pytest.fixture
def check(world, tmp_path, capsys):
    """Check the plan after some more rounds: the exit code and the document."""
    here, first, known = world

    def run(count=30, *arguments, seed=2, **changes):
        later = scene.rounds(first, count, skip=scene.KNOWN + 1, seed=seed, **changes)
        store = scene.as_file(tmp_path / "store.jsonl", known, later)
        plan = arguments[0] if arguments else here / "plan"
        code = main(["check", str(plan), "--measurements", str(store), "--json", *map(str, arguments[1:])])
        printed = capsys.readouterr()
        assert not printed.err
        return code, json.loads(printed.out)

    return run


@pytest.fixture(scope="module")
def stepped(world):
    """A step of 15 % on the way from Berlin to Stockholm: exit code, document, and file of metrics."""
    here, first, known = world
    later = scene.rounds(first, 30, skip=scene.KNOWN + 1, factors={SERVING: 1.15})
    store = scene.as_file(here / "stepped.jsonl", known, later)
    metrics = here / "edgeplan.prom"
    arguments = ["--measurements", str(store), "--json", "--out-prometheus", str(metrics)]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = main(["check", str(here / "plan"), *arguments])
    return code, json.loads(printed.getvalue()), metrics


def test_a_plan_stays_right_while_nothing_changes(check):
    code, found = check()
    assert (code, found["right"], found["reasons"]) == (0, True, {})
    assert (found["changes"], found["better"], found["prices"]) == ([], [], [])
    assert found["pairs"] == found["judged"] == 6
    assert found["regret"]["regret"] == 0.0
    assert found["coverage"]["estimate"] == found["coverage"]["planned"] == 1.0
    assert found["coverage"]["measured"] == 1.0


def test_what_the_plan_was_made_from_outlasts_its_samples(world, tmp_path, capsys):
    """The store keeps what was measured since alone; the plan says of each pair what it knew."""
    here, first, _ = world
    later = scene.rounds(first, 30, skip=scene.KNOWN + 1, seed=2)
    store = scene.as_file(tmp_path / "store.jsonl", later)
    arguments = ["--measurements", str(store), "--json"]
    assert main(["check", str(here / "plan"), *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["pairs"], found["judged"], found["changes"]) == (6, 0, [])
    # As new pairs they would be planned with anew, and by noise another plan be better or worse.
    assert found["regret"]["regret"] == 0.0
    slower = scene.rounds(first, 30, skip=scene.KNOWN + 1, seed=2, factors={SERVING: 1.4})
    scene.as_file(store, slower)
    assert main(["check", str(here / "plan"), *arguments]) == 4
    found = json.loads(capsys.readouterr().out)
    assert "1 pair of these cannot be what was planned with" in " ".join(found["notes"])


def test_only_so_much_from_before_the_plan_is_compared_with(check, world):
    """Of three days of a reference two are left: too few of each hour. What was planned with stands. A plan
    that does not say what it was made from needs all of them."""
    here = world[0]
    code, found = check(30, here / "plan", "--reference", "2d")
    assert (code, found["judged"], found["regret"]["regret"]) == (0, 0, 0.0)
    shutil.copytree(here / "plan", here / "older")
    (here / "older" / "measured.csv").unlink()
    edit(here / "older", lambda plan: plan["files"].pop("measured.csv"))
    code, found = check(30, here / "older", "--reference", "2d")
    assert (code, found["judged"], found["regret"]["regret"]) == (0, 6, 0.0)


@pytest.mark.parametrize(("span", "words"), [("soon", "is no span of time"), ("3h", "is less than a day")])
def test_a_reference_that_is_none(world, capsys, span, words):
    said = fault(capsys, world[0] / "plan", "--measurements", "x", "--reference", span)
    assert said.startswith("--reference: ")
    assert words in said


def test_a_step_of_15_percent_where_it_matters(stepped):
    code, found, _ = stepped
    assert code == 4
    (change,) = found["changes"]
    assert (change["vantage"], change["site"]) == SERVING
    assert change["before_ms"] == pytest.approx(20.7, abs=0.5)  # the p95 of 20 ms with 2 % of noise
    assert change["after_ms"] == pytest.approx(1.15 * change["before_ms"], rel=0.02)
    # Berlin, three fifths of demand, is beyond the SLO.
    assert found["coverage"]["upper"] == found["coverage"]["at_most"] == pytest.approx(0.4)
    assert set(found["reasons"]) == {"coverage"}
    assert found["regret"]["broken"] == ["coverage"]
    assert found["regret"]["opened"] == ["eu-central-1"]
    assert found["regret"]["closed"] == ["eu-north-1"]
    assert "open eu-central-1 and close eu-north-1" in found["advice"]


def test_a_step_where_nobody_is_served_is_told_and_changes_nothing(check):
    code, found = check(factors={ELSEWHERE: 1.15})
    assert (code, found["reasons"]) == (0, {})
    assert [(change["vantage"], change["site"]) for change in found["changes"]] == [ELSEWHERE]
    assert "1 pair changed" in found["advice"]


def test_a_candidate_that_became_faster_is_told_for_whom(check):
    code, found = check(factors={ELSEWHERE: 0.7, ("dublin-1", "eu-north-1"): 0.9})
    assert code == 0
    (better,) = found["better"]
    assert (better["site"], better["clients"]) == ("eu-central-1", ["berlin"])
    assert better["share"] == pytest.approx(0.6)
    assert better["saves_ms"] == pytest.approx(20.7 - 0.7 * 21.2, abs=0.8)


def test_a_site_that_answers_no_more(check):
    code, found = check(10, factors={SERVING: None})
    assert (code, set(found["reasons"])) == (4, {"coverage", "unreachable"})
    assert found["unreachable"] == {"eu-north-1": pytest.approx(0.6)}
    assert found["changes"][0]["after_ms"] is None


def test_since_when_a_change_is(world, stepped):
    due = world[1] + (scene.KNOWN + 1) * scene.EVERY
    since = stepped[1]["changes"][0]["since"]
    assert f"{due:%Y-%m-%dT%H:%M:%SZ}" <= since <= f"{due + 2 * scene.EVERY:%Y-%m-%dT%H:%M:%SZ}"


def test_the_timeline_is_the_promise_beside_what_was_measured(stepped):
    line = stepped[1]["timeline"]
    assert (line["hours"], line["demand"]) == (1, 1.0)
    assert line["planned_ms"] == pytest.approx(20.7, abs=0.5)
    before, after = line["moments"][:40], line["moments"][-6:]
    assert all(moment["reached_ms"] < 22 and moment["within"] == 1.0 for moment in before)
    assert all(moment["reached_ms"] > 22 and moment["within"] == pytest.approx(0.4) for moment in after)
    for moment in line["moments"]:
        upper = math.inf if moment["upper_ms"] is None else moment["upper_ms"]
        assert moment["lower_ms"] <= moment["reached_ms"] <= upper


def own_catalog(directory, monkeypatch, change):
    """The shipped catalog of AWS with every row changed, or left out where that gives None."""
    shutil.copytree(data_dir() / "providers" / "aws", directory / "aws")
    for file in (directory / "aws").glob("*.csv"):
        with file.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            columns, rows = reader.fieldnames, [change(file.name, row) for row in reader]
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, columns)
            writer.writeheader()
            writer.writerows(row for row in rows if row is not None)
    monkeypatch.setenv("EDGEPLAN_CATALOG", str(directory))


def test_prices_that_moved_are_counted_again_at_todays(check, world, tmp_path, monkeypatch):
    def twice(name, row):
        if name == "prices.csv" and (row["site"], row["item"]) == ("eu-north-1", "m5.xlarge"):
            row["price"] = str(2 * float(row["price"]))
        return row

    own_catalog(tmp_path / "own", monkeypatch, twice)
    code, found = check()
    (moved,) = found["prices"]
    assert (moved["site"], moved["item"]) == ("eu-north-1", "compute")
    assert moved["is_usd"] == pytest.approx(2 * moved["was_usd"])
    planned = json.loads((world[0] / "plan" / "plan.json").read_text())
    more = moved["is_usd"] - moved["was_usd"]
    assert found["regret"]["cost_usd_month"] == pytest.approx(planned["kpi"]["cost_usd_month"] + more)
    # Frankfurt is cheaper now: the plan costs more than it need by what is above its own bill.
    best = found["regret"]["best"]
    assert found["regret"]["regret"] == pytest.approx(
        found["regret"]["cost_usd_month"] / best["kpi"]["cost_usd_month"] - 1
    )
    assert best["open"] == ["eu-central-1", "eu-west-1"]
    assert (code, set(found["reasons"])) == (4, {"regret"})
    assert any("prices.csv" in note for note in found["notes"])
    assert check(30, world[0] / "plan", "--threshold", "50%")[0] == 0


@pytest.mark.parametrize("how", ["left out", "legacy"])
def test_a_site_gone_from_the_catalog(check, tmp_path, monkeypatch, how):
    def retire(name, row):
        ours = "eu-north-1" in {row.get(key) for key in KEYS}
        if ours and how == "left out":
            return None
        return row | {"status": "legacy"} if ours and name == "sites.csv" else row

    own_catalog(tmp_path / "own", monkeypatch, retire)
    code, found = check()
    if how == "legacy":  # the study names it, so it may be planned with all the same
        assert (code, found["gone"]) == (0, {})
        return
    # Who was served there is served from nowhere.
    assert (code, set(found["reasons"])) == (4, {"gone", "coverage"})
    assert found["gone"] == {"eu-north-1": "stands in the catalog no more"}
    assert found["regret"]["regret"] is None
    assert found["regret"]["best"]["open"] == ["eu-central-1", "eu-west-1"]


def fault(capsys, *arguments):
    code = main(["check", *map(str, arguments)])
    printed = capsys.readouterr()
    assert (code, printed.out, printed.err.count("\n")) == (2, "", 1)
    return printed.err.removeprefix("edgeplan: error: ").rstrip("\n")


DAMAGED = {
    "missing plan": (lambda d: (d / "plan.json").unlink(), "plan.json: No such file or directory"),
    "missing rows": (lambda d: (d / "assignments.csv").unlink(), "assignments.csv: No such file"),
    "no JSON": (lambda d: (d / "plan.json").write_text("{"), "plan.json: is damaged: Expecting"),
    "no plan": (lambda d: (d / "plan.json").write_text("[]"), "plan.json: is no plan of edgeplan's"),
    "what was measured": (
        lambda d: (d / "measured.csv").write_text("x"),
        "measured.csv: is not the file that plan.json was written with",
    ),
    "another plan's rows": (
        lambda d: (d / "placements.csv").write_text((d / "placements.csv").read_text() + "\n"),
        "placements.csv: is not the file that plan.json was written with",
    ),
    "key": (
        lambda d: edit(d, lambda plan: plan.pop("open")),
        "plan.json: is no plan of edgeplan's: has no 'open'",
    ),
    "a site less": (
        lambda d: edit(d, lambda plan: plan["open"].remove("eu-west-1")),
        "plan.json, open: 'eu-west-1' is open here or in placements.csv, and not in both",
    ),
    "a site more": (
        lambda d: edit(d, lambda plan: plan["open"].append("eu-central-1")),
        "plan.json, open: 'eu-central-1' is open here or in placements.csv, and not in both",
    ),
    "time": (
        lambda d: edit(d, lambda plan: plan["made"].update(at="2026-01-01T00:00:00")),
        "plan.json, made.at: 2026-01-01T00:00:00 says no time zone",
    ),
    "study": (
        lambda d: edit(d, lambda plan: plan["made"]["study"]["latency"].update(slo_m=3)),
        "made.study, latency.slo_m: unknown key; did you mean 'slo_ms'?",
    ),
    "nothing decided": (
        lambda d: edit(d, lambda plan: plan.update(kpi=None)),
        "plan.json: decided nothing, so there is nothing to check",
    ),
}


def edit(directory, change):
    document = json.loads((directory / "plan.json").read_text())
    change(document)
    (directory / "plan.json").write_text(json.dumps(document))


@pytest.mark.parametrize("what", DAMAGED)
def test_a_plan_that_cannot_be_read(world, tmp_path, capsys, what):
    directory = tmp_path / "plan"
    shutil.copytree(world[0] / "plan", directory)
    harm, words = DAMAGED[what]
    harm(directory)
    said = fault(capsys, directory, "--measurements", world[0] / "known.jsonl")
    assert said.startswith(str(directory))
    assert words in said


def test_another_demand_is_not_the_plans(world, tmp_path, capsys):
    shutil.copytree(world[0] / "plan", tmp_path / "plan")
    study = scene.study(tmp_path)
    (tmp_path / "clients.csv").write_text(scene.CLIENTS + "paris,FR,48.9,2.3,1\n")
    later = scene.rounds(world[1], 2, skip=scene.KNOWN + 1)
    store = scene.as_file(tmp_path / "store.jsonl", later)
    said = fault(capsys, tmp_path / "plan", "--measurements", store, "--study", study)
    assert "'paris' is a client that the plan does not serve" in said


def test_nothing_measured_lately_is_no_answer(world, capsys):
    said = fault(capsys, world[0] / "plan", "--measurements", world[0] / "known.jsonl")
    assert "holds no measurement since" in said
    assert said.endswith("do the agents run?")


@pytest.mark.parametrize(
    ("since", "words"), [("soon", "is neither a span"), ("2999-01-01", "is yet to come")]
)
def test_a_window_that_is_none(world, capsys, since, words):
    said = fault(capsys, world[0] / "plan", "--measurements", "x", "--since", since)
    assert said.startswith("--since: ")
    assert words in said


def test_metrics_are_prometheus_own(stepped):
    _, found, file = stepped
    families = {family.name: family for family in text_string_to_metric_families(file.read_text())}
    assert families.keys() <= METRICS.keys()
    assert METRICS.keys() - families.keys() == {"edgeplan_check_regret_ratio"}  # none: the plan breaks a rule
    assert all(family.type == "gauge" for family in families.values())
    value = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    plan = ("plan", "shop")
    assert value["edgeplan_check_right", plan] == 0
    assert value["edgeplan_check_reason", plan, ("reason", "coverage")] == 1
    assert value["edgeplan_check_pairs_changed", plan] == 1
    assert value["edgeplan_check_coverage_ratio", ("figure", "estimate"), plan] == pytest.approx(0.4)
    assert value["edgeplan_check_site_up", plan, ("site", "eu-west-1")] == 1
    assert value["edgeplan_check_cost_usd_per_month", plan, ("which", "best")] == pytest.approx(
        found["regret"]["best"]["kpi"]["cost_usd_month"]
    )
    assert file.stat().st_mode & 0o777 == 0o644


def test_metrics_go_nowhere_they_cannot(world, tmp_path, capsys):
    said = fault(
        capsys, world[0] / "plan", "--measurements", "x", "--out-prometheus", tmp_path / "no" / "x.prom"
    )
    assert said.startswith("--out-prometheus: ")


@pytest.mark.parametrize("name", ["edgeplan", "edgeplan.txt", "edgeplan.prom.txt"])
def test_metrics_that_nobody_would_read_are_refused(world, tmp_path, capsys, name):
    file = tmp_path / name
    said = fault(capsys, world[0] / "plan", "--measurements", "x", "--out-prometheus", file)
    assert said.startswith(f"--out-prometheus: {file}: node_exporter reads no file whose name does not end")
    assert not file.exists()


def test_what_a_person_reads(world, stepped, capsys):
    """Given plan.json itself, the same as for its directory."""
    store = stepped[2].with_name("stepped.jsonl")
    assert main(["check", str(world[0] / "plan" / "plan.json"), "--measurements", str(store)]) == 4
    printed = capsys.readouterr().out
    assert printed.startswith("shop: no longer right (coverage)\n")
    assert "40.0% of demand within 22 ms now" in printed
    assert "berlin-1  eu-north-1" in printed
    assert printed.rstrip().splitlines()[-1].startswith("Plan again with these measurements")


def test_from_the_agents_inbox_to_the_exit_code(tmp_path, capsys):
    """A plan from a store's inbox as agents fill it; what comes after is put there by the same writer."""
    made = scene.now()
    first = scene.start(made)
    study = scene.study(tmp_path)
    known = scene.rounds(first + 150 * scene.EVERY, scene.KNOWN - 150)
    store = scene.as_inbox(tmp_path / "store", known)
    assert main(["plan", str(study), "--measurements", str(store), "--out", str(tmp_path / "plan")]) == 0
    scene.as_inbox(store, scene.rounds(first, 12, skip=scene.KNOWN + 1, factors={SERVING: None}))
    capsys.readouterr()
    assert main(["check", str(tmp_path / "plan"), "--measurements", str(store), "--since", "7d"]) == 4
    assert "eu-north-1 does not answer the vantages of 60.0 % of demand any more" in capsys.readouterr().out
