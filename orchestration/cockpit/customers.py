"""The page of each customer: who it is, what is at stake, how it pays, what is expected and decided, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.cockpit.blocks import Block, Figures, Lines, shown
from orchestration.cockpit.mart import Mart

# Rows of a list on one page: the rest is a question for the mart itself.
_MOST_ROWS = 60


@dataclass(frozen=True)
class CustomerPage:
    """One customer's page before it is written: title, the line below it, and its blocks."""

    code: str
    name: str
    subtitle: str
    blocks: Sequence[Block]


def customer_pages(mart: Mart) -> Iterator[CustomerPage]:
    """The pages of all customers with something open, on order, scored or warned of, by code."""
    told = _Told(mart)
    for row in told.customers:
        yield CustomerPage(
            row["customer_code"],
            row["customer_name"] or row["customer_code"],
            told.subtitle(row),
            told.blocks(row),
        )


class _Told:
    """What the mart says of every customer, asked once a table."""

    def __init__(self, mart: Mart) -> None:
        self.mart = mart
        self.customers = mart.rows(
            "select customer.*, exposure.* exclude (customer_code, group_code), score.* exclude "
            "(customer_code, customer_name), "
            "recommendation.* exclude (as_of_date, customer_code, customer_name, score_status, grade, data_depth, "
            "exposure_reporting, net_exposure_reporting, insured_reporting) "
            "from dim_customer as customer left join fct_exposure as exposure using (customer_code) "
            "left join customer_score as score using (customer_code) "
            "left join limit_recommendation as recommendation using (customer_code) "
            "where coalesce(exposure.exposure_reporting, 1) <> 0 or exposure.open_receivables_reporting <> 0 "
            "or score.score_status in ('scored', 'in_default') order by customer_code"
        )
        self.numbers = mart.by_customer(
            "select customer_code, source_system, customer_id, customer_name, valid_from from dim_customer_history "
            "where is_current order by customer_code, source_system, customer_id"
        )
        self.group = mart.by_customer(
            "select member.customer_code, other.customer_code as other_code, other.customer_name as other_code_text, "
            "exposure.exposure_reporting from dim_customer as member join dim_customer as other using (group_code) "
            "left join fct_exposure as exposure on exposure.customer_code = other.customer_code "
            "where other.customer_code <> member.customer_code and member.group_customer_count <= 30 "
            "order by member.customer_code, exposure.exposure_reporting desc nulls last"
        )
        self.aging = mart.by_customer(
            "select customer_code, as_of_date, sum(open_amount_reporting) as open, "
            "sum(overdue_amount_reporting) as overdue "
            "from fct_ar_aging where as_of_date = last_day(as_of_date) or as_of_date = (select "
            "max(as_of_date) from fct_ar_aging) "
            "group by all order by customer_code, as_of_date"
        )
        self.behaviour = mart.by_customer("from fct_payment_behaviour order by customer_code, window_months")
        self.reasons = mart.by_customer("from score_reason order by customer_code, reason_rank")
        self.evidence = mart.by_customer(
            "from warning_evidence order by customer_code, role desc, severity desc, rule_id"
        )
        self.warnings = mart.by_customer("from warning order by customer_code, opened_on desc, family")
        self.invoices = mart.by_customer(
            "select * from (select customer_code, invoice_no, issue_date, due_date, currency, "
            "open_amount, late_probability, "
            "expected_payment_date, row_number() over (partition by customer_code order by due_date, "
            "invoice_no) as place "
            f"from invoice_late_risk) where place <= {_MOST_ROWS} order by customer_code, place"
        )
        self.disputes = mart.by_customer("from fct_dispute where is_open order by customer_code, opened_date")
        self.limits = mart.by_customer(
            "from fct_credit_limit where is_in_force order by customer_code, legal_entity, currency"
        )
        self.statements = mart.by_customer("from fct_financial_ratio order by customer_code, period_end desc")
        self.suggestions = mart.by_customer(
            "from match_suggestion order by customer_code, match_probability desc, match_id"
        )

    def subtitle(self, row: Mapping[str, Any]) -> str:
        parts = (
            row["customer_code"], row["registration_no"], row["city"], row["country"], row["segment"],
            row["industry_code"],
        )  # fmt: skip
        return " · ".join(str(part) for part in parts if part)

    def blocks(self, row: Mapping[str, Any]) -> list[Block]:
        """The blocks of one customer; a list without rows is left out where its emptiness says nothing."""
        code = row["customer_code"]
        return [
            self._at_a_glance(row),
            self._exposure(row),
            *self._listed("evidence", "warning_evidence", self.evidence.get(code, ()), [
                ("role", "code"), ("rule_id", "code"), ("severity", "severity"), ("met_since", "date"),
                ("evidence_text", "text")], always=True),
            *self._listed("reasons", "score_reason", self.reasons.get(code, ()), [
                ("direction", "code"), ("reason_text", "text"), ("contribution_log_odds", "number"),
                ("improvement_text", "text")]),
            self._aging(code),
            *self._listed("behaviour", "fct_payment_behaviour", self.behaviour.get(code, ()), [
                ("window_months", "number"), ("paid_invoice_count", "number"), ("days_beyond_terms_weighted", "number"),
                ("payment_index", "number"), ("on_time_share", "share"), ("average_days_to_pay", "number")]),
            *self._listed("open_documents", "invoice_late_risk", self.invoices.get(code, ()), [
                ("invoice_no", "text"), ("issue_date", "date"), ("due_date", "date"), ("currency", "text"),
                ("open_amount", "amount"), ("late_probability", "share"),
                ("expected_payment_date", "date")], always=True),
            *self._listed("suggestions", "match_suggestion", self.suggestions.get(code, ()), [
                ("from_document_no", "text"), ("invoice_no", "text"), ("currency", "text"),
                ("suggested_amount", "amount"),
                ("match_probability", "share"), ("reason", "text")]),
            *self._listed("disputes", "fct_dispute", self.disputes.get(code, ()), [
                ("dispute_id", "text"), ("opened_date", "date"), ("reason", "text"), ("currency", "text"),
                ("amount", "amount")]),
            *self._listed("limits_in_force", "fct_credit_limit", self.limits.get(code, ()), [
                ("legal_entity", "text"), ("valid_from", "date"), ("valid_to", "date"), ("currency", "text"),
                ("amount", "amount"), ("insured_amount", "amount"), ("approved_by", "text"), ("reason", "text")]),
            *self._listed("statements", "fct_financial_ratio", self.statements.get(code, ()), [
                ("period_end", "date"), ("published_at", "date"), ("revenue_reporting", "amount"),
                ("equity_ratio", "share"),
                ("current_ratio", "number"), ("ebit_margin", "share"), ("altman_z", "number"),
                ("altman_zone", "code")]),
            *self._listed("warning_history", "warning", self.warnings.get(code, ()), [
                ("family", "code"), ("rule_id", "code"), ("state", "code"), ("worst_severity", "severity"),
                ("opened_on", "date"), ("last_seen_on", "date"), ("closed_on", "date")]),
            *self._listed("numbers", "dim_customer_history", self.numbers.get(code, ()), [
                ("source_system", "text"), ("customer_id", "text"), ("customer_name", "text"), ("valid_from", "date")]),
            *self._listed("group", "fct_exposure", [
                {**other, "customer_code": other["other_code"], "customer_code_text": other["other_code_text"]}
                for other in self.group.get(code, ())], [
                ("customer_code", "customer"), ("exposure_reporting", "amount")]),
        ]  # fmt: skip

    def _listed(
        self,
        title: str,
        table: str,
        rows: Sequence[Mapping[str, Any]],
        kinds: Sequence[tuple[str, str]],
        *,
        always: bool = False,
    ) -> list[Block]:
        if not rows and not always:
            return []
        note = "more_rows" if len(rows) >= _MOST_ROWS else ""
        return [self.mart.table(title, table, kinds, rows[:_MOST_ROWS], note=note)]

    def _at_a_glance(self, row: Mapping[str, Any]) -> Figures:
        word = self.mart.word
        listed = [
            ("customer_score", "score_status", word.name(row["score_status"] or "not_scored")),
            ("customer_score", "pd", shown(row["pd"], "share")),
            ("customer_score", "grade", shown(row["grade"])),
            ("customer_score", "previous_grade", shown(row["previous_grade"])),
            ("limit_recommendation", "decision", word.name(row["decision"] or "not_available")),
            ("limit_recommendation", "decision_reason", shown(row["decision_reason"])),
            (
                "limit_recommendation",
                "recommended_limit_reporting",
                shown(row["recommended_limit_reporting"], "amount"),
            ),
            ("limit_recommendation", "need_reporting", shown(row["need_reporting"], "amount")),
            (
                "limit_recommendation",
                "graded_capacity_reporting",
                shown(row["graded_capacity_reporting"], "amount"),
            ),
        ]
        return Figures(
            word("at_a_glance"),
            [(word(f"col_{name}"), text, self.mart.meaning(table, name)) for table, name, text in listed],
            shown(row["status_reason"]) if row["status_reason"] else "",
        )

    def _exposure(self, row: Mapping[str, Any]) -> Figures:
        word = self.mart.word
        amounts = (
            "open_receivables_reporting", "overdue_amount_reporting", "delivered_not_invoiced_reporting",
            "open_orders_reporting", "unapplied_cash_reporting", "exposure_reporting", "insured_reporting",
            "net_exposure_reporting", "group_exposure_reporting", "credit_limit_reporting",
        )  # fmt: skip
        listed = [
            (word(f"col_{name}"), shown(row[name], "amount"), self.mart.meaning("fct_exposure", name))
            for name in amounts
        ]
        used = (
            word("col_utilisation"),
            shown(row["utilisation"], "share"),
            self.mart.meaning("fct_exposure", "utilisation"),
        )
        return Figures(word("exposure"), [*listed, used])

    def _aging(self, code: str) -> Lines:
        rows = self.aging.get(code, ())
        points = [(row["as_of_date"], None if row["open"] is None else float(row["open"])) for row in rows]
        last = rows[-1]["open"] if rows else None
        return Lines(
            self.mart.word("open_over_time"), points, shown(last, "amount"), self.mart.word("nothing"),
            note=self.mart.meaning("fct_ar_aging", "open_amount_reporting"),
        )  # fmt: skip
