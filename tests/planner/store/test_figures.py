import dataclasses
import math

import numpy as np
import pytest

from planner.latency.jitter import jitter
from planner.measurements import read_rounds
from planner.store import figures as module
from planner.store.figures import read_figures
from planner.store.ingest import ingest
from tests.planner.latency.order_statistics import sample_quantile
from tests.planner.store.inbox_writing import SITES, put, samples


@pytest.mark.parametrize("longest", [20_000_000, 8])
def test_figures_are_those_of_the_samples(tmp_path, monkeypatch, longest):
    monkeypatch.setattr(module, "_PASS", longest)
    draw = np.random.default_rng(5)
    for n in range(6):
        rows = []
        for site in SITES:
            rtts = [None if draw.random() < 0.1 else float(draw.lognormal(3, 1)) for _ in range(7)]
            part = samples(*rtts, failure="connect_timeout", site=site, run_id=f"r{n}")
            rows += [
                dataclasses.replace(row, started_at=f"2026-11-23T10:0{n}:0{k}.000000Z")
                for k, row in enumerate(part)
            ]
        put(tmp_path, rows, f"r{n}")
        if n == 3:
            ingest(str(tmp_path))
    dead = [
        row for site in SITES for row in samples(None, failure="connect_timeout", site=site, run_id="dead")
    ]
    put(tmp_path, dead, "dead")
    quantiles = (0.5, 0.9, 0.95)
    found = read_figures([str(tmp_path)], quantiles)
    rounds = read_rounds([str(tmp_path)])
    assert found.sites == SITES
    for position, pair in enumerate(rounds.pairs()):
        rtt = rounds.rtt_ms[pair]
        lost = int(np.isinf(rtt).sum())
        assert (found.samples[position], found.lost[position]) == (42, lost)
        answered = rtt[np.isfinite(rtt)].tolist()
        for column, quantile in enumerate(quantiles):
            assert found.rtt_ms[position, column] == sample_quantile(answered, lost, quantile).value
            expected = jitter(rtt, rounds.round[pair], quantile)
            assert found.jitter_ms[position, column] == expected.within_ms
    bare = read_figures([str(tmp_path)], [0.5], jitter=False)
    assert np.isnan(bare.jitter_ms).all()
    assert math.isfinite(bare.rtt_ms[0, 0])
