"""Every way a study can be wrong, each with the one line its author is told."""

from pathlib import Path

import pytest

from planner.study import StudyError, load_study, parse_study

GOOD = """\
name = "shop"
[demand]
cities = { countries = ["DE"], top = 5 }
[candidates]
kinds = ["region"]
"""

OUTPOST = """\
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
"""

REPLACED = [
    # what stands in GOOD, what stands there instead, the message after "shop.toml"
    ('name = "shop"\n', "", ", name: is required"),
    ('name = "shop"', "name = 3", ", name: 3 is not a non-empty string"),
    ('name = "shop"', 'name = "a\\u001bb"', ", name: 'a\\x1bb' holds a control character"),
    ('name = "shop"', 'nam = "shop"', ", name: is required"),
    ("[demand]", "[demnd]", ", demand: is required"),
    ("[candidates]", "[candidats]", ", candidates: is required"),
    ("cities = {", "citys = {", ', demand.cities: give either cities = { ... } or csv = "...", and not both'),
    (
        "cities = {",
        'csv = "a.csv"\ncities = {',
        ', demand.cities: give either cities = { ... } or csv = "...", and not both',
    ),
    ('countries = ["DE"]', "countries = []", ", demand.cities.countries: is empty"),
    (
        'countries = ["DE"]',
        'countries = ["Germny"]',
        ", demand.cities.countries: 'Germny' is not a known ISO 3166 country code; did you mean 'DE'?",
    ),
    (
        'countries = ["DE"]',
        'countries = ["UK"]',
        ", demand.cities.countries: 'UK' is not a known ISO 3166 country code; did you mean 'GB'?",
    ),
    ("countries =", "contries =", ", demand.cities.contries: unknown key; did you mean 'countries'?"),
    (
        "[candidates]",
        "peak_rps = 0\n[candidates]",
        ", demand.peak_rps: 0 is out of range (above 0 up to 1e+12)",
    ),
    (
        'countries = ["DE"]',
        'countries = ["DEU"]',
        ", demand.cities.countries: 'DEU' is not a known ISO 3166 country code; did you mean 'DE'?",
    ),
    ("top = 5", "top = 0", ", demand.cities.top: 0 is out of range (from 1)"),
    ("top = 5", "top = 2.5", ", demand.cities.top: 2.5 is not a whole number"),
    ("top = 5", "top = true", ", demand.cities.top: true is not a number"),
    (
        'kinds = ["region"]',
        'kinds = ["regions"]',
        ", candidates.kinds: 'regions' is not a known kind of site; did you mean 'region'?",
    ),
    ('kinds = ["region"]', "kinds = []", ", candidates.kinds: is empty"),
    ('kinds = ["region"]', "kinds = 3", ", candidates.kinds: 3 is not a list of strings"),
    (
        'kinds = ["region"]',
        'provider = "was"',
        ", candidates.provider: 'was' is not a known provider; did you mean 'aws'?",
    ),
    ('kinds = ["region"]', "include = []", ", candidates.include: is empty"),
    (
        'kinds = ["region"]',
        "local_zone_premium = -0.1",
        ", candidates.local_zone_premium: -0.1 is out of range (from 0 up to 10)",
    ),
]

