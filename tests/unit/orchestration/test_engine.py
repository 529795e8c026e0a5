"""What the engine may take of the machine is one setting, and every database the process opens keeps to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration import engine
from orchestration.engine import allow_engine, connect
from orchestration.engine_settings import EngineSettings


@pytest.fixture(autouse=True)
def unlimited() -> Iterator[None]:
    yield
    allow_engine({})


def setting(path: Path, name: str) -> object:
    with connect(path) as connection:
        row = connection.execute("select current_setting(?)", [name]).fetchone()
    assert row is not None
    return row[0]


def test_what_a_company_allows_holds_for_file_and_memory(tmp_path: Path) -> None:
    aside = tmp_path / "it's aside"
    allow_engine(EngineSettings(memory_limit="512 MiB", threads=1, temp_directory=aside).options())
    for place in (tmp_path / "w.duckdb", engine.IN_MEMORY):
        assert setting(place, "memory_limit") == "512.0 MiB"
        assert setting(place, "threads") == 1
        assert setting(place, "temp_directory") == str(aside)


def test_half_of_a_container_is_taken_where_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("1073741824\n")
    monkeypatch.setattr(engine, "_CONTAINER_LIMITS", (limit, tmp_path / "absent"))
    assert setting(tmp_path / "w.duckdb", "memory_limit") == "512.0 MiB"
    limit.write_text("max\n")
    assert setting(tmp_path / "w.duckdb", "memory_limit") != "512.0 MiB"


def test_a_file_that_is_open_and_has_spilled_can_be_opened_again(tmp_path: Path) -> None:
    allow_engine(
        EngineSettings(memory_limit="256 MiB", threads=1, temp_directory=tmp_path / "aside").options()
    )
    with connect(tmp_path / "w.duckdb") as first:
        first.execute(
            "create table sorted as select repeat(range::varchar, 20) as text from range(3000000) order by hash(range)"
        )
        assert list((tmp_path / "aside").iterdir())
        assert setting(tmp_path / "w.duckdb", "temp_directory") == str(tmp_path / "aside")


@pytest.mark.parametrize("size", ["6", "6 gigs", "100 MiB", "-1 GiB", "half"])
def test_a_limit_that_is_none_is_refused_with_what_is_valid(size: str) -> None:
    with pytest.raises(ValueError, match=r"valid is"):
        EngineSettings(memory_limit=size)


def test_a_small_task_takes_no_more_threads_than_the_company_allows() -> None:
    allow_engine({"threads": 1})
    with connect(threads=2) as connection:
        assert connection.execute("select current_setting('threads')").fetchall() == [(1,)]


def test_what_is_opened_is_ready_for_work() -> None:
    with connect(threads=1) as connection:
        assert connection.sql("select 1 as one").to_arrow_reader(10).read_all().num_rows == 1
