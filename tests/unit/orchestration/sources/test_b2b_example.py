"""The example configuration on the real invoice files: every row and cent read, every repair on record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.migrations import bring_forward
from orchestration.settings import load_settings
from orchestration.sources.landing import land

ROOT = Path(__file__).parents[4]
DATA = ROOT.parent / "shared" / "data" / "b2b_invoices"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    if not DATA.is_dir():
        pytest.skip("the public invoice files are not at ../shared/data/b2b_invoices")
    settings = load_settings(ROOT / "examples/b2b_invoices.yml", env={}, home=tmp_path_factory.mktemp("b2b"))
    with closing(duckdb.connect()) as connection:
        bring_forward(connection)
        land(connection, settings, as_of=date(2020, 5, 22))
        yield connection


def ask(warehouse: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return warehouse.execute(query).fetchall()


def test_every_row_and_cent_of_the_files_is_landed(warehouse: duckdb.DuckDBPyConnection) -> None:
    for name, column, currency in (
        ("open_invoices.csv", "total_open_amount", "invoice_currency"),
        ("closed_invoices.csv", "total_open_amount", None),
        ("open_invoices_day_month_swapped.csv", "converted_usd", "'USD'"),
    ):
        group = currency or "null"
        in_file = ask(
            warehouse,
            f"select {group} as currency, count(*), sum(cast({column} as decimal(38, 6))) "
            f"from read_csv('{DATA / name}', all_varchar = true) group by 1 order by 1",
        )
        by_currency = "currency" if currency else "null"
        totals = ask(
            warehouse,
            f"select {by_currency} as currency, sum(row_count), sum(amount) from ops.source_total "
            f"where source_file = '{name}' group by 1 order by 1",
        )
        landed = ask(
            warehouse,
            f"select {by_currency} as currency, count(*), sum(cast(amount as decimal(38, 6))) "
            f"from staging.landed_invoices where _source_file = '{name}' group by 1 order by 1",
        )
        assert in_file == totals == landed


def test_rows_exported_twice_show_as_further_occurrences(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert ask(
        warehouse,
        "select _source_file, count(*) from raw.invoices where _occurrence > 1 group by 1 order by 1",
    ) == [("closed_invoices.csv", 782), ("open_invoices_day_month_swapped.csv", 341)]


def test_customer_numbers_have_ten_digits_or_are_codes(warehouse: duckdb.DuckDBPyConnection) -> None:
    for table in ("invoices", "customers"):
        assert ask(
            warehouse,
            f"select count(*) from raw.{table} "
            "where not regexp_full_match(customer_id, '[0-9]{10}|CC.{4}')",
        ) == [(0,)]
    assert ask(
        warehouse, "select count(*) from ops.repair where table_name = 'invoices' and repair = 'pad_left'"
    ) == [(30_937 + 482 + 3_889,)]


def test_swapped_dates_are_repaired_where_proved_and_left_where_not(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert ask(warehouse, "select count(*) from ops.repair where repair = 'swap_day_month'") == [(1_657,)]
    assert ask(
        warehouse,
        "select count(*) from raw.invoices where _source_file like '%swapped.csv' "
        "and (issue_date > due_date or issue_date > '2020-05-22')",
    ) == [(23,)]


def test_every_document_has_its_customer_and_other_spellings_stay_visible(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert ask(
        warehouse, "select count(*) from raw.invoices anti join raw.customers using (customer_id)"
    ) == [(0,)]
    unrecorded = """
        with spelling as (
            select customer_id, legal_name from raw.customers
            union select _row_key, original_value from ops.repair where column_name = 'legal_name'
            union select _row_key, repaired_value from ops.repair where column_name = 'legal_name'
        ),
        file as (
            select distinct name_customer,
                lpad(cust_number, if(cust_number like 'CC%', 6, 10), '0') as customer_id
            from read_csv('{file}', all_varchar = true)
        )
        select count(*) from file anti join spelling
            on file.customer_id = spelling.customer_id and file.name_customer = spelling.legal_name
    """
    for name in ("open_invoices.csv", "open_invoices_day_month_swapped.csv"):
        assert ask(warehouse, unrecorded.format(file=DATA / name)) == [(0,)]


def test_rates_turn_canadian_into_us_dollars(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert ask(warehouse, "select rate_date, currency, rate from raw.fx_rates order by 1") == [
        ("2019-01-01", "CAD", "0.7536363"),
        ("2020-01-01", "CAD", "0.74543422"),
    ]
