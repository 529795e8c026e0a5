"""The source contract: every table and column a source may deliver, with type, key and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FieldType = Literal["text", "date", "timestamp", "decimal", "integer", "boolean"]
Need = Literal["required", "optional"]


@dataclass(frozen=True)
class Field:
    """One contract column. `required` means a source that delivers the table must map it."""

    name: str
    type: FieldType
    description: str
    required: bool = False


@dataclass(frozen=True)
class Table:
    """One contract table: its grain, its key within a source system, and its columns.

    `feeds` says what the pipeline makes of it, `without` what a night lacks where no source gives it.
    """

    name: str
    need: Need
    grain: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    feeds: str
    without: str

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    @property
    def required_fields(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields if field.required)

    def field(self, name: str) -> Field:
        """The column called `name`; raises KeyError where the table has none."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(name)


def _text(name: str, description: str, *, required: bool = False) -> Field:
    return Field(name, "text", description, required)


def _date(name: str, description: str, *, required: bool = False) -> Field:
    return Field(name, "date", description, required)


def _timestamp(name: str, description: str, *, required: bool = False) -> Field:
    return Field(name, "timestamp", description, required)


def _money(name: str, description: str, *, required: bool = False) -> Field:
    return Field(name, "decimal", description, required)


_CREATED_AT = _timestamp(
    "created_at",
    "When the source first wrote the row, which says from when a first load knew of it; empty: from its own date on",
)
_UPDATED_AT = _timestamp("updated_at", "When the source last wrote the row; cursor of incremental loads")
_CURRENCY = _text("currency", "ISO 4217 code of every amount in the row", required=True)
_CUSTOMER = _text("customer_id", "The source system's own customer number", required=True)

