"""Each mapping of `examples/` on a small company written as its system exports: documents, receipts, totals by hand."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import duckdb
import openpyxl

from orchestration.settings import load_settings
from orchestration.sources.landing import land
from orchestration.warehouse import prepare_warehouse

EXAMPLES = Path(__file__).resolve().parents[4] / "examples"
DOCUMENTS = "select invoice_id, document_type, customer_id, due_date, currency, amount from raw.invoices"
RECEIPTS = "select customer_id, received_date, amount from raw.payments"
CUSTOMERS = "select customer_id, legal_name from raw.customers"
APPLIED = "select from_document_id, invoice_id, applied_date, amount from raw.payment_applications"
TOTALS = """
select currency, cast(sum(value) filter (part = 'd') as varchar), cast(sum(value) filter (part = 'p') as varchar),
       cast(sum(value) filter (part = 'a') as varchar)
from (select 'd' as part, currency, cast(amount as decimal(18, 2)) * if(document_type = 'credit_memo', -1, 1) as value
      from raw.invoices
      union all select 'p', currency, cast(amount as decimal(18, 2)) from raw.payments
      union all select 'a', currency, cast(amount as decimal(18, 2)) from raw.payment_applications)
group by currency order by currency
"""
BALANCES = """
select customer_id, currency, sum(value)
from (select customer_id, currency, cast(amount as decimal(18, 2)) * if(document_type = 'credit_memo', -1, 1) as value
      from raw.invoices
      union all select customer_id, currency, -cast(amount as decimal(18, 2)) from raw.payments)