ADDED = [
    ("[latncy]\nslo_ms = 3", ", latncy: unknown key; did you mean 'latency'?"),
    ("[latency]\nslo_m = 3", ", latency.slo_m: unknown key; did you mean 'slo_ms'?"),
    ("[latency]\nslo_ms = 0", ", latency.slo_ms: 0 is out of range (above 0)"),
    ("[latency]\nslo_ms = nan", ", latency.slo_ms: nan is not a finite number"),
    ("[latency]\nslo_ms = inf", ", latency.slo_ms: inf is not a finite number"),
    ('[latency]\nslo_ms = "60"', ", latency.slo_ms: '60' is not a number"),
    ("[latency]\nmax_ms = -1", ", latency.max_ms: -1 is out of range (above 0)"),
    (
        "[latency]\ncoverage = 0.9",
        ", latency.coverage: is a share of demand within slo_ms, which is not given",
    ),
    ("[latency]\nslo_ms = 60\ncoverage = 1.1", ", latency.coverage: 1.1 is out of range (above 0 up to 1)"),
    ("[latency]\nslo_ms = 60\ncoverage = 0", ", latency.coverage: 0 is out of range (above 0 up to 1)"),
    (
        '[latency]\nstatistic = "p42"',
        ", latency.statistic: 'p42' is not a percentile from p50 to p99",
    ),
    (
        '[latency]\nstatistic = "P95"',
        ", latency.statistic: 'P95' is not a percentile from p50 to p99; did you mean 'p95'?",
    ),
    ('[latency]\nstatistic = "p99.9"', ", latency.statistic: 'p99.9' is not a percentile from p50 to p99"),
    ('[latency]\nstatistic = "p95\\n"', ", latency.statistic: 'p95\\n' is not a percentile from p50 to p99"),
    (
        '[latency]\nbound = "uper"',
        ", latency.bound: 'uper' is not one of estimate, upper; did you mean 'upper'?",
    ),
    ("[latency]\nvantage_km = -1", ", latency.vantage_km: -1 is out of range (from 0)"),
    (
        '[objective]\nminimize = "latency"',
        ", objective.minimize: 'latency' is not one of cost, mean_latency, max_latency;"
        " did you mean 'max_latency'?",
    ),
    ("[budget]\nusd_per_month = 0", ", budget.usd_per_month: 0 is out of range (above 0 up to 1e+15)"),
    ("[workload]\nhome_share = 1.5", ", workload.home_share: 1.5 is out of range (from 0 up to 1)"),
    (
        "[workload]\nrps_per_instance = 0",
        ", workload.rps_per_instance: 0 is out of range (from 0.001 up to 1e+09)",
    ),
    ("[workload]\nmin_instances = -1", ", workload.min_instances: -1 is out of range (from 0 up to 1e+06)"),
    ("[limits]\nmin_sites = 3\nmax_sites = 2", ", limits.min_sites: 3 is more than max_sites, 2"),
    ('[current]\nopen = ["a", "a"]', ", current.open: 'a' stands 2 times"),
    ("limits = 3", ", candidates.limits: unknown key"),
    ("[rule]\nkind = 3", ", rule: is not an array of tables; write [[rule]]"),
    (
        '[[rule]]\nkind = "residence"',
        ", rule[1].kind: 'residence' is not one of residency, program, tags, group, capacity;"
        " did you mean 'residency'?",
    ),
    ('[[rule]]\nkind = "residency"', ", rule[1].clients: is required"),
    (
        '[[rule]]\nkind = "residency"\nclients = {}\nsites = {}',
        ", rule[1].clients.jurisdictions: give at least one of jurisdictions, countries, classes",
    ),
    (
        '[[rule]]\nkind = "residency"\nclients = { jurisdictions = ["EAA"] }\nsites = {}',
        ", rule[1].clients.jurisdictions: 'EAA' is not a known jurisdiction; did you mean 'EEA'?",
    ),
    (
        '[[rule]]\nkind = "residency"\nclients = { countries = ["DE"] }\nsites = { classes = ["x"] }',
        ", rule[1].sites.classes: unknown key",
    ),
    (
        '[[rule]]\nkind = "residency"\nclients = { countries = ["DE"] }\nsites = { country = ["DE"] }',
        ", rule[1].sites.country: unknown key; did you mean 'countries'?",
    ),
    (
        '[[rule]]\nkind = "program"\nclients = { countries = ["DE"] }\nprograms = []',
        ", rule[1].programs: is empty",
    ),
    (
        '[resilience]\nsurvive = "sight"',
        ", resilience.survive: 'sight' is not one of none, site, metro, region; did you mean 'site'?",
    ),
    ('[resilience]\nrto = "soon"', ", resilience.rto: 'soon' is not a span of time such as 30s, 5m or 1h"),
    (
        '[resilience]\nsurvive = "region"\nzones_fail_with_parent = false',
        ", resilience.zones_fail_with_parent: a Region that is lost takes its zones along; false goes with "
        'survive = "site" or "metro"',
    ),
    (
        "[resilience]\nbackup_within_ms = 120",
        ', resilience.backup_within_ms: says how near a backup is, but survive = "none" asks for none',
    ),
    (
        "[resilience]\nzones_fail_with_parent = false",
        ', resilience.zones_fail_with_parent: says what fails together, but survive = "none"',
    ),
    ("[resilience]\nrpo = 5", ', resilience.rpo: 5 is not a span of time such as "5m"'),
    (
        '[[rule]]\nkind = "group"\nby = "metro"\nat_most = 0\nat_least = 2',
        ", rule[1].at_least: 2 groups have an open site, but at_most = 0 leaves none",
    ),
    (
        "[resilience]\nzones_fail_with_parent = 1",
        ", resilience.zones_fail_with_parent: 1 is not true or false",
    ),
    (
        "[resilience]\ndata_gb = 5",
        ", resilience.data_gb: is data to recover, but neither rto nor rpo is given",
    ),
    (
        '[routing]\npolicy = "global-accelerater"',
        ", routing.policy: 'global-accelerater' is not one of auto, route53-latency, route53-geoproximity,"
        " global-accelerator; did you mean 'global-accelerator'?",
    ),
    (
        '[routing]\npolicy = "route53-latency"\nstatic_addresses = true',
        ", routing.static_addresses: is what route53-latency has none of",
    ),
    (
        "[routing]\nqueries_per_month = -1",
        ", routing.queries_per_month: -1 is out of range (from 0 up to 1e+15)",
    ),
    ("[routing]\ncheck_interval_s = 20", ", routing.check_interval_s: 20 is not one of 10, 30"),
    ("[network]\nports = 2", ", network.ports: goes with direct_connect, which names no site"),
    (
        "[workload]\ncommitted_share = 0.5",
        ", workload.committed_share: is a share paid under commitment, which names none",
    ),
    (
        "[workload.home]\nhome_trips = -1",
        ", workload.home.home_trips: -1 is out of range (from 0 up to 1000)",
    ),
    (
        "[limits]\nmin_utilisation = 0.9\nmax_utilisation = 0.8",
        ", limits.min_utilisation: 0.9 is more than max_utilisation, 0.8",
    ),
    (
        '[candidates.tags]\n"eu-*" = ["project"]',
        """, candidates.tags.eu-*: 'project' is not a tag written "key=value\"""",
    ),
    ('[candidates.tags]\n"eu-*" = ["a=1", "a=2"]', ", candidates.tags.eu-*: the tag 'a' is given 2 times"),
    ('[[rule]]\nkind = "tags"', ", rule[1].key: is required"),
    ('[[rule]]\nkind = "group"\nby = "metro"', ", rule[1].at_most: give at_most, at_least or both"),
    (
        '[[rule]]\nkind = "group"\nby = "jurisdiction"\nat_least = 2',
        ", rule[1].jurisdictions: is required",
    ),
    (
        '[[rule]]\nkind = "group"\nby = "jurisdiction"\njurisdictions = ["EEA"]\nat_least = 2',
        ", rule[1].at_least: 2 is more than the 1 named",
    ),
    ('[[rule]]\nkind = "capacity"\nsites = ["eu-*"]', ", rule[1].max_rps: give min_rps, max_rps or both"),
    (
        '[[rule]]\nkind = "capacity"\nsites = ["eu-*"]\nmin_rps = 3\nmax_rps = 2',
        ", rule[1].min_rps: 3 is more than max_rps, 2",
    ),
]