TABLES: tuple[Table, ...] = (
    Table(
        "customers",
        "required",
        "one source customer",
        ("customer_id",),
        (
            _CUSTOMER,
            _text("legal_name", "Registered name", required=True),
            _text("trade_name", "Name the company trades under"),
            _text("registration_no", "National company number"),
            _text("registration_kind", "Kind of registration_no: USCC, VAT, EIN, LEI or OTHER"),
            _text("country", "ISO 3166-1 alpha-2 country code"),
            _text("region", "State or province"),
            _text("city", "City"),
            _text("postal_code", "Postal code"),
            _text("address", "Street and number"),
            _text("phone", "Telephone number as written"),
            _text("email", "E-mail address"),
            _text("industry_code", "Sector code, one classification per source"),
            _text("parent_customer_id", "customer_id of the parent company in the same source"),
            _text("segment", "Commercial segment"),
            _text(
                "payment_terms",
                "Agreed terms: NET30, 30 days, 2/10 NET 30, EOM (end of the month), 30 EOM (30 days after it)",
            ),
            _text("account_owner", "Sales owner of the account"),
            _date("customer_since", "First day of the relationship"),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds=(
            "core.customer and mart.dim_customer; the name, company number and address fields also decide "
            "which source customers are one company"
        ),
        without="no night can run",
    ),
    Table(
        "invoices",
        "required",
        "one document",
        ("invoice_id",),
        (
            _text("invoice_id", "Document number", required=True),
            _text("document_type", "invoice, credit_memo or debit_memo", required=True),
            _CUSTOMER,
            _text("legal_entity", "Selling company that owns the receivable", required=True),
            _date("issue_date", "Document date", required=True),
            _date(
                "due_date",
                "Day by which payment is due; empty for a credit memo, or to take it from the customer's payment_terms",
            ),
            _CURRENCY,
            _money(
                "amount",
                "Gross amount, positive for every document type; the type gives it its sign",
                required=True,
            ),
            _money("tax_amount", "Tax contained in amount"),
            _text("order_id", "Order the document bills"),
            _date("cleared_date", "Day the document was paid in full, where no payments table is given"),
            _date(
                "cleared_after",
                "Last day on which the document was still open, where cleared_date is only the day by which it was "
                "paid; `delivery: open_items` fills both",
            ),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds=(
            "the ledger (core.ledger_entry), and through it mart.fct_invoice, mart.fct_ar_aging, payment "
            "behaviour, exposure, features and scores"
        ),
        without="no night can run",
    ),
    Table(
        "payments",
        "optional",
        "one receipt",
        ("payment_id",),
        (
            _text("payment_id", "Receipt number", required=True),
            _CUSTOMER,
            _text("legal_entity", "Company that received the money", required=True),
            _date("received_date", "Value date of the receipt", required=True),
            _CURRENCY,
            _money("amount", "Amount received; negative for money paid back to the customer", required=True),
            _text("method", "wire, ach, check, card, direct_debit or other"),
            _date("reversed_at", "Day the receipt was reversed (bounced check, recalled wire)"),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="the ledger as receipts: balances, unapplied cash and payment behaviour",
        without=(
            "receipts are taken from invoices.cleared_date; where that is not given either, every document "
            "stays open"
        ),
    ),
    Table(
        "payment_applications",
        "optional",
        "one application of value to a document",
        ("application_id",),
        (
            _text("application_id", "Number of the application", required=True),
            _text("kind", "cash, credit_memo, discount, write_off, adjustment or reversal", required=True),
            _text(
                "from_document_id", "payment_id or credit memo number the value comes from; empty otherwise"
            ),
            _text("invoice_id", "Document the value is applied to", required=True),
            _text(
                "reverses_application_id",
                "Of a reversal: the application it takes back; empty for the value of from_document_id, or for the "
                "latest discount, write-off or adjustment of the same amount",
            ),
            _date("applied_date", "Day of the application", required=True),
            _CURRENCY,
            _money(
                "amount",
                "Amount by which the document falls, in its currency (a credit memo's adjustment: by which the credit "
                "falls); negative for a reversal, for an adjustment the other way, and for money paid out on a credit "
                "memo",
                required=True,
            ),
            _money(
                "from_amount",
                "Amount taken from a receipt in another currency, in that currency; empty where both share one, or to "
                "convert at the rate of the day",
            ),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="open amounts, ageing and days to pay of each document, discounts and write-offs",
        without=(
            "receipts of payments stay unapplied cash: they lower a customer's balance, but every document "
            "stays open and grows overdue; write-offs and the bad-debt rate are NULL"
        ),
    ),
    Table(
        "orders",
        "optional",
        "one order",
        ("order_id",),
        (
            _text("order_id", "Order number", required=True),
            _CUSTOMER,
            _text("legal_entity", "Company that takes the order", required=True),
            _date("order_date", "Day the order was placed", required=True),
            _date("requested_ship_date", "Day the customer wants the goods shipped"),
            _CURRENCY,
            _money("amount", "Ordered amount, gross", required=True),
            _money("delivered_amount", "Part of amount already delivered", required=True),
            _money("invoiced_amount", "Part of amount already invoiced", required=True),
            _text("status", "open, closed or cancelled", required=True),
            Field("credit_hold", "boolean", "true while the order is held for credit reasons"),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="mart.fct_exposure (open orders, delivered not invoiced) and order features",
        without="orders_status is not_available, both order parts of the exposure are NULL",
    ),
    Table(
        "credit_limits",
        "optional",
        "one customer and period",
        ("customer_id", "valid_from"),
        (
            _CUSTOMER,
            _text("legal_entity", "Selling company that grants the limit; empty where it holds for all"),
            _date("valid_from", "First day of the limit", required=True),
            _date("valid_to", "Last day of the limit; empty while open"),
            _CURRENCY,
            _money("amount", "Credit limit", required=True),
            _money("insured_amount", "Part covered by credit insurance or security"),
            _text("approved_by", "Who approved it"),
            _text("reason", "Why"),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds=(
            "mart.fct_credit_limit, limit, insured part and utilisation in mart.fct_exposure, and coverage in "
            "mart.kpi_monthly"
        ),
        without="utilisation_status and coverage_status are not_available, limit and insured part are NULL",
    ),
    Table(
        "credit_requests",
        "optional",
        "one request for credit",
        ("request_id",),
        (
            _text("request_id", "Request number", required=True),
            _CUSTOMER,
            _timestamp("requested_at", "When the request arrived", required=True),
            _timestamp("decided_at", "When it was decided; empty while open"),
            _text("decision", "approved, declined, reduced; empty while open"),
            _CURRENCY,
            _money("amount", "Amount asked for", required=True),
            _text("override_reason", "Why the decision departed from the recommendation"),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="mart.fct_credit_decision, and the approval measures of mart.kpi_monthly",
        without="mart.fct_credit_decision is empty, approval_status is not_available",
    ),
    Table(
        "disputes",
        "optional",
        "one dispute",
        ("dispute_id",),
        (
            _text("dispute_id", "Dispute number", required=True),
            _CUSTOMER,
            _text("invoice_id", "Disputed document"),
            _date("opened_date", "Day it was raised", required=True),
            _date("closed_date", "Day it was settled; empty while open"),
            _text("reason", "Reason code"),
            _CURRENCY,
            _money("amount", "Disputed amount", required=True),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="mart.fct_dispute, disputed_amount in mart.fct_invoice, and dispute features of the customer's history",
        without="mart.fct_dispute is empty, disputed_amount and dispute features are NULL",
    ),
    Table(
        "collection_actions",
        "optional",
        "one dunning step or promise",
        ("action_id",),
        (
            _text("action_id", "Action number", required=True),
            _CUSTOMER,
            _text("invoice_id", "Document concerned"),
            _date("action_date", "Day of the action", required=True),
            Field("dunning_level", "integer", "Dunning level reached, 1 to 5"),
            _date("promise_date", "Day the customer promised to pay by"),
            _text("currency", "ISO 4217 code of promise_amount"),
            _money("promise_amount", "Amount promised"),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="dunning and broken-promise features of the customer's history",
        without="dunning and promise features are NULL",
    ),
    Table(
        "financial_statements",
        "optional",
        "one company and period",
        ("registration_no", "period_end"),
        (
            _text("registration_no", "National company number", required=True),
            _date("period_end", "Last day of the period", required=True),
            _date("published_at", "Day the statement became public", required=True),
            _CURRENCY,
            _money("total_assets", "Total assets"),
            _money("current_assets", "Current assets"),
            _money("current_liabilities", "Current liabilities"),
            _money("total_liabilities", "Total liabilities"),
            _money("retained_earnings", "Retained earnings"),
            _money("equity", "Book value of equity"),
            _money("revenue", "Revenue of the period"),
            _money("ebit", "Earnings before interest and tax"),
            _money("net_income", "Net income"),
            Field("audited", "boolean", "true where audited, false where not; empty where unknown"),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="mart.fct_financial_ratio and statement features",
        without="ratios and statement features are NULL",
    ),
    Table(
        "bureau_reports",
        "optional",
        "one bureau report",
        ("report_id",),
        (
            _text("report_id", "Report number", required=True),
            _text("registration_no", "National company number reported on", required=True),
            _date("report_date", "Day the bureau published it", required=True),
            Field("score", "integer", "Bureau score, higher is safer"),
            Field("risk_class", "integer", "Bureau risk class, 1 (safest) to 5"),
            _text("currency", "ISO 4217 code of recommended_limit"),
            _money("recommended_limit", "Limit the bureau recommends"),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="bureau features",
        without="bureau features are NULL",
    ),
    Table(
        "legal_events",
        "optional",
        "one public notice",
        ("event_id",),
        (
            _text("event_id", "Notice number", required=True),
            _text("registration_no", "National company number concerned", required=True),
            _date("event_date", "Day it happened", required=True),
            _date("published_at", "Day the notice became public", required=True),
            _text("kind", "insolvency, judgment, lien or ceased", required=True),
            _text("currency", "ISO 4217 code of amount"),
            _money("amount", "Amount of the claim"),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="public-notice features; an insolvency counts as default",
        without="notice features are NULL, and default rests on payment alone",
    ),
    Table(
        "fx_rates",
        "optional",
        "one day and currency",
        ("rate_date", "currency"),
        (
            _date("rate_date", "Day of the rate", required=True),
            _text("currency", "ISO 4217 code of the foreign currency", required=True),
            _money("rate", "Units of reporting currency for one unit of currency", required=True),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="every amount in reporting currency",
        without="documents, receipts and orders in another currency wait in quarantine",
    ),
    Table(
        "gl_balances",
        "optional",
        "one day, entity, currency and account",
        ("balance_date", "legal_entity", "currency", "account"),
        (
            _date("balance_date", "Closing day", required=True),
            _text("legal_entity", "Company", required=True),
            _CURRENCY,
            _text("account", "receivables_control", required=True),
            _money("balance", "Closing balance, debit positive", required=True),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="mart.reconciliation: the ledger against the general ledger",
        without="gl_status is not_available",
    ),
    Table(
        "credit_costs",
        "optional",
        "one month and cost kind",
        ("cost_month", "legal_entity", "cost_kind"),
        (
            _date("cost_month", "First day of the month", required=True),
            _text("legal_entity", "Company that bears the cost", required=True),
            _text("cost_kind", "staff, system, insurance, collection or financing", required=True),
            _CURRENCY,
            _money("amount", "Cost of the month", required=True),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="the cost measures of mart.kpi_monthly",
        without="those measures are not available",
    ),
    Table(
        "products",
        "optional",
        "one product",
        ("product_id",),
        (
            _text("product_id", "Product number", required=True),
            _text("product_name", "Name"),
            _text("product_class", "Class in one classification over all systems", required=True),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="mart.dim_product",
        without="mart.dim_product is empty",
    ),
    Table(
        "invoice_lines",
        "optional",
        "one document line",
        ("invoice_id", "line_no"),
        (
            _text("invoice_id", "Document number", required=True),
            Field("line_no", "integer", "Line number", required=True),
            _text("product_id", "Product number", required=True),
            _CURRENCY,
            _money("amount", "Line amount, gross", required=True),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="checked by the gate and staged; no mart reads it",
        without="nothing in the mart changes",
    ),
    Table(
        "surveys",
        "optional",
        "one response",
        ("survey_id",),
        (
            _text("survey_id", "Response number", required=True),
            _CUSTOMER,
            _date("survey_date", "Day of the response", required=True),
            Field("score", "integer", "Satisfaction score", required=True),
            Field("scale_max", "integer", "Highest score of the scale", required=True),
            _CREATED_AT,
            _UPDATED_AT,
        ),
        feeds="satisfaction in mart.kpi_monthly",
        without="satisfaction_status is not_available",
    ),
)

CONTRACT: dict[str, Table] = {table.name: table for table in TABLES}

# Columns the landing adds to every raw row, in this order, after the contract columns.
SYSTEM_COLUMNS: tuple[tuple[str, str], ...] = (
    ("source_system", "VARCHAR"),
    ("_row_key", "VARCHAR"),
    ("_occurrence", "INTEGER"),
    ("_row_hash", "VARCHAR"),
    ("_is_deleted", "BOOLEAN"),
    ("_is_backfill", "BOOLEAN"),
    ("_loaded_at", "TIMESTAMP"),
    ("_load_id", "VARCHAR"),
    ("_source_file", "VARCHAR"),
    ("_source_row", "BIGINT"),
)

# Last column of raw, and of raw only: a JSON object with the row's values of new source columns that no field is
# mapped to, NULL where there are none. It is no part of the row's content: a change in it alone is no change.
EXTRA_COLUMN = "_extra"
