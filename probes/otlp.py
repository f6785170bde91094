"""A round's figures to an OTLP/HTTP endpoint, by OpenTelemetry's own SDK: the extra ``otlp`` [I/O].

The same figures as the textfile's, under OpenTelemetry's names and units, so that a Prometheus fed by a
collector has them under the same names. Headers, certificates and compression are the SDK's own environment
variables (``OTEL_EXPORTER_OTLP_HEADERS`` and the like), and so are attributes of the resource.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from probes import AGENT_VERSION
from probes.outcome import Outcome
from probes.readings import FAMILIES, Reading, readings
from probes.redaction import redacted, without_secrets

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

LONGEST_S: Final = 3.0
"""No export takes longer, whatever the network or the collector does; what is not sent by then is lost."""

# The SDK gives up a little earlier, so that what went wrong is said in its words rather than as a timeout.
_MARGIN_S: Final = 0.5

_PATH: Final = "/v1/metrics"
_UNITS: Final = {"seconds": "s", "ratio": "1"}


class ExportError(Exception):
    """The endpoint did not take the figures."""


def export(url: str, vantage: str, outcome: Outcome) -> None:
    """Send what the outcome says. Raises ExportError.

    Neither a name that takes for ever to resolve nor a collector that never answers is waited for longer
    than LONGEST_S.
    """
    fault: list[str] = []

    def send() -> None:
        try:
            fault[:] = _send(url, vantage, outcome)
        except ImportError:
            fault.append("needs the OpenTelemetry SDK: pip install 'edgeplan[otlp]'")
        except Exception as error:  # noqa: BLE001 - whatever it is, the round is not to suffer from it
            fault.append(f"{type(error).__name__}: {error}")

    sender = threading.Thread(target=send, name="otlp", daemon=True)
    sender.start()
    sender.join(LONGEST_S)
    if sender.is_alive():
        raise ExportError(f"otlp {without_secrets(url)}: no answer within {LONGEST_S:g} s")
    if fault:
        raise ExportError(f"otlp {without_secrets(url)}: {redacted(fault[0])}")


def endpoint(url: str) -> str:
    """Where metrics go: the signal's path is added to a base URL, as for OTEL_EXPORTER_OTLP_ENDPOINT.

    >>> endpoint("http://collector:4318"), endpoint("https://c/otlp/v1/metrics")
    ('http://collector:4318/v1/metrics', 'https://c/otlp/v1/metrics')
    """
    return url if url.endswith(_PATH) else url.rstrip("/") + _PATH


def metrics_data(vantage: str, outcome: Outcome) -> MetricsData:
    """The figures as the SDK's values: gauges, for what a process of one round counts begins anew with it."""
    from opentelemetry.sdk.metrics import export as sdk
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    resource = Resource.create(
        {"service.name": "edgeprobe", "service.instance.id": vantage, "service.version": AGENT_VERSION}
    )
    scope = sdk.ScopeMetrics(
        scope=InstrumentationScope("edgeprobe", AGENT_VERSION),
        metrics=list(_metrics(sdk, vantage, outcome)),
        schema_url="",
    )
    return sdk.MetricsData([sdk.ResourceMetrics(resource, [scope], "")])


def _metrics(sdk: Any, vantage: str, outcome: Outcome) -> Iterator[Any]:
    now_ns = round(outcome.ended_s * 1e9)

    def point(reading: Reading) -> Any:
        return sdk.NumberDataPoint(
            attributes={"vantage": vantage, **dict(reading.labels)},
            start_time_unix_nano=0,
            time_unix_nano=now_ns,
            value=float(reading.value),
        )

    of = sorted(readings(outcome), key=lambda reading: list(FAMILIES).index(reading.name))
    for name, group in itertools.groupby(of, key=lambda reading: reading.name):
        stem, _, unit = name.rpartition("_")
        stem, unit = (stem, _UNITS[unit]) if unit in _UNITS else (name, "")
        yield sdk.Metric(
            name=stem.replace("_", "."),
            description=FAMILIES[name].meaning,
            unit=unit,
            data=sdk.Gauge(data_points=[point(reading) for reading in group]),
        )


def _send(url: str, vantage: str, outcome: Outcome) -> list[str]:
    """What went wrong, in the SDK's words."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import MetricExportResult

    heard = _Heard()
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(heard)
    logger.propagate = False
    try:
        exporter = OTLPMetricExporter(endpoint=endpoint(url), timeout=LONGEST_S - _MARGIN_S)
        result = exporter.export(metrics_data(vantage, outcome))
        exporter.shutdown()
    finally:
        logger.removeHandler(heard)
    if result is MetricExportResult.SUCCESS:
        return []
    # The first says what was met, the last only that it was given up.
    return heard.words[:1] or ["the endpoint did not take it"]


class _Heard(logging.Handler):
    """What the SDK logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        causes = [_root(value) for value in record.args or () if isinstance(value, BaseException)]
        said = record.getMessage().partition(", retrying")[0]
        self.words.append(" ".join(str(causes[0] if causes else said).split()))


def _root(error: BaseException) -> BaseException:
    """What it all began with: an HTTP client wraps what the socket said four times."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error
