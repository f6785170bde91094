"""Configurations: what is read, and what each kind of bad one is told."""

import os
from pathlib import Path

import pytest

from probes.protocols import PROTOCOLS
from probes.settings import load_settings, parse_settings
from probes.settings_writing import render_settings
from probes.shipped import catalog_targets
from probes.strict_toml import InputError
from probes.target import Target

AGENT = '[agent]\nvantage = "v"\ncountry = "DE"\nlat = 50\nlon = 8\n'
TARGET = '[[target]]\nsite = "a"\nhost = "h.test"\n'


def read(text):
    return parse_settings(text, "/etc/edge/probes.toml")


def test_defaults():
    settings = read(AGENT + TARGET)
    assert settings.targets == (Target("a", "h.test", 443, ("dns", "tcp"), None, None),)
    assert (settings.samples, settings.timeout_ms, settings.deadline_s) == (5, 3000.0, 50.0)
    assert (settings.rate_per_s, settings.splay_s, settings.resolvers) == (2000.0, 0.0, ("system",))
    assert (settings.lat, settings.lon) == (50.0, 8.0)


def test_relative_paths_are_taken_from_the_file_s_directory():
    settings = read(AGENT + TARGET)
    assert settings.store == "/etc/edge/measurements"
    assert settings.spool == Path("/etc/edge/.edgeprobe")


