"""The pairs worth measuring: those that could change the plan, and no others."""

import json
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from benchmarks.survey import worth
from planner.cli import main
from planner.decide import decide
from planner.inputs import load_inputs
from planner.latency.draws import errors_of
from planner.latency.matrix import MEASURED
from planner.solver.nearby import best_near
from planner.study import parse_study
from planner.survey import SEED, survey
from planner.survey_agents import configurations, known_targets
from planner.survey_draws import Draws
from probes.settings import load_settings
from tests.planner.four_cities import CLIENTS
from tests.planner.store.inbox_writing import SAMPLE, put

STUDY = """
name = "tiny"
[demand]
csv = "clients.csv"
peak_rps = 2000
requests_per_month = 1.0e8
[candidates]
provider = "aws"
include = ["eu-central-1", "eu-west-3", "eu-south-2", "us-west-2"]
[latency]
statistic = "p50"
"""
COST = STUDY + "slo_ms = 30\ncoverage = 0.9\n"
MEAN = STUDY + '[objective]\nminimize = "mean_latency"\n[limits]\nmax_sites = 2\n'
DEAR = STUDY.replace("peak_rps = 2000", "peak_rps = 100") + "slo_ms = 25\ncoverage = 1.0\n"
MAX = MEAN.replace("mean_latency", "max_latency")


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "clients.csv").write_text(CLIENTS)

    def ask(text):
        study = parse_study(text, name="tiny", directory=tmp_path)
        inputs = load_inputs(study)
        return study, inputs, decide(study, inputs)

    return ask


def known(inputs, pairs):
    """The same with some pairs measured, exactly at their estimates."""
    matrix = inputs.matrix
    low, high, provenance = matrix.lower_ms.copy(), matrix.upper_ms.copy(), matrix.provenance.copy()
    vantage = matrix.vantage.copy()
    for i, j in pairs:
        low[i, j] = high[i, j] = matrix.estimate_ms[i, j]
        provenance[i, j], vantage[i, j] = MEASURED, 0
    return replace(
        inputs,
        matrix=replace(
            matrix, lower_ms=low, upper_ms=high, provenance=provenance, vantage=vantage,
            vantages=matrix.vantages or ("v",),
        ),
    )  # fmt: skip


def test_what_no_limit_hangs_on_is_not_asked(asked):
    study, inputs, plan = asked(COST)
    found = survey(study, inputs, plan, draws=4)
    assert found.draws == 4
    assert found.exact == 4 - found.short  # a few pairs are decided to the end, if they can be
    assert found.pairs
    # Nobody in Europe is within 30 ms of Oregon, whatever is drawn: light takes longer.
    assert all(each.site_id != "us-west-2" for each in found.pairs)
    assert all(0.0 < each.in_time < 1.0 for each in found.pairs)
    order = [(each.gain, each.score) for each in found.pairs]
    assert order == sorted(order, reverse=True)
    assert {each.place for each in found.pairs} <= {"berlin", "paris", "warsaw", "madrid"}
    berlin = [each for each in found.pairs if each.place == "berlin"]
    assert all(each.share == pytest.approx(0.4) for each in berlin)


def test_what_is_known_is_not_asked_again(asked):
    for text in (COST, MEAN):
        study, inputs, plan = asked(text)
        m, n = inputs.matrix.estimate_ms.shape
        everything = known(inputs, [(i, j) for i in range(m) for j in range(n)])
        found = survey(study, everything, plan, draws=2)
        assert found.pairs == ()
        assert found.changed == 0.0
        first = survey(study, inputs, plan, draws=2).pairs[0]
        i = inputs.matrix.client_ids.index(first.place)
        j = inputs.matrix.site_ids.index(first.site_id)
        again = survey(study, known(inputs, [(i, j)]), plan, draws=2)
        assert (first.place, first.site_id) not in {(each.place, each.site_id) for each in again.pairs}


