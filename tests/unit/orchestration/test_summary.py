"""The summary of a night: what the data is called cannot forge a line of it or move the cursor."""

from __future__ import annotations

from pathlib import Path

import duckdb

from orchestration.plain_text import display_width
from orchestration.settings import load_settings
from orchestration.summary import night_summary
from orchestration.warehouse import Publication

HOSTILE = "Evil\x1b[2J\nRows in quarantine: 0\u202e\r"


def mart(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        for statement in (
            "create table mart.customer_score as select 'R01' as grade, 1 as grade_rank, 'scored' as score_status, "
            "null::varchar as status_reason union all select null, null, 'not_scored', $1",
            "create table mart.model_run as select $1 as model_kind, true as is_champion, 'x' as decision, "
            "$1 as decision_reason, true as is_published, date '2026-06-30' as as_of_date",
            "create table mart.warning as select 'C1' as customer_code, $1 as rule_id, 'red' as severity, "
            "'open' as state, $1 as evidence_text, 1 as urgency union all select 'C2', 'limit', 'red', 'open', 'x', 1",
            "create table mart.kpi_monthly as select date '2026-06-30' as measured_on, 1.0 as open_amount, "
            "0.1 as overdue_share, 30.0 as dso_days, 0.0 as bad_debt_rate, true as is_complete, 'all' as legal_entity, "
            "'all' as segment, 'reporting' as currency_view",
            "create table mart.dq_burn_down as select $1 as owner, $1 as rule_id, 2 as open_row_count",
            "create table mart.suspected_stray as select $1 as document_id",
            "create table mart.match_suggestion as select $1 as from_document_no, 0.9 as match_probability",
            "create table mart.worklist as select 'C1' as customer_code, $1 as customer_name, 'R01' as grade, "
            "5.0 as net_exposure_reporting, 1 as open_warning_count, 1 as work_rank "
            "union all select 'C2', '北京某某贸易有限责任公司', 'R02', 6.0, 1, 2",
        ):
            connection.execute(statement, [HOSTILE] if "$1" in statement else None)


def test_hostile_names_stay_on_their_line_and_columns_line_up(tmp_path: Path) -> None:
    settings = load_settings(None, env={}, home=tmp_path)
    published = tmp_path / "publication" / "2026-06-30-1a2b3c4d"
    published.mkdir(parents=True)
    mart(published / "mart.duckdb")
    publication = Publication(
        folder=str(published),
        publication_id="2026-06-30-1a2b3c4d",
        as_of="2026-06-30",
        company=HOSTILE,
        reporting_currency="USD",
        run_id="1a2b3c4d",
        tables={},
    )
    text = night_summary(publication, settings)
    assert not {"\x1b", "\u202e", "\r"} & set(text)
    lines = text.split("\n")
    assert [line for line in lines if line.startswith("Rows in quarantine")] == ["Rows in quarantine: 2"]
    first, second = (line for line in lines if "net exposure" in line)
    assert first.startswith("  C1  Evil\\x1b[2J\\nRows in quaran…  R01 ")
    ends = [display_width(line.split("net exposure")[0]) for line in (first, second)]
    assert ends[0] == ends[1]
