"""EventBridge Scheduler and Lambda: one CloudFormation template for one vantage.

Lambda writes to /tmp only and forgets it, so the store is an S3 bucket; it has neither raw sockets nor ping
sockets, so ICMP is not measured there; and outside a VPC it speaks IPv4 only.
"""

from __future__ import annotations

import hashlib
import json
import math
import os.path
import re
import shlex
from pathlib import PurePosixPath
from typing import Any, Final

from probes.redaction import without_secrets
from probes.strict_toml import InputError
from probes.units.request import Request, even_steps
from probes.units.yaml_text import yaml_text

_LONGEST_LAMBDA_S: Final = 900
_RUNTIME: Final = "3.13"

# Where Lambda unpacks a function, and its configuration's name there.
_TASK: Final = "/var/task"
_CONFIG: Final = "probes.toml"

# The package's name is no parameter: deploying again would keep the value that it has.
_PARAMETERS: Final = {
    "CodeBucket": {
        "Type": "String",
        "Description": "The bucket of this Region that the package was copied to",
    },
    "StoreRegion": {
        "Type": "String",
        "Default": "",
        "Description": "The Region of the store's bucket; empty where it is this one",
    },
}

# /tmp in megabytes: Lambda's least and most.
_SMALLEST_TMP_MB: Final = 512
_LARGEST_TMP_MB: Final = 10_240

# A Lambda's processor share goes by its memory: 1769 MB are one core.
_MEMORY_MB: Final = 512

# Lambda repeats a failed round after one minute, and again after two more.
_REPEATS: Final = 2
_PAUSES_S: Final = 180
_LOG_DAYS: Final = 30

_TIMES: Final = {60: "cron(0/{} * * * ? *)", 3600: "cron(0 0/{} * * ? *)", 86_400: "cron(0 0 * * ? *)"}
_RATES: Final = ((86_400, "days"), (3600, "hours"), (60, "minutes"))

# The characters that S3 calls safe, less *, which a policy would read as any.
_STORE: Final = re.compile(
    r"s3a?://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9!_.'()=+@:,-]+)*)/?", re.ASCII
)


def template(request: Request) -> str:
    """The template, in YAML. Raises InputError for what cannot be had in Lambda.

    The schedule hands on when it meant a round to start, so that whatever is delivered twice, or repeated
    after a failure, is the same round.
    """
    settings = request.settings
    if request.longest_s > _LONGEST_LAMBDA_S:
        raise request.fault(
            "agent.deadline_s",
            f"a round may take {request.longest_s} s (splay_s + deadline_s and what is around them),"
            f" and Lambda ends it after {_LONGEST_LAMBDA_S} s",
        )
    if request.wants_icmp:
        raise request.fault("agent.protocols", "Lambda has no sockets for icmp: leave it out of protocols")
    found = _STORE.fullmatch(settings.store)
    if found is None:
        raise request.fault(
            "agent.store",
            f"{without_secrets(settings.store)!r} is not to be had from Lambda, which keeps no files:"
            " write s3://bucket/prefix, of plain letters",
        )
    authorities = _authorities(request)
    package = _package(request)
    document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": request.title,
        "Parameters": _PARAMETERS,
        "Conditions": {"StoreIsElsewhere": {"Fn::Not": [{"Fn::Equals": [{"Ref": "StoreRegion"}, ""]}]}},
        "Resources": {
            "Log": {
                "Type": "AWS::Logs::LogGroup",
                "DeletionPolicy": "Delete",
                "UpdateReplacePolicy": "Delete",
                "Properties": {"RetentionInDays": _LOG_DAYS},
            },
            "AgentRole": _role("lambda.amazonaws.com", _agent_may(found[1] + found[2], settings.vantage)),
            "Agent": _function(request, package),
            "Repeats": {
                "Type": "AWS::Lambda::EventInvokeConfig",
                "Properties": {
                    "FunctionName": {"Ref": "Agent"},
                    "Qualifier": "$LATEST",
                    "MaximumRetryAttempts": _REPEATS,
                    "MaximumEventAgeInSeconds": _repeats_end_s(request),
                },
            },
            "ScheduleRole": _role(
                "scheduler.amazonaws.com",
                [{"Action": "lambda:InvokeFunction", "Resource": {"Fn::GetAtt": ["Agent", "Arn"]}}],
                {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
            ),
            "Schedule": _schedule(request),
        },
    }
    return _heading(request, package, authorities) + yaml_text(document)


def _authorities(request: Request) -> PurePosixPath | None:
    """Where in the package ``ca_file`` stands. Raises InputError when the function would not find it."""
    file = request.standing_at(f"{_TASK}/{_CONFIG}").ca_file
    if file is None:
        return None
    place = PurePosixPath(os.path.normpath(file))
    if not place.is_relative_to(_TASK) or place in (PurePosixPath(_TASK), PurePosixPath(_TASK, _CONFIG)):
        raise request.fault(
            "agent.ca_file",
            f"{place} is nothing that Lambda has:"
            " write it relative to the configuration file, inside its folder",
        )
    return place.relative_to(_TASK)


def _package(request: Request) -> str:
    """The package's name, by what is in it: under a name that it knows, CloudFormation updates nothing."""
    parts = (request.requirement, _RUNTIME, request.text(), request.authorities() or "")
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return f"{_letters(f'edgeprobe-{request.settings.vantage}')}-{digest}.zip"


