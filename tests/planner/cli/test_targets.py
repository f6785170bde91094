"""``edgeplan targets``: a configuration that an agent takes as it is, and what it cannot reach."""

from __future__ import annotations

import json
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from planner.agent_targets import PER_GROUP
from planner.catalog import load_catalog
from planner.cli import main
from probes.protocols import PROTOCOLS
from probes.settings import parse_settings

ROOT = Path(__file__).resolve().parents[3]
PLACE = ("--vantage", "london-1", "--country", "GB", "--lat", "51.5", "--lon", "-0.1")


def run(capsys, *arguments):
    """Run the command in this process: its exit code, stdout and stderr."""
    code = main(["targets", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def settings(capsys, tmp_path):
    """The settings that an agent reads from what the command prints, and what it says beside them."""

    def of(*arguments):
        code, printed, said = run(capsys, *arguments)
        assert code == 0
        return parse_settings(printed, tmp_path / "probes.toml"), said

    return of


@pytest.fixture
def published(tmp_path):
    """A file as AWS publishes it."""

    def write(groups, name="prefixes-ipv4.json"):
        path = tmp_path / name
        path.write_text(json.dumps([groups]), encoding="utf-8")
        return path

    return write


def test_each_endpoint_by_every_protocol_it_answers(settings):
    found, said = settings(*PLACE, "--kind", "region")
    assert said == ""
    assert {target.site for target in found.targets} == {
        site.id for site in load_catalog().sites if site.kind == "region" and site.status == "ga"
    }
    of_ireland = {target.host: target for target in found.targets if target.site == "eu-west-1"}
    table, compute, echo = (
        of_ireland[host]
        for host in ("dynamodb.eu-west-1.amazonaws.com", "ec2.eu-west-1.amazonaws.com", "3.248.0.0")
    )
    for target, answered in (
        (table, {"dns", "tcp", "tls", "http"}),
        (compute, {"dns", "tcp", "tls"}),
        (echo, {"icmp"}),
    ):
        assert set(target.protocols) == answered & set(PROTOCOLS)
    assert table.path == "/ping"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--kind", "region"],
        ["--kind", "region,local_zone,wavelength_zone"],
        ["--study", "factory-outposts"],
    ],
)
def test_what_is_printed_is_what_the_agent_takes(arguments):
    """As a person does it: one command's output is the other's configuration."""
    command = [sys.executable, "-m", "planner", "targets", *PLACE, *arguments]
    configuration = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    checked = subprocess.run(
        [sys.executable, "-m", "probes", "check", "/dev/stdin", "--json"],
        cwd=ROOT,
        input=configuration,
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr.decode()) == (0, "")
    document = json.loads(checked.stdout)
    assert document["vantage"] == "london-1"
    assert len(document["targets"]) == configuration.count(b"[[target]]")


def test_zones_nobody_can_reach_are_named(capsys):
    code, printed, said = run(capsys, *PLACE, "--kind", "region,local_zone,wavelength_zone")
    local, carriers = said.splitlines()
    assert code == 0
    assert local.startswith(
        "edgeplan: note: no address is known of 33 sites; write a [[target]] for your own"
    )
    assert "--reachability" in local
    assert "af-south-1-los-1a" in local
    assert "us-west-2-lax-1a" not in local
    assert "25 sites can be reached from a SIM of the carrier only" in carriers
    assert "wlz" not in printed


def test_wavelength_zones_alone_are_no_configuration(capsys):
    code, printed, said = run(capsys, *PLACE, "--kind", "wavelength_zone")
    assert (code, printed) == (2, "")
    assert said.startswith("edgeplan: error: --kind: 25 sites can be reached from a SIM of the carrier only;")


# Published addresses


