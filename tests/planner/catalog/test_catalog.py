"""The catalog as it ships, what its reader refuses, and how unlisted prices are estimated."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from planner.catalog import SITE_STATUSES, CatalogError, NoPriceError, load_catalog
from planner.datadir import data_dir

SHIPPED = data_dir() / "providers" / "aws"


@pytest.fixture(scope="module")
def catalog():
    return load_catalog()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A provider's folder to spoil."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "aws"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")


def complaint(directory: Path, name: str) -> str:
    with pytest.raises(CatalogError) as caught:
        load_catalog(directory=directory)
    text = str(caught.value)
    assert text.startswith(str(directory / name))
    return text.removeprefix(str(directory / name))


def ids(catalog, kind, *, status="ga", partition="aws"):
    found = (site for site in catalog.sites if (site.kind, site.status) == (kind, status))
    return {site.id for site in found if site.partition == partition}


# What ships


def test_the_catalog_holds_every_partition_and_kind(catalog):
    assert len(ids(catalog, "region")) == 34
    assert ids(catalog, "region", partition="aws-cn") == {"cn-north-1", "cn-northwest-1"}
    assert ids(catalog, "region", partition="aws-us-gov") == {"us-gov-east-1", "us-gov-west-1"}
    assert ids(catalog, "region", partition="aws-eusc") == {"eusc-de-east-1"}
    assert len(ids(catalog, "local_zone")) == 35
    assert len(ids(catalog, "wavelength_zone")) == 25
    assert {site.status for site in catalog.sites} == set(SITE_STATUSES)


def test_what_is_not_generally_available_says_so(catalog):
    status = {site.id: site.status for site in catalog.sites}
    assert status["me-west-1"] == status["eu-central-1-prg-1a"] == "planned"
    assert status["us-east-1-atl-1a"] == status["us-west-2-pdx-1a"] == "legacy"
    assert status["ap-southeast-1-sggov-sin-1a"] == "restricted"
    assert status["eu-central-1-ist-1a"] == status["us-east-2-mci-1a"] == "unverified"
    assert status["eu-west-3-wl-casablanca"] == "unverified"
    for site in catalog.sites:
        if site.status != "ga":
            assert site.facts["note"], site.id
        if site.facts["coordinates"] == "guess":
            assert site.status == "planned"


def test_zones_name_their_parent_and_regions_none(catalog):
    for site in catalog.sites:
        assert (site.parent is None) == (site.kind == "region")
        if site.parent is not None:
            parent = catalog.site(site.parent)
            assert (parent.kind, parent.partition) == ("region", site.partition)
    # A zone's country is not always its parent's, which is what residency is about.
    assert (catalog.site("us-east-1-lim-1a").country, catalog.site("us-east-1").country) == ("PE", "US")
    assert catalog.site("af-south-1-los-1a").country == "NG"


def test_every_region_can_be_probed_by_name(catalog):
    by_site: dict[str, list] = {}
    for endpoint in catalog.endpoints:
        assert endpoint.kind == catalog.site(endpoint.site_id).kind
        by_site.setdefault(endpoint.site_id, []).append(endpoint)
    for site in catalog.sites:
        if site.kind == "region" and site.status == "ga":
            suffix = site.facts["dns_suffix"]
            hosts = {endpoint.host for endpoint in by_site[site.id] if endpoint.port == 443}
            assert {f"dynamodb.{site.id}.{suffix}", f"ec2.{site.id}.{suffix}"} == hosts
    assert [endpoint.host for endpoint in by_site["us-west-2-lax-1b"]] == ["70.224.192.0"]
    assert all(endpoint.port is None for endpoint in catalog.endpoints if endpoint.protocols == ("icmp",))


def test_services_follow_kind_and_exceptions(catalog):
    assert {"ec2", "ebs", "alb", "lambda", "dynamodb", "rds"} <= catalog.site("eu-west-1").services
    boston, los_angeles = catalog.site("us-east-1-bos-1a"), catalog.site("us-west-2-lax-1b")
    assert {"ec2", "ebs", "alb", "ecs", "eks"} <= boston.services
    assert not {"lambda", "fargate", "dynamodb", "elasticache", "s3"} & boston.services
    assert "elasticache" in los_angeles.services
    assert "nlb" not in catalog.site("us-east-1-wl1-bos-wlz-1").services
    assert {"ec2", "s3", "rds", "alb"} <= catalog.kind_services("outpost")
    assert "lambda" not in catalog.kind_services("outpost")


def test_programs_follow_kind_partition_and_site(catalog):
    assert {"pci", "hipaa", "soc", "iso-27001"} <= catalog.site("eu-central-1").programs
    assert "fedramp-moderate" in catalog.site("us-west-2").programs
    assert "fedramp-moderate" not in catalog.site("eu-central-1").programs
    assert "fedramp-high" in catalog.site("us-gov-west-1").programs
    assert catalog.site("eusc-de-east-1").programs == frozenset()
    assert "pci" not in catalog.site("ap-southeast-6").programs
    assert "pci" in catalog.kind_programs("outpost")
    assert not {"fedramp-moderate", "fedramp-high"} & catalog.kind_programs("outpost")


def test_what_nobody_verified_is_told_apart(catalog):
    frankfurt = catalog.site("eu-central-1")
    assert {"pci", "rds"} <= catalog.unverified(frankfurt)
    assert not {"ec2", "s3", "dynamodb"} & catalog.unverified(frankfurt)
    assert catalog.unverified(frankfurt) <= frankfurt.services | frankfurt.programs


def test_hashes_name_every_file_read(catalog):
    # Prefixes are for the agents, which hold addresses against them; no plan depends on one.
    read = {path.name for path in SHIPPED.iterdir()} - {"prefixes.csv"}
    assert set(catalog.hashes) == {f"providers/aws/{name}" for name in read}
    assert all(len(digest) == 64 for digest in catalog.hashes.values())


def test_a_catalog_can_be_sent_to_another_process(catalog):
    again = pickle.loads(pickle.dumps(catalog))
    assert again.sites == catalog.sites
    prices = again.site_prices(again.site("eu-west-1"), "m5.xlarge", local_zone_premium=0.2)
    assert prices == catalog.site_prices(catalog.site("eu-west-1"), "m5.xlarge", local_zone_premium=0.2)


def test_an_unknown_site_or_provider_is_answered_with_the_nearest(catalog):
    with pytest.raises(CatalogError) as caught:
        catalog.site("eu-wset-1")
    assert (
        str(caught.value)
        == f"{SHIPPED / 'sites.csv'}: 'eu-wset-1' is not a known site; did you mean 'eu-west-1'?"
    )
    with pytest.raises(CatalogError, match="'awz' is not a known provider; did you mean 'aws'"):
        load_catalog("awz")


# Prices


def test_a_listed_price_is_taken_as_it_is(catalog):
    prices = catalog.site_prices(catalog.site("us-gov-west-1"), "m5.xlarge", local_zone_premium=0.2)
    assert (prices.instance_hour.usd, prices.instance_hour.estimated) == (0.242, False)
    assert (prices.egress_gb.usd, prices.egress_gb.estimated) == (0.155, False)
    assert prices.parent_gb is None
    assert (prices.instance_hour.source, prices.instance_hour.as_of) == ("karpenter", "2026-07-20")


def test_egress_has_its_tiers_where_it_is_estimated_too(catalog):
    def egress(site_id):
        site = catalog.site(site_id)
        return catalog.site_prices(site, "m5.xlarge", local_zone_premium=0.2).egress_gb

    assert egress("eu-west-1").usd == 0.09
    assert egress("eu-west-1").tiers == ((10_240.0, 0.085), (51_200.0, 0.07), (153_600.0, 0.05))
    assert egress("us-east-1-bos-1a").tiers == egress("us-east-1").tiers
    listed = {
        site: price
        for (what, site, _), price in catalog.price_list.listed.items()
        if what == "internet_egress"
    }
    unlisted = [site.id for site in catalog.sites if site.kind == "region" and site.id not in listed]
    assert len(unlisted) >= 2
    for site_id in unlisted:
        assert egress(site_id).estimated
        near = [price for site, price in listed.items() if site[:3] == site_id[:3]]
        for gigabytes in (1.0, 20_000.0, 100_000.0, 1e6):  # an estimate errs high at every volume
            assert rate(egress(site_id), gigabytes) >= max((rate(p, gigabytes) for p in near), default=0.01)


def rate(price, gigabytes):
    """What one more GB costs."""
    return [usd for start, usd in ((0.0, price.usd), *price.tiers) if start <= gigabytes][-1]


def test_a_zone_takes_its_parents_price_and_the_premium(catalog):
    boston, parent = catalog.site("us-east-1-bos-1a"), catalog.site("us-east-1")
    base = catalog.site_prices(parent, "m5.xlarge", local_zone_premium=0.5)
    prices = catalog.site_prices(boston, "m5.xlarge", local_zone_premium=0.5)
    assert base.instance_hour.usd == 0.192
    assert prices.instance_hour.usd == pytest.approx(0.288)
    assert prices.instance_hour.estimated
    assert prices.instance_hour.note == "not listed for us-east-1-bos-1a: us-east-1 × 1.5"
    assert (prices.egress_gb.usd, prices.egress_gb.estimated) == (0.09, True)
    assert (prices.parent_gb.usd, prices.parent_gb.estimated) == (0.02, True)


def test_a_zone_groups_own_price_serves_its_zones(catalog):
    prices = catalog.site_prices(catalog.site("us-west-2-lax-1a"), "m5.xlarge", local_zone_premium=0.2)
    assert (prices.egress_gb.usd, prices.egress_gb.estimated) == (0.09, False)
    # 0.01 leaving the zone and 0.01 entering the Region.
    assert (prices.parent_gb.usd, prices.parent_gb.estimated) == (0.02, False)
    assert prices.instance_hour.estimated


def test_an_unlisted_region_is_dearer_than_its_neighbours(catalog):
    def hour(site_id):
        return catalog.site_prices(catalog.site(site_id), "m5.xlarge", local_zone_premium=0.2).instance_hour

    listed = [
        price.usd
        for (category, site, item), price in catalog.price_list.listed.items()
        if (category, item) == ("instance_hour", "m5.xlarge") and site.startswith("ap-")
    ]
    assert hour("ap-southeast-4").estimated
    assert hour("ap-southeast-4").usd >= max(listed)
    # São Paulo lists nothing but x2iedn, at 1.95 times Virginia's price.
    sao_paulo = hour("sa-east-1")
    assert sao_paulo.usd == pytest.approx(0.192 * 52.02 / 26.676)
    assert sao_paulo.note == "not listed for sa-east-1: us-east-1 × 1.950, the price level of sa-east-1"
    assert hour("ap-south-2").note == "not listed for ap-south-2: the dearest of Asia Pacific (ap-east-1)"


def test_every_site_is_priced_or_refused_for_a_reason(catalog):
    for instance in ("m5.xlarge", "c7i.xlarge", "g4dn.xlarge"):
        for site in catalog.sites:
            if site.id == "ap-southeast-1-han-1a" and instance != "c7i.xlarge":
                with pytest.raises(NoPriceError) as caught:
                    catalog.site_prices(site, instance, local_zone_premium=0.2)
                assert str(caught.value).endswith(f"{site.id} offers c7i, m7i, r7i only, not {instance}")
                continue
            prices = catalog.site_prices(site, instance, local_zone_premium=0.2)
            every = [prices.instance_hour, prices.egress_gb]
            every += [prices.parent_gb] if site.parent else []
            for price in every:
                assert price.usd > 0
                assert price.source
                assert price.as_of
                assert price.note or not price.estimated
            listed = catalog.price_list.price("instance_hour", site.id, instance)
            if listed is None:
                assert prices.instance_hour.estimated, site.id


def test_yuan_are_never_read_as_dollars(catalog):
    price = catalog.site_prices(catalog.site("cn-north-1"), "m5.xlarge", local_zone_premium=0.2).instance_hour
    assert price.usd == pytest.approx(2.026 * 0.145)
    assert price.estimated
    assert price.note == "2.026 CNY at 0.145 USD"
    # Nor do China and GovCloud raise what is estimated for others.
    dearest = catalog.price_list.estimate("internet_egress", "mx-central-1", "to-internet")
    assert dearest.usd == 0.09


def test_an_outposts_traffic_is_never_silently_free(catalog):
    rack = replace(
        catalog.site("us-east-1-bos-1a"),
        id="op-1",
        kind="outpost",
        parent="sa-east-1",
        network_border_group="op-1",
    )
    prices = catalog.site_prices(rack, "m5.xlarge", local_zone_premium=0.2)
    assert prices.instance_hour is None
    parent = catalog.site_prices(catalog.site("sa-east-1"), "m5.xlarge", local_zone_premium=0.2)
    assert prices.egress_gb.usd == parent.egress_gb.usd > 0.1
    assert prices.egress_gb.estimated
    assert prices.egress_gb.note.startswith("as in sa-east-1; the rack leaves by its own line")
    assert prices.parent_gb.estimated
    assert prices.parent_gb.note.startswith("unverified: ")


def test_what_ones_own_line_costs_can_be_said(copy):
    path = copy / "prices.csv"
    own = "outposts,outpost,local-gateway-egress,GB,0.013,USD,,mine,2026-11-01,\n"
    path.write_text(path.read_text(encoding="utf-8") + own, encoding="utf-8")
    catalog = load_catalog("aws", copy)
    rack = replace(catalog.site("us-east-1-bos-1a"), id="op-1", kind="outpost", network_border_group="op-1")
    egress = catalog.site_prices(rack, "m5.xlarge", local_zone_premium=0.2).egress_gb
    assert (egress.usd, egress.source, egress.estimated) == (0.013, "mine", False)


def test_an_unknown_instance_type_is_answered_with_the_nearest(catalog):
    with pytest.raises(CatalogError) as caught:
        catalog.site_prices(catalog.site("eu-west-1"), "m5.xlrage", local_zone_premium=0.2)
    expected = "'m5.xlrage' is not a known instance type; did you mean 'm5.xlarge'?"
    assert str(caught.value) == f"{SHIPPED / 'prices.csv'}: {expected}"
    assert not isinstance(caught.value, NoPriceError)


def test_an_edited_price_is_the_one_used(copy):
    edit(
        copy / "prices.csv",
        "instance_hour,eu-west-1,m5.xlarge,hour,0.214,",
        "instance_hour,eu-west-1,m5.xlarge,hour,0.1,",
    )
    edited = load_catalog(directory=copy)
    price = edited.site_prices(edited.site("eu-west-1"), "m5.xlarge", local_zone_premium=0.2).instance_hour
    assert price.usd == 0.1
    name = "providers/aws/prices.csv"
    assert edited.hashes[name] != load_catalog().hashes[name]


# What is refused

BOSTON = "us-east-1-bos-1a,local_zone,US East (Boston),us-east-1,Boston,US,42.3584,-71.0598,metro,ga,"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            ",local_zone,US East (Boston),",
            ",local_zoen,US East (Boston),",
            "column kind: 'local_zoen' is not one of region, local_zone, wavelength_zone, outpost; "
            "did you mean 'local_zone'?",
        ),
        (
            BOSTON,
            BOSTON.replace(",ga,", ",open,"),
            "column status: 'open' is not one of ga, planned, legacy, restricted, unverified",
        ),
        (
            BOSTON,
            BOSTON.replace(",US,", ",United State,"),
            "column country: 'United State' is not a known ISO 3166 country code; did you mean 'US'?",
        ),
        (BOSTON, BOSTON.replace("42.3584", "142.3584"), "column lat: 142.3584 is out of range (-90 to 90)"),
        (BOSTON, BOSTON.replace("-71.0598", "nan"), "column lon: 'nan' is not a finite number"),
        (
            BOSTON,
            BOSTON.replace(",us-east-1,B", ",US-EAST-1,B"),
            "column parent: 'US-EAST-1' is not a known Region; did you mean 'us-east-1'?",
        ),
        (BOSTON, BOSTON.replace(",us-east-1,B", ",,B"), "column parent: a local_zone needs one"),
        (BOSTON, BOSTON.replace(",local_zone,", ",region,"), "column parent: a Region has none"),
        (
            BOSTON,
            BOSTON.replace("bos-1a", "bue-1a"),
            "column site_id: 'us-east-1-bue-1a' is used twice (first in row {row})",
        ),
    ],
)
def test_a_bad_site_is_refused(copy, old, new, words):
    sites = copy / "sites.csv"
    lines = sites.read_text(encoding="utf-8").splitlines()
    row = 1 + next(number for number, line in enumerate(lines) if old in line)
    other = 1 + next(number for number, line in enumerate(lines) if line.startswith("us-east-1-bue-1a,"))
    edit(sites, old, new)
    row, first = max(row, other) if "twice" in words else row, min(row, other)
    assert complaint(copy, "sites.csv") == f", row {row}, {words.format(row=first)}"


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        (
            "prices.csv",
            "instance_hour,eu-west-1,m5.xlarge,hour,0.3,USD,,mine,2026-11-23,",
            "column item: is listed twice for this site (first in row {row})",
        ),
        (
            "prices.csv",
            "instance_hour,eu-wset-1,m5.large,hour,0.3,USD,,mine,2026-11-23,",
            "column site: 'eu-wset-1' is not a known site; did you mean 'eu-west-1'?",
        ),
        (
            "prices.csv",
            "instance_hour,eu-west-1,m5.large,hour,-1,USD,,mine,2026-11-23,",
            "column price: -1 is out of range (0 to 1e+09)",
        ),
        (
            "prices.csv",
            "instance_hour,eu-west-1,m5.large,hour,nan,USD,,mine,2026-11-23,",
            "column price: 'nan' is not a finite number",
        ),
        (
            "prices.csv",
            "instance_hour,eu-west-1,m5.large,hour,1,EUR,,mine,2026-11-23,",
            "column currency: 'EUR' is not one of USD, CNY",
        ),
        (
            "prices.csv",
            "instance_hour,eu-west-1,m5.large,hour,1,USD,,,2026-11-23,",
            "column source: is blank",
        ),
        (
            "prices.csv",
            "instance_hour,eu-west-1,m5.large,hour,1,USD,,mine,soon,",
            "column as_of: 'soon' is not a date like 2026-11-23, 2026-11, 2026 or undated",
        ),
        (
            "services.csv",
            "rds,local_zone,,us-west-2-lax-1,yes,yes,,mine,2026,",
            "column service: repeats the claim of row {row}",
        ),
        (
            "services.csv",
            "rds,local_zone,,us-west-2-lxa-1,yes,yes,,mine,2026,",
            "column site: 'us-west-2-lxa-1' is not a known site; did you mean 'us-west-2-lax-1'?",
        ),
        (
            "services.csv",
            "rds,local_zone,,us-east-1-bos-1,maybe,yes,,mine,2026,",
            "column offered: 'maybe' is not one of yes, no",
        ),
        (
            "compliance.csv",
            "pci,campus,,,yes,yes,mine,2026,",
            "column kind: 'campus' is not one of region, local_zone, wavelength_zone, outpost,"
            " outpost_server",
        ),
        (
            "endpoints.csv",
            "eu-wset-1,region,x.example,443,tcp,,mine,2026,",
            "column site_id: 'eu-wset-1' is not a known site; did you mean 'eu-west-1'?",
        ),
        (
            "endpoints.csv",
            "eu-west-1,local_zone,x.example,443,tcp,,mine,2026,",
            "column kind: eu-west-1 is a region",
        ),
        (
            "endpoints.csv",
            "eu-west-1,region,x.example,443,tpc,,mine,2026,",
            "column protocols: 'tpc' is not one of dns, tcp, tls, http, icmp; did you mean 'tcp'?",
        ),
        (
            "endpoints.csv",
            "eu-west-1,region,x.example,,tcp,,mine,2026,",
            "column port: is blank, but tcp, tls and http need one",
        ),
        (
            "endpoints.csv",
            "eu-west-1,region,x.example,70000,tcp,,mine,2026,",
            "column port: 70000 is out of range (1 to 65535)",
        ),
        (
            "endpoints.csv",
            "eu-west-1,region,ec2.eu-west-1.amazonaws.com,443,tcp,,mine,2026,",
            "column host: 'ec2.eu-west-1.amazonaws.com' is listed twice for eu-west-1",
        ),
    ],
)
def test_a_bad_row_is_refused(copy, name, line, words):
    path = copy / name
    text = path.read_text(encoding="utf-8")
    same = ",".join(line.split(",")[:3]) if name == "prices.csv" else ",".join(line.split(",")[:4])
    first = next((n for n, other in enumerate(text.splitlines(), start=1) if other.startswith(same + ",")), 0)
    path.write_text(text + line + "\n", encoding="utf-8")
    row = text.count("\n") + 1
    assert complaint(copy, name) == f", row {row}, {words.format(row=first)}"


def test_a_missing_file_is_refused(copy):
    (copy / "prices.csv").unlink()
    assert complaint(copy, "prices.csv") == ": No such file or directory"


def test_an_item_no_comparable_region_lists_has_no_price(copy):
    path = copy / "prices.csv"
    line = "instance_hour,cn-north-1,z1d.large,hour,1,CNY,,mine,2026-11-23,\n"
    path.write_text(path.read_text(encoding="utf-8") + line, encoding="utf-8")
    catalog = load_catalog(directory=copy)
    with pytest.raises(NoPriceError, match="no Region comparable to eu-west-1 lists z1d"):
        catalog.site_prices(catalog.site("eu-west-1"), "z1d.large", local_zone_premium=0.2)


# Markets


def test_a_reference_region_that_is_none_is_refused(copy):
    edit(copy / "source.toml", 'reference = "us-east-1"', 'reference = "us-eats-1"')
    text = complaint(copy, "source.toml")
    assert (
        text == ", estimates.reference: 'us-eats-1' is not a Region of sites.csv; did you mean 'us-east-1'?"
    )


def test_regions_without_geographies_are_compared_with_all(copy):
    """The provider's file says who is comparable with whom: nothing of it is known beforehand."""
    edit(copy / "source.toml", '"Asia Pacific" = ["ap-*"]', "")
    prices = load_catalog(directory=copy)
    price = prices.site_prices(prices.site("ap-south-2"), "m5.xlarge", local_zone_premium=0.2).instance_hour
    assert price.note.startswith("not listed for ap-south-2: the dearest anywhere")
