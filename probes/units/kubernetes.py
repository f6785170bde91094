"""Kubernetes: a CronJob, with the configuration it reads and the volume its rounds wait in."""

from __future__ import annotations

import hashlib
import math
import os.path
import re
import shlex
from pathlib import Path
from typing import Any, Final

from probes import AGENT_VERSION
from probes.inbox import StoreError, directory_of, is_object_store
from probes.settings import Settings
from probes.strict_toml import InputError
from probes.units.cron import crontab_times
from probes.units.request import Request
from probes.units.yaml_text import yaml_text

# In the pod, the configuration stands in the volume, so that paths relative to it are in the volume too.
_PLACE: Final = "/var/lib/edgeprobe"
_CONFIG: Final = f"{_PLACE}/probes.toml"
_CONFIG_KEY: Final = "probes.toml"
_CA_KEY: Final = "ca.pem"
_CONFIG_BYTES: Final = 1_000_000

# Nobody's user and group, as images without a shell have it.
_NOBODY: Final = 65532

# The images of a cluster's nodes and its scheduler take their time before a round begins.
_BEFORE_A_ROUND_S: Final = 120

# A CronJob's name has 11 characters fewer than a Job's.
_LONGEST_NAME: Final = 52
_GIGABYTE_MB: Final = 1000.0

# A store in a directory keeps every row.
_STORE_GIGABYTES: Final = 10


def cron_job(request: Request) -> str:
    """Three documents of YAML: ConfigMap, PersistentVolumeClaim, CronJob. Raises InputError.

    The volume is a claim, because a pod ends with its round: rounds that the store did not take wait in it.
    A CronJob starts a round once per point of the grid; its name is that point, whichever pod measures it.
    """
    files = {_CONFIG_KEY: request.text().rstrip("\n") + "\n"}
    if (authorities := request.authorities()) is not None:
        files[_CA_KEY] = authorities
    if sum(len(text.encode()) for text in files.values()) > _CONFIG_BYTES:
        what = "is" if authorities is None else "and its ca_file are"
        raise InputError(request.settings.file, f"{what} larger than the 1 MB that a ConfigMap takes")
    inside = request.standing_at(_CONFIG)
    _check_paths(request, inside)
    mounts = {_CONFIG: _CONFIG_KEY}
    if inside.ca_file is not None:
        mounts[_mounted(request, inside.ca_file)] = _CA_KEY
    name = _name(request.settings.vantage)
    labels = {
        "app.kubernetes.io/name": "edgeprobe",
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/version": AGENT_VERSION,
    }
    metadata = {"name": name, "labels": labels}
    documents = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata,
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": f"{_gigabytes(request.settings)}G"}},
            },
        },
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": metadata,
            "spec": _cron_job(request, name, labels, mounts),
        },
    ]
    return "---\n".join([_heading(request, name), *map(yaml_text, documents)])


def _cron_job(request: Request, name: str, labels: dict[str, str], mounts: dict[str, str]) -> dict[str, Any]:
    return {
        "schedule": crontab_times(request.every_s),
        # Rounds are named after a grid in UTC.
        "timeZone": "Etc/UTC",
        "concurrencyPolicy": "Forbid",
        # A round that could not start by then would be another point's.
        "startingDeadlineSeconds": max(int(request.every_s / 2), 10),
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {
            "metadata": {"labels": labels},
            "spec": {
                # What failed to be shipped is in the volume, and the next round ships it.
                "backoffLimit": 0,
                "activeDeadlineSeconds": request.longest_s + _BEFORE_A_ROUND_S,
                "template": {"metadata": {"labels": labels}, "spec": _pod(request, name, mounts)},
            },
        },
    }


