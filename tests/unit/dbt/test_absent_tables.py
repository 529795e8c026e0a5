"""What an optional table feeds is not available without it, alone or with all the others: never zero or a guess."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.sources.contract import TABLES
from tests.factories import fetch, make_warehouse, run_dbt

AS_OF = "2024-06-30"
NOT_AVAILABLE = "not_available"
OPTIONAL = tuple(table.name for table in TABLES if table.need == "optional")


@dataclass(frozen=True)
class Figures:
    """Columns of one relation, and what each row says where the table that feeds them is absent.

    where: the rows that hold a figure; no columns: the relation is empty without the table.
    """

    relation: str
    without: Mapping[str, Any]
    where: str = "true"


def _null(*columns: str) -> dict[str, Any]:
    return dict.fromkeys(columns)


def _features(*columns: str, **status: Any) -> Figures:
    return Figures(
        "features.customer_cutoff", {**_null(*columns), **status}, "is_as_of and customer_code = 'A'"
    )


def _kpis(*columns: str, **status: Any) -> Figures:
    company = "legal_entity = 'all' and segment = 'all' and currency_view = 'reporting'"
    return Figures(
        "mart.kpi_monthly", {**_null(*columns), **status}, f"{company} and measured_on = '{AS_OF}'"
    )


def _empty(relation: str) -> Figures:
    return Figures(relation, {})


FEATURES = ("customer_period", "customer_behaviour", "customer_cutoff")
LEDGER = ("core", "features", "fct_invoice", "fct_ar_aging", "fct_payment_behaviour")

# Each optional table: the models, or folders of models, to build again without it, and the figures that only it feeds.
FED: dict[str, tuple[Sequence[str], Sequence[Figures]]] = {
    "payments": (LEDGER, [_features("reversals_count_6m", "unapplied_cash_share")]),
    "payment_applications": (
        (*LEDGER, "kpi_monthly"),
        [
            _features(
                "write_off_share_24m", "paid_invoice_count_12m", "days_beyond_terms_3m", "late_share_6m",
                "discount_taken_share_6m", "days_since_last_payment",
            ),
            Figures("mart.fct_invoice", _null("write_off_amount", "recovered_amount")),
            Figures("mart.fct_payment_behaviour", _null("payment_index", "days_beyond_terms_weighted")),
            _kpis("net_write_off_amount", "net_write_off_12m_amount", "bad_debt_rate"),
        ],
    ),
    "orders": (
        (*FEATURES, "fct_exposure"),
        [
            _features("order_surge_ratio"),
            Figures("mart.fct_exposure", {
                "orders_status": NOT_AVAILABLE, "delivered_not_invoiced_reporting": None, "open_orders_reporting": None,
            }, "customer_code = 'A'"),
        ],
    ),
    "credit_limits": (
        (
            "fct_credit_limit", "fct_exposure", "customer_cutoff", "customer_score", "limit_recommendation",
            "kpi_monthly",
        ),
        [
            _empty("mart.fct_credit_limit"),
            _features("receivables_utilisation_share", "utilisation_change_60d", "credit_limit_amount_reporting"),
            Figures("mart.fct_exposure", {
                "utilisation_status": NOT_AVAILABLE, "group_utilisation_status": NOT_AVAILABLE, "utilisation": None,
                "group_utilisation": None, "credit_limit_reporting": None, "insured_reporting": None,
            }, "customer_code = 'A'"),
            Figures("mart.customer_score", _null("has_valid_limit", "is_covered"), "customer_code = 'A'"),
            Figures("mart.limit_recommendation", _null("current_limit_reporting"), "customer_code = 'A'"),
            _kpis(
                "utilisation", "receivables_utilisation", "credit_limit_amount", "coverage_customer_share",
                "coverage_receivables_share", utilisation_status=NOT_AVAILABLE,
                receivables_utilisation_status=NOT_AVAILABLE, coverage_status=NOT_AVAILABLE,
            ),
        ],
    ),
    "credit_requests": (
        ("fct_credit_decision", "kpi_monthly"),
        [
            _empty("mart.fct_credit_decision"),
            _kpis(
                "decision_count", "approval_hours_median", "approval_hours_p90",
                "approval_within_4_business_hours_share", approval_status=NOT_AVAILABLE,
            ),
        ],
    ),
    "disputes": (
        (*FEATURES, "fct_dispute", "fct_invoice"),
        [
            _empty("mart.fct_dispute"),
            _features("disputes_open_share", "disputes_count_6m"),
            Figures("mart.fct_invoice", _null("disputed_amount")),
        ],
    ),
    "collection_actions": (
        ("customer_promise", *FEATURES),
        [_features("broken_promises_90d", "dunning_level_max_6m")],
    ),
    "financial_statements": (
        ("customer_public_record", "customer_cutoff", "fct_financial_ratio"),
        [
            _empty("mart.fct_financial_ratio"),
            _features(
                "altman_z2", "statement_age_months", "equity_ratio", "current_ratio", "equity_amount_reporting",
                "revenue_amount_reporting", has_financials=False,
            ),
        ],
    ),
    "bureau_reports": (
        ("customer_public_record", "customer_cutoff"),
        [_features("bureau_risk_class", "bureau_score", "bureau_class_change_6m", has_bureau=False)],
    ),
    "legal_events": (
        ("customer_public_record", "customer_cutoff"),
        [_features("legal_notice_count_24m", "legal_notice_count_90d")],
    ),
    "fx_rates": (("fx_rate", "fct_invoice", "fct_exposure"), [_empty("core.fx_rate")]),
    "gl_balances": (
        ("reconciliation",),
        [
            Figures("mart.reconciliation", {
                "gl_status": NOT_AVAILABLE, "gl_balance": None, "gl_difference": None,
            }, "balance_date = '2024-05-31'"),
        ],
    ),
    "credit_costs": (
        ("kpi_monthly",),
        [_kpis("credit_cost_12m_amount", "credit_cost_ratio", credit_cost_status=NOT_AVAILABLE)],
    ),
    "products": (("dim_product",), [_empty("mart.dim_product")]),
    "invoice_lines": ((), [_empty("staging.stg_invoice_lines")]),
    "surveys": (
        ("kpi_monthly",),
        [_kpis("satisfaction_share", "satisfaction_response_count", satisfaction_status=NOT_AVAILABLE)],
    ),
}  # fmt: skip


def _row(**columns: Any) -> dict[str, Any]:
    return {"customer_id": "A", "legal_entity": "US", "currency": "USD", **columns}


def _plain(**columns: Any) -> dict[str, Any]:
    return {"currency": "USD", **columns}


def _invoice(number: str, issued: str, due: str, amount: str, **more: Any) -> dict[str, Any]:
    return _row(
        invoice_id=number, document_type="invoice", issue_date=issued, due_date=due, amount=amount, **more
    )


def _cash(number: str, invoice: str, day: str, amount: str) -> dict[str, Any]:
    return _plain(
        application_id=number, kind="cash", from_document_id=f"P-{invoice}", invoice_id=invoice, applied_date=day,
        amount=amount,
    )  # fmt: skip


PAID = [
    ("1", "2023-05-10", "2023-06-09", "2023-06-09"),
    ("2", "2023-09-10", "2023-10-10", "2023-10-20"),
    ("3", "2023-11-10", "2023-12-10", "2023-12-20"),
    ("4", "2024-02-10", "2024-03-11", "2024-03-21"),
    ("5", "2024-03-10", "2024-04-09", "2024-04-30"),
    ("6", "2024-04-10", "2024-05-10", "2024-05-30"),
]
CUSTOMERS = [
    {"customer_id": "A", "legal_name": "Aster Ltd", "registration_no": "R1"},
    {"customer_id": "B", "legal_name": "Bell Ltd"},
]
# Where payments are absent, the clearing dates say the same as the payments do.
INVOICES = [
    *(_invoice(number, issued, due, "1000.00", cleared_date=paid) for number, issued, due, paid in PAID),
    _invoice("7", "2024-05-10", "2024-06-09", "1000.00"),
    _invoice("lost", "2023-06-01", "2023-07-01", "200.00"),
]
OPTIONAL_ROWS: dict[str, list[dict[str, Any]]] = {
    "payments": [
        *(_row(payment_id=f"P-{number}", received_date=paid, amount="1000.00") for number, _, _, paid in PAID),
        _row(payment_id="back", received_date="2024-04-02", amount="50.00", reversed_at="2024-04-09"),
        _row(payment_id="early", received_date="2024-06-20", amount="100.00"),
    ],
    "payment_applications": [
        *(_cash(f"C{number}", number, paid, "980.00" if number == "6" else "1000.00") for number, _, _, paid in PAID),
        _plain(application_id="D6", kind="discount", invoice_id="6", applied_date="2024-05-30", amount="20.00"),
        _plain(application_id="W", kind="write_off", invoice_id="lost", applied_date="2024-06-01", amount="200.00"),
    ],
    "orders": [
        _row(order_id=f"O{month}", order_date=f"{month}-20", requested_ship_date="2024-07-10", amount="500.00",
             delivered_amount="300.00", invoiced_amount="200.00", status="open")
        for month in ("2023-12", "2024-01", "2024-02", "2024-03", "2024-04", "2024-05", "2024-06")
    ],
    "credit_limits": [_row(valid_from="2023-01-01", amount="5000.00", insured_amount="500.00")],
    "credit_requests": [
        _row(request_id="R", requested_at="2024-06-18 09:00:00", decided_at="2024-06-18 12:00:00",
             decision="approved", amount="5000.00"),
    ],
    "disputes": [_row(dispute_id="D", invoice_id="7", opened_date="2024-06-12", amount="300.00")],
    "collection_actions": [
        _row(action_id="X", invoice_id="7", action_date="2024-06-15", dunning_level=2, promise_date="2024-06-20",
             promise_amount="1000.00"),
    ],
    "financial_statements": [
        _plain(registration_no="R1", period_end="2023-12-31", published_at="2024-04-01", total_assets="1000",
               current_assets="400", current_liabilities="200", retained_earnings="300", ebit="100", equity="500",
               total_liabilities="500", revenue="2000", net_income="50"),
    ],
    "bureau_reports": [
        _plain(report_id=f"B{day}", registration_no="R1", report_date=day, score=score, risk_class=risk_class)
        for day, score, risk_class in [("2023-06-01", 80, 2), ("2024-05-01", 60, 3)]
    ],
    "legal_events": [
        _plain(event_id="L", registration_no="R1", event_date="2024-05-20", published_at="2024-05-25", kind="judgment",
               amount="100.00"),
    ],
    "fx_rates": [{"rate_date": "2023-01-02", "currency": "EUR", "rate": "1.10"}],
    "gl_balances": [
        {"balance_date": "2024-05-31", "legal_entity": "US", "currency": "USD", "account": "receivables_control",
         "balance": "1200.00"},
    ],
    "credit_costs": [
        {"cost_month": "2024-05-01", "legal_entity": "US", "cost_kind": "staff", "currency": "USD", "amount": "60.00"},
    ],
    "products": [{"product_id": "Q", "product_name": "Bolt", "product_class": "3116"}],
    "invoice_lines": [_plain(invoice_id="7", line_no=1, product_id="Q", amount="1000.00")],
    "surveys": [
        {"survey_id": "S", "customer_id": "A", "survey_date": "2024-06-01", "score": 4, "scale_max": 5},
    ],
}  # fmt: skip
SCORE = {
    "as_of_date": AS_OF, "customer_code": "A", "score_status": "scored", "pd": 0.01, "grade": "R05",
    "data_depth": "A", "expires_on": "2024-07-30",
}  # fmt: skip


def _warehouse(path: Path, tables: Mapping[str, list[dict[str, Any]]]) -> Path:
    known = {table.name: set(table.field_names) for table in TABLES}
    return make_warehouse(
        path,
        {
            name: [{column: value for column, value in row.items() if column in known[name]} for row in rows]
            for name, rows in {"customers": CUSTOMERS, "invoices": INVOICES, **tables}.items()
        },
        as_of=AS_OF,
        xref={("erp", row["customer_id"]): row["customer_id"] for row in CUSTOMERS},
        rows={"ml.customer_score": [SCORE]},
    )


@dataclass(frozen=True)
class Built:
    """A warehouse built in full, and the SQL of each table model as dbt compiled it, in the order of dependence."""

    path: Path
    models: list[tuple[str, str, str, str]]  # name, folder, relation, SQL

    def without(self, table: str, path: Path) -> Path:
        """This warehouse as a night that gets no `table` leaves it: the models FED names are built again."""
        shutil.copy(self.path, path)
        chosen = FED[table][0]
        with duckdb.connect(str(path)) as con:
            con.execute(f"delete from raw.{table}")
            con.execute(f"delete from staging.landed_{table}")
            con.execute("delete from ops.source_total where table_name = ?", [table])
            con.execute(
                "update ops.source_table set is_provided = false, source_system = null where table_name = ?",
                [table],
            )
            for name, folder, relation, sql in self.models:
                if name in chosen or folder in chosen:
                    con.execute(f"create or replace table {relation} as {sql}")
        return path


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Built:
    path = _warehouse(tmp_path_factory.mktemp("everything") / "warehouse.duckdb", OPTIONAL_ROWS)
    run_dbt(path, select="path:seeds", as_of=AS_OF, command="seed")
    nodes = [run.node for run in run_dbt(path, as_of=AS_OF, command="run").result.results]
    return Built(
        path,
        [
            (node.name, node.fqn[1], node.relation_name, node.compiled_code)
            for node in nodes
            if node.config.materialized == "table"
        ],
    )


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Customers and invoices only, built in full with every data test."""
    path = _warehouse(tmp_path_factory.mktemp("nothing") / "warehouse.duckdb", {})
    run_dbt(path, as_of=AS_OF)
    return path