SPOILT_OUTPOSTS = [
    ('id = "op-1"', 'id = "op 1"', "id: 'op 1' is not made of letters, digits, dots, dashes and underscores"),
    (
        'country = "ES"',
        'country = "Spain"',
        "country: 'Spain' is not a known ISO 3166 country code; did you mean 'ES'?",
    ),
    ("lat = 40.4", "lat = 91", "lat: 91 is out of range (from -90 up to 90)"),
    ("lon = -3.7", "lon = -181", "lon: -181 is out of range (from -180 up to 180)"),
    ("lat = 40.4", "lat = nan", "lat: nan is not a finite number"),
    ("capacity_rps = 4000", "capacity_rps = 0", "capacity_rps: 0 is out of range (above 0 up to 1e+12)"),
    ("upfront_usd = 180000", "upfront_usd = -1", "upfront_usd: -1 is out of range (from 0 up to 1e+12)"),
    ("term_months = 36", "term_months = 0", "term_months: 0 is out of range (from 1 up to 1200)"),
    ("term_months = 36", "term_month = 36", "term_months: is required"),
    ('parent = "eu-south-2"\n', "", "parent: is required"),
    ("term_months = 36", 'term_months = 36\nform = "shelf"', "form: 'shelf' is not one of rack, server"),
    ("term_months = 36", "term_months = 36\ntags = 3", "tags: 3 is not a list of strings"),
    ("term_months = 36", "term_months = 36\nlabels = 3", "labels: unknown key"),
    (
        "term_months = 36",
        'term_months = 36\n[[candidates.outpost.size]]\nname = "s"\ncapacity_rps = 1\nupfront_usd = 1'
        "\nmonthly_usd = 1",
        "capacity_rps: stands in each size, and so not here",
    ),
]


