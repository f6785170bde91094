"""What is not as it was: shown first, written only when asked, and then planned with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from moto.ec2.models.availability_zones_and_regions import Region

from planner.catalog import load_catalog, shipped_providers
from planner.cli import main
from planner.commands import Options, plan
from probes.shipped import catalog_sites, catalog_targets
from tests.planner.refresh.aws_server import Fault, egress, instance, onward, within
from tests.planner.refresh.conftest import LAX, offering, records, small_catalog, write_records, zone

ROOT = Path(__file__).resolve().parents[3]


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["catalog", "refresh", *arguments])
    printed, said = capsys.readouterr()
    return code, printed, said


def refreshed(capsys, *arguments: str) -> dict:
    code, printed, said = run(capsys, "--json", *arguments)
    assert (code, said) == (0, "")
    return json.loads(printed)


def edit(path: Path, change) -> None:
    """Rewrite a CSV: ``change`` returns a row, or None to leave it out."""
    header = path.read_text("utf-8").splitlines()[0].split(",")
    rows = [row for old in records(path) if (row := change(dict(old))) is not None]
    write_records(path, header, rows)


def listing(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_is_as_it_was_is_said_and_nothing_is_written(base, aws, capsys, tmp_path):
    before = listing(tmp_path)
    found = refreshed(capsys)
    assert (found["sites"], found["needs_coordinates"], found["outposts"]) == ([], [], [])
    assert {change["what"] for change in found["prices"]} == {"gone", "changed"}
    assert found["confirmed"] == {"sites": 5, "offerings": 0, "prices": 11}
    assert found["asked"] == ["eu-west-1", "us-east-1", "us-west-2"]
    assert found["silent"] == {"eu-south-2": "not opted in"}
    assert found["compared_with"] == {"directory": str(base), "as_of": "2026-11-23"}
    assert found["written"] is None
    code, printed, _ = run(capsys)
    assert code == 0
    assert "sites: 0 new, 0 gone, 0 changed, 5 as they were" in printed
    assert "nothing was written; --write --out DIR does" in printed
    assert listing(tmp_path) == before


def test_every_page_is_read_and_only_what_is_asked_for(base, aws, capsys):
    refreshed(capsys)
    filters = [
        {term["Field"]: term["Value"] for term in call["Filters"]}
        for call in aws.calls("pricing:GetProducts")
    ]
    # Nine ways between the Regions that are open and all four, three to a page.
    assert sum(each.get("transferType") == "InterRegion Outbound" for each in filters) == 3
    assert {each["instanceType"] for each in filters if "instanceType" in each} == {"m5.xlarge"}
    (regions,) = aws.calls("ec2:DescribeRegions")
    assert regions["AllRegions"] == "true"
    assert all(each["AllAvailabilityZones"] == "true" for each in aws.calls("ec2:DescribeAvailabilityZones"))
    assert "eu-south-2" not in {region for _, region, _ in aws.asked}


def test_prices_changed_new_and_gone(base, aws, capsys, tmp_path):
    aws.products[:] = [
        instance("m5.xlarge", "us-east-1", "0.2500000000"),
        instance("m5.xlarge", "us-east-1", "0.0000000000", capacitystatus="UnusedCapacityReservation"),
        instance("m5.xlarge", "us-east-1", "9.9", usagetype="DedicatedUsage:m5.xlarge"),
        instance("m5.xlarge", LAX[:-1], "0.2304", usagetype="LAX1-BoxUsage:m5.xlarge"),
        instance("m5.xlarge", "us-east-9", "0.3"),
        instance("m5.xlarge", "us-west-2", "0.2"),
        instance("m5.xlarge", "us-west-2", "0.3"),
        egress("us-east-1", ("0", "0.08"), ("10240", "0.04")),
        onward("us-east-1", "us-west-2", "0.03"),
        onward("us-east-1", "eu-west-1", "0.05"),
        onward("us-east-1", "cn-north-1", "0.99"),
        onward("us-west-2", "us-east-1", "0.01"),
        onward("us-west-2", "eu-west-1", "0.01"),
        onward("us-west-2", "eu-west-1", "0.09"),
        within("us-east-1", "0.02"),
    ]
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "mine"))
    changes = {
        (change["category"], change["site"], change["item"]): (change["what"], change["was"], change["now"])
        for change in found["prices"]
    }
    what, was, now = changes["instance_hour", "us-east-1", "m5.xlarge"]
    assert (what, was["tiers"], now["tiers"]) == ("changed", [["0", "0.192"]], [["0", "0.25"]])
    assert (was["as_of"], now["as_of"]) == ("2026-07-20", found["as_of"])
    assert changes["instance_hour", LAX[:-1], "m5.xlarge"][:2] == ("new", None)
    assert changes["instance_hour", "eu-west-1", "m5.xlarge"][0] == "gone"
    assert changes["internet_egress", "us-east-1", "to-internet"][2]["tiers"] == [
        ["0", "0.08"],
        ["10240", "0.04"],
    ]
    assert changes["inter_region", "us-east-1", "to-other-region"][2]["tiers"] == [["0", "0.05"]]
    assert changes["intra_region", "us-east-1", "between-zones"][2]["tiers"] == [["0", "0.02"]]
    # Said twice, or not at all: as it was.
    assert ("instance_hour", "us-west-2", "m5.xlarge") not in changes
    assert ("inter_region", "us-west-2", "to-other-region") not in changes
    untold = "\n".join(found["not_told"])
    assert "instance_hour, us-west-2, m5.xlarge: no one price that can be read; as it was" in untold
    assert "inter_region, us-west-2, to-other-region: no one price that can be read" in untold
    assert "internet_egress, us-west-2, to-internet: not on the price list; as it was" in untold
    assert "prices of 1 place that are no site here: us-east-9" in untold
    catalog = load_catalog("aws", (tmp_path / "mine" / "aws").resolve())
    lax = catalog.site_prices(catalog.site(LAX), "m5.xlarge", local_zone_premium=0.2)
    assert (lax.instance_hour.usd, lax.instance_hour.estimated) == (0.2304, False)
    assert lax.instance_hour.source == "pricing:GetProducts"
    east = catalog.site_prices(catalog.site("us-east-1"), "m5.xlarge", local_zone_premium=0.2)
    assert east.egress_gb.tiers == ((10240.0, 0.04),)
    ireland = catalog.site_prices(catalog.site("eu-west-1"), "m5.xlarge", local_zone_premium=0.2)
    assert ireland.instance_hour.estimated


def test_rows_nobody_spoke_of_are_the_same_to_the_letter(base, aws, capsys, tmp_path):
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "mine"))
    new = Path(found["written"])
    for name in ("commitments.csv", "compliance.csv", "routing.csv", "prefixes.csv", "endpoints.csv"):
        assert (new / name).read_bytes() == (base / name).read_bytes()
    today = found["as_of"]
    said = {row["category"] for row in records(new / "prices.csv") if row["as_of"] == today}
    assert said == {"instance_hour", "internet_egress", "inter_region", "intra_region"}
    old = [line for line in (base / "prices.csv").read_text("utf-8").splitlines() if "route53" in line]
    assert old
    assert set(old) <= set((new / "prices.csv").read_text("utf-8").splitlines())
    sites = {row["site_id"]: row for row in records(new / "sites.csv")}
    before = {row["site_id"]: row for row in records(base / "sites.csv")}
    assert sites[LAX]["source"] == f"ec2:DescribeAvailabilityZones;{before[LAX]['source']}"
    assert sites["us-east-1"]["source"] == f"ec2:DescribeRegions;{before['us-east-1']['source']}"
    assert {row["as_of"] for row in sites.values()} == {today}
    explained = (new / "source.toml").read_text("utf-8")
    for source in ("ec2:DescribeRegions", "pricing:GetProducts", "ec2:DescribeInstanceTypeOfferings"):
        assert explained.count(f'[sources."{source}"]') == 1
    # A second one finds nothing, and explains nothing twice.
    again = refreshed(capsys, "--write", "--out", str(tmp_path / "mine"))
    assert again["compared_with"]["as_of"] == today
    assert (again["sites"], again["offerings"], again["prices"]) == ([], [], [])
    assert Path(again["written"], "source.toml").read_text("utf-8") == explained


def test_sites_new_gone_and_changed(base, aws, world, capsys, tmp_path):
    world["regions"].append(Region("eu-north-1", "ec2.eu-north-1.amazonaws.com", "opted-in"))
    world["regions"][1].opt_in_status = "opted-in"
    world["regions"][:] = [each for each in world["regions"] if each.name != "eu-west-1"]
    world["zones"]["us-west-2"][1] = zone("us-west-2-den-1a", "us-west-2", geography=[{"Name": "Norway"}])
    world["zones"]["us-east-1"].append(
        zone("us-east-1-wl1-bos-wlz-1", "us-east-1", "wavelength-zone", opt_in_status="not-opted-in")
    )
    world["zones"]["us-east-1"].append(zone("=cmd|'1'", "us-east-1"))
    edit(base / "sites.csv", lambda row: row | ({"status": "planned"} if row["kind"] == "region" else {}))
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "mine"))
    told = {(change["site"], change["what"], change["column"]) for change in found["sites"]}
    assert ("us-east-1", "changed", "status") in told
    assert ("us-west-2", "changed", "opt_in") in told
    assert (LAX, "gone", "status") in told
    assert ("=cmd|'1'", "refused", "site_id") in told
    assert ("eu-west-1", "gone", "status") not in told  # planned before, and still not there
    assert found["needs_coordinates"] == ["eu-north-1", "us-east-1-wl1-bos-wlz-1", "us-west-2-den-1a"]
    missing = {change["site"]: change["now"] for change in found["sites"] if change["what"] == "needs"}
    assert missing == {
        "eu-north-1": "lat, lon, metro, country",
        "us-east-1-wl1-bos-wlz-1": "lat, lon, metro, country, carrier",
        "us-west-2-den-1a": "lat, lon, metro",
    }
    new = Path(found["written"])
    catalog = load_catalog("aws", new)
    assert {site.id: site.status for site in catalog.sites} == {
        "us-east-1": "ga",
        "us-west-2": "ga",
        "eu-west-1": "planned",
        "eu-south-2": "ga",
        LAX: "unverified",
    }
    assert catalog.site(LAX).facts["note"].startswith("not listed by ec2:DescribeAvailabilityZones on 20")
    code, printed, _ = run(capsys, "--out", str(tmp_path / "mine"))
    assert code == 0
    assert "needs coordinates: held back" in printed

    # Somebody writes down where the zone and the Region are.
    def where(row):
        place = {"metro": "Denver", "country": "US", "lat": "39.74", "lon": "-104.98"}
        return row | (place if row["site_id"] in ("us-west-2-den-1a", "eu-north-1") else {})

    edit(new / "pending_sites.csv", where)
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "mine"))
    assert found["needs_coordinates"] == ["us-east-1-wl1-bos-wlz-1"]
    catalog = load_catalog("aws", Path(found["written"]))
    denver = catalog.site("us-west-2-den-1a")
    assert (denver.lat, denver.country, denver.parent, denver.status) == (39.74, "US", "us-west-2", "ga")
    assert denver.source == "ec2:DescribeAvailabilityZones;own"
    assert denver.facts["zone_id"] == "us-west-2-den-1a-id"
    assert catalog.site("eu-north-1").facts["dns_suffix"] == "amazonaws.com"
    assert "ec2.eu-north-1.amazonaws.com" in {each.host for each in catalog.endpoints}
    # And the zone that had gone comes back.
    world["zones"]["us-west-2"].append(zone(LAX, "us-west-2", zone_id="usw2-lax1-az1"))
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "mine"))
    catalog = load_catalog("aws", Path(found["written"]))
    assert catalog.site(LAX).status == "ga"
    assert "not listed" not in catalog.site(LAX).facts.get("note", "")


def test_another_partition_is_another_matter(base, aws, world, capsys, monkeypatch):
    def gov(row):
        mine = row["site_id"] in ("us-west-2", LAX)
        return row | ({"partition": "aws-us-gov", "opt_in": "separate_partition"} if mine else {})

    edit(base / "sites.csv", gov)
    found = refreshed(capsys)
    assert found["sites"] == []
    assert found["confirmed"]["sites"] == 3
    monkeypatch.setenv("AWS_REGION", "us-gov-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-gov-west-1")
    found = refreshed(capsys)
    assert found["partition"] == "aws-us-gov"
    assert [(change["site"], change["what"]) for change in found["sites"]] == []
    assert found["confirmed"]["sites"] == 2
    assert "the partition aws-us-gov has no price list to ask: prices are as they were" in found["not_told"]
    assert found["prices"] == []


def test_what_somebody_wrote_wrongly_is_said_where(base, aws, world, capsys, tmp_path):
    world["zones"]["us-west-2"].append(zone("us-west-2-den-1a", "us-west-2"))
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "mine"))
    edit(Path(found["written"], "pending_sites.csv"), lambda row: row | {"lat": "39,74"})
    code, printed, said = run(capsys, "--out", str(tmp_path / "mine"))
    assert (code, printed) == (2, "")
    assert "pending_sites.csv, row 2, column lat: '39,74' is not a finite number" in said


def test_a_zone_offers_what_the_api_says(base, aws, world, capsys, tmp_path):
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "mine"))
    (lax,) = (change for change in found["offerings"] if change["site"] == LAX)
    # All of m5 that there is anywhere, one type of c6i.
    assert (lax["first"], lax["added"], lax["lacks"]) == (True, ["c6i.large", "m5"], [])
    catalog = load_catalog("aws", Path(found["written"]))
    prices = {"local_zone_premium": 0.2}
    assert catalog.site_prices(catalog.site(LAX), "m5.xlarge", **prices).instance_hour
    world["by_zone"]["us-west-2"] = offering(("c6i.large", "m5.2xlarge"), LAX, "availability-zone")
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "mine"))
    (lax,) = found["offerings"]
    assert (lax["added"], lax["removed"]) == ([], ["m5.xlarge"])
    assert lax["lacks"] == ["m5.xlarge"]
    catalog = load_catalog("aws", Path(found["written"]))
    with pytest.raises(Exception, match=f"{LAX} offers c6i.large, m5.2xlarge only, not m5.xlarge"):
        catalog.site_prices(catalog.site(LAX), "m5.xlarge", **prices)
    lots = tuple(f"x{number}.large" for number in range(13))
    world["by_zone"]["us-west-2"] = offering(lots, LAX, "availability-zone")
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "mine"))
    (lax,) = found["offerings"]
    assert (lax["added"][:2], lax["removed"]) == (["x0", "x1"], ["c6i.large", "m5.2xlarge"])
    catalog = load_catalog("aws", Path(found["written"]))
    with pytest.raises(Exception, match=f"services.csv: {LAX} lacks m5.xlarge"):
        catalog.site_prices(catalog.site(LAX), "m5.xlarge", **prices)
    world["by_zone"]["us-west-2"] = []
    world["by_region"]["us-east-1"] += offering(("m5.24xlarge",), "us-east-1", "region")
    found = refreshed(capsys, "--out", str(tmp_path / "mine"))
    # Who said "all of m5" lacks the new size now, and that is all; the zone says nothing.
    told = {change["site"]: (change["added"], change["removed"]) for change in found["offerings"]}
    assert told == {"eu-west-1": ([], ["m5.24xlarge"]), "us-west-2": ([], ["m5.24xlarge"])}
    assert any(LAX in words and "none was named" in words for words in found["not_told"])


def all_open(world) -> None:
    """Every Region opted in to, and so asked."""
    for each in world["regions"]:
        each.opt_in_status = "opted-in" if each.opt_in_status == "not-opted-in" else each.opt_in_status


def test_outposts_of_ones_own_are_listed(base, aws, world, capsys, tmp_path):
    all_open(world)
    aws.outposts["eu-west-1"] = [
        {
            "OutpostId": f"op-{number:017d}",
            "Name": f"rack {number}",
            "AvailabilityZone": "eu-west-1a",
            "LifeCycleStatus": "ACTIVE",
            "SupportedHardwareType": "RACK",
        }
        for number in range(4)
    ]
    aws.rack_types = {each["OutpostId"]: ["m5.xlarge", "c5.large"] for each in aws.outposts["eu-west-1"]}
    aws.items = [
        {"CatalogItemId": f"OR-{family}", "ItemStatus": status, "EC2Capacities": [{"Family": family}]}
        for family, status in (("m5", "AVAILABLE"), ("c5", "AVAILABLE"), ("m4", "DISCONTINUED"))
    ]
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "mine"))
    assert [rack["id"][-1] for rack in found["outposts"]] == ["0", "1", "2", "3"]
    assert found["outposts"][3]["region"] == "eu-west-1"
    assert found["outposts"][3]["types"] == ["c5.large", "m5.xlarge"]
    (rack,) = (
        row for row in records(Path(found["written"], "services.csv")) if row["source"].startswith("out")
    )
    assert (rack["kind"], rack["families"]) == ("outpost", "c5;m5")
    assert "rack 2" in run(capsys)[1]


def test_another_instance_type_is_asked_for(base, aws, capsys, tmp_path):
    aws.products += [instance("c6i.xlarge", "us-east-1", "0.17"), instance("c6i.xlarge", "eu-west-1", "0.18")]
    found = refreshed(capsys, "--instances", "c6i.xlarge", "--write", "--out", str(tmp_path / "mine"))
    hours = [change for change in found["prices"] if change["category"] == "instance_hour"]
    assert {(change["site"], change["item"], change["what"]) for change in hours} == {
        ("us-east-1", "c6i.xlarge", "new"),
        ("eu-west-1", "c6i.xlarge", "new"),
    }
    assert load_catalog("aws", Path(found["written"])).instances == {"m5.xlarge", "c6i.xlarge"}
    found = refreshed(capsys, "--instances", "t3.xlarge")
    assert "the price list names no t3.xlarge: its rows are as they were" in found["not_told"]


STUDY = """
name = "priced"
[demand]
csv = "clients.csv"
peak_rps = 1000
requests_per_month = 5.0e8
[candidates]
provider = "aws"
include = ["us-east-1"]
[workload]
instance = "m5.xlarge"
rps_per_instance = 300
min_instances = 2
headroom = 0.0
response_kb = 40
"""


def test_plans_are_made_with_the_new_prices(base, aws, capsys, tmp_path, monkeypatch):
    (tmp_path / "clients.csv").write_text("id,country,lat,lon,weight\nhere,US,38.9,-77.0,1\n", "utf-8")
    study = tmp_path / "study.toml"
    study.write_text(STUDY, "utf-8")
    aws.products[:] = [
        instance("m5.xlarge", "us-east-1", "0.25"),
        egress("us-east-1", ("0", "0.1"), ("10240", "0.04")),
    ]
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "mine"))
    costs = {}
    for name, root in (("old", base.parent), ("new", tmp_path / "mine")):
        monkeypatch.setenv("EDGEPLAN_CATALOG", str(root))
        capsys.readouterr()
        assert plan(Options(str(study), json=True), out=None) == 0
        document = json.loads(capsys.readouterr().out)
        costs[name] = document["cost_items"]
        assert document["audit"] == []
    # 1000 requests a second at 300 each are 4 instances, of 730 hours a month; 40 kB × 5e8 are 20,000 GB.
    assert costs["old"]["compute"] == pytest.approx(4 * 730 * 0.192)
    assert costs["new"]["compute"] == pytest.approx(4 * 730 * 0.25)
    assert costs["old"]["egress"] == pytest.approx(10_240 * 0.09 + 9_760 * 0.085)
    assert costs["new"]["egress"] == pytest.approx(10_240 * 0.1 + 9_760 * 0.04)
    assert document["inputs"]["providers/aws/prices.csv"] != found["as_of"]


# A directory of catalogs


def test_the_planner_and_the_agent_read_the_directory_that_is_named(tmp_path, monkeypatch):
    directory = small_catalog(tmp_path)
    monkeypatch.setenv("EDGEPLAN_CATALOG", str(tmp_path))
    (tmp_path / ".aws" / "2026-01-01T000000Z").mkdir(parents=True)
    (tmp_path / ".aws.next").symlink_to("nowhere")
    assert shipped_providers() == ("aws", "azure", "gcp")
    assert load_catalog("aws").path == directory
    assert len(load_catalog("aws").sites) == 5
    assert {site.id for site in catalog_sites().values() if site.provider == "aws"} >= {LAX, "us-east-1"}
    assert len([site for site in catalog_sites().values() if site.provider == "aws"]) == 5
    assert {target.site for target in catalog_targets("aws", ("region",), ("tcp",))} <= {
        "us-east-1",
        "us-west-2",
        "eu-west-1",
        "eu-south-2",
    }


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: None, "is not a directory; make it, or unset the variable"),
        (lambda root: (root.mkdir(), (root / "aws").symlink_to(".aws/none")), "leads nowhere"),
    ],
)
def test_a_directory_that_is_not_there_is_said(tmp_path, monkeypatch, capsys, make, words):
    root = tmp_path / "catalogs"
    make(root)
    monkeypatch.setenv("EDGEPLAN_CATALOG", str(root))
    assert main(["catalog", "show"]) == 2
    printed, said = capsys.readouterr()
    assert printed == ""
    assert said.startswith("edgeplan: error: EDGEPLAN_CATALOG: ")
    assert words in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--provider", "asw"], "--provider: 'asw' is not a known provider; did you mean 'aws'?"),
        (["--provider", "gcp"], "--provider: 'gcp' has no API that edgeplan asks; only aws has"),
        (["--instances", ","], "--instances: names none"),
        (["--instances", "m5.xlagre"], "offered in no Region that answered; did you mean 'm5.xlarge'?"),
    ],
)
def test_bad_input(base, aws, capsys, arguments, words):
    code, printed, said = run(capsys, *arguments)
    assert (code, printed) == (2, "")
    assert words in said
    assert said.count("\n") == 1


def test_there_must_be_a_place_to_write_to(base, aws, capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", "utf-8")
    for out, words in (
        (tmp_path / "file", "--out: {out} is not a directory"),
        (tmp_path / "file" / "deeper", "file is not a directory"),
        (base.parent, "is not of refresh's making"),
    ):
        code, _, said = run(capsys, "--write", "--out", str(out))
        assert (code, aws.asked) == (2, [])
        assert words.format(out=out) in said
    monkeypatch.delenv("EDGEPLAN_CATALOG")
    code, _, said = run(capsys, "--write")
    assert (code, aws.asked) == (2, [])
    assert "--write: needs a directory for catalogs: --out DIR, or EDGEPLAN_CATALOG=DIR" in said


def test_without_the_extra_the_command_that_installs_it_is_said():
    code = (
        "import sys\nsys.modules['boto3'] = None\n"
        "from planner.cli import main\nraise SystemExit(main(['catalog', 'refresh']))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "EDGEPLAN_CATALOG"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 5
    assert done.stderr == "edgeplan: error: boto3 is not installed; pip install 'edgeplan[aws]'\n"


def test_a_planned_zone_that_is_not_available_yet_stays_planned(base, aws, world, capsys, tmp_path):
    edit(base / "sites.csv", lambda row: row | ({"status": "planned"} if row["site_id"] == LAX else {}))
    (zone,) = [zone for zone in world["zones"]["us-west-2"] if zone.name == LAX]
    zone.state = "unavailable"
    assert _status(run(capsys, "--write", "--out", str(tmp_path / "o")), tmp_path / "o") == "planned"
    zone.state = "available"
    assert _status(run(capsys, "--write", "--out", str(tmp_path / "o")), tmp_path / "o") == "ga"


def _status(ran, out):
    assert ran[0] == 0
    (status,) = [row["status"] for row in records(out / "aws" / "sites.csv") if row["site_id"] == LAX]
    return status


def rack_row(catalog: Path) -> dict[str, str]:
    (row,) = (
        row
        for row in records(catalog / "services.csv")
        if (row["service"], row["kind"]) == ("ec2", "outpost")
    )
    return row


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("", "not opted in"),
        ("ec2:DescribeAvailabilityZones", "UnauthorizedOperation"),
        ("ec2:DescribeAvailabilityZones", "OptInRequired"),
        ("outposts:ListOutposts", "OptInRequired"),
        ("outposts:ListCatalogItems", "OptInRequired"),
        ("outposts:ListCatalogItems", "AccessDeniedException"),
    ],
)
def test_what_some_regions_say_of_racks_does_not_narrow_them(
    base, aws, world, capsys, tmp_path, action, code
):
    named = "eu-south-2"
    if action:
        all_open(world)
        named = "us-west-2"
        aws.faults.append(Fault(action, code, status=403, region=named))
    aws.items = [{"CatalogItemId": "OR-m5", "ItemStatus": "AVAILABLE", "EC2Capacities": [{"Family": "m5"}]}]
    # A row that names no family speaks of all.
    before = rack_row(base)
    assert before["families"] == ""
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "o"))
    assert rack_row(tmp_path / "o" / "aws") == before
    words = f"Outposts of {named}: not told, so no family is taken from what racks can be ordered with"
    assert words in found["not_told"]


def test_what_some_regions_say_of_racks_adds_and_takes_nothing_away(base, aws, world, capsys, tmp_path):
    aws.items = [{"CatalogItemId": "OR-m5", "ItemStatus": "AVAILABLE", "EC2Capacities": [{"Family": "m5"}]}]
    edit(base / "services.csv", lambda row: row | _racks_of(row, "c5"))
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "o"))
    (change,) = (each for each in found["offerings"] if each["site"] == "outpost")
    assert (change["added"], change["removed"]) == (["m5"], [])
    row = rack_row(tmp_path / "o" / "aws")
    assert (row["families"], row["as_of"]) == ("c5;m5", found["as_of"])
    # Nothing more to gain: to the letter as it was, under the date it was said.
    edit(tmp_path / "o" / "aws" / "services.csv", lambda row: row | _racks_of(row, "c5;m5", "2020-01-01"))
    refreshed(capsys, "--write", "--out", str(tmp_path / "o"))
    assert rack_row(tmp_path / "o" / "aws")["as_of"] == "2020-01-01"
    # And when everyone has said, what none of them offers is gone.
    all_open(world)
    found = refreshed(capsys, "--write", "--out", str(tmp_path / "o"))
    assert rack_row(tmp_path / "o" / "aws")["families"] == "m5"
    assert not any("Outposts of" in words for words in found["not_told"])


def _racks_of(row: dict[str, str], families: str, as_of: str = "2026-01-01") -> dict[str, str]:
    mine = (row["service"], row["kind"]) == ("ec2", "outpost")
    return {"families": families, "as_of": as_of} if mine else {}


def test_a_legacy_zone_that_comes_back_is_legacy_still(base, aws, world, capsys, tmp_path):
    out = str(tmp_path / "o")
    edit(
        base / "sites.csv",
        lambda row: row | ({"status": "legacy", "note": "first; second"} if row["site_id"] == LAX else {}),
    )
    listed = list(world["zones"]["us-west-2"])
    for _ in range(2):  # goes and comes back, twice over
        world["zones"]["us-west-2"] = [zone for zone in listed if zone.name != LAX]
        for _ in range(2):
            assert _status(run(capsys, "--write", "--out", out), tmp_path / "o") == "unverified"
        world["zones"]["us-west-2"] = listed
        assert _status(run(capsys, "--write", "--out", out), tmp_path / "o") == "legacy"
        (note,) = [row["note"] for row in records(tmp_path / "o/aws/sites.csv") if row["site_id"] == LAX]
        assert note == "first; second"


@pytest.mark.parametrize("by_name", [False, True])
def test_what_is_wrong_with_the_directory_is_said_of_what_named_it(
    base, aws, capsys, tmp_path, monkeypatch, by_name
):
    lost, mine = tmp_path / "lost", tmp_path / "mine"
    for directory in (lost, mine):
        directory.mkdir()
    (lost / "aws").symlink_to("nowhere")
    shutil.copytree(base, mine / "aws")
    for directory, words in (
        (lost, "leads to nowhere, which is not there; remove"),
        (mine, "not of refresh's making"),
    ):
        if by_name:
            monkeypatch.setenv("EDGEPLAN_CATALOG", str(directory))
        code, _, said = run(capsys, "--write", *([] if by_name else ["--out", str(directory)]))
        assert code == 2
        assert f"{'EDGEPLAN_CATALOG' if by_name else '--out'}: {directory / 'aws'}" in said
        assert words in said
