"""A new ERP, as its user would take it on: the dump in a database, one mapping, one night, totals to the cent."""

import runpy
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.pipeline.conftest import invoke

ROOT = Path(__file__).resolve().parents[2]
DUMP = ROOT.parent / "shared" / "data" / "classicmodels_erp" / "mysqlsampledatabase.sql"
EXAMPLE = ROOT / "examples" / "classicmodels_erp.yml"
AS_OF = "2005-06-01"

pytestmark = pytest.mark.skipif(
    not DUMP.is_file(), reason="the sample ERP is not here (../shared/data/classicmodels_erp)"
)

Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("erp")


@pytest.fixture(scope="module")
def source(folder: Path) -> Iterator[Ask]:
    """The ERP's own database, loaded from the dump with the script the example names."""
    database = folder / "classicmodels.db"
    runpy.run_path(str(ROOT / "examples" / "load_classicmodels.py"))["load"](DUMP, database)
    with closing(sqlite3.connect(database)) as connection:
        yield lambda query: connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def mart(folder: Path, source: Ask) -> Iterator[Ask]:
    """The mart of one night on the example, its database address changed to the loaded one."""
    example = EXAMPLE.read_text(encoding="utf-8")
    address = "sqlite:///../.trade-credit-erp/classicmodels.db"
    assert example.count(address) == 1
    config = folder / "classicmodels_erp.yml"
    config.write_text(example.replace(address, f"sqlite:///{folder / 'classicmodels.db'}"), encoding="utf-8")
    outcome = invoke(folder / "home", "run", "--config", str(config), "--as-of", AS_OF)
    assert outcome.exit_code == 0, outcome.output
    published = folder / "home" / "publication" / "current" / "mart.duckdb"
    with duckdb.connect(str(published), read_only=True) as connection:
        yield lambda query: connection.execute(query).fetchall()


def _order_totals(source: Ask) -> dict[int, Decimal]:
    totals: dict[int, Decimal] = {}
    for order, quantity, price in source("select orderNumber, quantityOrdered, priceEach from orderdetails"):
        totals[order] = totals.get(order, Decimal(0)) + quantity * Decimal(price)
    return totals


def _billed(source: Ask) -> dict[int, Decimal]:
    totals = _order_totals(source)
    shipped = source(
        "select orderNumber from orders where shippedDate <= '2005-06-01' and status <> 'Cancelled'"
    )
    return {order: totals[order] for (order,) in shipped}


def _received(source: Ask) -> list[tuple[int, str, Decimal]]:
    rows = source(
        "select customerNumber, paymentDate, amount from payments where paymentDate <= '2005-06-01'"
    )
    return [(customer, day, Decimal(amount)) for customer, day, amount in rows]


def _applied(source: Ask) -> Decimal:
    """Receipts that equal one invoice of their customer, ordered by then; each invoice is paid once."""
    billed = _billed(source)
    customers = source("select orderNumber, customerNumber, orderDate from orders")
    applied = [
        amount
        for payer, day, amount in _received(source)
        for order, customer, ordered in customers
        if customer == payer and billed.get(order) == amount and ordered <= day
    ]
    return sum(applied, Decimal(0))


def test_dump_loads_complete_and_exact(source: Ask) -> None:
    # Counted in the dump: its rows of each INSERT; names with apostrophes and accents as written.
    assert source("select count(*) from orderdetails") == [(2996,)]
    assert source("select customerName, creditLimit from customers where customerNumber = 172") == [
        ("La Corne D'abondance, Co.", "84300.00")
    ]
    assert source("select customerName from customers where customerNumber = 223") == [("Natürlich Autos",)]


def test_customers_and_credit_limits_are_those_of_the_source(source: Ask, mart: Ask) -> None:
    limits = [Decimal(amount) for (amount,) in source("select creditLimit from customers")]
    assert mart("select count(*), count(country) from mart.dim_customer") == [(len(limits), len(limits))]
    published = mart(
        "select sum(credit_limit_reporting), count(credit_limit_reporting) from mart.fct_exposure"
    )
    assert published == [(sum(limits), len(limits))]
    # A limit of zero is a limit; utilisation against it has no figure.
    zero = mart(
        "select count(*), count(utilisation) from mart.fct_exposure where utilisation_status = 'zero_limit'"
    )
    assert zero == [(sum(limit == 0 for limit in limits), 0)]


def test_invoices_and_receipts_reach_the_ledger_to_the_cent(source: Ask, mart: Ask) -> None:
    read = dict(mart("select source_table, ledger_amount from mart.reconciliation_source"))
    assert read["invoices"] == sum(_billed(source).values())
    assert read["payments"] == sum(amount for _, _, amount in _received(source))
    wrong = mart(
        "select count(*) from mart.reconciliation_source "
        "where quarantined_amount <> 0 or amount_difference <> 0 or row_count_difference <> 0"
    )
    assert wrong == [(0,)]


def test_receipts_that_pay_no_known_invoice_stay_unapplied(source: Ask, mart: Ask) -> None:
    billed, applied = sum(_billed(source).values()), _applied(source)
    received = sum(amount for _, _, amount in _received(source))
    assert 0 < applied < received
    aging = mart(
        "select sum(open_amount), sum(unapplied_cash_amount), sum(balance_amount) from mart.fct_ar_aging "
        f"where as_of_date = date '{AS_OF}'"
    )
    assert aging == [(billed - applied, applied - received, billed - received)]


def test_exposure_counts_orders_not_yet_shipped_and_no_cancelled_ones(source: Ask, mart: Ask) -> None:
    totals = _order_totals(source)
    waiting = source(
        "select orderNumber from orders where status in ('In Process', 'On Hold') "
        "and julianday(requiredDate) <= julianday('2005-06-01') + 30"
    )
    assert mart(
        "select sum(open_orders_reporting), sum(delivered_not_invoiced_reporting) from mart.fct_exposure"
    ) == [(sum(totals[order] for (order,) in waiting), 0)]
