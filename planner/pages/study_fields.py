"""Every key of a study as a field of a form: its label, what it takes, and what it means.

The form (:mod:`planner.pages.study_form`) draws these and nothing else, so a key that stands here can be set
without writing TOML. A key is the dotted path in the study's document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from planner.site_values import SITE_KINDS, ZONE_KINDS
from planner.study_access import ACCESS
from planner.study_supposed import PRICE_ITEMS
from planner.study_values import GROUPS_BY, MINIMIZE, POLICIES, STATISTICS, SURVIVE

Takes = Literal["number", "whole", "text", "pairs", "choice", "names", "flag"]


@dataclass(frozen=True, slots=True)
class Field:
    """``options``: the choices, or names to offer ("names" and "text" take others as well);
    "pairs" is one text, or one by name ("aws=m5.xlarge, gcp=n2-standard-4"). ``on``: what a
    flag is where the study does not say."""

    key: str
    label: str
    takes: Takes
    words: str = ""
    options: tuple[str, ...] = ()
    on: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Fields that stand together under one title."""

    title: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """An array of tables: a row each. ``where`` fixes values that every row has (a rule's kind)."""

    key: str
    title: str
    words: str
    columns: tuple[Field, ...]
    where: tuple[tuple[str, str], ...] = ()


SECTIONS: Final = (
    Section(
        "Name",
        (
            Field("name", "Name", "text", "names the study in plans and files"),
            Field("title", "Title", "text"),
            Field("summary", "Summary", "text"),
        ),
    ),
    Section(
        "Who asks",
        (
            Field("demand.csv", "Clients (CSV file)", "text", "your own clients; takes the place of cities"),
            Field("demand.cities.top", "Largest cities", "whole", "so many, weighted by population"),
            Field("demand.cities.countries", "of these countries", "names", "ISO 3166 codes, * for all"),
            Field("demand.peak_rps", "Requests a second at peak", "number"),
            Field("demand.requests_per_month", "Requests a month", "number"),
        ),
    ),
    Section(
        "Where it may run",
        (
            Field("candidates.provider", "Providers", "names", "", ("aws",)),
            Field("candidates.kinds", "Kinds of site", "names", "", SITE_KINDS),
            Field("candidates.include", "Only these sites", "names", "ids or globs such as eu-*"),
            Field("candidates.exclude", "But not these", "names", "ids or globs"),
            Field(
                "candidates.local_zone_premium", "Local Zone premium", "number", "0.2 = 20 % over its parent"
            ),
            Field("current.open", "Open today", "names", "site ids"),
            Field("prices", "Own prices (CSV file)", "text", "rows that go before the shipped prices"),
        ),
    ),
    Section(
        "What a request needs",
        (
            Field("workload.services", "Services", "names"),
            Field(
                "workload.instance",
                "Instance type",
                "pairs",
                "or one of each: aws=m5.xlarge, gcp=n2-standard-4",
            ),
            Field("workload.rps_per_instance", "Requests a second an instance", "number"),
            Field("workload.min_instances", "Instances at least", "whole", "at every open site"),
            Field("workload.headroom", "Headroom", "number", "0.25 = a quarter kept free above the peak"),
            Field("workload.commitment", "Commitment", "text", "a discount for a term; none = on demand"),
            Field("workload.committed_share", "Share committed", "number", "of the instances, 0 to 1"),
            Field("workload.response_kb", "Response, kB", "number"),
            Field(
                "workload.cross_zone_kb", "Between zones, kB", "number", "of each request, inside a Region"
            ),
            Field(
                "workload.home_share", "Home share", "number", "of the traffic, from site to parent or home"
            ),
        ),
    ),
    Section(
        "Stateful tier",
        (
            Field("workload.home.region", "Home Region", "text", "an id, or auto; none = no such tier"),
            Field("workload.home.client_trips", "Trips client to site", "number", "in one request"),
            Field("workload.home.home_trips", "Trips site to home", "number", "in one request"),
        ),
    ),
    Section(
        "What is promised",
        (
            Field("latency.statistic", "Percentile", "text", "p50 to p99", STATISTICS),
            Field("latency.bound", "Plan with", "choice", "", ("estimate", "upper")),
            Field("latency.slo_ms", "Latency (SLO), ms", "number"),
            Field("latency.coverage", "Share of demand within it", "number", "0 to 1"),
            Field("latency.max_ms", "Nobody above, ms", "number"),
            Field("latency.metro_km", "A vantage speaks for all within, km", "number"),
            Field("latency.vantage_km", "and for its country within, km", "number"),
        ),
    ),
    Section(
        "Access lines (last mile)",
        (
            Field("access.wired", "Wired", "number", "share of requests, 0 to 1; what is left adds nothing"),
            Field("access.wifi", "Wi-Fi", "number", "the wired line behind it included"),
            Field("access.cellular", "Cellular", "number"),
            Field("access.satellite", "Satellite", "number", "low orbit"),
            Field("access.included", "In these vantages' figures", "names", "ids or globs; nothing is added"),
        ),
    ),
    Section(
        "Goal and limits",
        (
            Field("objective.minimize", "Minimise", "choice", "", MINIMIZE),
            Field("budget.usd_per_month", "Budget, $ a month", "number"),
            Field("limits.min_sites", "Sites at least", "whole"),
            Field("limits.max_sites", "Sites at most", "whole"),
            Field("limits.max_changes", "Changes at most", "whole", "against what is open today"),
            Field("limits.min_utilisation", "Utilisation at least", "number", "of a capacity, 0 to 1"),
            Field("limits.max_utilisation", "Utilisation at most", "number", "of a capacity, 0 to 1"),
        ),
    ),
    Section(
        "Failure and recovery",
        (
            Field("resilience.survive", "Survive the loss of", "choice", "", SURVIVE),
            Field("resilience.backup_within_ms", "Backup within, ms", "number"),
            Field("resilience.zones_fail_with_parent", "Zones fail with their parent", "flag", on=True),
            Field("resilience.rto", "Recovery time (RTO)", "text", "30s, 5m, 4h"),
            Field("resilience.rpo", "Recovery point (RPO)", "text", "30s, 5m, 4h"),
            Field("resilience.data_gb", "Data, GB", "number"),
            Field("resilience.change_gb_per_day", "Changing a day, GB", "number"),
        ),
    ),
    Section(
        "Routing",
        (
            Field("routing.policy", "Policy", "choice", "none = not planned or priced", ("", *POLICIES)),
            Field("routing.ttl_s", "TTL, s", "number"),
            Field("routing.check_interval_s", "Health check every, s", "whole", "10 or 30"),
            Field("routing.failure_threshold", "Failures in a row", "whole", "before a site counts as down"),
            Field("routing.client_cache_s", "Clients cache for, s", "number", "beyond the TTL"),
            Field("routing.static_addresses", "Needs static addresses", "flag"),
            Field("routing.queries_per_month", "DNS queries a month", "number", "none = not priced"),
        ),
    ),
    Section(
        "Direct Connect",
        (
            Field("network.direct_connect", "At these sites", "names", "ids or globs"),
            Field("network.gbps", "Port, Gbps", "number"),
            Field("network.ports", "Ports", "whole", "at each"),
            Field("network.share", "Share of the traffic", "number", "that leaves there, 0 to 1"),
        ),
    ),
)

