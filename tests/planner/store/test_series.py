"""What rows of the rollups hold, taken apart again."""

import numpy as np
import pyarrow as pa
import pytest

from planner.store.arrays import binary, bytes_of
from planner.store.histogram import HIGHEST, LOWEST
from planner.store.packing import add_counts, pack_counts
from planner.store.series import pack, steps_beside, unpacked
from planner.store.shelf import StoreError

NAN = np.nan


def taken_apart(packed, pairs):
    """Of each pair its round trips and all its steps."""
    of = np.arange(pairs, dtype=np.int32)
    pair, rtt, step = unpacked(packed.per_ms, pa.chunked_array([packed.series]), of)
    steps = [step[(pair == p) & ~np.isnan(step)].tolist() for p in of]
    for number, beside in steps_beside(pa.chunked_array([packed.steps]), of):
        assert not steps[number]
        steps[number] = beside.tolist()
    return [rtt[pair == p].tolist() for p in of], steps


def stepped(rtt, rounds):
    """The steps of neighbours in rounds of so many."""
    step = np.abs(np.diff(rtt, prepend=NAN))
    step[::rounds] = NAN
    return step


@pytest.mark.parametrize(
    ("unit", "per_ms", "bytes_each"), [(1e3, 1_000, 4), (1e6, 1_000_000, 4), (None, 0, 8)]
)
def test_round_trips_come_back_bit_by_bit(unit, per_ms, bytes_each):
    draw = np.random.default_rng(3)
    rtt = draw.lognormal(3, 1, 300)
    rtt[7:9] = 0.0, -0.0
    if unit:
        rtt = np.rint(rtt * unit) / unit
    step = stepped(rtt, 5)
    packed = pack(np.array([0, 300]), rtt, step)
    assert packed.per_ms.tolist() == [per_ms]
    assert len(packed.series[0].as_py()) == 300 * bytes_each
    assert packed.steps.null_count == 1
    times, steps = taken_apart(packed, 1)
    assert times == [rtt.tolist()]
    assert steps == [step[~np.isnan(step)].tolist()]


def test_pairs_of_every_kind_beside_each_other():
    parts = [
        ([10.0, 11.5, 2_000_000.0], [NAN, 1.5, NAN]),  # beyond 2^30 µs
        ([], []),
        ([1.0, 2.0, 4.0], [NAN, 3.0, 2.0]),  # a step that is not the neighbours' distance
        ([5.0], [2.5]),  # one from a sample that is not here
        ([0.125, 1 / 3], [NAN, NAN]),
        ([0.0], [NAN]),
    ]
    start = np.cumsum([0, *(len(rtt) for rtt, _ in parts)])
    rtt, step = (np.array([x for part in parts for x in part[at]], dtype=np.float64) for at in (0, 1))
    packed = pack(start, rtt, step)
    assert [each.as_py() is not None for each in packed.steps] == [False, False, True, True, False, False]
    times, steps = taken_apart(packed, len(parts))
    assert times == [rtt for rtt, _ in parts]
    assert steps == [[1.5], [], [3.0, 2.0], [2.5], [], []]


def test_histograms_are_added():
    draw = np.random.default_rng(4)
    width = HIGHEST - LOWEST + 1
    count = np.where(draw.random((6, width)) < 0.05, draw.integers(1, 1 << 20, (6, width)), 0)
    count[2] = 0
    row, bucket = (np.ascontiguousarray(each) for each in np.nonzero(count))
    data, end = np.empty(10 * len(row), np.uint8), np.zeros(6, np.int64)
    start = np.searchsorted(row, np.arange(7))
    size = pack_counts(bucket, count[row, bucket], start, data, end)
    packed = [data[a:b].tobytes() for a, b in zip([0, *end[:-1]], end, strict=True)]
    assert size == end[-1]
    total = np.zeros((3, width), np.int32)
    offset, held = bytes_of(pa.chunked_array([pa.array(packed[:4]), pa.array(packed[4:])]))
    assert add_counts(held, offset, np.array([0, 1, 1, 0, -1, 1], np.int32), total) == -1
    assert total.tolist() == [
        (count[0] + count[3]).tolist(),
        (count[1] + count[2] + count[5]).tolist(),
        [0] * width,
    ]


@pytest.mark.parametrize("parts", [[], [b""], [None], [b"a", None, b"", b"bcd"], [b"x"] * 20 + [None]])
def test_a_column_of_bytes_is_arrows_own(parts):
    made = binary(parts)
    made.validate(full=True)
    assert made.equals(pa.array(parts, pa.binary()))


@pytest.mark.parametrize(
    "damaged",
    [
        b"\x01",
        b"\x01\x80",
        b"\x80",
        b"\x09\x01",
        b"\x02\x01\x7f\x01",
        b"\xff" * 30,
        b"\xff" * 8 + b"\x7f\x01",
    ],
)
def test_what_is_no_histogram_is_seen_and_nothing_written_beyond(damaged):
    total = np.zeros((2, 9), np.int32)
    offset, data = bytes_of(binary([b"\x02\x05", damaged]))
    assert add_counts(data, offset, np.array([0, 0], np.int32), total[:1]) == 1
    assert total[0, 2] >= 5
    assert not total[1].any()


@pytest.mark.parametrize(("per_ms", "damaged"), [(1000, b"abc"), (0, b"abcd"), (0, b"abcdefghijkl")])
def test_a_series_that_ends_within_a_sample_is_refused(per_ms, damaged):
    column = pa.chunked_array([binary([damaged])])
    with pytest.raises(StoreError, match="damaged"):
        unpacked(np.array([per_ms], np.int32), column, np.zeros(1, np.int32))
