"""A small world: four Regions as moto serves them, a Local Zone, a price list, and a catalog of it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from moto.ec2.models.availability_zones_and_regions import Region, RegionsAndZonesBackend, Zone
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS
from moto.server import ThreadedMotoServer

from planner.datadir import data_dir
from tests.planner.refresh.aws_server import Aws, egress, instance, onward, serving, within

SHIPPED = data_dir() / "providers" / "aws"
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-south-2")
LAX = "us-west-2-lax-1a"


def zone(name: str, region: str, zone_type: str = "local-zone", **more: object) -> Zone:
    """A zone with all that EC2 says of one, of which moto knows the half."""
    made = Zone(name, region, f"{name}-id", zone_type)
    group = name[:-1] if zone_type == "local-zone" else name
    told = {
        "opt_in_status": "opted-in",
        "group_name": group,
        "network_border_group": group,
        "group_long_name": f"{name} by its long name",
        "geography": [],
    }
    for key, value in (told | more).items():
        setattr(made, key, value)
    return made


def offering(types: tuple[str, ...], place: str, kind: str) -> list[dict]:
    return [{"InstanceType": each, "Location": place, "LocationType": kind} for each in types]


ALL_TYPES = ("m5.xlarge", "m5.2xlarge", "t3.xlarge", "c6i.xlarge", "c6i.large")


@pytest.fixture(scope="session")
def moto():
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def world(monkeypatch):
    """What moto says there is: by name, to be changed by a test."""
    regions = [
        Region(name, f"ec2.{name}.amazonaws.com", "opt-in-not-required")
        for name in REGIONS
        if name != "eu-south-2"
    ]
    regions.append(Region("eu-south-2", "ec2.eu-south-2.amazonaws.com", "not-opted-in"))
    zones = {name: [Zone(f"{name}a", name, f"{name}-az1")] for name in REGIONS}
    zones["us-west-2"].append(zone(LAX, "us-west-2", zone_id="usw2-lax1-az1"))
    by_region = {name: offering(ALL_TYPES, name, "region") for name in REGIONS}
    by_zone = {name: [] for name in REGIONS}
    by_zone["us-west-2"] = offering(("m5.xlarge", "m5.2xlarge", "c6i.large"), LAX, "availability-zone")
    monkeypatch.setattr(RegionsAndZonesBackend, "regions", regions)
    monkeypatch.setattr(RegionsAndZonesBackend, "zones", zones)
    monkeypatch.setitem(INSTANCE_TYPE_OFFERINGS, "region", by_region)
    monkeypatch.setitem(INSTANCE_TYPE_OFFERINGS, "availability-zone", by_zone)
    return {"regions": regions, "zones": zones, "by_region": by_region, "by_zone": by_zone}


def price_list() -> list:
    """As the small catalog has it, word for word."""
    found = []
    for price, region in (("0.192", "us-east-1"), ("0.192", "us-west-2"), ("0.214", "eu-west-1")):
        found += [instance("m5.xlarge", region, f"{price}0000000"), within(region, "0.0100000000")]
        found.append(
            egress(region, ("0", "0.0900000000"), ("10240", "0.085"), ("51200", "0.07"), ("153600", "0.05"))
        )
        found += [onward(region, other, "0.02") for other in REGIONS if other != region]
    return found


@pytest.fixture
def aws(moto, world, monkeypatch):
    with serving(Aws(moto, products=price_list())) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "EDGEPLAN_CATALOG"):
            monkeypatch.delenv(name, raising=False)
        yield server


def records(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_records(path: Path, header: list[str], rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def small_catalog(root: Path) -> Path:
    """The shipped catalog cut down to four Regions and a Local Zone, with prices of one instance type."""
    directory = root / "aws"
    directory.mkdir(parents=True)
    names = {*REGIONS, LAX, LAX[:-1], "", "global", "outpost"}
    for path in SHIPPED.iterdir():
        if path.suffix != ".csv":
            (directory / path.name).write_bytes(path.read_bytes())
            continue
        rows = records(path)
        header = path.read_text("utf-8").splitlines()[0].split(",")
        column = next((name for name in ("site_id", "site", "network_border_group") if name in header), None)
        kept = [row for row in rows if column is None or row[column] in names]
        if path.name == "prices.csv":
            kept = [row for row in kept if row["category"] != "instance_hour" or row["item"] == "m5.xlarge"]
        write_records(directory / path.name, header, kept)
    return directory


@pytest.fixture
def base(tmp_path, aws, monkeypatch):
    """A catalog of one's own in use, that no refresh has made."""
    directory = small_catalog(tmp_path / "base")
    monkeypatch.setenv("EDGEPLAN_CATALOG", str(tmp_path / "base"))
    return directory
