"""The public invoice files through the real command: totals to the cent, dirt named, time respected."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.pipeline.conftest import invoke

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "b2b_invoices"
EXAMPLE = ROOT / "examples" / "b2b_invoices.yml"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the public invoice files are not here (../shared/data/b2b_invoices)"
)


@dataclass
class Night:
    home: Path

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(
            str(self.home / "publication" / "current" / "mart.duckdb"), read_only=True
        ) as mart:
            return mart.execute(query).fetchall()


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    return _night(tmp_path_factory.mktemp("now"), "2020-05-22")


def _night(home: Path, as_of: str) -> Night:
    outcome = invoke(home, "run", "--config", str(EXAMPLE), "--as-of", as_of)
    assert outcome.exit_code == 0, outcome.output
    return Night(home)


def _file_totals() -> dict[str, Decimal]:
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for name, column in (
        ("closed_invoices.csv", "total_open_amount"),
        ("open_invoices.csv", "total_open_amount"),
        ("open_invoices_day_month_swapped.csv", "converted_usd"),
    ):
        with (DATA / name).open(encoding="utf-8", newline="") as handle:
            for row in csv.DictReader(handle):
                totals[name] += Decimal(row[column])
    return totals


def test_ledger_and_quarantine_add_up_to_each_file_to_the_cent(night: Night) -> None:
    by_file = night.ask(
        "select source_file, sum(ledger_amount + quarantined_amount + not_yet_known_amount + waiting_amount "
        "+ superseded_amount), sum(source_row_count)::int, sum(ledger_row_count + quarantined_row_count "
        "+ not_yet_known_row_count + waiting_row_count)::int "
        "from mart.reconciliation_source where source_table = 'invoices' group by source_file"
    )
    totals = _file_totals()
    assert {name for name, *_ in by_file} == set(totals)
    for name, amount, source_rows, kept_rows in by_file:
        # One export carries converted amounts with three decimals; the ledger and its quarantine keep cents.
        assert abs(amount - totals[name]) < Decimal("0.01"), name
        assert source_rows == kept_rows, name
    differences = night.ask(
        "select count(*) from mart.reconciliation_source where amount_difference <> 0 or row_count_difference <> 0"
    )
    assert differences == [(0,)]


def test_open_file_splits_by_currency_as_written(night: Night) -> None:
    with (DATA / "open_invoices.csv").open(encoding="utf-8", newline="") as handle:
        written: dict[str, Decimal] = defaultdict(Decimal)
        for row in csv.DictReader(handle):
            written[row["invoice_currency"]] += Decimal(row["total_open_amount"])
    published = dict(
        night.ask(
            "select currency, source_amount from mart.reconciliation_source where source_file = 'open_invoices.csv'"
        )
    )
    assert published == dict(written)


def test_repeats_and_lost_cents_are_in_quarantine_with_rule_and_owner(night: Night) -> None:
    found = dict(
        night.ask(
            "select rule_id, sum(open_row_count)::int from mart.dq_burn_down where table_name = 'invoices' group by 1"
        )
    )
    # 782 rows repeated inside the paid file and 341 documents that two open exports both hold.
    assert found["invoice_repeated"] == 782 + 341
    assert "invoice_amount_decimals" in found
    # Swapped days and months make due dates that lie before the issue: told, and aged from the issue.
    told = "select rows_failed > 0 from mart.dq_result where rule_id = 'invoice_due_before_issue'"
    assert (True,) in night.ask(told)
    assert night.ask("select count(*) from mart.fct_invoice where due_date < issue_date") == [(0,)]
    assert night.ask("select count(*) from mart.dq_burn_down where owner is null or owner = ''") == [(0,)]


def test_repairs_are_recorded_with_what_was_written(night: Night) -> None:
    with duckdb.connect(str(night.home / "warehouse.duckdb"), read_only=True) as warehouse:
        repairs = dict(
            warehouse.execute(
                "select repair, count(*) from ops.repair where table_name = 'invoices' group by 1"
            ).fetchall()
        )
        swapped = warehouse.execute(
            "select original_value, repaired_value from ops.repair where repair like 'swap_day_month%' "
            "order by _row_key limit 1"
        ).fetchone()
    assert repairs["pad_left"] > 30_000
    assert repairs["swap_day_month"] == 1_657
    assert swapped is not None
    year, month, day = str(swapped[0])[:10].split("-")
    assert str(swapped[1])[:10] == f"{year}-{day}-{month}"


def test_many_named_customers_are_named_by_a_rule(night: Night) -> None:
    assert night.ask("select rows_failed from mart.dq_result where rule_id = 'customer_several_names'") == [
        (193,)
    ]


def test_open_invoices_carry_days_past_due_and_a_bucket(night: Night) -> None:
    wrong = night.ask(
        "select count(*) from mart.fct_invoice where open_amount > 0 and ("
        "days_past_due <> date_diff('day', due_date, date '2020-05-22') or aging_bucket <> case "
        "when days_past_due <= 0 then 'current' when days_past_due <= 30 then '1-30' "
        "when days_past_due <= 60 then '31-60' when days_past_due <= 90 then '61-90' else '91+' end)"
    )
    assert wrong == [(0,)]
    assert night.ask("select count(*) > 9000 from mart.fct_invoice where open_amount > 0") == [(True,)]


def test_every_customer_has_a_score_or_a_reason_why_not(night: Night) -> None:
    assert night.ask(
        "select count(*) from mart.customer_score where pd is null and coalesce(status_reason, '') = ''"
    ) == [(0,)]
    assert night.ask("select count(*) from mart.customer_score") == night.ask(
        "select count(*) from mart.dim_customer"
    )


def test_an_earlier_day_knows_nothing_of_what_came_after(tmp_path: Path) -> None:
    earlier = _night(tmp_path / "then", "2019-09-30")
    with (DATA / "closed_invoices.csv").open(encoding="utf-8", newline="") as handle:
        rows = {tuple(row.values()) for row in csv.DictReader(handle)}
    # Paid later, but due early enough that the document was out by then (15 days of terms, as the example says).
    unpaid_then = [row for row in rows if row[1] > "2019-09-30" and row[2] <= "2019-09-30"]
    [(still_open,)] = earlier.ask(
        "select count(*) from mart.fct_invoice where open_amount = amount and due_date <= date '2019-09-30'"
    )
    assert still_open == len(unpaid_then)
    assert earlier.ask(
        "select count(*) from mart.fct_ledger_entry where effective_date > date '2019-09-30'"
    ) == [(0,)]
    assert earlier.ask("select max(issue_date) <= date '2019-09-30' from mart.fct_invoice") == [(True,)]
