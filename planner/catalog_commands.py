"""The commands that need no plan: the catalog, an agent's configuration, the page [I/O]."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NoReturn

from planner.agent_targets import (
    distinct,
    endpoint_targets,
    find_outpost,
    hostless,
    notes_of,
    out_of_reach,
    outpost_targets,
    reachability_targets,
)
from planner.catalog import (
    SITE_KINDS,
    Catalog,
    NoPriceError,
    Price,
    Site,
    load_catalog,
    shipped_providers,
    usual_instance,
)
from planner.jurisdictions import load_countries, nearest_country
from planner.own_prices import start_of_a_file, with_own_prices
from planner.price_dates import dates_of, sources_of
from planner.reachability import load_reachability
from planner.study import OutpostSpec, Study
from planner.study_lookup import find_study
from planner.tabulate import table
from probes.settings import check_vantage
from probes.settings_writing import render_settings
from probes.shipped import CATALOG, prefixes
from probes.strict_toml import InputError, nearest_name
from probes.target import Target

DONE: Final = 0

PREMIUM: Final = 0.20
"""What a Local Zone with no price of its own is assumed to add to its parent's, as in a study by default."""

NAMED: Final = 5
"""So many of what was left out are named; the rest is counted."""

KEPT_HOME: Final = (
    "--server.address=127.0.0.1",
    "--server.maxUploadSize=2",
    "--browser.gatherUsageStats=false",
)
"""What the page's configuration file says too: an installation without it stays on this machine as well."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an agent stands."""

    vantage: str
    country: str
    lat: float
    lon: float


UNKNOWN_PLACE: Final = Standing("my-vantage", "??", 0.0, 0.0)
"""Stands in a configuration until somebody says where the agent is; no agent runs with that country."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What ``show`` shows of a catalog: the price of ``instance`` (None: the usual one), and ``own``, a file
    of the user's prices, before the listed ones."""

    instance: str | None = None
    own: Path | None = None


def show(provider: str, kinds: Sequence[str], shown: Shown, *, as_json: bool) -> int:
    """Print the sites of a catalog and what each charges."""
    catalog, instance = _catalog(provider), shown.instance or _usual(provider)
    if shown.own is not None:
        (catalog,) = with_own_prices([catalog], shown.own, instance=instance)
    sites = [site for site in catalog.sites if site.kind in check_kinds(kinds)]
    rows = [_priced(catalog, site, instance) for site in sites]
    if as_json:
        document: dict[str, Any] = {
            "provider": provider,
            "directory": str(catalog.path),
            "instance": instance,
        }
        document |= {"inputs": dict(catalog.hashes), "sites": rows}
        if shown.own is not None:
            document["own"] = [
                {"category": category, "site": site, "item": item, **asdict(price)}
                for (category, site, item), price in catalog.price_list.own.items()
            ]
        print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
        return DONE
    header = ("site", "kind", "parent", "country", "status", f"{instance} USD/h", "egress USD/GB", "name")
    print(
        table(
            header,
            [
                (
                    *(row["id"], row["kind"], row["parent"] or "", row["country"], row["status"]),
                    *(_usd(row["instance_hour"]), _usd(row["egress_gb"]), row["name"]),
                )
                for row in rows
            ],
            flush_right=(5, 6),
        )
    )
    own = "* your own; " if shown.own is not None else ""
    if os.environ.get(CATALOG):
        own = f"from {catalog.path}; {own}"
    print(f"\n{own}~ estimated; --json gives the source and date of every figure")
    prices = [price for site in sites for price in _prices_of(catalog, site, instance)]
    if prices:
        print(f"prices: {dates_of(prices)}; from {sources_of(prices)}")
    return DONE


def _catalog(provider: str) -> Catalog:
    """The provider's catalog. Raises InputError about ``--provider`` where there is none."""
    known = shipped_providers()
    if provider not in known:
        hint = nearest_name(provider, known)
        raise InputError("--provider", f"{provider!r} is not a known provider", nearest=hint)
    return load_catalog(provider)


def _usual(provider: str) -> str:
    """The instance priced where none is named."""
    usual = usual_instance(provider)
    if usual is None:
        raise InputError("--instance", f"is required: nothing is usual of {provider}")
    return usual