def _said(path: Path, figures: Figures) -> dict[str, set[Any]]:
    """The values each column has over the rows of `figures`."""
    columns = ", ".join(figures.without)
    rows = fetch(path, f"select {columns} from {figures.relation} where {figures.where}")
    assert rows, f"{figures.relation} has no row where {figures.where}"
    return {column: {row[column] for row in rows} for column in figures.without}


def _rows(path: Path, relation: str) -> int:
    count: int = fetch(path, f"select count(*) as n from {relation}")[0]["n"]
    return count


def _assert_available(path: Path, figures: Figures) -> None:
    if not figures.without:
        assert _rows(path, figures.relation) > 0, f"{figures.relation} is empty although its table is given"
        return
    for column, values in _said(path, figures).items():
        assert values != {figures.without[column]}, f"{figures.relation}.{column} is never available"


def _assert_not_available(path: Path, figures: Figures) -> None:
    if not figures.without:
        assert _rows(path, figures.relation) == 0
        return
    assert _said(path, figures) == {column: {value} for column, value in figures.without.items()}, (
        figures.relation
    )


def test_every_optional_table_says_what_it_feeds() -> None:
    assert set(FED) == set(OPTIONAL) == set(OPTIONAL_ROWS)


def test_the_models_built_again_exist(everything: Built) -> None:
    named = {model for models, _ in FED.values() for model in models}
    assert named <= {name for name, *_ in everything.models} | {folder for _, folder, *_ in everything.models}


