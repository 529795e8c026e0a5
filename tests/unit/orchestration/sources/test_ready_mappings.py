"""Each mapping of `examples/` on a small company written as its system exports: documents, receipts, totals by hand."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import date
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
from (select 'd' as part, currency, cast(amount as decimal(18, 2)) * if(document_type = 'invoice', 1, -1) as value
      from raw.invoices
      union all select 'p', currency, cast(amount as decimal(18, 2)) from raw.payments
      union all select 'a', currency, cast(amount as decimal(18, 2)) from raw.payment_applications)
group by currency order by currency
"""


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

    def owed(self) -> list[tuple[Any, ...]]:
        """What each customer owes in each currency: documents less money, as far as amounts can be read."""
        return self.ask(
            "select customer_id, currency, cast(sum(value) as double) from (select customer_id, currency, "
            "cast(amount as decimal(18, 2)) * if(document_type = 'invoice', 1, -1) as value from raw.invoices "
            "union all select customer_id, currency, -cast(amount as decimal(18, 2)) from raw.payments) "
            "where value is not null group by all"
        )

    def totals(self) -> list[tuple[Any, ...]]:
        """Of each currency: documents (credit memos taken off), receipts, and applications, to the cent."""
        with closing(duckdb.connect(str(self._path))) as connection:
            return connection.execute(TOTALS).fetchall()


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
|  |1000|1000127   |90000007  |RG |06.10.2025|06.10.2025|         60,00-|EUR  |14000006  |25.10.2025|Gutschrift     |
|  |1000|1000127   |14000006  |DZ |25.10.2025|25.10.2025|         60,00 |EUR  |14000006  |25.10.2025|Auszahlung     |
|  |2000|1000125   |14000003  |DZ |22.10.2025|22.10.2025|          7,00-|EUR  |          |          |Zahlung        |
|  |1000|1000126   |14000005  |DZ |24.10.2025|24.10.2025|         5O,00-|EUR  |          |          |Zahlung        |
|  |1000|1000125   |14000004  |DZ |23.10.2025|23.10.2025|         50,00-|EUR  |10000007  |23.10.2025|Zahlung        |
--------------------------------------------------------------------------------------------------------------------
"""


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
        ("90000007", "credit_memo", "1000127", "2025-10-06", "EUR", 60),
    ]
    assert books.ask(f"select payment_id, {RECEIPTS[7:]}") == [
        ("1000-2025-14000001-1000123", "1000123", "2025-10-20", 10000),
        ("1000-2025-14000002-1000124", "1000124", "2025-10-21", -50),
        ("1000-2025-14000003-1000125", "1000125", "2025-10-22", 450.10),
        ("1000-2025-14000004-1000125", "1000125", "2025-10-23", 50),
        ("1000-2025-14000005-1000126", "1000126", "2025-10-24", None),
        ("1000-2025-14000006-1000127", "1000127", "2025-10-25", -60),
        ("2000-2025-14000003-1000125", "1000125", "2025-10-22", 7),
    ]
    assert books.ask(f"select kind, {APPLIED[7:]}") == [
        ("cash", "1000-2025-14000003-1000125", "90000003", "2025-10-22", 300),
        ("cash", "1000-2025-14000003-1000125", "90000004", "2025-10-22", 150.10),
        ("cash", "1000-2025-14000004-1000125", "90000005", "2025-10-23", 50),
        ("cash", "1000-2025-14000006-1000127", "90000007", "2025-10-25", -60),
        ("credit_memo", "90000006", "90000005", "2025-10-23", 30),
    ]
    assert books.totals() == [
        ("EUR", "11101.11", "9947.00", "20.00"),
        ("USD", "450.10", "450.10", "450.10"),
    ]
    # The list's own sub-total of the first customer, and what the lines of the others add up to.
    assert books.owed() == [
        ("1000123", "EUR", 1111.11),
        ("1000124", "EUR", 50),
        ("1000125", "EUR", -7),
        ("1000125", "USD", 0),
        ("1000127", "EUR", 0),
    ]
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
        entry("VE 13 20251027 411000 C5 AV2 0,00 40,00 AD"),
        entry("BQ 14 20251028 411000 C5 VIR12 40,00 0,00 AD"),
    ]
    rows[6] = rows[6].rsplit("\t", 2)[0] + "\t93,20\tUSD"
    content = "\r\n".join(["\t".join(FEC_NAMES.split()), *rows]) + "\r\n"
    books = Books(tmp_path, "fec.yml", {"123456789FEC20251231.txt": content}, "utf-8")
    assert books.ask(DOCUMENTS) == [
        ("AV1", "credit_memo", "C2", "2025-11-05", "EUR", 120),
        ("AV2", "credit_memo", "C5", "2025-11-26", "EUR", 40),
        ("FA1", "invoice", "C1", "2025-10-31", "EUR", 1200.60),
        ("FA2", "invoice", "C2", "2025-11-04", "EUR", 500),
        ("FA3", "invoice", "C3", "2025-11-06", "EUR", 300),
        ("FA4", "invoice", "C3", "2025-11-07", "EUR", 80.40),
        ("FA5", "invoice", "411900", "2025-11-08", "EUR", 70),
        ("FA6", "invoice", "C4", "2025-11-23", "EUR", None),
        ("FA7", "invoice", "C4", "2025-11-25", "EUR", 5.25),
    ]
    assert books.ask(f"select payment_id, {RECEIPTS[7:]}") == [
        ("BQ-20251020-4-C1", "C1", "2025-10-20", 1200.60),
        ("BQ-20251020-4-C2", "C2", "2025-10-20", 380),
        ("BQ-20251023-9-C1", "C1", "2025-10-23", -15),
        ("BQ-20251025-11-C4", "C4", "2025-10-25", None),
        ("BQ-20251028-14-C5", "C5", "2025-10-28", -40),
        ("SG-20251021-4-C3", "C3", "2025-10-21", 380.40),
    ]
    assert books.ask(APPLIED) == [
        ("AV1", "FA2", "2025-10-06", 120),
        ("BQ-20251020-4-C1", "FA1", "2025-10-20", 1200.60),
        ("BQ-20251020-4-C2", "FA2", "2025-10-20", 380),
        ("BQ-20251028-14-C5", "AV2", "2025-10-28", -40),
        ("SG-20251021-4-C3", "FA3", "2025-10-21", 300),
        ("SG-20251021-4-C3", "FA4", "2025-10-21", 80.40),
    ]
    assert books.totals() == [("EUR", "1996.25", "1906.00", "2041.00")]
    assert books.owed() == [
        ("411900", "EUR", 70),
        ("C1", "EUR", 15),
        ("C2", "EUR", 0),
        ("C3", "EUR", 0),
        ("C4", "EUR", 5.25),
        ("C5", "EUR", 0),
    ]
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
Total for 61 - 90 days past due,,,,,"$1,024.50","$1,024.50"
TOTAL,,,,,"$1,024.50","$1,024.50"
"""


