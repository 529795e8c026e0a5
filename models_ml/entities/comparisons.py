"""What two customer records are compared by: kinds of evidence, their levels and the macros that judge names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models_ml.entities.normalise import create_name_table, install_name_macros

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Level:
    """One level of agreement: its condition over `<column>_l` and `<column>_r`, and its untrained weights.

    `m` is the share of true matches, `u` the share of other pairs that fall on this level.
    """

    label: str
    condition: str
    m: float
    u: float


@dataclass(frozen=True)
class Comparison:
    """One kind of evidence: `missing` says when it cannot be judged, `levels` run from best to worst."""

    name: str
    missing: str
    levels: tuple[Level, ...]
    # Agreement on a rare value of this column weighs more than on a common one (best level only).
    frequency_column: str | None = None


# Splink numbers levels from 0 (worst) upwards; the two constants name the levels the decision rules speak of.
NAME_SPELLING = 4
NAME_ROOT = 3
PLACE_STREET = 4
COMPARISONS: tuple[Comparison, ...] = (
    Comparison(
        "name",
        # A Chinese name and its Latin transcription cannot be compared; a trade name in the other script can.
        "name_key_l IS NULL OR name_key_r IS NULL"
        " OR (is_cjk_l <> is_cjk_r AND trade_tokens_l IS NULL AND trade_tokens_r IS NULL)",
        (
            Level("same words", "name_key_l = name_key_r", 0.62, 0.00002),
            Level(
                "same letters, or trade name of one is legal name of the other",
                "name_compact_l = name_compact_r OR trade_key_l = name_key_r OR trade_key_r = name_key_l",
                0.08,
                0.00001,
            ),
            Level(
                "spelling differs",
                "name_is_misspelt(name_tokens_l, name_tokens_r, name_compact_l, name_compact_r,"
                " name_digits_l, name_digits_r, is_cjk_l, is_cjk_r)",
                0.14,
                0.00003,
            ),
            Level("same after generic words are removed", "root_key_l = root_key_r", 0.04, 0.00005),
            Level(
                "one name contains the other",
                "name_is_part(name_tokens_l, name_tokens_r, name_compact_l, name_compact_r,"
                " is_cjk_l, is_cjk_r)"
                " OR trade_is_part(trade_tokens_l, name_tokens_r)"
                " OR trade_is_part(trade_tokens_r, name_tokens_l)",
                0.05,
                0.0003,
            ),
            Level(
                "similar, or one is the initials of the other",
                "name_is_similar(name_tokens_l, name_tokens_r, name_compact_l, name_compact_r,"
                " is_cjk_l, is_cjk_r)"
                " OR name_initials_l = name_compact_r OR name_compact_l = name_initials_r",
                0.04,
                0.01,
            ),
            Level("different", "ELSE", 0.03, 0.9896),
        ),
        "name_key",
    ),
    Comparison(
        "place",
        "coalesce(address_key_l, postal_l, city_l) IS NULL"
        " OR coalesce(address_key_r, postal_r, city_r) IS NULL",
        (
            Level(
                "same address",
                "address_key_l = address_key_r AND (postal_l = postal_r OR city_l = city_r)",
                0.6,
                0.00002,
            ),
            Level(
                "same house number and similar street, or same address where the town is not given",
                "(address_number_l = address_number_r AND (postal_l = postal_r OR city_l = city_r)"
                " AND jaro_winkler_similarity(address_street_l, address_street_r) >= 0.85)"
                " OR (address_key_l = address_key_r AND length(address_key_l) >= 6"
                " AND (coalesce(postal_l, city_l) IS NULL OR coalesce(postal_r, city_r) IS NULL))",
                0.15,
                0.00002,
            ),
            Level(
                "same postal code",
                "postal_l = postal_r AND coalesce(country_l = country_r, true)",
                0.12,
                0.003,
            ),
            Level("same city", "city_l = city_r AND coalesce(country_l = country_r, true)", 0.08, 0.02),
            Level("same country", "coalesce(country_l = country_r, true)", 0.04, 0.4),
            Level("another country", "ELSE", 0.01, 0.57694),
        ),
    ),
    Comparison(
        "phone",
        "phone_l IS NULL OR phone_r IS NULL",
        (Level("same number", "phone_l = phone_r", 0.75, 0.00003), Level("different", "ELSE", 0.25, 0.99997)),
        "phone",
    ),
    Comparison(
        "email_domain",
        "email_domain_l IS NULL OR email_domain_r IS NULL",
        (
            Level("same domain", "email_domain_l = email_domain_r", 0.75, 0.00005),
            Level("different", "ELSE", 0.25, 0.99995),
        ),
        "email_domain",
    ),
)


COMPARED_COLUMNS = (
    "name_key", "name_compact", "name_tokens", "trade_key", "trade_tokens", "root_key", "name_digits",
    "name_initials", "is_cjk", "address_key",
    "address_number", "address_street", "postal", "city", "country", "phone", "email_domain",
)  # fmt: skip


def install_pair_macros(con: duckdb.DuckDBPyConnection) -> None:
    """Create the name comparison macros in the connection's current schema.

    Only the words the two names do not share are compared by spelling: otherwise "Guangzhou Xiye Baby
    Products" and "Guangzhou Potter Baby Products" look alike. Jaro-Winkler counts bytes, so Chinese,
    Japanese and Korean names are compared by pairs of neighbouring characters instead.
    """
    # CASE evaluates its branches only for the rows that reach them, AND may not: the dear tests stand
    # behind cheap ones.
    statements = [
        """words_only_in(a, b) AS array_to_string(list_filter(a, lambda t: NOT list_contains(b, t)), '')""",
        """share_in_common(a, b) AS len(list_intersect(a, b)) / greatest(len(a), len(b))""",
        """rest_is_misspelt(a, b) AS length(a) >= 3 AND length(b) >= 3
            AND jaro_winkler_similarity(a, b) >= 0.9""",
        """latin_is_misspelt(a, b, ca, cb) AS CASE
            WHEN abs(length(ca) - length(cb)) > 3 THEN false
            WHEN length(ca) >= 8 AND length(cb) >= 8 AND jaro_winkler_similarity(ca, cb) >= 0.95
                THEN damerau_levenshtein(ca, cb) <= 2
                    OR rest_is_misspelt(words_only_in(a, b), words_only_in(b, a))
            WHEN list_has_any(a, b) OR jaro_winkler_similarity(ca, cb) >= 0.85
                THEN rest_is_misspelt(words_only_in(a, b), words_only_in(b, a))
            ELSE false END""",
        # One Chinese character is three bytes; in short names one other character is another company.
        """cjk_is_misspelt(ca, cb) AS CASE
            WHEN length(ca) < 7 OR length(cb) < 7 OR abs(length(ca) - length(cb)) > 1 THEN false
            ELSE levenshtein(ca, cb) <= 3 END""",
        """name_is_misspelt(a, b, ca, cb, da, db, cjk_a, cjk_b) AS coalesce(CASE
            WHEN cjk_a <> cjk_b OR da <> db THEN false
            WHEN cjk_a THEN cjk_is_misspelt(ca, cb)
            ELSE latin_is_misspelt(a, b, ca, cb) END, false)""",
        """name_is_part(a, b, ca, cb, cjk_a, cjk_b) AS coalesce(CASE
            WHEN cjk_a <> cjk_b THEN false
            WHEN cjk_a THEN length(ca) >= 2 AND length(cb) >= 2 AND (contains(ca, cb) OR contains(cb, ca))
            WHEN length(ca) < 4 OR length(cb) < 4 THEN false
            ELSE list_has_all(a, b) OR list_has_all(b, a) END, false)""",
        """trade_is_part(t, a) AS coalesce(CASE
            WHEN list_has_all(a, t) THEN length(array_to_string(t, '')) >= 4 ELSE false END, false)""",
        """name_is_similar(a, b, ca, cb, cjk_a, cjk_b) AS coalesce(CASE
            WHEN cjk_a <> cjk_b THEN false
            WHEN NOT cjk_a AND jaro_winkler_similarity(ca, cb) >= 0.9 THEN true
            WHEN list_has_any(a, b) THEN share_in_common(a, b) >= CASE WHEN cjk_a THEN 0.5 ELSE 0.6 END
            ELSE false END, false)""",
    ]
    for statement in statements:
        con.execute(f"CREATE OR REPLACE MACRO {statement}")


def create_name_level_table(con: duckdb.DuckDBPyConnection, pairs: str, target: str) -> None:
    """Create `target`: `pairs` (name_l, name_r and any other column) with `name_level`.

    `name_level` is the level of the name comparison (6 same words ... 0 different), -1 where the two scripts
    cannot be compared, NULL where a name has no letter or digit.
    """
    install_name_macros(con)
    install_pair_macros(con)
    create_name_table(
        con, f"SELECT name_l AS raw_name FROM {pairs} UNION ALL SELECT name_r FROM {pairs}", "name_form"
    )
    name = COMPARISONS[0]
    branches = "".join(
        f" WHEN {level.condition} THEN {len(name.levels) - 1 - rank}"
        for rank, level in enumerate(name.levels[:-1])
    )
    columns = [column for column in COMPARED_COLUMNS if column.startswith(("name_", "root_", "is_"))]
    sides = ", ".join(f"{side}.{column} AS {column}_{side}" for side in "lr" for column in columns)
    no_trade = ", ".join(
        f"NULL::{kind} AS trade_{column}_{side}"
        for side in "lr"
        for column, kind in (("key", "VARCHAR"), ("tokens", "VARCHAR[]"))
    )
    con.execute(f"""
        CREATE OR REPLACE TABLE {target} AS
        SELECT p.*, level AS name_level FROM {pairs} p LEFT JOIN (
            SELECT raw_l, raw_r, CASE WHEN {name.missing} THEN -1{branches} ELSE 0 END AS level
            FROM (SELECT d.*, {sides}, {no_trade}
                FROM (SELECT DISTINCT name_l AS raw_l, name_r AS raw_r FROM {pairs}) d
                JOIN name_form l ON l.raw_name = raw_l JOIN name_form r ON r.raw_name = raw_r)
        ) ON raw_l = p.name_l AND raw_r = p.name_r
    """)
