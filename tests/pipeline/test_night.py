"""One night on a small company: repeatable to the byte, safe from a kill at any step, readable all the while."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb

from orchestration.night_book import STEPS
from orchestration.warehouse import current_publication, switch_publication
from tests.pipeline.conftest import AS_OF, NEXT, Company, command, invoke, write_company


def test_another_home_gives_the_same_files(published_company: Company, tmp_path: Path) -> None:
    other = write_company(tmp_path / "other")
    outcome = other.run_here()
    assert outcome.exit_code == 0, outcome.output
    assert other.snapshot() == published_company.snapshot()


def test_killed_night_leaves_the_publication_and_reruns_to_the_same_result(
    published_company: Company, two_nights: Company
) -> None:
    before = published_company.snapshot()
    question = "select count(*), max(as_of_date) from mart.customer_score"
    with duckdb.connect(str(published_company.current / "mart.duckdb"), read_only=True) as reader:
        told = reader.execute(question).fetchall()
        for step in (5, 10):
            _run_until(published_company, step, NEXT.isoformat())
            assert published_company.snapshot() == before
            status = command(published_company.home, "status", "--config", str(published_company.config_path))
            assert "interrupted" in status.stdout
        rerun = published_company.run_here(as_of=NEXT)
        assert rerun.exit_code == 0, rerun.output
        assert published_company.snapshot() == two_nights.snapshot()
        # Who opened the mart before keeps its night until opening it again.
        assert reader.execute(question).fetchall() == told
    assert published_company.published("select max(as_of_date) from mart.customer_score") == [(NEXT,)]


def _run_until(company: Company, step: int, as_of: str) -> None:
    """Start a night and kill it, without any chance to clean up, as soon as it announces a step."""
    process = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("trade-credit")),
            "run",
            "--config",
            str(company.config_path),
            "--as-of",
            as_of,
        ],
        env={**os.environ, "TRADE_CREDIT_HOME": str(company.home)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(f"[{step}/"):
            process.send_signal(signal.SIGKILL)
            break
    process.stderr.read()
    assert process.wait() == -signal.SIGKILL


def test_earlier_as_of_knows_nothing_later_and_leaves_the_later_night_as_it_was(
    published_company: Company,
) -> None:
    def books() -> dict[str, bytes]:
        told = ("fct_ledger_entry", "fct_invoice", "fct_ar_aging", "fct_ar_aging_as_known", "fct_exposure",
                "reconciliation", "reconciliation_source", "dim_customer", "limit_recommendation")  # fmt: skip
        files = published_company.snapshot()
        return {name: files[f"{name}.parquet"] for name in told}

    later_night = books()
    earlier = AS_OF - timedelta(days=60)
    outcome = published_company.run_here(as_of=earlier)
    assert outcome.exit_code == 0, outcome.output
    late = published_company.published(
        "select count(*) from mart.fct_ledger_entry "
        f"where effective_date > date '{earlier}' or known_at > date '{earlier}'"
    )
    assert late == [(0,)]
    [(paid_later,)] = published_company.published(
        "select count(*) from mart.fct_invoice where open_amount > 0 and days_past_due > 0"
    )
    assert paid_later > 0
    outcome = published_company.run_here()
    assert outcome.exit_code == 0, outcome.output
    # Scores and warnings now see an earlier night to compare with; what was booked is what it was.
    assert books() == later_night


def test_status_and_doctor_tell_what_is_published(published_company: Company) -> None:
    config = ["--config", str(published_company.config_path)]
    status = command(published_company.home, "status", *config, "--json")
    assert status.returncode == 0
    assert f'"as_of": "{AS_OF}"' in status.stdout
    doctor = command(published_company.home, "doctor", *config)
    assert doctor.returncode == 0, doctor.stdout
    (published_company.folder / "invoices.csv").unlink()
    doctor = command(published_company.home, "doctor", *config)
    assert doctor.returncode == 1
    assert "FAIL  Source erp" in doctor.stdout


def test_what_the_libraries_of_each_step_say_is_kept_by_step(published_company: Company) -> None:
    [folder] = (published_company.home / "logs").iterdir()
    logs = {path.stem: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert set(logs) == set(STEPS)
    assert "OK created sql table model mart.fct_exposure" in logs["dbt_transform"]
    assert "invoices_delivered: passed" in logs["quality_gate"]
    assert "metrics out of time" in logs["learn_model"]


def test_documentation_describes_every_published_table(published_company: Company) -> None:
    config = ["--config", str(published_company.config_path)]
    outcome = invoke(published_company.home, "docs", *config)
    assert outcome.exit_code == 0, outcome.output
    page = Path(outcome.output.strip().splitlines()[-1]).read_text(encoding="utf-8")
    missing = {
        table
        for table in published_company.snapshot()
        if f"model.trade_credit.{Path(table).stem}" not in page
    }
    assert not missing
    # The page is made of the project alone, so nothing that came with the data can run in it.
    assert "Alder" not in page
    nothing_yet = invoke(published_company.folder / "elsewhere", "docs", *config)
    assert nothing_yet.exit_code == 1
    assert "trade-credit run" in nothing_yet.output


def test_pointer_always_leads_to_a_whole_publication(published_company: Company) -> None:
    publication = current_publication(published_company.home / "publication")
    assert publication is not None
    switch_publication(published_company.home / "publication", Path(publication.folder))
    assert current_publication(published_company.home / "publication") == publication
    assert set(publication.tables) == {
        path.stem for path in (published_company.current / "parquet").iterdir()
    }
