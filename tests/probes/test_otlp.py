"""The figures as a collector gets them: a real receiver that reads OTLP with OpenTelemetry's own messages."""

import gzip
import math
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from probes import AGENT_VERSION
from probes.otlp import LONGEST_S, ExportError, export
from probes.record import FAILURES
from tests.probes.conftest import ROOT
from tests.probes.test_metrics import MEASURED
from tests.probes.test_report import ROW


class Receiver:
    """An OTLP/HTTP endpoint; ``status`` is what it answers, None for nothing at all."""

    def __init__(self, status=200):
        self.requests: list[tuple[str, dict[str, str], ExportMetricsServiceRequest]] = []
        self.status = status
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.requests.append(
                    (
                        self.path,
                        {name.lower(): text for name, text in self.headers.items()},
                        ExportMetricsServiceRequest.FromString(body),
                    )
                )
                if receiver.status is None:
                    time.sleep(2 * LONGEST_S)
                    return
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.9", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.9:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def values(attributes):
    return {one.key: one.value.string_value for one in attributes}


def points(request):
    """Every data point by its metric's name and labels other than the vantage, which all must have."""
    found = {}
    (resource,) = request.resource_metrics
    (scope,) = resource.scope_metrics
    for metric in scope.metrics:
        assert metric.description
        assert metric.WhichOneof("data") == "gauge"
        for point in metric.gauge.data_points:
            labels = values(point.attributes)
            assert labels.pop("vantage") == "lab-1"
            assert point.time_unix_nano == round(MEASURED.ended_s * 1e9)
            found[metric.name, metric.unit, *sorted(labels.items())] = point.as_double
    return found


def test_a_round_arrives(receiver):
    export(receiver.url, "lab-1", MEASURED)
    ((path, headers, request),) = receiver.requests
    assert path == "/v1/metrics"
    assert headers["content-type"] == "application/x-protobuf"
    resource = values(request.resource_metrics[0].resource.attributes)
    assert resource["service.name"] == "edgeprobe"
    assert resource["service.instance.id"] == "lab-1"
    assert resource["service.version"] == AGENT_VERSION
    found = points(request)
    site = (("protocol", "tcp"), ("site", "eu-central-1"))
    assert found["edgeprobe.round.rows", ""] == 3
    assert found["edgeprobe.round.duration", "s"] == 1.25
    assert found["edgeprobe.loss", "1", *site] == pytest.approx(1 / 3)
    assert found["edgeprobe.rtt", "s", site[0], ("quantile", "0.5"), site[1]] == 0.02
    assert found["edgeprobe.rtt", "s", site[0], ("quantile", "0.95"), site[1]] == math.inf
    assert found["edgeprobe.round.failures", "", ("failure", "syn_retransmit")] == 1
    assert sum(key[0] == "edgeprobe.round.failures" for key in found) == len(FAILURES)


def test_the_sdks_own_variables_hold(receiver, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    export(f"{receiver.url}/otlp/", "lab-1", MEASURED)
    ((path, headers, request),) = receiver.requests
    assert path == "/otlp/v1/metrics"
    assert headers["authorization"] == "Bearer secret"
    assert headers["content-encoding"] == "gzip"
    assert points(request)


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503, None])
def test_a_collector_that_does_not_take_it_costs_seconds_at_most(receiver, status, capfd):
    receiver.status = status
    began = time.monotonic()
    with pytest.raises(ExportError) as fault:
        export(receiver.url, "lab-1", MEASURED)
    assert time.monotonic() - began < LONGEST_S + 1
    assert str(fault.value).startswith(f"otlp {receiver.url}: ")
    assert len(str(fault.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")


def test_nobody_there(refused_port):
    with pytest.raises(ExportError, match=r": \[Errno 111\] Connection refused$"):
        export(f"http://127.0.0.1:{refused_port}", "lab-1", MEASURED)


def test_a_round_of_many_rows_is_sent_in_time(receiver):
    rows = [replace(ROW, site=f"site-{number % 300}", sample=number // 300) for number in range(1500)]
    export(receiver.url, "lab-1", replace(MEASURED, rows=rows))
    assert len([key for key in points(receiver.requests[0][2]) if key[0] == "edgeprobe.rtt"]) == 600


def test_a_run_exports_and_is_not_hurt_by_a_dead_collector(edgeprobe, configured, start, receiver, tmp_path):
    server = start("tcp", "127.0.0.2")
    target = {"site": "us-west-2", "host": server.address, "port": server.port}
    done = edgeprobe("run", configured([target], otlp=receiver.url, protocols=["tcp"]), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (resource,) = receiver.requests[0][2].resource_metrics
    names = {metric.name for metric in resource.scope_metrics[0].metrics}
    assert {"edgeprobe.rtt", "edgeprobe.last.exit.code"} <= names

    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        began = time.monotonic()
        done = edgeprobe("run", configured([target], otlp=url, protocols=["tcp"]), "--json")
    assert time.monotonic() - began < LONGEST_S + 4
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"edgeprobe: otlp {url}: ")


def test_without_the_extra_it_says_what_to_install(configured, start):
    server = start("tcp", "127.0.0.2")
    target = {"site": "us-west-2", "host": server.address, "port": server.port}
    config = configured([target], otlp="http://127.0.0.1:9", protocols=["tcp"])
    program = (
        "import sys; sys.modules['opentelemetry'] = None; from probes.cli import main;"
        f"sys.exit(main(['run', {str(config)!r}, '--json']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert done.stderr == (
        "edgeprobe: otlp http://127.0.0.1:9: needs the OpenTelemetry SDK: pip install 'edgeplan[otlp]'\n"
    )
