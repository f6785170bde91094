"""Real servers on the far host, each a context manager that is entered when the server listens [I/O].

All can hold thousands of connections at once, and all but the name server serve every far address.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.netlab.authority import Certificate
from tests.netlab.lab import Netlab

ZONE = "netlab.test"

# Longer than any TLS 1.3 session ticket, so that the wire tells which record is the response.
BODY = 4000
RECORD_OVER = 2000


@contextlib.contextmanager
def serving(lab: Netlab, name: str, argv: Sequence[object], *ports: int) -> Iterator[None]:
    """Any server: ``argv`` on the far host until the block ends, entered when it listens on the TCP ports.

    Raises OSError with what it wrote when it does not within 10 s.
    """
    log = lab.directory / f"{name}.log"
    with log.open("wb") as output:
        server = lab.far.popen(argv, contained=True, stdout=output, stderr=output)
    try:
        end = time.monotonic() + 10
        while not _listens(lab, ports):
            if server.poll() is not None or time.monotonic() > end:
                raise OSError(f"{name} does not listen: {log.read_text('utf-8')}")
            time.sleep(0.01)
        yield
    finally:
        lab.far.end(server)


def _listens(lab: Netlab, ports: Sequence[int]) -> bool:
    """Whether all ports have a listener on the far host, where the link lives too; see proc_pid_net(5)."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{lab.link_pid}/net/{table}").read_text("ascii").splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state == "0A":
                found.add(int(local.rpartition(":")[2], 16))
    return found.issuperset(ports)


@contextlib.contextmanager
def acceptor(lab: Netlab, *ports: int) -> Iterator[None]:
    """TCP: accepts and keeps silent."""
    program = [sys.executable, Path(__file__).with_name("acceptor.py"), *ports]
    with serving(lab, "acceptor", program, *ports):
        yield


@contextlib.contextmanager
def web(
    lab: Netlab,
    *,
    plain: Iterable[int] = (),
    tls: Mapping[int, Certificate] | None = None,
    versions: str = "TLSv1.2 TLSv1.3",
) -> Iterator[None]:
    """nginx: HTTP/1.1 on ports, over TLS on others by their certificate.

    ``/`` is a response of 4,000 bytes, ``/status/404`` one of that status (204, 404, 429, 500, 503), and
    ``/moved`` redirects to itself.
    """
    directory = Path(tempfile.mkdtemp(prefix="nginx-", dir=lab.directory))
    servers = [_server(port, "") for port in plain]
    for port, certificate in (tls or {}).items():
        servers.append(
            _server(
                port,
                f"ssl_certificate {certificate.certificate}; ssl_certificate_key {certificate.key};"
                f" ssl_protocols {versions};",
                " ssl",
            )
        )
    configuration = directory / "nginx.conf"
    configuration.write_text(
        f"""
        daemon off; master_process off; pid {directory}/pid; error_log stderr warn;
        worker_rlimit_nofile 32768;
        events {{ worker_connections 16384; multi_accept on; }}
        http {{
            access_log off; default_type text/plain; keepalive_timeout 30; reset_timedout_connection on;
            client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
            uwsgi_temp_path {directory}; scgi_temp_path {directory};
            {"".join(servers)}
        }}
        """,
        encoding="utf-8",
    )
    program = ["nginx", "-e", "stderr", "-p", directory, "-c", configuration]
    with serving(lab, "nginx", program, *plain, *(tls or {})):
        yield


def _server(port: int, settings: str, kind: str = "") -> str:
    codes = (204, 404, 429, 500, 503)
    statuses = " ".join(f"location = /status/{code} {{ return {code}; }}" for code in codes)
    return f"""
        server {{
            listen {port}{kind} backlog=65535; listen [::]:{port}{kind} backlog=65535; {settings}
            location / {{ return 200 "{"x" * BODY}"; }}
            location = /moved {{ return 302 /moved; }}
            {statuses}
        }}
    """


