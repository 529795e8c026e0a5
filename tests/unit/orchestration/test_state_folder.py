"""A damaged state folder: what can be rebuilt is rebuilt, the rest is told with what to type, without a trace."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orchestration import telemetry
from orchestration.dbt_runner import DbtError, dbt_target_dir, prepared_manifest
from orchestration.doctor import Finding, examine
from orchestration.environment import explain_environment
from orchestration.home import keep_private, remove, too_wide, usable_home
from orchestration.instance import prepare_instance
from orchestration.lock import NightInProgressError, hold_night_lock, is_night_running, release_night_lock
from orchestration.memory import LastRun, claim_home, last_run, remember
from orchestration.settings import ConfigurationError, Settings, load_settings
from orchestration.status import current_status, status_text
from orchestration.warehouse import WarehouseError, check_warehouse, open_warehouse, prepare_warehouse
from tests.shared import spare_parsing
from tests.unit.orchestration.state_home import (
    DAY,
    ROOT,
    publish,
    unprivileged,
    write_home,
    write_settings,
)


@pytest.fixture(scope="module")
def whole_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company's folder after a night: everything in its state folder is there and whole."""
    folder = tmp_path_factory.mktemp("whole") / "company"
    settings = write_home(folder)
    spare_parsing(settings.home)
    outcome = subprocess.run(
        [sys.executable, "-c", LOG_A_RUN, str(settings.dagster_dir)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 0, outcome.stderr
    keep_private(settings.home)
    return folder


LOG_A_RUN = """
import sys
from pathlib import Path
from orchestration.instance import prepare_instance
print(*prepare_instance(Path(sys.argv[1])), sep="\\n")
import dagster as dg
@dg.op
def work():
    pass
@dg.job
def night():
    work()
with dg.DagsterInstance.get() as instance:
    assert night.execute_in_process(instance=instance).success
    assert instance.schedule_storage is not None
    instance.schedule_storage.all_instigator_state()
    print("runs:", len(instance.get_runs()), "statistics:", instance.telemetry_enabled)
"""


@pytest.fixture
def company(whole_home: Path, tmp_path: Path) -> Settings:
    folder = tmp_path / "company"
    shutil.copytree(whole_home, folder, symlinks=True)
    return load_settings(folder / "company.yml", env={}, home=folder / "home")


def content_of(folder: Path) -> dict[str, tuple[object, ...]]:
    """Every file and folder with its permissions and, for files, what is in it."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None,
        )
        for path in folder.rglob("*")
    }


def findings(settings: Settings, today: date = DAY) -> list[Finding]:
    return [finding for finding in examine(settings, today=today) if finding.subject != "Disk"]


def test_whole_state_folder_has_no_problem(company: Settings) -> None:
    before = content_of(company.home)
    assert current_status(company)["problems"] == []
    assert [finding for finding in findings(company) if not finding.ok] == []
    assert content_of(company.home) == before


# ---------------------------------------------------------------- every fault is told, and telling writes nothing


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def harm(home: Path) -> None:
        path = home / name
        path.parent.mkdir(exist_ok=True)
        if path.is_file():
            path.chmod(0o600)
        path.write_bytes(content)

    return harm


def cut(name: str, by: int = 0) -> Callable[[Path], None]:
    def harm(home: Path) -> None:
        path = next(home.glob(name))
        path.chmod(0o600)
        os.truncate(path, path.stat().st_size - by if by else path.stat().st_size // 2)

    return harm


def flip(name: str) -> Callable[[Path], None]:
    def harm(home: Path) -> None:
        path = next(home.glob(name))
        path.chmod(0o600)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)

    return harm


def gone(name: str) -> Callable[[Path], None]:
    def harm(home: Path) -> None:
        path = next(home.glob(name))
        path.parent.chmod(0o700)
        path.unlink()
        path.parent.chmod(0o550 if "publication" in str(path) else 0o700)

    return harm


def folder_instead(name: str) -> Callable[[Path], None]:
    def harm(home: Path) -> None:
        (home / name).unlink(missing_ok=True)
        (home / name).mkdir(mode=0o700)

    return harm


def file_instead(name: str) -> Callable[[Path], None]:
    def harm(home: Path) -> None:
        shutil.rmtree(home / name, ignore_errors=True)
        (home / name).write_text("x", encoding="utf-8")
        (home / name).chmod(0o600)

    return harm


def current_leads(target: str | None) -> Callable[[Path], None]:
    def harm(home: Path) -> None:
        pointer = home / "publication" / "current"
        real = pointer.resolve()
        pointer.unlink()
        if target is None:
            shutil.copytree(real, pointer)
        elif target:
            pointer.symlink_to(target)

    return harm


FOREIGN = b"telemetry:\n  enabled: true\nstorage:\n  sqlite:\n    base_dir: /nonexistent\n"
MART = "publication/2026*/mart.duckdb"
# What is done to the state folder, and what must be told of it: by status and doctor, or by doctor alone.
BOTH, DOCTOR = True, False
FAULTS: dict[str, tuple[Callable[[Path], None], str, bool]] = {
    "last run empty": (write("last_run.json", b""), "last_run.json", BOTH),
    "last run cut": (write("last_run.json", b'{"as_of": "2026-06-30", "st'), "last_run.json", BOTH),
    "last run binary": (write("last_run.json", b"\xff\x00\xfe"), "last_run.json", BOTH),
    "last run a list": (write("last_run.json", b"[1]"), "last_run.json", BOTH),
    "last run of other types": (
        write("last_run.json", b'{"as_of": 1, "state": 2, "run_id": 3, "started_at": 4}'),
        "last_run.json",
        BOTH,
    ),
    "last run a folder": (folder_instead("last_run.json"), "last_run.json", BOTH),
    "another company": (write("company.txt", b"Birch Ltd\n"), "Birch Ltd", BOTH),
    "mark a folder": (folder_instead("company.txt"), "company.txt", BOTH),
    "lock a folder": (folder_instead("run.lock"), "run.lock", BOTH),
    "pointer dangling": (current_leads("2026-06-29-gone"), "2026-06-29-gone", BOTH),
    "pointer leads out": (current_leads("/etc"), "leads out", BOTH),
    "pointer to itself": (current_leads("current"), "current", BOTH),
    "pointer a folder": (current_leads(None), "is a folder", BOTH),
    "pointer gone": (current_leads(""), "ln -sfn 2026-06-30-aaaaaaaa", BOTH),
    "manifest cut": (cut("publication/2026*/manifest.json"), "not a complete publication", BOTH),
    "manifest gone": (gone("publication/2026*/manifest.json"), "not a complete publication", BOTH),
    "mart cut": (cut(MART), "mart.duckdb has", BOTH),
    "mart cut by a byte": (cut(MART, by=1), "mart.duckdb has", BOTH),
    "mart flipped": (flip(MART), "mart.duckdb is not what was written", DOCTOR),
    "parquet gone": (gone("publication/2026*/parquet/dim_name.parquet"), "dim_name.parquet is missing", BOTH),
    "publication a file": (file_instead("publication"), "publication", BOTH),
    "warehouse cut": (cut("warehouse.duckdb"), "Put back a backup", BOTH),
    "warehouse cut by a byte": (cut("warehouse.duckdb", by=1), "Put back a backup", BOTH),
    "warehouse zeros": (write("warehouse.duckdb", b"\0" * 100_000), "Put back a backup", BOTH),
    "warehouse garbage": (write("warehouse.duckdb", os.urandom(100_000)), "Put back a backup", BOTH),
    "warehouse empty": (write("warehouse.duckdb", b""), "is empty", BOTH),
    "warehouse flipped": (flip("warehouse.duckdb"), "Put back a backup", DOCTOR),
    "warehouse a folder": (folder_instead("warehouse.duckdb"), "is a folder", BOTH),
    "dagster.yaml empty": (write("dagster/dagster.yaml", b""), "dagster.yaml", BOTH),
    "dagster.yaml garbage": (write("dagster/dagster.yaml", b"\0{{: ["), "dagster.yaml", BOTH),
    "dagster.yaml foreign": (write("dagster/dagster.yaml", FOREIGN), "dagster.yaml", BOTH),
    "statistics collected": (write("dagster/logs/event.log", b"{}"), "usage statistics", BOTH),
    "runs.db garbage": (write("dagster/history/runs.db", os.urandom(9000)), "runs.db", BOTH),
    "runs.db cut": (cut("dagster/history/runs.db"), "runs.db", BOTH),
    "index.db garbage": (write("dagster/history/runs/index.db", b"\0" * 9000), "index.db", BOTH),
    "index.db cut": (cut("dagster/history/runs/index.db"), "index.db", BOTH),
    "schedules.db cut": (cut("dagster/schedules/schedules.db"), "schedules.db", BOTH),
    "dagster a file": (file_instead("dagster"), "dagster", BOTH),
    "dbt manifest cut": (cut("dbt/manifest.json"), "manifest.json", BOTH),
    "dbt partial parse cut": (cut("dbt/partial_parse.msgpack"), "partial_parse.msgpack", BOTH),
    "dbt partial parse gone": (gone("dbt/partial_parse.msgpack"), "partial_parse.msgpack", BOTH),
    "champion cut": (write("models/champion.json", b'[{"as_of": "2026'), "champion.json", DOCTOR),
    "dbt a file": (file_instead("dbt"), "dbt", BOTH),
}
# What a night mends by itself; independent faults lie in one state folder together.
MENDED: dict[str, tuple[str, ...]] = {
    "memory": ("last run cut", "pointer dangling", "mart flipped"),
    "pointer out": ("last run binary", "pointer leads out"),
    "pointer to itself": ("last run a list", "pointer to itself"),
    "pointer a folder": ("last run empty", "pointer a folder"),
    "pointer gone": ("last run of other types", "pointer gone"),
    "manifest cut": ("manifest cut", "parquet gone"),
    "manifest gone": ("manifest gone", "mart cut"),
    "run log garbage": ("dagster.yaml empty", "runs.db garbage", "index.db cut", "schedules.db cut"),
    "run log cut": ("dagster.yaml garbage", "runs.db cut", "index.db garbage", "statistics collected"),
    "run log empty": ("dagster.yaml foreign", "runs.db empty", "history a file"),
    "dbt cut": ("dbt manifest cut", "dbt partial parse cut"),
    "dbt gone": ("dbt partial parse gone", "dbt stamp odd"),
}
MORE: dict[str, Callable[[Path], None]] = {
    "runs.db empty": write("dagster/history/runs.db", b""),
    "history a file": file_instead("dagster/history"),
    "dbt stamp odd": write("dbt/parsed.json", b"[1, 2"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_status_and_doctor_tell_the_fault_and_write_nothing(company: Settings, fault: str) -> None:
    harm, told, by_status = FAULTS[fault]
    harm(company.home)
    before = content_of(company.home)
    text = status_text(current_status(company))
    failed = [finding for finding in findings(company) if not finding.ok]
    assert any(told in finding.text for finding in failed), failed
    assert (told in text) is by_status, text
    assert "Traceback" not in text
    # A look that nobody foresaw would be told by the name of its error alone.
    unforeseen = [finding.text for finding in failed if finding.text.split(":")[0].endswith("Error")]
    assert unforeseen == []
    assert content_of(company.home) == before


@pytest.mark.parametrize("together", MENDED)
def test_what_can_be_rebuilt_is_rebuilt(company: Settings, together: str) -> None:
    for fault in MENDED[together]:
        (FAULTS[fault][0] if fault in FAULTS else MORE[fault])(company.home)
    claim_home(company)
    if "run log" in together:
        outcome = subprocess.run(
            [sys.executable, "-c", LOG_A_RUN, str(company.dagster_dir)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert outcome.returncode == 0, outcome.stderr
        assert "statistics: False" in outcome.stdout
    prepared_manifest(company.home)
    published = publish(company, run_id="b" * 8, keep=1)
    remember(
        company.home, LastRun(DAY.isoformat(), "published", published.run_id, "2026-07-01T00:30:00+00:00")
    )
    assert current_status(company)["problems"] == []
    assert [finding for finding in findings(company) if not finding.ok] == []


# ---------------------------------------------------------------- memory


def test_last_run_of_a_newer_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    remember(tmp_path, LastRun("2026-06-30", "partial", "r", "t", notices=("one", "two")))
    path = tmp_path / "last_run.json"
    path.write_text(
        path.read_text(encoding="utf-8").replace('"as_of"', '"mood": "good", "as_of"'), encoding="utf-8"
    )
    assert last_run(tmp_path) == LastRun("2026-06-30", "partial", "r", "t", notices=("one", "two"))


def test_last_run_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "last_run.json").write_text(
        '{"as_of": "2026-06-30", "state": "published", "run_id": "r", "started_at": "t"}', encoding="utf-8"
    )
    assert last_run(tmp_path) == LastRun("2026-06-30", "published", "r", "t")


def test_notices_of_the_last_run_are_shown(company: Settings) -> None:
    known = last_run(company.home)
    assert known is not None
    remember(company.home, replace(known, notices=("invoices are 95 % fewer than last night",)))
    assert "notice: invoices are 95 % fewer" in status_text(current_status(company))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01", b"\0\0\0"], ids=["empty", "binary", "zeros"])
def test_lost_mark_of_the_company_is_rebuilt_from_what_it_published(
    company: Settings, content: bytes
) -> None:
    (company.home / "company.txt").write_bytes(content)
    claim_home(company)
    assert (company.home / "company.txt").read_text(encoding="utf-8") == "Alder & Sons\n"


def test_lost_mark_of_another_company_is_not_given_away(company: Settings, tmp_path: Path) -> None:
    (company.home / "company.txt").write_bytes(b"")
    other = write_settings(tmp_path / "other", company="Birch Ltd").model_copy(update={"home": company.home})
    with pytest.raises(ConfigurationError, match="holds 'Alder & Sons'"):
        claim_home(other)


def test_lost_mark_that_nothing_tells_of_is_asked_for_with_what_to_type(tmp_path: Path) -> None:
    settings = write_settings(tmp_path)
    claim_home(settings)
    prepare_warehouse(settings.warehouse_path)
    (settings.home / "company.txt").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="nothing published says whose") as told:
        claim_home(settings)
    subprocess.run(str(told.value).split("type: ")[1], shell=True, check=True)
    claim_home(settings)


# ---------------------------------------------------------------- the folder itself


def test_state_folder_that_cannot_be_made_is_said_with_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for home in (
        Path("/proc/foo"),
        tmp_path / "file",
        tmp_path / "file" / "below",
        tmp_path / "nowhere",
        tmp_path / ("x" * 300),
    ):
        settings = write_settings(tmp_path / "company").model_copy(update={"home": home})
        with pytest.raises(WarehouseError, match="TRADE_CREDIT_HOME="):
            usable_home(home, write=True)
        assert "Traceback" not in status_text(current_status(settings))


def test_doctor_finds_a_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    settings = write_settings(tmp_path).model_copy(update={"home": Path("/proc/foo")})
    told = next(finding for finding in findings(settings) if finding.subject == "State folder")
    assert not told.ok
    assert "TRADE_CREDIT_HOME" in told.text


def test_folder_that_is_not_there_yet_is_in_order_and_stays_away(tmp_path: Path) -> None:
    settings = write_settings(tmp_path)
    assert current_status(settings)["problems"] == []
    assert "nothing yet" in status_text(current_status(settings))
    findings(settings)
    assert not settings.home.exists()


def test_folder_that_others_live_in_is_not_taken(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    usable_home(tmp_path, write=True)
    (tmp_path / "someone's").write_text("", encoding="utf-8")
    with pytest.raises(WarehouseError, match="used for other things too"):
        usable_home(tmp_path, write=True)
    with pytest.raises(WarehouseError, match="used for other things too"):
        usable_home(Path.home(), write=True)


LOOK = """
import sys
from datetime import date
from pathlib import Path
from orchestration.settings import load_settings
from orchestration.status import current_status, status_text
from orchestration.doctor import examine
from orchestration.home import usable_home
from orchestration.warehouse import WarehouseError
for company in map(Path, sys.argv[1:]):
    print("Company:", company.name)
    settings = load_settings(company / "company.yml", env={}, home=company / "home")
    print(status_text(current_status(settings)))
    for finding in examine(settings, today=date(2026, 6, 30)):
        print("ok" if finding.ok else "FAIL", finding.subject, finding.text)
    try:
        usable_home(settings.home, write=True)
    except WarehouseError as error:
        print("WarehouseError:", error)
"""
# What of a state folder may not be read by whom the night runs as; the folder itself is called home.
SHUT = (
    "home",
    "warehouse.duckdb",
    "run.lock",
    "last_run.json",
    "company.txt",
    "publication",
    "dagster",
    "dbt",
)


@pytest.fixture(scope="module")
def looked(whole_home: Path) -> Iterator[dict[str, tuple[Path, str]]]:
    """State folders as somebody without the powers of root sees them: where each lies, and all that was told."""
    folder = Path(tempfile.mkdtemp(prefix="trade-credit-test-"))
    folder.chmod(0o755)
    homes = {}
    for name in ("read-only", *SHUT):
        shutil.copytree(whole_home, folder / name, symlinks=True)
        homes[name] = home = folder / name / "home"
        if name != "read-only":
            (home / "run.lock").touch()
            (home if name == "home" else home / name).chmod(0)
    for path in (homes["read-only"], *homes["read-only"].rglob("*")):
        if not path.is_symlink():
            path.chmod(0o500 if path.is_dir() else 0o400)
    outcome = unprivileged(LOOK, *(folder / name for name in homes), folder=folder)
    told = dict(part.split("\n", 1) for part in outcome.stdout.split("Company: ")[1:])
    assert told.keys() == homes.keys(), outcome.stdout + outcome.stderr
    yield {name: (home, told[name]) for name, home in homes.items()}
    remove(folder)


def test_read_only_state_folder_is_looked_at_and_not_written(looked: dict[str, tuple[Path, str]]) -> None:
    home, told = looked["read-only"]
    assert "Published:  night of 2026-06-30" in told
    assert "Problem" not in told
    assert f"FAIL State folder {home} is not writable" in told
    assert "ok Publication night of 2026-06-30" in told
    assert "WarehouseError" in told
    assert "cannot be written (Permission denied)" in told


@pytest.mark.parametrize("name", SHUT)
def test_state_that_may_not_be_read_is_named(looked: dict[str, tuple[Path, str]], name: str) -> None:
    home, told = looked[name]
    shut = str(home if name == "home" else home / name)
    shown = told.splitlines()
    assert any(shut in line for line in shown if line.startswith("FAIL")), told
    assert any(shut in line for line in shown if line.startswith(("Problem", "Last run")))
    assert "Traceback" not in told


def test_older_wide_state_folder_is_closed_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "models" / "m").mkdir(parents=True)
    (home / "models" / "m" / "model.json").write_text("{}", encoding="utf-8")
    (home / "warehouse.duckdb").write_bytes(b"")
    for path in (home, *home.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    assert home in too_wide(home)
    mask = os.umask(0o022)
    try:
        keep_private(home)
        (home / "later.txt").write_text("", encoding="utf-8")
    finally:
        os.umask(mask)
    assert too_wide(home) == []
    reachable = [
        path for path in home.rglob("*") if path.stat().st_mode & 0o077 and path.name != "publication"
    ]
    assert reachable == []


# ---------------------------------------------------------------- lock


HOLD = "import sys; from pathlib import Path; from orchestration.lock import hold_night_lock; " \
    "hold_night_lock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"  # fmt: skip


def test_doctor_names_the_process_that_holds_the_lock(company: Settings) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(company.home)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        assert is_night_running(company.home)
        told = {finding.subject: finding.text for finding in findings(company)}
        assert told["Running night"] == f"process {holder.pid} is writing"
        with pytest.raises(NightInProgressError, match=f"process {holder.pid}"):
            hold_night_lock(company.home)
    finally:
        holder.kill()
        holder.communicate()
    hold_night_lock(company.home)
    release_night_lock(company.home)


# ---------------------------------------------------------------- warehouse


@pytest.mark.parametrize(
    "fault",
    ["cut", "cut by a byte", "zeros", "garbage", "empty", "a folder"],
    ids=lambda name: name.replace(" ", "-"),
)
def test_night_stops_at_a_damaged_warehouse_before_its_first_step(company: Settings, fault: str) -> None:
    FAULTS[f"warehouse {fault}"][0](company.home)
    with pytest.raises(WarehouseError, match=r"Put back a backup|rm |mv "):
        check_warehouse(company.warehouse_path)


def test_whole_warehouse_passes_with_entries_waiting_in_its_log(company: Settings) -> None:
    killed = (
        "import os, sys, duckdb; con = duckdb.connect(sys.argv[1]); "
        "con.execute('create table ops.waiting as select * from range(1000)'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", killed, str(company.warehouse_path)], check=False)
    assert Path(f"{company.warehouse_path}.wal").exists()
    check_warehouse(company.warehouse_path)
    with open_warehouse(company.warehouse_path) as connection:
        assert connection.execute("select count(*) from ops.waiting").fetchone() == (1000,)


def test_whole_warehouse_passes_after_free_blocks_were_cut_off_its_end(company: Settings) -> None:
    path = company.warehouse_path
    with open_warehouse(path) as connection:
        connection.execute("create table core.kept as select range, hash(range) as h from range(1000000)")
        connection.execute("checkpoint")
        connection.execute("create table core.dropped as from core.kept")
        connection.execute("checkpoint")
        grown = path.stat().st_size
        connection.execute("drop table core.dropped")
        connection.execute("checkpoint")
    whole = path.stat().st_size
    assert whole < grown
    check_warehouse(path)
    assert current_status(company)["problems"] == []
    os.truncate(path, whole - 2**20)
    with pytest.raises(WarehouseError, match="Put back a backup"):
        check_warehouse(path)


def test_warehouse_on_a_disk_that_is_not_mounted_is_said(company: Settings, tmp_path: Path) -> None:
    company.warehouse_path.unlink()
    company.warehouse_path.symlink_to(tmp_path / "disk" / "warehouse.duckdb")
    with pytest.raises(WarehouseError, match="mount that disk"):
        check_warehouse(company.warehouse_path)
    assert "mount that disk" in status_text(current_status(company))


# ---------------------------------------------------------------- doctor


def test_doctor_finds_a_landing_ahead_of_the_clock(company: Settings) -> None:
    with open_warehouse(company.warehouse_path) as connection:
        connection.execute("create table ops.landing as select date '2062-06-30' as as_of_date")
    told = next(finding for finding in findings(company) if finding.subject == "Landed days")
    assert not told.ok
    assert "2062-06-30, later than today (2026-06-30)" in told.text
    assert all(f.ok for f in findings(company, today=date(2062, 6, 30)) if f.subject == "Landed days")


def test_doctor_finds_a_publication_ahead_of_the_clock(company: Settings) -> None:
    by_today = {
        today: next(f.ok for f in findings(company, today=today) if f.subject == "Published day")
        for today in (date(2026, 6, 28), date(2026, 6, 29), date(2026, 7, 30))
    }
    assert by_today == {date(2026, 6, 28): False, date(2026, 6, 29): True, date(2026, 7, 30): True}


def test_doctor_finds_an_interrupted_night_with_what_to_type(company: Settings) -> None:
    remember(company.home, LastRun("2026-07-01", "running", "r", "2026-07-02T00:30:00+00:00"))
    told = next(finding for finding in findings(company) if finding.subject == "Last run")
    assert not told.ok
    assert "trade-credit run --as-of 2026-07-01" in told.text


def test_doctor_finds_too_little_room_for_the_warehouse(
    company: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage(company.home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: real._replace(free=2**31))
    disk = [f for f in examine(company, today=DAY) if f.subject == "Disk"]
    assert [finding.ok for finding in disk] == [True]
    with company.warehouse_path.open("ab") as handle:
        handle.truncate(2**32)
    disk = [f for f in examine(company, today=DAY) if f.subject == "Disk"]
    assert [finding.ok for finding in disk] == [False]
    assert "4.0 GiB are needed" in disk[0].text


def test_doctor_finds_permissions_that_are_too_wide(company: Settings) -> None:
    company.home.chmod(0o755)
    told = next(finding for finding in findings(company) if finding.subject == "Permissions")
    assert not told.ok
    subprocess.run(told.text.split("type: ")[1], shell=True, check=True)
    assert next(finding for finding in findings(company) if finding.subject == "Permissions").ok


def test_doctor_finds_statistics_that_the_user_left_on(
    company: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "true")
    assert "unset RUNTIME__DLTHUB_TELEMETRY" in next(
        finding.text for finding in findings(company) if finding.subject == "Usage statistics"
    )


def test_doctor_finds_a_group_nobody_knows(company: Settings) -> None:
    publications = company.publications.model_copy(update={"group": "analists"})
    told = findings(company.model_copy(update={"publications": publications}))
    assert "there is no group 'analists'; valid: " in next(f.text for f in told if f.subject == "Permissions")


def test_unforeseen_error_of_one_look_is_a_finding_and_hides_no_other(
    company: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: object) -> None:
        raise ZeroDivisionError("password=hush8812 was no number")

    monkeypatch.setattr("orchestration.sources.connectors.kinds.probe", stumble)
    told = findings(company)
    assert [f.text for f in told if not f.ok] == ["ZeroDivisionError: password=*** was no number"]
    assert any(f.subject == "Publication" for f in told)


# ---------------------------------------------------------------- Dagster and dbt


def test_damaged_run_log_is_kept_aside_and_said(company: Settings) -> None:
    content = os.urandom(9000)
    (company.dagster_dir / "history" / "runs.db").write_bytes(content)
    (told,) = prepare_instance(company.dagster_dir)
    assert "broken-1" in told
    assert (company.dagster_dir / "broken-1" / "runs.db").read_bytes() == content
    assert prepare_instance(company.dagster_dir) == []


def test_run_log_with_entries_waiting_is_not_taken_for_damaged(company: Settings) -> None:
    database = sqlite3.connect(company.dagster_dir / "history" / "runs.db")
    database.execute("create table more (n integer)")
    database.execute("insert into more select 1")
    database.commit()
    assert (company.dagster_dir / "history" / "runs.db-wal").stat().st_size > 0
    assert prepare_instance(company.dagster_dir) == []
    assert current_status(company)["problems"] == []
    database.close()


def test_statistics_dagster_collected_without_our_settings_are_removed_unsent(
    company: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (company.dagster_dir / "dagster.yaml").write_text("", encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(company.dagster_dir))
    with dg.DagsterInstance.get() as instance:
        # The reason for all this: Dagster heeds no variable here, only its file.
        monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "true")
        assert instance.telemetry_enabled
    (company.dagster_dir / "logs").mkdir()
    (company.dagster_dir / "logs" / "event.log").write_text("{}", encoding="utf-8")
    prepare_instance(company.dagster_dir)
    with dg.DagsterInstance.get() as instance:
        assert not instance.telemetry_enabled
    assert not (company.dagster_dir / "logs" / "event.log").exists()


def test_nothing_is_sent_by_a_process_that_switched_statistics_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster._core.telemetry_upload import is_running_in_test  # noqa: TID251

    monkeypatch.delenv("DAGSTER_DISABLE_TELEMETRY", raising=False)
    monkeypatch.delenv("BUILDKITE", raising=False)
    monkeypatch.delenv("TF_BUILD", raising=False)
    assert not is_running_in_test()
    telemetry.switch_off()
    assert is_running_in_test()
    monkeypatch.delenv("DAGSTER_DISABLE_TELEMETRY")


def test_project_is_parsed_once_while_what_dbt_wrote_is_whole(company: Settings) -> None:
    before = prepared_manifest(company.home).stat().st_mtime_ns
    assert prepared_manifest(company.home).stat().st_mtime_ns == before
    stamp = dbt_target_dir(company.home) / "parsed.json"
    stamp.write_text("[]", encoding="utf-8")
    assert prepared_manifest(company.home).stat().st_mtime_ns != before


# ---------------------------------------------------------------- what the machine says


def raised(error: BaseException) -> BaseException:
    try:
        try:
            raise error
        except BaseException as cause:
            raise DbtError("dbt build could not run: see below") from cause
    except DbtError as wrapped:
        return wrapped


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "The disk is full: /data/x."),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/data/x"), "The disk is full: /data/x."),
        (sqlite3.OperationalError("database or disk is full"), "The disk is full."),
        (
            duckdb.IOException('IO Error: Could not write file "/data/w.duckdb": No space left on device'),
            "The disk is full: /data/w.duckdb.",
        ),
        (OSError(errno.EROFS, "Read-only file system", "/data/x"), "The file system is read-only: /data/x."),
        (sqlite3.OperationalError("attempt to write a readonly database"), "The file system is read-only."),
        (
            PermissionError(errno.EACCES, "Permission denied", "/data/x"),
            "A file may not be opened or written: /data/x.",
        ),
        (
            duckdb.IOException('IO Error: Cannot open file "/data/w.duckdb": Permission denied'),
            "A file may not be opened or written: /data/w.duckdb.",
        ),
        (sqlite3.DatabaseError("file is not a database"), "A database file is damaged."),
        (sqlite3.DatabaseError("database disk image is malformed"), "A database file is damaged."),
        (
            duckdb.Error(
                "Corrupt database file: computed checksum 1 does not match stored checksum 2 in block"
            ),
            "A database file is damaged.",
        ),
        (
            duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate"),
            "There is not enough memory.",
        ),
        (MemoryError(), "There is not enough memory."),
        (OSError(errno.EMFILE, "Too many open files", "/data/x"), "Too many files are open: /data/x."),
        (
            OSError(errno.EIO, "Input/output error", "/data/x"),
            "The disk does not answer as it should: /data/x.",
        ),
        (
            IsADirectoryError(errno.EISDIR, "Is a directory", "/data/x"),
            "/data/x is a folder where a file belongs.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_fault_of_the_machine_is_told_from_whatever_it_is_wrapped_in(error: BaseException, told: str) -> None:
    text = explain_environment(raised(error))
    assert text is not None
    assert text.startswith(told)
    assert len(text) > len(told) + 20


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        KeyError("x"),
        RuntimeError("permission denied for table invoices"),
        FileNotFoundError(2, "x", "y"),
    ],
    ids=str,
)
def test_other_errors_are_not_blamed_on_the_machine(error: BaseException) -> None:
    assert explain_environment(error) is None
