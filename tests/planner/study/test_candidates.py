"""Which sites a study gets to choose from, against the shipped catalog."""

from pathlib import Path

import pytest

from planner.candidates import choose_candidates
from planner.catalog import CatalogError, load_catalog
from planner.inputs import load_inputs
from planner.rules.selection import sites_of
from planner.study import StudyError, parse_study

OUTPOST = """
[[candidates.outpost]]
id = "{id}"
country = "ES"
lat = 40.4
lon = -3.7
parent = "{parent}"
capacity_rps = 4000
upfront_usd = 180000
monthly_usd = 4200
term_months = 36
"""


@pytest.fixture(scope="module")
def catalog():
    return load_catalog("aws")


def study(candidates, rest=""):
    text = f'name = "shop"\n[demand]\ncities = {{ countries = ["DE"] }}\n[candidates]\n{candidates}\n{rest}'
    return parse_study(text, name="shop.toml", directory=Path())


def choose(catalog, candidates, rest=""):
    return choose_candidates(study(candidates, rest), [catalog])


def complaint(catalog, candidates, rest=""):
    with pytest.raises(StudyError) as caught:
        choose(catalog, candidates, rest)
    return str(caught.value)


def test_kinds_and_status(catalog):
    chosen = choose(catalog, 'kinds = ["region"]')
    assert {site.kind for site in chosen.sites} == {"region"}
    assert {site.status for site in chosen.sites} == {"ga"}
    assert {site.id for site in chosen.sites} == {
        site.id for site in catalog.sites if site.kind == "region" and site.status == "ga"
    }
    assert any("not candidates; name one in candidates.include to use it" in note for note in chosen.notes)


def test_include_and_exclude_are_globs(catalog):
    ids = {site.id for site in choose(catalog, 'include = ["eu-*"]\nexclude = ["eu-west-*"]').sites}
    assert "eu-central-1" in ids
    assert not [site_id for site_id in ids if not site_id.startswith("eu-") or site_id.startswith("eu-west-")]


def test_a_glob_may_match_sites_of_other_kinds_only(catalog):
    assert choose(catalog, 'kinds = ["region"]\nexclude = ["us-west-2-lax-*"]').sites


def test_a_site_that_is_not_generally_available_must_be_named(catalog):
    legacy = next(site for site in catalog.sites if site.status == "legacy" and site.kind == "local_zone")
    kinds = 'kinds = ["region", "local_zone"]'
    assert legacy.id not in {site.id for site in choose(catalog, f'{kinds}\ninclude = ["*"]').sites}
    named = choose(catalog, f'{kinds}\ninclude = ["*", "{legacy.id}"]')
    assert legacy.id in {site.id for site in named.sites}


def test_a_named_site_of_another_kind_is_set_aside_aloud(catalog):
    chosen = choose(catalog, 'kinds = ["region"]\ninclude = ["us-*", "us-west-2-lax-1a"]')
    assert chosen.set_aside["us-west-2-lax-1a"] == "its kind, local_zone, is not among candidates.kinds"


def test_a_zone_needs_its_parent_among_the_candidates(catalog):
    chosen = choose(catalog, 'kinds = ["region", "local_zone"]\nexclude = ["us-west-2"]')
    assert chosen.set_aside["us-west-2-lax-1a"] == "its parent us-west-2 is not among the candidates"
    assert "us-west-2-lax-1a" not in {site.id for site in chosen.sites}
    assert "us-east-1-bos-1a" in {site.id for site in chosen.sites}


def test_a_site_without_a_price_is_set_aside_unless_it_was_named(catalog):
    kinds = 'kinds = ["region", "local_zone"]'
    reason = "offers c7i, m7i, r7i only, not m5.xlarge"
    assert choose(catalog, kinds).set_aside["ap-southeast-1-han-1a"] == reason
    named = f'{kinds}\ninclude = ["ap-southeast-1", "ap-southeast-1-han-1a"]'
    assert complaint(catalog, named) == f"shop, candidates.include: 'ap-southeast-1-han-1a' {reason}"


def test_prices_stand_in_the_order_of_the_sites_and_take_the_premium(catalog):
    plain, dear = (
        choose(catalog, f'kinds = ["region", "local_zone"]\nlocal_zone_premium = {premium}')
        for premium in (0.0, 0.5)
    )
    assert len(plain.prices) == len(plain.sites)
    at = [site.id for site in plain.sites].index("us-west-2-phx-2a")
    low, high = plain.prices[at].instance_hour, dear.prices[at].instance_hour
    assert high.usd == pytest.approx(1.5 * low.usd)
    assert high.estimated
    home = [site.id for site in plain.sites].index("us-west-2")
    assert dear.prices[home] == plain.prices[home]


