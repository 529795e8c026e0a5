"""Two nights of a small demo company: everything moves on by a day, and what was planted is found."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from orchestration.settings import DEMO_CONFIG
from tests.pipeline.conftest import invoke

FIRST = date(2026, 10, 30)


class Nights:
    """A demo home after two nights, with what each of them published and printed."""

    def __init__(self, home: Path, config: Path) -> None:
        self.home = home
        self.config = config
        self.outputs: list[str] = []
        self.answers: list[dict[str, Any]] = []

    def live(self) -> None:
        outcome = invoke(self.home, "run", "--config", str(self.config))
        assert outcome.exit_code == 0, outcome.output
        self.outputs.append(outcome.output)
        self.answers.append(
            {
                "as_of": self.ask("select max(as_of_date) from mart.customer_score")[0][0],
                "entries": self.ask("select count(*) from mart.fct_ledger_entry")[0][0],
                "last_entry": self.ask("select max(effective_date) from mart.fct_ledger_entry")[0][0],
                "codes": dict(self.ask("select customer_code, customer_name from mart.dim_customer")),
            }
        )

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(
            str(self.home / "publication" / "current" / "mart.duckdb"), read_only=True
        ) as mart:
            return mart.execute(query).fetchall()

    def warehouse(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as warehouse:
            return warehouse.execute(query).fetchall()

    @property
    def manifest(self) -> dict[str, Any]:
        return json.loads((self.home / "demo" / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    folder = tmp_path_factory.mktemp("demo")
    settings = yaml.safe_load(DEMO_CONFIG.read_text(encoding="utf-8"))
    settings["demo"] |= {"customers": 250, "months": 20, "first_as_of": FIRST}
    settings["model"] |= {"horizon_months": 3, "target_days_past_due": 31}
    config = folder / "demo.yml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    nights = Nights(folder / "home", config)
    nights.live()
    nights.live()
    return nights


def test_the_second_night_is_the_next_day(nights: Nights) -> None:
    first, second = nights.answers
    assert first["as_of"] == FIRST
    assert second["as_of"] == date(2026, 10, 31)
    assert second["entries"] > first["entries"]
    assert second["last_entry"] >= first["last_entry"]


def test_only_what_is_new_is_landed(nights: Nights) -> None:
    landed = dict(
        nights.warehouse("select as_of_date, sum(rows_landed)::int from ops.landing group by 1 order by 1")
    )
    assert landed[date(2026, 10, 31)] < 0.05 * landed[FIRST]


def test_customer_codes_stay(nights: Nights) -> None:
    first, second = nights.answers
    assert set(first["codes"]) <= set(second["codes"])


def test_control_account_buckets_and_sources_agree(nights: Nights) -> None:
    assert nights.ask(
        "select count(*) from mart.reconciliation "
        "where bucket_difference <> 0 or balance_difference <> 0 or source_difference <> 0"
    ) == [(0,)]
    stated = dict(
        nights.ask(
            "select gl_status, count(*) from mart.reconciliation where gl_balance is not null group by 1"
        )
    )
    # What the control account holds beyond the ledger is what waits in quarantine, and nothing else.
    assert stated
    assert set(stated) <= {"reconciled", "rows in quarantine"}


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("missing_due_date", "invoice_due_date_missing"),
        ("unknown_currency", "invoice_currency_unknown"),
        ("duplicated_document_row", "invoice_repeated"),
        ("other_date_format_order_date", "order_date_unreadable"),
        ("negative_amount", "invoice_amount_negative"),
        ("due_before_issue", "invoice_due_before_issue"),
        ("orphan_invoice", "invoice_customer_unknown"),
    ],
)
def test_planted_dirt_is_found_by_its_rule(nights: Nights, kind: str, rule: str) -> None:
    planted = {str(key) for key in nights.manifest["planted"][kind]["keys"]}
    found = {
        str(key)
        for (key,) in nights.warehouse(f"select _row_key from ops.dq_failing_row where rule_id = '{rule}'")
    }
    assert planted, f"the simulator planted no {kind}"
    assert planted <= found


def test_hidden_truth_reaches_no_table(nights: Nights) -> None:
    columns = {
        name
        for (name,) in nights.warehouse(
            "select distinct column_name from information_schema.columns where table_schema in ('raw', 'features')"
        )
    }
    assert not {name for name in columns if "health" in name or "hidden" in name or "truth" in name}


def test_summary_tells_a_credit_manager_what_to_do_next(nights: Nights) -> None:
    for told in (
        "Customers scored",
        "Open warnings",
        "overdue share",
        "DSO",
        "Rows in quarantine",
        "Look first at",
    ):
        assert told in nights.outputs[-1]
