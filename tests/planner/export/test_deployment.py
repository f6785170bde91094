"""The files that carry a plan out: their exact content, and their shape by the services' own models."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import example, given, settings
from hypothesis import strategies as st

from planner.catalog import load_catalog
from planner.decide import decide
from planner.deployment import DEPLOYMENT_FILES, deployment_files, variable
from planner.export import write_plan
from tests.planner.decide import test_recovery as recovering
from tests.planner.routing.estate import NAMES, STUDY, inputs, routed

SERVICES = botocore.session.get_session()


def files(study, keep=NAMES):
    plan = decide(study, inputs(keep))
    assert plan.audit == ()
    return {name: json.loads(text) for name, text in deployment_files(plan, study, inputs(keep)).items()}


def assert_valid(service, operation, request):
    """By the shapes that the provider publishes, which every client of it checks a request against."""
    shape = SERVICES.get_service_model(service).operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()


def test_the_models_do_find_a_wrong_request():
    request = files(routed(policy="route53-latency"))["route53-records.json"]
    del request["ChangeBatch"]["Changes"][0]["ResourceRecordSet"]["Type"]
    with pytest.raises(AssertionError, match=r'Missing required parameter .*"Type"'):
        assert_valid("route53", "ChangeResourceRecordSets", request)


def test_latency_records_one_for_each_region():
    request = files(routed(policy="route53-latency", ttl_s=30.0))["route53-records.json"]
    assert_valid("route53", "ChangeResourceRecordSets", request)
    assert [change["ResourceRecordSet"] for change in request["ChangeBatch"]["Changes"]] == [
        {
            "Name": "${record_name}",
            "Type": "A",
            "SetIdentifier": site,
            "Region": site,
            "TTL": 30,
            "ResourceRecords": [{"Value": f"${{address_{site}}}"}],
            "HealthCheckId": f"${{health_check_{site}}}",
        }
        for site in ("fra", "par")
    ]


@pytest.mark.parametrize(
    ("keep", "located"),
    [
        (("fra",), {"fra": {"AWSRegion": "fra"}}),
        # Frankfurt is open for Berlin's sake alone, and no client is sent there.
        (
            ("fra", "par", "ber"),
            {"par": {"AWSRegion": "par"}, "ber": {"LocalZoneGroup": "ber-1"}},
        ),
        (("rack",), {"rack": {"Coordinates": {"Latitude": "52.40", "Longitude": "13.00"}}}),
        (("gcp-fra",), {"gcp-fra": {"Coordinates": {"Latitude": "50.10", "Longitude": "8.70"}}}),
    ],
)
def test_geoproximity_records_say_where_in_the_words_each_kind_of_site_has(keep, located):
    request = files(routed(policy="route53-geoproximity"), keep)["route53-records.json"]
    assert_valid("route53", "ChangeResourceRecordSets", request)
    records = [change["ResourceRecordSet"] for change in request["ChangeBatch"]["Changes"]]
    assert {each["SetIdentifier"]: each["GeoProximityLocation"] for each in records} == located


def test_every_region_may_stand_in_a_latency_record_and_every_zone_group_in_a_geoproximity_record():
    shapes = SERVICES.get_service_model("route53")
    regions = frozenset(shapes.shape_for("ResourceRecordSetRegion").enum)
    longest = shapes.shape_for("LocalZoneGroup").metadata["max"]
    for site in load_catalog("aws").sites:
        if site.kind == "region" and site.status == "ga":
            assert site.id in regions
        assert len(site.network_border_group) <= longest


def test_an_accelerator_and_the_name_that_points_at_it():
    written = files(routed(static_addresses=True, check_interval_s=10, failure_threshold=2))
    assert tuple(written) == DEPLOYMENT_FILES
    requests = written["accelerator.json"]
    assert_valid("globalaccelerator", "CreateAccelerator", requests["CreateAccelerator"])
    assert_valid("globalaccelerator", "CreateListener", requests["CreateListener"])
    groups = requests["CreateEndpointGroup"]
    for group in groups:
        assert_valid("globalaccelerator", "CreateEndpointGroup", group)
    assert [(group["EndpointGroupRegion"], group["EndpointConfigurations"]) for group in groups] == [
        (site, [{"EndpointId": f"${{endpoint_{site}}}"}]) for site in ("fra", "par")
    ]
    assert {(group["HealthCheckIntervalSeconds"], group["ThresholdCount"]) for group in groups} == {(10, 2)}
    assert len({group["IdempotencyToken"] for group in groups}) == 2
    assert_valid("route53", "ChangeResourceRecordSets", written["route53-records.json"])
    (change,) = written["route53-records.json"]["ChangeBatch"]["Changes"]
    assert change["ResourceRecordSet"]["AliasTarget"]["DNSName"] == "${accelerator_dns_name}"


def test_variables_for_terraform():
    study = routed(policy="route53-geoproximity")
    variables = files(study)["terraform.tfvars.json"]
    # The rack carries 300 of 400 requests a second, Paris 100.
    assert variables == {
        "study": "by hand",
        "sites": {
            "par": {
                "provider": "aws",
                "kind": "region",
                "role": "serving",
                "region": "par",
                "zone_group": None,
                "instance_type": "m5.xlarge",
                "instances": 1,
                "demand_share": 0.25,
            },
            "rack": {
                "provider": "aws",
                "kind": "outpost",
                "role": "serving",
                "region": "fra",
                "zone_group": None,
                "instance_type": None,
                "instances": 3,
                "demand_share": 0.75,
            },
        },
        "home_region": None,
        "recovery": None,
        "routing": {
            "policy": "route53-geoproximity",
            "ttl_s": 60.0,
            "health_check": {"type": "HTTPS", "port": 443, "interval_s": 30, "failure_threshold": 3},
            "site_ids": ["par", "rack"],
        },
    }


def test_without_routing_there_are_variables_alone_and_without_a_plan_nothing():
    study = replace(STUDY, routing=None)
    assert tuple(files(study)) == ("terraform.tfvars.json",)
    impossible = replace(study, limits=replace(study.limits, min_sites=99))
    plan = decide(impossible, inputs())
    assert deployment_files(plan, impossible, inputs()) == {}


def test_a_plan_takes_away_what_an_earlier_one_left_and_nothing_else(tmp_path):
    first, then = routed(static_addresses=True), replace(STUDY, routing=None)
    (tmp_path / "notes.json").write_text("mine")
    for study in (first, then):
        plan = decide(study, inputs())
        write_plan(plan, tmp_path, deployment_files(plan, study, inputs()))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"placements.csv", "assignments.csv", "plan.json", "terraform.tfvars.json", "notes.json"}


def test_the_standby_is_a_variable_too():
    asked, known = recovering.study(), recovering.inputs()
    plan = decide(asked, known)
    variables = json.loads(deployment_files(plan, asked, known)["terraform.tfvars.json"])
    assert variables["home_region"] == plan.home.region
    assert variables["recovery"] == {
        "strategy": "pilot-light",
        "standby_region": plan.recovery.standby,
        "instances": 0,
    }


ID = st.text(alphabet="aB1-._", min_size=1, max_size=8)


@settings(deadline=None, max_examples=300)
@given(ID, ID)
@example("op-1--half", "op-1.half")
@example("op_1", "op-1")
@example("op-1-.a", "op-1.-a")
def test_no_two_sites_share_a_variable(one, other):
    names = {variable("address", one), variable("address", other)}
    assert len(names) == len({one, other})
    assert all(re.fullmatch(r"\$\{address_[A-Za-z0-9_]+\}", name) for name in names)


def test_a_size_of_a_rack_has_another_variable_than_a_rack_of_that_name():
    assert variable("address", "op-1.half") == "${address_op_1__half}"
    assert variable("address", "op-1-half") == "${address_op_1_half}"