def test_an_outpost_is_a_candidate_in_its_parents_partition(catalog):
    chosen = choose(catalog, 'include = ["eu-north-1"]', OUTPOST.format(id="op-1", parent="eu-south-2"))
    rack = chosen.sites[-1]
    assert (rack.id, rack.kind, rack.parent, rack.country) == ("op-1", "outpost", "eu-south-2", "ES")
    assert rack.outpost.capacity_rps == 4000
    assert "ec2" in rack.services
    # Its parent must exist; it need not be a candidate.
    assert [site.id for site in chosen.sites] == ["eu-north-1", "op-1"]
    assert chosen.parent_country == {"op-1": "ES"}
    assert chosen.prices[-1].instance_hour is None


def test_an_outpost_can_be_excluded(catalog):
    chosen = choose(catalog, 'exclude = ["op-1"]', OUTPOST.format(id="op-1", parent="eu-south-2"))
    assert "op-1" not in {site.id for site in chosen.sites}


@pytest.mark.parametrize(
    ("candidates", "rest", "message"),
    [
        (
            'include = ["eu-centrl-1"]',
            "",
            "candidates.include: 'eu-centrl-1' matches no known site; did you mean 'eu-central-1'?",
        ),
        ('exclude = ["mars-*"]', "", "candidates.exclude: 'mars-*' matches no known site"),
        (
            "",
            '[current]\nopen = ["eu-south-22"]',
            "current.open: 'eu-south-22' is not a known site; did you mean 'eu-south-2'?",
        ),
        (
            "",
            '[workload]\ninstance = "m5.xlarg"',
            "workload.instance: 'm5.xlarg' is not a known instance type; did you mean 'm5.xlarge'?",
        ),
        (
            "",
            '[workload]\nservices = ["ec2", "lambada"]',
            "workload.services: 'lambada' is not a known service; did you mean 'lambda'?",
        ),
        (
            "",
            '[[rule]]\nkind = "program"\nclients = { countries = ["DE"] }\nprograms = ["hippa"]',
            "rule[1].programs: 'hippa' is not a known program; did you mean 'hipaa'?",
        ),
        (
            "",
            OUTPOST.format(id="op-1", parent="eu-south2"),
            "candidates.outpost[1].parent: 'eu-south2' is not a known Region; did you mean 'eu-south-2'?",
        ),
        (
            "",
            OUTPOST.format(id="op-1", parent="us-west-2-lax-1a"),
            "candidates.outpost[1].parent: 'us-west-2-lax-1a' is not a known Region;"
            " did you mean 'us-west-2'?",
        ),
        (
            "",
            OUTPOST.format(id="eu-south-2", parent="eu-south-2"),
            "candidates.outpost[1].id: 'eu-south-2' is already the id of a catalogued site",
        ),
        ('exclude = ["*"]', "", "candidates: no site is left to choose from"),
        (
            'kinds = ["local_zone"]\ninclude = ["us-west-2-lax-1a"]',
            "",
            "candidates: no site is left to choose from; us-west-2-lax-1a, for one:"
            " its parent us-west-2 is not among the candidates",
        ),
    ],
)
def test_names_that_nobody_knows(catalog, candidates, rest, message):
    assert complaint(catalog, candidates, rest) == f"shop, {message}"


CAPACITY = '[[rule]]\nkind = "capacity"\nsites = ["{sites}"]\nmax_rps = 10'


def test_a_capacity_pattern_that_matches_nothing(catalog):
    assert (
        complaint(catalog, 'include = ["eu-*"]', CAPACITY.format(sites="eu-wets-1"))
        == "shop, rule[1].sites: 'eu-wets-1' matches no known site; did you mean 'eu-west-1'?"
    )
    assert (
        complaint(catalog, 'include = ["eu-*"]', CAPACITY.format(sites="us-*"))
        == "shop, rule[1].sites: 'us-*' matches no candidate"
    )


def test_a_site_that_was_left_out_still_answers_to_its_name(catalog):
    chosen = choose(
        catalog, 'include = ["eu-*"]\nexclude = ["eu-west-1"]', CAPACITY.format(sites="eu-west-1")
    )
    assert "eu-west-1" not in {site.id for site in chosen.sites}