def _heading(request: Request, package: str, authorities: PurePosixPath | None) -> str:
    stack = _letters(f"edgeprobe-{request.settings.vantage}")
    words = [
        f"{request.title}, by EventBridge Scheduler and Lambda: a CloudFormation template.",
        "1. Pack the agent and its configuration:",
        "       pip install --upgrade --target package --platform manylinux2014_x86_64"
        f" --python-version {_RUNTIME} --only-binary=:all: {shlex.quote(request.requirement)}",
        f"       cp -- {shlex.quote(request.config)} package/{_CONFIG}",
        *_copied(request, authorities),
        "       chmod -R a+rX package",
        f"       (cd package && zip -qr ../{package} .)",
        f"       aws s3 cp {package} s3://CODE-BUCKET/",
        "2. Deploy, in the Region where the vantage is to be:",
        f"       {request.command_line('eventbridge')} > {stack}.yaml",
        f"       aws cloudformation deploy --stack-name {stack} --template-file {stack}.yaml"
        " --capabilities CAPABILITY_IAM --parameter-overrides CodeBucket=CODE-BUCKET",
        "   and add StoreRegion=REGION where the store's bucket is in another Region.",
        "After a change of the configuration, or of edgeplan, do both again: the package has then another",
        "name, by which CloudFormation knows that there is something to update.",
        "The spool is in /tmp, whatever the configuration says, and no metrics file is written.",
        "A round that the store did not take is repeated under its own name, twice at most. What then still",
        "waits in /tmp is shipped by a later round, unless Lambda has dropped it by then.",
        "There is no ICMP in Lambda, and outside a VPC no IPv6.",
    ]
    return "".join(f"# {line}\n" for line in words)


def _copied(request: Request, authorities: PurePosixPath | None) -> list[str]:
    """The commands that put the certificates of ``ca_file`` into the package; a key may stand beside them."""
    if authorities is None:
        return []
    copy = shlex.quote(f"package/{authorities}")
    folder = shlex.quote(f"package/{authorities.parent}")
    made = [] if authorities.parent == PurePosixPath() else [f"       mkdir -p -- {folder}"]
    file = shlex.quote(str(request.settings.ca_file))
    return [*made, f"       sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' {file} > {copy}"]


def _function(request: Request, package: str) -> dict[str, Any]:
    tmp_mb = math.ceil(2 * request.settings.spool_max_mb)
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Description": request.title,
            "Runtime": f"python{_RUNTIME}",
            "Architectures": ["x86_64"],
            "Handler": "probes.lambda_handler.handler",
            "Code": {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": package},
            "Role": {"Fn::GetAtt": ["AgentRole", "Arn"]},
            "Timeout": request.longest_s,
            "MemorySize": _MEMORY_MB,
            "EphemeralStorage": {"Size": min(max(tmp_mb, _SMALLEST_TMP_MB), _LARGEST_TMP_MB)},
            "LoggingConfig": {"LogGroup": {"Ref": "Log"}},
            "Environment": {
                "Variables": {
                    "EDGEPROBE_CONFIG": _CONFIG,
                    "EDGEPROBE_STORE_REGION": {
                        "Fn::If": ["StoreIsElsewhere", {"Ref": "StoreRegion"}, {"Ref": "AWS::Region"}]
                    },
                }
            },
        },
    }


def _schedule(request: Request) -> dict[str, Any]:
    return {
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {
            "Description": request.title,
            "ScheduleExpression": schedule_expression(request.every_s),
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "State": "ENABLED",
            "Target": {
                "Arn": {"Fn::GetAtt": ["Agent", "Arn"]},
                "RoleArn": {"Fn::GetAtt": ["ScheduleRole", "Arn"]},
                "Input": json.dumps({"scheduled_at": "<aws.scheduler.scheduled-time>"}),
                "RetryPolicy": {
                    "MaximumEventAgeInSeconds": int(min(max(request.every_s, 60), 86_400)),
                    "MaximumRetryAttempts": _REPEATS,
                },
            },
        },
    }


def schedule_expression(every_s: float) -> str:
    """A start every ``every_s`` seconds: on the grid in UTC where cron can say so, else by rate.

    Raises InputError.

    >>> schedule_expression(300.0), schedule_expression(60.0), schedule_expression(420.0)
    ('cron(0/5 * * * ? *)', 'cron(* * * * ? *)', 'rate(7 minutes)')
    """
    steps = even_steps(every_s)
    if steps is not None and steps[0] in _TIMES:
        return _TIMES[steps[0]].format(steps[1]).replace("0/1 ", "* ")
    for unit_s, name in _RATES:
        if every_s >= unit_s and every_s % unit_s == 0:
            return f"rate({int(every_s / unit_s)} {name})"
    raise InputError("--every", "EventBridge Scheduler starts things at whole minutes: 1m 5m 7m 1h 1d")


def _agent_may(place: str, vantage: str) -> list[dict[str, Any]]:
    """Put this vantage's rounds, and look whether one is there already; and write the log.

    Without s3:ListBucket an object that is missing is refused rather than missing, which the agent knows.
    """
    objects = f"{place}/inbox/day=*/vantage={vantage}/*"
    return [
        {
            "Action": ["s3:PutObject", "s3:GetObject"],
            "Resource": {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{objects}"},
        },
        {
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": {"Fn::GetAtt": ["Log", "Arn"]},
        },
    ]


def _role(service: str, may: list[dict[str, Any]], condition: dict[str, Any] | None = None) -> dict[str, Any]:
    assume = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
        **({"Condition": condition} if condition else {}),
    }
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [assume]},
            "Policies": [
                {
                    "PolicyName": "edgeprobe",
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [{"Effect": "Allow", **one} for one in may],
                    },
                }
            ],
        },
    }


def _repeats_end_s(request: Request) -> int:
    """By when the last repeat of a round has ended, however long each took; Lambda drops older events."""
    return (_REPEATS + 1) * request.longest_s + _PAUSES_S


def _letters(name: str) -> str:
    """A name that a stack may have."""
    return re.sub("[^A-Za-z0-9-]", "-", name)
