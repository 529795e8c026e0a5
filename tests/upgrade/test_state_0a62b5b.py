"""A state folder of commit 0a62b5b lives on under today's code: nothing is lost, and no figure of before changes.

`state_0a62b5b.tar.xz` was made in a worktree of that commit, by its own code and nothing else: `write_company` with
12 customers and 8 months; two invoices (I0001-06, I0002-07) with `unreadable` as amount, which `quality.thresholds`
allows; the night of 2026-06-30; then I0002-07 mended and I0003-06 changed to 1136.25; the night of 2026-07-01. Of the
state folder stands here what is state (warehouse, models, publications, company.txt, last_run.json), not what is made
anew (dagster, dbt, quality). `learned` holds the models which `learn` made there of `population(customers=500)` of
the tests of the models, and in predicted.csv twenty customers with the probabilities they were given.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml

from models_ml import registry
from models_ml.model import predict_pd
from orchestration import dbt_runner
from orchestration.home import NewerStateError
from orchestration.migrations import MIGRATIONS, bring_forward, forward, schema_state
from orchestration.migrations.contract_tables import missing_columns
from orchestration.night import dbt_variables
from orchestration.settings import load_settings
from orchestration.sources import contract
from orchestration.sources.landing import land
from orchestration.warehouse import prepare_warehouse
from tests.factories import fetch, seeded_policy
from tests.pipeline.conftest import Company, invoke

ARCHIVE = Path(__file__).with_name("state_0a62b5b.tar.xz")
FIRST, SECOND, THIRD = date(2026, 6, 30), date(2026, 7, 1), date(2026, 7, 2)
Rows = list[tuple[Any, ...]]


@dataclass
class Home:
    """The company of the archive, and a copy of its warehouse as it was unpacked."""

    company: Company
    before: Path

    @property
    def warehouse(self) -> Path:
        return self.company.home / "warehouse.duckdb"

    def ask(self, query: str) -> Rows:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(query).fetchall()


def unpack(folder: Path) -> Home:
    """The archived state folder with its company, as it was left by the night of 2026-07-01."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    path = folder / "company"
    company = Company(path, yaml.safe_load((path / "company.yml").read_text(encoding="utf-8")))
    before = folder / "before.duckdb"
    shutil.copyfile(company.home / "warehouse.duckdb", before)
    return Home(company, before)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return unpack(tmp_path)


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The archived folder after one more night, by today's code: a customer has a new name, an invoice is mended."""
    home = unpack(tmp_path_factory.mktemp("upgraded"))
    home.company.rewrite("customers", lambda text: text.replace("Elm 4 Ltd", "Elm & Daughters Ltd"))
    home.company.rewrite("invoices", lambda text: text.replace("unreadable", "1016.25"))
    told = invoke(home.company.home, "doctor", "--config", str(home.company.config_path)).output
    assert (
        f"Tables: version 1 of {len(MIGRATIONS)}, made by trade-credit 0a62b5b or later, before versions were noted; "
        "the next night migrates them (2: The book of nights: what each step last built for, and which nights reached "
        "readers; 3: " in told
    )
    outcome = home.company.run_here(as_of=THIRD)
    assert outcome.exit_code == 0, outcome.output
    return home


# ---------------------------------------------------------------- one more night


def test_night_after_the_upgrade_is_published(upgraded: Home) -> None:
    assert (upgraded.company.current / "mart.duckdb").exists()
    assert upgraded.company.published("select max(as_of_date) from mart.fct_ar_aging") == [(THIRD,)]
    assert upgraded.ask("select as_of_date from ops.publication order by 1") == [
        (FIRST,),
        (SECOND,),
        (THIRD,),
    ]
    assert upgraded.ask("select version from ops.schema_version order by 1") == [
        (number,) for number in range(1, len(MIGRATIONS) + 1)
    ]


def test_every_entry_booked_before_is_there_unchanged(upgraded: Home) -> None:
    assert lost(upgraded, "core.ledger_history") == []
    assert upgraded.ask("select count(*) from core.ledger_history where booked_on <= '2026-07-01'") == [
        (341,)
    ]
    assert upgraded.ask("select count(*) > 0 from core.ledger_history where booked_on = '2026-07-02'") == [
        (True,)
    ]


