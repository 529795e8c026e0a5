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
from tests.pipeline import planted_report
from tests.pipeline.conftest import invoke
from tests.pipeline.planted_report import lines

FIRST = date(2026, 10, 30)

# So rare that a company of this size need not show one every night.
RARE_KINDS = {
    "mended_due_date",
    "other_date_format_due_date",
    "wrong_registration_no_crm",
    "wrong_registration_no_erp",
}


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
    # On every closing day what the control account holds beyond the ledger is what waits in quarantine, and what it
    # lacks was recorded after that day.
    late, held = "entries recorded after the balance date", "rows in quarantine"
    assert stated["reconciled"] > 0
    assert set(stated) <= {"reconciled", late, held, f"{late}; {held}"}


def test_every_planted_mistake_is_found_or_asked_and_nothing_sound_is_accused(nights: Nights) -> None:
    report = {line.kind: line for line in lines(nights.home)}
    planted = {kind: len(line.planted) for kind, line in report.items()}
    assert {kind for kind, count in planted.items() if count == 0} <= RARE_KINDS, planted
    assert {kind: sorted(line.missed) for kind, line in report.items() if line.missed} == {}
    assert {kind: sorted(line.beyond) for kind, line in report.items() if line.beyond} == {}
    asked = {kind: len(line.asked) for kind, line in report.items() if line.asked}
    assert 20 * sum(asked.values()) <= planted["duplicate_customer_across_systems"], asked


def test_a_person_can_read_what_was_planted_and_what_was_found(
    nights: Nights, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["planted_report", str(nights.home)])
    planted_report.main()
    printed = capsys.readouterr().out
    line = next(row for row in printed.splitlines() if row.startswith("missing_due_date"))
    count = str(len(nights.manifest["planted"]["missing_due_date"]["keys"]))
    assert line.split()[-6:] == [count, "0", count, "0", "0", "0"]


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
