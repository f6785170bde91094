"""A plan says how old its prices are, and where one is estimated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.catalog import Price
from planner.decide import decide
from planner.plan_document import plan_document
from planner.price_dates import dates_of, sources_of
from planner.terminal import plan_text
from tests.planner.audit import estate
from tests.planner.decide.test_home import study


def priced(as_of, source="list"):
    return Price(1.0, "hour", source, as_of)


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        (["2026-01-02"], "data as of 2026-01-02"),
        (["2026-03", "2025-11-30", "2026"], "data as of 2025-11-30 to 2026-03"),
        (["2025/2026", "2024-07"], "data as of 2024-07 to 2026"),
        (["2026-03", "undated"], "data as of 2026-03, some undated"),
        (["undated"], "data undated"),
    ],
)
def test_the_oldest_and_the_newest(dates, words):
    assert dates_of(map(priced, dates)) == words


def test_the_sources_of_most_come_first():
    prices = [priced("2026", name) for name in ("b", "a", "b", "c", "d", "e", "f")]
    assert sources_of(prices) == "b, a, c, d and 2 more"


def test_of_the_sites_of_the_plan_alone():
    """Only mad has an estimated price, and only iad an old one."""
    mad, iad = estate.PRICES[2], estate.PRICES[4]
    guessed = replace(mad, egress_gb=replace(mad.egress_gb, estimated=True))
    old = replace(iad, egress_gb=replace(iad.egress_gb, as_of="2019"))
    case = replace(estate.inputs(), prices=(*estate.PRICES[:2], guessed, estate.PRICES[3], old))
    plain = study(workload=estate.study().workload, minimize="cost")
    at = {}
    for site in ("mad", "iad", "fra"):
        column = [each.id for each in estate.SITES].index(site)
        one = replace(
            case,
            sites=(estate.SITES[column],),
            prices=(case.prices[column],),
            matrix=replace(
                case.matrix,
                site_ids=(site,),
                **{
                    name: getattr(case.matrix, name)[:, [column]]
                    for name in (
                        *("estimate_ms", "lower_ms", "upper_ms", "samples"),
                        *("loss_ratio", "provenance", "vantage"),
                    )
                },
            ),
        )
        at[site] = decide(plain, one)
    assert (at["fra"].priced.as_of, at["fra"].priced.estimated) == ("data as of 2026-01-01", ())
    assert at["mad"].priced.estimated == ("mad",)
    assert at["iad"].priced.as_of == "data as of 2019 to 2026-01-01"
    assert "prices    data as of 2026-01-01; estimated, erring high, at mad" in plan_text(
        at["mad"], slo_ms=None
    )
    assert plan_document(at["iad"])["prices"] == {"as_of": "data as of 2019 to 2026-01-01", "estimated": []}
