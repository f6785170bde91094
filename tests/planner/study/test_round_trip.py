"""A study written back as TOML is the same study."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import SITE_KINDS, ZONE_KINDS, OutpostTerms
from planner.study import (
    MINIMIZE,
    STATISTICS,
    Access,
    AccessLine,
    CandidateSpec,
    CapacityRule,
    DemandSpec,
    GroupRule,
    HomeTier,
    LatencyObjective,
    Limits,
    Network,
    OutpostSpec,
    ProgramRule,
    ResidencyRule,
    Resilience,
    Routing,
    Selector,
    Study,
    TagsRule,
    Workload,
    load_study,
    parse_study,
    shipped_studies,
    study_toml,
)
from planner.study_access import ACCESS
from planner.study_supposed import PRICE_ITEMS, AnnouncedZone, PriceChange
from planner.study_values import POLICIES

# No surrogates: TOML is UTF-8. Blank text is refused, so text here holds at least one visible character.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(lambda text: f"x{text}")
LINE = TEXT.filter(str.isprintable)
COUNTRIES = st.lists(st.sampled_from(["DE", "ES", "JP", "US"]), min_size=1, unique=True).map(tuple)
TEXTS = st.lists(TEXT, min_size=1, max_size=3).map(tuple)


TAGS = st.lists(TEXT.filter(lambda text: "=" not in text), max_size=2, unique=True).map(
    lambda names: tuple(f"{name}=a=b" for name in names)
)


def with_sizes(outpost):
    """The same rack, or two sizes of it."""
    larger = replace(outpost.terms, capacity_rps=1e12, monthly_usd=1.5)
    sized = replace(outpost, sizes=(("s", outpost.terms), ("l", larger)))
    return st.sampled_from([outpost, sized])


def number(low, high):
    return st.floats(low, high, allow_nan=False).filter(lambda value: value > low or low == 0)


CLIENTS = st.one_of(
    st.builds(Selector, countries=COUNTRIES),
    st.builds(Selector, jurisdictions=st.just(("EEA",)), classes=TEXTS),
)
ANNOUNCED = st.builds(
    AnnouncedZone,
    id=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True),
    parent=TEXT,
    country=st.sampled_from(["DE", "ES"]),
    lat=number(-90, 90),
    lon=number(-180, 180),
    kind=st.sampled_from(ZONE_KINDS),
    services=st.one_of(st.just(()), TEXTS),
    metro=st.one_of(st.just(""), TEXT),
    source=st.one_of(st.just(""), TEXT),
    as_of=st.one_of(st.just(""), TEXT),
)
CHANGES = st.one_of(
    st.builds(PriceChange, item=st.sampled_from([*PRICE_ITEMS]), factor=number(0, 1000)),
    st.builds(PriceChange, item=st.just("egress_gb"), factor=number(0, 1000), sites=TEXTS),
)
STUDIES = st.builds(
    Study,
    price_changes=st.lists(CHANGES, max_size=2).map(tuple),
    name=LINE,
    title=st.one_of(st.just(""), TEXT),
    summary=st.one_of(st.just(""), TEXT),
    demand=st.builds(
        DemandSpec,
        csv=LINE.map(lambda name: Path("/clients") / name.replace("/", "_")),
        peak_rps=number(1e-6, 1e9),
        requests_per_month=number(0, 1e18),
    ),
    candidates=st.builds(
        CandidateSpec,
        providers=st.just(("aws",)),
        kinds=st.lists(st.sampled_from(SITE_KINDS), min_size=1, unique=True).map(tuple),
        include=TEXTS,
        exclude=TEXTS,
        announced=st.lists(ANNOUNCED, max_size=2, unique_by=lambda zone: zone.id).map(tuple),
        tags=st.lists(st.tuples(TEXT, TAGS), max_size=2, unique_by=lambda each: each[0]).map(tuple),
        outposts=st.lists(
            st.builds(
                OutpostSpec,
                id=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True),
                country=st.sampled_from(["DE", "ES"]),
                lat=number(-90, 90),
                lon=number(-180, 180),
                parent=TEXT,
                terms=st.builds(
                    OutpostTerms,
                    capacity_rps=number(1, 1e12),
                    upfront_usd=number(0, 1e12),
                    monthly_usd=number(0, 1e12),
                    term_months=st.integers(1, 1200),
                    host=st.one_of(st.none(), TEXT),
                    capital_rate=number(0, 10),
                    link_mbps=st.one_of(st.none(), number(0.1, 1e9)),
                    link_ms=st.one_of(st.none(), number(0.1, 1e5)),
                    form=st.sampled_from(["rack", "server"]),
                ),
                tags=TAGS,
            ).flatmap(with_sizes),
            max_size=2,
            unique_by=lambda outpost: outpost.id,
        ).map(tuple),
    ),
    workload=st.builds(
        Workload,
        services=TEXTS,
        instance=st.one_of(TEXT, st.just((("aws", "m5.xlarge"), ("gcp", "n2-standard-4")))),
        rps_per_instance=number(1000, 1e9),
        min_instances=st.integers(0, 1000),
        response_kb=number(0, 1e9),
        home_share=number(0, 1),
        headroom=number(0, 100),
        commitment=TEXT,
        committed_share=number(0, 1),
        cross_zone_kb=number(0, 1e9),
        home=st.one_of(
            st.none(),
            st.builds(HomeTier, region=TEXT, client_trips=number(0.1, 1000), home_trips=number(0, 1000)),
        ),
    ),
    latency=st.builds(
        LatencyObjective,
        statistic=st.sampled_from(STATISTICS),
        bound=st.sampled_from(["estimate", "upper"]),
        slo_ms=number(0.1, 1e4),
        coverage=number(0.01, 1),
        max_ms=st.one_of(st.none(), number(0.1, 1e4)),
        metro_km=number(0, 1e4),
        vantage_km=number(0, 1e4),
    ),
    minimize=st.sampled_from(MINIMIZE),
    budget_usd_per_month=st.one_of(st.none(), number(1, 1e15)),
    limits=st.builds(
        Limits,
        min_sites=st.integers(1, 3),
        max_sites=st.one_of(st.none(), st.integers(3, 9)),
        max_changes=st.one_of(st.none(), st.integers(0, 9)),
        min_utilisation=number(0, 0.5),
        max_utilisation=number(0.5, 1),
    ),
    current_open=st.lists(TEXT, min_size=1, max_size=3, unique=True).map(tuple),
    rules=st.lists(
        st.one_of(
            st.builds(ResidencyRule, CLIENTS, st.builds(Selector, countries=COUNTRIES)),
            st.builds(ProgramRule, CLIENTS, TEXTS),
            st.builds(TagsRule, TEXT, st.one_of(st.none(), CLIENTS)),
            st.builds(GroupRule, st.just("metro"), kinds=st.just(("local_zone",)), at_most=st.integers(0, 9)),
            st.builds(
                GroupRule,
                st.just("jurisdiction"),
                jurisdictions=st.just(("EEA", "EU-adequacy")),
                at_least=st.integers(1, 2),
            ),
            st.builds(CapacityRule, TEXTS, min_rps=number(0, 10), max_rps=number(10, 1e12)),
        ),
        max_size=3,
    ).map(tuple),
    local_zone_premium=number(0, 10),
    prices=st.one_of(st.none(), LINE.map(lambda name: Path("/prices") / name.replace("/", "_"))),
    network=st.one_of(
        st.just(Network()),
        st.builds(
            Network,
            direct_connect=TEXTS,
            gbps=number(0.1, 400),
            ports=st.integers(1, 1000),
            share=number(0, 1),
        ),
    ),
    resilience=st.one_of(
        st.just(Resilience(rto_s=90.0)),
        st.just(Resilience(survive="region", backup_within_ms=80.0)),
        st.builds(
            Resilience,
            survive=st.sampled_from(["site", "metro"]),
            backup_within_ms=st.one_of(st.none(), number(0.1, 1e4)),
            zones_fail_with_parent=st.booleans(),
            rto_s=st.sampled_from([0.25, 30.0, 5400.0]),
            rpo_s=st.sampled_from([None, 60.0, 86_400.0]),
            data_gb=number(0, 1e12),
            change_gb_per_day=number(0, 1e12),
        ),
    ),
    routing=st.one_of(
        st.none(),
        st.builds(
            Routing,
            policy=st.sampled_from(POLICIES),
            ttl_s=number(0, 86_400),
            check_interval_s=st.sampled_from([10, 30]),
            failure_threshold=st.integers(1, 10),
            client_cache_s=number(0, 86_400),
            queries_per_month=st.one_of(st.none(), number(0, 1e15)),
        ),
        st.builds(
            Routing,
            policy=st.sampled_from(["auto", "global-accelerator"]),
            static_addresses=st.just(True),
        ),
    ),
    access=st.one_of(
        st.just(Access()),
        st.builds(
            Access,
            shares=st.just((("wired", 0.25), ("satellite", 0.5))),
            classes=st.lists(
                st.tuples(TEXT, st.just((("cellular", 1.0),))), max_size=2, unique_by=lambda each: each[0]
            ).map(tuple),
            lines=st.builds(AccessLine, st.sampled_from(ACCESS), number(0.1, 50), number(50, 1e5)).map(
                lambda line: (line,)
            ),
            included=st.one_of(st.just(()), TEXTS),
        ),
    ),
)


@settings(max_examples=60, deadline=None)
@given(STUDIES)
def test_any_study(study):
    assert parse_study(study_toml(study), name="again.toml", directory=Path("/elsewhere")) == study


@pytest.mark.parametrize("path", shipped_studies(), ids=lambda path: path.stem)
def test_each_shipped_study(path):
    study = load_study(path)
    again = parse_study(study_toml(study), name="again.toml", directory=path.parent)
    assert replace(again, path=path) == study


def test_there_are_four_shipped_studies_and_each_says_what_it_is():
    assert len(shipped_studies()) == 4
    assert all(load_study(path).title and load_study(path).summary for path in shipped_studies())


def test_what_is_left_out_has_its_default(tmp_path):
    path = tmp_path / "least.toml"
    path.write_text('name = "least"\n[demand]\ncities = {}\n[candidates]\n')
    assert load_study(path) == Study("least", DemandSpec(), CandidateSpec(), path=path)


def test_a_clients_file_is_taken_from_beside_the_study(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[demand]\ncsv = "sub/clients.csv"\n[candidates]\n')
    study = load_study(path)
    assert study.demand.csv == tmp_path / "sub" / "clients.csv"
    # Written back, it is named as its author named it, so that the text does not depend on the machine.
    assert 'csv = "sub/clients.csv"' in study_toml(study)


def test_the_text_reads_well():
    text = study_toml(
        Study(
            "shop",
            DemandSpec(("DE",), 5, peak_rps=12_000.0),
            CandidateSpec(exclude=("cn-*",)),
            rules=(ResidencyRule(Selector(("EEA",)), Selector(countries=("DE", "FR"))),),
        )
    )
    assert text == (Path(__file__).parents[2] / "golden" / "study.toml").read_text(encoding="utf-8")