@pytest.mark.parametrize("night", [FIRST, SECOND])
def test_figures_as_known_in_the_nights_before_are_what_those_nights_published(
    upgraded: Home, night: date
) -> None:
    (old,) = (upgraded.company.home / "publication").glob(f"{night}-*/mart.duckdb")
    balance = (
        "select customer_code, document_id, currency, sum(amount), sum(amount_reporting) from {ledger} "
        f"where booked_on <= '{night}' and effective_date <= '{night}' group by all order by all"
    )
    with duckdb.connect(str(old), read_only=True) as connection:
        published = connection.execute(balance.format(ledger="mart.fct_ledger_entry")).fetchall()
    assert len(published) > 90
    assert upgraded.company.published(balance.format(ledger="mart.fct_ledger_entry")) == published


def test_earlier_nights_keep_their_scores_warnings_results_and_weights(upgraded: Home) -> None:
    kept = (
        "ml.customer_score",
        "ml.score_reason",
        "ml.model_run",
        "ml.model_metric",
        "ml.model_monitoring",
        "core.warning_signal",
        "core.match_parameter",
        "ops.dq_result",
        "ops.dq_table",
        "ops.landing",
    )
    for table in kept:
        assert lost(upgraded, table) == [], table
        assert upgraded.ask(f"select count(*) from {table} where as_of_date = '2026-07-02'") != [
            (0,)
        ] or table in (
            "ml.model_metric",
            "ml.model_monitoring",
        )


def test_landed_rows_stay_and_only_what_changed_is_landed_again(upgraded: Home) -> None:
    for table in tables_before(upgraded, "raw"):
        assert lost(upgraded, table) == [], table
    assert upgraded.ask(
        "select _row_key from raw.customers where _load_id = '2026-07-02' union all "
        "select _row_key from raw.invoices where _load_id = '2026-07-02' order by 1"
    ) == [("I0001-06",), ("K0004",)]


def test_customers_keep_their_codes(upgraded: Home) -> None:
    for table in ("core.customer_code", "core.xref_history", "core.customer_xref"):
        assert len(upgraded.ask(f"from {table}")) == 12
        assert lost(upgraded, table) == []


def test_quarantine_goes_on_from_where_it_was(upgraded: Home) -> None:
    assert lost(upgraded, "quarantine.released") == []
    assert upgraded.ask(
        "select _row_key, first_quarantined_on, released_on, outcome from quarantine.released "
        "where released_on = '2026-07-02' order by 1"
    ) == [("A0001-06", FIRST, THIRD, "accepted"), ("I0001-06", FIRST, THIRD, "accepted")]


def test_models_saved_before_are_read(upgraded: Home) -> None:
    folder = upgraded.company.home / "models"
    champions = registry.history(folder)
    assert champions[0].as_of == FIRST
    assert registry.load(folder, champions[0].model_id).kind == "expert"


def test_brought_forward_and_made_new_are_the_same_tables(upgraded: Home) -> None:
    columns = (
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() "
        "where database_name = current_database() and not internal"
    )
    with duckdb.connect() as connection:
        bring_forward(connection)
        made = connection.execute(columns).fetchall()
    assert set(made) - set(upgraded.ask(columns)) == set()


def lost(home: Home, table: str, where: str = "true") -> Rows:
    """Rows of before that the table does not hold any more, in the columns they had but for hashes over all columns."""
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        connection.execute(f"attach '{home.before}' as before (read_only)")
        kept = connection.execute(f"select * from before.{table} limit 0").description
        columns = ", ".join(f'"{column[0]}"' for column in kept if column[0] != "_row_hash")
        return connection.execute(
            f"select {columns} from before.{table} where {where} except all select {columns} from {table}"
        ).fetchall()


def tables_before(home: Home, *schemas: str) -> list[str]:
    """The tables of these schemas when the folder was unpacked."""
    with duckdb.connect(str(home.before), read_only=True) as connection:
        rows = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name in (select unnest(?)) "
            "order by 1",
            [list(schemas)],
        ).fetchall()
    return [name for (name,) in rows]


# ---------------------------------------------------------------- newer and interrupted