group by all having count(*) = count(value) and sum(value) <> 0
"""

Balances = dict[tuple[str, str], Decimal]


def ledger(lines: Iterable[tuple[str, str, str]]) -> Balances:
    """What each customer owes in each currency by the source itself: its lines (customer, currency, amount) added up.

    A customer with an amount that cannot be read has no balance.
    """
    values: dict[tuple[str, str], list[Decimal | None]] = defaultdict(list)
    for customer, currency, amount in lines:
        try:
            value = Decimal(amount.replace(".", "").replace(",", "."))
        except InvalidOperation:
            values[customer, currency].append(None)
        else:
            values[customer, currency].append(value)
    return {
        who: total
        for who, parts in values.items()
        if None not in parts and (total := sum((part for part in parts if part is not None), Decimal(0)))
    }


class Books:
    """An example's sources after one night."""

    def __init__(
        self,
        folder: Path,
        example: str,
        files: dict[str, str],
        encoding: str,
        env: dict[str, str] | None = None,
    ) -> None:
        shutil.copy(EXAMPLES / example, folder / "company.yml")
        for name, content in files.items():
            (folder / name).write_bytes(content.encode(encoding))
        settings = load_settings(folder / "company.yml", env=env or {}, home=folder / "home")
        prepare_warehouse(settings.warehouse_path)
        land(settings.warehouse_path, settings, as_of=date(2025, 11, 30))
        self._path = settings.warehouse_path

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Rows in order, amounts as numbers."""
        with closing(duckdb.connect(str(self._path))) as connection:
            shown = query.replace(" amount ", " cast(amount as double) ")
            return connection.execute(f"{shown} order by all").fetchall()

    def totals(self) -> list[tuple[Any, ...]]:
        """Of each currency: documents (credit memos taken off), receipts, and applications, to the cent."""
        with closing(duckdb.connect(str(self._path))) as connection:
            return connection.execute(TOTALS).fetchall()

    def balances(self) -> Balances:
        """What each customer owes in each currency: documents less money, without those that hold the unreadable."""
        with closing(duckdb.connect(str(self._path))) as connection:
            return {
                (who, currency): value for who, currency, value in connection.execute(BALANCES).fetchall()
            }


FBL5N = """\
30.11.2025                                   Dynamische Listenausgabe                                              1
--------------------------------------------------------------------------------------------------------------------
|St|BuKr|Debitor   |Belegnr   |Art|Belegdatum|Nettofäll.|Betrag in BW   |Währg|Ausgl.bel.|Ausgleich |Text           |
--------------------------------------------------------------------------------------------------------------------
|  |1000|1000123   |90000001  |RV |01.10.2025|31.10.2025|     12.345,67 |EUR  |          |          |Müller & Söhne |
|  |1000|1000123   |90000002  |RG |05.10.2025|05.10.2025|      1.234,56-|EUR  |          |          |Gutschrift "neu|
|  |1000|1000123   |14000001  |DZ |20.10.2025|20.10.2025|     10.000,00-|EUR  |          |          |Zahlung        |
|  |1000|1000124   |14000002  |DZ |21.10.2025|21.10.2025|         50,00 |EUR  |          |          |Auszahlung     |
--------------------------------------------------------------------------------------------------------------------
|* |    |1000123   |          |   |          |          |      1.111,11 |EUR  |          |          |               |
--------------------------------------------------------------------------------------------------------------------
|  |1000|1000125   |90000003  |RV |02.10.2025|01.11.2025|        300,00 |USD  |14000003  |22.10.2025|               |
|  |1000|1000125   |90000004  |RV |03.10.2025|02.11.2025|        150,10 |USD  |14000003  |22.10.2025|               |
|  |1000|1000125   |14000003  |DZ |22.10.2025|22.10.2025|        400,00-|USD  |14000003  |22.10.2025|Zahlung        |
|  |1000|1000125   |14000003  |DZ |22.10.2025|22.10.2025|         50,10-|USD  |14000003  |22.10.2025|Zahlung, Rest  |
|  |1000|1000125   |90000005  |RV |04.10.2025|03.11.2025|         80,00 |EUR  |10000007  |23.10.2025|               |
|  |1000|1000125   |90000006  |RV |05.10.2025|05.10.2025|         30,00-|EUR  |10000007  |23.10.2025|Gutschrift SD  |
|  |2000|1000125   |14000003  |DZ |22.10.2025|22.10.2025|          7,00-|EUR  |          |          |Zahlung        |
|  |1000|1000126   |14000005  |DZ |24.10.2025|24.10.2025|         5O,00-|EUR  |          |          |Zahlung        |
|  |1000|1000125   |14000004  |DZ |23.10.2025|23.10.2025|         50,00-|EUR  |10000007  |23.10.2025|Zahlung        |
|  |1000|1000127   |90000007  |RV |01.10.2025|31.10.2025|        100,00 |EUR  |20000001  |28.10.2025|               |
|  |1000|1000127   |14000006  |DZ |25.10.2025|25.10.2025|        120,00-|EUR  |20000001  |28.10.2025|Zuviel gezahlt |
|  |1000|1000127   |20000001  |ZP |28.10.2025|28.10.2025|         20,00 |EUR  |20000001  |28.10.2025|Auszahlung     |
|  |1000|1000127   |90000008  |RG |26.10.2025|26.10.2025|         30,00-|EUR  |20000002  |28.10.2025|               |
|  |1000|1000127   |90000009  |RG |26.10.2025|26.10.2025|         15,00-|EUR  |20000002  |28.10.2025|               |
|  |1000|1000127   |20000002  |ZP |28.10.2025|28.10.2025|         45,00 |EUR  |20000002  |28.10.2025|Auszahlung     |
|  |1000|1000127   |90000010  |RG |26.10.2025|26.10.2025|         80,00-|EUR  |          |          |               |
|  |1000|1000127   |20000003  |DZ |29.10.2025|29.10.2025|         35,50 |EUR  |          |          |Auszahlung     |
--------------------------------------------------------------------------------------------------------------------
"""


def sap_amount(written: str) -> str:
    """The minus in front."""
    number = written.strip()
    return f"-{number[:-1]}" if number.endswith("-") else number


def test_sap_list_of_items(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("Debitor,Name 1\n1000123,Müller & Söhne GmbH\n", encoding="utf-8")
    books = Books(tmp_path, "sap_fbl5n_list.yml", {"fbl5n_november.txt": FBL5N}, "cp1252")
    assert books.ask(DOCUMENTS) == [
        ("90000001", "invoice", "1000123", "2025-10-31", "EUR", 12345.67),
        ("90000002", "credit_memo", "1000123", "2025-10-05", "EUR", 1234.56),
        ("90000003", "invoice", "1000125", "2025-11-01", "USD", 300),
        ("90000004", "invoice", "1000125", "2025-11-02", "USD", 150.10),
        ("90000005", "invoice", "1000125", "2025-11-03", "EUR", 80),
        ("90000006", "credit_memo", "1000125", "2025-10-05", "EUR", 30),
        ("90000007", "invoice", "1000127", "2025-10-31", "EUR", 100),
        ("90000008", "credit_memo", "1000127", "2025-10-26", "EUR", 30),
        ("90000009", "credit_memo", "1000127", "2025-10-26", "EUR", 15),
        ("90000010", "credit_memo", "1000127", "2025-10-26", "EUR", 80),
    ]
    assert books.ask(f"select payment_id, {RECEIPTS[7:]}") == [
        ("1000-2025-14000001-1000123", "1000123", "2025-10-20", 10000),
        ("1000-2025-14000002-1000124", "1000124", "2025-10-21", -50),
        ("1000-2025-14000003-1000125", "1000125", "2025-10-22", 450.10),
        ("1000-2025-14000004-1000125", "1000125", "2025-10-23", 50),
        ("1000-2025-14000005-1000126", "1000126", "2025-10-24", None),
        ("1000-2025-14000006-1000127", "1000127", "2025-10-25", 120),
        ("1000-2025-20000001-1000127", "1000127", "2025-10-28", -20),
        ("1000-2025-20000002-1000127", "1000127", "2025-10-28", -45),
        ("1000-2025-20000003-1000127", "1000127", "2025-10-29", -35.5),
        ("2000-2025-14000003-1000125", "1000125", "2025-10-22", 7),
    ]
    assert books.ask(f"select kind, {APPLIED[7:]}") == [
        ("cash", "1000-2025-14000003-1000125", "90000003", "2025-10-22", 300),
        ("cash", "1000-2025-14000003-1000125", "90000004", "2025-10-22", 150.10),
        ("cash", "1000-2025-14000004-1000125", "90000005", "2025-10-23", 50),
        ("cash", "1000-2025-14000006-1000127", "90000007", "2025-10-28", 100),
        ("cash", "1000-2025-20000002-1000127", "90000008", "2025-10-28", -30),
        ("cash", "1000-2025-20000002-1000127", "90000009", "2025-10-28", -15),
        ("credit_memo", "90000006", "90000005", "2025-10-23", 30),
    ]
    assert books.totals() == [
        ("EUR", "11136.11", "10026.50", "135.00"),
        ("USD", "450.10", "450.10", "450.10"),
    ]
    cells = [
        line.split("|") for line in FBL5N.splitlines() if line.startswith("|  |1000|") or "|2000|" in line
    ]
    lines = [(cell[3].strip(), cell[9].strip(), sap_amount(cell[8])) for cell in cells]
    assert books.balances() == ledger(lines)
    assert books.ask(CUSTOMERS) == [
        ("1000123", "Müller & Söhne GmbH"),
        ("1000124", "1000124"),
        ("1000125", "1000125"),
        ("1000126", "1000126"),
        ("1000127", "1000127"),
    ]


FEC_NAMES = (
    "JournalCode JournalLib EcritureNum EcritureDate CompteNum CompteLib CompAuxNum CompAuxLib PieceRef PieceDate "
    "EcritureLib Debit Credit EcritureLet DateLet ValidDate Montantdevise Idevise"
)


def entry(line: str) -> str:
    """One line of entries, from its journal, number, day, account, customer, piece, debit, credit and letter."""
    journal, number, day, account, customer, piece, debit, credit, let = (
        "" if part == "-" else part for part in line.split()
    )
    name = f"Client {customer}" if customer else ""
    label = "Clients divers" if account == "411900" else ""
    what = [
        journal,
        "",
        number,
        day,
        account,
        label,
        customer,
        name,
        piece,
        day,
        "",
        debit,
        credit,
        let,
        "",
        day,
        "",
        "",
    ]
    return "\t".join(what)


def test_french_journal_entries(tmp_path: Path) -> None:
    rows = [
        entry("VE 1 20251001 411000 C1 FA1 1200,60 0,00 AA"),
        entry("VE 1 20251001 706000 - FA1 0,00 1000,50 -"),
        entry("VE 1 20251001 445710 - FA1 0,00 200,10 -"),
        entry("VE 2 20251005 411000 C2 FA2 500,00 0,00 AB"),
        entry("VE 3 20251006 411000 C2 AV1 0,00 120,00 AB"),
        entry("VE 5 20251007 411000 C3 FA3 300,00 0,00 AC"),
        entry("VE 6 20251008 411000 C3 FA4 80,40 0,00 AC"),
        entry("VE 7 20251009 411900 - FA5 70,00 0,00 -"),
        entry("BQ 4 20251020 411000 C1 VIR9 0,00 1200,60 AA"),
        entry("BQ 4 20251020 411000 C2 VIR9 0,00 380,00 AB"),
        entry("SG 4 20251021 411000 C3 CH1 0,00 380,40 AC"),
        entry("SG 4 20251021 512000 - CH1 380,40 0,00 -"),
        entry("OD 8 20251022 411900 - OD1 0,00 70,00 -"),
        entry("OD 8 20251022 654000 - OD1 70,00 0,00 -"),
        entry("BQ 9 20251023 411000 C1 VIR10 15,00 0,00 -"),
        entry("BQ 9 20251023 512000 - VIR10 0,00 15,00 -"),
        entry("VE 10 20251024 411000 C4 FA6 10,00 - -"),
        entry("VE 10 20251024 411000 C4 FA6 1O,00 0,00 -"),
        entry("BQ 11 20251025 411000 C4 VIR11 0,00 1O,00 -"),
        entry("BQ 11 20251025 512000 - VIR11 1O,00 0,00 -"),
        entry("VE 12 20251026 411000 C4 FA7 5,25 - -"),
        entry("VE 13 20251001 411000 C5 FA8 100,00 0,00 BA"),
        entry("BQ 14 20251027 411000 C5 VIR12 0,00 120,00 BA"),
        entry("BQ 15 20251028 411000 C5 VIR13 20,00 0,00 BA"),
        entry("VE 16 20251006 411000 C5 AV2 0,00 45,50 BB"),
        entry("SG 17 20251029 411000 C5 CH2 45,50 0,00 BB"),
        entry("SG 17 20251029 512000 - CH2 0,00 45,50 -"),
    ]
    rows[6] = rows[6].rsplit("\t", 2)[0] + "\t93,20\tUSD"
    content = "\r\n".join(["\t".join(FEC_NAMES.split()), *rows]) + "\r\n"
    books = Books(tmp_path, "fec.yml", {"123456789FEC20251231.txt": content}, "utf-8")
    assert books.ask(DOCUMENTS) == [
        ("AV1", "credit_memo", "C2", "2025-11-05", "EUR", 120),
        ("AV2", "credit_memo", "C5", "2025-11-05", "EUR", 45.50),
        ("FA1", "invoice", "C1", "2025-10-31", "EUR", 1200.60),
        ("FA2", "invoice", "C2", "2025-11-04", "EUR", 500),
        ("FA3", "invoice", "C3", "2025-11-06", "EUR", 300),
        ("FA4", "invoice", "C3", "2025-11-07", "EUR", 80.40),
        ("FA5", "invoice", "411900", "2025-11-08", "EUR", 70),
        ("FA6", "invoice", "C4", "2025-11-23", "EUR", None),
        ("FA7", "invoice", "C4", "2025-11-25", "EUR", 5.25),
        ("FA8", "invoice", "C5", "2025-10-31", "EUR", 100),
    ]
    assert books.ask(f"select payment_id, {RECEIPTS[7:]}") == [
        ("BQ-20251020-4-C1", "C1", "2025-10-20", 1200.60),
        ("BQ-20251020-4-C2", "C2", "2025-10-20", 380),
        ("BQ-20251023-9-C1", "C1", "2025-10-23", -15),
        ("BQ-20251025-11-C4", "C4", "2025-10-25", None),
        ("BQ-20251027-14-C5", "C5", "2025-10-27", 120),
        ("BQ-20251028-15-C5", "C5", "2025-10-28", -20),
        ("SG-20251021-4-C3", "C3", "2025-10-21", 380.40),
        ("SG-20251029-17-C5", "C5", "2025-10-29", -45.50),
    ]
    assert books.ask(APPLIED) == [
        ("AV1", "FA2", "2025-10-06", 120),
        ("BQ-20251020-4-C1", "FA1", "2025-10-20", 1200.60),
        ("BQ-20251020-4-C2", "FA2", "2025-10-20", 380),
        ("BQ-20251027-14-C5", "FA8", "2025-10-27", 100),
        ("SG-20251021-4-C3", "FA3", "2025-10-21", 300),
        ("SG-20251021-4-C3", "FA4", "2025-10-21", 80.40),
        ("SG-20251029-17-C5", "AV2", "2025-10-29", -45.50),
    ]
    assert books.totals() == [("EUR", "2090.75", "2000.50", "2135.50")]
    # The customer of 411900 is left out: his write-off through OD is none of documents and money.
    lines = []
    for cell in (row.split("\t") for row in rows):
        if cell[4] == "411000":
            lines += [(cell[6], "EUR", cell[11] or "0"), (cell[6], "EUR", f"-{cell[12] or '0'}")]
    landed = books.balances()
    assert landed.pop(("411900", "EUR")) == 70
    assert landed == ledger(lines) == {("C1", "EUR"): 15}
    assert books.ask(CUSTOMERS) == [
        ("411900", "Clients divers"),
        ("C1", "Client C1"),
        ("C2", "Client C2"),
        ("C3", "Client C3"),
        ("C4", "Client C4"),
        ("C5", "Client C5"),
    ]


AGING = """\
Apex Supply Inc,,,,,,
A/R Aging Detail Report,,,,,,
"As of November 30, 2025",,,,,,

