"""A client only from sites whose tag has the value of its own, as attribute-based access compares them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from planner.catalog import load_catalog
from planner.inputs import load_inputs
from planner.problem import build_problem
from planner.site_tags import site_tags
from planner.study import Selector, StudyError, TagsRule, load_study, parse_study
from tests.planner.audit import estate

SITE_TAGS = ({"team": "a"}, {"team": "b"}, {}, {"team": "a", "line": "1"}, {"line": "1"})
CLIENT_TAGS = ({"team": "a"}, {"team": "b"}, {}, {"line": "1"}, {"team": "c"})


def allowed(rule):
    """(clients, sites) what the rule alone allows."""
    inputs = estate.inputs()
    sites = tuple(replace(site, tags=tags) for site, tags in zip(inputs.sites, SITE_TAGS, strict=True))
    clients = tuple(
        replace(client, tags=tags) for client, tags in zip(inputs.demand.clients, CLIENT_TAGS, strict=True)
    )
    tagged = replace(inputs, sites=sites, demand=replace(inputs.demand, clients=clients))
    problem = build_problem(replace(estate.study(), rules=(rule,)), tagged)
    (effect,) = [effect for effect in problem.effects if effect.rule == "tags[1]"]
    return effect.pairs.astype(int).tolist()


def test_those_that_carry_the_tag():
    assert allowed(TagsRule("team")) == [
        [1, 0, 0, 1, 0],
        [0, 1, 0, 0, 0],
        [1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0],
    ]


def test_a_selected_client_without_the_tag_has_no_site():
    assert allowed(TagsRule("line", Selector(countries=("US", "FR")))) == [
        [1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 1, 1],
        [1, 1, 1, 1, 1],
    ]


STUDY = """\
name = "shop"
[demand]
csv = "clients.csv"
[candidates]
include = ["eu-*"]
[candidates.tags]
"eu-*" = ["team=a"]
"eu-west-1" = ["line=1"]
[[candidates.outpost]]
id = "op-1"
country = "ES"
lat = 40.4
lon = -3.7
parent = "eu-south-2"
capacity_rps = 4000
upfront_usd = 180000
monthly_usd = 4200
term_months = 36
tags = ["team=b"]
[[rule]]
kind = "tags"
key = "team"
"""
CLIENTS = "id,country,lat,lon,weight,tag:team,tag:floor\nberlin,DE,52.5,13.4,3,a,\ndublin,IE,53.3,-6.3,1,,2\n"


def written(tmp_path, text=STUDY, clients=CLIENTS):
    (tmp_path / "clients.csv").write_text(clients)
    (tmp_path / "shop.toml").write_text(text)
    return tmp_path / "shop.toml"


def complaint(path):
    with pytest.raises(StudyError) as caught:
        load_inputs(load_study(path))
    return str(caught.value).removeprefix(str(path))


def test_tags_of_sites_and_clients_come_from_study_and_csv(tmp_path):
    inputs = load_inputs(load_study(written(tmp_path)))
    tags = {site.id: site.tags for site in inputs.sites}
    assert tags["eu-west-1"] == {"team": "a", "line": "1"}
    assert tags["eu-central-1"] == {"team": "a"}
    assert tags["op-1"] == {"team": "b"}
    assert [client.tags for client in inputs.demand.clients] == [{"team": "a"}, {"floor": "2"}]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'key = "team"',
            'key = "tema"',
            ", rule[1].key: no site has the tag 'tema'; did you mean 'team'?",
        ),
        ('key = "team"', 'key = "line"', ", rule[1].key: no client has the tag 'line'"),
        (
            '"eu-west-1" = ["line=1"]',
            '"eu-west-1" = ["team=b"]',
            ", candidates.tags: 'eu-west-1' is given team=a by 'eu-*' and team=b by 'eu-west-1'",
        ),
        (
            '"eu-west-1" = ["line=1"]',
            '"op-*" = ["team=c"]',
            ", candidates.tags: 'op-1' is given team=c by 'op-*' and team=b by its own tags",
        ),
        (
            '"eu-west-1" = ["line=1"]',
            '"eu-wets-1" = ["line=1"]',
            ", candidates.tags: 'eu-wets-1' matches no known site; did you mean 'eu-west-1'?",
        ),
    ],
)
def test_bad_tags(tmp_path, old, new, message):
    assert old in STUDY
    assert complaint(written(tmp_path, STUDY.replace(old, new))) == message


def test_cities_carry_no_tags(tmp_path):
    text = STUDY.replace('csv = "clients.csv"', 'cities = { countries = ["DE"], top = 2 }')
    words = ", rule[1].key: no client has the tag 'team': cities carry none, so give them as demand.csv"
    assert complaint(written(tmp_path, text)) == words


def test_a_tag_column_without_a_name(tmp_path):
    path = written(tmp_path, clients=CLIENTS.replace("tag:floor", "tag:"))
    with pytest.raises(Exception, match="row 2, column tag:: names nothing after the colon"):
        load_inputs(load_study(path))


def test_one_value_from_two_patterns_is_no_disagreement():
    study = parse_study(
        'name = "x"\n[demand]\ncities = { top = 1 }\n[candidates.tags]\n"eu-*" = ["a=1"]\n"*" = ["a=1"]',
        name="x.toml",
        directory=Path(),
    )
    assert site_tags(study, load_catalog("aws").sites)["eu-west-1"] == {"a": "1"}
