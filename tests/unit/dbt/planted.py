"""Plant the finished tables a model reads, so that it can be run alone on chosen numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from models_ml.features import NAMES
from tests.factories import insert_rows, make_warehouse, run_dbt

_FEATURES = ", ".join(f"{name} DOUBLE" for name in NAMES)

TABLES = {
    "mart.dim_customer": (
        "customer_code VARCHAR, customer_name VARCHAR, segment VARCHAR, payment_terms_days INTEGER, "
        "account_owner VARCHAR, industry_code VARCHAR, country VARCHAR"
    ),
    "mart.customer_score": (
        "customer_code VARCHAR, customer_name VARCHAR, score_status VARCHAR, status_reason VARCHAR, "
        "pd DOUBLE, grade VARCHAR, grade_rank INTEGER, data_depth VARCHAR, pd_ratio_30d DOUBLE"
    ),
    "mart.fct_exposure": (
        "customer_code VARCHAR, exposure_reporting DECIMAL(38,4), net_exposure_reporting DECIMAL(38,4), "
        "open_receivables_reporting DECIMAL(38,4), overdue_amount_reporting DECIMAL(38,4), "
        "zero_limit_exposure_reporting DECIMAL(38,4), expired_limit_exposure_reporting DECIMAL(38,4), "
        "delivered_not_invoiced_reporting DECIMAL(38,4), open_orders_reporting DECIMAL(38,4), "
        "orders_status VARCHAR, "
        "insured_reporting DECIMAL(38,4), credit_limit_reporting DECIMAL(38,4), utilisation DOUBLE"
    ),
    "mart.fct_ar_aging": (
        "as_of_date DATE, customer_code VARCHAR, open_amount_reporting DECIMAL(38,4), "
        "current_amount_reporting DECIMAL(38,4), "
        "overdue_1_30_amount_reporting DECIMAL(38,4), overdue_31_60_amount_reporting DECIMAL(38,4), "
        "overdue_61_90_amount_reporting DECIMAL(38,4), overdue_91_plus_amount_reporting DECIMAL(38,4)"
    ),
    "mart.roll_rate": (
        "segment VARCHAR, bucket VARCHAR, implied_loss_rate DECIMAL(9,6), implied_loss_rate_status VARCHAR, "
        "implied_month_pair_count INTEGER"
    ),
    "features.customer_cutoff": (
        "customer_code VARCHAR, cutoff_date DATE, is_as_of BOOLEAN, months_of_history INTEGER, "
        "sales_12m_amount_reporting DECIMAL(38,4), sales_3m_amount_reporting DECIMAL(38,4), "
        "paid_12m_amount_reporting DECIMAL(38,4), equity_amount_reporting DECIMAL(38,4), "
        "revenue_amount_reporting DECIMAL(38,4), legal_notice_count_90d INTEGER, "
        "open_amount_reporting DECIMAL(38,4), is_in_default_at_cutoff BOOLEAN, has_financials BOOLEAN, "
        "exposure_amount_reporting DECIMAL(38,4), material_days_past_due DOUBLE, "
        f"has_bureau BOOLEAN, {_FEATURES}"
    ),
    "features.customer_label": (
        "customer_code VARCHAR, cutoff_date DATE, horizon_end_date DATE, label_known BOOLEAN, is_event INTEGER, "
        "event_kind VARCHAR, event_date DATE, event_amount_reporting DECIMAL(38,4)"
    ),
    "core.default_period": (
        "basis VARCHAR, customer_code VARCHAR, cause VARCHAR, default_from DATE, default_to DATE"
    ),
    "features.customer_cutoff_prior": (
        f"customer_code VARCHAR, cutoff_date DATE, prior_cutoff_date DATE, {_FEATURES}"
    ),
    "mart.score_reason": "customer_code VARCHAR, reason_rank INTEGER, direction VARCHAR, reason_text VARCHAR",
    "mart.warning": (
        "customer_code VARCHAR, rule_id VARCHAR, family VARCHAR, state VARCHAR, severity VARCHAR, "
        "opened_on DATE, urgency DECIMAL(9,2), evidence_text VARCHAR, warning_id VARCHAR, worst_severity VARCHAR, "
        "last_seen_on DATE, rule_version INTEGER"
    ),
    "ml.walk_forward_score": (
        "customer_code VARCHAR, cutoff_date DATE, pd DOUBLE, model_id VARCHAR, model_kind VARCHAR"
    ),
    "mart.limit_recommendation": (
        "customer_code VARCHAR, current_limit_reporting DECIMAL(38,4), "
        "recommended_limit_reporting DECIMAL(38,4), decision VARCHAR"
    ),
    "core.warning_signal": (
        "as_of_date DATE, customer_code VARCHAR, rule_id VARCHAR, family VARCHAR, level VARCHAR, "
        "metric VARCHAR, value DOUBLE, prior_value DOUBLE, amber DECIMAL(18,4), red DECIMAL(18,4), "
        "unit VARCHAR, direction VARCHAR, valid_days INTEGER, urgency DECIMAL(9,2), "
        "amount_at_risk_reporting DECIMAL(38,4), evidence_text VARCHAR, "
        "rule_version INTEGER, role VARCHAR, prior_date DATE"
    ),
}


def plant(
    path: Path,
    tables: Mapping[str, Iterable[Mapping[str, Any]]],
    *,
    policy: Sequence[str],
    as_of: str,
) -> Path:
    """A warehouse with the `policy` seeds, and `tables` (names of TABLES) where dbt would build them."""
    make_warehouse(path, {}, as_of=as_of)
    run_dbt(path, select=policy, as_of=as_of, command="seed")
    replant(path, tables)
    return path


def replant(path: Path, tables: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    """Replace the rows of the planted `tables`."""
    with duckdb.connect(str(path)) as con:
        for name, rows in tables.items():
            con.execute(f"create or replace table {name} ({TABLES[name]})")
            insert_rows(con, name, rows)
