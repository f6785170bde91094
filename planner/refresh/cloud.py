"""Asking AWS with the user's own credentials, page by page [I/O].

Nothing is kept of an answer that does not come to its end. Throttling and passing faults are retried by
botocore (its standard mode: backoff that doubles, with jitter, and a budget of retries); ``AWS_MAX_ATTEMPTS``
sets how often. Every service can be sent elsewhere by ``AWS_ENDPOINT_URL`` and its kin, as with any AWS tool.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import IncompleteReadError

from planner.refresh import price_items
from planner.refresh.answers import (
    OFFERINGS,
    PRODUCTS,
    RACK_ITEMS,
    REGIONS,
    ZONES,
    Answers,
    ClosedError,
    CloudError,
    DeniedError,
    Prices,
    RackSeen,
    RegionSeen,
    ZoneSeen,
)
from planner.refresh.faults import in_words

Progress = Callable[[int, int, str], None]

ATTEMPTS: Final = 5
CONNECT_S: Final = 5
READ_S: Final = 30

HOME: Final = "us-east-1"
"""Asked for the list of Regions when the user's configuration names none."""

_ZONE_KINDS: Final = {"local-zone": "local_zone", "wavelength-zone": "wavelength_zone"}

_PAGE: Final = {"ec2": 1000, "pricing": 100, "outposts": 1000}


class Cloud:
    """The APIs of one partition. Every failure is a :class:`~planner.refresh.faults.CloudError`."""

    def __init__(self) -> None:
        with in_words("reading the AWS configuration", "this machine"):
            self._session = boto3.session.Session()
            self.home = self._session.region_name or HOME
            self.partition = self._session.get_partition_for_region(self.home)
            self._pricing = self._session.get_available_regions("pricing", self.partition)
            self._outposts = frozenset(self._session.get_available_regions("outposts", self.partition))
        self._clients: dict[tuple[str, str], Any] = {}
        retries: dict[str, Any] = {"mode": "standard"}
        if "AWS_MAX_ATTEMPTS" not in os.environ:
            retries["total_max_attempts"] = ATTEMPTS
        self._config = Config(
            retries=retries, connect_timeout=CONNECT_S, read_timeout=READ_S, user_agent_extra="edgeplan"
        )

    def _client(self, service: str, region: str, action: str) -> Any:
        if (service, region) not in self._clients:
            with in_words(action, region):
                client = self._session.client(service, region_name=region, config=self._config)
            client.meta.events.register("after-call", _check_whole)
            self._clients[service, region] = client
        return self._clients[service, region]

    def _pages(
        self, service: str, action: str, region: str, key: str, given: Mapping[str, Any]
    ) -> Iterator[Any]:
        """Every element of the list ``key`` over all pages of an operation, named as IAM names it."""
        operation = _snake(action.partition(":")[2])
        call = getattr(self._client(service, region, action), operation)
        token, seen = None, set()
        while True:
            page: dict[str, Any] = {"NextToken": token} if token else {}
            with in_words(action, region):
                answer = call(**given, **page, MaxResults=_PAGE[service])
            if key not in answer and service != "ec2":  # whose lists are absent when they are empty
                raise CloudError(f"{action} in {region}: the answer has no {key}")
            yield from answer.get(key, ())
            token = answer.get("NextToken")
            if not token:
                return
            if token in seen:
                raise CloudError(f"{action} in {region}: the same page was announced twice")
            seen.add(token)

    def regions(self) -> tuple[RegionSeen, ...]:
        """Every Region of the partition, whether or not the account has opted in."""
        client = self._client("ec2", self.home, REGIONS)
        with in_words(REGIONS, self.home):
            answer = client.describe_regions(AllRegions=True)
        return tuple(
            RegionSeen(
                each["RegionName"], each.get("OptInStatus", ""), each.get("Endpoint", ""), _named(each)
            )
            for each in answer.get("Regions", ())
        )

    def zones(self, region: str) -> tuple[ZoneSeen, ...]:
        """The Local Zones and Wavelength Zones of a Region, whether or not the account has opted in."""
        client = self._client("ec2", region, ZONES)
        with in_words(ZONES, region):
            answer = client.describe_availability_zones(AllAvailabilityZones=True)
        return tuple(
            ZoneSeen(
                id=each["ZoneName"],
                kind=_ZONE_KINDS[each["ZoneType"]],
                region=region,
                zone_id=each.get("ZoneId", ""),
                border_group=each.get("NetworkBorderGroup") or each.get("GroupName", ""),
                opt_in=each.get("OptInStatus", ""),
                state=each.get("State", ""),
                name=each.get("GroupLongName", ""),
                country=_named(each),
            )
            for each in answer.get("AvailabilityZones", ())
            if each.get("ZoneType") in _ZONE_KINDS
        )

    def offerings(self, region: str, zones: Collection[str]) -> dict[str, frozenset[str]]:
        """The instance types of a Region, and of those of its zones that have any."""
        found: dict[str, set[str]] = {}
        asked: list[Mapping[str, Any]] = [{"LocationType": "region"}]
        if zones:
            where = {"Name": "location", "Values": sorted(zones)}
            asked.append({"LocationType": "availability-zone", "Filters": [where]})
        for given in asked:
            for each in self._pages("ec2", OFFERINGS, region, "InstanceTypeOfferings", given):
                found.setdefault(each["Location"], set()).add(each["InstanceType"])
        return {place: frozenset(types) for place, types in found.items()}

    def racks(self, region: str) -> tuple[RackSeen, ...]:
        """The account's Outposts in a Region."""
        found = []
        for each in self._pages("outposts", "outposts:ListOutposts", region, "Outposts", {}):
            action, given = "outposts:GetOutpostInstanceTypes", {"OutpostId": each["OutpostId"]}
            types = self._pages("outposts", action, region, "InstanceTypes", given)
            found.append(
                RackSeen(
                    id=each["OutpostId"],
                    name=each.get("Name", ""),
                    region=region,
                    form=each.get("SupportedHardwareType", "").lower(),
                    state=each.get("LifeCycleStatus", ""),
                    types=tuple(sorted({entry["InstanceType"] for entry in types})),
                )
            )
        return tuple(found)

    def rack_families(self, region: str) -> frozenset[str]:
        """The instance families that racks can be ordered with."""
        items = self._pages("outposts", RACK_ITEMS, region, "CatalogItems", {"ItemClassFilter": ["RACK"]})
        return frozenset(
            capacity["Family"]
            for item in items
            if item.get("ItemStatus") == "AVAILABLE"
            for capacity in item.get("EC2Capacities", ())
            if capacity.get("Family")
        )

    @property
    def pricing_region(self) -> str | None:
        """Where the partition's price list answers; None where it has no such API."""
        return HOME if HOME in self._pricing else next(iter(self._pricing), None)

    def products(self, service: str, filters: Mapping[str, str]) -> Iterator[str]:
        """Items of the price list, each a JSON document."""
        region = self.pricing_region or self.home
        terms = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in filters.items()]
        given = {"ServiceCode": service, "Filters": terms, "FormatVersion": "aws_v1"}
        return self._pages("pricing", PRODUCTS, region, "PriceList", given)

    def has_outposts(self, region: str) -> bool:
        """Whether Outposts answers in a Region, as far as botocore knows."""
        return region in self._outposts