def test_published_addresses_reach_zones(settings, published):
    file = published(
        {
            "us-west-2-lax-1": {"70.224.192.0/18": "70.224.192.0", "162.222.148.0/22": "162.222.148.1"},
            "us-east-1-bos-1": {"15.181.112.0/22": "15.181.112.5"},
            "eu-west-1": {"3.248.0.0/13": "3.248.0.0", "34.240.0.0/13": "34.240.0.253"},
            "us-east-1-wl1-bos-wlz-1": {"155.146.0.0/21": "155.146.0.1"},
            "nowhere-1": {"4.0.0.0/9": "4.4.4.4"},
        }
    )
    found, said = settings(*PLACE, "--kind", "region,local_zone,wavelength_zone", "--reachability", file)
    echoes = {(target.site, target.host) for target in found.targets if target.protocols == ("icmp",)}
    assert {
        ("us-west-2-lax-1a", "70.224.192.0"),
        ("us-west-2-lax-1b", "70.224.192.0"),
        ("us-west-2-lax-1a", "162.222.148.1"),
        ("us-east-1-bos-1a", "15.181.112.5"),
        ("eu-west-1", "34.240.0.253"),
    } <= echoes
    # What is shipped as well is measured once, and no carrier lets an echo in.
    assert [target.host for target in found.targets].count("3.248.0.0") == 1
    assert not [site for site, _ in echoes if "wlz" in site]
    assert "us-east-1-bos-1a" not in said
    assert "--reachability" not in said


def test_addresses_within_the_group_s_prefixes_come_first_and_another_s_never(settings, published):
    four = published(
        {
            "us-east-1-iah-1": {
                "52.94.0.0/16": "52.94.0.1",
                "70.224.192.0/18": "70.224.192.9",
                "15.181.232.0/21": "15.181.232.1",
                "3.2.0.0/24": "3.2.0.1",
            },
            "af-south-1-los-1": {"52.94.8.0/24": "52.94.8.1"},
        }
    )
    six = published({"us-east-1-iah-1": {"2600:1f00::/24": "2600:1f00::1"}}, "prefixes-ipv6.json")
    found, _ = settings(*PLACE, "--kind", "local_zone", "--reachability", four, "--reachability", six)
    hosts = [target.host for target in found.targets if target.site == "us-east-1-iah-1a"]
    assert hosts == ["15.181.232.1", "3.2.0.1", "2600:1f00::1"]
    assert len(hosts) == PER_GROUP + 1
    # Better an address that nothing vouches for than none.
    assert [target.host for target in found.targets if target.site == "af-south-1-los-1a"] == ["52.94.8.1"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"<html>", "is not valid JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff", "is not UTF-8 (byte 0)"),
        (b"[" * 100_000, "is not valid JSON: nested too deeply"),
        (b"[]", "is not a list of {group: {prefix: address}}, as AWS publishes it"),
        (b"[1]", "is not a list of {group: {prefix: address}}, as AWS publishes it"),
        (b'[{"us-east-1": "3.80.0.0"}]', "'3.80.0.0' is not a mapping of prefixes"),
        (b'[{"us-east-1": {"3.80.0.0/12": "three"}}]', "'three' is not an address"),
        (b'[{"us-east-1": {"3.80.0.0/12": 3}}]', "3 is not an address"),
    ],
)
def test_a_bad_list_of_addresses(capsys, tmp_path, text, words):
    file = tmp_path / "prefixes.json"
    file.write_bytes(text)
    code, printed, said = run(capsys, *PLACE, "--reachability", file)
    assert (code, printed, said.count("\n")) == (2, "", 1)
    assert str(file) in said
    assert words in said


def test_a_list_that_an_editor_on_windows_saved(settings, published):
    file = published({"us-west-2-lax-1": {"70.224.192.0/18": "70.224.192.0"}})
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    found, _ = settings(*PLACE, "--kind", "local_zone", "--reachability", file)
    assert "70.224.192.0" in {target.host for target in found.targets}


