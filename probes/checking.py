"""``edgeprobe check``: what a configuration would have probed, and what one might not expect of it [I/O]."""

from __future__ import annotations

import importlib.util
import json
import sys

from probes import shipped
from probes.inbox import is_object_store
from probes.redaction import without_secrets
from probes.report import align
from probes.settings import Settings
from probes.strict_toml import InputError, nearest_name, printable
from probes.target import Target


def check(settings: Settings, *, as_json: bool) -> None:
    """Print what would be probed, and on stderr what one might not expect of it.

    Raises InputError when an extra is missing that the configuration cannot do without.
    """
    if is_object_store(settings.store) and importlib.util.find_spec("obstore") is None:
        raise InputError(
            settings.file, "an object store needs obstore: pip install 'edgeplan[s3]'", column="agent.store"
        )
    if settings.otlp is not None and importlib.util.find_spec("opentelemetry") is None:
        raise InputError(
            settings.file, "an export needs OpenTelemetry: pip install 'edgeplan[otlp]'", column="agent.otlp"
        )
    if as_json:
        print(json.dumps(_as_json(settings), allow_nan=False))
    else:
        print(_as_text(settings))
    if settings.metrics is not None and settings.metrics.suffix != ".prom":
        note(
            settings,
            "node_exporter reads no file whose name does not end in .prom,"
            f" as that of agent.metrics, {settings.metrics.name}",
        )
    over_https = [one for one in settings.resolvers if one.startswith("https://")]
    if over_https and importlib.util.find_spec("h2") is None:
        note(
            settings,
            "without h2 (pip install 'edgeplan[doh]') DNS over HTTPS"
            f" speaks HTTP/1.1 alone, which not every resolver does: {', '.join(over_https)}",
        )
    if settings.unreachable:
        count = len(settings.unreachable)
        sites = "1 site" if count == 1 else f"{count} sites"
        note(
            settings,
            f"no shipped endpoint answers the protocols asked for {sites}"
            f" of [[catalog]], so nothing probes {'it' if count == 1 else 'them'}:"
            f" {', '.join(settings.unreachable)}",
        )
    known = shipped.catalog_sites()
    placed = {target.site for target in settings.targets if target.lat is not None}
    for site in dict.fromkeys(target.site for target in settings.targets):
        if (zone := known.get(site)) and zone.carrier and not shipped.on_carrier(zone, settings.carrier):
            where = f"in that of {settings.carrier}" if settings.carrier else "in none (agent.carrier)"
            note(
                settings,
                f"{site!r} answers only in the network of {zone.carrier},"
                f" and this agent is {where}: its rows will be implausible",
            )
        if known and site not in known and site not in placed:
            near = nearest_name(site, known)
            hint = f" (did you mean {near!r}?)" if near else ""
            note(
                settings,
                f"{site!r} is not in the shipped catalog{hint};"
                " a site of your own must have this id in the study",
            )


def note(settings: Settings, text: str) -> None:
    """Say on stderr, in one line, what one might not expect of a configuration."""
    print(printable(f"edgeprobe: {settings.file}: note: {text}"), file=sys.stderr)


def _as_json(settings: Settings) -> dict[str, object]:
    return {
        "vantage": settings.vantage,
        "country": settings.country,
        "lat": settings.lat,
        "lon": settings.lon,
        "store": without_secrets(settings.store),
        "spool": str(settings.spool),
        "samples": settings.samples,
        "resolvers": list(settings.resolvers),
        "targets": [
            {
                "site": target.site,
                "host": target.host,
                "port": target.port,
                "protocols": list(target.protocols),
                "path": target.path,
                "scheme": target.scheme,
                "family": target.family,
                "lat": target.lat,
                "lon": target.lon,
            }
            for target in settings.targets
        ],
        "unreachable": list(settings.unreachable),
        "carrier": settings.carrier,
        "outpost": settings.outpost,
        "parent": settings.parent,
        "metrics": None if settings.metrics is None else str(settings.metrics),
        "ca_file": None if settings.ca_file is None else str(settings.ca_file),
        "log": settings.log,
        "otlp": None if settings.otlp is None else without_secrets(settings.otlp),
    }


def _as_text(settings: Settings) -> str:
    def line(target: Target) -> tuple[str, ...]:
        family = "" if target.family is None else f"IPv{target.family}"
        return target.site, target.host, str(target.port), " ".join(target.protocols), family

    link = ""
    if settings.outpost is not None:
        count = sum(target.site == settings.parent for target in settings.targets)
        link = f"\nlink     {settings.outpost} to {settings.parent}, by {count} of the targets"
    metrics = "" if settings.metrics is None else f"\nmetrics  {printable(str(settings.metrics))}"
    trusted = "" if settings.ca_file is None else f"\nca_file  {printable(str(settings.ca_file))}"
    otlp = "" if settings.otlp is None else f"\notlp     {without_secrets(settings.otlp)}"
    heading = ("site", "host", "port", "protocols", "family")
    listing = align([heading, *map(line, settings.targets)], right=[False, False, True, False, False])
    return (
        f"{listing}\n\n"
        f"vantage  {settings.vantage} ({settings.country}, {settings.lat:g}, {settings.lon:g})\n"
        f"store    {printable(without_secrets(settings.store))}\n"
        f"spool    {printable(str(settings.spool))}\n"
        f"targets  {len(settings.targets)}, {settings.samples} samples each by every protocol"
        f"{link}{metrics}{trusted}{otlp}"
    )