def test_a_group_of_a_kind_that_no_candidate_is(catalog):
    group = '[[rule]]\nkind = "group"\nby = "metro"\nkinds = ["wavelength_zone"]\nat_most = 1'
    assert complaint(catalog, "", group) == "shop, rule[1].kinds: no candidate is a wavelength_zone"


SIZES = """
[[candidates.outpost]]
id = "op-1"
country = "ES"
lat = 40.4
lon = -3.7
parent = "eu-south-2"
term_months = 36
capital_rate = 0.06
size = [
    { name = "half", capacity_rps = 700, upfront_usd = 95000, monthly_usd = 1700 },
    { name = "full", capacity_rps = 1250, upfront_usd = 140000, monthly_usd = 2300 },
]
"""


def test_each_size_of_a_rack_is_a_candidate(catalog):
    chosen = choose(catalog, 'include = ["eu-south-2"]', SIZES)
    racks = {site.id: site.outpost for site in chosen.sites if site.kind == "outpost"}
    assert list(racks) == ["op-1.half", "op-1.full"]
    assert [terms.capacity_rps for terms in racks.values()] == [700, 1250]
    assert [terms.upfront_usd for terms in racks.values()] == [95000, 140000]
    assert {(terms.term_months, terms.capital_rate) for terms in racks.values()} == {(36, 0.06)}
    assert chosen.parent_country["op-1.half"] == "ES"


REGION = 'kinds = ["region"]\ninclude = ["eu-south-2", "op-1"]\n'


@pytest.mark.parametrize("pattern", ["op-1", "op-1.*", "op-?"])
def test_a_racks_id_means_every_size_of_it(catalog, pattern):
    chosen = choose(catalog, f'{REGION}exclude = ["{pattern}"]', SIZES)
    assert [site.id for site in chosen.sites] == ["eu-south-2"]
    tags = f'[candidates.tags]\n"{pattern}" = ["team=blue"]'
    chosen = choose(catalog, f"{REGION}{tags}", SIZES)
    assert {site.id: dict(site.tags) for site in chosen.sites} == {
        "eu-south-2": {},
        "op-1.half": {"team": "blue"},
        "op-1.full": {"team": "blue"},
    }
    asked = study(REGION, SIZES + CAPACITY.format(sites=pattern))
    inputs = load_inputs(asked)
    assert list(sites_of(asked.rules[0].sites, inputs)) == [False, True, True]


def test_one_size_by_its_own_name(catalog):
    chosen = choose(catalog, f'{REGION}exclude = ["op-1.half"]', SIZES)
    assert [site.id for site in chosen.sites] == ["eu-south-2", "op-1.full"]


@pytest.mark.parametrize(
    ("candidates", "rest", "message"),
    [
        (
            'exclude = ["op-11"]',
            "",
            "candidates.exclude: 'op-11' matches no known site; did you mean 'op-1'?",
        ),
        (
            'exclude = ["op-1.hal"]',
            "",
            "candidates.exclude: 'op-1.hal' matches no known site; did you mean 'op-1.half'?",
        ),
        (
            "",
            '[current]\nopen = ["eu-south-2", "op-1"]\n',
            "current.open: 'op-1' comes in sizes: say which runs, op-1.half or op-1.full",
        ),
        (
            "",
            '[network]\ndirect_connect = ["op-1"]\n',
            "network.direct_connect: 'op-1' is an Outpost, which leaves by its own line",
        ),
    ],
)
def test_what_a_rack_in_sizes_is_not(catalog, candidates, rest, message):
    assert complaint(catalog, candidates, SIZES + rest) == f"shop, {message}"


def test_two_racks_of_one_id_of_which_one_comes_in_sizes():
    with pytest.raises(StudyError, match="2 outposts have the id 'op-1'"):
        study("", SIZES + OUTPOST.format(id="op-1", parent="eu-south-2"))


def test_a_commitment_is_a_discount_at_every_site_that_sells_the_instance(catalog):
    rest = '[workload]\ncommitment = "compute-savings-1y"\n' + SIZES
    chosen = choose(catalog, 'include = ["eu-south-2"]', rest)
    discounts = {site.id: price.commitment for site, price in zip(chosen.sites, chosen.prices, strict=True)}
    assert discounts["eu-south-2"].discount == 0.27
    assert discounts["op-1.half"] is None
    assert any("compute-savings-1y saves 27%, for which no source was found" in note for note in chosen.notes)


