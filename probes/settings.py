"""The agent's configuration: ``probes.toml`` in, frozen :class:`Settings` out [I/O].

Relative ``store`` and ``spool`` paths are taken from the configuration file's directory, not from where the
agent was started: cron starts it anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args, overload

from probes import shipped
from probes.locations import check_endpoint, resolve_path, resolve_store
from probes.resolvers import SYSTEM, parse_resolver
from probes.strict_toml import Table, parse_toml, read_toml
from probes.target import Target
from probes.target_tables import SITE_ID, read_catalog, read_protocols, read_targets

DEFAULT_PROTOCOLS: Final = ("dns", "tcp")

# The vantage becomes a directory and a part of object names, so it may hold nothing that a path could
# misread.
_VANTAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

Log = Literal["text", "json"]

# Two hundred rows a minute fill about 100 MB a day; a full disk helps nobody.
SPOOL_MAX_MB: Final = 256.0


@dataclass(frozen=True, slots=True)
class Settings:
    """One agent: where it stands, what it measures, how hard, and where the rows go.

    ``store`` is an absolute directory or a URL; ``spool`` an absolute directory; ``resolvers`` are "system"
    or what ``parse_resolver`` takes. ``timeout_ms`` bounds a sample, ``deadline_s`` a round.
    ``unreachable`` are sites a [[catalog]] asks for by kind that no shipped endpoint speaks for in any of the
    protocols asked, so that nothing probes them. ``spool_max_mb`` bounds what waits to be shipped;
    ``metrics`` is a Prometheus textfile to write, ``otlp`` an OTLP/HTTP endpoint to send metrics to.
    ``carrier`` is the mobile network the agent is in. ``outpost`` is the rack on whose premises it stands and
    ``parent`` that rack's parent Region, the other end of its service link: both or none. ``ca_file`` holds
    certificates, as PEM, that are trusted beside the system's.
    """

    file: Path
    vantage: str
    country: str
    lat: float
    lon: float
    store: str
    spool: Path
    samples: int
    timeout_ms: float
    deadline_s: float
    rate_per_s: float
    splay_s: float
    resolvers: tuple[str, ...]
    targets: tuple[Target, ...]
    unreachable: tuple[str, ...] = ()
    spool_max_mb: float = SPOOL_MAX_MB
    metrics: Path | None = None
    log: Log = "text"
    otlp: str | None = None
    carrier: str | None = None
    outpost: str | None = None
    parent: str | None = None
    ca_file: Path | None = None


def load_settings(path: str | Path) -> Settings:
    """Read and check a configuration file. Raises InputError naming file, place and nearest valid name."""
    return _settings(read_toml(path), Path(path), here=True)


def parse_settings(text: str, path: str | Path, *, here: bool = True) -> Settings:
    """The same for text already read; ``path`` names it and anchors relative paths.

    Unless that path is ``here``, on this machine, no file that the configuration names is looked for.
    """
    return _settings(parse_toml(text, path), Path(path), here=here)


def check_vantage(name: str) -> None:
    """Raises ValueError for what no vantage can be called."""
    if not _VANTAGE.fullmatch(name):
        raise ValueError(f"{name!r} is not a name of letters, digits, '.', '_' and '-' (up to 63)")


def _settings(root: Table, path: Path, *, here: bool) -> Settings:
    directory = path.absolute().parent
    agent = root.table("agent")
    vantage = agent.text("vantage")
    try:
        check_vantage(vantage)
    except ValueError as fault:
        raise agent.fault("vantage", str(fault)) from None
    country = agent.text("country")
    codes = shipped.country_codes()
    if country not in codes if codes else not re.fullmatch("[A-Z]{2}", country):
        raise agent.fault("country", f"{country!r} is not an ISO 3166 country code", codes, country)
    lat = agent.number("lat", low=-90, high=90)
    lon = agent.number("lon", low=-180, high=180)
    store = agent.text("store", "measurements")
    try:
        store = resolve_store(store, directory, here=here)
    except ValueError as fault:
        raise agent.fault("store", str(fault)) from None
    spool = _path(agent, "spool", directory, ".edgeprobe", here=here)
    samples = agent.number("samples", 5, low=1, high=1000, whole=True)
    timeout_ms = agent.number("timeout_ms", 3000.0, low=1, high=60_000)
    deadline_s = agent.number("deadline_s", 50.0, low=1, high=3600)
    rate_per_s = agent.number("rate_per_s", 2000.0, low=0.01, high=5000)
    splay_s = agent.number("splay_s", 0.0, low=0, high=3600)
    protocols = read_protocols(agent, DEFAULT_PROTOCOLS)
    resolvers = _resolvers(agent)
    spool_max_mb = agent.number("spool_max_mb", SPOOL_MAX_MB, low=1, high=1_000_000)
    metrics = _path(agent, "metrics", directory, here=here)
    log: Log = "json" if agent.text("log", "text", choices=get_args(Log)) == "json" else "text"
    otlp = agent.text("otlp", None)
    if otlp is not None:
        try:
            check_endpoint(otlp)
        except ValueError as fault:
            raise agent.fault("otlp", str(fault)) from None
    carrier = _carrier(agent)
    outpost, parent = _outpost(agent)
    ca_file = _authorities(agent, directory, here=here)
    agent.close()

    targets = read_targets(root, protocols)
    asked: list[str] = []
    for table in root.tables("catalog"):
        taken = {(target.site, target.host, target.port) for target in targets}
        # A target written out by hand goes before the catalog's own row for the same endpoint.
        found, sites = read_catalog(table, protocols, carrier)
        asked += sites
        targets += [target for target in found if (target.site, target.host, target.port) not in taken]
    root.close()
    if not targets:
        raise root.fault("target", "nothing to probe: write [[target]] or [[catalog]]")
    if parent is not None and not any(
        target.site == parent and target.protocols != ("dns",) for target in targets
    ):
        raise agent.fault("parent", f"no target measures {parent}, so nothing is known of the service link")
    return Settings(
        path,
        vantage,
        country,
        lat,
        lon,
        store,
        spool,
        samples,
        timeout_ms,
        deadline_s,
        rate_per_s,
        splay_s,
        resolvers,
        tuple(targets),
        tuple(site for site in dict.fromkeys(asked) if site not in {target.site for target in targets}),
        spool_max_mb,
        metrics,
        log,
        otlp,
        carrier,
        outpost,
        parent,
        ca_file,
    )


@overload
def _path(agent: Table, key: str, directory: Path, default: str, *, here: bool) -> Path: ...
@overload
def _path(agent: Table, key: str, directory: Path, *, here: bool) -> Path | None: ...
def _path(agent: Table, key: str, directory: Path, default: str | None = None, *, here: bool) -> Path | None:
    text = agent.text(key, default)
    if text is None:
        return None
    try:
        return resolve_path(text, directory, here=here)
    except ValueError as fault:
        raise agent.fault(key, str(fault)) from None


def _authorities(agent: Table, directory: Path, *, here: bool) -> Path | None:
    file = _path(agent, "ca_file", directory, here=here)
    if file is None or not here:
        return file
    try:
        text = file.read_bytes()
    except OSError as fault:
        raise agent.fault("ca_file", f"{file}: {fault.strerror or fault}") from None
    if b"-----BEGIN CERTIFICATE-----" not in text:
        raise agent.fault("ca_file", f"{file} holds no certificate in PEM")
    import ssl  # it takes its time to load, and who trusts authorities of their own needs it anyway

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError as fault:
        raise agent.fault("ca_file", f"{file} holds a certificate that cannot be read: {fault}") from None
    return file


def _carrier(agent: Table) -> str | None:
    carrier: str | None = agent.text("carrier", None)
    if carrier is None:
        return None
    sites = shipped.catalog_sites().values()
    known = shipped.carriers(sites)
    if known and not any(shipped.on_carrier(site, carrier) for site in sites):
        raise agent.fault(
            "carrier", f"{carrier!r} has no Wavelength Zone: none of {', '.join(known)}", known, carrier
        )
    return carrier


def _outpost(agent: Table) -> tuple[str | None, str | None]:
    """The rack the agent stands beside, and its parent Region."""
    outpost, parent = agent.text("outpost", None), agent.text("parent", None)
    if outpost is None and parent is None:
        return None, None
    if outpost is None or parent is None:
        missing = "outpost" if outpost is None else "parent"
        raise agent.fault(missing, "is required: a rack and its parent Region are given together")
    if not SITE_ID.fullmatch(outpost):
        raise agent.fault("outpost", f"{outpost!r} is not a site id")
    regions = {site.id for site in shipped.catalog_sites().values() if site.kind == "region"}
    if regions and parent not in regions:
        raise agent.fault("parent", f"{parent!r} is not a known Region", regions, parent)
    return outpost, parent


def _resolvers(table: Table) -> tuple[str, ...]:
    resolvers: tuple[str, ...] = table.texts("resolvers", (SYSTEM,))
    if not resolvers:
        raise table.fault("resolvers", "is empty")
    for position, resolver in enumerate(resolvers):
        if resolver in resolvers[:position]:
            raise table.fault("resolvers", f"{resolver!r} stands there twice")
        if resolver != SYSTEM and parse_resolver(resolver) is None:
            raise table.fault(
                "resolvers",
                f'{resolver!r} is neither "system" nor an address such as 192.0.2.53, 192.0.2.53:5353'
                " or [2001:db8::53]:5353, nor tls://192.0.2.53#dns.example or https://dns.example/dns-query",
                (SYSTEM,),
                resolver,
            )
    return resolvers
