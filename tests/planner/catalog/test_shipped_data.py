"""Every shipped file: each row cites a source that is explained and a date; nothing is out of proportion."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path

import pytest

from planner.catalog import load_catalog, shipped_providers
from planner.datadir import data_dir
from planner.geo import fibre_ms, great_circle_km
from planner.jurisdictions import JurisdictionError, load_countries, load_jurisdictions, nearest_country

DATA = data_dir()
AWS = DATA / "providers" / "aws"
PROVIDERS = tuple(DATA / "providers" / name for name in shipped_providers())
CITED = (
    *(file for provider in PROVIDERS for file in sorted(provider.glob("*.csv"))),
    *(DATA / name for name in ("access.csv", "countries.csv", "jurisdictions.csv", "recovery.csv")),
)
DATE = re.compile(r"\d{4}(-\d\d){0,2}(/\d{4}(-\d\d){0,2})?|undated")


def records(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.mark.parametrize("path", CITED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_row_cites_an_explained_source_and_a_date(path):
    explained = tomllib.loads((path.parent / "source.toml").read_text(encoding="utf-8"))["sources"]
    rows = records(path)
    assert rows
    for number, row in enumerate(rows, start=2):
        keys = row["source"].split(";")
        assert all(key in explained for key in keys), f"{path.name}, row {number}: {row['source']}"
        assert DATE.fullmatch(row["as_of"]), f"{path.name}, row {number}: {row['as_of']}"


@pytest.mark.parametrize("folder", [*PROVIDERS, DATA, DATA / "demand"], ids=lambda path: path.name)
def test_every_explained_source_is_cited_and_says_its_licence_and_date(folder):
    explained = tomllib.loads((folder / "source.toml").read_text(encoding="utf-8"))["sources"]
    used = {"geonames"} if folder.name == "demand" else set()
    for path in CITED:
        if path.parent == folder:
            used |= {key for row in records(path) for key in row["source"].split(";")}
    assert set(explained) == used
    for source in explained.values():
        assert source["title"]
        assert source["licence"]
        assert source["as_of"]


def test_what_no_source_was_found_for_is_marked_unverified():
    for provider in PROVIDERS:
        for name in ("services.csv", "compliance.csv"):
            for row in records(provider / name):
                assert row["source"] != "unsourced" or row["verified"] == "no", row
        for row in records(provider / "prices.csv"):
            assert row["source"] != "unsourced" or row["note"].startswith("unverified"), row


def test_the_citys_licence_is_given():
    source = tomllib.loads((DATA / "demand" / "source.toml").read_text(encoding="utf-8"))["sources"][
        "geonames"
    ]
    assert source["licence"] == "CC BY 4.0"
    assert "GeoNames" in source["attribution"]
    assert "CC BY 4.0" in (DATA / "README.md").read_text(encoding="utf-8")


def test_no_file_is_too_large_to_ship():
    for path in (*CITED, DATA / "demand" / "cities.csv"):
        assert path.stat().st_size < 1_600_000, path.name


def test_prices_are_of_the_order_one_expects():
    dollars = [row for row in records(AWS / "prices.csv") if row["currency"] == "USD"]
    assert len(dollars) > 350
    for row in dollars:
        if row["unit"] == "GB" and row["category"] != "outposts":
            assert 0.005 <= float(row["price"]) <= 0.2, row
        if row["category"] == "instance_hour" and row["item"] == "m5.xlarge":
            assert 0.15 <= float(row["price"]) <= 0.4, row


def test_egress_falls_with_volume():
    tiers: dict[str, list[tuple[float, float]]] = {}
    for row in records(AWS / "prices.csv"):
        if row["category"] == "internet_egress":
            tiers.setdefault(row["site"], []).append((float(row["tier_from_gb"]), float(row["price"])))
    assert len(tiers) == 32
    for steps in tiers.values():
        assert sorted(steps)[0][0] == 0
        prices = [price for _, price in sorted(steps)]
        assert prices == sorted(prices, reverse=True)


# Several providers


def test_no_two_providers_share_a_site_id():
    """Plans, measurements and exports know a site by its id alone."""
    ids = [row["site_id"] for provider in PROVIDERS for row in records(provider / "sites.csv")]
    assert len(ids) == len(set(ids)) > 200


def test_a_metro_has_one_name_and_place_whoever_is_there():
    """Rules that count sites by metro compare names; two names for one town would be two towns."""
    places: dict[tuple[str, str], list[tuple[str, float, float]]] = {}
    for provider in PROVIDERS:
        for row in records(provider / "sites.csv"):
            if row["coordinates"] in ("metro", "approximate"):
                spot = (row["metro"], float(row["lat"]), float(row["lon"]))
                places.setdefault((row["country"], row["partition"]), []).append(spot)
    every = [(country, *spot) for (country, _), spots in places.items() for spot in spots]
    for country, name, lat, lon in every:
        for other_country, other, other_lat, other_lon in every:
            if country == other_country and (lat, lon) == (other_lat, other_lon):
                assert name == other
            if (country, name) == (other_country, other):
                assert great_circle_km(lat, lon, other_lat, other_lon) < 1


def test_every_region_of_every_provider_belongs_to_a_geography():
    for provider in PROVIDERS:
        catalog = load_catalog(provider.name)
        markets = catalog.price_list.markets
        for site in catalog.sites:
            if site.kind == "region":
                assert markets.geography(site.id) in markets.geographies, site.id


@pytest.mark.parametrize(
    ("provider", "instance", "missing"),
    [
        ("gcp", "n2-standard-4", {"asia-southeast3", "europe-north2", "northamerica-south1"}),
        ("azure", "Standard_D4s_v5", {"belgiumcentral", "denmarkeast"}),
    ],
)
def test_what_is_not_listed_is_estimated_dearer_and_said(provider, instance, missing):
    catalog = load_catalog(provider)
    estimated = set()
    for site in catalog.sites:
        prices = catalog.site_prices(
            site, instance, local_zone_premium=0.2, crosses_zones=True, goes_home=True
        )
        assert prices.egress_gb.usd > 0
        assert not prices.egress_gb.estimated
        assert prices.home_gb.usd > 0
        hour = prices.instance_hour
        if hour.estimated:
            estimated.add(site.id)
            assert hour.note.startswith(f"not listed for {site.id}: ")
            near = [
                price.usd
                for (category, region, item), price in catalog.price_list.listed.items()
                if (category, item) == ("instance_hour", instance)
                and catalog.price_list.markets.geography(region)
                == catalog.price_list.markets.geography(site.id)
            ]
            assert hour.usd >= max(near)
    assert estimated == missing


def test_no_endpoint_of_azure_is_a_private_partys():
    hosts = [row["host"] for row in records(DATA / "providers" / "azure" / "endpoints.csv")]
    assert not [host for host in hosts if not re.fullmatch(r"[a-z0-9]+\.monitoring\.azure\.com", host)]


def test_no_published_round_trip_beats_light():
    places = {row["site"]: row for row in records(DATA / "latency" / "vantages.csv")}
    sites = {row["id"]: row for row in records(DATA / "latency" / "vantages.csv")}
    rows = records(DATA / "latency" / "azure-regions.csv")
    assert len(rows) == 2350
    for row in rows:
        here, there = sites[row["vantage"]], places[row["site"]]
        km = great_circle_km(*(float(each[key]) for each in (here, there) for key in ("lat", "lon")))
        assert float(row["rtt_ms"]) >= fibre_ms(km), row


# Jurisdictions

ELSEWHERE = {"AX", "GF", "GP", "MF", "MQ", "RE", "YT"}
"""Territory of the Union that has an ISO code of its own."""


def test_jurisdictions_have_the_members_they_should():
    sets = load_jurisdictions()
    assert len(sets["EU"] - ELSEWHERE) == 27
    assert sets["EU"] >= ELSEWHERE
    assert sets["EEA"] - sets["EU"] == {"IS", "LI", "NO"}
    assert not sets["EU-adequacy"] & sets["EEA"]
    assert {"CH", "GB", "JP", "US", "CA", "BR"} <= sets["EU-adequacy"]
    assert len(sets["NATO"]) == 32
    assert len(sets["Eurozone"]) == 21
    assert sets["Eurozone"] < sets["EU"]
    for members in sets.values():
        assert members <= set(load_countries())


def test_union_territory_elsewhere_says_why_it_is_in_and_the_rest_overseas_is_out():
    rows = [row for row in records(DATA / "jurisdictions.csv") if row["country"] in ELSEWHERE]
    for name in ("EU", "EEA"):
        conditions = {row["country"]: row["condition"] for row in rows if row["name"] == name}
        assert conditions.keys() == ELSEWHERE
        assert all("GDPR" in condition for condition in conditions.values())
    # Saint Barthélemy and New Caledonia are countries overseas, as Greenland and the Faroes are outside.
    assert not {"BL", "NC", "PF", "GL", "FO"} & load_jurisdictions()["EEA"]


def test_conditional_adequacy_says_its_condition():
    rows = {
        row["country"]: row for row in records(DATA / "jurisdictions.csv") if row["name"] == "EU-adequacy"
    }
    assert "PIPEDA" in rows["CA"]["condition"]
    assert "Data Privacy Framework" in rows["US"]["condition"]


def test_countries_are_the_iso_codes_and_kosovo():
    countries = load_countries()
    assert len(countries) == 250
    assert all(re.fullmatch("[A-Z]{2}", code) for code in countries)
    assert (countries["XK"], countries["DE"], countries["NA"]) == ("Kosovo", "Germany", "Namibia")


@pytest.mark.parametrize(
    ("text", "code"),
    [("UK", "GB"), ("de", "DE"), ("Germny", "DE"), ("Switzerland", "CH"), ("EL", "GR"), ("QQ", None)],
)
def test_the_country_that_was_meant(text, code):
    assert nearest_country(text) == code


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "EEA,UK,,mine,2026",
            "column country: 'UK' is not a known ISO 3166 country code; did you mean 'GB'?",
        ),
        ("EEA,DE,,mine,2026\nEEA,DE,,mine,2026", "column country: DE is already in EEA"),
        ("EEA,DE,,,2026", "column source: is blank"),
        (",DE,,mine,2026", "column name: is blank"),
    ],
)
def test_a_bad_jurisdiction_is_refused(tmp_path, line, words):
    path = tmp_path / "jurisdictions.csv"
    path.write_text(f"name,country,condition,source,as_of\n{line}\n", encoding="utf-8")
    with pytest.raises(JurisdictionError) as caught:
        load_jurisdictions(path)
    assert str(caught.value) == f"{path}, row {1 + len(line.splitlines())}, {words}"
