"""The tables ``[workload.home]``, ``[network]``, ``[resilience]`` and ``[routing]`` of a study."""

from __future__ import annotations

from typing import Any

from planner.study_values import POLICIES, SURVIVE, HomeTier, Network, Resilience, Routing
from probes.duration import seconds
from probes.strict_toml import Table


def read_home(table: Table) -> HomeTier:
    """The stateful tier. Raises the table's error."""
    default = HomeTier()
    home = HomeTier(
        region=table.text("region", default.region),
        client_trips=table.number("client_trips", default.client_trips, above=0, high=1000),
        home_trips=table.number("home_trips", default.home_trips, low=0, high=1000),
    )
    table.close()
    return home


def read_network(table: Table) -> Network:
    """Direct Connect. Raises the table's error."""
    default = Network()
    extra = [key for key in ("gbps", "ports", "share") if table.has(key)]
    network = Network(
        direct_connect=table.texts("direct_connect", default.direct_connect),
        gbps=table.number("gbps", default.gbps, above=0, high=400),
        ports=table.number("ports", default.ports, low=1, high=1000, whole=True),
        share=table.number("share", default.share, low=0, high=1),
    )
    table.close()
    if extra and not network.direct_connect:
        raise table.fault(extra[0], "goes with direct_connect, which names no site")
    return network


def read_resilience(table: Table) -> Resilience:
    """What may fail, RTO and RPO. Raises the table's error."""
    default = Resilience()
    resilience = Resilience(
        survive=table.text("survive", default.survive, choices=SURVIVE),
        backup_within_ms=table.number("backup_within_ms", None, above=0),
        zones_fail_with_parent=table.flag("zones_fail_with_parent", default.zones_fail_with_parent),
        rto_s=_span(table, "rto"),
        rpo_s=_span(table, "rpo"),
        data_gb=table.number("data_gb", default.data_gb, low=0, high=1e12),
        change_gb_per_day=table.number("change_gb_per_day", default.change_gb_per_day, low=0, high=1e12),
    )
    table.close()
    if resilience.survive == "region" and not resilience.zones_fail_with_parent:
        words = 'a Region that is lost takes its zones along; false goes with survive = "site" or "metro"'
        raise table.fault("zones_fail_with_parent", words)
    if not resilience.zones_fail_with_parent and resilience.survive == "none":
        raise table.fault("zones_fail_with_parent", 'says what fails together, but survive = "none"')
    if resilience.backup_within_ms is not None and resilience.survive == "none":
        raise table.fault("backup_within_ms", 'says how near a backup is, but survive = "none" asks for none')
    if (resilience.data_gb or resilience.change_gb_per_day) and not resilience.recovers:
        raise table.fault("data_gb", "is data to recover, but neither rto nor rpo is given")
    return resilience


def read_routing(table: Table) -> Routing:
    """How clients find their site. Raises the table's error."""
    default = Routing()
    routing = Routing(
        policy=table.text("policy", default.policy, choices=POLICIES),
        ttl_s=table.number("ttl_s", default.ttl_s, low=0, high=86_400),
        check_interval_s=table.number(
            "check_interval_s", default.check_interval_s, low=10, high=30, whole=True
        ),
        failure_threshold=table.number(
            "failure_threshold", default.failure_threshold, low=1, high=10, whole=True
        ),
        client_cache_s=table.number("client_cache_s", default.client_cache_s, low=0, high=86_400),
        static_addresses=table.flag("static_addresses", default.static_addresses),
        queries_per_month=table.number("queries_per_month", None, low=0, high=1e15),
    )
    table.close()
    if routing.static_addresses and routing.policy.startswith("route53"):
        raise table.fault("static_addresses", f"is what {routing.policy} has none of")
    if routing.check_interval_s not in (10, 30):
        raise table.fault("check_interval_s", f"{routing.check_interval_s} is not one of 10, 30")
    return routing


def _span(table: Table, key: str) -> float | None:
    text: Any = table.text(key, None, like='a span of time such as "5m"')
    if text is None:
        return None
    try:
        return seconds(text)
    except ValueError as fault:
        raise table.fault(key, str(fault)) from None
