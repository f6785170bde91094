"""A study over several providers: each prices a type of its own, and all are planned together."""

import csv
import json
import tomllib
from pathlib import Path

import pytest

from planner.audit import audit_plan
from planner.candidates import choose_candidates
from planner.catalog import load_catalog
from planner.cli import main
from planner.decide import decide
from planner.deployment import deployment_files
from planner.inputs import load_inputs
from planner.study import StudyError, parse_study, study_toml

TYPES = {"aws": "m5.xlarge", "azure": "Standard_D4s_v5", "gcp": "n2-standard-4"}
TABLE = "instance = { " + ", ".join(f'{name} = "{type_}"' for name, type_ in TYPES.items()) + " }"


@pytest.fixture(scope="module")
def catalogs():
    return [load_catalog(provider) for provider in TYPES]


def study(workload=TABLE, *, candidates='provider = ["aws", "azure", "gcp"]', rest=""):
    text = (
        'name = "mixed"\n[demand]\ncities = { countries = ["DE", "FR", "PL"], top = 25 }\n'
        f"[candidates]\n{candidates}\n[workload]\n{workload}\n{rest}"
    )
    return parse_study(text, name="mixed.toml", directory=Path())


def complaint(text, catalogs, **keys):
    with pytest.raises(StudyError) as caught:
        choose_candidates(study(text, **keys), catalogs)
    return str(caught.value).removeprefix("mixed, ")


def test_every_site_is_priced_for_the_type_of_its_provider(catalogs):
    chosen = choose_candidates(study(), catalogs)
    assert {site.provider for site in chosen.sites} == set(TYPES)
    listed = {catalog.provider: catalog.price_list.listed for catalog in catalogs}
    for site, prices in zip(chosen.sites, chosen.prices, strict=True):
        own = listed[site.provider].get(("instance_hour", site.id, TYPES[site.provider]))
        assert prices.instance_hour.estimated or prices.instance_hour == own, site.id
    hour = {
        site.id: prices.instance_hour.usd for site, prices in zip(chosen.sites, chosen.prices, strict=True)
    }
    assert (hour["us-east-1"], hour["eastus"], hour["us-central1"]) == (0.192, 0.192, 0.194236)


@pytest.mark.parametrize("provider", TYPES)
def test_a_study_that_names_no_type_runs_on_the_usual_one_of_its_provider(catalogs, provider):
    alone = study("", candidates=f'provider = "{provider}"')
    assert alone.workload.instance == TYPES[provider]
    catalog = next(each for each in catalogs if each.provider == provider)
    chosen = choose_candidates(alone, [catalog])
    assert all(prices.instance_hour.usd > 0 for prices in chosen.prices)
    source = tomllib.loads((catalog.path / "source.toml").read_text("utf-8"))
    usual = source["usual"]
    assert usual["source"] in source["sources"]
    with (catalog.path / "prices.csv").open(newline="", encoding="utf-8") as file:
        listed = {
            (row["source"], row["as_of"])
            for row in csv.DictReader(file)
            if (row["category"], row["item"]) == ("instance_hour", usual["instance"])
        }
    assert (usual["source"], usual["as_of"]) in listed


def test_a_study_of_several_that_names_no_type_runs_on_the_usual_one_of_each():
    assert dict(study("").workload.instance) == TYPES
    assert parse_study(study_toml(study("")), name="again", directory=Path()) == study("")


def test_a_provider_of_ones_own_without_a_usual_type_asks_for_one(monkeypatch):
    monkeypatch.setattr("planner.study.usual_instance", {"aws": "m5.xlarge"}.get)
    with pytest.raises(StudyError, match=r"workload\.instance: is required: nothing is usual of azure, gcp"):
        study("")


def test_one_name_for_all_must_be_known_to_all(catalogs):
    assert complaint('instance = "m5.xlarge"', catalogs) == (
        "workload.instance: 'm5.xlarge' is no type of azure, gcp; say one for each:"
        ' instance = { aws = "m5.xlarge", azure = "...", gcp = "..." }'
    )
    assert complaint('instance = "n2-standrad-4"', catalogs) == (
        "workload.instance: 'n2-standrad-4' is not a known instance type; did you mean 'n2-standard-4'?"
    )
    assert complaint(TABLE.replace("D4s_v5", "D4_sv5"), catalogs) == (
        "workload.instance.azure: 'Standard_D4_sv5' is not a known instance type of azure;"
        " did you mean 'Standard_D4s_v5'?"
    )


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('{ aws = "m5.xlarge", gcp = "n2-standard-4" }', "workload.instance.azure: is required"),
        (
            '{ aws = "a", azure = "b", gpc = "c", gcp = "d" }',
            "workload.instance.gpc: unknown key; did you mean 'gcp'?",
        ),
        ('{ aws = "a", azure = 5, gcp = "d" }', "workload.instance.azure: 5 is not a non-empty string"),
        ("5", "workload.instance: 5 is not a non-empty string"),
    ],
)
def test_a_table_of_types_names_each_provider(table, words):
    with pytest.raises(StudyError) as caught:
        study(f"instance = {table}")
    assert str(caught.value).removeprefix("mixed.toml, ") == words


