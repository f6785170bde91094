"""A plan as files: CSV for spreadsheets, JSON for programs [I/O].

Numbers keep at least six decimals, so that cost items add up to the printed cost to far less than a cent.
A cell of text that a spreadsheet would run as a formula is written with a leading apostrophe: it will not.
"""

from __future__ import annotations

import csv
import errno
import io
import math
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from planner.deployment import DEPLOYMENT_FILES
from planner.inputs import Inputs
from planner.latency.jitter import Jitter
from planner.latency.matrix import PROVENANCES, Grounds
from planner.measurements import PairStatistic
from planner.plan import Plan
from planner.plan_document import finite, plan_json
from probes.strict_toml import InputError

PLACEMENT_COLUMNS: Final = (
    *("site_id", "provider", "kind", "parent", "country", "role", "instances", "clients", "demand_share"),
    *("latency_p50_ms", "latency_p95_ms", "cost_usd_month"),
)
ASSIGNMENT_COLUMNS: Final = (
    *("client_id", "country", "weight", "site_id", "backup_site_id", "latency_ms", "latency_lower_ms"),
    *("latency_upper_ms", "provenance", "within_slo"),
)
MATRIX_COLUMNS: Final = (
    *("client_id", "site_id", "estimate_ms", "lower_ms", "upper_ms", "samples", "loss_ratio"),
    *("provenance", "vantage", "widened_ms", "access_ms"),
    *("loss_lower", "loss_upper", "effective_samples", "jitter_ms", "jitter_between_ms"),
    *("low_mode_ms", "high_mode_ms", "high_mode_share"),
)
_TOLD: Final = 8
"""How many of these tell of a vantage's own samples."""

PLAN_FILES: Final = ("placements.csv", "assignments.csv", "plan.json")
MEASURED: Final = "measured.csv"
OPTIONAL_FILES: Final = (*DEPLOYMENT_FILES, MEASURED)
FRONTIER_COLUMNS: Final = (
    *("point", "cost_usd_month", "promise_ms", "mean_ms", "p50_ms", "p95_ms", "max_ms", "coverage"),
    *("termination", "gap", "sites", "open", "complete"),
)

_RUN_BY_SPREADSHEETS: Final = ("=", "+", "-", "@", "\t", "\r")


def placements_csv(plan: Plan) -> str:
    """A row per open site, and one of the role "standby" for the Region that stands by, if one does; one
    ``<item>_usd_month`` column per cost item, which sum to ``cost_usd_month``.

    The last column is the rule or the price that decided for the site.
    """
    items = tuple(plan.cost_items)
    rows = (
        (
            *(place.site_id, place.provider, place.kind, place.parent, place.country, place.role),
            *(place.instances, place.clients, place.demand_share),
            *(place.latency_p50_ms, place.latency_p95_ms, place.cost_usd_month),
            *(place.cost_items.get(item, 0.0) for item in items),
            place.decided_by,
        )
        for place in plan.rows
    )
    return csv_text((*PLACEMENT_COLUMNS, *(f"{item}_usd_month" for item in items), "decided_by"), rows)


def assignments_csv(plan: Plan) -> str:
    """A row per client: who serves it, how fast, how sure, and whether that keeps the promise.

    Where routing is planned, the last column is the site it sends the client to.
    """
    routed = plan.routing is not None
    rows = (
        (
            *(served.client_id, served.country, served.weight, served.site_id, served.backup_site_id),
            *(served.latency_ms, served.latency_lower_ms, served.latency_upper_ms),
            *(served.provenance, served.within_slo),
            *((served.routed_site_id,) if routed else ()),
        )
        for served in plan.assignments
    )
    return csv_text((*ASSIGNMENT_COLUMNS, *(("routed_site_id",) if routed else ())), rows)


def matrix_csv(inputs: Inputs, jitter: Mapping[tuple[str, str], Jitter] | None = None) -> str:
    """A row per pair of client and site. ``samples`` is blank where the publisher did not say how many.

    ``vantage`` is the one that speaks for the pair, ``widened_ms`` by how much that widened either bound,
    ``access_ms`` what of the estimate is the client's access line. What follows is of the vantage's own
    samples: bounds of the loss ratio, what they are worth, delay variation (within rounds and between them)
    where ``jitter`` has the vantage and site, and their two levels where a route comes and goes.
    """
    matrix = inputs.matrix
    grounds = matrix.grounds or Grounds.none(matrix.estimate_ms.shape)
    told = {at: _told(spoken, jitter or {}) for at, spoken in grounds.spoken.items()}
    nothing = (None,) * _TOLD
    # Plain lists: indexing an array element by element is ten times slower.
    columns = [
        array.tolist()
        for array in (
            *(matrix.estimate_ms, matrix.lower_ms, matrix.upper_ms, matrix.samples, matrix.loss_ratio),
            *(matrix.provenance, matrix.vantage, grounds.widened_ms, grounds.access_ms),
        )
    ]
    rows = (
        (
            *(client, matrix.site_ids[site], estimate, lower, upper, None if samples < 0 else samples, loss),
            *(PROVENANCES[provenance], None if vantage < 0 else matrix.vantages[vantage]),
            *(None if vantage < 0 else widened, access, *told.get((vantage, site), nothing)),
        )
        for client, *of_client in zip(matrix.client_ids, *columns, strict=True)
        for site, (estimate, lower, upper, samples, loss, provenance, vantage, widened, access) in enumerate(
            zip(*of_client, strict=True)
        )
    )
    return csv_text(MATRIX_COLUMNS, rows)


