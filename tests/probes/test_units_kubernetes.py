"""A CronJob, held against Kubernetes' own schemas, and its container run as far as that goes without one."""

import base64
import re
import shlex
import subprocess
import sys
from pathlib import Path

import certifi
import kubernetes_validate
import pytest
import yaml

from probes import AGENT_VERSION
from probes.inbox import directory_of
from probes.settings import parse_settings
from probes.strict_toml import InputError
from probes.units import unit
from probes.units.request import Request

# The oldest one that has the time zone for good, one between, and the newest.
VERSIONS = ("1.27", "1.32", "1.37")

# Any certificate does.
PEM = re.search(
    "-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n",
    Path(certifi.where()).read_text("ascii"),
    re.S,
)[0]
# An Ed25519 key of zeros (RFC 8410).
KEY = base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + bytes(32)).decode()
PRIVATE = f"-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----\n"


def agent(vantage="lab-1", more="", **keys):
    lines = "".join(f"{key} = {value!r}\n" for key, value in keys.items())
    return (
        f'# Ein Kommentar: "größer" als ${{HOME}} %d\n[agent]\nvantage = "{vantage}"\ncountry = "DE"\n'
        f'lat = 50\nlon = 8\n{lines}[[target]]\nsite = "a"\nhost = "10.0.0.1"\n{more}'
    )


@pytest.fixture
def documents(tmp_path):
    """The documents of a unit by kind, and the text before them."""

    def write(text, every_s=300.0, image=None, name="probes.toml"):
        config = tmp_path / name
        config.parent.mkdir(exist_ok=True)
        config.write_text(text, encoding="utf-8")
        made = unit("kubernetes", parse_settings(text, config), every_s, image)
        found = {one["kind"]: one for one in yaml.safe_load_all(made) if one}
        assert list(found) == ["ConfigMap", "PersistentVolumeClaim", "CronJob"]
        return found, made.partition("---\n")[0]

    return write


def volume(found):
    """Where the pod has the claim's volume."""
    (container,) = pod(found)["containers"]
    (claimed,) = (one["name"] for one in pod(found)["volumes"] if "persistentVolumeClaim" in one)
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == claimed)
    return mount


def pod(found):
    return found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    "text",
    [
        agent(),
        agent("Tokyo_1." + "x" * 55, store="s3://rows/edge", splay_s=20.0),
        agent(more='protocols = ["icmp"]\n', metrics="edge.prom", spool_max_mb=4000),
    ],
)
def test_kubernetes_takes_it(documents, text):
    found, _ = documents(text, name='50% off $HOME "it\'s"/probes.toml')
    for version in VERSIONS:
        for document in found.values():
            kubernetes_validate.validate(document, version, strict=True)
    names = {one["metadata"]["name"] for one in found.values()}
    assert len(names) == 1
    # RFC 1123 labels, and 11 characters left for the Job's own name.
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?", name) for name in names)