def test_a_type_of_a_provider_that_is_not_asked_may_stand(catalogs):
    """So that what-if can leave a provider out."""
    alone = study(candidates='provider = "gcp"')
    assert alone.workload.instance_of("gcp") == "n2-standard-4"
    chosen = choose_candidates(alone, [catalogs[2]])
    assert {site.provider for site in chosen.sites} == {"gcp"}


def test_a_service_by_one_providers_name_is_refused(catalogs):
    text = complaint(f'{TABLE}\nservices = ["ec2"]', catalogs)
    assert text.startswith("workload.services: 'ec2' is a service at no site of azure; known to every")
    assert "virtual-machine" in text
    assert study().workload.services == ("virtual-machine",)
    assert study('instance = "m5.xlarge"', candidates="").workload.services == ("ec2",)


def test_a_provider_is_named_once():
    with pytest.raises(StudyError, match=r"candidates\.provider: 'aws' is given 2 times"):
        study(candidates='provider = ["aws", "aws"]')


def test_it_reads_back_as_it_was_written():
    mixed = study()
    assert parse_study(study_toml(mixed), name="again", directory=Path()) == mixed
    assert 'instance = { aws = "m5.xlarge", azure = "Standard_D4s_v5", gcp = "n2-standard-4" }' in study_toml(
        mixed
    )


def test_the_cheapest_of_all_providers_is_planned_and_audited():
    """Each provider alone costs at least as much as all together."""

    def cost(candidates):
        asked = study(candidates=candidates, rest="[limits]\nmax_sites = 3")
        inputs = load_inputs(asked)
        plan = decide(asked, inputs)
        assert plan.termination == "optimal"
        assert not audit_plan(plan, asked, inputs)
        return plan.kpi.cost_usd_month

    together = cost('provider = ["aws", "azure", "gcp"]')
    alone = [cost(f'provider = "{name}"') for name in TYPES]
    assert together <= min(alone) * (1 + 1e-4)
    assert max(alone) > together * 1.01


def test_what_microsoft_published_counts_as_measured():
    asked = study(candidates='provider = "azure"')
    inputs = load_inputs(asked)
    measured = [each for each in inputs.matrix.vantages if each.startswith("metro:")]
    assert "metro:germanywestcentral" in measured
    assert "latency/azure-regions.csv" in inputs.hashes


@pytest.mark.parametrize("provider", ["azure", "gcp"])
def test_the_catalog_and_an_agents_targets_are_shown(provider, capsys):
    assert main(["catalog", "show", "--provider", provider, "--instance", TYPES[provider], "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert all(site["instance_hour"] is not None for site in shown["sites"])
    assert main(["targets", "--provider", provider, "--json"]) == 0
    targets = json.loads(capsys.readouterr().out)["targets"]
    assert {target["site"] for target in targets} == {site["id"] for site in shown["sites"]}


def test_what_carries_a_mixed_plan_out_speaks_of_each_provider_in_its_own_words():
    rule = '[[rule]]\nkind = "group"\nby = "provider"\nat_least = 3\n[routing]\n'
    mixed = study(TABLE, rest=rule)
    inputs = load_inputs(mixed)
    plan = decide(mixed, inputs)
    places = {place.site_id: place.provider for place in plan.placements}
    assert set(places.values()) == set(TYPES)
    written = {name: json.loads(text) for name, text in deployment_files(plan, mixed, inputs).items()}
    sites = written["terraform.tfvars.json"]["sites"]
    assert {
        site: (each["provider"], each["instance_type"], each["region"]) for site, each in sites.items()
    } == {site: (provider, TYPES[provider], site) for site, provider in places.items()}
    # An accelerator's endpoints and latency records are AWS's own; coordinates may be anybody's.
    assert set(written) == {"terraform.tfvars.json", "route53-records.json"}
    changes = written["route53-records.json"]["ChangeBatch"]["Changes"]
    records = {each["ResourceRecordSet"]["SetIdentifier"]: each["ResourceRecordSet"] for each in changes}
    located = {site: tuple(record["GeoProximityLocation"]) for site, record in records.items()}
    assert located == {
        site: ("AWSRegion",) if places[site] == "aws" else ("Coordinates",) for site in located
    }
    assert set(located.values()) == {("AWSRegion",), ("Coordinates",)}
