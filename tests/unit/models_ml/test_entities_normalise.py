"""Names in any script, with any legal form, come down to one comparable spelling.

DuckDB plans the chain of name macros longer than it runs it, so each question is put once, for the cases of all tests.
"""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from models_ml.entities.comparisons import create_name_level_table
from models_ml.entities.normalise import INPUT_COLUMNS, create_record_table, install_name_macros

CORES = [
    ("Müller & Söhne GmbH & Co. KG", "muller and sohne"),
    ("Weiß Maschinenbau Gesellschaft mbH", "weiss maschinenbau"),
    ("Nestlé S.A.", "nestle"),
    ("Łukasik Spółka z o.o.", "lukasik"),
    ("BELISO SP. Z O.O.", "beliso"),
    ("Eridon SP.Z.O.O", "eridon"),
    ("Novo Nordisk A/S", "novo nordisk"),
    ("Biteriot Operations P/L", "biteriot operations"),
    ("Sustainable Cotton Solutions Private LIMITED", "sustainable cotton solutions"),
    ("Kaplan Floor Halı Tekstil Sanayi Ve Ticaret Limited Şirketi", "kaplan floor hali tekstil"),
    ("PT. PRIMARINDO ASIA INFRASTRUCTURE, TBK", "primarindo asia infrastructure"),
    ("Ningbo Junmao Equipment Co., Ltd  NM028-501", "ningbo junmao equipment"),
    ("Borvil Textiles (Pvt) Ltd - Leeds, Plant 2", "borvil textiles leeds plant 2"),
    ("Borvil Textiles Limited – Leeds, Plant 2", "borvil textiles leeds plant 2"),
    ("Limited Editions Inc", "limited editions"),
    ("ООО «Газпром Нефть»", "gazprom neft"),
    ("Газпром нефть, ООО", "gazprom neft"),
    ("ЗАО Щёкино", "shchekino"),
    ("Борвил Е.О.О.Д.", "borvil"),
    ("上海华新贸易有限公司", "上海华新贸易"),
    ("上海华新贸易 有限责任公司", "上海华新贸易"),
    ("上海华新贸易股份有限公司", "上海华新贸易"),
    ("トヨタ自動車株式会社", "トヨタ自動車"),
    ("㈱ソニー", "ソニー"),
    ("(주)삼성전자", "삼성전자"),
    ("삼성전자주식회사", "삼성전자"),
    ("ＡＢＣ　Ｔｒａｄｉｎｇ　Ｃｏ．，Ｌｔｄ．", "abc trading"),
]
ONLY_LEGAL_FORMS = ["The Co", "ООО", "AG", "有限公司"]
GENERIC = ["WAL-MAR systems", "WAL-MAR trust", "WAL-MAR corp"]
ABBREVIATED = ["Alpha Intl Mfg Inc", "International Alpha Manufacturing, LLC"]


@pytest.fixture(scope="module")
def names() -> dict[str, tuple[str, str, list[str]]]:
    """By name as written: its core, the root of its core, and the tokens of its core."""
    written = [*(name for name, _ in CORES), *ONLY_LEGAL_FORMS, *GENERIC, *ABBREVIATED]
    with duckdb.connect() as con:
        install_name_macros(con)
        rows = con.execute(
            "SELECT n, name_core(name_words(n)) AS core, name_root(core), name_tokens(core) FROM unnest(?) t(n)",
            [written],
        ).fetchall()
    return {name: (core, root, tokens) for name, core, root, tokens in rows}


@pytest.mark.parametrize(("name", "expected"), CORES)
def test_legal_form_case_width_and_accents_do_not_count(names, name, expected):
    assert names[name][0] == expected


@pytest.mark.parametrize("name", ONLY_LEGAL_FORMS)
def test_name_made_only_of_legal_forms_is_not_lost(names, name):
    assert names[name][0]


def test_generic_words_stay_in_the_name_but_not_in_its_root(names):
    assert {name: names[name][:2] for name in GENERIC} == {
        "WAL-MAR corp": ("wal mar", "wal mar"),
        "WAL-MAR systems": ("wal mar systems", "wal mar"),
        "WAL-MAR trust": ("wal mar trust", "wal mar"),
    }


def test_word_order_and_abbreviations_do_not_count(names):
    left, right = (names[name][2] for name in ABBREVIATED)
    assert left == right