def test_gains_are_parts_of_what_knowing_is_worth(asked):
    """Judged by trying every two sites on each draw: everybody at the nearer one."""
    study, inputs, plan = asked(MEAN)
    found = survey(study, inputs, plan, draws=6)
    m, n = inputs.matrix.estimate_ms.shape
    share = inputs.demand.weight / inputs.demand.weight.sum()
    every = np.repeat(np.arange(m), n), np.tile(np.arange(n), m)
    errors = errors_of(inputs.matrix, inputs.demand, inputs.sites, *every)
    ours = [inputs.matrix.site_ids.index(each.site_id) for each in plan.assignments]
    regrets, others = [], 0
    for number in range(6):
        latency = errors.draw(SEED, number).reshape(m, n)
        best, sites = min(
            (float(share @ latency[:, two].min(axis=1)), two) for two in combinations(range(n), 2)
        )
        regrets.append(float(share @ latency[np.arange(m), ours]) - best)
        others += {inputs.matrix.site_ids[j] for j in sites} != set(plan.open)
    assert found.unit == "ms"
    assert found.regret == pytest.approx(np.mean(regrets), rel=1e-3)
    assert found.changed == pytest.approx(others / 6)
    assert found.saved == pytest.approx(found.regret)
    assert found.spared == 0.0
    gains = [each.gain for each in found.pairs]
    assert sum(gains) == pytest.approx(found.regret, rel=0.01)
    assert all(each.in_time is None for each in found.pairs)


def all_known(inputs):
    return known(inputs, product(*map(range, inputs.matrix.estimate_ms.shape)))


def test_where_all_is_known_a_dear_promise_is_not_sold(asked, tmp_path):
    """One in a hundred costs a site more: to give that up is cheaper, and no latency says so."""
    (tmp_path / "clients.csv").write_text(CLIENTS.replace("-3.7,1", "-3.7,0.1"))
    study, inputs, plan = asked(DEAR)
    inputs = all_known(inputs)
    drawn = Draws(study, inputs, plan, SEED)
    sold = best_near(drawn.known(0), [drawn.open])
    assert sold.missed > 0.0
    assert sold.value < 0.9 * plan.objective
    drawn._exactly = lambda known, time_limit_s: None  # as where there are more pairs
    found = drawn.learnt(0, None)
    assert (found.regret, found.saved, found.spared, found.missed) == (0.0, 0.0, 0.0, 0.0)
    assert (found.open == drawn.open).all()
    told = survey(study, inputs, plan, draws=1)
    assert (told.regret, told.changed, told.pairs) == (0.0, 0.0, ())
    # Nor is more of it given up for money in any draw than the plan gives up itself.
    drawn = Draws(study, load_inputs(study), plan, SEED)
    drawn._exactly = lambda known, time_limit_s: None
    assert all(drawn.learnt(number, None).spared >= 0.0 for number in range(8))


@pytest.mark.parametrize("least", ["mean_latency", "max_latency"])
def test_a_plan_that_was_not_the_best_is_no_worth_of_knowing(asked, least):
    study, inputs, best = asked(MEAN.replace("mean_latency", least))
    factor = np.array([3.0, 1.0, 1.0, 1.0])  # Frankfurt was far away when it was decided
    then = replace(inputs, matrix=replace(inputs.matrix, estimate_ms=inputs.matrix.estimate_ms * factor))
    plan = decide(study, then)
    assert set(plan.open) != set(best.open)
    found = survey(study, all_known(inputs), plan, draws=1)
    assert (found.regret, found.changed, found.pairs) == (0.0, 0.0, ())


@pytest.mark.parametrize("text", [COST, COST.replace("slo_ms = 30", "slo_ms = 20"), DEAR, MAX])
def test_gains_add_up_whatever_is_asked(asked, text):
    study, inputs, plan = asked(text)
    found = survey(study, inputs, plan, draws=12)
    assert found.regret > 0.0
    assert sum(each.gain for each in found.pairs) == pytest.approx(found.regret, rel=0.01)


