"""The handler called as Lambda calls it, before a real S3 server."""

import gzip
import importlib
import socket
import threading
from types import SimpleNamespace

import pytest
import yaml

from probes.lambda_handler import RoundError
from probes.record import from_json
from probes.settings import parse_settings
from probes.strict_toml import InputError
from probes.units import unit
from tests.probes.conftest import configuration
from tests.probes.seaweed import BUCKET, Seaweed

EVENT = {"scheduled_at": "2026-11-24T05:00:00Z"}
RUN = "20261124T050000.000000Z"


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory):
    with Seaweed(tmp_path_factory.mktemp("weed")).running() as server:
        yield server


@pytest.fixture
def function(seaweed, start, tmp_path, monkeypatch, request):
    """A function deployed from its template, its code in ``tmp_path/task``; called with an event.

    ``environment`` is the name of the machine it meets, each with a /tmp of its own.
    """
    server = start("tcp", "127.0.0.2")
    targets = [{"site": "us-west-2", "host": server.address, "port": server.port}]
    prefix = request.node.name.replace("[", "-").replace("]", "")
    task = tmp_path / "task"
    task.mkdir()

    def deploy(store=f"s3://{BUCKET}/{prefix}", region="", **agent):
        text = configuration(targets, store=store, **agent)
        (task / "probes.toml").write_text(text, encoding="utf-8")
        template = yaml.safe_load(unit("eventbridge", parse_settings(text, task / "probes.toml"), 300.0))
        agent = template["Resources"]["Agent"]["Properties"]
        module, _, name = agent["Handler"].rpartition(".")
        handler = getattr(importlib.import_module(module), name)
        for variable, value in {
            **seaweed.environment(),
            # What Lambda sets itself, and what the template adds.
            "LAMBDA_TASK_ROOT": str(task),
            "AWS_REGION": "eu-south-2",
            "AWS_DEFAULT_REGION": "eu-south-2",
            "EDGEPROBE_CONFIG": agent["Environment"]["Variables"]["EDGEPROBE_CONFIG"],
            "EDGEPROBE_STORE_REGION": region or "eu-south-2",
        }.items():
            monkeypatch.setenv(variable, value)

        def call(event=EVENT, environment="one", left_s=agent["Timeout"]):
            tmp = tmp_path / environment
            tmp.mkdir(exist_ok=True)
            monkeypatch.setenv("TMPDIR", str(tmp))
            context = SimpleNamespace(get_remaining_time_in_millis=lambda: int(1000 * left_s))
            result = handler(event, context)
            # The code's own folder cannot be written in Lambda.
            assert [path.name for path in task.iterdir()] == ["probes.toml"]
            return result

        return call

    deploy.objects = lambda: seaweed.objects(prefix)
    deploy.waiting = lambda environment="one": list((tmp_path / environment).rglob("*.jsonl*"))
    return deploy


def rows_of(payload):
    return [from_json(line) for line in gzip.decompress(payload).splitlines()]


def test_an_event_is_a_round(function, capsys):
    call = function()
    result = call()
    ((key, payload),) = function.objects().items()
    assert key.rsplit("/", 1)[1] == f"{result['run_id']}.jsonl.gz"
    assert result["run_id"].startswith(RUN)
    assert result == {
        "run_id": result["run_id"],
        "rows": 2 * len({row.protocol for row in rows_of(payload)}),
        "failed": 0,
        "shipped_rounds": 1,
        "shipped_rows": len(rows_of(payload)),
        "waiting_rounds": 0,
        "lost_rows": 0,
        "conflict_rows": 0,
    }
    out, log = capsys.readouterr()
    assert (out, log.count("\n")) == ("", 1)
    assert log.startswith(f"edgeprobe: round {result['run_id']}: ")


def test_an_event_that_comes_twice_is_one_round(function):
    call = function()
    first = call()
    (stored,) = function.objects().items()
    again = call()
    assert (again["run_id"], again["rows"], again["shipped_rounds"]) == (first["run_id"], 0, 0)
    # On another machine it is measured again, since that one knows nothing of it, and is still one round.
    # To say that it failed would have it repeated, and change nothing.
    assert call(environment="another")["conflict_rows"] == 2
    assert call(environment="another")["conflict_rows"] == 0
    assert list(function.objects().items()) == [stored]


def test_a_round_the_store_did_not_take_raises_and_its_repeat_ships_it(function, seaweed, monkeypatch):
    call = function()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for name, value in seaweed.environment(port=closed.getsockname()[1]).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(RoundError, match=r"^round 20261124T050000.* 0 shipped, 1 waiting"):
            call()
    assert len(function.waiting()) == 1
    for name, value in seaweed.environment().items():
        monkeypatch.setenv(name, value)
    result = call()
    assert (result["rows"], result["shipped_rounds"], result["waiting_rounds"]) == (0, 1, 0)
    (payload,) = function.objects().values()
    assert len(rows_of(payload)) == result["shipped_rows"]
    assert function.waiting() == []


def test_a_round_does_not_wait_for_those_before_it(function, seaweed, monkeypatch):
    call = function()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for name, value in seaweed.environment(port=closed.getsockname()[1]).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(RoundError):
            call()
    for name, value in seaweed.environment().items():
        monkeypatch.setenv(name, value)
    # As if the store were too slow for more than one.
    monkeypatch.setattr("probes.agent._BACKLOG_SHARE", 0.0)
    result = call({"scheduled_at": "2026-11-24T06:00:00Z"})
    assert (result["shipped_rounds"], result["waiting_rounds"]) == (1, 1)
    (key,) = function.objects()
    assert result["run_id"] in key


def test_a_round_that_is_not_in_the_store_raises_whatever_else_is_well(function, monkeypatch):
    monkeypatch.setattr("probes.spool.Spool.ship", lambda *_, **__: iter(()))
    with pytest.raises(RoundError, match=r"2 rows, 0 failed, .* 0 shipped, 1 waiting"):
        function()()


def test_the_log_is_json_where_the_configuration_says_so(function, capsys):
    function(log="json")()
    (line,) = capsys.readouterr().err.splitlines()
    found = yaml.safe_load(line)
    assert (found["vantage"], found["event"]) == ("lab-1", "round")


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"scheduled_at": "<aws.scheduler.scheduled-time>"},
        {"scheduled_at": "2026-11-24"},
        None,
        [],
        "x",
        7,
    ],
)
def test_an_event_that_names_no_moment(function, event):
    with pytest.raises(InputError, match=r"event, scheduled_at: .* is not a moment such as"):
        function()(event)
    assert function.objects() == {}


def test_a_configuration_that_was_changed_to_a_directory(function, tmp_path):
    call = function()
    text = (tmp_path / "task" / "probes.toml").read_text(encoding="utf-8")
    (tmp_path / "task" / "probes.toml").write_text(text.replace("s3://", "x"), encoding="utf-8")
    with pytest.raises(InputError, match=r"agent.store: .* is lost with the function: write s3://"):
        call()


def test_a_function_without_time_for_a_round_begins_none(function):
    call = function(deadline_s=50)
    with pytest.raises(InputError, match=r"agent.deadline_s: a round may take 125 s .* timeout leaves 100 s"):
        call(left_s=100)
    assert function.objects() == {}


def test_requests_are_signed_for_the_region_of_the_store(function, monkeypatch):
    call = function(region="ap-southeast-7")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        heads = []

        def refuse():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    heads.append(connection.recv(65_536))
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(RoundError):
            call()
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    assert heads
    assert all(b"/ap-southeast-7/s3/aws4_request" in head for head in heads)