def test_quickbooks_aging_report(tmp_path: Path) -> None:
    books = Books(tmp_path, "quickbooks_ar_aging.yml", {"ar_aging.csv": AGING}, "utf-8")
    assert books.ask(DOCUMENTS) == [
        ("1041", "invoice", "Alvarez, Dana", "2025-09-17", "USD", 1284.50),
        ("1042", "credit_memo", "Alvarez, Dana", "2025-09-02", "USD", 250),
        ("77", "credit_memo", "Alvarez, Dana", "2025-09-03", "USD", 10),
    ]
    assert books.totals() == [("USD", "1024.50", None, None)], "the report's own total"
    assert books.ask(CUSTOMERS) == [("Alvarez, Dana", "Alvarez, Dana")]


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
        ("RE-1", "invoice", "10001", "2025-10-31", "EUR", 1190),
        ("RE-2", "invoice", "10002", "2026-01-12", "EUR", 300.25),
        ("RE-3", "invoice", "10002", "2025-10-23", "EUR", None),
    ]
    assert books.ask(f"select payment_id, {RECEIPTS[7:]}") == [
        ("10001-20251020-RE-1-595.00-1", "10001", "2025-10-20", 595),
        ("10001-20251020-RE-1-595.00-2", "10001", "2025-10-20", 595),
        ("10001-20251022-GS-1--25.00-1", "10001", "2025-10-22", -25),
        ("10002-20251021-A-CONTO-100.00-1", "10002", "2025-10-21", 100),
        ("10002-20251023-1", "10002", "2025-10-23", None),
        ("10002-20251024-RE-2-310.00-1", "10002", "2025-10-24", 310),
    ]
    assert books.ask(APPLIED) == [
        ("10001-20251020-RE-1-595.00-1", "RE-1", "2025-10-20", 595),
        ("10001-20251020-RE-1-595.00-2", "RE-1", "2025-10-20", 595),
        ("10001-20251022-GS-1--25.00-1", "GS-1", "2025-10-22", -25),
        ("10002-20251024-RE-2-310.00-1", "RE-2", "2025-10-24", 300.25),
    ]
    assert books.totals() == [("EUR", "1014.25", "1475.00", "1465.25"), ("USD", None, "100.00", None)]
    assert books.owed() == [
        ("10001", "EUR", 1190 - 2 * 238 - 2 * 595 + 25),
        ("10002", "EUR", 300.25 - 310),
        ("10002", "USD", -100),
    ]
    assert books.ask(CUSTOMERS) == [("10001", "10001"), ("10002", "10002")]


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
;;;;;;;;EUR;11.131,11;;
"""


def test_sap_table_of_items(tmp_path: Path) -> None:
    content = f"{TABLE_NAMES}\n{TABLE}".replace(";", "\t")
    books = Books(tmp_path, "sap_fbl5n_table.yml", {"fbl5n.txt": content}, "utf-16")
    assert books.ask(DOCUMENTS) == [
        ("90000001", "invoice", "0000012345", "2025-10-31", "EUR", 12345.67),
        ("90000002", "credit_memo", "0000012345", "2025-10-05", "EUR", 1234.56),
        ("90000003", "invoice", "0000098765", "2025-11-01", "EUR", 500),
    ]
    assert books.ask(RECEIPTS) == [("0000012345", "2025-10-06", -20), ("0000098765", "2025-10-11", 500)]
    assert books.ask(APPLIED) == [("1000-2025-14000001-0000098765", "90000003", "2025-10-11", 500)]
    assert books.totals() == [("EUR", "11611.11", "480.00", "500.00")]
    assert books.owed() == [("0000012345", "EUR", 11131.11), ("0000098765", "EUR", 0)], "the list's own total"
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
11;2025-10-26;Credit Memo;104003;20000;Trey;;-60;;No
12;2025-10-27;Refund;B-5;20000;Trey;;60;;No
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
28;11;2025-10-27;Application;Refund;B-5;60;No
29;12;2025-10-27;Application;Refund;B-5;-60;No
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
        ("104001", "credit_memo", "10000", None, "USD", 50),
        ("104002", "credit_memo", "10000", None, "EUR", 250.5),
        ("104003", "credit_memo", "20000", None, "EUR", 60),
    ]
    assert books.ask(f"select payment_id, {RECEIPTS[7:]}") == [
        ("12", "20000", "2025-10-27", -60),
        ("4", "10000", "2025-10-20", 1000),
        ("5", "20000", "2025-10-20", 200),
        ("6", "10000", "2025-10-21", -25),
        ("9", "20000", "2025-10-24", None),
    ]
    assert books.ask(f"select kind, {APPLIED[7:]}") == [
        ("cash", "12", "104003", "2025-10-27", -60),
        ("cash", "4", "103001", "2025-10-20", 1000),
        ("cash", "5", "103002", "2025-10-20", 200),
        ("credit_memo", "104002", "103001", "2025-10-25", 250.5),
    ]
    assert books.totals() == [("EUR", "940.00", "915.00", "1190.50"), ("USD", "250.00", "200.00", "200.00")]
    # What each customer owes is what its readable entries, not reversed, add up to: 1,250.50 - 1,000 + 25 - 250.50.
    assert books.owed() == [
        ("10000", "EUR", 25),
        ("10000", "USD", -50),
        ("20000", "EUR", 0),
        ("20000", "USD", 100),
    ]
    assert books.ask(CUSTOMERS) == [("10000", "Adatum"), ("20000", "Trey")]


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
