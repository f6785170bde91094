"""Cities as they ship, clients from a person's own file, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from planner.datadir import data_dir
from planner.demand import DemandError, load_cities, load_clients_csv

CITIES = data_dir() / "demand" / "cities.csv"
HEADER = "id,country,lat,lon,weight"


def clients(tmp_path: Path, body: str, header: str = HEADER):
    path = tmp_path / "clients.csv"
    path.write_text(f"{header}\n{body}\n", encoding="utf-8")
    return load_clients_csv(path)


def complaint(tmp_path: Path, body: str, header: str = HEADER) -> str:
    with pytest.raises(DemandError) as caught:
        clients(tmp_path, body, header)
    return str(caught.value).removeprefix(str(tmp_path / "clients.csv"))


# Cities


def test_the_largest_cities_of_the_world_come_first():
    demand = load_cities(("*",), 1000)
    assert len(demand.clients) == 1000
    assert (demand.clients[0].id, demand.clients[0].name) == ("shanghai-1796236", "Shanghai")
    assert demand.weight.shape == (1000,)
    assert np.all(np.diff(demand.weight) <= 0)
    assert demand.weight[0] == demand.clients[0].weight == 24_874_500
    assert demand.source == "GeoNames cities of 15,000 people and more, 2026-11-23 (CC BY 4.0)"


def test_every_shipped_city_can_be_read():
    demand = load_cities(("*",), 10**6)
    assert len(demand.clients) == 33_961
    assert demand.weight.min() >= 15_000
    assert len({client.id for client in demand.clients}) == 33_961
    assert all(client.id.isascii() and client.id == client.id.lower() for client in demand.clients)


def test_countries_narrow_the_choice():
    demand = load_cities(("IS", "LU"), 100)
    assert {client.country for client in demand.clients} == {"IS", "LU"}
    assert demand.clients[0].id == "reykjavik-3413829"
    assert len(load_cities(("IS",), 1).clients) == 1


def test_the_weights_are_read_only_and_the_demand_travels():
    demand = load_cities(("IS",), 5)
    with pytest.raises(ValueError, match="read-only"):
        demand.weight[0] = 1.0
    again = pickle.loads(pickle.dumps(demand))
    assert again.clients == demand.clients


@pytest.mark.parametrize(
    ("countries", "top", "words"),
    [
        (("DE", "UK"), 5, "'UK' is not a known ISO 3166 country code; did you mean 'GB'?"),
        (("Germany",), 5, "'Germany' is not a known ISO 3166 country code; did you mean 'DE'?"),
        (("AQ",), 5, "has no city in AQ"),
        ((), 5, "has no city in an empty list of countries"),
        (("*",), 0, "0 cities were asked for; at least 1 is needed"),
    ],
)
def test_cities_that_do_not_exist_are_refused(countries, top, words):
    with pytest.raises(DemandError) as caught:
        load_cities(countries, top)
    assert str(caught.value) == f"{CITIES}: {words}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "1,A,DE,1,1,5\n2,B,DE,1,1,9",
            "row 3, column population: is greater than the row before; sort the file, largest first",
        ),
        ("1,A,DE,1,1,9\n1,B,DE,1,1,5", "row 3, column geoname_id: '1' is used twice"),
        ("1,A,DE,1,1,many", "row 2, column population: 'many' is not a finite number"),
        ("1,A,DE,1,1,1.5", "row 2, column population: '1.5' is not a whole number"),
        ("1,A,DE,1,1,-1", "row 2, column population: -1 is out of range (0 or more)"),
        ("1,A,DE,1,1,0", "weight: every weight is 0; at least one client must ask for something"),
    ],
)
def test_a_bad_city_file_is_refused(tmp_path, body, words):
    path = tmp_path / "cities.csv"
    path.write_text(f"geoname_id,name,country,lat,lon,population\n{body}\n", encoding="utf-8")
    with pytest.raises(DemandError) as caught:
        load_cities(("*",), 10, path)
    assert str(caught.value) == f"{path}, {words}"


def test_a_city_whose_name_has_no_latin_letter_still_has_an_id(tmp_path):
    path = tmp_path / "cities.csv"
    path.write_text("geoname_id,name,country,lat,lon,population\n7,東京,JP,1,1,9\n", encoding="utf-8")
    demand = load_cities(("*",), 1, path)
    assert demand.clients[0].id == "city-7"
    assert demand.source == "cities.csv"


# A person's own clients


def test_reads_a_persons_own_clients(tmp_path):
    demand = clients(
        tmp_path,
        "a,DE,50,8,3.5,pii; cardholder,Plant A,apollo\nb,FR,48.8,2.3,0,,,\n",
        HEADER + ",classes,name,tag:project",
    )
    first, second = demand.clients
    assert (first.id, first.name, first.weight) == ("a", "Plant A", 3.5)
    assert first.classes == {"pii", "cardholder"}
    assert (second.name, second.classes) == ("b", frozenset())
    assert demand.weight.tolist() == [3.5, 0.0]
    assert demand.source == "clients.csv"


def test_a_cell_a_spreadsheet_would_run_is_data(tmp_path):
    demand = clients(tmp_path, '"=1+1",DE,50,8,1\n@b,DE,50,8,1')
    assert [client.id for client in demand.clients] == ["=1+1", "@b"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("a,DE,50,8,-1", ", row 2, column weight: -1 is out of range (0 or more)"),
        ("a,DE,50,8,nan", ", row 2, column weight: 'nan' is not a finite number"),
        ("a,DE,50,8,inf", ", row 2, column weight: 'inf' is not a finite number"),
        ("a,DE,50,8,", ", row 2, column weight: is blank"),
        (
            "a,DE,50,8,0\nb,DE,50,8,0",
            ", weight: every weight is 0; at least one client must ask for something",
        ),
        ("a,DE,50,8,1e308\nb,DE,50,8,1e308", ", weight: the sum of the weights is too large"),
        ("a,DE,90.5,8,1", ", row 2, column lat: 90.5 is out of range (-90 to 90)"),
        ("a,DE,50,-181,1", ", row 2, column lon: -181 is out of range (-180 to 180)"),
        (
            "a,UK,50,8,1",
            ", row 2, column country: 'UK' is not a known ISO 3166 country code; did you mean 'GB'?",
        ),
        ("a,QQ,50,8,1", ", row 2, column country: 'QQ' is not a known ISO 3166 country code"),
        ("a,DE,50,8,1\nb,DE,50,8,1\na,FR,1,1,1", ", row 4, column id: 'a' is used twice (first in row 2)"),
        (" ,DE,50,8,1", ", row 2, column id: is blank"),
        ("a,DE,50,8", ", row 2: has 4 of 5 cells; 'weight' is missing"),
        ("a,DE,50,8,1,2", ", row 2: has 6 cells, but the header has 5 columns"),
        ("", ": has a header but no client"),
    ],
)
def test_bad_clients_are_refused(tmp_path, body, words):
    assert complaint(tmp_path, body) == words


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("id,country,lat,lon", ", row 1, column weight: is missing from the header"),
        ("id,country,lat,lon,wieght", ", row 1, column 'wieght': unknown column; did you mean 'weight'?"),
        ("id,country,lat,lon,weight,weight", ", row 1, column weight: stands in the header more than once"),
    ],
)
def test_a_bad_header_is_refused(tmp_path, header, words):
    assert complaint(tmp_path, "a,DE,50,8,1", header) == words


def test_latin_1_is_refused(tmp_path):
    path = tmp_path / "clients.csv"
    path.write_bytes(f"{HEADER}\nKöln,DE,50,8,1\n".encode("latin-1"))
    with pytest.raises(DemandError) as caught:
        load_clients_csv(path)
    assert str(caught.value) == f"{path}, row 2: is not UTF-8 (byte 0xf6)"


def test_the_shipped_factory_is_read():
    demand = load_clients_csv(data_dir() / "studies" / "factory-clients.csv")
    assert len(demand.clients) == 29
    assert {name for client in demand.clients for name in client.classes} == {"machine-data", "personnel"}
    # Weights are requests per second, and the study's peak is their sum.
    assert demand.weight.sum() == 11_970


def test_coordinates_that_are_swapped_are_refused_and_what_is_only_far_is_said(tmp_path):
    path = tmp_path / "clients.csv"
    head = "id,country,lat,lon,weight\nbonn,DE,50.7,7.1,1\n"
    path.write_text(f"{head}hamburg,DE,10.0,53.55,1\n")
    with pytest.raises(DemandError) as caught:
        load_clients_csv(path)
    said = str(caught.value)
    assert said.startswith(f"{path}, row 3, column lat: lat 10, lon 53.55 is ")
    assert said.endswith("lat and lon are swapped")
    path.write_text(f"{head}reunion,FR,-20.9,55.5,1\n")
    assert load_clients_csv(path).notes[0].startswith("clients.csv, row 3: reunion is ")
    path.write_text(head)
    assert load_clients_csv(path).notes == ()
