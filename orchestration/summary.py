"""The night in words a credit manager can read, taken from the published mart alone."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from orchestration.plain_text import fitted, padded, plain
from orchestration.warehouse import Publication, open_warehouse
from quality.currencies import minor_units

if TYPE_CHECKING:
    import duckdb

    from orchestration.settings import Settings

_WIDTH = 30


def night_summary(publication: Publication, settings: Settings) -> str:
    """Grades, warnings, overdue share and DSO, quarantine by owner, and where to look next."""
    with open_warehouse(publication.mart_path, read_only=True) as connection:
        sections = [
            f"{plain(publication.company)}: night of {publication.as_of} published",
            _scores(connection),
            _warnings(connection),
            _receivables(connection, publication.reporting_currency),
            _quarantine(connection),
            _where_next(connection, publication, settings),
        ]
    return "\n\n".join(sections)


def _scores(connection: duckdb.DuckDBPyConnection) -> str:
    grades = _rows(
        connection,
        "select grade, count(*) from mart.customer_score where score_status = 'scored' "
        "group by grade, grade_rank order by grade_rank",
    )
    others = _rows(
        connection,
        "select score_status, count(*) as customers, any_value(status_reason order by status_reason) "
        "from mart.customer_score where score_status <> 'scored' group by all order by customers desc, score_status",
    )
    model = _rows(
        connection,
        "select model_kind, case when is_champion then 'champion' else decision end, decision_reason "
        "from mart.model_run where is_published and as_of_date = (select max(as_of_date) from mart.model_run)",
    )
    most = max((count for _, count in grades), default=1)
    lines = [f"Customers scored: {sum(count for _, count in grades):,}"]
    lines += [
        f"  {padded(grade, 6)}{count:>8,}  {'#' * round(_WIDTH * count / most)}" for grade, count in grades
    ]
    lines += [
        f"  {_spaced(status)}: {count:,} (for example: {plain(reason)})" for status, count, reason in others
    ]
    for kind, role, reason in model:
        lines.append(f"  model: {plain(kind)}, {plain(role)}")
        lines += textwrap.wrap(plain(reason), 100, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _warnings(connection: duckdb.DuckDBPyConnection) -> str:
    by_rule = _rows(
        connection,
        "select rule_id, count(*) filter (severity = 'red') as red, count(*) filter (severity = 'amber') as amber "
        "from mart.warning where state = 'open' group by rule_id order by red desc, amber desc, rule_id",
    )
    red, amber = sum(row[1] for row in by_rule), sum(row[2] for row in by_rule)
    lines = [f"Open warnings: {red:,} red, {amber:,} amber"]
    lines += [f"  {padded(_spaced(rule), _WIDTH)}{r:>6,} red {a:>6,} amber" for rule, r, a in by_rule]
    return "\n".join(lines)


def _receivables(connection: duckdb.DuckDBPyConnection, currency: str) -> str:
    months = _rows(
        connection,
        "select measured_on, open_amount, overdue_share, dso_days, bad_debt_rate, is_complete from mart.kpi_monthly "
        "where legal_entity = 'all' and segment = 'all' and currency_view = 'reporting' "
        "order by measured_on desc limit 1",
    )
    if not months:
        return "Receivables: no month can be measured yet"
    measured_on, open_amount, overdue_share, dso_days, bad_debt_rate, _ = months[0]
    return "\n".join(
        [
            f"Receivables on {measured_on}",
            f"  open             {open_amount:>18,.{minor_units(currency)}f} {plain(currency)}",
            f"  overdue share    {_shown(overdue_share, '{:.1%}'):>18}",
            f"  DSO              {_shown(dso_days, '{:.1f} days'):>18}",
            f"  bad-debt rate    {_shown(bad_debt_rate, '{:.2%}'):>18}",
        ]
    )


def _quarantine(connection: duckdb.DuckDBPyConnection) -> str:
    owners = _rows(
        connection,
        "select owner, sum(open_row_count)::bigint as open_rows, "
        "arg_max(rule_id, open_row_count) from mart.dq_burn_down group by owner having open_rows > 0 "
        "order by open_rows desc, owner",
    )
    lines = [f"Rows in quarantine: {sum(row[1] for row in owners):,}"]
    lines += [f"  {padded(owner, _WIDTH)}{rows:>8,}  mostly {_spaced(rule)}" for owner, rows, rule in owners]
    return "\n".join([*lines, *_to_answer(connection)])


def _to_answer(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Documents and unapplied money that wait for a person's word."""
    [(strays, items)] = _rows(
        connection,
        "select (select count(*) from mart.suspected_stray), "
        "(select count(distinct from_document_no) from mart.match_suggestion where match_probability >= .5)",
    )
    if not strays and not items:
        return []
    return [
        "",
        "Accounts Receivable is asked about",
        f"  overtaken by newer, paid documents{strays:>12,}  mart.suspected_stray",
        f"  receipts and credits to apply{items:>17,}  mart.match_suggestion",
    ]


def _where_next(connection: duckdb.DuckDBPyConnection, publication: Publication, settings: Settings) -> str:
    cases = _rows(
        connection,
        "select work.customer_code, work.customer_name, work.grade, work.net_exposure_reporting, "
        "work.open_warning_count, arg_max(warning.evidence_text, (warning.severity = 'red', warning.urgency)) "
        "from mart.worklist as work join mart.warning on warning.customer_code = work.customer_code "
        "and warning.state = 'open' where work.work_rank <= 5 "
        "group by work.work_rank, work.customer_code, work.customer_name, work.grade, "
        "work.net_exposure_reporting, work.open_warning_count order by work.work_rank",
    )
    lines = ["Look first at"]
    lines += [
        f"  {plain(code)}  {fitted(name or '', 28)}  {padded(grade or '-', 4)} net exposure {exposure:>12,.0f}  "
        f"{warnings} warnings, {plain(first)}"
        for code, name, grade, exposure, warnings, first in cases
    ]
    lines += [
        "",
        f"Mart      {publication.mart_path}",
        f"          also {settings.publication_dir / 'current' / 'parquet'}",
        *(
            f"Cockpit   {settings.publication_dir / 'current' / 'cockpit' / language / 'index.html'}"
            for language in settings.cockpit.languages
        ),
        f"Quality   {settings.quality_dir / 'index.html'}",
        "Runs      trade-credit ui",
    ]
    return "\n".join(lines)


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def _spaced(name: str) -> str:
    return plain(name).replace("_", " ")


def _shown(value: Any, form: str) -> str:
    return "not available" if value is None else form.format(value)
