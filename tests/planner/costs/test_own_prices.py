"""A person's own prices go before the shipped ones; what cannot be meant is refused."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from planner.catalog import load_catalog
from planner.inputs import load_inputs
from planner.own_prices import OwnPricesError, start_of_a_file, with_own_prices
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
        "instance_hour,eu-central-1,m5.xlarge,hour,0.111,USD,,our contract,2026-10-01\n"
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
        "instance_hour,eu-central-1,x9.huge,hour,9,USD,,quote,2026-10-01\n",
        STUDY.replace("m5.xlarge", "x9.huge"),
    )
    assert prices_of(inputs, "eu-central-1").instance_hour.usd == 9.0
    assert prices_of(inputs, "eu-west-1").instance_hour.estimated


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            "instance_hours,eu-central-1,m5.xlarge,hour,1,USD,,q,2026-10-01",
            "row 2, column category: 'instance_hours' is not one of",
        ),
        (
            "instance_hour,eu-centrl-1,m5.xlarge,hour,1,USD,,q,2026-10-01",
            "row 2, column site: 'eu-centrl-1' is not a known site; did you mean 'eu-central-1'?",
        ),
        (
            "internet_egress,eu-central-1,to-internt,GB,1,USD,,q,2026-10-01",
            "row 2, column item: 'to-internt' is not a known item of internet_egress;"
            " did you mean 'to-internet'?",
        ),
        ("instance_hour,eu-central-1,m5.xlarge,hour,-1,USD,,q,2026-10-01", "row 2, column price: "),
        (
            "instance_hour,eu-central-1,m5.xlarge,hour,1e300,USD,,q,2026",
            "row 2, column price: 1e300 is out of",
        ),
        ("instance_hour,eu-central-1,m5.xlarge,hour,1,USD,,q,9999", "row 2, column as_of: 9999 has not come"),
        (
            "instance_hour,eu-central-1,m5.xlarge,hour,1,USD,,q,9999-01-01/9999-02",
            "column as_of: 9999-01-01/",
        ),
        ("instance_hour,eu-central-1,m5.xlarge,hour,1,USD,,q,", "row 2, column as_of: is blank"),
        (
            "instance_hour,eu-central-1,m5.xlarg,hour,1,USD,,q,2026-10-01",
            "column item: 'm5.xlarg' is not a known item of instance_hour; did you mean 'm5.xlarge'?",
        ),
        (
            "direct_connect,eu-west-1,port-dedicated-10gbps,hour,1,USD,,q,2026-10-01",
            "column site: 'eu-west-1' is not where direct_connect, port-dedicated-10gbps is priced: global",
        ),
        (
            "outposts,eu-west-1,local-gateway-egress,GB,1,USD,,q,2026-10-01",
            "column site: 'eu-west-1' is not where outposts, local-gateway-egress is priced: outpost",
        ),
        (
            "outposts,op-9,local-gateway-egress,GB,1,USD,,q,2026-10-01",
            "column site: 'op-9' is not a known site",
        ),
        (
            "internet_egress,eu-central-1,to-internet,TB,1,USD,,q,2026-10-01",
            "column unit: 'TB' is not one of GB",
        ),
        (
            "commitment,global,compute-savings-1y,share,27,USD,,q,2026-10-01",
            "column price: 27 is out of range (0 to 1)",
        ),
        (
            "inter_region,eu-central-1,to-eu-wset-1,GB,1,USD,,q,2026-10-01",
            "column item: 'to-eu-wset-1' is not a known item of inter_region",
        ),
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


RACKS = (
    STUDY
    + """