def _prices_of(catalog: Catalog, site: Site, instance: str) -> list[Price]:
    """Those in the table."""
    try:
        prices = catalog.site_prices(site, instance, local_zone_premium=PREMIUM)
    except NoPriceError:
        return []
    return [price for price in (prices.instance_hour, prices.egress_gb) if price is not None]


def show_prices(provider: str) -> int:
    """Print every price of a provider as the CSV that a study's ``prices`` may name."""
    sys.stdout.write(start_of_a_file(_catalog(provider)))
    return DONE


@dataclass(frozen=True, slots=True)
class Wanted:
    """What ``targets`` was asked for beside a provider's kinds of site.

    ``reachability`` are downloaded lists of addresses; ``study`` adds its racks; ``outpost`` is the one of
    them that the agent stands beside.
    """

    reachability: tuple[Path, ...] = ()
    study: str | None = None
    outpost: str | None = None


def targets(
    provider: str,
    kinds: Sequence[str],
    standing: Standing | None,
    wanted: Wanted = Wanted(),
    *,
    as_json: bool,
) -> int:
    """Print an agent configuration that measures the sites of a catalog."""
    chosen, catalog = check_kinds(kinds), _catalog(provider)
    if "outpost" in chosen and wanted.study is None:
        raise InputError("--study", "is required for --kind outpost: a study says where racks stand")
    study, rack = _study_and_rack(wanted, standing)
    found = endpoint_targets(catalog, chosen)
    if rack is not None:
        _check_vantage("--outpost", rack.id)
        standing = Standing(rack.id, rack.country, rack.lat, rack.lon)
        # The service link comes first, whatever kinds were asked for.
        link = [target for target in endpoint_targets(catalog, ("region",)) if target.site == rack.parent]
        if not link:
            raise InputError("--outpost", f"no endpoint is known of {rack.parent}, the parent of {rack.id}")
        found = [*link, *found]
    addresses, left_out = load_reachability(wanted.reachability)
    found += reachability_targets(catalog, chosen, addresses, prefixes(provider))
    racks = [] if study is None else outpost_targets(study)
    every = distinct([*found, *racks])
    notes = notes_of(out_of_reach(catalog, chosen, every), with_addresses=bool(wanted.reachability))
    if left_out:
        count = "1 address" if len(left_out) == 1 else f"{len(left_out)} addresses"
        notes.append(f"--reachability: {count} left out that no host of the internet has: {_some(left_out)}")
    if study is not None and (silent := hostless(study)):
        notes.append(f"{study.name} says no host of {', '.join(silent)}, so nothing probes it")
    if not every:
        raise InputError("--kind", "; ".join(notes) or f"nothing is known to probe of {', '.join(kinds)}")
    if racks:
        notes.append(
            f"port {racks[0].port} is taken to be open on the racks' hosts; say in the file which is:"
            f" {', '.join(target.site for target in racks)}"
        )
    if standing is None:
        notes.append(
            "say where the agent stands (vantage, country, lat, lon) before it runs:"
            " with --vantage --country --lat --lon, or in the file"
        )
    _print_targets(every, standing, rack, notes, as_json=as_json)
    return DONE


def _study_and_rack(wanted: Wanted, standing: Standing | None) -> tuple[Study | None, OutpostSpec | None]:
    if wanted.study is None:
        if wanted.outpost is not None:
            raise InputError("--study", "is required with --outpost: a rack stands in a study")
        return None, None
    study = find_study(wanted.study)
    if wanted.outpost is None:
        return study, None
    if standing is not None:
        raise InputError("--vantage", "is not given with --outpost, which says where the agent stands")
    return study, find_outpost(study, wanted.outpost)