SPECIAL = [
    "127.0.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "10.1.2.3",
    "100.64.0.1",
    "fe80::1%eth0",
    "2600:1f14::1%eth0",
    "::1",
    "::ffff:3.80.0.0",
    "64:ff9b::3.80.0.0",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", SPECIAL)
def test_an_address_that_no_region_has_is_left_out(settings, published, address):
    file = published({"us-east-1": {"3.80.0.0/12": address, "3.208.0.0/12": "3.208.0.253"}})
    found, said = settings(*PLACE, "--kind", "region", "--reachability", file)
    hosts = {target.host for target in found.targets}
    assert "3.208.0.253" in hosts
    assert address not in hosts
    # As Python writes it, which is not in every version the same.
    assert said == (
        f"edgeplan: note: --reachability: 1 address left out that no host of the internet has:"
        f" {ip_address(address)}\n"
    )


def test_addresses_left_out_are_counted(settings, published):
    file = published({"us-east-1": {str(place): address for place, address in enumerate(SPECIAL)}})
    _, said = settings(*PLACE, "--kind", "region", "--reachability", file)
    assert f"{len(SPECIAL)} addresses left out" in said
    assert said.endswith(f"{SPECIAL[4]} and {len(SPECIAL) - 5} more\n")


def test_no_list_of_addresses(capsys, tmp_path):
    code, printed, said = run(capsys, *PLACE, "--reachability", tmp_path / "none.json")
    assert (code, printed) == (2, "")
    assert "none.json: No such file" in said


# Racks


def test_the_racks_of_a_study(settings):
    found, said = settings(*PLACE, "--kind", "region", "--study", "factory-outposts")
    rack = next(target for target in found.targets if target.site == "op-gyor-1")
    assert (rack.host, rack.lat, rack.lon) == ("10.40.0.10", 47.69, 17.63)
    assert set(rack.protocols) == {"tcp", "icmp"} & set(PROTOCOLS)
    assert (found.outpost, found.parent) == (None, None)
    assert said.startswith("edgeplan: note: port 443 is taken to be open on the racks' hosts")


def test_an_agent_beside_a_rack_measures_its_service_link(settings):
    found, _ = settings("--kind", "local_zone", "--study", "factory-outposts", "--outpost", "op-gyor-1")
    assert (found.vantage, found.country, found.lat, found.lon) == ("op-gyor-1", "HU", 47.69, 17.63)
    assert (found.outpost, found.parent) == ("op-gyor-1", "eu-central-2")
    link = [target.host for target in found.targets if target.site == "eu-central-2"]
    assert "ec2.eu-central-2.amazonaws.com" in link
    assert [target.host for target in found.targets[: len(link)]] == link
    sites = {target.site for target in found.targets}
    assert {"op-gyor-1", "op-gyor-2", "us-west-2-lax-1a"} < sites
    assert "eu-west-1" not in sites


STUDY = """
name = "plant"
[demand]
cities = { countries = ["ES"], top = 5 }
[candidates]
kinds = ["outpost"]
[[candidates.outpost]]
id = "op-1"
country = "ES"
lat = 40.42
lon = -3.7
parent = "eu-south-2"
capacity_rps = 100
upfront_usd = 0
monthly_usd = 1
term_months = 12
"""


@pytest.fixture
def study(tmp_path):
    def write(host):
        path = tmp_path / "study.toml"
        path.write_text(STUDY + (f"host = {json.dumps(host)}\n" if host is not None else ""), "utf-8")
        return path

    return write


def test_a_rack_with_a_name_is_resolved_too(settings, study):
    found, _ = settings(*PLACE, "--kind", "region", "--study", study("rack.example.org"))
    (rack,) = [target for target in found.targets if target.site == "op-1"]
    assert "dns" in rack.protocols


def test_a_rack_with_an_internationalised_name(settings, study):
    found, _ = settings(*PLACE, "--kind", "region", "--study", study("bücher.example"))
    assert "xn--bcher-kva.example" in {target.host for target in found.targets}


def test_a_rack_without_a_host(settings, study, capsys):
    found, said = settings(*PLACE, "--kind", "region", "--study", study(None))
    assert "op-1" not in {target.site for target in found.targets}
    assert said == "edgeplan: note: plant says no host of op-1, so nothing probes it\n"
    code, _, said = run(capsys, *PLACE, "--kind", "outpost", "--study", study(None))
    assert (code, said) == (2, "edgeplan: error: --kind: plant says no host of op-1, so nothing probes it\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--outpost", "op-1"], "--study: is required with --outpost: a rack stands in a study"),
        (["--kind", "outpost"], "--study: is required for --kind outpost: a study says where racks stand"),
        (
            ["--study", "factory-outposts", "--outpost", "op-gyor-9"],
            "--outpost: 'op-gyor-9' is not an outpost of factory-outposts; did you mean 'op-gyor-",
        ),
        (
            [*PLACE, "--study", "factory-outposts", "--outpost", "op-gyor-1"],
            "--vantage: is not given with --outpost, which says where the agent stands",
        ),
        (
            ["--study", "factory-outpost"],
            "factory-outpost: no such file, and no shipped study of that name; did you mean",
        ),
    ],
)
def test_bad_arguments(capsys, arguments, said):
    code, printed, complaint = run(capsys, *arguments)
    assert (code, printed, complaint.count("\n")) == (2, "", 1)
    assert said in complaint


