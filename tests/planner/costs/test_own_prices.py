"""A person's own prices go before the shipped ones; what cannot be meant is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.inputs import load_inputs
from planner.own_prices import OwnPricesError
from planner.study import StudyError, parse_study

HEAD = "category,site,item,unit,price,currency,tier_from_gb,source,as_of\n"
STUDY = """
name = "shop"
prices = "mine.csv"
[demand]
cities = { countries = ["DE"], top = 5 }
[candidates]
include = ["eu-*"]
[workload]
instance = "m5.xlarge"
"""


def inputs_with(tmp_path: Path, rows: str, text: str = STUDY):
    (tmp_path / "mine.csv").write_text(HEAD + rows, "utf-8")
    study = parse_study(text, name="shop.toml", directory=tmp_path)
    return load_inputs(study)


def prices_of(inputs, site_id):
    return inputs.prices[[site.id for site in inputs.sites].index(site_id)]


def test_own_prices_go_first_and_say_whose_they_are(tmp_path):
    inputs = inputs_with(
        tmp_path,
        "ec2_hour,eu-central-1,m5.xlarge,hour,0.111,USD,,our contract,2026-10-01\n"
        "internet_egress,eu-central-1,to-internet,GB,0.05,USD,,our contract,2026-10-01\n"
        "internet_egress,eu-central-1,to-internet,GB,0.02,USD,50000,our contract,2026-10-01\n",
    )
    mine, other = prices_of(inputs, "eu-central-1"), prices_of(inputs, "eu-west-1")
    assert (mine.instance_hour.usd, mine.instance_hour.estimated) == (0.111, False)
    assert mine.instance_hour.source == "mine.csv: our contract"
    assert mine.instance_hour.as_of == "2026-10-01"
    assert (mine.egress_gb.usd, mine.egress_gb.tiers) == (0.05, ((50_000.0, 0.02),))
    assert other.egress_gb.usd == 0.09
    assert len(inputs.hashes["prices"]) == 64


def test_an_instance_type_that_nobody_lists(tmp_path):
    inputs = inputs_with(
        tmp_path,
        "ec2_hour,eu-central-1,x9.huge,hour,9,USD,,quote,2026-10-01\n",
        STUDY.replace("m5.xlarge", "x9.huge"),
    )
    assert prices_of(inputs, "eu-central-1").instance_hour.usd == 9.0
    assert prices_of(inputs, "eu-west-1").instance_hour.estimated


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            "ec2_hours,eu-central-1,m5.xlarge,hour,1,USD,,q,2026-10-01",
            "row 2, column category: 'ec2_hours' is not one of",
        ),
        (
            "ec2_hour,eu-centrl-1,m5.xlarge,hour,1,USD,,q,2026-10-01",
            "row 2, column site: 'eu-centrl-1' is not a known site; did you mean 'eu-central-1'?",
        ),
        (
            "internet_egress,eu-central-1,to-internt,GB,1,USD,,q,2026-10-01",
            "row 2, column item: 'to-internt' is not a known item of internet_egress;"
            " did you mean 'to-internet'?",
        ),
        ("ec2_hour,eu-central-1,m5.xlarge,hour,-1,USD,,q,2026-10-01", "row 2, column price: "),
        ("ec2_hour,eu-central-1,m5.xlarge,hour,1,USD,,q,", "row 2, column as_of: is blank"),
        (
            "internet_egress,eu-central-1,to-internet,GB,1,USD,100,q,2026-10-01",
            "row 2, column tier_from_gb: 100 is the first tier listed; one must start at 0",
        ),
        (
            "internet_egress,eu-central-1,to-internet,GB,1,USD,0,q,2026-10-01\n"
            "internet_egress,eu-central-1,to-internet,GB,2,USD,9,q,2026-10-01",
            "row 3, column price: is more than that of the tier before: volume makes it cheaper",
        ),
    ],
)
def test_what_cannot_be_meant(tmp_path, row, words):
    with pytest.raises(OwnPricesError) as caught:
        inputs_with(tmp_path, row + "\n")
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "mine.csv"))


def test_a_file_that_is_not_there(tmp_path):
    study = parse_study(STUDY, name="shop.toml", directory=tmp_path)
    with pytest.raises(StudyError, match=r"shop.*, prices: .*mine\.csv: no such file"):
        load_inputs(study)