Date,Transaction type,Num,Customer,Due date,Amount,Open balance
61 - 90 days past due,,,,,,
08/18/2025,Invoice,1041,"Alvarez, Dana",09/17/2025,"$1,284.50","1,284.50"
09/02/2025,Credit Memo,1042,"Alvarez, Dana",09/02/2025,(250.00),(250.00)
09/03/2025,Payment,77,"Alvarez, Dana",09/03/2025,(10.00),(10.00)
09/03/2025,Payment,,"Alvarez, Dana",09/03/2025,(100.00),(40.00)
09/04/2025,Journal Entry,7,Brook LLC,09/04/2025,15.25,15.25
09/05/2025,Payment,1041,Brook LLC,09/05/2025,(20.00),(20.00)
Total for 61 - 90 days past due,,,,,"$919.75","$979.75"
TOTAL,,,,,"$919.75","$979.75"
"""


def test_quickbooks_aging_report(tmp_path: Path) -> None:
    books = Books(tmp_path, "quickbooks_ar_aging.yml", {"ar_aging.csv": AGING}, "utf-8")
    assert books.ask(DOCUMENTS) == [
        ("1041", "invoice", "Alvarez, Dana", "2025-09-17", "USD", 1284.50),
        ("1042", "credit_memo", "Alvarez, Dana", "2025-09-02", "USD", 250),
        ("Journal Entry 09/04/2025 7 Brook LLC", "debit_memo", "Brook LLC", "2025-09-04", "USD", 15.25),
        ("Payment 09/03/2025 77 Alvarez, Dana", "credit_memo", "Alvarez, Dana", "2025-09-03", "USD", 10),
        ("Payment 09/03/2025 Alvarez, Dana", "credit_memo", "Alvarez, Dana", "2025-09-03", "USD", 40),
        ("Payment 09/05/2025 1041 Brook LLC", "credit_memo", "Brook LLC", "2025-09-05", "USD", 20),
    ]
    assert books.totals() == [("USD", "979.75", None, None)]
    assert books.ask(CUSTOMERS) == [("Alvarez, Dana", "Alvarez, Dana"), ("Brook LLC", "Brook LLC")]


DATEV = """\
"EXTF";700;21;"Buchungsstapel";13;20251130120000000;;"RE";"";"";1001;1;20250401;4;20251001;20260131;"Oktober";"";1;0;0;"EUR"
"Umsatz (ohne Soll/Haben-Kz)";"Soll/Haben-Kennzeichen";"WKZ Umsatz";"Konto";"Gegenkonto (ohne BU-Schlüssel)";"Belegdatum";"Belegfeld 1";"Belegfeld 2"
1000,00;"S";"";10001;8400;110;"RE-1";"311025"
190,00;"S";"";10001;8300;110;"RE-1";"311025"
300,25;"H";"EUR";8400;10002;1201;"RE-2";""
238,00;"H";"EUR";10001;8400;1510;"GS-1";""
595,00;"H";"EUR";10001;1200;2010;"RE-1";""
595,00;"S";"EUR";1200;10001;2010;"RE-1";""
100,00;"H";"USD";10002;1000;2110;"A-CONTO";""
310,00;"H";"EUR";10002;1200;2410;"RE-2";""
25,00;"S";"EUR";10001;1200;2210;"GS-1";""
50,00;"S";"EUR";4980;1600;1610;"X";""
1O,00;"H";"EUR";10002;1200;2310;"";""
1O,00;"S";"EUR";10002;8400;2310;"RE-3";""
20,00;"S";"EUR";10002;8300;2310;"RE-3";""
100,00;"S";"EUR";10003;8400;110;"RE-4";""
120,00;"H";"EUR";10003;1200;2510;"RE-4";""
20,00;"S";"EUR";10003;1200;2610;"RE-4";""
45,50;"H";"EUR";10003;8400;1510;"GS-2";""
40,00;"H";"EUR";1200;10003;2710;"GS-2";""
10,00;"S";"EUR";10003;1200;2810;"GS-2";""
"""  # noqa: E501


def test_datev_bookings(tmp_path: Path) -> None:
    last_year = (
        "\n".join([*DATEV.replace("20250401", "20240401").splitlines()[:2], DATEV.splitlines()[5]]) + "\n"
    )
    files = {
        "EXTF_Buchungsstapel_10.csv": DATEV,
        "EXTF_Buchungsstapel_09.csv": last_year.replace("GS-1", "GS-0"),
    }
    books = Books(tmp_path, "datev_buchungsstapel.yml", files, "cp1252")
    assert books.ask(DOCUMENTS) == [
        ("GS-0", "credit_memo", "10001", "2024-10-15", "EUR", 238),
        ("GS-1", "credit_memo", "10001", "2025-10-15", "EUR", 238),
        ("GS-2", "credit_memo", "10003", "2025-10-15", "EUR", 45.50),
        ("RE-1", "invoice", "10001", "2025-10-31", "EUR", 1190),
        ("RE-2", "invoice", "10002", "2026-01-12", "EUR", 300.25),
        ("RE-3", "invoice", "10002", "2025-10-23", "EUR", None),
        ("RE-4", "invoice", "10003", "2025-10-01", "EUR", 100),
    ]
    assert books.ask(f"select payment_id, {RECEIPTS[7:]}") == [
        ("10001-20251020-RE-1-595.00-1", "10001", "2025-10-20", 595),
        ("10001-20251020-RE-1-595.00-2", "10001", "2025-10-20", 595),
        ("10001-20251022-GS-1--25.00-1", "10001", "2025-10-22", -25),
        ("10002-20251021-A-CONTO-100.00-1", "10002", "2025-10-21", 100),
        ("10002-20251023-1", "10002", "2025-10-23", None),
        ("10002-20251024-RE-2-310.00-1", "10002", "2025-10-24", 310),
        ("10003-20251025-RE-4-120.00-1", "10003", "2025-10-25", 120),
        ("10003-20251026-RE-4--20.00-1", "10003", "2025-10-26", -20),
        ("10003-20251027-GS-2--40.00-1", "10003", "2025-10-27", -40),
        ("10003-20251028-GS-2--10.00-1", "10003", "2025-10-28", -10),
    ]
    assert books.ask(APPLIED) == [
        ("10001-20251020-RE-1-595.00-1", "RE-1", "2025-10-20", 595),
        ("10001-20251020-RE-1-595.00-2", "RE-1", "2025-10-20", 595),
        ("10001-20251022-GS-1--25.00-1", "GS-1", "2025-10-22", -25),
        ("10002-20251024-RE-2-310.00-1", "RE-2", "2025-10-24", 300.25),
        ("10003-20251025-RE-4-120.00-1", "RE-4", "2025-10-25", 100),
        ("10003-20251027-GS-2--40.00-1", "GS-2", "2025-10-27", -40),
        ("10003-20251028-GS-2--10.00-1", "GS-2", "2025-10-28", -5.50),
    ]
    assert books.totals() == [("EUR", "1068.75", "1525.00", "1519.75"), ("USD", None, "100.00", None)]
    assert books.ask(CUSTOMERS) == [("10001", "10001"), ("10002", "10002"), ("10003", "10003")]
    lines = []
    for cell in (
        line.replace('"', "").split(";") for line in [*DATEV.splitlines()[2:], last_year.splitlines()[2]]
    ):
        for account, is_debit in ((cell[3], cell[1] == "S"), (cell[4], cell[1] == "H")):
            if len(account) == 5:
                lines.append((account, cell[2] or "EUR", cell[0] if is_debit else f"-{cell[0]}"))
    assert books.balances() == ledger(lines)


STATEMENT = """\
"Auftragskonto";"Buchungstag";"Valutadatum";"Verwendungszweck";"Kontonummer/IBAN";"Betrag";"Waehrung";"Info"
"DE02";"28.11.25";"28.11.25";"RE 1 Müller";"DE11";"1.190,00";"EUR";"Umsatz gebucht"
"DE02";"28.11.25";"28.11.25";"Strom";"DE22";"-345,67";"EUR";"Umsatz gebucht"
"DE02";"28.11.25";"";"RE 2";"DE11";"500,00";"EUR";"Umsatz vorgemerkt"
"DE02";"29.11.25";"29.11.25";"RE 3";"DE33";"80,10";"EUR";"Umsatz gebucht"
"DE02";"29.11.25";"29.11.25";"RE 4";"DE11";"1O,00";"EUR";"Umsatz gebucht"
"""


def test_bank_statement(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("customer_id,legal_name,iban\nC1,Müller,DE11\n", encoding="utf-8")
    head = "invoice_id,document_type,customer_id,legal_entity,issue_date,due_date,currency,amount\n"
    (tmp_path / "invoices.csv").write_text(head + "1,invoice,C1,E1,2025-10-01,2025-10-31,EUR,1190.00\n")
    books = Books(tmp_path, "bank_camt_csv.yml", {"umsatz_11.csv": STATEMENT}, "cp1252")
    assert books.ask("select customer_id, received_date, (amount) from raw.payments") == [
        ("C1", "2025-11-28", "1190.00"),
        ("C1", "2025-11-29", "1O,00"),
        (None, "2025-11-29", "80.10"),
    ]
    assert books.ask(DOCUMENTS) == [("1", "invoice", "C1", "2025-10-31", "EUR", 1190)]
    assert books.ask(CUSTOMERS) == [("C1", "Müller")]


TABLE_NAMES = (
    ";Debitor;Name 1;Belegnummer;Belegart;Buchungskreis;Belegdatum;Nettofälligkeit;Währung;Betrag in Belegwährung;"
    "Ausgleichsbeleg;Ausgleichsdatum"
)
TABLE = """\
;12345;Müller & Söhne GmbH;90000001;RV;1000;01.10.2025;31.10.2025;EUR;12.345,67;;
;12345;Müller & Söhne GmbH;90000002;RG;1000;05.10.2025;05.10.2025;EUR;1.234,56-;;
;12345;Müller & Söhne GmbH;14000002;DZ;1000;06.10.2025;06.10.2025;EUR;20,00;;
;98765;Škoda Čechy s.r.o.;90000003;DR;1000;02.10.2025;01.11.2025;EUR;500,00;14000001;11.10.2025
;98765;Škoda Čechy s.r.o.;14000001;DZ;1000;11.10.2025;11.10.2025;EUR;500,00-;14000001;11.10.2025
;98765;Škoda Čechy s.r.o.;90000004;RG;1000;12.10.2025;12.10.2025;EUR;60,00-;20000001;13.10.2025
;98765;Škoda Čechy s.r.o.;20000001;ZP;1000;13.10.2025;13.10.2025;EUR;60,00;20000001;13.10.2025
;;;;;;;;EUR;11.131,11;;
"""


def test_sap_table_of_items(tmp_path: Path) -> None:
    content = f"{TABLE_NAMES}\n{TABLE}".replace(";", "\t")
    books = Books(tmp_path, "sap_fbl5n_table.yml", {"fbl5n.txt": content}, "utf-16")
    assert books.ask(DOCUMENTS) == [
        ("90000001", "invoice", "0000012345", "2025-10-31", "EUR", 12345.67),
        ("90000002", "credit_memo", "0000012345", "2025-10-05", "EUR", 1234.56),
        ("90000003", "invoice", "0000098765", "2025-11-01", "EUR", 500),
        ("90000004", "credit_memo", "0000098765", "2025-10-12", "EUR", 60),
    ]
    assert books.ask(RECEIPTS) == [
        ("0000012345", "2025-10-06", -20),
        ("0000098765", "2025-10-11", 500),
        ("0000098765", "2025-10-13", -60),
    ]
    assert books.ask(f"select kind, {APPLIED[7:]}") == [
        ("cash", "1000-2025-14000001-0000098765", "90000003", "2025-10-11", 500),
        ("cash", "1000-2025-20000001-0000098765", "90000004", "2025-10-13", -60),
    ]
    assert books.totals() == [("EUR", "11551.11", "420.00", "440.00")]
    cells = [line.split(";") for line in TABLE.splitlines() if not line.startswith(";;")]
    lines = [(cell[1].zfill(10), cell[8], sap_amount(cell[9])) for cell in cells]
    assert books.balances() == ledger(lines) == {("0000012345", "EUR"): Decimal("11131.11")}
    assert books.ask(CUSTOMERS) == [
        ("0000012345", "Müller & Söhne GmbH"),
        ("0000098765", "Škoda Čechy s.r.o."),
    ]


XERO = """\
invoice_id,contact_id,date,updated_date_utc,due_date,fully_paid_on_date,total,total_tax,currency_code,invoice_number,status,type
a,K1,2025-10-01 00:00:00,2025-11-05 10:00:00 UTC,2025-10-31 00:00:00,2025-11-05,100.00,20.00,EUR,INV-1,PAID,ACCREC
b,K1,2025-10-02,2025-10-02 10:00:00 UTC,2025-11-01,,70.00,0,EUR,INV-2,VOIDED,ACCREC
c,K2,2025-10-02,2025-10-02 10:00:00 UTC,2025-11-01,,99.00,0,EUR,BILL-1,AUTHORISED,ACCPAY
d,K3,2025-10-03,2025-10-03 10:00:00.083 UTC,2025-11-02,,250.5,0,USD,INV-3,AUTHORISED,ACCREC
e,K3,2025-10-04,2025-10-04 10:00:00 UTC,2025-11-03,,33,0,USD,INV-4,DRAFT,ACCREC
"""
XERO_CREDITS = """\
credit_note_id,contact_id,date,updated_date_utc,fully_paid_on_date,total,total_tax,currency_code,credit_note_number,status,type
f,K3,2025-10-09,2025-10-09 10:00:00 UTC,,12.50,0,USD,CN-1,AUTHORISED,ACCRECCREDIT
g,K2,2025-10-09,2025-10-09 10:00:00 UTC,,8,0,EUR,SCN-1,AUTHORISED,ACCPAYCREDIT
"""


def test_xero_invoices(tmp_path: Path) -> None:
    files = {
        "xero_invoice_data.csv": XERO,
        "xero_invoice_line_item_data.csv": "line_item_id,invoice_id\n1,a\n",
        "xero_credit_note_data.csv": XERO_CREDITS,
        "xero_contact_data.csv": "contact_id,name\nK1,Alpha Ltd\nK2,Supplier\n",
    }
    books = Books(tmp_path, "xero_invoices.yml", files, "utf-8")
    assert books.ask(DOCUMENTS) == [
        ("CN-1", "credit_memo", "K3", None, "USD", 12.5),
        ("INV-1", "invoice", "K1", "2025-10-31", "EUR", 100),
        ("INV-3", "invoice", "K3", "2025-11-02", "USD", 250.5),
    ]
    assert books.ask("select invoice_id, cleared_date, left(updated_at, 19) from raw.invoices") == [
        ("CN-1", None, "2025-10-09 10:00:00"),
        ("INV-1", "2025-11-05", "2025-11-05 10:00:00"),
        ("INV-3", None, "2025-10-03 10:00:00"),
    ]
    assert books.totals() == [("EUR", "100.00", None, None), ("USD", "238.00", None, None)]
    assert books.ask(CUSTOMERS) == [("K1", "Alpha Ltd"), ("K3", "K3")]


ENTRIES = """\
Entry No.;Posting Date;Document Type;Document No.;Customer No.;Customer Name;Currency Code;Amount;Due Date;Reversed
1;2025-10-01;Invoice;103001;10000;Adatum;;1250.5;2025-10-31;No
2;2025-10-03;Credit Memo;104001;10000;Adatum;USD;-50;;No
3;2025-10-04;Invoice;103002;20000;Trey;USD;300;2025-11-03;No
4;2025-10-20;Payment;B-1;10000;Adatum;;-1000;;No
5;2025-10-20;Payment;B-1;20000;Trey;USD;-200;;No
6;2025-10-21;Refund;B-2;10000;Adatum;;25;;No
7;2025-10-22;Payment;B-3;20000;Trey;;-80;;Yes
8;2025-10-23;Payment;B-3;20000;Trey;;80;;Yes
9;2025-10-24;Payment;B-4;20000;Trey;;8O;;No
10;2025-10-25;Credit Memo;104002;10000;Adatum;;-250.5;;No
11;2025-10-01;Invoice;103003;30000;Relecloud;;100;2025-10-31;No
12;2025-10-26;Payment;B-5;30000;Relecloud;;-120;;No
13;2025-10-27;Refund;B-6;30000;Relecloud;;20;;No
14;2025-10-26;Credit Memo;104003;30000;Relecloud;;-45.5;;No
15;2025-10-28;Refund;B-7;30000;Relecloud;;45.5;;No
16;2025-10-29;Refund;B-8;30000;Relecloud;;45.5;;Yes
17;2025-10-29;Refund;B-8;30000;Relecloud;;-45.5;;Yes
18;2025-10-26;Payment;B-9;40000;Proseware;;-60;;No
19;2025-10-28;Invoice;103004;40000;Proseware;;70;2025-11-27;No
20;2025-10-26;Credit Memo;104004;40000;Proseware;;-10;;No
"""
DETAILS = """\
Entry No.;Cust. Ledger Entry No.;Posting Date;Entry Type;Document Type;Document No.;Amount;Unapplied
1;1;2025-10-01;Initial Entry;Invoice;103001;1250.5;No
21;1;2025-10-20;Application;Payment;B-1;-1000;No
22;4;2025-10-20;Application;Payment;B-1;1000;No
23;3;2025-10-20;Application;Payment;B-1;-200;No
24;5;2025-10-20;Application;Payment;B-1;200;No
25;3;2025-10-22;Application;Payment;B-3;-80;Yes
26;1;2025-10-25;Application;Credit Memo;104002;-250.5;No
27;10;2025-10-25;Application;Credit Memo;104002;250.5;No
28;11;2025-10-26;Application;Payment;B-5;-100;No
29;12;2025-10-26;Application;Payment;B-5;100;No
30;12;2025-10-27;Application;Refund;B-6;20;No
31;13;2025-10-27;Application;Refund;B-6;-20;No
32;14;2025-10-28;Application;Refund;B-7;45.5;No
33;15;2025-10-28;Application;Refund;B-7;-45.5;No
34;19;2025-10-28;Application;Invoice;103004;-70;No
35;18;2025-10-28;Application;Invoice;103004;60;No
36;20;2025-10-28;Application;Invoice;103004;10;No
"""


def sheet(path: Path, text: str) -> None:
    """A workbook with days and numbers as its cells have them."""
    book = openpyxl.Workbook()
    for line in text.splitlines():
        cells: list[Any] = []
        for cell in line.split(";"):
            if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", cell):
                cells.append(date.fromisoformat(cell))
            else:
                cells.append(float(cell) if re.fullmatch("-?[0-9]+[.]?[0-9]*", cell) else cell or None)
        book.active.append(cells)
    book.save(path)


def test_business_central_ledger_entries(tmp_path: Path) -> None:
    sheet(tmp_path / "Customer Ledger Entries 1.xlsx", ENTRIES)
    sheet(tmp_path / "Detailed Customer Ledger Entries 1.xlsx", DETAILS)
    books = Books(tmp_path, "business_central.yml", {}, "utf-8")
    assert books.ask(DOCUMENTS) == [
        ("103001", "invoice", "10000", "2025-10-31", "EUR", 1250.5),
        ("103002", "invoice", "20000", "2025-11-03", "USD", 300),
        ("103003", "invoice", "30000", "2025-10-31", "EUR", 100),
        ("103004", "invoice", "40000", "2025-11-27", "EUR", 70),
        ("104001", "credit_memo", "10000", None, "USD", 50),
        ("104002", "credit_memo", "10000", None, "EUR", 250.5),
        ("104003", "credit_memo", "30000", None, "EUR", 45.5),
        ("104004", "credit_memo", "40000", None, "EUR", 10),
    ]
    assert books.ask(f"select payment_id, {RECEIPTS[7:]}") == [
        ("12", "30000", "2025-10-26", 120),
        ("13", "30000", "2025-10-27", -20),
        ("15", "30000", "2025-10-28", -45.5),
        ("18", "40000", "2025-10-26", 60),
        ("4", "10000", "2025-10-20", 1000),
        ("5", "20000", "2025-10-20", 200),
        ("6", "10000", "2025-10-21", -25),
        ("9", "20000", "2025-10-24", None),
    ]
    assert books.ask(f"select kind, {APPLIED[7:]}") == [
        ("cash", "12", "103003", "2025-10-26", 100),
        ("cash", "15", "104003", "2025-10-28", -45.5),
        ("cash", "18", "103004", "2025-10-28", 60),
        ("cash", "4", "103001", "2025-10-20", 1000),
        ("cash", "5", "103002", "2025-10-20", 200),
        ("credit_memo", "104002", "103001", "2025-10-25", 250.5),
        ("credit_memo", "104004", "103004", "2025-10-28", 10),
    ]
    assert books.totals() == [("EUR", "1114.50", "1089.50", "1375.00"), ("USD", "250.00", "200.00", "200.00")]
    cells = [line.split(";") for line in ENTRIES.splitlines()[1:]]
    lines = [(cell[4], cell[6] or "EUR", cell[7].replace(".", ",")) for cell in cells]
    assert books.balances() == ledger(lines)
    assert books.balances()["10000", "EUR"] == 25
    assert books.ask(CUSTOMERS) == [
        ("10000", "Adatum"),
        ("20000", "Trey"),
        ("30000", "Relecloud"),
        ("40000", "Proseware"),
    ]


ODOO = """
create schema odoo; set search_path = odoo;
create table res_currency (id int, name text);
create table res_country (id int, code text);
create table res_company (id int, name text);
create table res_partner (id int, name text, vat text, commercial_partner_id int, country_id int, city text, zip text,
    street text, email text, write_date timestamp);