def test_a_host_no_agent_could_ask_for(capsys, study):
    code, printed, said = run(capsys, *PLACE, "--study", study("https://rack"))
    assert (code, printed) == (2, "")
    assert "candidates.outpost op-1.host: 'https://rack' is not a host name or an address" in said


@pytest.mark.parametrize("vantage", ["a/b", "../a", "", "a b", "a\nb", "x" * 64])
def test_a_vantage_that_no_agent_takes(capsys, vantage):
    code, printed, said = run(capsys, "--vantage", vantage, *PLACE[2:])
    assert (code, printed, said.count("\n")) == (2, "", 1)
    assert "--vantage: " in said
    assert "is not a name of letters, digits" in said


@pytest.mark.parametrize(
    ("length", "arguments", "words"),
    [
        (64, ["--outpost", "x" * 64], "--outpost: 'xxx"),
        (129, [*PLACE], ".id: no agent takes a site id as long as that"),
    ],
)
def test_a_rack_whose_id_no_agent_takes(capsys, study, length, arguments, words):
    path = study("10.0.0.9")
    path.write_text(path.read_text("utf-8").replace('"op-1"', f'"{"x" * length}"'), "utf-8")
    code, printed, said = run(capsys, "--study", path, *arguments)
    assert (code, printed, said.count("\n")) == (2, "", 1)
    assert words in said


def test_a_study_of_a_name_that_no_file_can_have(capsys):
    code, printed, said = run(capsys, *PLACE, "--study", "x" * 300)
    assert (code, printed, said.count("\n")) == (2, "", 1)
    assert "File name too long" in said


def test_a_parent_that_no_endpoint_speaks_for(capsys, study):
    path = study("10.0.0.9")
    path.write_text(path.read_text("utf-8").replace("eu-south-2", "eu-south-9"), "utf-8")
    code, printed, said = run(capsys, "--study", path, "--outpost", "op-1")
    assert (code, printed) == (2, "")
    assert "--outpost: no endpoint is known of eu-south-9, the parent of op-1" in said


def test_as_json(capsys):
    code, printed, _ = run(capsys, "--study", "factory-outposts", "--outpost", "op-gyor-1", "--json")
    document = json.loads(printed)
    assert code == 0
    assert document["agent"]["vantage"] == document["agent"]["outpost"] == "op-gyor-1"
    assert document["agent"]["parent"] == "eu-central-2"
    assert any("no address is known" in note for note in document["notes"])


def test_a_rack_of_several_sizes_is_measured_once(settings, tmp_path):
    sizes = (
        'host = "10.0.0.9"\nsize = [\n'
        '  { name = "a", capacity_rps = 1, upfront_usd = 0, monthly_usd = 1 },\n'
        '  { name = "b", capacity_rps = 2, upfront_usd = 0, monthly_usd = 2 },\n]\n'
    )
    dropped = ("capacity_rps", "upfront_usd", "monthly_usd")
    text = "".join(line for line in STUDY.splitlines(keepends=True) if not line.startswith(dropped))
    (tmp_path / "study.toml").write_text(text + sizes, "utf-8")
    found, _ = settings(*PLACE, "--kind", "outpost", "--study", tmp_path / "study.toml")
    assert [(target.site, target.host) for target in found.targets] == [("op-1", "10.0.0.9")]
