"""A publication is whole, read-only and checksummed, and what readers see survives whatever happens beside it."""

from __future__ import annotations

import grp
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration import publication as publication_module
from orchestration.home import keep_private
from orchestration.publication import TableText, damage, open_publication, roll_back, whole_publications
from orchestration.settings import ConfigurationError, Settings
from orchestration.warehouse import (
    Publication,
    WarehouseError,
    current_publication,
    publish_mart,
    read_publication,
    switch_publication,
)
from tests.unit.orchestration.state_home import (
    DAY,
    NOBODY,
    open_folder,
    publish,
    skip_unless_others_can_run,
    unprivileged,
    write_home,
    write_settings,
    write_warehouse,
)

__all__ = ["open_folder"]

SOME_GROUP = next(group.gr_name for group in grp.getgrall() if group.gr_gid not in (0, NOBODY))


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return write_home(tmp_path / "company")


def current(settings: Settings) -> Publication:
    publication = current_publication(settings.publication_dir)
    assert publication is not None
    return publication


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def unlock(folder: Path) -> None:
    """What somebody must do first who damages a publication."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


# ---------------------------------------------------------------- private and read-only


def test_publication_is_read_only_and_the_state_folder_its_owners_alone(home: Settings) -> None:
    folder = Path(current(home).folder)
    for path in (folder, *folder.rglob("*")):
        assert mode(path) == (0o550 if path.is_dir() else 0o440), path
    assert mode(home.publication_dir) == 0o750
    assert mode(home.home) == 0o700
    assert mode(home.home / "company.txt") == 0o600


OPEN_FOR_WRITING = """
import sys, duckdb
try:
    duckdb.connect(sys.argv[1])
except duckdb.Error as error:
    sys.exit(f"refused: {error}")
"""


def test_owner_cannot_open_the_published_mart_for_writing(open_folder: Path) -> None:
    settings = write_home(open_folder)
    outcome = unprivileged(OPEN_FOR_WRITING, current(settings).mart_path, folder=open_folder)
    assert "refused: IO Error" in outcome.stderr
    assert "Permission denied" in outcome.stderr


REPUBLISH = """
import sys
from datetime import date, timedelta
from pathlib import Path
from orchestration.warehouse import publish_mart
home = Path(sys.argv[1])
for night in range(1, 4):
    (home / "publication" / ".x.partial").mkdir()
    (home / "publication" / ".x.partial").chmod(0o550)
    publish_mart(home / "warehouse.duckdb", home / "publication", as_of=date(2026, 6, 30) + timedelta(night),
                 company="Alder & Sons", reporting_currency="USD", run_id="b" * 8, keep=2)
print(*sorted(path.name for path in (home / "publication").iterdir()))
"""


def test_owner_without_root_replaces_and_retires_read_only_publications(open_folder: Path) -> None:
    settings = write_home(open_folder)
    outcome = unprivileged(REPUBLISH, settings.home, folder=open_folder)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.split() == ["2026-07-02-bbbbbbbb", "2026-07-03-bbbbbbbb", "current"]


HEAL = """
import shutil, sys
from datetime import date
from pathlib import Path
from orchestration.warehouse import publish_mart, current_publication
home = Path(sys.argv[1])
folder = home / "publication"
whole = current_publication(folder).folder
(folder / "current").unlink()
shutil.copytree(whole, folder / "current")
publish_mart(home / "warehouse.duckdb", folder, as_of=date(2026, 7, 1), company="Alder & Sons",
             reporting_currency="USD", run_id="c" * 8, keep=5)
