"""From customer rows as delivered to one comparable record each: names, places, numbers in one spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models_ml.entities import vocabulary as words
from models_ml.entities.registration import create_registration_table, install_macros

if TYPE_CHECKING:
    import duckdb

INPUT_COLUMNS = (
    "source_system",
    "customer_id",
    "legal_name",
    "trade_name",
    "registration_no",
    "registration_kind",
    "country",
    "city",
    "postal_code",
    "address",
    "phone",
    "email",
    "parent_customer_id",
)


def install_name_macros(con: duckdb.DuckDBPyConnection) -> None:
    """Create the text macros in the connection's current schema.

    `fold_text(s)`: width, case, accents and alphabet folded; `name_words(s)`: letters and digits, single
    spaces; `is_cjk(s)`; `name_core(w)`: words without legal forms; `name_root(core)`: also without generic
    words; `name_tokens(core)`: distinct words in order (for Chinese, Japanese, Korean: pairs of
    neighbouring characters).
    """
    half_width = f"translate(s, '{_quoted(words.FULL_WIDTH)}', '{_quoted(words.HALF_WIDTH)}')"
    fold = f"strip_accents(lower(nfc_normalize({half_width})))"
    for sequence, replacement in words.LETTER_SEQUENCES:
        fold = f"replace({fold}, '{sequence}', '{replacement}')"
    registered = {phrase: form for form, phrases in words.REGISTERED_FORMS.items() for phrase in phrases}
    forms = ", ".join(f"'{phrase}': '{form}'" for phrase, form in registered.items())
    trailing = _alternation(words.TRAILING_LEGAL_FORMS)
    leading = _alternation(words.LEADING_LEGAL_FORMS)
    inner = _alternation(words.INNER_LEGAL_FORMS)
    generic = _alternation(words.GENERIC_WORDS)
    cjk_forms = "|".join(words.CJK_LEGAL_FORMS)
    cjk_generic = "|".join(words.CJK_GENERIC_WORDS)
    stop = ", ".join(f"'{word}'" for word in words.STOP_WORDS)
    long_forms = ", ".join(f"'{short}': '{full}'" for short, full in sorted(words.ABBREVIATIONS.items()))
    statements = [
        f"""registered_form(w) AS MAP {{{forms}}}[
            regexp_extract(w, ' ({_alternation(tuple(registered))})$', 1)]""",
        # As many bytes as characters: plain ASCII, which needs no folding but case.
        f"""fold_text(s) AS CASE WHEN strlen(s) = length(s) THEN lower(s)
            ELSE translate({fold}, '{words.LETTER_FROM}{words.LETTER_DROPPED}', '{words.LETTER_TO}') END""",
        # "S.A." and "A/S" lose their marks before other punctuation turns into spaces.
        r"""name_words(s) AS
            nullif(trim(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
            regexp_replace(fold_text(s), '[''’‘`´"]', '', 'g'), '\bp/l\b', 'pty ltd', 'g'),
            '\b([a-z])/([a-z])\b', '\1\2', 'g'), '[&+]', ' and ', 'g'), '\b([a-z])\.', '\1', 'g'),
            '[^\pL\pN]+', ' ', 'g')), '')""",
        r"is_cjk(s) AS regexp_matches(s, '[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]')",
        # A reference code at the end ("... Co., Ltd NM028-501") is the writer's, not the company's.
        f"""latin_core(w) AS coalesce(nullif(trim(regexp_replace(regexp_replace(
            regexp_replace(regexp_replace(' ' || w, ' [a-z]{{1,3}}[0-9]{{3,}}(?: [0-9]{{2,}})?$', ''),
                '^(?: (?:{leading}))+ ', ' '), '(?: (?:{trailing}))+$', ''),
                '([^ ]) (?:{inner}) ', '\\1 ', 'g')), ''), w)""",
        # A Chinese form may stand before a closing place ("...公司上海"), which is left alone: only ends
        # are cut.
        f"""cjk_core(w) AS coalesce(nullif(regexp_replace(regexp_replace(replace(w, ' ', ''),
            '^(?:{cjk_forms})', ''), '(?:{cjk_forms})+$', ''), ''), replace(w, ' ', ''))""",
        "name_core(w) AS CASE WHEN is_cjk(w) THEN cjk_core(w) ELSE latin_core(w) END",
        f"""name_root(core) AS CASE WHEN is_cjk(core)
            THEN coalesce(nullif(regexp_replace(core, '(?:{cjk_generic})+$', ''), ''), core)
            ELSE coalesce(nullif(trim(regexp_replace(' ' || core, '(?: (?:{generic}))+$', '')), ''), core)
                END""",
        f"""name_initials(core) AS array_to_string(list_transform(list_filter(string_split(core, ' '),
            lambda t: t NOT IN ({stop})), lambda t: left(t, 1)), '')""",
        f"""latin_tokens(core) AS list_sort(list_distinct(list_filter(list_transform(string_split(core, ' '),
            lambda t: coalesce(MAP {{{long_forms}}}[t], t)), lambda t: t NOT IN ({stop}))))""",
        """name_tokens(core) AS CASE
            WHEN is_cjk(core) THEN list_sort(list_distinct(list_transform(
                range(1, greatest(length(core), 2)), lambda i: substr(core, i, 2))))
            WHEN len(latin_tokens(core)) = 0 THEN [core]
            ELSE latin_tokens(core) END""",
    ]
    for statement in statements:
        con.execute(f"CREATE OR REPLACE MACRO {statement}")


def create_name_table(con: duckdb.DuckDBPyConnection, source_sql: str, target: str) -> None:
    """Create `target`: one row per distinct `raw_name` that `source_sql` selects, with its comparable forms.

    Columns: raw_name, name_core, name_key (words sorted), name_compact (no spaces), name_tokens VARCHAR[],
    root_key (generic words removed), name_digits, name_initials (of several words), is_cjk.
    """
    # A table for each step: as one query, the engine would work out a step again wherever the next one
    # reads it.
    steps = (
        f"""worded AS SELECT raw_name, name_words(raw_name) AS w
            FROM (SELECT DISTINCT raw_name FROM ({source_sql}) WHERE raw_name IS NOT NULL)""",
        "scripted AS SELECT raw_name, w, is_cjk(w) AS is_cjk FROM worded WHERE w IS NOT NULL",
        "cored AS SELECT raw_name, is_cjk, name_core(w) AS name_core FROM scripted",
        "rooted AS SELECT *, name_root(name_core) AS root FROM cored",
        "tokenised AS SELECT *, name_tokens(name_core) AS name_tokens, name_tokens(root) AS root_tokens"
        " FROM rooted",
    )
    for step in steps:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {step}")
    con.execute(f"""
        CREATE OR REPLACE TABLE {target} AS
        SELECT raw_name, name_core, is_cjk, name_tokens,
            CASE WHEN is_cjk THEN name_core ELSE array_to_string(name_tokens, ' ') END AS name_key,
            replace(name_core, ' ', '') AS name_compact,
            CASE WHEN is_cjk THEN root ELSE array_to_string(root_tokens, ' ') END AS root_key,
            regexp_replace(name_core, '[^0-9]+', '', 'g') AS name_digits,
            CASE WHEN NOT is_cjk AND contains(name_core, ' ') THEN name_initials(name_core) END
                AS name_initials
        FROM tokenised
    """)


def create_record_table(con: duckdb.DuckDBPyConnection, customers: str, target: str) -> None:
    """Create `target`: one comparable row per row of `customers` (columns INPUT_COLUMNS, all VARCHAR).

    `record_no` numbers the rows from 1 in order of (source_system, customer_id). NULL means "nothing to
    compare": a name that only repeats the customer number or has no letter, an invalid registration number, a
    free-mail domain, a phone number of fewer than seven digits.
    """
    install_macros(con)
    install_name_macros(con)
    create_registration_table(con, customers, "registration")
    create_name_table(
        con,
        f"SELECT legal_name AS raw_name FROM {customers} UNION ALL SELECT trade_name FROM {customers}",
        "name_form",
    )
    street = "' ' || regexp_replace(fold_text(address), '[^\\pL\\pN]+', ' ', 'g') || ' '"
    for long, short in words.STREET_WORDS:
        # German street names carry the type as a suffix ("Hauptstrasse"); elsewhere it is a word of its own.
        street = (
            f"replace({street}, '{long} ', '{short} ')"
            if long in {"strasse", "platz"}
            else f"replace({street}, ' {long} ', ' {short} ')"
        )
    half_width_phone = f"translate(phone, '{_quoted(words.FULL_WIDTH)}', '{_quoted(words.HALF_WIDTH)}')"
    free_mail = ", ".join(f"'{domain}'" for domain in words.FREE_MAIL_DOMAINS)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE address_worded AS
        SELECT address, trim({street}) AS w
        FROM (SELECT DISTINCT address FROM {customers} WHERE address IS NOT NULL)
    """)
    con.execute("""
        CREATE OR REPLACE TABLE address_form AS
        WITH split AS (
            SELECT address, is_cjk(w) AS is_cjk, w,
                list_sort(list_distinct(regexp_extract_all(w, '[0-9]+'))) AS numbers,
                list_sort(list_distinct(string_split(trim(regexp_replace(w, '[0-9]+', ' ', 'g')), ' ')))
                    AS street_words
            FROM address_worded WHERE w <> ''
        )
        SELECT address, nullif(array_to_string(numbers, ' '), '') AS address_number,
            CASE WHEN is_cjk THEN replace(w, ' ', '')
                 ELSE trim(array_to_string(street_words, ' ')) END AS address_street,
            CASE WHEN is_cjk THEN replace(w, ' ', '')
                 ELSE trim(array_to_string(list_concat(numbers, street_words), ' ')) END AS address_key
        FROM split
    """)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE city_form AS
        SELECT city, nullif(regexp_replace(fold_text(city), '[^\\pL\\pN]+', '', 'g'), '') AS city_key
        FROM (SELECT DISTINCT city FROM {customers} WHERE city IS NOT NULL)
    """)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE cleaned AS
        SELECT *,
            regexp_replace(regexp_replace({half_width_phone},
                '(?i)\\s*(x|ext|extension|durchwahl)\\.?\\s*[0-9]+$', ''), '[^0-9]', '', 'g') AS phone_digits,
            regexp_extract(lower(trim(email)), '@(?:www\\.|mail\\.)?([^@\\s]+\\.[a-z0-9-]{{2,}})$', 1)
                AS domain,
            registration_digits(postal_code) AS postal_text,
            {_named("legal_name")} AS stated_name, {_named("trade_name")} AS stated_trade,
            upper(trim(country)) AS land
        FROM {customers}
    """)
    con.execute(f"""
        CREATE OR REPLACE TABLE {target} AS
        SELECT row_number() OVER (ORDER BY c.source_system, c.customer_id)::INTEGER AS record_no,
            c.source_system, c.customer_id, c.legal_name, c.parent_customer_id,
            n.name_core, n.name_key, n.name_compact, n.name_tokens, n.root_key, n.name_digits,
                n.name_initials,
            coalesce(n.is_cjk, false) AS is_cjk,
            CASE WHEN t.name_key <> n.name_key THEN t.name_key END AS trade_key,
            CASE WHEN t.name_key <> n.name_key AND NOT t.is_cjk THEN t.name_tokens END AS trade_tokens,
            registered_form(name_words(c.legal_name)) AS legal_form,
            g.reg_kind, g.reg_no, g.reg_key, g.reg_is_checked,
            -- Digits and register of a number of a register of its country, however else it is written ("HRB 123",
            -- "HRB123 Hamburg"); NULL for the kinds that have a format of their own.
            CASE WHEN g.reg_kind = 'OTHER' THEN
                coalesce(nullif(c.land, ''), '?') || regexp_extract(g.reg_no, 'HR[AB]')
                || ltrim(regexp_replace(g.reg_no, '[^0-9]', '', 'g'), '0') END AS register_no,
            nullif(c.land, '') AS country,
            y.city_key AS city,
            nullif(CASE WHEN c.land = 'US' THEN left(c.postal_text, 5) ELSE c.postal_text END, '') AS postal,
            a.address_number, a.address_street, a.address_key,
            -- The last eight digits are the same with and without country code and trunk zero.
            CASE WHEN length(c.phone_digits) >= 7
                    AND length(replace(c.phone_digits, right(c.phone_digits, 1), '')) > 1
                 THEN right(c.phone_digits, 8) END AS phone,
            CASE WHEN c.domain <> '' AND c.domain NOT IN ({free_mail}) THEN c.domain END AS email_domain
        FROM cleaned c
        LEFT JOIN name_form n ON n.raw_name = c.stated_name
        LEFT JOIN name_form t ON t.raw_name = c.stated_trade
        LEFT JOIN address_form a ON a.address = c.address
        LEFT JOIN city_form y ON y.city = c.city
        LEFT JOIN registration g ON g.registration_no = c.registration_no
            AND g.registration_kind IS NOT DISTINCT FROM c.registration_kind
            AND g.country IS NOT DISTINCT FROM c.country
        ORDER BY record_no
    """)


def _named(column: str) -> str:
    # Who has no name to enter enters the number again, or a dash: numbers that look alike are not one company.
    return (
        f"CASE WHEN lower(trim({column})) <> lower(trim(customer_id)) AND regexp_matches({column}, '\\pL')"
        f" THEN {column} END"
    )


def _alternation(phrases: tuple[str, ...]) -> str:
    # Longest first, so that "gmbh and co kg" is taken as a whole and not as "kg" alone.
    return "|".join(sorted(phrases, key=lambda phrase: (-len(phrase), phrase)))


def _quoted(text: str) -> str:
    return text.replace("'", "''")
