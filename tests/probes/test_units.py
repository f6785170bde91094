"""Units: what is printed must run as the scheduler would run it."""

import json
import os
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from probes.schedule import due
from probes.settings import parse_settings
from probes.strict_toml import InputError
from probes.units import UNITS, unit
from probes.units.yaml_text import yaml_text

TEXT = (
    '[agent]\nvantage = "v"\ncountry = "DE"\nlat = 50\nlon = 8\n[[target]]\nsite = "a"\nhost = "10.0.0.1"\n'
)


def settings(path="/etc/edge/probes.toml"):
    return parse_settings(TEXT, path)


def cron(settings, every_s):
    return unit("cron", settings, every_s)


def as_cron_runs_it(line):
    """The command of a crontab line as crontab(5) says: five fields, then up to the first bare %."""
    command = line.split(None, 5)[5]
    kept, rest = [], iter(command)
    for character in rest:
        if character == "%":
            break
        if character == "\\":
            following = next(rest, "")
            kept.append(following if following == "%" else "\\" + following)
        else:
            kept.append(character)
    return "".join(kept)


def test_the_cron_line_runs_in_cron_s_bare_environment(edgeprobe, configured, start, tmp_path):
    server = start("tcp", "127.0.0.2")
    place = tmp_path / "50% it's here"
    place.mkdir()
    config = place / "probes.toml"
    configured([{"site": "us-west-2", "host": server.address, "port": server.port}]).rename(config)
    done = edgeprobe("units", config, "--for", "cron", "--every", "15m")
    assert done.returncode == 0
    comment, line = done.stdout.splitlines()
    assert comment.startswith("# ")
    assert line.startswith("*/15 * * * * ")
    ran = subprocess.run(
        ["/bin/sh", "-c", as_cron_runs_it(line)],
        env={"HOME": str(tmp_path), "LOGNAME": "root", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    (stored,) = (place / "measurements").rglob("*.jsonl.gz")
    # The scheduled start is the point of the grid cron started it for.
    assert stored.name[11:13] in ("00", "15", "30", "45")
    assert stored.name[13:].startswith("00.000000Z-")


@pytest.mark.parametrize(
    ("every_s", "times"),
    [
        (60, "* * * * *"),
        (180, "*/3 * * * *"),
        (300, "*/5 * * * *"),
        (900, "*/15 * * * *"),
    ],
)
def test_spans_that_every_time_zone_shares(every_s, times):
    _, line = cron(settings(), every_s).splitlines()
    # No other process is begun than the agent.
    assert as_cron_runs_it(line).startswith("PYTHONPATH=")
    assert line.startswith(f"{times} ")


def begun(line, zone, first, days):
    """The moments of those days at which cron, where clocks are as in ``zone``, begins the line."""
    minute, *others = line.split(None, 5)[:5]
    assert others == ["*"] * 4
    step = int(minute.removeprefix("*/")) if minute != "*" else 1
    start = int(datetime.fromisoformat(f"{first}T00:00:00+00:00").timestamp())
    moments = range(start, start + days * 86_400, 60)
    return [at for at in moments if datetime.fromtimestamp(at, ZoneInfo(zone)).minute % step == 0]


# Around the nights when clocks are changed, and where that is by half an hour.
NIGHTS = [
    ("Europe/London", "2026-03-28"),
    ("Europe/London", "2026-10-24"),
    ("America/New_York", "2026-03-07"),
    ("America/New_York", "2026-10-31"),
    ("Australia/Lord_Howe", "2026-04-04"),
    ("Asia/Kolkata", "2026-06-01"),
    ("Asia/Kathmandu", "2026-06-01"),
    ("America/St_Johns", "2026-11-01"),
    ("Asia/Tokyo", "2026-06-01"),
]


@pytest.mark.parametrize(("zone", "first"), NIGHTS)
@pytest.mark.parametrize("every_s", [1800, 3600, 21_600, 86_400])
def test_rounds_are_of_the_grid_in_utc_whatever_the_zone(zone, first, every_s):
    late_s = 170
    *_, line = cron(settings(), every_s).splitlines()
    condition, either, _ = as_cron_runs_it(line).partition(" || PYTHONPATH=")
    moments = begun(line, zone, first, days=2)
    script = f'date() {{ [ "$*" = +%s ] && echo $((now + {late_s})); }}\n'
    script += f"for now in {' '.join(map(str, moments))}; do\n{condition} || echo $now\ndone\n"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert either
    assert (done.returncode, done.stderr) == (0, "")
    started = [int(word) for word in done.stdout.split()]
    grid = [at for at in range(moments[0], moments[0] + 2 * 86_400) if at % every_s == 0]
    assert started == grid
    # None is taken for one that was measured already, nor for an older one than it is.
    assert [due(at + late_s, float(every_s)) for at in started] == started


@pytest.mark.parametrize("every_s", [120, 240, 360, 600, 720, 1200, 1800, 7200, 43_200])
def test_a_line_begins_whenever_a_round_is_due_in_any_zone(every_s):
    *notes, line = cron(settings(), every_s).splitlines()
    assert all(note.startswith("# ") for note in notes)
    for zone in ("Etc/UTC", "Asia/Kolkata", "Asia/Kathmandu"):
        moments = set(begun(line, zone, "2026-06-01", days=1))
        assert {at for at in range(min(moments), max(moments) + 1) if at % every_s == 0} <= moments


def test_the_line_goes_on_by_the_tools_that_cron_finds():
    """With date(1) and expr(1) as they are, and cron's PATH; by a divisor of 1 a round is always due."""
    *_, line = cron(settings(), 86_400).splitlines()
    condition, _, _ = as_cron_runs_it(line).partition(" || PYTHONPATH=")
    assert condition.endswith("% 96 >/dev/null")
    done = subprocess.run(
        ["/bin/sh", "-c", f"{condition.replace('% 96', '% 1')} || echo goes on"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "goes on\n", "")


@pytest.mark.parametrize("every_s", [30, 90, 420, 5400, 7 * 3600, 2 * 86_400])
def test_spans_cron_cannot_keep(every_s):
    with pytest.raises(InputError, match=r"^--every: cron "):
        cron(settings(), every_s)


def test_the_command_is_absolute():
    line = cron(settings("probes.toml"), 300).splitlines()[1]
    words = shlex.split(as_cron_runs_it(line))
    assert f"PYTHONPATH={Path(__file__).resolve().parents[2]}" in words
    assert sys.executable in words
    assert os.path.join(os.getcwd(), "probes.toml") in words  # noqa: PTH109, PTH118


def test_a_cron_line_says_where_an_object_store_s_credentials_go():
    text = TEXT.replace('vantage = "v"', 'vantage = "v"\nstore = "s3://rows"')
    _, credentials, line = cron(parse_settings(text, "/etc/probes.toml"), 300).splitlines()
    assert "NAME=value" in credentials
    assert line.startswith("*/5 * * * * ")


@pytest.mark.parametrize("scheduler", UNITS)
@pytest.mark.parametrize("name", ["a\nb", "a\u2028b", "a\x1bb"])
def test_a_path_that_no_line_can_hold_is_refused(scheduler, name):
    with pytest.raises(
        InputError, match="a unit cannot hold a path with a line break or a control character"
    ):
        unit(scheduler, settings(f"/tmp/{name}/probes.toml"), 300)


@pytest.mark.parametrize("scheduler", UNITS)
def test_authorities_whose_path_no_line_can_hold_are_refused(scheduler):
    text = TEXT.replace("[[target]]", 'store = "s3://rows"\nca_file = "a\\nb.pem"\n[[target]]')
    with pytest.raises(InputError, match="a unit cannot hold a path with a line break"):
        unit(scheduler, parse_settings(text, "/etc/probes.toml", here=False), 300)


@pytest.mark.parametrize("scheduler", UNITS)
def test_a_splay_that_does_not_fit_between_two_rounds_is_refused(edgeprobe, configured, scheduler):
    config = configured([{"site": "us-west-2", "host": "127.0.0.1"}], splay_s=300, store="s3://rows")
    done = edgeprobe("units", config, "--for", scheduler)
    assert (done.returncode, done.stdout) == (2, "")
    line = config.read_text("utf-8").splitlines().index("splay_s = 300") + 1
    assert done.stderr == (
        f"edgeprobe: {config}, line {line}, agent.splay_s: 300 s is not less than the 5m between two rounds\n"
    )


def test_a_scheduler_nobody_knows(edgeprobe, configured):
    config = configured([{"site": "us-west-2", "host": "127.0.0.1"}])
    done = edgeprobe("units", config, "--for", "kubernets")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "edgeprobe: --for: 'kubernets' is not one of cron, systemd, kubernetes, eventbridge;"
        " did you mean 'kubernetes'?\n"
    )


@pytest.mark.parametrize("scheduler", [name for name in UNITS if name != "kubernetes"])
def test_an_image_is_for_kubernetes(scheduler):
    with pytest.raises(InputError, match=f"^--image: {scheduler} runs no image$"):
        unit(scheduler, settings(), 300, "edgeplan:1")


@pytest.mark.parametrize("scheduler", UNITS)
def test_as_json(edgeprobe, configured, scheduler):
    config = configured([{"site": "us-west-2", "host": "127.0.0.1"}], store="s3://rows/edge")
    plain = edgeprobe("units", config, "--for", scheduler)
    done = edgeprobe("units", config, "--for", scheduler, "--json")
    assert (plain.returncode, done.returncode, plain.stderr, done.stderr) == (0, 0, "", "")
    assert json.loads(done.stdout) == {"for": scheduler, "unit": plain.stdout}
    # What to do with it stands at its head.
    assert plain.stdout.startswith("# edgeprobe: a round of vantage lab-1 every 5m")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def flat(value):
    """No list directly in a list: nothing needs one, and the writer has none."""
    if isinstance(value, list):
        return [flat(item) for item in value if not isinstance(item, list)]
    return {key: flat(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_yaml_reads_back_as_what_was_written(value):
    assert yaml.safe_load(yaml_text(flat(value))) == (flat(value) or None)


@pytest.mark.parametrize(
    "text",
    [
        "a\n",
        "a\n b\n\n\tc\n",
        "# x: y\n- z\n",
        " a\n",
        "\na\n",
        "a\n\n",
        "a\r\n",
        "a\x85b\n",
        "---\n",
        "\n",
        " \n",
    ],
)
def test_lines_read_back_as_they_were(text):
    document = {"data": {"probes.toml": text, "after": 1}}
    assert yaml.safe_load(yaml_text(document)) == document


def test_a_round_that_may_outlast_its_turn_is_noted(edgeprobe, configured):
    config = configured([{"site": "us-west-2", "host": "127.0.0.1"}], deadline_s=50, splay_s=20)
    done = edgeprobe("units", config, "--for", "cron", "--every", "1m")
    assert done.returncode == 0
    assert "a round may take 70 s (splay_s + deadline_s), longer than 1m" in done.stderr