def test_direct_connect_where_the_study_has_it(catalog):
    chosen = choose(
        catalog, 'include = ["eu-*"]', '[network]\ndirect_connect = ["eu-west-1", "us-*"]\ngbps = 1\n' + SIZES
    )
    priced = dict(zip((site.id for site in chosen.sites), chosen.prices, strict=True))
    assert (priced["eu-west-1"].port_hour.usd, priced["eu-west-1"].direct_gb.usd) == (0.3, 0.0282)
    others = [price for site_id, price in priced.items() if site_id != "eu-west-1"]
    assert all(price.port_hour is None and price.direct_gb is None for price in others)
    assert "network.direct_connect: us-* is no candidate, so nothing leaves by it" in chosen.notes


def test_traffic_between_zones_is_charged_at_both_ends(catalog):
    candidates = 'kinds = ["region", "local_zone"]\ninclude = ["us-west-2*"]'
    crossing = choose(catalog, candidates, "[workload]\ncross_zone_kb = 1")
    priced = dict(zip((site.id for site in crossing.sites), crossing.prices, strict=True))
    assert priced["us-west-2"].zone_gb.usd == pytest.approx(0.02)
    assert priced["us-west-2-lax-1a"].zone_gb is None
    assert all(price.zone_gb is None for price in choose(catalog, candidates).prices)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (
            '[workload]\ncommitment = "compute-saving-1y"',
            "workload.commitment: 'compute-saving-1y' is not a known commitment;"
            " did you mean 'compute-savings-1y'?",
        ),
        (
            '[workload]\ncommitment = "reserved-1y"',
            "workload.commitment: 'reserved-1y' is a discount on m6a, not on m5.xlarge",
        ),
        (
            '[network]\ndirect_connect = ["eu-wst-1"]',
            "network.direct_connect: 'eu-wst-1' matches no known site; did you mean 'eu-west-1'?",
        ),
        (
            '[network]\ndirect_connect = ["op-1.half"]' + SIZES,
            "network.direct_connect: 'op-1.half' is an Outpost, which leaves by its own line",
        ),
        (
            '[network]\ndirect_connect = ["op-*"]' + SIZES,
            "network.direct_connect: 'op-*' is an Outpost, which leaves by its own line",
        ),
        (
            SIZES.replace("op-1", "eu-south-2"),
            "candidates.outpost[1].id: 'eu-south-2' is already the id of a catalogued site",
        ),
    ],
)
def test_commitments_and_lines_that_nobody_offers(catalog, rest, message):
    assert complaint(catalog, "", rest) == f"shop, {message}"


def test_a_port_of_a_speed_that_has_no_price(catalog):
    rest = '[network]\ndirect_connect = ["eu-west-1"]\ngbps = 10'
    with pytest.raises(CatalogError) as caught:
        choose(catalog, "", rest)
    assert str(caught.value).endswith(
        "has no price for direct_connect, global, port-dedicated-10gbps: add it to your own prices;"
        " did you mean 'port-dedicated-1gbps'?"
    )


def outpost(more="", rest=""):
    return OUTPOST.format(id="op-1", parent="eu-south-2") + more + rest


def test_a_server_offers_less_than_a_rack(catalog):
    rack, server = (
        next(site for site in choose(catalog, "", outpost(form)).sites if site.id == "op-1")
        for form in ("", 'form = "server"\n')
    )
    assert {"ebs", "rds", "alb", "ec2", "ecs"} <= rack.services
    assert server.services == {"ec2", "ecs", "greengrass", "virtual-machine"}
    assert "pci" in rack.programs
    assert not server.programs
    assert not {"lambda", "dynamodb"} & rack.services


def test_what_a_program_leaves_to_the_customer_is_said(catalog):
    rule = '[[rule]]\nkind = "program"\nclients = {{ countries = ["DE"] }}\nprograms = ["{name}"]'
    duty = "at Outposts, pci: physical security, power and network of the rack are the customer's"
    chosen = choose(catalog, "", outpost(rest=rule.format(name="pci")))
    assert duty in chosen.notes
    assert chosen.duties == {"op-1": duty.removeprefix("at Outposts, ")}
    assert duty not in choose(catalog, "", rule.format(name="pci")).notes
    assert duty not in choose(catalog, "", outpost()).notes


def test_fedramp_leaves_the_hardware_out(catalog):
    rule = '[[rule]]\nkind = "program"\nclients = { countries = ["DE"] }\nprograms = ["fedramp-moderate"]'
    chosen = choose(catalog, "", outpost(rest=rule))
    words = "fedramp-moderate: the authorisation excludes the hardware on the customer's premises"
    assert f"at Outposts, {words}" in chosen.notes
    assert chosen.duties == {}
    assert not any(name.startswith("fedramp") for name in catalog.kind_programs("outpost"))