def test_the_schemas_would_complain():
    document = {"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"schedul": "* * * * *"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)


def test_the_configuration_arrives_as_it_was_written(documents):
    text = agent()
    found, _ = documents(text)
    assert found["ConfigMap"]["data"] == {"probes.toml": text}
    mounts = {mount["mountPath"]: mount for mount in pod(found)["containers"][0]["volumeMounts"]}
    assert mounts["/var/lib/edgeprobe/probes.toml"]["subPath"] == "probes.toml"
    # What the configuration names by relative paths is then in the volume.
    (volume,) = (one for one in pod(found)["volumes"] if "persistentVolumeClaim" in one)
    assert mounts["/var/lib/edgeprobe"]["name"] == volume["name"]


def test_what_the_container_runs_is_a_round_of_the_grid(configured, start, tmp_path):
    server = start("tcp", "127.0.0.2")
    config = configured([{"site": "us-west-2", "host": server.address, "port": server.port}])
    made = unit("kubernetes", parse_settings(config.read_text(), config), 900.0)
    found = {one["kind"]: one for one in yaml.safe_load_all(made) if one}
    place = tmp_path / "pod"
    place.mkdir()
    (place / "probes.toml").write_text(found["ConfigMap"]["data"]["probes.toml"], encoding="utf-8")
    (container,) = pod(found)["containers"]
    assert container["command"] == ["edgeprobe"]
    arguments = [word.replace("/var/lib/edgeprobe", str(place)) for word in container["args"]]
    done = subprocess.run(
        [sys.executable, "-m", "probes", *arguments],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    (stored,) = (place / "measurements").rglob("*.jsonl.gz")
    assert stored.name[11:13] in ("00", "15", "30", "45")
    assert stored.name[13:].startswith("00.000000Z-")
    assert sorted(path.name for path in place.iterdir()) == [".edgeprobe", "measurements", "probes.toml"]


def test_a_round_is_given_the_time_that_it_may_take(documents):
    text = agent(splay_s=20.0, deadline_s=100.0)
    found, _ = documents(text)
    longest_s = Request(parse_settings(text, "/p.toml"), 300).longest_s
    assert (
        found["CronJob"]["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] > longest_s > 20 + 100 + 75
    )
    assert pod(found)["terminationGracePeriodSeconds"] > 75
    # A start so late that it would be another point of the grid is none.
    assert found["CronJob"]["spec"]["startingDeadlineSeconds"] < 300


@pytest.mark.parametrize(("more", "echoes"), [("", False), ('protocols = ["tcp", "icmp"]\n', True)])
def test_a_pod_may_do_no_more_than_it_must(documents, more, echoes):
    found, heading = documents(agent(more=more))
    spec = pod(found)
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    group = spec["securityContext"]["runAsGroup"]
    sysctls = [{"name": "net.ipv4.ping_group_range", "value": f"{group} {group}"}]
    assert spec["securityContext"].get("sysctls") == (sysctls if echoes else None)
    assert ("ping_group_range" in heading) == echoes


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spool", "/var/spool/edgeprobe"),
        ("spool", "../spool"),
        ("store", "/srv/rows"),
        ("store", "file:///srv/rows"),
        ("metrics", "/var/lib/node_exporter/edge.prom"),
    ],
)
def test_what_would_be_lost_with_the_pod_is_refused(documents, tmp_path, key, value):
    with pytest.raises(InputError) as caught:
        documents(agent(**{key: value}))
    assert str(caught.value).startswith(f"{tmp_path}/probes.toml, agent.{key}: ")
    assert "would be lost with the pod" in str(caught.value)


@pytest.mark.parametrize("key", ["spool", "store", "metrics", "ca_file"])
def test_a_home_directory_is_none_of_the_pod(documents, tmp_path, monkeypatch, key):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x").write_text(PEM, encoding="ascii")
    with pytest.raises(InputError, match=rf"agent.{key}: '~/x': no home directory is known there$"):
        documents(agent(**{key: "~/x"}))


def test_absolute_paths_in_the_volume_stay_as_they_are(documents):
    text = agent(
        spool="/var/lib/edgeprobe/spool",
        store="file:///var/lib/edgeprobe/rows",
        metrics="/var/lib/edgeprobe/edge.prom",
    )
    found, _ = documents(text)
    inside = parse_settings(found["ConfigMap"]["data"]["probes.toml"], "/var/lib/edgeprobe/probes.toml")
    place = Path(volume(found)["mountPath"])
    for path in (inside.spool, directory_of(inside.store), inside.metrics):
        assert path.is_relative_to(place)
    assert inside.spool == Path("/var/lib/edgeprobe/spool")


@pytest.mark.parametrize(
    ("name", "mounted"),
    [
        ("ca.pem", "/var/lib/edgeprobe/ca.pem"),
        ("certs/../own ca.pem", "/var/lib/edgeprobe/own ca.pem"),
        ("{place}/ca.pem", "{place}/ca.pem"),
    ],
)
def test_authorities_travel_with_the_configuration(documents, tmp_path, name, mounted):
    (tmp_path / "certs").mkdir()
    file = tmp_path / name.format(place=tmp_path)
    # Whoever made it wrote a name in Latin-1, and left the key beside it.
    file.write_bytes("# größer\n".encode("latin-1") + PEM.encode() + PRIVATE.encode() + PEM.encode())
    found, heading = documents(agent(ca_file=name.format(place=tmp_path)))
    for document in found.values():
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)
    data = found["ConfigMap"]["data"]
    assert data["ca.pem"] == PEM * 2
    (container,) = pod(found)["containers"]
    mounts = {one["mountPath"]: one for one in container["volumeMounts"]}
    assert mounts[mounted.format(place=tmp_path)] == {
        "name": "config",
        "mountPath": mounted.format(place=tmp_path),
        "subPath": "ca.pem",
        "readOnly": True,
    }
    assert len(mounts) == 3
    assert "install again" in heading