create table account_move (id int, name text, move_type text, state text, commercial_partner_id int, invoice_date date,
    invoice_date_due date, date date, currency_id int, amount_total numeric, amount_tax numeric, company_id int,
    statement_line_id int);
create table account_account (id int, account_type text);
create table account_move_line (id int, move_id int, currency_id int, account_id int, partner_id int,
    amount_currency numeric);
create table account_payment (id int, move_id int, payment_type text, partner_type text, partner_id int, amount numeric,
    currency_id int);
create table account_partial_reconcile (id int, debit_move_id int, credit_move_id int, debit_amount_currency numeric,
    credit_amount_currency numeric, max_date date);
insert into res_currency values (1, 'EUR'), (2, 'USD');
insert into res_country values (1, 'BE');
insert into res_company values (1, 'Nord SA');
insert into res_partner values (7, 'Alpha SA', 'BE0428759497', 7, 1, 'Gent', '9000', 'Kouter 1', 'ap@alpha.example',
    '2025-10-01 08:00'), (8, 'Alpha, delivery', null, 7, 1, 'Gent', '9000', 'Dok 2', null, '2025-10-01 08:00');
insert into account_move values
    (1, 'INV/1', 'out_invoice', 'posted', 7, '2025-10-01', '2025-10-31', '2025-10-01', 2, 1210.00, 210.00, 1, null),
    (2, 'RINV/1', 'out_refund', 'posted', 7, '2025-10-05', '2025-10-05', '2025-10-05', 1, 200.00, 0, 1, null),
    (3, '/', 'out_invoice', 'draft', 7, '2025-10-06', '2025-10-31', '2025-10-06', 1, 99.00, 0, 1, null),
    (4, 'BILL/1', 'in_invoice', 'posted', 7, '2025-10-06', '2025-10-31', '2025-10-06', 1, 55.00, 0, 1, null),
    (5, 'PAY/1', 'entry', 'posted', 7, null, null, '2025-10-20', 1, 1100.00, 0, 1, null),
    (6, 'PAY/2', 'entry', 'posted', 7, null, null, '2025-10-21', 1, 200.00, 0, 1, null),
    (7, 'MISC/1', 'entry', 'posted', 7, null, null, '2025-10-22', 2, 10.00, 0, 1, null),
    (8, 'INV/2', 'out_invoice', 'posted', 7, '2025-10-07', '2025-11-06', '2025-10-07', 1, 300.00, 0, 1, null),
    (9, 'BNK/1', 'entry', 'posted', 7, null, null, '2025-10-23', 1, 250.00, 0, 1, 1),
    (10, 'BNK/2', 'entry', 'posted', 7, null, null, '2025-10-24', 1, 45.00, 0, 1, 2);