@contextlib.contextmanager
def name_server(
    lab: Netlab,
    addresses: Iterable[str],
    records: Iterable[str] = (),
    *,
    tls: Certificate | None = None,
) -> Iterator[None]:
    """NSD on port 53 of ``addresses``, UDP and TCP, authoritative for netlab.test; with ``tls`` also on 853.

    ``records`` are lines of the zone, such as ``"www 60 IN A 10.77.0.1"``. Other names are REFUSED.
    """
    directory = Path(tempfile.mkdtemp(prefix="nsd-", dir=lab.directory))
    zone = [f"$ORIGIN {ZONE}.", "$TTL 60", "@ SOA ns hostmaster 1 3600 600 86400 60", "@ NS ns"]
    zone += ["ns A 10.77.0.53", *records]
    (directory / "zone").write_text("\n".join(zone) + "\n", encoding="utf-8")
    lines = [f"ip-address: {address}" for address in addresses]
    if tls is not None:
        lines += [f"{line}@853" for line in lines]
        lines += [f'tls-service-key: "{tls.key}"', f'tls-service-pem: "{tls.certificate}"', "tls-port: 853"]
    listing = "\n    ".join(lines)
    text = f"""
server:
    {listing}
    ip-freebind: yes
    server-count: 1
    tcp-count: 4096
    rrl-ratelimit: 0
    username: ""
    pidfile: ""
    zonesdir: "{directory}"
    xfrdir: "{directory}"
    xfrdfile: ""
    zonelistfile: "{directory}/zones"
    cookie-secret-file: ""
remote-control:
    control-enable: no
zone:
    name: {ZONE}
    zonefile: zone
"""
    configuration = directory / "nsd.conf"
    configuration.write_text(text, encoding="utf-8")
    ports = (53, 853) if tls is not None else (53,)
    with serving(lab, "nsd", ["nsd", "-d", "-c", configuration], *ports):
        yield


@contextlib.contextmanager
def encrypting(
    lab: Netlab, address: str, certificate: Certificate, *, backend: str = "10.77.0.53"
) -> Iterator[None]:
    """Resolvers on ``address`` that ask a name server: dnsdist speaks DNS over TLS on port 853 and DNS over
    HTTPS on 443, nginx in front of it DNS over HTTPS by version 1.1 alone on 8443; both at /dns-query."""
    directory = Path(tempfile.mkdtemp(prefix="encrypting-", dir=lab.directory))
    files = f'"{certificate.certificate}", "{certificate.key}"'
    (directory / "dnsdist.conf").write_text(
        f"""
        setSecurityPollSuffix("")
        setACL({{"0.0.0.0/0", "::/0"}})
        newServer({{address="{backend}:53", healthCheckMode="up"}})
        addTLSLocal("{address}:853", {files})
        addDOHLocal("{address}:443", {files}, "/dns-query")
        """,
        encoding="utf-8",
    )
    (directory / "nginx.conf").write_text(
        f"""
        daemon off; master_process off; pid {directory}/pid; error_log stderr warn; events {{ }}
        http {{
            access_log off;
            client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
            uwsgi_temp_path {directory}; scgi_temp_path {directory};
            upstream distributor {{ server {address}:443; keepalive 4; }}
            server {{
                listen {address}:8443 ssl;
                ssl_certificate {certificate.certificate}; ssl_certificate_key {certificate.key};
                ssl_protocols TLSv1.3;
                location /dns-query {{
                    proxy_pass https://distributor; proxy_http_version 1.1; proxy_set_header Connection "";
                }}
            }}
        }}
        """,
        encoding="utf-8",
    )
    distributor = ["dnsdist", "--supervised", "--disable-syslog", "-C", directory / "dnsdist.conf"]
    proxy = ["nginx", "-e", "stderr", "-p", directory, "-c", directory / "nginx.conf"]
    with serving(lab, "dnsdist", distributor, 443, 853), serving(lab, "nginx-proxy", proxy, 8443):
        yield