print(*sorted(path.name for path in folder.iterdir()), (folder / "current").is_symlink())
"""


def test_owner_without_root_heals_a_read_only_folder_in_place_of_the_pointer(open_folder: Path) -> None:
    settings = write_home(open_folder)
    outcome = unprivileged(HEAL, settings.home, folder=open_folder)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.split() == [
        "2026-06-30-aaaaaaaa",
        "2026-07-01-cccccccc",
        "current",
        "restored-1",
        "True",
    ]


def test_group_may_pass_to_publications_and_to_nothing_else(open_folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may hand a folder to a group it is not in")
    skip_unless_others_can_run()
    settings = write_home(open_folder, publications={"group": SOME_GROUP})
    assert mode(settings.home) == 0o710
    reader = (
        "import sys, duckdb, os\n"
        "with duckdb.connect(sys.argv[1] + '/publication/current/mart.duckdb', read_only=True) as mart:\n"
        "    print(mart.execute('select count(*) from mart.dim_customer').fetchone()[0])\n"
        "for path in (sys.argv[1], sys.argv[1] + '/company.txt', sys.argv[1] + '/warehouse.duckdb'):\n"
        "    assert not os.access(path, os.R_OK), path\n"
    )
    gid = settings.publication_dir.stat().st_gid
    for groups, answer in ((f"--groups={gid}", "1000"), ("--clear-groups", "")):
        outcome = subprocess.run(
            [
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                groups,
                sys.executable,
                "-c",
                reader,
                settings.home,
            ],
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": "/nonexistent"},
        )
        assert outcome.stdout.strip() == answer, outcome.stderr


def test_group_named_later_gets_the_publications_there_are(open_folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may hand a folder to a group it is not in")
    settings = write_home(open_folder)
    keep_private(settings.home, group=SOME_GROUP)
    gid = settings.publication_dir.stat().st_gid
    folder = Path(current(settings).folder)
    assert {path.stat().st_gid for path in (folder, *folder.rglob("*"))} == {gid}
    publish(settings, run_id="d" * 8)
    assert Path(current(settings).folder, "mart.duckdb").stat().st_gid == gid
    keep_private(settings.home)
    assert mode(settings.home) == 0o700


def test_unknown_group_is_a_configuration_problem_that_names_valid_ones(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"publications.group: there is no group 'analists'; valid: .*root"
    ):
        write_home(tmp_path, publications={"group": "analists"})


# ---------------------------------------------------------------- checksums


def test_manifest_holds_size_and_checksum_of_every_file(home: Settings) -> None:
    publication = current(home)
    assert set(publication.files) == {
        "mart.duckdb",
        "parquet/dim_customer.parquet",
        "parquet/dim_name.parquet",
    }
    assert damage(publication, thorough=True) == []


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("name", "harm", "quickly", "told"),
    [
        ("mart.duckdb", cut, True, "mart.duckdb has"),
        ("mart.duckdb", flip, False, "mart.duckdb is not what was written"),
        ("mart.duckdb", Path.unlink, True, "mart.duckdb is missing"),
        ("parquet/dim_name.parquet", flip, False, "dim_name.parquet is not what was written"),
        ("parquet/dim_name.parquet", Path.unlink, True, "dim_name.parquet is missing"),
    ],
)
def test_damaged_file_of_a_publication_is_named(
    home: Settings, name: str, harm: object, quickly: bool, told: str
) -> None:
    publication = current(home)
    unlock(Path(publication.folder))
    harm(Path(publication.folder, name))  # type: ignore[operator]
    assert any(told in line for line in damage(publication, thorough=True))
    assert bool(damage(publication, thorough=False)) is quickly


def test_publication_of_an_earlier_version_stays_readable(home: Settings) -> None:
    publication = current(home)
    unlock(Path(publication.folder))
    manifest = Path(publication.folder, "manifest.json")
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    del facts["files"]
    manifest.write_text(json.dumps(facts), encoding="utf-8")
    older = current(home)
    assert older.tables == publication.tables
    assert damage(older, thorough=True) == []
    cut(older.mart_path)
    assert damage(older, thorough=True)


def test_publication_of_a_newer_version_is_read_as_far_as_it_is_known(home: Settings) -> None:
    publication = current(home)
    unlock(Path(publication.folder))
    manifest = Path(publication.folder, "manifest.json")
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps({**facts, "replaces": "2026-06-29"}), encoding="utf-8")
    assert current(home) == publication


@pytest.mark.parametrize(
    "content",
    [b"", b'{"as_of": "2026-06', b"[]", b"\xff\xfe\x00", b'{"as_of": "2026-06-30"}', b"[" * 100_000],
    ids=["empty", "cut", "list", "binary", "keys missing", "nested"],
)
def test_unreadable_manifest_says_how_to_show_readers_another_night(home: Settings, content: bytes) -> None:
    first = current(home)
    publish(home, run_id="b" * 8, as_of=DAY + timedelta(days=1))
    folder = Path(current(home).folder)
    unlock(folder)
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(WarehouseError, match="ln -sfn 2026-06-30-aaaaaaaa") as told:
        current_publication(home.publication_dir)
    command = str(told.value).split("meanwhile: ")[1].split(";")[0]
    subprocess.run(command, shell=True, check=True)
    assert current(home) == first


# ---------------------------------------------------------------- the pointer


def test_pointer_that_leads_nowhere_is_said_and_mended_by_the_next_publication(home: Settings) -> None:
    pointer = home.publication_dir / "current"
    pointer.unlink()
    pointer.symlink_to("2026-06-29-gone")
    with pytest.raises(WarehouseError, match=r"2026-06-29-gone, which is not there.*ln -sfn"):
        current_publication(home.publication_dir)
    published = publish(home, run_id="b" * 8)
    assert current(home) == published


def test_pointer_out_of_the_publication_folder_is_refused(home: Settings, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(current(home).folder, elsewhere)
    pointer = home.publication_dir / "current"
    pointer.unlink()
    pointer.symlink_to(elsewhere)
    with pytest.raises(WarehouseError, match="leads out of the publication folder"):
        current_publication(home.publication_dir)
    publish(home, run_id="b" * 8)
    assert elsewhere.is_dir()


def test_folder_in_place_of_the_pointer_is_read_and_becomes_a_publication_again(home: Settings) -> None:
    publication = current(home)
    pointer = home.publication_dir / "current"
    pointer.unlink()
    Path(publication.folder).rename(pointer)
    assert current(home).publication_id == publication.publication_id
    published = publish(home, run_id="b" * 8)
    assert pointer.is_symlink()
    assert current(home) == published
    assert read_publication(Path(publication.folder)) == publication


@pytest.mark.parametrize("is_folder", [True, False], ids=["folder", "file"])
def test_what_is_no_publication_in_place_of_the_pointer_is_kept_aside(
    home: Settings, is_folder: bool
) -> None:
    pointer = home.publication_dir / "current"
    target = current(home).publication_id
    pointer.unlink()
    if is_folder:
        pointer.mkdir()
        (pointer / "note.txt").write_text("mine", encoding="utf-8")
    else:
        pointer.write_text(target, encoding="utf-8")
    with pytest.raises(WarehouseError):
        current_publication(home.publication_dir)
    assert current_publication_after_publishing(home)
    kept = home.publication_dir / "restored-1"
    assert (kept / "note.txt" if is_folder else kept).read_text(encoding="utf-8") in ("mine", target)


def current_publication_after_publishing(home: Settings) -> bool:
    return publish(home, run_id="b" * 8) == current(home)


def test_publication_folder_that_is_a_file_is_named_with_what_to_type(tmp_path: Path) -> None:
    folder = tmp_path / "publication"
    folder.write_text("", encoding="utf-8")
    with pytest.raises(WarehouseError, match="mv"):
        current_publication(folder)


# ---------------------------------------------------------------- publishing


def test_same_run_publishing_again_leaves_what_readers_have_open(home: Settings) -> None:
    first = current(home)
    with open_publication(first) as reader:
        again = publish(home)
        assert again.publication_id == f"{first.publication_id}-2"
        assert reader.execute("select count(*) from mart.dim_customer").fetchone() == (1000,)
    assert [entry.publication_id for entry in whole_publications(home.publication_dir)] == [
        again.publication_id,
        first.publication_id,
    ]


def test_what_does_not_read_back_is_not_published(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = current(home)
    copy = publication_module._copy_mart

    def copy_on_a_failing_disk(
        warehouse: Path, folder: Path, told: Mapping[str, TableText]
    ) -> dict[str, int]:
        tables = copy(warehouse, folder, told)
        cut(folder / "parquet" / "dim_name.parquet")
        return tables

    monkeypatch.setattr(publication_module, "_copy_mart", copy_on_a_failing_disk)
    with pytest.raises(WarehouseError, match=r"does not read back: dim_name.parquet cannot be read"):
        publish(home, run_id="b" * 8)
    assert current(home) == before
    assert not list(home.publication_dir.glob(".*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A disk of 8 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    yield folder  # type: ignore[misc]
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk_leaves_the_publication_and_is_said(tmp_path: Path, small_disk: Path) -> None:
    settings = write_settings(tmp_path / "company")
    write_warehouse(settings.warehouse_path)
    known = {"company": "Alder & Sons", "reporting_currency": "USD", "keep": 5}
    folder = small_disk / "publication"
    before = publish_mart(settings.warehouse_path, folder, as_of=DAY, run_id="a" * 8, **known)  # type: ignore[arg-type]
    write_warehouse(settings.warehouse_path, rows=3_000_000)
    with pytest.raises(WarehouseError, match=r"readers see what they saw before\. The disk is full.*df -h"):
        publish_mart(settings.warehouse_path, folder, as_of=DAY, run_id="b" * 8, **known)  # type: ignore[arg-type]
    assert current_publication(folder) == before
    assert damage(before, thorough=True) == []
    assert sorted(path.name for path in folder.iterdir()) == [before.publication_id, "current"]


def test_going_back_to_an_earlier_publication_is_one_switch(home: Settings) -> None:
    first = current(home)
    publish(home, run_id="b" * 8, as_of=DAY + timedelta(days=1))
    switch_publication(home.publication_dir, Path(first.folder))
    assert current(home) == first
    with duckdb.connect(str(home.publication_dir / "current" / "mart.duckdb"), read_only=True) as reader:
        assert reader.execute("select count(*) from mart.dim_customer").fetchone() == (1000,)


def test_rolling_back_shows_the_publication_before_and_keeps_all(home: Settings) -> None:
    first = current(home).publication_id
    second = publish(home, as_of=DAY + timedelta(days=1)).publication_id
    assert current(home).publication_id == second
    assert roll_back(home.publication_dir).publication_id == first
    assert current(home).publication_id == first
    assert {found.publication_id for found in whole_publications(home.publication_dir)} == {first, second}
    with pytest.raises(WarehouseError, match="No publication was written before the current one"):
        roll_back(home.publication_dir)
    assert roll_back(home.publication_dir, second).publication_id == second
    with pytest.raises(WarehouseError, match=f"'x' is no publication on disk; there are: .*{first}"):
        roll_back(home.publication_dir, "x")


def test_nobody_is_rolled_back_to_a_damaged_publication(home: Settings) -> None:
    first = current(home)
    publish(home, as_of=DAY + timedelta(days=1))
    unlock(Path(first.folder))
    first.mart_path.write_bytes(b"cut")
    now = current(home).publication_id
    with pytest.raises(WarehouseError, match=f"{first.publication_id} is damaged .mart.duckdb has 3 bytes"):
        roll_back(home.publication_dir)
    assert current(home).publication_id == now


def test_descriptions_are_comments_of_the_published_file(home: Settings) -> None:
    told = TableText("It's the customers", {"customer_code": "One code", "gone": "A column there is not"})
    with duckdb.connect(str(home.warehouse_path)) as connection:
        [(table,)] = connection.execute(
            "select table_name from duckdb_columns() where schema_name = 'mart' and column_name = "
            "'customer_code' limit 1"
        ).fetchall()
    published = publish(home, as_of=DAY + timedelta(days=1), descriptions={table: told})
    with open_publication(published) as connection:
        assert connection.execute(
            "select comment from duckdb_tables() where table_name = ?", [table]
        ).fetchall() == [("It's the customers",)]
        assert connection.execute(
            "select comment from duckdb_columns() where table_name = ? and comment is not null", [table]
        ).fetchall() == [("One code",)]
