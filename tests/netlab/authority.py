"""Certificates of a test's own making, by openssl: ECDSA on P-256 [I/O]."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_CONFIGURATION: Final = """
[ca]
default_ca = here
[here]
database = {directory}/issued
new_certs_dir = {directory}
certificate = {directory}/ca.pem
private_key = {directory}/ca.key
rand_serial = yes
unique_subject = no
default_md = sha256
copy_extensions = copy
policy = any
[any]
commonName = supplied
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a directory; clients trust ``certificate``, by SSL_CERT_FILE for example."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.certificate = directory / "ca.pem"
        self._request("ca", "netlab", "-x509", "-days", "30", "-out", self.certificate)
        (directory / "issued").touch()
        (directory / "ca.conf").write_text(_CONFIGURATION.format(directory=directory), encoding="utf-8")

    def issue(
        self, name: str, hosts: Sequence[str], *, begins_days: float = -1, ends_days: float = 30
    ) -> Certificate:
        """A certificate for ``hosts`` (names, wildcards, addresses) in files called ``name``.

        It is valid between two moments in days from now: ``begins_days=-60, ends_days=-30`` has expired.
        """
        certificate, request = self._directory / f"{name}.pem", self._directory / f"{name}.csr"
        key = self._request(name, name, *_alternative_names(hosts), "-out", request)
        now = datetime.now(UTC)
        begin, end = (
            format(now + timedelta(days=days), "%Y%m%d%H%M%SZ") for days in (begins_days, ends_days)
        )
        authority = ("-batch", "-notext", "-config", self._directory / "ca.conf")
        _openssl("ca", *authority, "-startdate", begin, "-enddate", end, "-in", request, "-out", certificate)
        return Certificate(certificate, key)

    def self_signed(self, name: str, hosts: Sequence[str]) -> Certificate:
        """A certificate that nobody but itself vouches for."""
        certificate = self._directory / f"{name}.pem"
        names = _alternative_names(hosts)
        key = self._request(name, name, *names, "-x509", "-days", "30", "-out", certificate)
        return Certificate(certificate, key)

    def _request(self, name: str, subject: str, *words: object) -> Path:
        key = self._directory / f"{name}.key"
        _openssl("req", *_KEY, "-keyout", key, "-subj", f"/CN={subject}", *words)
        return key


def _alternative_names(hosts: Sequence[str]) -> tuple[str, str]:
    names = (f"{'IP' if ':' in host or host[-1:].isdigit() else 'DNS'}:{host}" for host in hosts)
    return "-addext", f"subjectAltName={','.join(names)}"


def _openssl(*words: object) -> None:
    command = ["openssl", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise OSError(f"openssl {words[0]}: {done.stderr.strip()}")