def test_who_is_in_time_after_all_and_lets_another_be_late_is_to_blame(asked):
    """Eight in ten within 15 ms take Madrid's site, as Warsaw is late; with Warsaw in time they do not."""
    text = DEAR.replace("slo_ms = 25", "slo_ms = 15").replace("coverage = 1.0", "coverage = 0.8")
    study, inputs, plan = asked(text)
    assert plan.open == ("eu-central-1", "eu-south-2")
    drawn = Draws(study, inputs, plan, SEED)
    truth, still = inputs.matrix.estimate_ms.copy(), np.zeros(inputs.matrix.estimate_ms.size)
    truth[2, inputs.matrix.site_ids.index("eu-central-1")] = 14.0
    drawn._errors = replace(drawn._errors, centre_ms=truth.ravel(), floor_ms=still, up=still, down=still)
    found = drawn.learnt(0, None)
    assert found.open.sum() == 1
    assert found.regret > 0.0
    assert found.blame[2, inputs.matrix.site_ids.index("eu-central-1")] == pytest.approx(1.0)


def test_a_draw_without_a_plan_says_what_to_measure_all_the_same(asked):
    """Nine in ten within 20 ms: the estimates just allow it, and not every draw does."""
    study, inputs, plan = asked(COST.replace("slo_ms = 30", "slo_ms = 20"))
    assert plan.kpi is not None
    found = survey(study, inputs, plan, draws=8)
    kept = 0
    m, n = inputs.matrix.estimate_ms.shape
    every = np.repeat(np.arange(m), n), np.tile(np.arange(n), m)
    errors = errors_of(inputs.matrix, inputs.demand, inputs.sites, *every)
    share = inputs.demand.weight / inputs.demand.weight.sum()
    for number in range(8):
        near = (errors.draw(SEED, number).reshape(m, n) <= 20.0).any(axis=1)
        kept += float(share[near].sum()) >= 0.9
    assert (found.draws, found.exact, found.short) == (8, kept, 8 - kept)
    assert found.short > 0
    assert found.spared > 0.0
    assert found.pairs[0].gain > 0.0


@pytest.mark.parametrize("least", ["mean_latency", "max_latency"])
def test_a_draw_that_is_lost_is_a_retry_late(asked, tmp_path, least):
    """4.5 % of the probes are lost: the 95th percentile is not, and among its draws some are."""
    rng, rows = np.random.default_rng(0), []
    for run, (site, rtt) in product(range(60), (("eu-central-1", 12.0), ("eu-west-3", 25.0))):
        for number in range(5):
            gone = (5 * run + number) % 22 == 0
            rows.append(
                replace(
                    SAMPLE, site=site, run_id=f"b{run:02}", sample=number, vantage="berlin-1",
                    vantage_country="DE", vantage_lat=52.5, vantage_lon=13.4,
                    started_at=f"2026-11-2{run // 24}T{run % 24:02}:00:0{number}.000000Z",
                    rtt_ms=None if gone else rtt * float(np.exp(0.05 * rng.normal())),
                    failure="connect_timeout" if gone else None,
                )
            )  # fmt: skip
    put(tmp_path, rows, "b00", "berlin-1", "2026-11-20")
    text = MEAN.replace('"p50"', '"p95"').replace("mean_latency", least)
    study, _, _ = asked(text)
    inputs = load_inputs(study, (str(tmp_path),))
    plan = decide(study, inputs)
    drawn = Draws(study, inputs, plan, SEED)
    berlin, errors = 0, drawn._errors
    shape = inputs.matrix.estimate_ms.shape
    lost = np.array([np.isinf(errors.draw(SEED, number).reshape(shape)[berlin]) for number in range(8)])
    assert lost.any()
    taken = np.array([drawn.known(number).problem.latency_ms[berlin] for number in range(8)])
    assert np.isfinite(taken).all()
    assert (taken[lost] > 1000.0 + 12.0).all()
    assert (taken[~lost] < 1000.0).all()
    found = survey(study, inputs, plan, draws=8)
    assert 0.0 < found.regret < 1000.0
    assert found.pairs[0].place == "berlin"
    assert found.pairs[0].gain > 0.0