def _told(spoken: PairStatistic, jitter: Mapping[tuple[str, str], Jitter]) -> tuple[float | None, ...]:
    """What a vantage's own samples tell: the last columns of the matrix."""
    detail, variation = spoken.detail, jitter.get((spoken.vantage.id, spoken.site_id))
    if detail is None:
        return (None,) * _TOLD
    low, high = detail.modes if len(detail.modes) == 2 else (None, None)
    return (
        *(detail.loss_lower, detail.loss_upper, detail.effective),
        *((None, None) if variation is None else (variation.within_ms, variation.between_ms)),
        *((None, None, None) if high is None or low is None else (low.rtt_ms, high.rtt_ms, high.share)),
    )


def frontier_csv(plans: Sequence[Plan], coverage: float = 0.95, *, complete: bool) -> str:
    """A row per plan of the latency/cost front, in the order given; ``open`` lists site ids.

    ``promise_ms`` is the latency the front trades for cost: within it, ``coverage`` of the demand is served.
    ``complete``, the same in every row, is false where the front was stopped before it had all its points.
    """
    rows = (
        (
            *(point, kpi.cost_usd_month, promise_ms(plan, coverage)),
            *(kpi.mean_ms, kpi.p50_ms, kpi.p95_ms, kpi.max_ms, kpi.coverage),
            *(plan.termination, plan.gap, len(plan.open), " ".join(plan.open), complete),
        )
        for point, plan in enumerate(plans, start=1)
        if (kpi := plan.kpi) is not None
    )
    return csv_text(FRONTIER_COLUMNS, rows)


def promise_ms(plan: Plan, coverage: float) -> float:
    """The smallest latency within which ``coverage`` of the demand is served; infinite when nothing is."""
    total = math.fsum(served.weight for served in plan.assignments)
    reached = 0.0
    for served in sorted(plan.assignments, key=lambda served: served.latency_ms):
        reached += served.weight
        # As in the solver, the last digits of a sum decide nothing.
        if reached >= coverage * total * (1 - 1e-9):
            return served.latency_ms
    return math.inf


def matrix_document(inputs: Inputs, jitter: Mapping[tuple[str, str], Jitter] | None = None) -> dict[str, Any]:
    """The latency matrix as a dict for JSON: clients by sites; what is absent or unknown is None.

    ``sampled`` is a row for each vantage and site whose own samples speak, as in :func:`matrix_csv`.
    """
    matrix = inputs.matrix
    grounds = matrix.grounds or Grounds.none(matrix.estimate_ms.shape)

    def rows(array: NDArray[np.float64]) -> list[list[float | None]]:
        return [[finite(value) for value in row] for row in array.tolist()]

    return {
        "clients": list(matrix.client_ids),
        "sites": list(matrix.site_ids),
        "vantages": list(matrix.vantages),
        "quantile": matrix.quantile,
        "estimate_ms": rows(matrix.estimate_ms),
        "lower_ms": rows(matrix.lower_ms),
        "upper_ms": rows(matrix.upper_ms),
        "samples": [[None if count < 0 else count for count in row] for row in matrix.samples.tolist()],
        "loss_ratio": rows(matrix.loss_ratio),
        "provenance": [[PROVENANCES[code] for code in row] for row in matrix.provenance.tolist()],
        "vantage": [
            [None if index < 0 else matrix.vantages[index] for index in row]
            for row in matrix.vantage.tolist()
        ],
        "widened_ms": rows(grounds.widened_ms),
        "access_ms": rows(grounds.access_ms),
        "sampled": [
            {"vantage": each.vantage.id, "site": each.site_id}
            | {
                name: None if value is None else finite(value)
                for name, value in zip(MATRIX_COLUMNS[-_TOLD:], _told(each, jitter or {}), strict=True)
            }
            for each in grounds.spoken.values()
            if each.detail is not None
        ],
        "inputs": dict(inputs.hashes),
        "set_aside": dict(inputs.set_aside),
        "notes": list(inputs.notes),
    }


