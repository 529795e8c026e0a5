"""The features a model may use: unit, expected direction, reason code and wording of each, in column order.

`features.customer_cutoff` is computed in the engine, and the catalogue of metrics (mart.metric_definition) defines its
columns; this registry says how a model uses them and how a reason speaks of them. A test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Feature:
    """One numeric column of `features.customer_cutoff`.

    direction: +1 where a higher value may only raise risk, -1 where it may only lower it, 0 unconstrained.
    reason_code: the family named in a reason; a customer gets at most one reason a family.
    label, verb: begin the sentence "<label> <verb> <value>" or "<label> rose from <prior> to <value>".
    missing: the sentence for a value that is not available or not defined.
    improvement: what the customer (or the seller) can do about it; empty where nobody can.
    """

    name: str
    unit: str
    direction: int
    reason_code: str
    label: str
    verb: str
    missing: str
    improvement: str = ""


def _feature(
    name: str,
    unit: str,
    direction: int,
    reason_code: str,
    label: str,
    missing: str,
    improvement: str,
    verb: str = "is",
) -> Feature:
    return Feature(name, unit, direction, reason_code, label, verb, missing, improvement)


_NOTHING_OPEN = "Nothing is open"

FEATURES: tuple[Feature, ...] = (
    _feature(
        "days_beyond_terms_3m", "days", +1, "PAYMENT_DELAY", "Days beyond terms",
        "No payment is known in the last 3 months", "Paying invoices by their due date for three months",
        "are",
    ),
    _feature(
        "days_beyond_terms_12m_prior", "days", +1, "PAYMENT_DELAY",
        "Days beyond terms over the earlier 12 months",
        "No payment is known in the 12 months before the last 3", "Paying invoices by their due date",
        "are",
    ),
    _feature(
        "days_beyond_terms_change", "days", +1, "PAYMENT_TREND",
        "The change of days beyond terms against the 12 months before",
        "The trend of days beyond terms is not known", "Returning to the payment days of the year before",
    ),
    _feature(
        "days_beyond_terms_spread_12m", "days", +1, "PAYMENT_SPREAD", "The spread of days beyond terms",
        "The spread of days beyond terms is not known", "Paying at steady intervals",
    ),
    _feature(
        "late_share_6m", "share", +1, "LATE_SHARE", "The share of the amount paid late in 6 months",
        "No payment is known in the last 6 months", "Paying a larger part of the invoices by their due date",
    ),
    _feature(
        "max_days_past_due_6m", "days", +1, "WORST_DELAY", "The worst delay in 6 months (days past due)",
        "No invoice was paid or open in the last 6 months", "Leaving no single invoice unpaid for long",
    ),
    _feature(
        "days_since_last_payment", "days", +1, "PAYMENT_PAUSE", "The time since the last payment (days)",
        "No payment was ever received", "A payment",
    ),
    _feature(
        "overdue_share", "share", +1, "OVERDUE", "The overdue share of the open amount",
        _NOTHING_OPEN, "Settling overdue invoices",
    ),
    _feature(
        "overdue_91_plus_share", "share", +1, "OVERDUE",
        "The share of the open amount 91 or more days past due",
        _NOTHING_OPEN, "Settling the oldest invoices",
    ),
    _feature(
        "oldest_days_past_due", "days", +1, "OVERDUE", "The oldest open invoice (days past due)",
        _NOTHING_OPEN, "Settling the oldest invoices",
    ),
    _feature(
        "open_to_sales_ratio", "ratio", +1, "OPEN_TO_SALES", "The open amount against three months' sales",
        "Nothing was sold in the last 3 months", "Paying down the open amount",
    ),
    _feature(
        "receivables_utilisation_share", "share", +1, "UTILISATION", "The utilisation of the credit limit",
        "No credit limit is known", "Paying down the open amount or agreeing a limit that fits the trade",
    ),
    _feature(
        "utilisation_change_60d", "share", +1, "UTILISATION", "The change of utilisation in 60 days",
        "The change of utilisation is not known", "Paying down the open amount",
    ),
    _feature(
        "order_surge_ratio", "ratio", +1, "ORDER_SURGE", "Orders of the last month against the usual month",
        "Orders are not known", "Ordering at the usual pace until payments have caught up",
        "are",
    ),
    _feature(
        "sales_trend_6m", "share", 0, "SALES_TREND", "The change of sales against the three months before",
        "The trend of sales is not known", "",
    ),
    _feature(
        "disputes_open_share", "share", +1, "DISPUTES", "The disputed share of the open amount",
        "Disputes are not known", "Settling open disputes",
    ),
    _feature(
        "disputes_count_6m", "count", +1, "DISPUTES", "The number of disputes opened in 6 months",
        "Disputes are not known", "Settling open disputes and their causes",
    ),
    _feature(
        "broken_promises_90d", "count", +1, "BROKEN_PROMISES",
        "The number of broken promises to pay in 90 days",
        "Promises to pay are not known", "Keeping the next promises to pay",
    ),
    _feature(
        "dunning_level_max_6m", "level", +1, "DUNNING", "The highest dunning level in 6 months",
        "Dunning is not known", "Paying before the next reminder",
    ),
    _feature(
        "discount_taken_share_6m", "share", -1, "DISCOUNT", "The share of early-payment discount still taken",
        "No early-payment discount was taken in 18 months", "Taking the early-payment discount again",
    ),
    _feature(
        "concentration_share", "share", 0, "CONCENTRATION", "The share of all receivables",
        _NOTHING_OPEN, "",
    ),
    _feature(
        "tenure_months", "months", -1, "TENURE", "The length of the relationship (months)",
        "The start of the relationship is not known", "",
    ),
    _feature(
        "paid_invoice_count_12m", "count", -1, "PAYMENT_RECORD",
        "The number of invoices settled in 12 months",
        "Settled invoices are not known", "A longer record of settled invoices",
    ),
    _feature(
        "unapplied_cash_share", "share", 0, "UNAPPLIED_CASH", "Unapplied cash against the open amount",
        _NOTHING_OPEN, "",
    ),
    _feature(
        "credit_memo_share_12m", "share", 0, "CREDIT_MEMOS", "Credit memos against 12 months' sales",
        "Nothing was sold in the last 12 months", "",
        "are",
    ),
    _feature(
        "reversals_count_6m", "count", +1, "REVERSALS", "The number of returned payments in 6 months",
        "Returned payments are not known", "Payments that are not returned",
    ),
    _feature(
        "write_off_share_24m", "share", +1, "WRITE_OFFS", "The share of 24 months' sales written off",
        "Nothing was sold in the last 24 months", "",
    ),
    _feature(
        "bureau_risk_class", "class", +1, "BUREAU", "The bureau's risk class (1 safest, 5 riskiest)",
        "No bureau risk class is known", "A better class at the bureau",
    ),
    _feature(
        "bureau_score", "points", -1, "BUREAU", "The bureau score",
        "No bureau score is known", "A better score at the bureau",
    ),
    _feature(
        "bureau_class_change_6m", "classes", +1, "BUREAU_CHANGE",
        "The change of bureau risk class in 6 months",
        "No change of bureau risk class is known", "Regaining the bureau class of six months before",
    ),
    _feature(
        "legal_notice_count_24m", "count", +1, "LEGAL",
        "The number of court and insolvency notices in 24 months",
        "Public notices are not known", "Having judgments and liens discharged",
    ),
    _feature(
        "altman_z2", "index", -1, "FINANCIAL_HEALTH", "Altman Z''",
        "No financial statement is known", "More working capital, retained earnings and operating profit",
    ),
    _feature(
        "statement_age_months", "months", +1, "STATEMENT_AGE",
        "The age of the latest financial statement (months)",
        "No financial statement is known", "Sending a newer financial statement",
    ),
    _feature(
        "equity_ratio", "ratio", -1, "EQUITY", "The equity ratio",
        "No financial statement is known", "More equity",
    ),
    _feature(
        "current_ratio", "ratio", -1, "LIQUIDITY", "The current ratio",
        "No financial statement is known", "More current assets against current liabilities",
    ),
    _feature(
        "sector_late_share_6m", "share", +1, "SECTOR", "The share of the amount paid late across the sector",
        "Payments of the sector are not known", "",
    ),
    _feature(
        "group_late_share_6m", "share", +1, "GROUP", "The share of the amount paid late by group companies",
        "No other company of the group is known", "Payments by due date across the group",
    ),
)  # fmt: skip

NAMES: tuple[str, ...] = tuple(f.name for f in FEATURES)
BY_NAME: dict[str, Feature] = {f.name: f for f in FEATURES}
# What does not rest on the customer's own ledger: all that can be known of a prospect.
KNOWN_WITHOUT_LEDGER: frozenset[str] = frozenset(
    {
        "order_surge_ratio", "bureau_risk_class", "bureau_score", "bureau_class_change_6m",
        "legal_notice_count_24m", "altman_z2", "statement_age_months", "equity_ratio", "current_ratio",
        "sector_late_share_6m", "group_late_share_6m",
    }
)  # fmt: skip
NO_LEDGER = "The customer has not been invoiced yet, so how it pays is not known"

KEY_COLUMNS: tuple[str, ...] = ("customer_code", "cutoff_date")
STATUS_COLUMNS: tuple[str, ...] = (
    "is_as_of",
    "is_in_default_at_cutoff",
    "months_of_history",
    "has_financials",
    "has_bureau",
    "open_amount_reporting",
    "exposure_amount_reporting",
    "credit_limit_amount_reporting",
    "sales_3m_amount_reporting",
    "paid_12m_amount_reporting",
    "equity_amount_reporting",
    "revenue_amount_reporting",
    "legal_notice_count_90d",
    "material_days_past_due",
    "sales_12m_amount_reporting",
    "segment",
    "industry_code",
    "group_code",
)
LABEL_COLUMNS: tuple[str, ...] = (
    "horizon_end_date",
    "label_known",
    "is_event",
    "event_kind",
    "event_date",
    "amount_at_stake_reporting",
    "event_amount_reporting",
)
# What the functions of this package cannot do without; the other status and label columns are welcome.
_REQUIRED_STATUS = (
    "is_in_default_at_cutoff",
    "months_of_history",
    "has_financials",
    "has_bureau",
    "segment",
    "open_amount_reporting",
    "sales_12m_amount_reporting",
)
_REQUIRED_LABEL = ("horizon_end_date", "label_known", "is_event", "amount_at_stake_reporting")


class FrameMismatch(ValueError):
    """A frame's columns are not those of the registry. Attributes: missing, unexpected (tuples of names)."""

    def __init__(self, what: str, missing: tuple[str, ...], unexpected: tuple[str, ...]) -> None:
        self.missing, self.unexpected = missing, unexpected
        parts = []
        if missing:
            parts.append(f"missing columns: {', '.join(missing)}")
        if unexpected:
            parts.append(f"columns the registry does not know: {', '.join(unexpected)}")
        super().__init__(
            f"{what}: {'; '.join(parts)}. models_ml/features.py and features.customer_cutoff must name "
            "the same columns: add the column to the one that lacks it."
        )


def check_frame(
    frame: pd.DataFrame, *, labelled: bool = False, what: str = "features.customer_cutoff"
) -> None:
    """Raise FrameMismatch naming every missing and every unknown column of `frame` at once.

    labelled: the frame is features.customer_cutoff joined with features.customer_label.
    """
    required = KEY_COLUMNS + _REQUIRED_STATUS + NAMES + (_REQUIRED_LABEL if labelled else ())
    known = set(KEY_COLUMNS + STATUS_COLUMNS + NAMES + LABEL_COLUMNS)
    columns = [str(c) for c in frame.columns]
    missing = tuple(c for c in required if c not in set(columns))
    unexpected = tuple(c for c in columns if c not in known)
    if missing or unexpected:
        raise FrameMismatch(what, missing, unexpected)


def matrix(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The named features as float32, NaN where not available; rows and index as in `frame`.

    float32 is what XGBoost works in; it also takes away last-digit noise of parallel sums, so that the
    same facts give the same model.
    """
    import numpy as np
    import pandas as pd

    columns = {
        name: pd.to_numeric(frame[name], errors="raise").to_numpy(dtype="float64", na_value=np.nan)
        for name in names
    }
    return pd.DataFrame(columns, index=frame.index).astype("float32")
