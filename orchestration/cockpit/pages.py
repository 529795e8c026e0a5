"""The pages about the whole company: each selects from the mart and says how it is shown; nothing is computed here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestration.cockpit.blocks import Bars, Block, Figures, Lines, shown
from orchestration.cockpit.mart import Mart

_COMPANY = "legal_entity = 'all' and segment = 'all' and currency_view = 'reporting'"


def today(mart: Mart) -> Sequence[Block]:
    """Who needs work today."""
    worklist = mart.rows("select *, customer_name as customer_code_text from worklist order by work_rank")
    defaults = mart.rows(
        "select *, customer_name as customer_code_text from default_worklist order by work_rank limit 100"
    )
    held = mart.rows(
        "select exposure.*, customer.customer_name as customer_code_text, recommendation.recommended_limit_reporting, "
        "recommendation.decision from fct_exposure as exposure join dim_customer as customer using (customer_code) "
        "join limit_recommendation as recommendation using (customer_code) "
        "where recommendation.decision = 'auto_approve' and exposure.utilisation > 1 "
        "order by exposure.exposure_reporting desc nulls last limit 50"
    )
    requests = mart.rows(
        "select decision.*, customer.customer_name as customer_code_text from fct_credit_decision as decision "
        "join dim_customer as customer using (customer_code) where decided_at is null order by requested_at limit 100"
    )
    return [
        mart.table(
            "worklist", "worklist",
            [("work_rank", "number"), ("customer_code", "customer"), ("is_new", "text"), ("grade", "grade"),
             ("pd", "share"), ("overdue_amount_reporting", "amount"), ("net_exposure_reporting", "amount"),
             ("warnings_text", "text"), ("top_reason", "text"), ("decision", "code"), ("account_owner", "text")],
            worklist, note="worklist_note",
        ),
        mart.table(
            "default_worklist", "default_worklist",
            [("customer_code", "customer"), ("default_from", "date"), ("causes", "text"),
             ("open_receivables_reporting", "amount"), ("overdue_amount_reporting", "amount"),
             ("net_exposure_reporting", "amount"), ("account_owner", "text")],
            defaults, note="default_worklist_note",
        ),
        mart.table(
            "over_limit_sound", "fct_exposure",
            [("customer_code", "customer"), ("exposure_reporting", "amount"), ("credit_limit_reporting", "amount"),
             ("utilisation", "share"), ("recommended_limit_reporting", "amount")],
            held, note="over_limit_sound_note",
        ),
        mart.table(
            "requests", "fct_credit_decision",
            [("request_id", "text"), ("customer_code", "customer"), ("requested_at", "date"), ("amount", "amount"),
             ("currency", "text")],
            requests, note="requests_note",
        ),
    ]  # fmt: skip


def portfolio(mart: Mart) -> Sequence[Block]:
    """What is at stake, with whom, and what it is expected to cost."""
    word = mart.word
    total = mart.one(
        "select sum(exposure_reporting) as exposure, sum(net_exposure_reporting) as net, "
        "sum(open_receivables_reporting) as receivables, sum(overdue_amount_reporting) as overdue, "
        "sum(credit_limit_reporting) as limits, count(*) filter (exposure_reporting is null) as unknown "
        "from fct_exposure"
    )
    loss = mart.one("select sum(expected_credit_loss_reporting) as loss from provision_matrix")
    aging = mart.rows(
        "select bucket, sum(balance_reporting) as amount, min(bucket_rank) as rank from provision_matrix "
        "group by bucket order by rank"
    )
    grades = mart.rows(
        "select score.grade, count(*) as customers, sum(exposure.net_exposure_reporting) as amount "
        "from customer_score as score join fct_exposure as exposure using (customer_code) "
        "where score.grade is not null group by score.grade order by score.grade"
    )
    countries = mart.rows(
        "select coalesce(customer.country, '?') as name, sum(exposure.net_exposure_reporting) as amount "
        "from fct_exposure as exposure join dim_customer as customer using (customer_code) "
        "group by 1 having amount > 0 order by amount desc, name limit 12"
    )
    largest = mart.rows(
        "select exposure.*, customer.customer_name as customer_code_text, score.grade, score.pd "
        "from fct_exposure as exposure join dim_customer as customer using (customer_code) "
        "left join customer_score as score using (customer_code) "
        "order by exposure.exposure_reporting desc nulls last, customer_code limit 30"
    )
    cash = mart.rows(
        "select week_number, min(week_start) as week_start, currency, sum(expected_amount) as expected_amount "
        "from cash_forecast group by week_number, currency order by currency, week_number"
    )
    provisions = mart.rows("from provision_matrix order by segment, bucket_rank")
    figures = [
        (word("total_exposure"), shown(total.get("exposure"), "amount"),
         mart.meaning("fct_exposure", "exposure_reporting")),
        (word("net_exposure"), shown(total.get("net"), "amount"),
         mart.meaning("fct_exposure", "net_exposure_reporting")),
        (word("receivables"), shown(total.get("receivables"), "amount"),
         mart.meaning("fct_exposure", "open_receivables_reporting")),
        (word("overdue"), shown(total.get("overdue"), "amount"),
         mart.meaning("fct_exposure", "overdue_amount_reporting")),
        (word("limits"), shown(total.get("limits"), "amount"), mart.meaning("fct_exposure", "credit_limit_reporting")),
        (word("expected_loss"), shown(loss.get("loss"), "amount"),
         mart.meaning("provision_matrix", "expected_credit_loss_reporting")),
        (word("exposure_unknown"), shown(total.get("unknown")), word("exposure_unknown_meaning")),
    ]  # fmt: skip
    return [
        Figures(word("at_stake"), figures),
        _bars(mart, "aging", [(word.name(f"bucket_{row['bucket']}"), row["amount"]) for row in aging]),
        _bars(mart, "grades", [(f"{row['grade']}  ({row['customers']:,})", row["amount"]) for row in grades],
         "grades_note"),
        _bars(mart, "countries", [(row["name"], row["amount"]) for row in countries]),
        mart.table(
            "concentration", "concentration",
            [("dimension", "code"), ("holder_count", "number"), ("herfindahl_index", "number"),
             ("largest_name", "text"),
             ("largest_share", "share"), ("ten_largest_share", "share")],
            mart.rows("from concentration order by herfindahl_index, dimension"),
        ),
        mart.table(
            "largest", "fct_exposure",
            [("customer_code", "customer"), ("exposure_reporting", "amount"), ("net_exposure_reporting", "amount"),
             ("overdue_amount_reporting", "amount"), ("credit_limit_reporting", "amount"), ("utilisation", "share"),
             ("grade", "grade"), ("pd", "share")],
            largest,
        ),
        mart.table(
            "cash_forecast", "cash_forecast",
            [("currency", "text"), ("week_number", "number"), ("week_start", "date"), ("expected_amount", "amount")],
            cash, note="cash_forecast_note",
        ),
        mart.table(
            "provisions", "provision_matrix",
            [("segment", "text"), ("bucket", "text"), ("balance_reporting", "amount"), ("loss_rate", "share"),
             ("expected_credit_loss_reporting", "amount"), ("loss_rate_basis", "code")],
            provisions,
        ),
    ]  # fmt: skip


def kpis(mart: Mart) -> Sequence[Block]:
    """Key figures against baseline and target, and how they moved."""
    word = mart.word
    targets = mart.rows("from kpi_target order by kpi")
    months = mart.rows(f"select * from kpi_monthly where {_COMPANY} order by measured_on desc limit 25")[::-1]
    wanted = {row["kpi"]: row["target_value"] for row in targets}
    lines: list[Block] = []
    for name, kind in (
        ("dso_days", "number"), ("overdue_share", "share"), ("bad_debt_rate", "share"),
        ("collection_effectiveness_index", "number"), ("coverage_receivables_share", "share"),
    ):  # fmt: skip
        points = [
            (row["measured_on"], _number(row.get(name)) if row["is_complete"] else None) for row in months
        ]
        last = next((value for _, value in reversed(points) if value is not None), None)
        lines.append(
            Lines(
                word(f"col_{name}"), points, shown(last, kind), word("nothing"), _number(wanted.get(name)),
                mart.meaning("kpi_monthly", name),
            )
        )  # fmt: skip
    for row in targets:
        kind = "share" if row["unit"] == "share" else "number"
        for column in ("actual_value", "baseline_value", "target_value"):
            row[f"{column}_shown"] = shown(row[column], kind)
    return [
        mart.table(
            "kpi_target", "kpi_target",
            [("description", "text"), ("actual_value_shown", "text"), ("measured_on", "date"),
             ("baseline_value_shown", "text"),
             ("target_value_shown", "text"), ("target_date", "date"), ("status", "code"), ("owner", "text")],
            targets,
        ),
        *lines,
    ]  # fmt: skip


def warnings(mart: Mart) -> Sequence[Block]:
    """What is warned of, and whether warnings were right."""
    record = mart.rows("from kpi_warning where episode_count > 0 order by basis, scope, scope_id, severity")
    open_ones = mart.rows(
        "select warning.*, customer.customer_name as customer_code_text from warning join dim_customer as customer "
        "using (customer_code) where state = 'open' "
        "order by severity = 'red' desc, amount_at_risk_reporting desc nulls last, warning_id limit 500"
    )
    closed = mart.rows(
        "select outcome.*, customer.customer_name as customer_code_text from warning_outcome as outcome "
        "join dim_customer as customer using (customer_code) order by opened_on desc, warning_id limit 300"
    )
    return [
        mart.table(
            "warning_record", "kpi_warning",
            [("basis", "code"), ("scope", "code"), ("scope_id", "code"), ("severity", "severity"),
             ("episode_count", "number"),
             ("precision_share", "share"), ("precision_lower_95", "share"), ("precision_upper_95", "share"),
             ("base_rate", "share"), ("recall_share", "share"), ("recall_amount_share", "share"),
             ("lead_days_median", "days"), ("openings_per_1000_customers_week", "number")],
            record, note="warning_record_note",
        ),
        mart.table(
            "open_warnings", "warning",
            [("customer_code", "customer"), ("family", "code"), ("rule_id", "code"), ("severity", "severity"),
             ("opened_on", "date"), ("evidence_text", "text"), ("amount_at_risk_reporting", "amount")],
            open_ones,
        ),
        mart.table(
            "warning_outcomes", "warning_outcome",
            [("customer_code", "customer"), ("family", "code"), ("rule_id", "code"), ("severity", "severity"),
             ("opened_on", "date"), ("is_event", "text"), ("event_date", "date"), ("lead_days", "days"),
             ("basis", "code")],
            closed,
        ),
    ]  # fmt: skip


def model(mart: Mart) -> Sequence[Block]:
    """Which model scores, why, and what it is worth."""
    runs = mart.rows(
        "from model_run where as_of_date = (select max(as_of_date) from model_run) order by model_kind"
    )
    metrics = mart.rows(
        "select * from model_metric where segment = 'all' and as_of_date = (select max(as_of_date) from model_metric) "
        "and metric in ('auc', 'log_loss', 'brier', 'calibration_ratio', 'top_decile_event_share') "
        "order by metric, model_kind, model_id"
    )
    forecasts = mart.rows("from late_risk_record order by as_of_date desc limit 30")
    return [
        mart.table(
            "model_runs", "model_run",
            [("model_kind", "code"), ("is_published", "text"), ("is_champion", "text"), ("decision_reason", "text"),
             ("test_from", "date"), ("test_to", "date"), ("test_event_count", "number")],
            runs,
        ),
        mart.table(
            "model_metrics", "model_metric",
            [("metric", "code"), ("model_kind", "code"), ("value", "number"), ("lower_95", "number"),
             ("upper_95", "number"),
             ("event_count", "number")],
            metrics, note="model_metrics_note",
        ),
        mart.table(
            "late_risk_record", "late_risk_record",
            [("as_of_date", "date"), ("checked_on", "date"), ("status", "code"), ("document_count", "number"),
             ("mean_absolute_error_days", "number"), ("auc", "number"), ("level", "number")],
            forecasts,
        ),
    ]  # fmt: skip


def quality(mart: Mart) -> Sequence[Block]:
    """What waits because of its data, by who can mend it."""
    held = mart.rows("from quarantine_summary order by owner, row_count desc, rule_id")
    waiting = mart.rows("from waiting_summary order by row_count desc")
    rules = mart.rows(
        "from dq_result where status <> 'passed' and status <> 'not_applicable' "
        "and as_of_date = (select max(as_of_date) from dq_result) order by owner, rows_failed desc, rule_id"
    )
    return [
        mart.table(
            "quarantine", "quarantine_summary",
            [("owner", "text"), ("table_name", "text"), ("rule_id", "text"), ("row_count", "number"),
             ("currency", "text"),
             ("amount", "amount"), ("reason", "text"), ("remedy", "text"), ("oldest_quarantined_on", "date")],
            held,
        ),
        mart.table(
            "rules_failed", "dq_result",
            [("owner", "text"), ("rule_id", "text"), ("severity", "text"), ("status", "text"),
             ("rows_failed", "number"),
             ("rows_checked", "number"), ("remedy", "text")],
            rules,
        ),
        mart.table("waiting", "waiting_summary", [("source_table", "text"), ("reason", "text"),
         ("row_count", "number")], waiting),
    ]  # fmt: skip


def night(mart: Mart) -> Sequence[Block]:
    """Whether the books of the night add up, and how late its sources are."""
    delays = mart.rows("from source_delay order by source_system, table_name")
    differences = mart.rows(
        "from reconciliation where balance_date = (select max(balance_date) from reconciliation) "
        "order by legal_entity, currency"
    )
    sources = mart.rows(
        "from reconciliation_source where amount_difference <> 0 or row_count_difference <> 0 "
        "order by abs(amount_difference) desc limit 50"
    )
    return [
        mart.table(
            "reconciliation", "reconciliation",
            [("legal_entity", "text"), ("currency", "text"), ("balance_amount", "amount"), ("ledger_amount", "amount"),
             ("source_amount", "amount"), ("gl_balance", "amount"), ("gl_difference", "amount"), ("gl_status", "code")],
            differences, note="reconciliation_note",
        ),
        mart.table(
            "source_differences", "reconciliation_source",
            [("source_system", "text"), ("source_table", "text"), ("currency", "text"), ("source_amount", "amount"),
             ("ledger_amount", "amount"), ("amount_difference", "amount"), ("difference_cause", "text")],
            sources,
        ),
        mart.table(
            "source_delays", "source_delay",
            [("source_system", "text"), ("table_name", "text"), ("row_count", "number"),
             ("delay_days_median", "number"),
             ("delay_days_p90", "number"), ("delay_status", "code")],
            delays,
        ),
    ]  # fmt: skip


def definitions(mart: Mart) -> Sequence[Block]:
    """What each metric means, and where it stands."""
    return [
        mart.table(
            "definitions", "metric_definition",
            [("metric", "text"), ("definition", "text"), ("unit", "text"), ("table_name", "text"),
             ("column_name", "text")],
            mart.rows("from metric_definition order by metric"), note="definitions_note",
        )
    ]  # fmt: skip


PAGES: dict[str, Callable[[Mart], Sequence[Block]]] = {
    "index": today,
    "portfolio": portfolio,
    "kpi": kpis,
    "warnings": warnings,
    "model": model,
    "quality": quality,
    "night": night,
    "definitions": definitions,
}


def _bars(mart: Mart, title: str, amounts: Sequence[tuple[str, object]], note: str = "") -> Bars:
    known = [(name, _number(amount) or 0.0) for name, amount in amounts]
    most = max((amount for _, amount in known), default=0.0)
    return Bars(
        mart.word(title),
        [
            (name, shown(amount, "amount"), max(amount, 0.0) / most if most > 0 else 0.0)
            for name, amount in known
        ],
        mart.word("nothing"),
        mart.word(note) if note else "",
    )


def _number(value: object) -> float | None:
    return None if value is None else float(value)  # type: ignore[arg-type]