@pytest.mark.parametrize(
    ("store", "kept"),
    [
        ("/var/rows", "/var/rows"),
        ("file:///var/rows", "file:///var/rows"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
    ],
)
def test_absolute_stores_stay_as_they_are(store, kept):
    assert read(AGENT + f'store = "{store}"\n' + TARGET).store == kept


@pytest.mark.parametrize(
    "store",
    [
        "s3://rows.of_us/edge",
        "abfs://c@acc.dfs.core.windows.net/x",
        "https://[::1]:9000/c",
        "https://h/c?sig=1",
        "gs://b",
        "s3://b/my rows",
        "file:///srv/my rows",
    ],
)
def test_stores_that_are_urls_stay_as_they_are(store):
    assert read(AGENT + f'store = "{store}"\n' + TARGET).store == store


@pytest.mark.parametrize("url", ["http://collector_1:4318", "https://[::1]:4318/otlp", "http://bücher.test"])
def test_endpoints_of_an_export(url):
    assert read(AGENT + f'otlp = "{url}"\n' + TARGET).otlp == url


def test_a_home_directory_stands_for_itself(monkeypatch):
    monkeypatch.setenv("HOME", "/srv/edge")
    settings = read(AGENT + 'store = "~/rows"\nspool = "~/spool"\nmetrics = "~/edge.prom"\n' + TARGET)
    assert (settings.store, str(settings.spool)) == ("/srv/edge/rows", "/srv/edge/spool")
    assert str(settings.metrics) == "/srv/edge/edge.prom"


def test_every_key_of_the_contract():
    text = AGENT + (
        'store = "rows"\nspool = "/var/spool/edge"\nsamples = 3\ntimeout_ms = 1500\ndeadline_s = 20\n'
        'rate_per_s = 100\nsplay_s = 5\nprotocols = ["tcp"]\n'
        'resolvers = ["system", "1.1.1.1", "[::1]:5353"]\n'
        '[[target]]\nsite = "a"\nhost = "2001:db8::1"\nport = 8443\nprotocols = ["tcp"]\n'
        'path = "/ping"\nfamily = 6\n'
    )
    settings = read(text)
    assert settings.targets == (Target("a", "2001:db8::1", 8443, ("tcp",), "/ping", 6),)
    assert settings.resolvers == ("system", "1.1.1.1", "[::1]:5353")
    assert settings.spool == Path("/var/spool/edge")


def test_the_catalog_gives_targets():
    settings = read(AGENT + '[[catalog]]\nprovider = "aws"\nkinds = ["region"]\n')
    hosts = {target.host for target in settings.targets}
    assert "ec2.us-west-2.amazonaws.com" in hosts
    assert {target.protocols for target in settings.targets} == {("dns", "tcp")}
    assert {target.port for target in settings.targets} == {443}


def test_a_target_of_one_s_own_goes_before_the_catalog_s():
    host = "ec2.us-west-2.amazonaws.com"
    own = f'[[target]]\nsite = "us-west-2"\nhost = "{host}"\nprotocols = ["tcp"]\n'
    settings = read(AGENT + own + '[[catalog]]\nprovider = "aws"\nkinds = ["region"]\n')
    assert [target.protocols for target in settings.targets if target.host == host] == [("tcp",)]


def test_an_internationalised_host_is_known_by_its_a_label():
    """So that the resolver, the certificate, the Host header and the rows all have the same name."""
    text = AGENT + TARGET.replace("h.test", "Bücher.example.")
    (target,) = read(text).targets
    assert target.host == "xn--bcher-kva.example."
    again = render_settings(vantage="v", country="DE", lat=50, lon=8, targets=[target])
    assert read(again).targets == (target,)
    with pytest.raises(InputError, match="stands in target\\[1\\] already"):
        read(text + TARGET.replace("h.test", "xn--bcher-kva.example."))


def test_both_families_of_one_endpoint():
    text = AGENT + TARGET + "family = 4\n" + TARGET + "family = 6\n"
    assert [target.family for target in read(text).targets] == [4, 6]


BAD = {
    "no agent": (TARGET, "agent: is required"),
    "no vantage": ('[agent]\ncountry = "DE"\n' + TARGET, "agent.vantage: is required"),
    "unknown agent key": (
        AGENT + "sample = 3\n" + TARGET,
        "agent.sample: unknown key; did you mean 'samples'?",
    ),
    "unknown target key": (
        AGENT + TARGET + 'hots = "x"\n',
        "target[1].hots: unknown key; did you mean 'host'?",
    ),
    "unknown table": (
        AGENT + TARGET + '[[targets]]\nsite = "b"\n',
        "targets: unknown key; did you mean 'target'?",
    ),
    "vantage with a slash": (
        AGENT.replace('"v"', '"../v"') + TARGET,
        "agent.vantage: '../v' is not a name of letters, digits, '.', '_' and '-' (up to 63)",
    ),
    "unknown country": (
        AGENT.replace('"DE"', '"de"') + TARGET,
        "agent.country: 'de' is not an ISO 3166 country code; did you mean 'DE'?",
    ),
    "lat out of range": (
        AGENT.replace("lat = 50", "lat = 91") + TARGET,
        "agent.lat: 91 is out of range (from -90 up to 90)",
    ),
    "lon out of range": (
        AGENT.replace("lon = 8", "lon = -180.5") + TARGET,
        "agent.lon: -180.5 is out of range (from -180 up to 180)",
    ),
    "NaN": (AGENT.replace("lat = 50", "lat = nan") + TARGET, "agent.lat: nan is not a finite number"),
    "infinity": (AGENT + "deadline_s = inf\n" + TARGET, "agent.deadline_s: inf is not a finite number"),
    "lat as text": (
        AGENT.replace("lat = 50", 'lat = "50"') + TARGET,
        "agent.lat: '50' is not a number",
    ),
    "no samples": (AGENT + "samples = 0\n" + TARGET, "agent.samples: 0 is out of range (from 1 up to 1000)"),
    "half a sample": (AGENT + "samples = 2.5\n" + TARGET, "agent.samples: 2.5 is not a whole number"),
    "negative rate": (
        AGENT + "rate_per_s = -1\n" + TARGET,
        "agent.rate_per_s: -1 is out of range (from 0.01 up to 5000)",
    ),
    "no deadline": (
        AGENT + "deadline_s = 0\n" + TARGET,
        "agent.deadline_s: 0 is out of range (from 1 up to 3600)",
    ),
    "a rate of nothing": (
        AGENT + "rate_per_s = 1e-300\n" + TARGET,
        "agent.rate_per_s: 1e-300 is out of range (from 0.01 up to 5000)",
    ),
    "a timeout of nothing": (
        AGENT + "timeout_ms = 1e-300\n" + TARGET,
        "agent.timeout_ms: 1e-300 is out of range (from 1 up to 60000)",
    ),
    "unknown protocol": (
        AGENT + 'protocols = ["tpc"]\n' + TARGET,
        "agent.protocols: 'tpc' is not one of dns, tcp, tls, http, icmp; did you mean 'tcp'?",
    ),
    "authorities that are not there": (
        AGENT + 'ca_file = "/nowhere.pem"\n' + TARGET,
        "agent.ca_file: /nowhere.pem: No such file or directory",
    ),
    "authorities that are none": (
        AGENT + 'ca_file = "/etc/hosts"\n' + TARGET,
        "agent.ca_file: /etc/hosts holds no certificate in PEM",
    ),
    "unknown scheme": (
        AGENT + TARGET + 'scheme = "htps"\n',
        "target[1].scheme: 'htps' is not one of https, http; did you mean 'https'?",
    ),
    "protocol twice": (
        AGENT + 'protocols = ["tcp", "tcp"]\n' + TARGET,
        "agent.protocols: 'tcp' stands there twice",
    ),
    "no protocols": (AGENT + "protocols = []\n" + TARGET, "agent.protocols: is empty"),
    "unknown resolver": (
        AGENT + 'resolvers = ["sytem"]\n' + TARGET,
        "agent.resolvers: 'sytem' is neither \"system\" nor an address such as 192.0.2.53, 192.0.2.53:5353 or"
        " [2001:db8::53]:5353, nor tls://192.0.2.53#dns.example or https://dns.example/dns-query;"
        " did you mean 'system'?",
    ),
    "resolver twice": (
        AGENT + 'resolvers = ["1.1.1.1", "1.1.1.1"]\n' + TARGET,
        "agent.resolvers: '1.1.1.1' stands there twice",
    ),
    "store of an unknown kind": (
        AGENT + 'store = "gcs://bucket"\n' + TARGET,
        "agent.store: 'gcs' is not one of file, s3, s3a, gs, az, adl, azure, abfs, abfss, https;"
        " did you mean 'gs'?",
    ),
    "spool in nobody's home": (
        AGENT + 'spool = "~nosuch/x"\n' + TARGET,
        "agent.spool: '~nosuch/x': the home directory is not known",
    ),
    "store in nobody's home": (
        AGENT + 'store = "~nosuch/x"\n' + TARGET,
        "agent.store: '~nosuch/x': the home directory is not known",
    ),
    "metrics in nobody's home": (
        AGENT + 'metrics = "~nosuch/x"\n' + TARGET,
        "agent.metrics: '~nosuch/x': the home directory is not known",
    ),
    "authorities in nobody's home": (
        AGENT + 'ca_file = "~nosuch/x"\n' + TARGET,
        "agent.ca_file: '~nosuch/x': the home directory is not known",
    ),
    **{
        f"NUL in {key}": (
            AGENT + f'{key} = "a\\u0000b"\n' + TARGET,
            f"agent.{key}: 'a\\x00b' is no path: it holds a NUL",
        )
        for key in ("store", "spool", "metrics", "ca_file")
    },
    "NUL in a file URL": (
        AGENT + 'store = "file:///a\\u0000b"\n' + TARGET,
        "agent.store: 'file:///a\\x00b' is not a URL: it holds a control character",
    ),
    "escaped NUL in a file URL": (
        AGENT + 'store = "file:///a%00b"\n' + TARGET,
        "agent.store: 'file:///a%00b' is no path: it holds a NUL",
    ),
    "file URL of half an address": (
        AGENT + 'store = "file://[x"\n' + TARGET,
        "agent.store: 'file://[x' is not a URL: Invalid IPv6 URL",
    ),
    "file URL of nothing": (
        AGENT + 'store = "file://"\n' + TARGET,
        "agent.store: 'file://' names no directory: file:///path",
    ),
    "file URL elsewhere": (
        AGENT + 'store = "file://srv/rows"\n' + TARGET,
        "agent.store: 'file://srv/rows': a file:// store is on this machine: file:///path",
    ),
    "file URL with a query": (
        AGENT + 'store = "file:///rows?x"\n' + TARGET,
        "agent.store: 'file:///rows' goes on with ? or #, which in a path are written %3F and %23",
    ),
    "bucket of no name": (
        AGENT + 'store = "s3://"\n' + TARGET,
        "agent.store: 's3://' names no bucket or container",
    ),
    "bucket of half an address": (
        AGENT + 'store = "s3://[b"\n' + TARGET,
        "agent.store: 's3://[b' is not a URL: Invalid IPv6 URL",
    ),
    "store of no host": (
        AGENT + 'store = "https://"\n' + TARGET,
        "agent.store: 'https://' names no host",
    ),
    "store of no port": (
        AGENT + 'store = "https://h.test:99999/c"\n' + TARGET,
        "agent.store: 'https://h.test:99999/c' is not a URL: Port out of range 0-65535",
    ),
    "export to nowhere": (
        AGENT + 'otlp = "collector:4318"\n' + TARGET,
        "agent.otlp: 'collector:4318' is not an http:// or https:// URL",
    ),
    "export to no host": (
        AGENT + 'otlp = "http://:4318"\n' + TARGET,
        "agent.otlp: 'http://:4318' names no host",
    ),
    "export to half an address": (
        AGENT + 'otlp = "http://[::1"\n' + TARGET,
        "agent.otlp: 'http://[::1' is not a URL: Invalid IPv6 URL",
    ),
    "export to no port": (
        AGENT + 'otlp = "http://h:99999"\n' + TARGET,
        "agent.otlp: 'http://h:99999' is not a URL: Port out of range 0-65535",
    ),
    "export with a query": (
        AGENT + 'otlp = "https://h/otlp?key=1"\n' + TARGET,
        "agent.otlp: 'https://h/otlp' has a query, which an endpoint has not",
    ),
    "secrets of a store": (
        AGENT + 'store = "https://me:secret@h:99999/c?sig=secret"\n' + TARGET,
        "agent.store: 'https://h:99999/c' is not a URL: Port out of range 0-65535",
    ),
    "export to port 0": (
        AGENT + 'otlp = "http://h:0"\n' + TARGET,
        "agent.otlp: 'http://h:0' is not a URL: port 0 is none",
    ),
    "export to no address": (
        AGENT + 'otlp = "http://10.0.0.300:4318"\n' + TARGET,
        "agent.otlp: 'http://10.0.0.300:4318': '10.0.0.300' is not a host name or an address",
    ),
    "nothing to probe": (AGENT, "target: nothing to probe: write [[target]] or [[catalog]]"),
    "target as a table": (
        AGENT + '[target]\nsite = "a"\n',
        "target: is not an array of tables; write [[target]]",
    ),
    "host is a URL": (
        AGENT + '[[target]]\nsite = "a"\nhost = "https://h.test"\n',
        "target[1].host: 'https://h.test' is not a host name or an address",
    ),
    "host is no address": (
        AGENT + '[[target]]\nsite = "a"\nhost = "10.0.0.300"\n',
        "target[1].host: '10.0.0.300' is not a host name or an address",
    ),
    "host of two names": (
        AGENT + '[[target]]\nsite = "a"\nhost = "faß.example"\n',
        "target[1].host: 'faß.example' is a different name by IDNA2003 and IDNA2008:"
        " write its A-label, xn--...",
    ),
    "host of an empty label": (
        AGENT + '[[target]]\nsite = "a"\nhost = "a..example"\n',
        "target[1].host: 'a..example' is not a host name or an address",
    ),
    "empty host": (
        AGENT + '[[target]]\nsite = "a"\nhost = ""\n',
        "target[1].host: '' is not a non-empty string",
    ),
    "port out of range": (
        AGENT + TARGET + "port = 65536\n",
        "target[1].port: 65536 is out of range (from 1 up to 65535)",
    ),
    "path without slash": (
        AGENT + TARGET + 'path = "ping"\n',
        "target[1].path: 'ping' is not a path that starts with '/'",
    ),
    "family": (AGENT + TARGET + "family = 5\n", "target[1].family: 5 is neither 4 nor 6"),
    "family of an address": (
        AGENT + '[[target]]\nsite = "a"\nhost = "::1"\nfamily = 4\n',
        "target[1].family: ::1 is an IPv6 address",
    ),
    "dns of an address": (
        AGENT + '[[target]]\nsite = "a"\nhost = "10.0.0.1"\nprotocols = ["dns"]\n',
        "target[1].protocols: dns needs a host name, and 10.0.0.1 is an address",
    ),
    "duplicate": (
        AGENT + TARGET + TARGET.replace("h.test", "i.test") + TARGET + 'protocols = ["tcp"]\n',
        "target[3].host: a h.test port 443 tcp stands in target[1] already",
    ),
    "unknown provider": (
        AGENT + '[[catalog]]\nprovider = "awz"\n',
        "catalog[1].provider: 'awz' is not one of aws, azure, gcp; did you mean 'aws'?",
    ),
    "unknown kind": (
        AGENT + '[[catalog]]\nprovider = "aws"\nkinds = ["local-zone"]\n',
        "catalog[1].kinds: 'local-zone' is not one of region, local_zone, wavelength_zone;"
        " did you mean 'local_zone'?",
    ),
    "kind nobody can measure": (
        AGENT + 'carrier = "KDDI"\n[[catalog]]\nprovider = "aws"\nkinds = ["wavelength_zone"]\n',
        "catalog[1].kinds: no shipped endpoint of aws wavelength_zone answers dns, tcp;"
        " write a [[target]] for your own instance in the zone",
    ),
    "a carrier's zones from nowhere": (
        AGENT + '[[catalog]]\nprovider = "aws"\nkinds = ["region", "wavelength_zone"]\n',
        "catalog[1].kinds: a wavelength_zone answers only in its carrier's network: say agent.carrier where"
        " the agent is in one (BT, Bell, KDDI, Orange, SK Telecom, Verizon, Vodafone), or leave the kind out",
    ),
    "unknown carrier": (
        AGENT + 'carrier = "Verison"\n' + TARGET,
        "agent.carrier: 'Verison' has no Wavelength Zone: none of BT, Bell, KDDI, Orange, SK Telecom,"
        " Verizon, Vodafone; did you mean 'Verizon'?",
    ),
    "half a place": (
        AGENT + TARGET + "lat = 50.0\n",
        "target[1].lon: is required: a place has both lat and lon",
    ),
    "a place off the globe": (
        AGENT + TARGET + "lat = 91\nlon = 0\n",
        "target[1].lat: 91 is out of range (from -90 up to 90)",
    ),
    "a site in two places": (
        AGENT + TARGET + "lat = 50.0\nlon = 8.0\n" + TARGET + "port = 80\nlat = 51.0\nlon = 8.0\n",
        "target[2].lat: a stands elsewhere in target[1]",
    ),
    "a rack without its parent": (
        AGENT + 'outpost = "op-1"\n' + TARGET,
        "agent.parent: is required: a rack and its parent Region are given together",
    ),
    "a parent without its rack": (
        AGENT + 'parent = "eu-south-2"\n' + TARGET,
        "agent.outpost: is required: a rack and its parent Region are given together",
    ),
    "a rack of no id": (
        AGENT + 'outpost = "op 1"\nparent = "eu-south-2"\n' + TARGET,
        "agent.outpost: 'op 1' is not a site id",
    ),
    "a parent that is no Region": (
        AGENT + 'outpost = "op-1"\nparent = "eu-south-9"\n' + TARGET,
        "agent.parent: 'eu-south-9' is not a known Region; did you mean 'eu-south-2'?",
    ),
    "a service link nobody measures": (
        AGENT
        + 'outpost = "op-1"\nparent = "eu-south-2"\n'
        + '[[target]]\nsite = "eu-south-2"\nhost = "h.test"\nprotocols = ["dns"]\n',
        "agent.parent: no target measures eu-south-2, so nothing is known of the service link",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_told_where_and_what(text, message):
    with pytest.raises(InputError) as caught:
        parse_settings(text, "p.toml")
    assert str(caught.value) == f"p.toml, {message}"


def test_authorities_that_cannot_be_read(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n")
    with pytest.raises(
        InputError, match=r"agent.ca_file: .*/ca.pem holds a certificate that cannot be read: "
    ):
        read(AGENT + f'ca_file = "{file}"\n' + TARGET)


def test_malformed_toml(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text("[agent\nvantage = 1\n")
    with pytest.raises(InputError) as caught:
        load_settings(path)
    assert str(caught.value) == (
        f"{path}: is not valid TOML: Expected ']' at the end of a table declaration (at line 1, column 7)"
    )


def test_not_utf8(tmp_path):
    path = tmp_path / "p.toml"
    path.write_bytes(b'[agent]\nvantage = "\xff"\n')
    with pytest.raises(InputError) as caught:
        load_settings(path)
    assert str(caught.value) == f"{path}: is not UTF-8 (byte 19)"


def test_no_such_file(tmp_path):
    with pytest.raises(InputError) as caught:
        load_settings(tmp_path / "none.toml")
    assert str(caught.value) == f"{tmp_path / 'none.toml'}: {os.strerror(2)}"


def test_what_is_rendered_reads_back():
    targets = (
        Target("us-west-2-lax-1a", "70.224.192.0", 443, ("tcp",)),
        Target("op-1", "rack.example.org", 8443, ("dns", "tcp"), "/ping", 6),
        Target("op-2", "xn--mnchen-3ya.example.org", 443, ("tcp",)),
    )
    text = render_settings(vantage="tokyo-1", country="JP", lat=35.69, lon=139.69, targets=targets)
    settings = parse_settings(text, "/somewhere/probes.toml")
    assert settings.targets == targets
    assert (settings.vantage, settings.country, settings.lat, settings.lon) == (
        "tokyo-1",
        "JP",
        35.69,
        139.69,
    )
    defaults = read(AGENT + TARGET)
    for name in ("samples", "timeout_ms", "deadline_s", "rate_per_s", "splay_s", "resolvers"):
        assert getattr(settings, name) == getattr(defaults, name)


def test_the_shipped_targets_make_a_working_configuration():
    targets = catalog_targets("aws", ("region", "local_zone"), tuple(PROTOCOLS))
    text = render_settings(vantage="v", country="DE", lat=50.0, lon=8.0, targets=targets)
    assert len(targets) > 30
    assert read(text).targets == targets