PHONES = ["+49 (0)89 1234567", "0049 89 1234567", "089/1234567", "089 1234567 ext. 12"]
FILLER_PHONES = ["n/a", "12345", "0000000000"]
EMAILS = {
    "Sales@WWW.Alpha-Steel.de": "alpha-steel.de",
    "alpha.steel@gmail.com": None,
    "no mail": None,
}
STREETS = [("12 Main Street", "Main St. 12"), ("Hauptstraße 5", "Hauptstr. 5")]
REGISTRATIONS = {"9135 0100M000100Y43": "USCC:91350100M000100Y43", "91350100M000100Y44": None}


@pytest.fixture(scope="module")
def records() -> dict[str, dict[str, Any]]:
    """The record of a customer that states one thing beside its name, by what it states."""
    rows = [
        *({"phone": phone} for phone in [*PHONES, *FILLER_PHONES]),
        *({"email": email} for email in EMAILS),
        *({"address": address} for pair in STREETS for address in pair),
        *({"registration_no": number, "registration_kind": "USCC"} for number in REGISTRATIONS),
    ]
    with duckdb.connect() as con:
        columns = ", ".join(f"{column} VARCHAR" for column in INPUT_COLUMNS)
        con.execute(f"CREATE TABLE customer ({columns})")
        for row in rows:
            stated = next(iter(row.values()))
            given = {"source_system": "erp", "customer_id": stated, "legal_name": "Alpha"} | row
            marks = ", ".join("?" for _ in INPUT_COLUMNS)
            con.execute(
                f"INSERT INTO customer VALUES ({marks})", [given.get(column) for column in INPUT_COLUMNS]
            )
        create_record_table(con, "customer", "record")
        cursor = con.execute("FROM record")
        columns_made = [item[0] for item in cursor.description]
        made = [dict(zip(columns_made, row, strict=True)) for row in cursor.fetchall()]
    return {record["customer_id"]: record for record in made}


def test_phone_is_the_same_with_and_without_country_code_trunk_zero_and_extension(records):
    assert {records[phone]["phone"] for phone in PHONES} == {"91234567"}


@pytest.mark.parametrize("phone", FILLER_PHONES)
def test_filler_phone_is_no_evidence(records, phone):
    assert records[phone]["phone"] is None


def test_only_company_mail_domains_are_evidence(records):
    assert {email: records[email]["email_domain"] for email in EMAILS} == EMAILS


def test_street_types_and_order_do_not_count(records):
    for left, right in STREETS:
        assert records[left]["address_key"] == records[right]["address_key"]


def test_invalid_registration_number_is_no_evidence(records):
    assert {number: records[number]["reg_key"] for number in REGISTRATIONS} == REGISTRATIONS


LEVELS = [
    ("Müller & Söhne GmbH", "SOHNE UND MULLER AG", 6),
    ("Zhangjiagang Sheng Yuan Knitting Co.", "Zhangjiagang Shengyuan Knitting", 5),
    ("Elsayaad Tricot Co", "Elsayaad Trioct Co", 4),
    ("上海华新国际贸易发展有限公司", "上海华欣国际贸易发展有限公司", 4),
    ("WAL-MAR systems", "WAL-MAR trust", 3),
    ("Samsung Electro-Mechanics Philippines", "Samsung Electro-Mechanics", 2),
    ("International Business Machines Corp.", "IBM", 1),
    # One other word, or one other sign in a short Chinese name, is another company.
    ("Guangzhou Xiye Baby Products Co., Ltd", "Guangzhou Potter Baby Products Co., Ltd", 1),
    ("上海华新贸易有限公司", "上海明新贸易有限公司", 1),
    ("Store 12 Alphaton", "Store 13 Alphaton", 1),
    ("Nestlé S.A.", "Unilever PLC", 0),
    ("华为技术有限公司", "Huawei Technologies", -1),
    ("Nestlé S.A.", "!!!", None),
]


@pytest.fixture(scope="module")
def levels() -> dict[tuple[str, str], int | None]:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE pair (name_l VARCHAR, name_r VARCHAR)")
        con.executemany("INSERT INTO pair VALUES (?, ?)", [[left, right] for left, right, _ in LEVELS])
        create_name_level_table(con, "pair", "level")
        rows = con.execute("SELECT name_l, name_r, name_level FROM level").fetchall()
    assert len(rows) == len(LEVELS)
    return {(left, right): level for left, right, level in rows}


@pytest.mark.parametrize(("left", "right", "level"), LEVELS)
def test_how_alike_two_names_are(levels, left, right, level):
    assert levels[(left, right)] == level
