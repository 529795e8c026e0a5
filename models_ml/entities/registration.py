"""Company registration numbers: canonical form, kind, and check digits, as DuckDB SQL over distinct values.

An invalid number is no evidence: not that two records are the same company, and not that they differ.

Check digits:
    USCC  GB 32100-2015: (31 - sum(value_i * (3^(i-1) mod 31)) mod 31) mod 31
    LEI   ISO 17442 / ISO 7064 MOD 97-10: the number with letters as 10..35 is 1 modulo 97
    VAT   DE: ISO 7064 MOD 11,10; FR: key = (12 + 3 * (SIREN mod 97)) mod 97 and SIREN by Luhn;
          GB: weights 8..2 plus the last two digits are 0 modulo 97, or 42 in the 9755 series;
          IT: Luhn; NL: weights 9..2 modulo 11, or ISO 7064 MOD 97-10; PL: weights 6 5 7 2 3 4 5 6 7 modulo 11;
          BG (nine digits): weights 1..8 modulo 11, where that is 10 weights 3..10; BE: 97 less the remainder
    EIN   nine digits with a prefix the IRS assigns (the number has no check digit)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models_ml.entities.vocabulary import EIN_PREFIXES, FULL_WIDTH, HALF_WIDTH

if TYPE_CHECKING:
    import duckdb

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = [pow(3, position, 31) for position in range(17)]

# National formats of VAT numbers whose check digits are not computed here: form only.
_VAT_FORMS = {
    "AT": r"U\d{8}", "CH": r"E?\d{9}", "CY": r"\d{8}[A-Z]",
    "CZ": r"\d{8,10}", "DK": r"\d{8}", "EE": r"\d{9}", "ES": r"[A-Z0-9]\d{7}[A-Z0-9]", "FI": r"\d{8}",
    "GR": r"\d{9}", "EL": r"\d{9}", "HR": r"\d{11}", "HU": r"\d{8}", "IE": r"\d[A-Z0-9]\d{5}[A-Z]{1,2}",
    "LT": r"\d{9}|\d{12}", "LU": r"\d{8}", "LV": r"\d{11}", "MT": r"\d{8}",
    "NO": r"\d{9}", "PT": r"\d{9}", "RO": r"\d{2,10}",
    "SE": r"\d{12}", "SI": r"\d{8}", "SK": r"\d{10}",
}  # fmt: skip


def install_macros(con: duckdb.DuckDBPyConnection) -> None:
    """Create the check-digit macros in the connection's current schema.

    Macros: `uscc_is_valid(n)`, `lei_is_valid(n)`, `ein_is_valid(n)`, `vat_is_valid(n)` (n starts with the
    country), `registration_digits(s)` (upper case letters and digits only), all of one VARCHAR, returning
    BOOLEAN or VARCHAR. A NULL number gives NULL.
    """
    weights = ", ".join(map(str, _USCC_WEIGHTS))
    prefixes = ", ".join(f"'{prefix}'" for prefix in EIN_PREFIXES)
    forms = " ".join(
        f"WHEN '{country}' THEN regexp_full_match(substr(n, 3), '{form}')"
        for country, form in _VAT_FORMS.items()
    )
    luhn_sum = (
        "list_sum(list_transform(range(1, length(d) + 1), lambda i: "
        "(CAST(substr(d, i, 1) AS INTEGER) * (1 + (length(d) - i) % 2)) // 10"
        " + (CAST(substr(d, i, 1) AS INTEGER) * (1 + (length(d) - i) % 2)) % 10))"
    )

    def weighted(weights: str) -> str:
        """Sum of digits times weights; `weights` is an SQL list, as long as the digits that count."""
        return (
            f"list_sum(list_transform(range(1, len({weights}) + 1), lambda i:"
            f" CAST(substr(d, i, 1) AS INTEGER) * ({weights})[i]))"
        )

    statements = [
        f"""registration_digits(s) AS regexp_replace(
            upper(translate(s, '{_quoted(FULL_WIDTH)}', '{_quoted(HALF_WIDTH)}')), '[^0-9A-Z]', '', 'g')""",
        f"""uscc_is_valid(n) AS CASE
            WHEN NOT regexp_full_match(n, '[{USCC_ALPHABET}]{{18}}') THEN false
            ELSE (31 - list_sum(list_transform(range(1, 18), lambda i:
                (strpos('{USCC_ALPHABET}', substr(n, i, 1)) - 1) * ([{weights}])[i])) % 31) % 31
                = strpos('{USCC_ALPHABET}', substr(n, 18, 1)) - 1 END""",
        # Letters stand for two digits (A is 10), so the running remainder moves by 100 for them.
        """lei_is_valid(n) AS CASE
            WHEN NOT regexp_full_match(n, '[0-9A-Z]{18}[0-9]{2}') THEN false
            ELSE list_reduce(list_prepend(0, list_transform(range(1, 21), lambda i:
                strpos('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', substr(n, i, 1)) - 1)),
                lambda acc, v: (acc * (CASE WHEN v > 9 THEN 100 ELSE 10 END) + v) % 97) = 1 END""",
        f"ein_is_valid(n) AS regexp_full_match(n, '[0-9]{{9}}') AND substr(n, 1, 2) IN ({prefixes})"
        " AND n NOT IN ('123456789', '111111111', '222222222', '333333333', '444444444', '555555555',"
        " '666666666',"
        " '888888888', '999999999')",
        """vat_de_is_valid(d) AS CASE
            WHEN NOT regexp_full_match(d, '[1-9][0-9]{8}') THEN false
            ELSE (11 - list_reduce(list_prepend(10, list_transform(range(1, 9), lambda i:
                CAST(substr(d, i, 1) AS BIGINT))),
                lambda p, v: (2 * (CASE WHEN (p + v) % 10 = 0 THEN 10 ELSE (p + v) % 10 END)) % 11)) % 10
                = CAST(substr(d, 9, 1) AS INTEGER) END""",
        f"""siren_is_valid(d) AS CASE
            WHEN NOT regexp_full_match(d, '[0-9]{{9}}') OR d = '000000000' THEN false
            ELSE {luhn_sum} % 10 = 0 END""",
        # French keys with letters belong to a newer scheme whose key is not published as a formula: the
        # SIREN decides.
        """vat_fr_is_valid(d) AS CASE
            WHEN NOT regexp_full_match(d, '[0-9A-HJ-NP-Z]{2}[0-9]{9}') THEN false
            WHEN NOT siren_is_valid(substr(d, 3)) THEN false
            WHEN regexp_full_match(substr(d, 1, 2), '[0-9]{2}')
                THEN (12 + 3 * (CAST(substr(d, 3) AS BIGINT) % 97)) % 97 = CAST(substr(d, 1, 2) AS INTEGER)
            ELSE true END""",
        """vat_gb_is_valid(d) AS CASE
            WHEN NOT regexp_full_match(d, '[0-9]{9}([0-9]{3})?') OR substr(d, 1, 7) = '0000000' THEN false
            ELSE (list_sum(list_transform(range(1, 8), lambda i: CAST(substr(d, i, 1) AS INTEGER) * (9 - i)))
                + CAST(substr(d, 8, 2) AS INTEGER)) % 97 IN (0, 42) END""",
        f"""vat_it_is_valid(d) AS CASE
            WHEN NOT regexp_full_match(d, '[0-9]{{11}}') OR d = '00000000000' THEN false
            ELSE {luhn_sum} % 10 = 0 END""",
        # Sole traders have had numbers without a tax number inside since 2020; they obey the second rule only.
        f"""vat_nl_is_valid(d) AS CASE
            WHEN NOT regexp_full_match(d, '[0-9]{{9}}B[0-9]{{2}}') OR substr(d, 1, 9) = '000000000' THEN false
            ELSE {weighted("[9, 8, 7, 6, 5, 4, 3, 2]")} % 11 = CAST(substr(d, 9, 1) AS INTEGER)
                OR CAST('2321' || substr(d, 1, 9) || '11' || substr(d, 11) AS BIGINT) % 97 = 1 END""",
        f"""vat_pl_is_valid(d) AS CASE
            WHEN NOT regexp_full_match(d, '[0-9]{{10}}') OR d = '0000000000' THEN false
            ELSE {weighted("[6, 5, 7, 2, 3, 4, 5, 6, 7]")} % 11 = CAST(substr(d, 10, 1) AS INTEGER) END""",
        # Ten digits are persons and branches: form only.
        f"""vat_bg_is_valid(d) AS CASE
            WHEN NOT regexp_full_match(d, '[0-9]{{9}}') OR d = '000000000'
                THEN regexp_full_match(d, '[0-9]{{10}}')
            ELSE CAST(substr(d, 9, 1) AS INTEGER) = CASE
                WHEN {weighted("[1, 2, 3, 4, 5, 6, 7, 8]")} % 11 < 10
                    THEN {weighted("[1, 2, 3, 4, 5, 6, 7, 8]")} % 11
                ELSE {weighted("[3, 4, 5, 6, 7, 8, 9, 10]")} % 11 % 10 END END""",
        """vat_be_is_valid(d) AS CASE
            WHEN NOT regexp_full_match(d, '[01][0-9]{9}') OR d = '0000000097' THEN false
            ELSE 97 - CAST(substr(d, 1, 8) AS BIGINT) % 97 = CAST(substr(d, 9) AS INTEGER) END""",
        f"""vat_is_valid(n) AS CASE WHEN n IS NOT NULL THEN CASE substr(n, 1, 2)
            WHEN 'DE' THEN vat_de_is_valid(substr(n, 3))
            WHEN 'FR' THEN vat_fr_is_valid(substr(n, 3))
            WHEN 'GB' THEN vat_gb_is_valid(substr(n, 3))
            WHEN 'IT' THEN vat_it_is_valid(substr(n, 3))
            WHEN 'NL' THEN vat_nl_is_valid(substr(n, 3))
            WHEN 'PL' THEN vat_pl_is_valid(substr(n, 3))
            WHEN 'BG' THEN vat_bg_is_valid(substr(n, 3))
            WHEN 'BE' THEN vat_be_is_valid(substr(n, 3))
            {forms}
            ELSE false END END""",
        # Without a national rule: long enough to be a number, and not a filler such as 0000000 or 999999.
        """other_is_valid(n) AS length(n) BETWEEN 6 AND 20 AND regexp_matches(n, '[0-9]{4}')
            AND length(replace(n, substr(n, 1, 1), '')) >= 2 AND n NOT IN ('123456', '1234567', '12345678',
            '123456789', '1234567890')""",
    ]
    for statement in statements:
        con.execute(f"CREATE OR REPLACE MACRO {statement}")


def create_registration_table(con: duckdb.DuckDBPyConnection, source: str, target: str) -> None:
    """Create `target`: one row per distinct (registration_no, registration_kind, country) of `source`.

    Columns: the three inputs, `reg_kind` (USCC, LEI, EIN, VAT, OTHER), `reg_no` (canonical, VAT with its
    country), `reg_is_valid`, `reg_key` (kind and number, NULL unless valid; OTHER with its country) and
    `reg_is_checked` (the kind has a check digit, so a slip of one digit cannot pass as another valid number).
    """
    con.execute(f"""
        CREATE OR REPLACE TABLE {target} AS
        WITH stated AS (
            SELECT DISTINCT registration_no, registration_kind, country,
                nullif(registration_digits(registration_no), '') AS digits,
                upper(trim(coalesce(registration_kind, ''))) AS stated_kind,
                upper(trim(country)) AS land
            FROM {source} WHERE registration_no IS NOT NULL
        ), kinded AS (
            -- A number without a kind that passes a strict check digit shows its kind itself.
            SELECT *, CASE
                WHEN stated_kind IN ('USCC', 'LEI', 'EIN', 'VAT') THEN stated_kind
                WHEN uscc_is_valid(digits) THEN 'USCC'
                WHEN lei_is_valid(digits) THEN 'LEI'
                ELSE 'OTHER' END AS reg_kind
            FROM stated
        ), canonical AS (
            SELECT *, CASE
                WHEN reg_kind = 'VAT' AND regexp_matches(digits, '^[A-Z]{{2}}') THEN
                    CASE WHEN substr(digits, 1, 2) = 'EL' THEN 'GR' || substr(digits, 3) ELSE digits END
                WHEN reg_kind = 'VAT' THEN land || digits
                ELSE digits END AS reg_no
            FROM kinded
        ), judged AS (
            SELECT *, coalesce(CASE reg_kind
                WHEN 'USCC' THEN uscc_is_valid(reg_no)
                WHEN 'LEI' THEN lei_is_valid(reg_no)
                WHEN 'EIN' THEN ein_is_valid(reg_no)
                WHEN 'VAT' THEN vat_is_valid(reg_no)
                ELSE other_is_valid(reg_no) END, false) AS reg_is_valid
            FROM canonical
        )
        SELECT registration_no, registration_kind, country, reg_kind, reg_no, reg_is_valid,
            CASE WHEN reg_is_valid THEN
                reg_kind || CASE WHEN reg_kind = 'OTHER' THEN ':' || coalesce(land, '') ELSE '' END
                    || ':' || reg_no
            END AS reg_key,
            reg_kind IN ('USCC', 'LEI') OR (reg_kind = 'VAT'
                AND (substr(reg_no, 1, 2) IN ('BE', 'DE', 'FR', 'GB', 'IT', 'NL', 'PL')
                    OR regexp_full_match(reg_no, 'BG[0-9]{{9}}'))) AS reg_is_checked
        FROM judged
    """)


def _quoted(text: str) -> str:
    return text.replace("'", "''")