def test_without_authorities_there_are_none(documents):
    found, heading = documents(agent())
    assert list(found["ConfigMap"]["data"]) == ["probes.toml"]
    assert "Authorities" not in heading


def test_authorities_that_no_pod_can_have(documents, tmp_path):
    (tmp_path / "a:b.pem").write_text(PEM, encoding="ascii")
    with pytest.raises(InputError, match=r"agent.ca_file: .*/a:b.pem cannot be mounted in a pod"):
        documents(agent(ca_file="a:b.pem"))
    (tmp_path / "many.pem").write_text(PEM * 2_000, encoding="ascii")
    with pytest.raises(InputError, match="and its ca_file are larger than the 1 MB that a ConfigMap takes"):
        documents(agent(ca_file="many.pem"))


def test_the_volume_holds_the_spool_and_a_store_of_its_own(documents):
    def size(**keys):
        found, _ = documents(agent(**keys))
        text = found["PersistentVolumeClaim"]["spec"]["resources"]["requests"]["storage"]
        return int(text.removesuffix("G"))

    assert size(store="s3://rows", spool_max_mb=256) == 1
    assert size(store="s3://rows", spool_max_mb=4000) == 8
    assert size() > size(store="s3://rows")


def test_images(documents):
    found, heading = documents(agent(store="s3://rows"))
    assert f"pip install --no-cache-dir 'edgeplan[s3]=={AGENT_VERSION}'" in heading
    assert pod(found)["containers"][0]["image"].startswith("edgeplan:")
    named = "registry.example:5000/edge/plan@sha256:0123"
    found, heading = documents(agent(), image=named)
    assert pod(found)["containers"][0]["image"] == named
    assert "FROM" not in heading
    wanted = agent(
        store="s3://rows", otlp="http://collector:4318", resolvers=["system", "https://dns.example/dns-query"]
    )
    _, heading = documents(wanted)
    assert f"'edgeplan[s3,doh,otlp]=={AGENT_VERSION}'" in heading
    for bad in ("", "a b", "-x", "a\nb"):
        with pytest.raises(InputError, match=r"^--image: .* is not the name of an image$"):
            documents(agent(), image=bad)


def test_the_head_names_the_command_that_printed_it(documents, tmp_path):
    _, heading = documents(agent(), name="it's 5% $x/probes.toml")
    (line,) = (line for line in heading.splitlines() if line.startswith("# Install:"))
    words = shlex.split(line.removeprefix("# Install:"))
    assert words[:3] == ["edgeprobe", "units", str(tmp_path / "it's 5% $x/probes.toml")]


@pytest.mark.parametrize("every_s", [30, 90, 2 * 86_400])
def test_spans_a_cron_job_cannot_keep(documents, every_s):
    with pytest.raises(InputError, match=r"^--every: "):
        documents(agent(), every_s)


def test_a_configuration_too_large_for_a_config_map(documents):
    with pytest.raises(InputError, match="is larger than the 1 MB that a ConfigMap takes"):
        documents(agent() + "# " + "x" * 1_000_000)


def test_every_vantage_has_a_name_of_its_own(documents):
    vantages = ["a", "A", "a.b", "a-b", "a_b", "x" * 63, "x" * 62 + "y", "a-"]
    names = {documents(agent(vantage))[0]["CronJob"]["metadata"]["name"] for vantage in vantages}
    assert len(names) == len(vantages)