def test_the_benchmark_judges_at_the_price_that_the_survey_asks(asked):
    """A truth in which nobody is in time: nine parts in ten are missed, as the survey charges them."""
    study, inputs, plan = asked(COST)
    late = replace(inputs, matrix=replace(inputs.matrix, estimate_ms=inputs.matrix.estimate_ms + 100.0))
    drawn = Draws(study, late, plan, SEED)
    charged = drawn.taken_for.judged(drawn.open, drawn.assignment).value
    assert worth(study, plan, late) == pytest.approx(charged)
    assert worth(study, plan, late, 1.0) == pytest.approx(plan.kpi.cost_usd_month * 1.9)


def test_the_same_again(asked):
    study, inputs, plan = asked(MEAN)
    once, again = (survey(study, inputs, plan, draws=2) for _ in range(2))
    assert once == again


def test_the_command_writes_what_agents_read(tmp_path, capsys):
    (tmp_path / "clients.csv").write_text(CLIENTS)
    file = tmp_path / "tiny.toml"
    file.write_text(COST)
    out = tmp_path / "agents"
    assert main(["survey", str(file), "--draws", "2", "--top", "3", "--json", "--out", str(out)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert 1 <= len(said["pairs"]) <= 3
    written = sorted(out.iterdir())
    assert {path.name for path in written} == {f"probes-{each['place']}.toml" for each in said["pairs"]}
    for path in written:
        settings = load_settings(path)
        place = path.stem.removeprefix("probes-")
        wanted = {each["site_id"] for each in said["pairs"] if each["place"] == place}
        assert settings.vantage == place
        assert {target.site for target in settings.targets} == wanted
    assert main(["survey", str(file), "--draws", "2", "--top", "3"]) == 0
    assert "served so" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--top", "0"], ["--draws", "x"]])
def test_bad_input_is_one_error(arguments, capsys):
    with pytest.raises(SystemExit) as fault:
        main(["survey", "factory-outposts", *arguments])
    assert fault.value.code == 2
    assert "is not a whole number from 1 to 1000" in capsys.readouterr().err


def test_places_whose_names_come_out_alike_have_an_agent_each(asked):
    study, inputs, plan = asked(COST)
    first = survey(study, inputs, plan, draws=2).pairs[0]
    pairs = [replace(first, place=place) for place in ("東京", "大阪", "Place")]
    written = configurations(pairs, known_targets(study), {})
    assert set(written) == {"probes-place.toml", "probes-place-2.toml", "probes-place-3.toml"}
    assert all(f'vantage = "{name[7:-5]}"' in text for name, text in written.items())


def test_a_limit_is_on_the_whole_request(asked):
    """Twice the way and nothing to the home: half the limit is left for the way itself."""
    tier = '[workload.home]\nregion = "eu-central-1"\nclient_trips = 2\nhome_trips = 0\n'
    study, inputs, plan = asked(COST.replace("slo_ms = 30", "slo_ms = 60") + tier)
    found = survey(study, inputs, plan, draws=2).pairs
    assert found
    _, known_inputs, _ = asked(COST)
    m, n = inputs.matrix.estimate_ms.shape
    every = np.repeat(np.arange(m), n), np.tile(np.arange(n), m)
    chance = errors_of(known_inputs.matrix, known_inputs.demand, known_inputs.sites, *every).within(30.0)
    for each in found:
        i, j = inputs.matrix.client_ids.index(each.place), inputs.matrix.site_ids.index(each.site_id)
        assert each.in_time == pytest.approx(chance[i * n + j], abs=1e-9)


def test_without_a_limit_it_says_that_nothing_hangs_on_a_latency(asked, tmp_path, capsys):
    (tmp_path / "tiny.toml").write_text(STUDY)
    assert main(["survey", str(tmp_path / "tiny.toml"), "--draws", "1"]) == 0
    assert "the study sets no limit to a latency and minimises cost" in capsys.readouterr().out
