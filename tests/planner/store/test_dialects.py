"""The statements that docs/store.md gives are those of the code."""

from pathlib import Path

import pytest

from planner.store.dialects import DIALECTS, introduction, statement

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "store.md").read_text("utf-8")
URL = "s3://bucket/team/measurements"


@pytest.mark.parametrize("engine", DIALECTS)
def test_the_document_has_the_statement(engine):
    for text in (introduction(engine, URL), statement(engine, URL)):
        indented = "".join(f"    {line}\n" if line else "\n" for line in f"{text};".splitlines())
        assert not text or indented in DOCUMENT


def test_every_engine_is_asked_the_same():
    # What is left of a statement without its own ways is one and the same.
    plain = set()
    for engine, dialect in DIALECTS.items():
        text = statement(engine, URL, days=3)
        x = f"CASE WHEN failure IS NULL THEN rtt_ms ELSE {dialect.infinity} END"
        for q in ("0.5", "0.95"):
            text = text.replace(dialect.quantile.format(x=x, q=q), "Q")
        plain.add(text.replace(dialect.table.format(url=URL), "T").replace(dialect.today.format(days=3), "D"))
    assert len(plain) == 1