def _print_targets(
    every: tuple[Target, ...],
    standing: Standing | None,
    rack: OutpostSpec | None,
    notes: Sequence[str],
    *,
    as_json: bool,
) -> None:
    outpost, parent = (None, None) if rack is None else (rack.id, rack.parent)
    place = standing or UNKNOWN_PLACE
    if as_json:
        agent = None if standing is None else {**asdict(standing), "outpost": outpost, "parent": parent}
        document = {"agent": agent, "targets": [asdict(target) for target in every], "notes": list(notes)}
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return
    sys.stdout.write(
        render_settings(
            vantage=place.vantage,
            country=place.country,
            lat=place.lat,
            lon=place.lon,
            targets=every,
            outpost=outpost,
            parent=parent,
        )
    )
    for note in notes:
        print(f"edgeplan: note: {note}", file=sys.stderr)


def check_standing(
    vantage: str | None, country: str | None, lat: float | None, lon: float | None
) -> Standing | None:
    """Where the agent stands, if anything of it was said; then all of it must be. Raises InputError."""
    given = {"--vantage": vantage, "--country": country, "--lat": lat, "--lon": lon}
    if all(value is None for value in given.values()):
        return None
    if vantage is None or country is None or lat is None or lon is None:
        missing = next(option for option, value in given.items() if value is None)
        raise InputError(missing, "is required with any of --vantage, --country, --lat and --lon")
    _check_vantage("--vantage", vantage)
    if country not in load_countries():
        message = f"{country!r} is not a known ISO 3166 country code"
        raise InputError("--country", message, nearest=nearest_country(country))
    for option, degrees, limit in (("--lat", lat, 90.0), ("--lon", lon, 180.0)):
        if not -limit <= degrees <= limit:
            raise InputError(option, f"{degrees:g} is out of range (from -{limit:g} up to {limit:g})")
    return Standing(vantage, country, lat, lon)


def _check_vantage(option: str, name: str) -> None:
    try:
        check_vantage(name)
    except ValueError as fault:
        raise InputError(option, str(fault)) from None


def check_kinds(kinds: Sequence[str]) -> Sequence[str]:
    """``kinds``, each of them known. Raises InputError."""
    for kind in kinds:
        if kind not in SITE_KINDS:
            message = f"{kind!r} is not one of {', '.join(SITE_KINDS)}"
            raise InputError("--kind", message, nearest=nearest_name(kind, SITE_KINDS))
    return kinds


def ui(arguments: Sequence[str]) -> NoReturn:
    """Become ``streamlit run app.py``; ``arguments`` are passed on, and the last word.

    Raises ``FileNotFoundError`` without a page and ``ModuleNotFoundError`` without streamlit.
    """
    here = Path(__file__).parent
    app = next((path for path in (here / "_app.py", here.parent / "app.py") if path.is_file()), None)
    if app is None:
        raise FileNotFoundError(errno.ENOENT, "the page is missing from this installation", "app.py")
    if find_spec("streamlit") is None:
        raise ModuleNotFoundError(name="streamlit")
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", str(app), *KEPT_HOME, *arguments])


def _some(names: Sequence[str]) -> str:
    """The first few of many."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _priced(catalog: Catalog, site: Site, instance: str) -> dict[str, Any]:
    try:
        prices = catalog.site_prices(site, instance, local_zone_premium=PREMIUM)
    except NoPriceError:
        hour, egress, parent = None, None, None
    else:
        hour, egress, parent = prices.instance_hour, prices.egress_gb, prices.parent_gb
    return {
        "id": site.id,
        "kind": site.kind,
        "name": site.name,
        "parent": site.parent,
        "metro": site.metro,
        "country": site.country,
        "lat": site.lat,
        "lon": site.lon,
        "status": site.status,
        "partition": site.partition,
        "network_border_group": site.network_border_group,
        "services": sorted(site.services),
        "programs": sorted(site.programs),
        "source": site.source,
        "as_of": site.as_of,
        "instance_hour": _price(hour),
        "egress_gb": _price(egress),
        "parent_gb": _price(parent),
    }


def _price(price: Price | None) -> dict[str, Any] | None:
    return None if price is None else asdict(price)


def _usd(price: dict[str, Any] | None) -> str:
    """``~`` marks an estimate, ``*`` what the user's own file says. Of tiers, the first and the last."""
    if price is None:
        return ""
    last = f" to {price['tiers'][-1][1]:.4f}" if price["tiers"] else ""
    return f"{'*' if price['own'] else ''}{'~' if price['estimated'] else ''}{price['usd']:.4f}{last}"