def write_plan(
    plan: Plan,
    directory: Path,
    beside: Mapping[str, str] | None = None,
    origin: Mapping[str, Any] | None = None,
) -> tuple[Path, ...]:
    """Write placements.csv, assignments.csv, plan.json with the ``origin``, and the files ``beside`` them, by
    name; the directory is created when absent. Such a file of an earlier plan that this one does not have is
    taken away.

    Raises ``OSError`` when they cannot be written, and ``ValueError`` for a plan nobody should act on: one
    with nothing decided, or with audit violations.
    """
    if plan.kpi is None:
        raise ValueError("nothing was decided, so there is nothing to write")
    if plan.audit:
        raise ValueError("the plan failed its audit")
    texts = (placements_csv(plan), assignments_csv(plan), plan_json(plan, origin))
    directory.mkdir(parents=True, exist_ok=True)
    every = dict(zip(PLAN_FILES, texts, strict=True)) | dict(beside or {})
    written = write_texts({directory / name: text for name, text in every.items()})
    for name in OPTIONAL_FILES:
        if name not in every:
            (directory / name).unlink(missing_ok=True)
    return written


def check_directory(directory: Path) -> None:
    """Whether :func:`write_plan` can write there, asked before an hour of solving; nothing is left behind.

    Raises :class:`~probes.strict_toml.InputError` where something else stands, or nothing may be written.
    """
    existing = directory
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise InputError("--out", f"{existing} is not a directory")
    for name in (*PLAN_FILES, *OPTIONAL_FILES):
        _check_place(directory / name, "--out")
    _try_writing(existing, directory, "--out")


def check_file(path: Path, option: str = "--out") -> None:
    """Whether :func:`write_texts` can write ``path``; raises as :func:`check_directory` does, in the name of
    the ``option``."""
    if not path.parent.is_dir():
        raise InputError(option, f"{path}: there is no directory {path.parent}")
    _check_place(path, option)
    _try_writing(path.parent, path, option)


def _check_place(path: Path, option: str) -> None:
    if path.is_dir():
        raise InputError(option, f"{path} is a directory")
    if path.exists() and not path.is_file():
        raise InputError(option, f"{path} is not a regular file")


def _try_writing(directory: Path, named: Path, option: str) -> None:
    """Permissions do not tell (of a read-only disk, of the superuser): make a file, and take it away."""
    trial = directory / f".edgeplan.{secrets.token_hex(4)}.tmp"
    try:
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as fault:
        raise InputError(option, f"{named}: {fault.strerror}") from None


def write_texts(texts: Mapping[Path, str]) -> tuple[Path, ...]:
    """Write files whole: each beside its place, to the disk, then renamed over it.

    No place is touched before every text is on the disk. Raises ``OSError``, which names the place, and
    leaves nothing behind.
    """
    written: list[tuple[Path, Path]] = []
    try:
        for path, text in texts.items():
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
            written.append((temporary, path))
            try:
                with temporary.open("x", encoding="utf-8", newline="") as stream:
                    stream.write(text)
                    stream.flush()
                    os.fsync(stream.fileno())
            except OSError as fault:
                raise OSError(fault.errno, fault.strerror, str(path)) from None
        for temporary, path in written:
            temporary.replace(path)
        for directory in {path.parent for path in texts}:
            _sync_directory(directory)
    finally:
        for temporary, _ in written:
            temporary.unlink(missing_ok=True)
    return tuple(texts)


def _sync_directory(directory: Path) -> None:
    """Put the renames themselves on the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Comma-separated UTF-8 text with line feeds; None and what is not finite are blank."""
    lines = [",".join(header)]
    buffer = io.StringIO(newline="")
    # "\r\n" makes the writer quote a cell that holds either; the line itself ends in "\n" all the same.
    writer = csv.writer(buffer, lineterminator="\r\n")
    for row in rows:
        writer.writerow([_cell(value) for value in row])
        lines.append(buffer.getvalue()[:-2])
        buffer.seek(0)
        buffer.truncate()
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return _decimal(value)
        case int():
            return str(value)
        case _:
            text = str(value)
            return f"'{text}" if text.startswith(_RUN_BY_SPREADSHEETS) else text


def as_written(cell: str) -> str:
    """The text that a cell of one of these files stands for."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_RUN_BY_SPREADSHEETS) else cell


def _decimal(value: float) -> str:
    """Six decimals from 1 up, twelve significant digits below; blank when not finite."""
    if not math.isfinite(value):
        return ""
    if abs(value) < 1:
        return f"{value + 0.0:.12g}"  # + 0.0: a negative zero prints as zero
    return f"{value:.6f}".rstrip("0").rstrip(".")
