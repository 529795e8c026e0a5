"""Control totals of the sources against what landed, to the cent."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from gate_warehouse import AS_OF, Warehouse

from quality.reconcile import reconcile_sources

TOTAL = (
    "INSERT INTO ops.source_total (as_of_date, source_system, table_name, source_file, currency, row_count, amount) "
    "VALUES (?, 'erp', 'invoices', ?, ?, ?, ?)"
)
LATER = date(2026, 11, 1)


def test_totals_agree_by_file_and_currency(warehouse: Warehouse) -> None:
    warehouse.add("invoices", amount="0.10", source_file="a.csv")
    warehouse.add("invoices", invoice_id="I2", amount="0.20", source_file="a.csv", currency="CAD")
    warehouse.add("invoices", invoice_id="I3", amount="nonsense", source_file="b.csv")
    warehouse.con.execute(TOTAL, [AS_OF, "a.csv", "USD", 1, "0.10"])
    warehouse.con.execute(TOTAL, [AS_OF, "a.csv", "CAD", 1, "0.20"])
    warehouse.con.execute(TOTAL, [AS_OF, "b.csv", "USD", 1, "0"])
    assert reconcile_sources(warehouse.con, AS_OF) == ()


def test_one_cent_and_one_row_are_found_and_named(warehouse: Warehouse) -> None:
    warehouse.add("invoices", amount="0.10", source_file="a.csv")
    warehouse.con.execute(TOTAL, [AS_OF, "a.csv", "USD", 1, "0.11"])
    warehouse.con.execute(TOTAL, [AS_OF, "b.csv", "USD", 1, "5"])
    cent, row = reconcile_sources(warehouse.con, AS_OF)
    assert (cent.source_file, cent.source_amount, cent.landed_amount) == (
        "a.csv",
        Decimal("0.11"),
        Decimal("0.10"),
    )
    assert (row.source_file, row.source_rows, row.landed_rows) == ("b.csv", 1, 0)
    assert row.text == "erp invoices b.csv USD: source 1 rows, 5.00; landed 0 rows, 0.00"


def test_rows_of_a_file_nobody_counted_are_a_difference(warehouse: Warehouse) -> None:
    warehouse.con.execute(TOTAL, [AS_OF, "a.csv", "USD", 0, "0"])
    warehouse.add("invoices", source_file="c.csv")
    (difference,) = reconcile_sources(warehouse.con, AS_OF)
    assert (difference.source_file, difference.source_rows, difference.landed_rows) == ("c.csv", 0, 1)


def test_totals_of_a_later_load_say_nothing_about_an_earlier_night(warehouse: Warehouse) -> None:
    warehouse.add("invoices", source_file="a.csv")
    warehouse.con.execute(TOTAL, [LATER, "a.csv", "USD", 7, "99"])
    assert reconcile_sources(warehouse.con, AS_OF) == ()
    assert len(reconcile_sources(warehouse.con, LATER)) == 1


def test_row_replaced_by_a_later_file_counts_for_both(warehouse: Warehouse) -> None:
    warehouse.add("invoices", amount="10.00", source_file="a.csv")
    warehouse.con.execute(
        "INSERT INTO raw.invoices BY NAME "
        "SELECT * EXCLUDE (_first_loaded_at, _first_is_backfill) FROM staging.landed_invoices"
    )
    warehouse.con.execute("UPDATE staging.landed_invoices SET amount = '12.00', _source_file = 'b.csv'")
    warehouse.con.execute(TOTAL, [AS_OF, "a.csv", "USD", 1, "10.00"])
    warehouse.con.execute(TOTAL, [AS_OF, "b.csv", "USD", 1, "12.00"])
    assert reconcile_sources(warehouse.con, AS_OF) == ()


def test_rows_sent_again_unchanged_stay_with_their_first_file(warehouse: Warehouse) -> None:
    warehouse.add("invoices", amount="10.00", source_file="a.csv")
    warehouse.add("invoices", invoice_id="I2", amount="1.00", source_file="b.csv")
    warehouse.con.execute(TOTAL, [AS_OF, "a.csv", "USD", 1, "10.00"])
    warehouse.con.execute(TOTAL, [AS_OF, "b.csv", "USD", 2, "11.00"])
    assert len(reconcile_sources(warehouse.con, AS_OF)) == 1
    warehouse.con.execute(
        "INSERT INTO ops.landing (as_of_date, source_system, table_name, source_file, rows_read, rows_landed, "
        "rows_deleted) VALUES (?, 'erp', 'invoices', 'b.csv', 2, 1, 0)",
        [AS_OF],
    )
    assert reconcile_sources(warehouse.con, AS_OF) == ()


def test_difference_is_told_with_the_decimals_of_its_currency(warehouse: Warehouse) -> None:
    for currency, amount in (("KWD", "1.5"), ("JPY", "1500"), ("none", "1.50")):
        warehouse.con.execute(TOTAL, [AS_OF, "a.csv", currency, 1, amount])
    assert [
        difference.text.partition("source 1 rows, ")[2]
        for difference in reconcile_sources(warehouse.con, AS_OF)
    ] == [
        "1,500; landed 0 rows, 0",
        "1.500; landed 0 rows, 0.000",
        "1.5; landed 0 rows, 0",
    ]