@pytest.mark.parametrize("table", OPTIONAL)
def test_without_a_table_what_it_feeds_is_not_available(
    table: str, everything: Built, tmp_path: Path
) -> None:
    for figures in FED[table][1]:
        _assert_available(everything.path, figures)
    without = everything.without(table, tmp_path / everything.path.name)
    for figures in FED[table][1]:
        _assert_not_available(without, figures)


@pytest.mark.parametrize("table", OPTIONAL)
def test_with_customers_and_invoices_alone_all_is_built_and_nothing_is_guessed(
    table: str, nothing: Path
) -> None:
    for figures in FED[table][1]:
        if table == "payment_applications" and figures.relation != "mart.fct_invoice":
            continue  # The clearing dates stand in for payments, so payment behaviour is known.
        _assert_not_available(nothing, figures)


def test_clearing_dates_stand_in_for_payments(everything: Built, nothing: Path) -> None:
    settled = (
        "select invoice_no, is_paid, paid_date, days_beyond_terms from mart.fct_invoice order by invoice_no"
    )
    rows = fetch(nothing, settled)
    assert [row for row in rows if row["is_paid"]] == [
        row for row in fetch(everything.path, settled) if row["is_paid"]
    ]
    behaviour = fetch(
        nothing, "select * from mart.fct_payment_behaviour where customer_code = 'A' and window_months = 12"
    )
    assert behaviour[0]["paid_invoice_count"] == 5
    features = fetch(
        nothing, "select * from features.customer_cutoff where is_as_of and customer_code = 'A'"
    )[0]
    assert features["paid_invoice_count_12m"] == 5
    assert features["write_off_share_24m"] is None, "a write-off cannot be seen without applications"


def test_without_rates_amounts_in_the_one_currency_stand(everything: Built, tmp_path: Path) -> None:
    without = everything.without("fx_rates", tmp_path / everything.path.name)
    for relation in ("mart.fct_invoice", "mart.fct_exposure"):
        figures = f"select * from {relation} order by all"
        assert fetch(without, figures) == fetch(everything.path, figures)
    assert fetch(without, "select sum(open_amount_reporting) as amount from mart.fct_invoice") == [
        {"amount": Decimal("1000.00")}
    ]
