"""Nights killed, stopped and starved of disk: readers keep the last good publication, and a rerun makes it whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import pytest

from orchestration.memory import last_run
from orchestration.warehouse import open_warehouse
from tests.pipeline.conftest import NEXT, Company, write_company


@contextmanager
def killed(company: Company, asset: str, folder: str) -> Iterator[Callable[[int], tuple[int, str]]]:
    """Runs an asset of the next night so that it dies at the n-th change of files below a folder of the home.

    Each call is a run in a process of its own; it returns how that process ended and, where it lived, how many changes
    it came to.
    """
    command = [sys.executable, "-m", "tests.pipeline.killed_run", str(company.config_path), NEXT.isoformat()]
    process = subprocess.Popen(
        [*command, asset, str(company.home / folder)],
        env={**os.environ, "TRADE_CREDIT_HOME": str(company.home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(count: int) -> tuple[int, str]:
        assert process.stdin is not None
        assert process.stdout is not None
        print(count, file=process.stdin, flush=True)
        status, changes = process.stdout.readline().split()
        return int(status), changes

    yield run
    process.communicate()


def booked(company: Company) -> list[tuple[object, ...]]:
    """What the ledger holds for good, by night."""
    with open_warehouse(company.home / "warehouse.duckdb", read_only=True) as connection:
        return connection.execute(
            "select booked_on, count(*), sum(amount) from core.ledger_history group by booked_on order by booked_on"
        ).fetchall()


def test_publishing_killed_anywhere_shows_readers_one_whole_night_and_books_nothing_twice(
    two_nights: Company, tmp_path: Path
) -> None:
    shutil.copytree(two_nights.folder, tmp_path / "company", symlinks=True)
    company = write_company(tmp_path / "company")
    before, ledger = company.snapshot(), booked(company)
    with killed(company, "publication/current", "publication") as publish:
        status, said = publish(0)
        assert status == 0
        changes = int(said)
        # The first and the last changes are folders, renames and the pointer; those between close one file each.
        for count in (2, changes // 2, changes - 4, changes - 2, changes):
            assert publish(count) == (-signal.SIGKILL, "-")
            assert company.snapshot() == before
            assert company.published("select count(*) from mart.fct_invoice") == [(400,)]
        assert publish(0)[0] == 0
    assert company.snapshot() == before
    assert booked(company) == ledger
    assert not list((company.home / "publication").glob(".*.partial"))


@pytest.mark.parametrize(
    ("number", "step", "name"),
    [(signal.SIGINT, 2, "Ctrl-C"), (signal.SIGTERM, 3, "SIGTERM")],
)
def test_stopped_night_says_so_blames_nobody_and_publishes_nothing(
    published_company: Company, number: signal.Signals, step: int, name: str
) -> None:
    before = published_company.snapshot()
    process = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("trade-credit")),
            "run",
            "--config",
            str(published_company.config_path),
            "--as-of",
            NEXT.isoformat(),
        ],
        env={**os.environ, "TRADE_CREDIT_HOME": str(published_company.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(f"[{step}/"):
            os.killpg(process.pid, number)
            break
    said = process.stderr.read()
    assert process.wait() == 130, said
    assert f"Stopped by you ({name})" in said
    assert "foreseen" not in said
    assert "rule" not in said
    assert published_company.snapshot() == before
    run = last_run(published_company.home)
    assert run is not None
    assert run.state == "stopped"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with little room; made by the system's administrator alone."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("a small disk can be mounted only by root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_full_and_read_only_disks_leave_the_publication_and_are_named(
    published_template: Path, two_nights: Company, small_disk: Path
) -> None:
    shutil.copytree(published_template, small_disk / "company", symlinks=True)
    company = write_company(small_disk / "company")
    before = company.snapshot()
    filler = small_disk / "filler"
    free = shutil.disk_usage(small_disk).free
    with filler.open("wb") as handle, suppress(OSError):
        handle.write(b"x" * (free - 12_000_000))
    outcome = company.run(as_of=NEXT)
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    assert "disk is full" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert company.snapshot() == before
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for command in (["run", "--as-of", NEXT.isoformat()], ["status"], ["doctor"]):
        said = _said(company, *command)
        assert "Traceback" not in said.stderr
        named = {"run": "Read-only file system", "doctor": "is not writable"}.get(command[0], "")
        assert named in said.stdout + said.stderr
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    outcome = company.run(as_of=NEXT)
    assert outcome.returncode == 0, outcome.stderr
    assert company.snapshot() == two_nights.snapshot()


def _said(company: Company, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = str(Path(sys.executable).with_name("trade-credit"))
    return subprocess.run(
        [command, *arguments, "--config", str(company.config_path)],
        env={**os.environ, "TRADE_CREDIT_HOME": str(company.home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_missed_week_and_leap_day_are_nights_like_others(published_company: Company) -> None:
    for as_of, more in (
        (date(2026, 7, 8), []),
        (date(2028, 2, 29), ["--accept-day"]),
    ):
        outcome = published_company.run_here(*more, as_of=as_of)
        assert outcome.exit_code == 0, outcome.output
        assert published_company.published("select max(as_of_date) from mart.fct_exposure") == [(as_of,)]
        assert published_company.published("select count(*) from mart.fct_invoice") == [(400,)]
