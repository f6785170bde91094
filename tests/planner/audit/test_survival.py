"""The hand-worked estate again, now with a backup for every client: sound, and spoilt in every way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.audit import audit_plan
from planner.study import Limits, Resilience
from tests.planner.audit import estate

# The loss of fra takes its zone ber along: 700 rps go to mad, which serves nobody else: 5 instances. The loss
# of the plant sends 300 rps to fra, which has 300 of its own: 4 instances instead of 2.
BACKUPS = ("mad", "fra", "mad", "mad", "mad")
COST = 6323.5 + 2 * 0.20 * 730 + 5 * 0.22 * 730


def study(**asked):
    resilience = Resilience(**{"survive": "site", "backup_within_ms": 98.0, **asked})
    law = estate.study().rules[:1]  # card data has no second site here
    return replace(
        estate.study(), resilience=resilience, rules=law, limits=Limits(), budget_usd_per_month=None
    )


def plan():
    before = estate.plan()
    placements = []
    for placement in before.placements:
        if placement.site_id == "fra":
            items = {**placement.cost_items, "compute": 584.0}
            placement = replace(placement, instances=4, cost_items=items, cost_usd_month=sum(items.values()))
        placements.append(placement)
    standby = replace(
        placements[1], site_id="mad", country="ES", role="backup", instances=5, clients=0, demand_share=0.0,
        latency_p50_ms=None, latency_p95_ms=None, cost_usd_month=803.0,
        cost_items={"compute": 803.0, "egress": 0.0, "transfer": 0.0, "outpost": 0.0},
    )  # fmt: skip
    return replace(
        before,
        placements=(*placements, standby),
        assignments=tuple(
            replace(entry, backup_site_id=site)
            for entry, site in zip(before.assignments, BACKUPS, strict=True)
        ),
        objective=COST,
        lower_bound=COST,
        kpi=replace(before.kpi, cost_usd_month=COST),
        cost_items={**before.cost_items, "compute": 839.5 + 292.0 + 803.0},
    )


def audit(changed=None, asked=None):
    return audit_plan(changed or plan(), asked or study(), estate.inputs())


def with_backup(position, site):
    entries = list(plan().assignments)
    entries[position] = replace(entries[position], backup_site_id=site)
    return replace(plan(), assignments=tuple(entries))


def with_placement(site, **figures):
    placements = tuple(
        replace(each, **figures) if each.site_id == site else each for each in plan().placements
    )
    return replace(plan(), placements=placements)


def test_the_sound_plan_has_no_findings():
    assert audit() == ()


SPOILT = {
    "none": (with_backup(2, None), "survive: client c3 has no backup"),
    "closed": (with_backup(3, "iad"), "client c4 at site fra: the backup iad is not open"),
    "itself": (with_backup(1, "plant"), "the backup is the same site"),
    "zone of its Region": (
        with_backup(2, "ber"),
        "survive: client c3 at site fra: one failure takes its backup too (ber, fra)",
    ),
    "parent of its zone": (with_backup(0, "fra"), "client c1 at site ber: one failure takes its backup too"),
    "no room in the rack": (
        with_backup(2, "plant"),
        "capacity: site plant carries 500 requests per second, above 300",
    ),
    "one instance short": (with_placement("mad", instances=4), "site mad: instances is stated as 4 and is 5"),
    "sized for itself": (with_placement("fra", instances=2), "site fra: instances is stated as 2 and is 4"),
    "role": (with_placement("mad", role="parent"), "it serves nobody but in a failure"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_every_way_of_spoiling_it_is_named(case):
    changed, words = SPOILT[case]
    assert any(words in sentence for sentence in audit(changed)), audit(changed)


def test_a_backup_too_far_away():
    assert audit(asked=study(backup_within_ms=97.0)) == (
        "survive: client c4: its backup mad is 98 ms away, above 97 ms",
    )


def test_a_backup_outside_the_law():
    found = audit(with_backup(0, "iad"))
    assert "residency (rule 1): client c1 at site iad, which is in US" in found


def test_a_zone_that_outlives_its_region_may_be_a_backup():
    apart = study(zones_fail_with_parent=False)
    assert not any("one failure" in sentence for sentence in audit(with_backup(2, "ber"), apart))


def test_backups_nobody_asked_for():
    found = audit(asked=study(survive="none", backup_within_ms=None))
    assert "survive: client c1 has a backup, mad, and nothing is to be survived" in found