insert into account_account values (1, 'asset_receivable'), (2, 'asset_cash');
insert into account_move_line values
    (11, 1, 2, 1, 7, 1210), (12, 2, 1, 1, 7, -200), (15, 5, 1, 1, 8, -1100), (16, 6, 1, 1, 7, 200),
    (17, 7, 2, 1, 7, -10), (18, 8, 1, 1, 7, 300), (19, 9, 1, 1, 8, -250), (20, 9, 1, 2, 8, 250),
    (21, 10, 1, 1, 7, 45), (22, 10, 1, 2, 7, -45);
insert into account_payment values
    (1, 5, 'inbound', 'customer', 8, 1100.00, 1), (2, 6, 'outbound', 'customer', 7, 200.00, 1);
insert into account_partial_reconcile values
    (1, 11, 15, 1200.00, 1100.00, '2025-10-20'),
    (2, 16, 12, 200.00, 200.00, '2025-10-21'),
    (3, 11, 17, 10.00, 10.00, '2025-10-22'),
    (4, 18, 19, 250.00, 250.00, '2025-10-23'),
    (5, 11, 17, 0, 0, '2025-10-20');
"""


def test_odoo_database(tmp_path: Path, postgres_url: str, run_sql: Callable[[str], None]) -> None:
    run_sql(ODOO)
    beside = "&" if "?" in postgres_url else "?"
    url = f"{postgres_url}{beside}options=-csearch_path%3Dodoo"
    books = Books(tmp_path, "odoo.yml", {}, "utf-8", {"ODOO_URL": url})
    assert books.ask(CUSTOMERS) == [("7", "Alpha SA")]
    assert books.ask(DOCUMENTS) == [
        ("INV/1", "invoice", "7", "2025-10-31", "USD", 1210),
        ("INV/2", "invoice", "7", "2025-11-06", "EUR", 300),
        ("RINV/1", "credit_memo", "7", "2025-10-05", "EUR", 200),
    ]
    assert books.ask(f"select payment_id, {RECEIPTS[7:]}") == [
        ("BNK/1", "7", "2025-10-23", 250),
        ("BNK/2", "7", "2025-10-24", -45),
        ("PAY/1", "7", "2025-10-20", 1100),
        ("PAY/2", "7", "2025-10-21", -200),
    ]
    assert books.ask(
        "select kind, from_document_id, invoice_id, currency, cast(from_amount as double), amount "
        "from raw.payment_applications"
    ) == [
        ("cash", "BNK/1", "INV/2", "EUR", None, 250),
        ("cash", "PAY/1", "INV/1", "USD", 1100, 1200),
        ("cash", "PAY/2", "RINV/1", "EUR", None, -200),
        ("write_off", None, "INV/1", "USD", None, 10),
    ]
    assert books.totals() == [("EUR", "100.00", "1105.00", "50.00"), ("USD", "1210.00", None, "1210.00")]


def test_every_ready_mapping_is_tried() -> None:
    tried = Path(__file__).read_text(encoding="utf-8") + "b2b_invoices.yml classicmodels_erp.yml"
    assert [path.name for path in EXAMPLES.glob("*.yml") if path.name not in tried] == []