commitment = "compute-savings-1y"
[[candidates.outpost]]
id = "op-1"
country = "DE"
lat = 49.0
lon = 12.1
parent = "eu-central-1"
capacity_rps = 100
upfront_usd = 1
monthly_usd = 1
term_months = 12
[[candidates.outpost]]
id = "op-2"
country = "DE"
lat = 49.0
lon = 12.1
parent = "eu-central-1"
capacity_rps = 100
upfront_usd = 1
monthly_usd = 1
term_months = 12
"""
)


def test_a_racks_own_line_for_all_or_for_one(tmp_path):
    rows = (
        "outposts,outpost,local-gateway-egress,GB,0.004,USD,,carrier,2026-10-01\n"
        "outposts,op-2,local-gateway-egress,GB,0.007,USD,,carrier,2026-10-01\n"
        "outposts,op-2,service-link-to-parent,GB,0.01,USD,,carrier,2026-10-01\n"
    )
    inputs = inputs_with(tmp_path, rows, RACKS)
    one, two = prices_of(inputs, "op-1"), prices_of(inputs, "op-2")
    assert (one.egress_gb.usd, one.egress_gb.own, one.egress_gb.estimated) == (0.004, True, False)
    assert (two.egress_gb.usd, two.parent_gb.usd) == (0.007, 0.01)
    assert (one.parent_gb.estimated, two.parent_gb.estimated) == (True, False)


def test_the_line_of_a_rack_is_that_of_each_of_its_sizes(tmp_path):
    one = "capacity_rps = 100\nupfront_usd = 1\nmonthly_usd = 1\n"
    sizes = "".join(f'[[candidates.outpost.size]]\nname = "{name}"\n{one}' for name in ("half", "full"))
    rows = (
        "outposts,op-1,local-gateway-egress,GB,0.004,USD,,carrier,2026-10-01\n"
        "outposts,op-1.full,local-gateway-egress,GB,0.003,USD,,carrier,2026-10-01\n"
    )
    head, first, other = RACKS.split("[[candidates.outpost]]\n")
    rack = first.replace(one, "").replace("capacity_rps = 100\nupfront_usd = 1\nmonthly_usd = 1\n", "")
    inputs = inputs_with(
        tmp_path, rows, f"{head}[[candidates.outpost]]\n{rack}{sizes}[[candidates.outpost]]\n{other}"
    )
    assert prices_of(inputs, "op-1.half").egress_gb.usd == 0.004
    assert prices_of(inputs, "op-1.full").egress_gb.usd == 0.003


def test_the_discount_of_a_commitment(tmp_path):
    inputs = inputs_with(
        tmp_path, "commitment,global,compute-savings-1y,share,0.31,USD,,offer,2026-11-02\n", RACKS
    )
    found = prices_of(inputs, "eu-central-1").commitment
    assert (found.discount, found.source, found.own) == (0.31, "mine.csv: offer", True)
    assert not [note for note in inputs.notes if "no source was found: say" in note]
    assert "mine.csv sets 1 price of 2026-11-02; 8 of 10 sites have prices of it" in inputs.notes


def test_a_port_of_another_speed_and_a_zones_own_traffic(tmp_path):
    text = STUDY.replace('include = ["eu-*"]', 'kinds = ["region", "local_zone"]\ninclude = ["us-west-2*"]')
    inputs = inputs_with(
        tmp_path,
        "direct_connect,global,port-dedicated-10gbps,hour,2.25,USD,,list,2026-10-01\n"
        "intra_region,us-west-2-lax-1,between-zones,GB,0.03,USD,,list,2026-10-01\n",
        text + '[network]\ndirect_connect = ["us-west-2"]\ngbps = 10\n',
    )
    assert prices_of(inputs, "us-west-2").port_hour.usd == 2.25
    assert prices_of(inputs, "us-west-2-lax-1a").parent_gb.usd == pytest.approx(0.06)
    assert prices_of(inputs, "us-west-2-lax-1a").parent_gb.own
    assert not prices_of(inputs, "us-west-2-phx-2a").parent_gb.own


def test_an_own_price_says_nothing_of_what_is_unlisted_elsewhere(tmp_path):
    # eu-south-2 lists no c6i.xlarge: its price is read from what its neighbours list, not from a contract.
    text = STUDY.replace("m5.xlarge", "c6i.xlarge")
    before = prices_of(inputs_with(tmp_path, "", text), "eu-south-2").instance_hour
    cheap = "".join(
        f"instance_hour,{site},c6i.xlarge,hour,0.01,USD,,contract,2026-10-01\n"
        for site in ("eu-central-1", "eu-central-2", "eu-west-1", "eu-west-2", "eu-west-3", "us-east-1")
    )
    after = prices_of(inputs_with(tmp_path, cheap, text), "eu-south-2").instance_hour
    assert before.estimated
    assert after == before


def test_a_row_that_repeats_what_is_listed_changes_nothing():
    catalog = load_catalog()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.csv"
        path.write_text(start_of_a_file(catalog), "utf-8")
        (again,) = with_own_prices([catalog], path, instance="m5.xlarge")
    assert not again.price_list.own
    assert again.commitments == catalog.commitments


def test_which_provider_a_row_is_about(tmp_path):
    aws = load_catalog()
    other = replace(aws, provider="other", sites=(), commitments=())
    path = tmp_path / "mine.csv"
    head = HEAD.replace("\n", ",provider\n")
    path.write_text(head + "instance_hour,eu-west-1,m5.xlarge,hour,0.1,USD,,q,2026,\n", "utf-8")
    mine, others = with_own_prices([aws, other], path, instance="m5.xlarge")
    assert (len(mine.price_list.own), len(others.price_list.own)) == (1, 0)  # only one has that site
    path.write_text(head + "route53,global,hosted-zone,month,1,USD,,q,2026,\n", "utf-8")
    with pytest.raises(OwnPricesError, match="column provider: is blank; 'global' may be that of aws, other"):
        with_own_prices([aws, other], path, instance="m5.xlarge")
    path.write_text(head + "route53,global,hosted-zone,month,1,USD,,q,2026,aws\n", "utf-8")
    mine, others = with_own_prices([aws, other], path, instance="m5.xlarge")
    assert (len(mine.price_list.own), len(others.price_list.own)) == (1, 0)
    path.write_text(head + "route53,global,hosted-zone,month,1,USD,,q,2026,awz\n", "utf-8")
    with pytest.raises(OwnPricesError, match="column provider: 'awz' is not"):
        with_own_prices([aws], path, instance="m5.xlarge")