def ask(
    cloud: Cloud, as_of: str, instances: Callable[[frozenset[str]], Collection[str]], progress: Progress
) -> Answers:
    """Ask for sites, offerings, prices and racks.

    ``instances`` chooses those to be priced, told which types any Region offers. A Region that is closed to
    the account, or denied while others are not, is silent; denied everywhere is an error.
    """
    regions = cloud.regions()
    if not regions:
        raise CloudError(f"{REGIONS} in {cloud.home}: not one Region was named")
    silent = {each.id: "not opted in" for each in regions if each.opt_in == "not-opted-in"}
    open_ = [each.id for each in regions if each.id not in silent]
    zones: list[ZoneSeen] = []
    offerings: dict[str, frozenset[str]] = {}
    denied: CloudError | None = None
    for done, region in enumerate(open_):
        progress(done, len(open_), f"zones and instance types of {region}")
        try:
            mine = cloud.zones(region)
            offerings |= cloud.offerings(region, [zone.id for zone in mine])
        except ClosedError:
            silent[region] = "not opted in"
        except DeniedError as fault:
            silent[region], denied = str(fault), fault
        else:
            zones += mine
    zones_of = frozenset(open_) - frozenset(silent)
    if denied is not None and not zones_of:
        raise denied
    types = frozenset[str]().union(*(offerings.get(region, frozenset()) for region in zones_of))
    chosen = sorted(instances(types))
    prices, notes = Prices(), []
    if cloud.pricing_region is None:
        notes.append(f"the partition {cloud.partition} has no price list to ask: prices are as they were")
    else:
        prices = price_items.ask(cloud.products, chosen, as_of, progress)
    racks, families, untold, said = _outposts(cloud, zones_of, silent, progress)
    return Answers(
        partition=cloud.partition,
        as_of=as_of,
        regions=regions,
        zones=tuple(zones),
        zones_of=zones_of,
        silent=silent,
        offerings=offerings,
        prices=prices,
        racks=racks,
        rack_families=families,
        racks_untold=untold,
        notes=(*notes, *said),
    )


def _outposts(
    cloud: Cloud, regions: Collection[str], silent: Collection[str], progress: Progress
) -> tuple[tuple[RackSeen, ...], frozenset[str], bool, tuple[str, ...]]:
    """Racks, what they can be ordered with, whether some did not say, and who. Few accounts have any, and
    fewer may ask: the first refusal ends it, and is no error. ``silent`` Regions are not asked."""
    racks: list[RackSeen] = []
    families: set[str] = set()
    notes: list[str] = []
    asked = sorted(region for region in regions if cloud.has_outposts(region))
    untold = [region for region in silent if cloud.has_outposts(region)]
    for done, region in enumerate(asked):
        progress(done, len(asked), f"Outposts in {region}")
        try:
            racks += cloud.racks(region)
            families |= cloud.rack_families(region)
        except DeniedError as fault:
            untold += asked[done:]
            notes.append(f"Outposts were not asked further: {fault}")
            break
        except ClosedError:
            untold.append(region)
    if untold:
        kept = "no family is taken from what racks can be ordered with"
        notes.append(f"Outposts of {', '.join(sorted(untold))}: not told, so {kept}")
    return tuple(racks), frozenset(families), bool(untold), tuple(notes)


def _check_whole(http_response: Any, **_: Any) -> None:
    """Raise what botocore does not: it takes half an answer for one that has nothing to say."""
    headers, length = http_response.headers, len(http_response.content)
    said = headers.get("content-length")
    if said is not None and "content-encoding" not in headers and int(said) != length:
        raise IncompleteReadError(actual_bytes=length, expected_bytes=int(said))


def _named(each: Mapping[str, Any]) -> str:
    """The country, where the API gives exactly one."""
    names = [str(entry.get("Name", "")) for entry in each.get("Geography") or ()]
    return names[0] if len(names) == 1 else ""


def _snake(operation: str) -> str:
    """``ListOutposts`` -> ``list_outposts``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).lstrip("_")