def complaint(text):
    with pytest.raises(StudyError) as caught:
        parse_study(text, name="shop.toml", directory=Path("/nowhere"))
    return str(caught.value)


def test_the_good_one_is_good():
    assert parse_study(GOOD + OUTPOST, name="shop.toml", directory=Path()).name == "shop"


@pytest.mark.parametrize(("old", "new", "message"), REPLACED)
def test_a_changed_line(old, new, message):
    assert old in GOOD
    assert complaint(GOOD.replace(old, new)) == f"shop.toml{message}"


@pytest.mark.parametrize(("added", "message"), ADDED)
def test_an_added_table(added, message):
    assert complaint(GOOD + added) == f"shop.toml{message}"


@pytest.mark.parametrize(("old", "new", "message"), SPOILT_OUTPOSTS)
def test_a_spoilt_outpost(old, new, message):
    assert old in OUTPOST
    assert complaint(GOOD + OUTPOST.replace(old, new)) == f"shop.toml, candidates.outpost[1].{message}"


def test_two_outposts_of_one_name():
    assert (
        complaint(GOOD + OUTPOST + OUTPOST) == "shop.toml, candidates.outpost: 2 outposts have the id 'op-1'"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD[: GOOD.index("top")], "shop.toml: is not valid TOML: "),
        ("name = ", "shop.toml: is not valid TOML: Invalid value"),
        (GOOD + "kinds = ['x']", "shop.toml: is not valid TOML: Cannot overwrite a value"),
    ],
)
def test_text_that_is_not_toml(text, message):
    assert complaint(text).startswith(message)


def test_bytes_that_are_not_text(tmp_path):
    path = tmp_path / "latin.toml"
    path.write_bytes('name = "Zürich"\n'.encode("latin-1"))
    with pytest.raises(StudyError) as caught:
        load_study(path)
    assert str(caught.value) == f"{path}: is not UTF-8 (byte 9)"


def test_no_file(tmp_path):
    with pytest.raises(StudyError) as caught:
        load_study(tmp_path / "none.toml")
    assert str(caught.value) == f"{tmp_path / 'none.toml'}: No such file or directory"


def test_a_directory(tmp_path):
    with pytest.raises(StudyError) as caught:
        load_study(tmp_path)
    assert str(caught.value) == f"{tmp_path}: Is a directory"
