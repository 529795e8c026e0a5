"""Names in any script, with any legal form, come down to one comparable spelling."""

from __future__ import annotations

import duckdb
import pytest

from models_ml.entities.comparisons import create_name_level_table
from models_ml.entities.normalise import INPUT_COLUMNS, create_record_table, install_name_macros


@pytest.fixture(scope="module")
def con():
    connection = duckdb.connect()
    install_name_macros(connection)
    yield connection
    connection.close()


def _core(con, name: str) -> str:
    return con.execute("SELECT name_core(name_words(?))", [name]).fetchall()[0][0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
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
    ],
)
def test_legal_form_case_width_and_accents_do_not_count(con, name, expected):
    assert _core(con, name) == expected


@pytest.mark.parametrize("name", ["The Co", "ООО", "AG", "有限公司"])
def test_name_made_only_of_legal_forms_is_not_lost(con, name):
    assert _core(con, name)


def test_generic_words_stay_in_the_name_but_not_in_its_root(con):
    rows = con.execute(
        "SELECT n, name_core(name_words(n)), name_root(name_core(name_words(n)))"
        " FROM (VALUES ('WAL-MAR systems'), ('WAL-MAR trust'), ('WAL-MAR corp')) t(n) ORDER BY n"
    ).fetchall()
    assert rows == [
        ("WAL-MAR corp", "wal mar", "wal mar"),
        ("WAL-MAR systems", "wal mar systems", "wal mar"),
        ("WAL-MAR trust", "wal mar trust", "wal mar"),
    ]


def test_word_order_and_abbreviations_do_not_count(con):
    left, right = (
        con.execute("SELECT name_tokens(name_core(name_words(?)))", [name]).fetchall()[0][0]
        for name in ("Alpha Intl Mfg Inc", "International Alpha Manufacturing, LLC")
    )
    assert left == right


def _record(row: dict[str, str]) -> dict[str, object]:
    con = duckdb.connect()
    given = {"source_system": "erp", "customer_id": "1", "legal_name": "Alpha"} | row
    columns = ", ".join(f"CAST(? AS VARCHAR) AS {column}" for column in INPUT_COLUMNS)
    con.execute(f"CREATE TABLE customer AS SELECT {columns}", [given.get(column) for column in INPUT_COLUMNS])
    create_record_table(con, "customer", "record")
    cursor = con.execute("FROM record")
    names = [item[0] for item in cursor.description]
    record = dict(zip(names, cursor.fetchall()[0], strict=True))
    con.close()
    return record


def test_phone_is_the_same_with_and_without_country_code_trunk_zero_and_extension():
    spellings = ("+49 (0)89 1234567", "0049 89 1234567", "089/1234567", "089 1234567 ext. 12")
    assert {_record({"phone": phone})["phone"] for phone in spellings} == {"91234567"}


@pytest.mark.parametrize("phone", ["n/a", "12345", "0000000000"])
def test_filler_phone_is_no_evidence(phone):
    assert _record({"phone": phone})["phone"] is None


def test_only_company_mail_domains_are_evidence():
    assert _record({"email": "Sales@WWW.Alpha-Steel.de"})["email_domain"] == "alpha-steel.de"
    assert _record({"email": "alpha.steel@gmail.com"})["email_domain"] is None
    assert _record({"email": "no mail"})["email_domain"] is None


def test_street_types_and_order_do_not_count():
    full, short = _record({"address": "12 Main Street"}), _record({"address": "Main St. 12"})
    assert full["address_key"] == short["address_key"]
    german = {_record({"address": text})["address_key"] for text in ("Hauptstraße 5", "Hauptstr. 5")}
    assert len(german) == 1


def test_invalid_registration_number_is_no_evidence():
    valid = _record({"registration_no": "9135 0100M000100Y43", "registration_kind": "USCC"})
    spoiled = _record({"registration_no": "91350100M000100Y44", "registration_kind": "USCC"})
    assert valid["reg_key"] == "USCC:91350100M000100Y43"
    assert spoiled["reg_key"] is None


@pytest.mark.parametrize(
    ("left", "right", "level"),
    [
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
    ],
)
def test_how_alike_two_names_are(left, right, level):
    con = duckdb.connect()
    con.execute("CREATE TABLE pair AS SELECT ? AS name_l, ? AS name_r", [left, right])
    create_name_level_table(con, "pair", "level")
    assert con.execute("SELECT name_level FROM level").fetchall() == [(level,)]
    con.close()
