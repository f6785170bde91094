"""What a log shows of a URL that holds a secret."""

import pytest

from probes.inbox import StoreError, open_inbox
from probes.otlp import ExportError, export
from probes.outcome import Outcome
from probes.redaction import redacted, without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("https://key:secret@h:9000/rows", "https://h:9000/rows"),
        ("https://key:secr@et@h/rows", "https://h/rows"),
        ("https://acme.example/rows?sv=2024&sig=secret#secret", "https://acme.example/rows"),
        ("https://acme.example?sig=secret@x", "https://acme.example"),
        ("https://key:secret@[::1]:1/rows", "https://[::1]:1/rows"),
        ("https://key:secret@[x?sig=secret", "https://[x"),
        ("/var/lib/what?#@x", "/var/lib/what?#@x"),
    ],
)
def test_a_url_is_shown_without_secrets(url, shown):
    assert without_secrets(url) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("error sending request for url (https://k:secret@h/p?sig=secret): no", "(https://h/p): no"),
        (
            "Max retries exceeded with url: /v1/metrics?token=secret (Caused by x)",
            "/v1/metrics (Caused by x)",
        ),
        ("what? No such file: /var/lib", "what? No such file: /var/lib"),
    ],
)
def test_what_other_libraries_say_is_too(said, shown):
    assert redacted(said).endswith(shown)
    assert "secret" not in redacted(said)


@pytest.mark.parametrize(
    "url", ["https://key:secret@127.0.0.1:{}/rows?sv=1&sig=secret", "az://k:secret@c?sig=secret"]
)
def test_a_store_that_fails_is_named_without_secrets(refused_port, url):
    with pytest.raises(StoreError) as fault:
        open_inbox(url.format(refused_port), 2.0).create("inbox/key", b"rows")
    assert str(fault.value).startswith(f"store {without_secrets(url.format(refused_port))}: ")
    assert "secret" not in str(fault.value)


def test_an_endpoint_that_fails_is_named_without_secrets(refused_port):
    with pytest.raises(ExportError) as fault:
        export(f"http://key:secret@127.0.0.1:{refused_port}/x?token=secret", "lab-1", Outcome("r", 0.0))
    assert str(fault.value).startswith(f"otlp http://127.0.0.1:{refused_port}/x: ")
    assert "secret" not in str(fault.value)


def test_nor_does_the_library_that_exports_tell_it(monkeypatch):
    def fail(url, *_):
        raise RuntimeError(f"no route to {url}")

    monkeypatch.setattr("probes.otlp._send", fail)
    with pytest.raises(ExportError) as fault:
        export("http://key:secret@h/x?token=secret", "lab-1", Outcome("r", 0.0))
    assert str(fault.value) == "otlp http://h/x: RuntimeError: no route to http://h/x"
