"""The tables of the first version: landing's book, gates, customer codes, ledger history and scores."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_SCHEMAS = ("raw", "landing", "staging", "quarantine", "policy", "core", "features", "ml", "mart", "ops")
_TABLES = {
    # What was read, repaired and totalled, and who delivers what (orchestration/sources/records.py).
    "ops.source_table": "table_name varchar, source_system varchar, is_provided boolean",
    "ops.landing": (
        "as_of_date date, source_system varchar, table_name varchar, source_file varchar, rows_read bigint, "
        "rows_landed bigint, rows_deleted bigint, cursor_value varchar, status varchar"
    ),
    "ops.landed_file": (
        "source_system varchar, table_name varchar, source_file varchar, size_bytes bigint, content_hash varchar, "
        "rows_read bigint, as_of_date date"
    ),
    "ops.landed_build": "table_name varchar, as_of_date date, latest_rowid bigint",
    "ops.source_column": (
        "source_system varchar, table_name varchar, column_name varchar, first_seen_on date, is_read boolean, "
        "is_new boolean"
    ),
    "ops.source_total": (
        "as_of_date date, source_system varchar, table_name varchar, source_file varchar, currency varchar, "
        "row_count bigint, amount decimal(38, 6), unreadable_count bigint"
    ),
    "ops.repair": (
        "source_system varchar, table_name varchar, _row_key varchar, _occurrence integer, column_name varchar, "
        "repair varchar, original_value varchar, repaired_value varchar, reason varchar"
    ),
    # What the gates found (quality/runner.py) and kept apart (quality/quarantine.py).
    "ops.dq_result": (
        "as_of_date date, table_name varchar, rule_id varchar, dimension varchar, severity varchar, owner varchar, "
        "status varchar, rows_checked bigint, rows_failed bigint, rows_failed_old bigint, rows_quarantined bigint, "
        "max_failed_share double, expected varchar, message varchar, remedy varchar, sample_keys varchar[]"
    ),
    "ops.dq_failing_row": (
        "as_of_date date, table_name varchar, rule_id varchar, severity varchar, is_old boolean, "
        "source_system varchar, _row_key varchar, _occurrence integer, column_names varchar[]"
    ),
    "ops.dq_table": (
        "as_of_date date, table_name varchar, rows_landed bigint, rows_accepted bigint, rows_quarantined bigint, "
        "rows_released bigint, values_withheld bigint, quarantine_threshold double"
    ),
    "quarantine.held": (
        "table_name varchar, rule_id varchar, owner varchar, source_system varchar, _row_key varchar, "
        "_occurrence integer, first_quarantined_on date, last_quarantined_on date, original_values json"
    ),
    "quarantine.released": (
        "table_name varchar, rule_id varchar, owner varchar, source_system varchar, _row_key varchar, "
        "_occurrence integer, first_quarantined_on date, released_on date, original_values json, outcome varchar"
    ),
    "quarantine.withheld_value": (
        "as_of_date date, table_name varchar, column_name varchar, rule_id varchar, owner varchar, reason varchar, "
        "remedy varchar, source_system varchar, _row_key varchar, _occurrence integer, original_value varchar"
    ),
    # Customer codes (models_ml/entities/resolution.py). `customer_code` remembers for good which source record a
    # number was first issued to, so that no number ever means another company, whichever night is run again.
    "core.customer_code": (
        "customer_code varchar, source_system varchar, customer_id varchar, issued_on date"
    ),
    "core.xref_history": (
        "source_system varchar, customer_id varchar, customer_code varchar, match_rule varchar, valid_from date, "
        "valid_to date"
    ),
    "core.customer_split": (
        "customer_code varchar, new_customer_code varchar, source_system varchar, customer_id varchar, "
        "split_on date, reason varchar"
    ),
    "core.match_parameter": (
        "as_of_date date, comparison varchar, level_rank integer, level varchar, m_probability double, "
        "u_probability double, origin varchar"
    ),
    # What earlier nights booked (orchestration/ledger_history.py).
    "core.ledger_history": (
        "entry_id varchar, posting_id varchar, posting_type varchar, reverses_entry_id varchar, "
        "source_system varchar, customer_id varchar, customer_code varchar, document_id varchar, "
        "document_kind varchar, entry_kind varchar, counter_document_id varchar, legal_entity varchar, "
        "due_date date, effective_date date, known_at date, recorded_date date, booked_on date, currency varchar, "
        "amount decimal(18, 2), amount_reporting decimal(18, 2), load_id varchar"
    ),
    # What a night's model work hands to the marts (orchestration/defs/learn.py and score.py).
    "ml.model_run": (
        "as_of_date date, model_id varchar, model_kind varchar, is_champion boolean, is_published boolean, "
        "decision varchar, decision_reason varchar, train_from date, train_to date, calibration_from date, "
        "calibration_to date, test_from date, test_to date, train_rows bigint, train_events bigint, "
        "test_rows bigint, test_events bigint, data_fingerprint varchar, policy_version varchar, "
        "horizon_months integer, metrics json"
    ),
    "ml.model_metric": (
        "as_of_date date, model_id varchar, model_kind varchar, sample varchar, metric varchar, segment varchar, "
        "value double, lower_95 double, upper_95 double, row_count bigint, event_count bigint"
    ),
    "ml.customer_score": (
        "as_of_date date, customer_code varchar, score_status varchar, status_reason varchar, pd double, "
        "horizon_months integer, points integer, grade varchar, data_depth varchar, model_id varchar, "
        "model_kind varchar, model_role varchar, policy_version varchar, expires_on date"
    ),
    "ml.score_reason": (
        "as_of_date date, customer_code varchar, reason_rank integer, feature varchar, reason_code varchar, "
        "direction varchar, contribution_log_odds double, feature_value double, prior_value double, unit varchar, "
        "reason_text varchar, improvement_text varchar"
    ),
    "ml.model_monitoring": (
        "as_of_date date, model_id varchar, metric varchar, feature varchar, value double, "
        "convention_bound double, chi_squared_bound double, reference_count bigint, current_count bigint, "
        "bin_count bigint, is_within_convention boolean, is_within_chi_squared boolean"
    ),
}


def apply(connection: duckdb.DuckDBPyConnection, published: Collection[date]) -> None:
    """Make what is missing: the first version made each table when it first wrote to it, and kept no number."""
    for schema in _SCHEMAS:
        connection.execute(f"create schema if not exists {schema}")
    for name, columns in _TABLES.items():
        connection.execute(f"create table if not exists {name} ({columns})")
    # Warehouses before the first version lack it.
    connection.execute("alter table ops.source_column add column if not exists is_new boolean")