def _pod(request: Request, name: str, mounts: dict[str, str]) -> dict[str, Any]:
    # A process without privileges gains nothing from a capability added to its container; a datagram socket
    # for echoes it may have, where this sysctl, which Kubernetes calls safe, says so.
    echoes = {"name": "net.ipv4.ping_group_range", "value": f"{_NOBODY} {_NOBODY}"}
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": request.ending_s,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # The node's own resolvers, not the cluster's, which answer names of the cluster first.
        "dnsPolicy": "Default",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NOBODY,
            "runAsGroup": _NOBODY,
            "fsGroup": _NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
            **({"sysctls": [echoes]} if request.wants_icmp else {}),
        },
        "containers": [
            {
                "name": "edgeprobe",
                "image": request.image or f"edgeplan:{AGENT_VERSION}",
                "command": ["edgeprobe"],
                "args": ["run", _CONFIG, "--every", request.every, "--rounds", "1"],
                "envFrom": [{"secretRef": {"name": name, "optional": True}}],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                # No limit of processor time: it would hold up the very loop that measures.
                "resources": {
                    "requests": {"cpu": "100m", "memory": "64Mi"},
                    "limits": {"memory": "256Mi"},
                },
                "volumeMounts": [
                    {"name": "place", "mountPath": _PLACE},
                    *(
                        {"name": "config", "mountPath": path, "subPath": key, "readOnly": True}
                        for path, key in mounts.items()
                    ),
                ],
            }
        ],
        "volumes": [
            {"name": "place", "persistentVolumeClaim": {"claimName": name}},
            {"name": "config", "configMap": {"name": name}},
        ],
    }


def _heading(request: Request, name: str) -> str:
    settings = request.settings
    words = [
        f"{request.title}, as a Kubernetes CronJob (Kubernetes 1.27 or later).",
        f"Install:      {request.command_line('kubernetes')} | kubectl apply -f -",
        f"Image:        {request.image or 'none is published: build yours and name it with --image, from'}",
    ]
    if request.image is None:
        words += [
            "                  FROM python:3.13-slim",
            f"                  RUN pip install --no-cache-dir {shlex.quote(request.requirement)}",
            f"                  USER {_NOBODY}",
        ]
    if is_object_store(settings.store):
        words += [
            "Credentials:  of the store, as environment variables, unless the pod is given a role:",
            f"                  kubectl create secret generic {name} --from-env-file=FILE",
        ]
    else:
        words += [
            "Store:        a directory in the volume, which grows and which nobody else sees; what several",
            "              vantages share is an object store.",
        ]
    words += [
        "Volume:       keeps the rounds that the store did not take; a pod ends with its round. In place of",
        "              persistentVolumeClaim, emptyDir: {} does too, but loses them.",
        "Place:        a vantage is one place: where nodes stand in several, add a nodeSelector.",
    ]
    if settings.ca_file is not None:
        words.append("Authorities:  those of ca_file are in the ConfigMap: when they change, install again.")
    if request.wants_icmp:
        words.append(
            "ICMP:         needs net.ipv4.ping_group_range, which a pod in the host's network cannot set."
        )
    return "".join(f"# {line}\n" for line in words)


def _check_paths(request: Request, inside: Settings) -> None:
    """Refuse what the pod would write outside its volume."""
    written = {"agent.spool": str(inside.spool)}
    if not is_object_store(inside.store):
        try:
            written["agent.store"] = str(directory_of(inside.store))
        except StoreError as fault:
            raise request.fault("agent.store", str(fault)) from None
    if inside.metrics is not None:
        written["agent.metrics"] = str(inside.metrics)
    for column, path in written.items():
        if os.path.commonpath([_PLACE, os.path.normpath(path)]) != _PLACE:
            raise request.fault(
                column,
                f"{path} would be lost with the pod, whose volume is {_PLACE}:"
                " write it relative to the configuration file, inside its folder",
            )


def _mounted(request: Request, file: Path) -> str:
    """Where the pod has the file that it reads as ``file``. Raises InputError where none can be mounted."""
    path = os.path.normpath(file)
    # Kubernetes takes no colon in it.
    if ":" in path or path in (_PLACE, _CONFIG):
        raise request.fault("agent.ca_file", f"{path} cannot be mounted in a pod: give the file another name")
    return path


def _gigabytes(settings: Settings) -> int:
    spool = math.ceil(2 * settings.spool_max_mb / _GIGABYTE_MB)
    return spool + (0 if is_object_store(settings.store) else _STORE_GIGABYTES)


def _name(vantage: str) -> str:
    """A name Kubernetes takes, and another for every vantage.

    >>> _name("tokyo-1"), _name("Tokyo_1")
    ('edgeprobe-tokyo-1', 'edgeprobe-tokyo-1-90cc9e')
    """
    plain = f"edgeprobe-{vantage}"
    if len(plain) <= _LONGEST_NAME and re.fullmatch(r"[a-z0-9-]*[a-z0-9]", plain):
        return plain
    digest = hashlib.sha256(vantage.encode()).hexdigest()[:6]
    kept = re.sub(r"[^a-z0-9]", "-", plain.lower())[: _LONGEST_NAME - 7].rstrip("-")
    return f"{kept}-{digest}"
