"""The file in which people answer about documents: what is taken from it, and what is wrong with a bad one."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from orchestration.migrations import bring_forward
from orchestration.sources.errors import SourceError
from orchestration.sources.steward import read_answers, record_answers

HEADER = "source_system,document_no,from_document_no,answer,decided_by,decided_on,reason\n"


def answers(tmp_path: Path, lines: str) -> Path:
    path = tmp_path / "answers.csv"
    path.write_text(HEADER + lines, encoding="utf-8")
    return path


def test_answers_replace_those_of_the_night_before(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        bring_forward(connection)
        for line in ("erp,I1,,owed,Ann,2026-06-01,asked\n", "erp,I2,R7,not_paid_by,Ann,2026-06-02,for I9\n"):
            record_answers(connection, read_answers(answers(tmp_path, line)))
        assert connection.execute(
            "select document_no, from_document_no, answer, decided_on::varchar from ops.document_answer"
        ).fetchall() == [("I2", "R7", "not_paid_by", "2026-06-02")]
        record_answers(connection, read_answers(None))
        assert connection.execute("select count(*) from ops.document_answer").fetchall() == [(0,)]


def test_every_bad_line_is_told_at_once(tmp_path: Path) -> None:
    path = answers(
        tmp_path,
        "erp,I1,,paid,Ann,2026-06-01,asked\nerp,I2,R7,owed,Ann,1 June,asked\n,I3,,stray,Ann,2026-06-01,\n",
    )
    with pytest.raises(SourceError) as caught:
        read_answers(path)
    said = str(caught.value)
    for part in (
        "line 2: answer is 'paid'; here owed or stray",
        "line 3: answer is 'owed'; here not_paid_by",
        "line 3: decided_on is '1 June'",
        "line 4: source_system is empty",
        "line 4: reason is empty",
    ):
        assert part in said


def test_missing_file_and_missing_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"name the file under stewardship\.documents"):
        read_answers(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"lacks the column\(s\) source_system, document_no"):
        read_answers(tmp_path / "other.csv")
