"""The table [access]: what it refuses, and what it does to a study's latencies."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from planner.inputs import load_inputs
from planner.study import StudyError, parse_study
from planner.whatif import vary

ROOT = Path(__file__).resolve().parents[3]

HEAD = """
name = "lines"
[demand]
{demand}
[candidates]
include = ["eu-central-1", "eu-west-3"]
[latency]
statistic = "{statistic}"
"""
CITIES = 'cities = { countries = ["DE", "FR"], top = 6 }'


def study(access, demand=CITIES, statistic="p95", directory=None):
    text = HEAD.format(demand=demand, statistic=statistic) + access
    return parse_study(text, name="lines.toml", directory=directory)


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ("[access]\nwired = 0.6\nwifi = 0.5", "add up to 1.1"),
        ("[access]\nwirde = 0.6", "wired"),
        ('[access]\nwired = "much"', "access.wired"),
        ('[access]\nincluded = ["a"]', "goes with the share"),
        ('[access]\n[[access.line]]\nkind = "fibre"\np50_ms = 1\np95_ms = 2', "fibre"),
        ('[access]\n[[access.line]]\nkind = "wifi"\np50_ms = 3\np95_ms = 2', "less than p50_ms"),
        ('[access]\n[[access.class]]\nname = "a"\n[[access.class]]\nname = "a"', "given 2 times"),
        ("[access]\n[[access.class]]\nwifi = 1", "name"),
    ],
)
def test_what_cannot_be_is_refused(access, words, tmp_path):
    with pytest.raises(StudyError, match=words):
        study(access, directory=tmp_path)


def test_without_the_table_nothing_is_added(tmp_path):
    inputs = load_inputs(study("", directory=tmp_path))
    assert not inputs.matrix.grounds.access_ms.any()
    assert "access.csv" not in inputs.hashes


def test_a_line_of_your_own_is_added_to_every_estimate_and_bound(tmp_path):
    plain = load_inputs(study("", directory=tmp_path)).matrix
    own = '[access]\ncellular = 1\n[[access.line]]\nkind = "cellular"\np50_ms = 30\np95_ms = 90\n'
    inputs = load_inputs(study(own, directory=tmp_path))
    for name in ("estimate_ms", "lower_ms", "upper_ms"):
        assert np.allclose(getattr(inputs.matrix, name) - getattr(plain, name), 90.0)
    assert "access.csv" in inputs.hashes
    assert "access lines add 90 ms (90 to 90) to the p95 of everybody: 100% cellular" in inputs.notes


def test_a_shipped_line_widens_the_bounds(tmp_path):
    plain = load_inputs(study("", directory=tmp_path)).matrix
    matrix = load_inputs(study("[access]\nwired = 1\n", directory=tmp_path)).matrix
    (note,) = (
        note
        for note in load_inputs(study("[access]\nwired = 1\n", directory=tmp_path)).notes
        if note.startswith("access lines")
    )
    assert note.endswith("100% wired; data/access.csv is mostly assumption")
    added = [getattr(matrix, name) - getattr(plain, name) for name in ("lower_ms", "estimate_ms", "upper_ms")]
    assert np.all(added[0] < added[1])
    assert np.all(added[1] < added[2])


def test_clients_of_a_class_have_their_own_lines(tmp_path):
    (tmp_path / "c.csv").write_text(
        "id,country,lat,lon,weight,classes\na,DE,50,8,1,field;other\nb,DE,50,8,1,\nc,DE,50,8,1,desk\n"
    )
    access = """
[access]
wired = 1
[[access.class]]
name = "field"
cellular = 1
[[access.class]]
name = "desk"
[[access.line]]
kind = "cellular"
p50_ms = 40
p95_ms = 40
[[access.line]]
kind = "wired"
p50_ms = 7
p95_ms = 7
"""
    matrix = load_inputs(study(access, 'csv = "c.csv"', directory=tmp_path)).matrix
    assert matrix.grounds.access_ms[:, 0].tolist() == pytest.approx([40, 7, 0])
    notes = load_inputs(study(access, 'csv = "c.csv"', directory=tmp_path)).notes
    assert "access lines add 40 ms (40 to 40) to the p95 of clients of class field: 100% cellular" in notes
    wrong = access.replace('"field"', '"feild"')
    with pytest.raises(StudyError, match="field") as fault:
        load_inputs(study(wrong, 'csv = "c.csv"', directory=tmp_path))
    assert "access.class[1].name" in str(fault.value)


def test_what_does_nothing_is_said(tmp_path):
    of_class = study('[access]\n[[access.class]]\nname = "field"\nwifi = 1', directory=tmp_path)
    assert any("cities carry no classes" in note for note in of_class.notes)
    idle = study('[access]\n[[access.line]]\nkind = "wifi"\np50_ms = 1\np95_ms = 2', directory=tmp_path)
    assert any("access.line changes nothing" in note for note in idle.notes)


def test_the_way_home_has_no_last_mile(tmp_path):
    home = '[workload.home]\nregion = "eu-central-1"\n'
    plain = load_inputs(study(home, directory=tmp_path))
    lined = load_inputs(study(home + "[access]\nsatellite = 1\n", directory=tmp_path))
    assert np.array_equal(plain.homes[0].estimate_ms, lined.homes[0].estimate_ms)
    assert math.isfinite(lined.matrix.estimate_ms.max())


def test_the_example_of_the_documents_is_read(tmp_path):
    text = (ROOT / "docs" / "study.md").read_text("utf-8").partition("## The last mile")[2]
    (example,) = re.findall(r"```toml\n(.*?)```", text.partition("\n## ")[0], re.DOTALL)
    access = study(example, directory=tmp_path).access
    assert dict(access.shares) == {"wired": 0.5, "wifi": 0.3, "cellular": 0.2}
    assert (access.classes, access.included) == ((("field", (("cellular", 1.0),)),), ("office-*",))


def test_a_share_can_be_set_for_a_what_if(tmp_path):
    varied = vary(study("", directory=tmp_path), sets=(("access.cellular", "1"), ("access.wired", "0")))
    assert varied.access.shares == (("cellular", 1.0),)