def test_folder_of_a_newer_program_is_refused_and_nothing_in_it_changes(home: Home) -> None:
    prepare_warehouse(home.warehouse)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute(
            "insert into ops.schema_version (version, applied_at, code_version) values (99, now(), '9.9.9')"
        )
    before = files(home.company.home)
    text = "warehouse.duckdb was written by a newer trade-credit: its tables are of version 99 (made by "
    remedy = "Run the newer trade-credit, or put back a backup of the state folder from before the update."
    outcome = home.company.run_here(as_of=THIRD)
    assert outcome.exit_code == 1
    assert text in outcome.output
    assert remedy in outcome.output
    config = ("--config", str(home.company.config_path))
    doctor = invoke(home.company.home, "doctor", *config)
    assert doctor.exit_code == 1
    assert [line for line in doctor.output.splitlines() if line.startswith("FAIL  Tables: ") and text in line]
    status = invoke(home.company.home, "status", *config).output
    assert [line for line in status.splitlines() if line.startswith("Problem: ") and text in line]
    assert "Published:  night of 2026-07-01" in status
    assert files(home.company.home) == before
    with pytest.raises(NewerStateError):
        prepare_warehouse(home.warehouse)


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a state folder but for dbt's parsed project, which the tests put there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] != "dbt"
    }


def test_migration_killed_in_the_middle_is_done_whole_by_the_next_start(home: Home) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from orchestration.migrations import m0002_book_of_nights as second\n"
        "from orchestration.warehouse import prepare_warehouse\n"
        "whole = second.apply\n"
        "def killed(connection, published):\n"
        "    whole(connection, published); os.kill(os.getpid(), signal.SIGKILL)\n"
        "second.apply = killed\n"
        "prepare_warehouse(Path(sys.argv[1]))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(home.warehouse)], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        assert [line.split(":")[0] for line in schema_state(connection).ahead if line[0].isdigit()] == [
            str(number) for number in range(2, len(MIGRATIONS) + 1)
        ]
        assert schema_state(connection).version == 1
    prepare_warehouse(home.warehouse)
    assert home.ask("select version from ops.schema_version order by 1") == [
        (number,) for number in range(1, len(MIGRATIONS) + 1)
    ]
    assert home.ask("select as_of_date from ops.publication order by 1") == [(FIRST,), (SECOND,)]
    for table in tables_before(home, "raw", "ops", "quarantine", "core", "ml"):
        # Tables that gain columns are staged anew by the next night.
        if table != "ops.landed_build":
            assert lost(home, table) == [], table


