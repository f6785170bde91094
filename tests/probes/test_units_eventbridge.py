"""A CloudFormation template, held against AWS' own resource schemas, and what it hands to the function."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from probes.schedule import moment
from probes.settings import parse_settings
from probes.strict_toml import InputError
from probes.units import unit
from probes.units.eventbridge import schedule_expression
from probes.units.request import Request

CFN_LINT = Path(sys.executable).with_name("cfn-lint")


def agent(vantage="lab-1", more="", **keys):
    keys = {"store": "s3://rows/edge", **keys}
    lines = "".join(f"{key} = {value!r}\n" for key, value in keys.items())
    return (
        f'[agent]\nvantage = "{vantage}"\ncountry = "DE"\nlat = 50\nlon = 8\n{lines}'
        f'[[target]]\nsite = "a"\nhost = "10.0.0.1"\n{more}'
    )


def written(text, every_s=300.0, path="/etc/edge/probes.toml"):
    return unit("eventbridge", parse_settings(text, path), every_s)


def resources(text, every_s=300.0):
    return yaml.safe_load(written(text, every_s))["Resources"]


def test_cloudformation_takes_it(tmp_path):
    templates = {
        "plain.yaml": written(agent()),
        "hostile.yaml": written(agent("Tokyo_1." + "x" * 55), 420.0, '/etc/50% $HOME "it\'s"/probes.toml'),
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


def test_the_schedule_says_when_it_meant_a_round_to_start():
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
def test_spans_the_scheduler_cannot_keep(every_s):
    with pytest.raises(InputError, match=r"^--every: "):
        written(agent(), every_s)


def test_a_round_is_given_the_time_that_it_may_take():
    text = agent(splay_s=20.0, deadline_s=100.0)
    found = resources(text)
    timeout_s = found["Agent"]["Properties"]["Timeout"]
    assert timeout_s == Request(parse_settings(text, "/p.toml"), 300).longest_s
    assert timeout_s > 20 + 100 + 75
    # A repeat that is still to come is not dropped for its age.
    repeats = found["Repeats"]["Properties"]
    assert repeats["MaximumEventAgeInSeconds"] >= (repeats["MaximumRetryAttempts"] + 1) * timeout_s


def test_roles_allow_this_vantage_s_rounds_and_nothing_else():
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
        "s3://",
    ],
)
def test_a_store_that_lambda_cannot_have_is_refused(store):
    with pytest.raises(InputError, match=r"^/etc/edge/probes.toml, agent.store: .*write s3://bucket/prefix"):
        written(agent(store=store))


@pytest.mark.parametrize("store", ["s3://rows", "s3://rows/", "s3a://rows.of-us/a/b_c/=d"])
def test_stores_that_lambda_can_have(store):
    written(agent(store=store))


def test_a_round_longer_than_lambda_allows_is_refused():
    with pytest.raises(InputError, match=r"agent.deadline_s: a round may take 990 s .* ends it after 900 s"):
        written(agent(deadline_s=900.0))


def test_icmp_is_refused():
    with pytest.raises(InputError, match=r"agent.protocols: Lambda has no sockets for icmp"):
        written(agent(more='protocols = ["tcp", "icmp"]\n'))


def test_the_head_packs_the_configuration_where_the_function_looks_for_it(tmp_path):
    (tmp_path / "package").mkdir()
    path = tmp_path / "it's 50% $x" / "probes.toml"
    path.parent.mkdir()
    path.write_text(agent(), encoding="utf-8")
    text = written(agent(), path=path)
    (copy,) = (line for line in text.splitlines() if line.startswith("#        cp "))
    subprocess.run(["sh", "-c", copy.removeprefix("#")], cwd=tmp_path, check=True, timeout=10)
    variables = yaml.safe_load(text)["Resources"]["Agent"]["Properties"]["Environment"]["Variables"]
    assert (tmp_path / "package" / variables["EDGEPROBE_CONFIG"]).read_text(encoding="utf-8") == agent()
