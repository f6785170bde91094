"""A CloudFormation template, held against AWS' own resource schemas, and what it hands to the function."""

import base64
import fnmatch
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import certifi
import pytest
import yaml

from probes import AGENT_VERSION
from probes.inbox import inbox_key
from probes.schedule import moment
from probes.settings import parse_settings
from probes.strict_toml import InputError
from probes.units import unit
from probes.units.eventbridge import schedule_expression
from probes.units.request import Request

# Any certificate does.
PEM = re.search(
    "-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n",
    Path(certifi.where()).read_text("ascii"),
    re.S,
)[0]
# An Ed25519 key of zeros (RFC 8410).
KEY = base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + bytes(32)).decode()
PRIVATE = f"-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----\n"

CFN_LINT = Path(sys.executable).with_name("cfn-lint")


def agent(vantage="lab-1", more="", **keys):
    keys = {"store": "s3://rows/edge", **keys}
    lines = "".join(f"{key} = {value!r}\n" for key, value in keys.items())
    return (
        f'[agent]\nvantage = "{vantage}"\ncountry = "DE"\nlat = 50\nlon = 8\n{lines}'
        f'[[target]]\nsite = "a"\nhost = "10.0.0.1"\n{more}'
    )


@pytest.fixture
def written(tmp_path):
    """The template of a configuration that stands in a file."""

    def write(text, every_s=300.0, name="probes.toml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return unit("eventbridge", parse_settings(text, path), every_s)

    return write


@pytest.fixture
def resources(written):
    return lambda text: yaml.safe_load(written(text))["Resources"]


def code_of(template):
    """The package that the function is made of."""
    return yaml.safe_load(template)["Resources"]["Agent"]["Properties"]["Code"]["S3Key"]


def commands(template):
    """What the head tells people to run, in its order."""
    return [line.removeprefix("#").strip() for line in template.splitlines() if line.startswith("#        ")]


def test_cloudformation_takes_it(written, tmp_path):
    templates = {
        "plain.yaml": written(agent()),
        "hostile.yaml": written(agent("Tokyo_1." + "x" * 55), 420.0, '50% $HOME "it\'s"/probes.toml'),
        "long.yaml": written(agent(splay_s=200.0, deadline_s=600.0, spool_max_mb=100_000), 86_400.0),
        "broken.yaml": written(agent()).replace("ScheduleExpression:", "ScheduleExpresion:"),
    }
    for name, text in templates.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [CFN_LINT, "--format", "json", "--include-checks", "I", "--", *templates],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    complaints = {(one["Filename"], one["Level"]) for one in json.loads(done.stdout)}
    # It does look.
    assert complaints == {("broken.yaml", "Error")}


def test_the_schedule_says_when_it_meant_a_round_to_start(resources):
    target = resources(agent())["Schedule"]["Properties"]["Target"]
    # EventBridge Scheduler replaces the keyword by what its documentation shows.
    event = json.loads(target["Input"].replace("<aws.scheduler.scheduled-time>", "2022-03-22T18:59:43Z"))
    assert event == {"scheduled_at": "2022-03-22T18:59:43Z"}
    assert moment(event["scheduled_at"]) == 1_647_975_583


@pytest.mark.parametrize(
    ("every_s", "expression"),
    [
        (60, "cron(* * * * ? *)"),
        (300, "cron(0/5 * * * ? *)"),
        (3600, "cron(0 * * * ? *)"),
        (21_600, "cron(0 0/6 * * ? *)"),
        (86_400, "cron(0 0 * * ? *)"),
        (420, "rate(7 minutes)"),
        (5400, "rate(90 minutes)"),
        (7 * 3600, "rate(7 hours)"),
        (2 * 86_400, "rate(2 days)"),
    ],
)
def test_spans_as_the_scheduler_writes_them(every_s, expression):
    assert schedule_expression(every_s) == expression


@pytest.mark.parametrize("every_s", [1, 30, 90, 61])
def test_spans_the_scheduler_cannot_keep(written, every_s):
    with pytest.raises(InputError, match=r"^--every: "):
        written(agent(), every_s)


def test_a_round_is_given_the_time_that_it_may_take(resources):
    text = agent(splay_s=20.0, deadline_s=100.0)
    found = resources(text)
    timeout_s = found["Agent"]["Properties"]["Timeout"]
    assert timeout_s == Request(parse_settings(text, "/p.toml"), 300).longest_s
    assert timeout_s > 20 + 100 + 75
    # A repeat that is still to come is not dropped for its age.
    repeats = found["Repeats"]["Properties"]
    assert repeats["MaximumEventAgeInSeconds"] >= (repeats["MaximumRetryAttempts"] + 1) * timeout_s


def test_roles_allow_this_vantage_s_rounds_and_nothing_else(resources):
    found = resources(agent("tokyo-1"))

    def statements(role):
        (policy,) = found[role]["Properties"]["Policies"]
        return {
            str(one["Action"]): (one["Effect"], one["Resource"])
            for one in policy["PolicyDocument"]["Statement"]
        }

    rounds = "arn:${AWS::Partition}:s3:::rows/edge/inbox/day=*/vantage=tokyo-1/*"
    assert statements("AgentRole") == {
        "['s3:PutObject', 's3:GetObject']": ("Allow", {"Fn::Sub": rounds}),
        "['logs:CreateLogStream', 'logs:PutLogEvents']": ("Allow", {"Fn::GetAtt": ["Log", "Arn"]}),
    }
    assert statements("ScheduleRole") == {
        "lambda:InvokeFunction": ("Allow", {"Fn::GetAtt": ["Agent", "Arn"]}),
    }


@pytest.mark.parametrize(
    "store",
    [
        "measurements",
        "file:///srv/rows",
        "gs://rows/edge",
        "s3://rows/*",
        "s3://rows/${x}",
        "s3://rows/a b",
        "s3://Rows",
        "s3://rows/a//b",
    ],
)
def test_a_store_that_lambda_cannot_have_is_refused(written, store):
    with pytest.raises(InputError, match=r"/probes.toml, agent.store: .*write s3://bucket/prefix"):
        written(agent(store=store))


@pytest.mark.parametrize(
    ("store", "place"),
    [
        ("s3://rows", "rows"),
        ("s3://rows/", "rows"),
        ("s3a://rows.of-us/a/b_c/=d", "rows.of-us/a/b_c/=d"),
        ("s3://rows/edge/", "rows/edge"),
    ],
)
def test_the_role_is_for_the_bucket_and_the_prefix_of_the_store(resources, store, place):
    (policy,) = resources(agent("v", store=store))["AgentRole"]["Properties"]["Policies"]
    objects = policy["PolicyDocument"]["Statement"][0]["Resource"]["Fn::Sub"]
    pattern = objects.removeprefix("arn:${AWS::Partition}:s3:::")
    assert pattern == f"{place}/inbox/day=*/vantage=v/*"
    # It is where the agent puts a round.
    key = inbox_key("v", "20261123T050000.000000Z-0123456789ab")
    assert fnmatch.fnmatchcase(f"{store.partition('://')[2].rstrip('/')}/{key}", pattern)


def test_a_round_longer_than_lambda_allows_is_refused(written):
    with pytest.raises(InputError, match=r"agent.deadline_s: a round may take 990 s .* ends it after 900 s"):
        written(agent(deadline_s=900.0))


def test_icmp_is_refused(written):
    with pytest.raises(InputError, match=r"agent.protocols: Lambda has no sockets for icmp"):
        written(agent(more='protocols = ["tcp", "icmp"]\n'))


def test_the_head_packs_the_configuration_where_the_function_looks_for_it(written, tmp_path):
    text = written(agent(), name="it's 50% $x/probes.toml")
    (copy,) = (line for line in commands(text) if line.startswith("cp "))
    (tmp_path / "package").mkdir()
    subprocess.run(["sh", "-c", copy], cwd=tmp_path, check=True, timeout=10)
    variables = yaml.safe_load(text)["Resources"]["Agent"]["Properties"]["Environment"]["Variables"]
    assert (tmp_path / "package" / variables["EDGEPROBE_CONFIG"]).read_text(encoding="utf-8") == agent()


@pytest.mark.parametrize("name", ["ca.pem", "own certs/it's $x.pem", "certs/../ca.pem"])
def test_the_head_packs_authorities_where_the_configuration_names_them(written, tmp_path, name):
    (tmp_path / "own certs").mkdir()
    (tmp_path / "certs").mkdir()
    (tmp_path / name).write_text(f"# of ours\n{PEM}{PRIVATE}{PEM}", encoding="ascii")
    # Lambda runs as another user than whoever made the package.
    (tmp_path / name).chmod(0o600)
    text = written(agent(ca_file=name))
    (tmp_path / "package").mkdir(mode=0o700)
    script = [line for line in commands(text) if line.startswith(("cp ", "mkdir ", "sed ", "chmod "))]
    subprocess.run(["sh", "-ec", "umask 077\n" + "\n".join(script)], cwd=tmp_path, check=True, timeout=10)
    inside = parse_settings(agent(ca_file=name), tmp_path / "package" / "probes.toml", here=False)
    packed = Path(os.path.normpath(inside.ca_file))
    assert packed.read_text(encoding="ascii") == PEM * 2
    for path in (packed, packed.parent, tmp_path / "package"):
        assert path.stat().st_mode & 0o044 == 0o044


@pytest.mark.parametrize("name", ["{place}/ca.pem", "../ca.pem", "./probes.toml"])
def test_authorities_that_lambda_would_not_find_are_refused(written, tmp_path, name):
    (tmp_path / "conf").mkdir()
    for file in ("ca.pem", "conf/probes.toml"):
        (tmp_path / file).write_text(PEM, encoding="ascii")
    with pytest.raises(InputError, match=r"agent.ca_file: .* is nothing that Lambda has: write it relative"):
        written(agent(ca_file=name.format(place=tmp_path)), name="conf/edge.toml")


@pytest.mark.parametrize("key", ["spool", "metrics", "ca_file"])
def test_a_home_directory_is_none_of_lambda_s(written, tmp_path, monkeypatch, key):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x").write_text(PEM, encoding="ascii")
    with pytest.raises(InputError, match=rf"agent.{key}: '~/x': no home directory is known there$"):
        written(agent(**{key: "~/x"}))


def test_what_is_deployed_again_is_taken_up(written, tmp_path, monkeypatch):
    """CloudFormation updates a function when its package's name is another, and only then."""
    (tmp_path / "ca.pem").write_text(PEM, encoding="ascii")
    one = written(agent(ca_file="ca.pem"))
    name = code_of(one)
    assert re.fullmatch(r"edgeprobe-lab-1-[0-9a-f]{12}\.zip", name)
    assert code_of(written(agent(ca_file="ca.pem"))) == name
    # The same that the head tells to make and to copy.
    assert [line for line in commands(one) if name in line] == [
        f"(cd package && zip -qr ../{name} .)",
        f"aws s3 cp {name} s3://CODE-BUCKET/",
    ]
    names = {name, code_of(written(agent(ca_file="ca.pem", samples=3)))}
    (tmp_path / "ca.pem").write_text(PEM * 2, encoding="ascii")
    names.add(code_of(written(agent(ca_file="ca.pem"))))
    monkeypatch.setattr("probes.units.request.AGENT_VERSION", "99.0")
    names.add(code_of(written(agent(ca_file="ca.pem"))))
    assert len(names) == 4


def test_what_is_packed_holds_what_the_configuration_needs(written):
    wanted = agent(resolvers=["system", "https://dns.example/dns-query"], otlp="http://collector:4318")
    (install,) = (line for line in commands(written(wanted)) if line.startswith("pip install "))
    assert install.endswith(f"'edgeplan[s3,doh,otlp]=={AGENT_VERSION}'")