def test_next_migration_runs_once_and_a_failed_one_leaves_no_mark(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []
    following = len(MIGRATIONS) + 1
    added = ModuleType(f"m{following:04}", "A column for the tests.")

    def apply(connection: duckdb.DuckDBPyConnection, published: object) -> None:
        connection.execute("alter table ops.landing add column told varchar")
        runs.append("applied")
        if len(runs) == 1:
            raise RuntimeError("power cut")

    added.apply = apply  # type: ignore[attr-defined]
    prepare_warehouse(home.warehouse)
    monkeypatch.setattr(forward, "MIGRATIONS", (*MIGRATIONS, added))
    with duckdb.connect(str(home.warehouse)) as connection:
        assert schema_state(connection).ahead == (f"{following}: A column for the tests",)
        with pytest.raises(RuntimeError, match="power cut"):
            bring_forward(connection)
        assert schema_state(connection).version == len(MIGRATIONS)
        assert bring_forward(connection) == [f"{following}: A column for the tests"]
        assert bring_forward(connection) == []
        assert connection.execute("select told from ops.landing limit 1").fetchall() == [(None,)]
    assert runs == ["applied", "applied"]


# ---------------------------------------------------------------- what grows


def test_column_added_to_the_contract_comes_to_folders_that_exist_and_brings_no_new_versions(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = contract.CONTRACT["customers"]
    more = contract.Field("vat_group", "text", "Group for value added tax")
    fields = (*table.fields[:3], more, *table.fields[3:])
    # The contract is frozen; every module holds this very table.
    monkeypatch.setitem(vars(table), "fields", fields)
    settings = load_settings(home.company.config_path, env={}, home=home.company.home)
    told = invoke(home.company.home, "doctor", "--config", str(home.company.config_path)).output
    assert "raw.customers gains vat_group" in told
    prepare_warehouse(home.warehouse)
    land(home.warehouse, settings, as_of=THIRD, full_refresh=True)
    assert home.ask("select count(*), count(vat_group) from raw.customers") == [(12, 0)]
    assert home.ask("select count(*), count(vat_group) from staging.landed_customers") == [(12, 0)]

    path = home.company.folder / "customers.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    grouped = [f"{lines[0]},vat_group", f"{lines[1]},G1", *(f"{line}," for line in lines[2:])]
    path.write_text("\n".join(grouped) + "\n", encoding="utf-8")
    land(home.warehouse, settings, as_of=date(2026, 7, 3))
    assert home.ask(
        "select _row_key, vat_group, _load_id from raw.customers where vat_group is not null"
    ) == [("K0001", "G1", "2026-07-03")]
    assert home.ask("select count(*) from raw.customers") == [(13,)]
    assert home.ask("select vat_group from staging.landed_customers where customer_id = 'K0001'") == [("G1",)]


def test_table_added_to_the_contract_comes_to_folders_that_exist(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.migrations import contract_tables

    known = contract.CONTRACT["surveys"]
    more = contract.Table(
        "guarantees", known.need, known.grain, known.key, known.fields, known.feeds, known.without
    )
    prepare_warehouse(home.warehouse)
    monkeypatch.setattr(contract_tables, "TABLES", (*contract.TABLES, more))
    prepare_warehouse(home.warehouse)
    assert home.ask(
        "select count(*) from raw.guarantees union all select count(*) from quarantine.guarantees"
    ) == [
        (0,),
        (0,),
    ]
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        assert missing_columns(connection) == {}


def test_column_added_to_a_history_of_dbt_comes_to_folders_that_exist(
    upgraded: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(dbt_runner.PROJECT_DIR, project)
    model = project / "models/marts/serve/warning_signal"
    sql, columns = model.with_suffix(".sql"), model.with_suffix(".yml")
    query = sql.read_text(encoding="utf-8")
    query = query.replace("as integer) as rule_version", "as integer) as rule_version,\n    'new' as told_by")
    sql.write_text(query, encoding="utf-8")
    declared = columns.read_text(encoding="utf-8").replace(
        "          Policy version of the rule.\n",
        "          Policy version of the rule.\n"
        "      - name: told_by\n        data_type: varchar\n        description: Who tells of it.\n",
        1,
    )
    columns.write_text(declared, encoding="utf-8")
    monkeypatch.setattr(dbt_runner, "PROJECT_DIR", project)
    warehouse = tmp_path / "warehouse.duckdb"
    shutil.copy(upgraded.warehouse, warehouse)
    settings = load_settings(upgraded.company.config_path, env={}, home=upgraded.company.home)
    outcomes = dbt_runner.build(
        tmp_path / "home",
        warehouse,
        select="warning_signal",
        variables=dbt_variables(settings, THIRD),
    )
    assert [outcome.message for outcome in outcomes if not outcome.ok] == []
    assert fetch(
        warehouse,
        "select as_of_date < '2026-07-02' as older, told_by, count(*) > 0 as some from core.warning_signal "
        "group by all order by all",
    ) == [{"older": False, "told_by": "new", "some": True}, {"older": True, "told_by": None, "some": True}]


# ---------------------------------------------------------------- models


def test_learned_models_of_before_predict_what_they_did(home: Home) -> None:
    folder = home.company.folder.parent / "learned"
    predicted = pd.read_csv(folder / "predicted.csv")
    rules = seeded_policy(as_of=date(2025, 12, 31)).score_rules
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert [name.split("-")[0] for name in names] == ["expert", "scorecard", "xgboost"]
    for name in names:
        model = registry.load(folder, name)
        np.testing.assert_allclose(predict_pd(model, predicted, rules), predicted[model.kind], rtol=1e-6)


def test_model_of_another_layout_is_named_and_may_be_made_anew(home: Home) -> None:
    folder = home.company.folder.parent / "learned"
    champion = registry.history(folder)[-1].model_id
    model = registry.load(folder, champion)
    head = folder / champion / "model.json"
    head.write_text(head.read_text().replace("{", '{"layout": 7,', 1))
    with pytest.raises(
        registry.OtherLayoutError, match=r"layout 7, this one reads 1\); it is set aside and made anew"
    ):
        registry.champion_before(folder, THIRD)
    assert registry.find(folder, champion) is None
    registry.save(folder, model)
    assert registry.load(folder, champion) == model