_CLIENTS: Final = (
    Field("clients.jurisdictions", "Clients: jurisdictions", "names"),
    Field("clients.countries", "Clients: countries", "names"),
    Field("clients.classes", "Clients: data classes", "names"),
)

_SHARES: Final = tuple(Field(kind, kind, "number", "share of requests, 0 to 1") for kind in ACCESS)

GRIDS: Final = (
    Grid(
        "candidates.outpost",
        "Outposts",
        "Racks on your own premises. A rack that comes in sizes has its capacity and prices below.",
        (
            Field("id", "Id", "text"),
            Field("country", "Country", "text"),
            Field("lat", "Latitude", "number"),
            Field("lon", "Longitude", "number"),
            Field("parent", "Parent Region", "text"),
            Field("host", "Address to probe", "text"),
            Field("capacity_rps", "Capacity, rps", "number"),
            Field("upfront_usd", "Up front, $", "number"),
            Field("monthly_usd", "A month, $", "number"),
            Field("term_months", "Term, months", "whole"),
            Field("capital_rate", "Cost of capital a year", "number"),
            Field("form", "Form", "choice", "a server offers less than a rack", ("rack", "server")),
            Field("link_mbps", "Service link, Mbps", "number"),
            Field("link_ms", "Service link, ms", "number"),
            Field("tags", "Tags (key=value)", "names"),
        ),
    ),
    Grid(
        "candidates.outpost.size",
        "Sizes of an Outpost",
        "At most one size of each is bought.",
        (
            Field("outpost", "Outpost", "text"),
            Field("name", "Size", "text"),
            Field("capacity_rps", "Capacity, rps", "number"),
            Field("upfront_usd", "Up front, $", "number"),
            Field("monthly_usd", "A month, $", "number"),
        ),
    ),
    Grid(
        "candidates.announced",
        "Announced zones",
        "In no catalog yet: priced as their parent with the Local Zone premium, latencies modelled.",
        (
            Field("id", "Id", "text"),
            Field("parent", "Parent Region", "text"),
            Field("country", "Country", "text"),
            Field("lat", "Latitude", "number"),
            Field("lon", "Longitude", "number"),
            Field("kind", "Kind", "choice", "", ZONE_KINDS),
            Field("services", "Services", "names", "none = those of its kind"),
            Field("metro", "Metro", "text"),
            Field("source", "Source", "text"),
            Field("as_of", "As of", "text"),
        ),
    ),
    Grid(
        "candidates.tags",
        "Tags of sites",
        "",
        (
            Field("pattern", "Sites (id or glob)", "text"),
            Field("tags", "Tags (key=value)", "names"),
        ),
    ),
    Grid(
        "price_change",
        "Supposed prices",
        "What if a price changes? Each row multiplies one; rows of one price multiply.",
        (
            Field("item", "Price", "choice", "", tuple(PRICE_ITEMS)),
            Field("factor", "Times", "number", "1.3 = 30 % dearer"),
            Field("sites", "Sites (ids or globs)", "names", "none = all"),
        ),
    ),
    Grid(
        "rule",
        "Residency",
        "These clients only from those sites; a zone's or rack's parent Region counts too.",
        (
            *_CLIENTS,
            Field("sites.jurisdictions", "Sites: jurisdictions", "names"),
            Field("sites.countries", "Sites: countries", "names"),
        ),
        (("kind", "residency"),),
    ),
    Grid(
        "rule",
        "Certification programs",
        "These clients only from sites inside every one of the programs.",
        (*_CLIENTS, Field("programs", "Programs", "names")),
        (("kind", "program"),),
    ),
    Grid(
        "rule",
        "Tags",
        "A client only from sites whose tag has the value of its own.",
        (Field("key", "Tag", "text"), *_CLIENTS),
        (("kind", "tags"),),
    ),
    Grid(
        "rule",
        "Groups of sites",
        "At most so many open in each group, or at least so many groups with an open site.",
        (
            Field("by", "By", "choice", "", GROUPS_BY),
            Field("kinds", "Kinds of site", "names", "", SITE_KINDS),
            Field("jurisdictions", "Jurisdictions", "names"),
            Field("at_most", "At most in each", "whole"),
            Field("at_least", "Groups at least", "whole"),
        ),
        (("kind", "group"),),
    ),
    Grid(
        "rule",
        "Capacity of sites",
        "What each of these sites carries if it is open.",
        (
            Field("sites", "Sites (ids or globs)", "names"),
            Field("min_rps", "At least, rps", "number"),
            Field("max_rps", "At most, rps", "number"),
        ),
        (("kind", "capacity"),),
    ),
    Grid(
        "access.class",
        "Access lines of a data class",
        "Clients of this class have these lines, and not those above.",
        (Field("name", "Data class", "text"), *_SHARES),
    ),
    Grid(
        "access.line",
        "Your own figures for a line",
        "What it adds to a round trip, in place of data/access.csv.",
        (
            Field("kind", "Line", "choice", "", ACCESS),
            Field("p50_ms", "Median, ms", "number"),
            Field("p95_ms", "95th percentile, ms", "number"),
        ),
    ),
)
