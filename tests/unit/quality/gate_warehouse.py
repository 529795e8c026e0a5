"""A small warehouse as landing leaves it, with rows that pass every rule until a test spoils one."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from orchestration.migrations import bring_forward
from orchestration.sources.contract import CONTRACT, SYSTEM_COLUMNS
from quality.catalog import Rule, load_rules
from quality.runner import GateReport, QuarantineThresholds, run_gate

AS_OF = date(2026, 10, 31)

SOUND: dict[str, dict[str, str | None]] = {
    "customers": {
        "customer_id": "C1",
        "legal_name": "Nordwind Maschinenbau GmbH",
        "registration_no": "DE136695976",
        "registration_kind": "VAT",
        "country": "DE",
        "email": "ap@nordwind.example",
        "customer_since": "2024-02-29",
        "updated_at": "2026-10-20 08:00:00",
    },
    "invoices": {
        "invoice_id": "I1",
        "document_type": "invoice",
        "customer_id": "C1",
        "legal_entity": "E1",
        "issue_date": "2026-10-25",
        "due_date": "2026-11-24",
        "currency": "USD",
        "amount": "1190.00",
        "tax_amount": "190.00",
    },
    "payments": {
        "payment_id": "P1",
        "customer_id": "C1",
        "legal_entity": "E1",
        "received_date": "2026-10-28",
        "currency": "USD",
        "amount": "500.00",
        "method": "wire",
    },
    "payment_applications": {
        "application_id": "A1",
        "kind": "cash",
        "from_document_id": "P1",
        "invoice_id": "I1",
        "applied_date": "2026-10-28",
        "currency": "USD",
        "amount": "500.00",
    },
    "fx_rates": {"rate_date": "2026-10-30", "currency": "EUR", "rate": "1.08"},
    "credit_limits": {
        "customer_id": "C1",
        "valid_from": "2026-01-01",
        "currency": "USD",
        "amount": "5000",
        "approved_by": "M. Roth",
    },
    "credit_requests": {
        "request_id": "R1",
        "customer_id": "C1",
        "requested_at": "2026-10-20 09:00:00",
        "decided_at": "2026-10-20 11:30:00",
        "decision": "approved",
        "currency": "USD",
        "amount": "5000.00",
    },
    "orders": {
        "order_id": "O1",
        "customer_id": "C1",
        "legal_entity": "E1",
        "order_date": "2026-10-24",
        "requested_ship_date": "2026-11-05",
        "currency": "USD",
        "amount": "1190.00",
        "delivered_amount": "600.00",
        "invoiced_amount": "600.00",
        "status": "open",
        "credit_hold": "false",
    },
    "disputes": {
        "dispute_id": "D1",
        "customer_id": "C1",
        "invoice_id": "I1",
        "opened_date": "2026-10-27",
        "closed_date": "2026-10-29",
        "reason": "quantity",
        "currency": "USD",
        "amount": "1190.00",
    },
    "collection_actions": {
        "action_id": "X1",
        "customer_id": "C1",
        "invoice_id": "I1",
        "action_date": "2026-10-28",
        "dunning_level": "1",
        "promise_date": "2026-10-28",
        "currency": "USD",
        "promise_amount": "690.00",
    },
    "financial_statements": {
        "registration_no": "DE136695976",
        "period_end": "2025-12-31",
        "published_at": "2026-04-30",
        "currency": "EUR",
        "total_assets": "1000.00",
        "current_assets": "1000.00",
        "current_liabilities": "600.00",
        "total_liabilities": "600.00",
        "retained_earnings": "-50.00",
        "equity": "400.00",
        "revenue": "2000.00",
        "ebit": "-10.00",
        "net_income": "-15.00",
        "audited": "true",
    },
    "bureau_reports": {
        "report_id": "B1",
        "registration_no": "DE 136 695 976",
        "report_date": "2026-10-15",
        "score": "540",
        "risk_class": "5",
        "currency": "EUR",
        "recommended_limit": "0",
    },
    "legal_events": {
        "event_id": "L1",
        "registration_no": "DE136695976",
        "event_date": "2026-09-01",
        "published_at": "2026-09-01",
        "kind": "judgment",
        "currency": "EUR",
        "amount": "800.00",
    },
    "gl_balances": {
        "balance_date": "2026-10-31",
        "legal_entity": "E1",
        "currency": "USD",
        "account": "receivables_control",
        "balance": "690.00",
    },
    "credit_costs": {
        "cost_month": "2026-10-01",
        "legal_entity": "E1",
        "cost_kind": "staff",
        "currency": "USD",
        "amount": "0.00",
    },
    "products": {"product_id": "W1", "product_name": "Bearing", "product_class": "machine parts"},
    "invoice_lines": {
        "invoice_id": "I1",
        "line_no": "1",
        "product_id": "W1",
        "currency": "USD",
        "amount": "1190.00",
    },
    "surveys": {
        "survey_id": "S1",
        "customer_id": "C1",
        "survey_date": "2026-10-15",
        "score": "10",
        "scale_max": "10",
    },
}


class Warehouse:
    """Adds landed rows and runs the gate. Rows are a first load unless a test says otherwise."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.docs_dir: Path | None = None
        self.con = duckdb.connect(str(path))
        bring_forward(self.con)
        system = ", ".join(f"{name} {kind}" for name, kind in SYSTEM_COLUMNS)
        for table in CONTRACT.values():
            contract = ", ".join(f"{name} VARCHAR" for name in table.field_names)
            self.con.execute(
                f"CREATE TABLE staging.landed_{table.name} ({contract}, {system}, "
                "_first_loaded_at TIMESTAMP, _first_is_backfill BOOLEAN)"
            )
        self.provide(*CONTRACT)

    def provide(self, *tables: str) -> None:
        """Make exactly these tables delivered by a source."""
        self.con.execute("DELETE FROM ops.source_table")
        self.con.executemany(
            "INSERT INTO ops.source_table VALUES (?, ?, ?)",
            [[name, "erp" if name in tables else None, name in tables] for name in CONTRACT],
        )

    def add(
        self,
        table: str,
        *,
        source_system: str = "erp",
        loaded: date = AS_OF,
        first_load: bool = True,
        source_file: str | None = None,
        **changes: str | None,
    ) -> tuple[str, int]:
        """Land one sound row of `table` with `changes`; returns its key and how often that has come."""
        values = dict.fromkeys(CONTRACT[table].field_names) | SOUND[table] | changes
        key = "|".join(values[name] or "" for name in CONTRACT[table].key)
        found = self.con.execute(
            f"SELECT count(*) + 1 FROM staging.landed_{table} WHERE source_system = ? AND _row_key = ?",
            [source_system, key],
        ).fetchone()
        assert found is not None
        row: list[Any] = [*values.values(), source_system, key, found[0], str(hash(tuple(values.values())))]
        row += [
            False,
            first_load,
            loaded,
            loaded.isoformat(),
            source_file or f"{table}.csv",
            1,
            loaded,
            first_load,
        ]
        self.con.execute(f"INSERT INTO staging.landed_{table} VALUES ({', '.join('?' * len(row))})", row)
        return key, found[0]

    def remove(self, table: str, key: str) -> None:
        self.con.execute(f"DELETE FROM staging.landed_{table} WHERE _row_key = ?", [key])

    def gate(self, *tables: str, rules: tuple[Rule, ...] | None = None, **options: Any) -> GateReport:
        """Run the gate over `tables`; where none is named, over those of `rules`, or over all."""
        settings: dict[str, Any] = {
            "as_of": AS_OF,
            "docs_dir": self.docs_dir,
            "thresholds": QuarantineThresholds(1.0),
            "company": "Test company",
            "reporting_currency": "USD",
        }
        return run_gate(
            self.con,
            rules=rules or RULES,
            only_tables=tables or None if rules is None else {rule.table for rule in rules},
            **settings | options,
        )

    @staticmethod
    def rules() -> tuple[Rule, ...]:
        """The rules that ship with the project."""
        return RULES

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.con.execute(query).fetchall()


RULES = load_rules()
