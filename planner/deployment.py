"""A plan as data for the tools that carry it out: Terraform variables, DNS records, an accelerator.

Nothing here names an account: addresses, ids and ARNs are variables such as ``${address_eu_west_1}``, which
``envsubst`` and Terraform's ``templatefile`` fill in. docs/outputs.md says which there are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from planner.inputs import Inputs
from planner.plan import Placement, Plan
from planner.site_values import Site
from planner.study import Study

TERRAFORM: Final = "terraform.tfvars.json"
RECORDS: Final = "route53-records.json"
ACCELERATOR: Final = "accelerator.json"
DEPLOYMENT_FILES: Final = (TERRAFORM, RECORDS, ACCELERATOR)
"""All there may be; the last two only where routing is planned, the very last with an accelerator."""

HTTPS: Final = 443


def deployment_files(plan: Plan, study: Study, inputs: Inputs) -> Mapping[str, str]:
    """Name to text of each file that the plan has; none where nothing was decided."""
    if plan.kpi is None:
        return {}
    documents = {TERRAFORM: terraform_variables(plan, study, inputs)}
    if plan.routing is not None:
        documents[RECORDS] = route53_records(plan, study, inputs)
        if plan.routing.policy == "global-accelerator":
            documents[ACCELERATOR] = accelerator(plan, study, inputs)
    return {
        name: json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        for name, document in documents.items()
    }


def terraform_variables(plan: Plan, study: Study, inputs: Inputs) -> dict[str, Any]:
    """``sites`` by id, ``home_region``, ``recovery`` and ``routing``; null where the plan has none."""
    at = {site.id: site for site in inputs.sites}
    routed = () if plan.routing is None else plan.routing.as_routed.sites
    as_routed = {site.site_id: site.instances for site in routed}
    sites = {
        place.site_id: {
            "provider": place.provider,
            "kind": place.kind,
            "role": place.role,
            "region": _region(at[place.site_id]),
            "zone_group": at[place.site_id].network_border_group if place.kind.endswith("_zone") else None,
            "instance_type": None if place.kind == "outpost" else study.workload.instance_of(place.provider),
            "instances": max(place.instances, as_routed.get(place.site_id, 0)),
            "demand_share": place.demand_share,
        }
        for place in sorted(plan.placements, key=lambda place: place.site_id)
    }
    routing = None
    if plan.routing is not None and study.routing is not None:
        routing = {
            "policy": plan.routing.policy,
            "ttl_s": study.routing.ttl_s,
            "health_check": {
                "type": "HTTPS",
                "port": HTTPS,
                "interval_s": study.routing.check_interval_s,
                "failure_threshold": study.routing.failure_threshold,
            },
            "site_ids": [place.site_id for place in _recorded(plan)],
        }
    recovery = None
    if plan.recovery is not None:
        recovery = {
            "strategy": plan.recovery.strategy,
            "standby_region": plan.recovery.standby,
            "instances": plan.recovery.instances,
        }
    return {
        "study": plan.study,
        "sites": sites,
        "home_region": None if plan.home is None else plan.home.region,
        "recovery": recovery,
        "routing": routing,
    }


def route53_records(plan: Plan, study: Study, inputs: Inputs) -> dict[str, Any]:
    """The request ``ChangeResourceRecordSets``: a record for each site, or one that names the accelerator."""
    assert plan.routing is not None
    assert study.routing is not None
    name, ttl = "${record_name}", round(study.routing.ttl_s)
    at = {site.id: site for site in inputs.sites}
    if plan.routing.policy == "global-accelerator":
        alias = {
            "HostedZoneId": "${accelerator_zone_id}",
            "DNSName": "${accelerator_dns_name}",
            "EvaluateTargetHealth": False,
        }
        records: list[dict[str, Any]] = [{"Name": name, "Type": "A", "AliasTarget": alias}]
    else:
        records = [
            {
                "Name": name,
                "Type": "A",
                "SetIdentifier": place.site_id,
                **_located(plan.routing.policy, at[place.site_id]),
                "TTL": ttl,
                "ResourceRecords": [{"Value": variable("address", place.site_id)}],
                "HealthCheckId": variable("health_check", place.site_id),
            }
            for place in _recorded(plan)
        ]
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record} for record in records]
    return {
        "HostedZoneId": "${hosted_zone_id}",
        "ChangeBatch": {"Comment": f"edgeplan: {plan.routing.policy}", "Changes": changes},
    }


def accelerator(plan: Plan, study: Study, inputs: Inputs) -> dict[str, Any]:
    """The requests that make an accelerator, by their names in the API; one endpoint group for each site."""
    assert study.routing is not None
    named = re.sub(r"[^A-Za-z0-9]+", "-", plan.study).strip("-")[:48] or "edgeplan"
    at = {site.id: site for site in inputs.sites}
    return {
        "CreateAccelerator": {
            "Name": named,
            "IpAddressType": "IPV4",
            "Enabled": True,
            "IdempotencyToken": f"edgeplan-{named}",
        },
        "CreateListener": {
            "AcceleratorArn": "${accelerator_arn}",
            "PortRanges": [{"FromPort": HTTPS, "ToPort": HTTPS}],
            "Protocol": "TCP",
            "IdempotencyToken": f"edgeplan-{named}-listener",
        },
        "CreateEndpointGroup": [
            {
                "ListenerArn": "${listener_arn}",
                "EndpointGroupRegion": _region(at[place.site_id]),
                "EndpointConfigurations": [{"EndpointId": variable("endpoint", place.site_id)}],
                "HealthCheckPort": HTTPS,
                "HealthCheckProtocol": "HTTPS",
                "HealthCheckIntervalSeconds": study.routing.check_interval_s,
                "ThresholdCount": study.routing.failure_threshold,
                "IdempotencyToken": f"edgeplan-{named}-{place.site_id}"[:255],
            }
            for place in _recorded(plan)
        ],
    }


def variable(what: str, site_id: str) -> str:
    """``${address_eu_west_1}``: letters, digits and underscores, as every tool takes them; no two ids have
    one name: an underscore for a dash, two for a dot, three and the characters' codes for anything else.

    >>> variable("address", "op-1.half"), variable("address", "op-1--half")
    ('${address_op_1__half}', '${address_op_1___2d2d_half}')
    """

    def between(found: re.Match[str]) -> str:
        return {"-": "_", ".": "__"}.get(found[0], f"___{found[0].encode().hex()}_")

    return f"${{{what}_{re.sub('[^A-Za-z0-9]+', between, site_id)}}}"


def _recorded(plan: Plan) -> list[Placement]:
    """The sites that clients are sent to, on ordinary days or in a failure."""
    return sorted(
        (place for place in plan.placements if place.clients or place.role == "backup"),
        key=lambda place: place.site_id,
    )


def _located(policy: str, site: Site) -> dict[str, Any]:
    """How a record says where its site is."""
    if policy == "route53-latency":
        return {"Region": site.id}
    if site.provider == "aws" and site.kind == "region":
        return {"GeoProximityLocation": {"AWSRegion": site.id}}
    if site.provider == "aws" and site.kind == "local_zone":
        return {"GeoProximityLocation": {"LocalZoneGroup": site.network_border_group}}
    coordinates = {"Latitude": f"{site.lat:.2f}", "Longitude": f"{site.lon:.2f}"}
    return {"GeoProximityLocation": {"Coordinates": coordinates}}


def _region(site: Site) -> str:
    return site.id if site.parent is None else site.parent
