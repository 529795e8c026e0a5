"""Bad input on the real command: a clear error, the right exit code, and what was published stays as it was."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.conftest import Company, invoke, write_company


def _cut_in_the_middle_of_a_row(text: str) -> str:
    return text[: text.rindex("\n", 0, -1) + 12]


def _without_currency_column(text: str) -> str:
    return text.replace("currency", "coin", 1)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        pytest.param(lambda path: path.unlink(), "no file invoices.csv", id="missing"),
        pytest.param(lambda path: path.write_bytes(b""), "empty", id="empty"),
        pytest.param(
            lambda path: path.write_text(_cut_in_the_middle_of_a_row(path.read_text())),
            "columns",
            id="truncated",
        ),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes().replace(b"K0001", b"K\xff\xfe01", 1)),
            "utf-8",
            id="not UTF-8",
        ),
        pytest.param(
            lambda path: path.write_text(_without_currency_column(path.read_text())),
            "currency",
            id="lacks a column",
        ),
    ],
)
def test_unreadable_file_stops_the_night(
    published_company: Company, spoil: Callable[[Path], object], told: str
) -> None:
    before = published_company.snapshot()
    spoil(published_company.folder / "invoices.csv")
    outcome = published_company.run_here()
    assert outcome.exit_code == 1
    assert "invoices.csv" in outcome.output
    assert told in outcome.output.lower()
    assert "Traceback" not in outcome.output
    assert published_company.snapshot() == before


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param("sqlite:///no-such-folder/erp.db", "erp.db", id="sqlite file missing"),
        pytest.param("postgresql://reader:hush-hush@127.0.0.1:9/erp", "127.0.0.1", id="postgresql refuses"),
    ],
)
def test_unreachable_database_stops_the_night(published_company: Company, url: str, told: str) -> None:
    before = published_company.snapshot()
    published_company.config["sources"] = {
        "erp": {"kind": "database", "url": url, "tables": {"customers": {}, "invoices": {}}}
    }
    published_company.write_config()
    outcome = published_company.run_here()
    assert outcome.exit_code == 1
    assert told in outcome.output
    assert "hush-hush" not in outcome.output
    assert published_company.snapshot() == before


def test_missing_configuration_is_wrong_usage(tmp_path: Path) -> None:
    outcome = invoke(tmp_path / "home", "run", "--config", str(tmp_path / "nowhere.yml"))
    assert outcome.exit_code == 2
    assert "nowhere.yml" in outcome.output


def test_every_configuration_error_is_listed_at_once(company: Company) -> None:
    company.config["reporting_currency"] = "Dollars"
    company.config["time_zone"] = "Europe/Amsterdamm"
    company.config["modell"] = {}
    company.config["model"] = {"horizon_months": 99}
    company.write_config()
    outcome = company.run_here()
    assert outcome.exit_code == 2
    for told in ("reporting_currency", "Europe/Amsterdam", "'model'", "horizon_months"):
        assert told in outcome.output
    assert not company.current.exists()


def test_state_folder_of_another_company_is_refused(published_company: Company) -> None:
    before = published_company.snapshot()
    published_company.config["company"] = "Quite Another Company"
    published_company.write_config()
    outcome = published_company.run_here()
    assert outcome.exit_code == 2
    assert "'Small Company'" in outcome.output
    assert "TRADE_CREDIT_HOME=" in outcome.output
    assert published_company.snapshot() == before


def test_a_day_that_is_no_date_is_wrong_usage(company: Company) -> None:
    outcome = invoke(company.home, "run", "--as-of", "31.10.2026")
    assert outcome.exit_code == 2
    assert "31.10.2026" in outcome.output
    assert "YYYY-MM-DD" in outcome.output


def test_table_over_its_quarantine_threshold_blocks(published_company: Company) -> None:
    before = published_company.snapshot()

    def every_fifth_without_currency(text: str) -> str:
        head, *rows = text.splitlines()
        column = head.split(",").index("currency")
        spoiled = []
        for number, row in enumerate(rows):
            cells = row.split(",")
            if number % 5 == 0:
                cells[column] = ""
            spoiled.append(",".join(cells))
        return "\n".join([head, *spoiled]) + "\n"

    published_company.rewrite("invoices", every_fifth_without_currency)
    outcome = published_company.run_here()
    assert outcome.exit_code == 1
    assert "the threshold is 5.0%" in outcome.output
    assert "invoice_currency_missing" in outcome.output
    assert published_company.snapshot() == before


def test_second_run_at_the_same_time_refuses(published_company: Company) -> None:
    before = published_company.snapshot()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nfrom pathlib import Path\nfrom orchestration.warehouse import hold_night_lock\n"
            "hold_night_lock(Path(sys.argv[1]))\nprint('held', flush=True)\nsys.stdin.read()",
            str(published_company.home),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        outcome = published_company.run_here()
    finally:
        holder.communicate("")
    assert outcome.exit_code == 1
    assert f"process {holder.pid}" in outcome.output
    assert published_company.snapshot() == before


def test_too_few_defaults_fall_back_to_the_expert_table_and_say_so(published_company: Company) -> None:
    kinds = published_company.published(
        "select distinct model_kind from mart.customer_score where pd is not null"
    )
    assert kinds == [("expert",)]
    [(reason,)] = published_company.published("select decision_reason from mart.model_run where is_published")
    assert "needed" in str(reason)


def test_bad_rows_wait_in_quarantine_and_the_rest_is_published(tmp_path: Path) -> None:
    company = write_company(tmp_path / "company")
    company.rewrite(
        "invoices", lambda text: text.replace("I0001-00,invoice,K0001", "I0001-00,invoice,K9999", 1)
    )
    outcome = company.run_here()
    assert outcome.exit_code == 0, outcome.output
    waiting = company.published(
        "select table_name, rule_id, sum(open_row_count)::int from mart.dq_burn_down "
        "where table_name = 'invoices' group by all"
    )
    assert waiting == [("invoices", "invoice_customer_unknown", 1)]
    [(source, ledger, apart)] = company.published(
        "select sum(source_row_count)::int, sum(ledger_row_count)::int, sum(quarantined_row_count)::int "
        "from mart.reconciliation_source where source_table = 'invoices'"
    )
    assert source == ledger + apart
    assert apart == 1
