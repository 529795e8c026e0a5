"""Every mart with a few rows that hold together, typed as its contract says, until a test spoils one."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import yaml

from orchestration.migrations import bring_forward

AS_OF = date(2026, 10, 31)
_MARTS = Path(__file__).parents[3] / "dbt_project" / "models" / "marts"


def mart_columns() -> dict[str, dict[str, str]]:
    """Columns and types of every mart, from the contracts beside the models."""
    models = [
        model
        for path in sorted(_MARTS.rglob("*.yml"))
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    ]
    return {
        f"mart.{model['name']}": {column["name"]: column["data_type"] for column in model["columns"]}
        for model in models
    }


COLUMNS = mart_columns()

# One customer with a limit, a score and one open document of 1,000, 40 days past due; one that owes nothing.
ROWS: dict[str, list[dict[str, Any]]] = {
    "dim_customer": [
        {
            "customer_code": "C1",
            "customer_name": "Nordwind",
            "registration_no": "N-1",
            "registration_kind": "OTHER",
            "country": "DE",
            "segment": "mid-market",
            "has_open_balance": True,
        },
        {"customer_code": "C2", "customer_name": "Suedwind", "has_open_balance": False},
    ],
    "fct_invoice": [
        {
            "document_id": "erp|I1",
            "document_kind": "invoice",
            "customer_code": "C1",
            "currency": "USD",
            "amount": 1000,
            "open_amount": 1000,
            "open_amount_reporting": 1000,
            "days_past_due": 40,
            "aging_bucket": "31-60",
            "known_at": "2026-08-22",
        },
        {
            "document_id": "erp|I0",
            "document_kind": "invoice",
            "customer_code": "C2",
            "currency": "USD",
            "amount": 500,
            "open_amount": 0,
            "open_amount_reporting": 0,
            "aging_bucket": "closed",
            "known_at": "2026-01-31",
        },
    ],
    "fct_ledger_entry": [
        {
            "entry_id": "E1",
            "customer_code": "C1",
            "currency": "USD",
            "effective_date": "2026-08-22",
            "known_at": "2026-08-22",
        }
    ],
    "fct_ar_aging": [
        {
            "as_of_date": AS_OF,
            "customer_code": "C1",
            "currency": "USD",
            "current_amount": 0,
            "overdue_1_30_amount": 0,
            "overdue_31_60_amount": 1000,
            "overdue_61_90_amount": 0,
            "overdue_91_plus_amount": 0,
            "open_amount": 1000,
            "open_amount_reporting": 1000,
            "credit_amount_reporting": 0,
        }
    ],
    "fct_exposure": [
        {
            "as_of_date": AS_OF,
            "customer_code": code,
            "open_receivables_reporting": amount,
            "exposure_reporting": amount,
            "net_exposure_reporting": amount,
            "utilisation": utilisation,
            "utilisation_status": status,
        }
        for code, amount, utilisation, status in [("C1", 1000, 0.2, "available"), ("C2", 0, None, "no_limit")]
    ],
    "fct_credit_limit": [
        {
            "source_system": "erp",
            "customer_id": "1",
            "customer_code": "C1",
            "legal_entity": "all",
            "valid_from": "2026-01-01",
            "currency": "USD",
            "amount": 5000,
            "insured_amount": 0,
            "is_in_force": True,
        }
    ],
    "fct_payment_behaviour": [
        {
            "customer_code": "C1",
            "window_months": months,
            "paid_invoice_count": count,
            "payment_index": index,
            "payment_index_status": status,
            "on_time_share": 0.5,
            "days_beyond_terms_weighted": 3.0,
        }
        for months, count, index, status in [
            (3, 2, None, "too_few_paid_invoices"),
            (6, 4, 100.00000001, "available"),
        ]
    ],
    "customer_score": [
        {
            "as_of_date": AS_OF,
            "customer_code": "C1",
            "score_status": "scored",
            "pd": 0.02,
            "grade": "R07",
            "scored_on": AS_OF,
            "expires_on": "2027-01-29",
        },
        *(
            {
                "as_of_date": AS_OF,
                "customer_code": f"C{number}",
                "score_status": status,
                "status_reason": "There is a reason",
            }
            for number, status in [(2, "not_scored"), (3, "in_default"), (4, "in_default"), (5, "in_default")]
        ),
    ],
    "score_reason": [
        {
            "customer_code": "C1",
            "reason_rank": rank,
            "feature": "overdue_share",
            "direction": direction,
            "reason_code": code,
            "contribution_log_odds": size,
            "reason_text": "The overdue share is high",
        }
        # Together the log-odds of a PD of 2 %: ln(0.02 / 0.98) is -3.8918.
        for rank, direction, size, code in [
            (1, "raises", 0.4, "OVERDUE"),
            (2, "lowers", -0.1, "OTHER"),
            (3, "lowers", -4.1918, "BASE"),
        ]
    ],
    "limit_recommendation": [
        {
            "customer_code": "C1",
            "score_status": "scored",
            "recommendation_status": "available",
            "recommended_limit_reporting": 4000,
            "need_reporting": 4800,
            "graded_capacity_reporting": 4400,
            "policy_cap_reporting": 500000,
            "decision": "auto_approve",
        },
        {
            "customer_code": "C3",
            "score_status": "in_default",
            "recommendation_status": "available",
            "recommended_limit_reporting": 0,
            "need_reporting": -10,
            "policy_cap_reporting": 500000,
            "decision": "decline",
        },
    ],
    "warning": [
        {
            "warning_id": "C1|overdue",
            "customer_code": "C1",
            "rule_id": "overdue",
            "state": "open",
            "valid_until": AS_OF,
            "evidence_text": "All of it is overdue",
        }
    ],
    "worklist": [
        {"work_rank": 1, "customer_code": "C1", "priority": 40.0},
    ],
    "kpi_monthly": [
        {
            "month_start_date": "2026-10-01",
            "measured_on": AS_OF,
            "legal_entity": "all",
            "segment": "all",
            "currency_view": view,
            "open_amount": 1000,
            "overdue_share": 1.0,
            "overdue_91_plus_share": 0.0,
            "coverage_customer_share": 1.0,
            "coverage_receivables_share": 1.0,
        }
        for view in ("reporting", "USD")
    ],
    "provision_matrix": [
        {
            "segment": "mid-market",
            "bucket": bucket,
            "bucket_rank": rank,
            "balance_reporting": balance,
            "loss_rate": rate,
            "expected_credit_loss_reporting": loss,
        }
        for rank, bucket, balance, rate, loss in [(1, "current", 0, 0.003, 0), (3, "31-60", 1000, 0.036, 36)]
    ],
    "reconciliation": [
        {
            "balance_date": AS_OF,
            "legal_entity": "E1",
            "currency": currency,
            "gl_difference": difference,
            "gl_unexplained": difference,
            "gl_status": status,
        }
        for currency, difference, status in [("USD", 0, "reconciled"), ("EUR", None, "not_available")]
    ],
    "model_run": [
        {
            "as_of_date": AS_OF,
            "model_id": model,
            "is_published": published,
            "decision": "unchanged",
            "decision_reason": "The challenger is no better",
            "train_to": "2026-07-31",
            "calibration_to": "2026-07-31",
            "walk_learned_to": "2025-01-31",
            "test_from": "2026-01-31",
            "test_to": "2026-07-31",
        }
        for model, published in [("champion", True), ("challenger", False)]
    ],
    "model_monitoring": [
        {
            "as_of_date": AS_OF,
            "model_id": "champion",
            "metric": "psi",
            "feature": "",
            "value": 0.3,
            "convention_bound": 0.25,
            "is_within_convention": False,
            "is_within_chi_squared": True,
        }
    ],
    "feature_availability": [
        {
            "as_of_date": AS_OF,
            "feature": "disputes_open_share",
            "cutoff_date": AS_OF,
            "is_as_of": True,
            "available_share": 1.0,
            "learned_available_share": 1.0,
            "nonzero_share": 0.04,
            "learned_nonzero_share": 0.03,
            "is_as_learned": True,
        }
    ],
}
_GRADES = [("R06", 6, 0.0175), ("R07", 7, 0.025), ("R08", 8, 0.05)]


def build_world() -> duckdb.DuckDBPyConnection:
    """An in-memory warehouse as the last dbt stage leaves it."""
    con = duckdb.connect()
    bring_forward(con)
    con.execute(
        """
        INSERT INTO ops.source_table VALUES ('gl_balances', 'erp', true), ('credit_limits', 'erp', true);
        CREATE TABLE policy.rating_scale (version INTEGER, valid_from DATE, grade VARCHAR, grade_rank INTEGER,
            pd_upper DECIMAL(9, 6));
        -- A scale to come, which must not judge tonight's scores.
        INSERT INTO policy.rating_scale VALUES (2, '2027-01-01', 'R07', 7, 0.0001);
        """
    )
    con.executemany(
        "INSERT INTO policy.rating_scale VALUES (1, '2000-01-01', ?, ?, ?)",
        [list(grade) for grade in _GRADES],
    )
    for mart, columns in COLUMNS.items():
        con.execute(f"CREATE TABLE {mart} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
    for mart, rows in ROWS.items():
        for row in rows:
            con.execute(
                f"INSERT INTO mart.{mart} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                list(row.values()),
            )
    return con
