"""Candidate pairs and their match probability: shared keys, and a Splink model trained on the data."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models_ml.entities.normalise import create_name_table, install_name_macros

if TYPE_CHECKING:
    import duckdb

    from models_ml.entities.settings import ResolveSettings


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


def create_candidate_table(con: duckdb.DuckDBPyConnection, settings: ResolveSettings) -> int:
    """Create `candidate` (record_no_l < record_no_r): the pairs worth comparing; returns their number.

    Pairs share a key: registration number, name, name start with country, a rare word of the name, street
    with house number, postal code with first letter, phone, mail domain, last night's code, or a steward's
    decision. A key shared by more than `settings.max_block_size` records is no evidence and makes no pairs
    (registration numbers, equal names and last night's codes pair every record with the first of the block
    instead, so that none is lost).
    """
    con.execute("""
        CREATE OR REPLACE TABLE block_key AS
        WITH word AS (
            SELECT record_no, unnest(name_tokens) AS token FROM record
        ), counted AS (
            SELECT record_no, token, count(*) OVER (PARTITION BY token) AS frequency FROM word
        ), rare AS (
            SELECT record_no, token FROM counted
            QUALIFY row_number() OVER (
                PARTITION BY record_no ORDER BY frequency, length(token) DESC, token) <= 3
        ), keyed AS (
            SELECT record_no, 'registration' AS kind, reg_key AS key FROM record
            UNION ALL SELECT record_no, 'name', name_key FROM record
            UNION ALL SELECT record_no, 'name', trade_key FROM record
            UNION ALL SELECT record_no, 'root', root_key FROM record
            UNION ALL SELECT record_no, 'compact', name_compact FROM record
            UNION ALL SELECT record_no, 'start', left(name_compact, 5) || '|' || coalesce(country, '')
            FROM record
            UNION ALL SELECT record_no, 'end', right(name_compact, 6) || '|' || coalesce(country, '')
            FROM record
            UNION ALL SELECT record_no, 'word', token FROM rare WHERE length(token) >= 2
            UNION ALL SELECT record_no, 'address', address_key || '|' || coalesce(postal, city, '')
            FROM record
            UNION ALL SELECT record_no, 'number', address_number || '|' || coalesce(postal, city) FROM record
            UNION ALL SELECT record_no, 'postal', postal || '|' || coalesce(left(name_compact, 2), '')
            FROM record
            UNION ALL SELECT record_no, 'phone', phone FROM record
            UNION ALL SELECT record_no, 'mail', email_domain FROM record
            UNION ALL SELECT record_no, 'code', prior_code FROM record_prior
        )
        SELECT DISTINCT kind, key, record_no FROM keyed WHERE key IS NOT NULL AND key <> ''
    """)
    con.execute(f"""
        CREATE OR REPLACE TABLE candidate AS
        WITH sized AS (
            SELECT *, count(*) OVER block AS size, min(record_no) OVER block AS first_no
            FROM block_key WINDOW block AS (PARTITION BY kind, key)
        ), bounded AS (
            -- A shared word or beginning says less than a shared number: half the block size.
            SELECT kind, key, record_no FROM sized
            WHERE size BETWEEN 2 AND CASE WHEN kind IN ('word', 'start', 'end', 'postal')
                THEN {settings.max_block_size} // 2 ELSE {settings.max_block_size} END
        )
        SELECT DISTINCT l.record_no AS record_no_l, r.record_no AS record_no_r
        FROM bounded l JOIN bounded r ON l.kind = r.kind AND l.key = r.key AND l.record_no < r.record_no
        UNION
        SELECT first_no, record_no FROM sized
        WHERE size > {settings.max_block_size} AND kind IN ('registration', 'name', 'code')
            AND record_no > first_no
        UNION
        SELECT record_no_l, record_no_r FROM steward
    """)
    return _scalar(con, "SELECT count(*) FROM candidate")


def create_pair_table(con: duckdb.DuckDBPyConnection, settings: ResolveSettings, seed: int) -> LinkModel:
    """Score every row of `candidate` with Splink into `pair`; returns the model that was used.

    `pair`: record_no_l, record_no_r, match_probability (six decimals, so that summation order cannot show),
    and one integer level per comparison (`name_level`, `place_level`, `phone_level`, `email_domain_level`;
    -1 = not judged). `con` must be a connection of its own whose current catalog may be filled with
    Splink's tables.
    """
    from splink import DuckDBAPI, Linker

    # Splink reports its progress by logging; what matters of it is returned.
    logging.getLogger("splink").setLevel(logging.ERROR)
    compared = ", ".join(COMPARED_COLUMNS)
    con.execute(
        f"CREATE OR REPLACE TABLE splink_input AS SELECT record_no AS unique_id, {compared}, reg_key"
        " FROM record ORDER BY 1"
    )
    con.execute("""
        CREATE OR REPLACE TABLE splink_pair AS
        SELECT record_no_l AS join_key_l, record_no_r AS join_key_r, '0' AS match_key
        FROM candidate ORDER BY 1, 2
    """)
    model = _train(con, settings, seed)
    api = DuckDBAPI(con)
    linker = Linker(
        api.register("splink_input", table_name="splink_scored"),
        _splink_settings(
            model.levels, model.probability_two_records_match, use_frequencies=model.origin == "trained"
        ),
        log_level=None,
        validate_settings=False,
    )
    linker.table_management.register_blocked_pairs_for_predict(
        api.register("splink_pair", table_name="splink_candidates")
    )
    scored = linker.inference.predict(warning_mode="never")
    levels = ", ".join(f"gamma_{c.name}::INTEGER AS {c.name}_level" for c in COMPARISONS)
    con.execute(f"""
        CREATE OR REPLACE TABLE pair AS
        SELECT least(unique_id_l, unique_id_r) AS record_no_l,
            greatest(unique_id_l, unique_id_r) AS record_no_r,
            round(match_probability, 6) AS match_probability, {levels}
        FROM {scored.physical_name} ORDER BY 1, 2
    """)
    linker.table_management.delete_tables_created_by_splink_from_db()
    return model


@dataclass(frozen=True)
class LinkModel:
    """The weights a night's links were judged by.

    `origin` is 'trained' or 'default', `reason` says why. `levels` maps (comparison, label) to (m, u,
    origin of the two), the order of COMPARISONS.
    """

    origin: str
    reason: str
    probability_two_records_match: float
    levels: dict[tuple[str, str], tuple[float, float, str]]


def default_levels() -> dict[tuple[str, str], tuple[float, float, str]]:
    """The written-down weights of every level."""
    return {
        (comparison.name, level.label): (level.m, level.u, "default")
        for comparison in COMPARISONS
        for level in comparison.levels
    }


def _train(con: duckdb.DuckDBPyConnection, settings: ResolveSettings, seed: int) -> LinkModel:
    records = _scalar(con, "SELECT count(*) FROM record")
    names = _scalar(con, "SELECT count(DISTINCT name_key) FROM record")
    sure_pairs = _scalar(
        con,
        """
        SELECT count(*) FROM candidate
        JOIN record l ON l.record_no = record_no_l JOIN record r ON r.record_no = record_no_r
        WHERE l.reg_key = r.reg_key
            OR (l.name_key = r.name_key
                AND (l.postal = r.postal OR l.phone = r.phone OR l.email_domain = r.email_domain))
        """,
    )
    # Sure pairs are about the share `recall_of_sure_pairs` of all true ones; the prior is what is left
    # between them.
    possible = max(records * (records - 1) / 2, 1.0)
    prior = min(max(sure_pairs / settings.recall_of_sure_pairs, 1.0) / possible, 0.05)
    if records < settings.min_records_to_train:
        reason = f"{records} records; training needs {settings.min_records_to_train}"
        return LinkModel("default", reason, _significant(prior), default_levels())
    if names < settings.min_records_to_train / 5:
        reason = f"{names} distinct names; training needs {settings.min_records_to_train // 5}"
        return LinkModel("default", reason, _significant(prior), default_levels())
    if sure_pairs < settings.min_pairs_to_train:
        reason = f"{sure_pairs} sure pairs; training needs {settings.min_pairs_to_train}"
        return LinkModel("default", reason, _significant(prior), default_levels())

    from splink import DuckDBAPI, Linker
    from splink.internals.exceptions import EMTrainingException

    api = DuckDBAPI(con)
    linker = Linker(
        api.register("splink_input", table_name="splink_training"),
        _splink_settings(default_levels(), prior, use_frequencies=True),
        log_level=None,
        validate_settings=False,
    )
    linker.training.estimate_u_using_random_sampling(
        max_pairs=settings.max_training_pairs, seed=seed, min_count_per_level=None, num_chunks=1
    )
    sessions = []
    for rule in (
        "l.reg_key = r.reg_key",
        "l.name_key = r.name_key",
        "l.phone = r.phone",
        "l.email_domain = r.email_domain",
    ):
        column = rule.split(" ")[0].removeprefix("l.")
        pairs = _scalar(
            con,
            f"""SELECT coalesce(sum(n * (n - 1) // 2), 0) FROM (
                    SELECT count(*) AS n FROM record WHERE {column} IS NOT NULL GROUP BY {column})""",
        )
        if pairs < settings.min_pairs_to_train:
            continue
        try:
            linker.training.estimate_parameters_using_expectation_maximisation(
                rule, estimate_without_term_frequencies=True, max_pairs=settings.max_training_pairs
            )
        except EMTrainingException:
            # Every pair of the block falls on one level: nothing to learn from it, the other blocks remain.
            continue
        sessions.append(column)
    trained = linker.misc.save_model_to_json()
    linker.table_management.delete_tables_created_by_splink_from_db()
    levels = _credible_levels(trained)
    origins = {origin for _, _, origin in levels.values()}
    reason = f"{records} records, {sure_pairs} sure pairs, blocks " + ", ".join(sessions)
    return LinkModel("trained" if "trained" in origins else "default", reason, _significant(prior), levels)


def _credible_levels(trained: dict[str, Any]) -> dict[tuple[str, str], tuple[float, float, str]]:
    """Trained weights where they make sense, written-down ones elsewhere.

    Expectation maximisation finds *a* split of the pairs in two; that it is "match" and "other" must show
    in the weights: per comparison the best level must speak for a match, the worst against it, or the
    defaults stand.
    """
    levels = default_levels()
    for comparison, learned in zip(COMPARISONS, trained["comparisons"], strict=True):
        found = [level for level in learned["comparison_levels"] if not level.get("is_null_level")]
        # Splink returns the starting weight of a level that neither sample showed.
        new_m = [
            fit.get("m_probability") != level.m for level, fit in zip(comparison.levels, found, strict=True)
        ]
        new_u = [
            fit.get("u_probability") != level.u for level, fit in zip(comparison.levels, found, strict=True)
        ]
        if not any(new_m) or not any(new_u):
            continue
        # What no match showed is rare among matches, but not impossible.
        m = [fit["m_probability"] if is_new else level.m / 10
             for level, fit, is_new in zip(comparison.levels, found, new_m, strict=True)]  # fmt: skip
        u = [fit["u_probability"] for fit in found]
        m = [max(value / sum(m), 1e-4) for value in m]
        u = [max(value / sum(u), 1e-7) for value in u]
        if m[0] > 2 * u[0] and m[-1] < u[-1]:
            for level, m_level, u_level, seen_m, seen_u in zip(
                comparison.levels, m, u, new_m, new_u, strict=True
            ):
                origin = "trained" if seen_m and seen_u else "trained, level unseen"
                levels[comparison.name, level.label] = (_significant(m_level), _significant(u_level), origin)
    return levels


def _splink_settings(
    levels: dict[tuple[str, str], tuple[float, float, str]], prior: float, *, use_frequencies: bool
) -> Any:
    # Among few records every name is frequent: how rare a name is, is told only by data that suffice to
    # train on.
    from splink import SettingsCreator
    from splink.internals.comparison_library import CustomComparison

    comparisons = []
    for comparison in COMPARISONS:
        described: list[dict[str, Any]] = [
            {"sql_condition": comparison.missing, "label_for_charts": "not judged", "is_null_level": True}
        ]
        for position, level in enumerate(comparison.levels):
            m, u, _ = levels[comparison.name, level.label]
            entry: dict[str, Any] = {
                "sql_condition": level.condition,
                "label_for_charts": level.label,
                "m_probability": m,
                "u_probability": u,
            }
            if position == 0 and use_frequencies and comparison.frequency_column is not None:
                entry |= {"tf_adjustment_column": comparison.frequency_column, "tf_adjustment_weight": 1.0}
            described.append(entry)
        comparisons.append(CustomComparison(output_column_name=comparison.name, comparison_levels=described))
    return SettingsCreator(
        link_type="dedupe_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=["l.name_key = r.name_key"],
        probability_two_random_records_match=prior,
        # Without the compared columns Splink drops the levels too.
        retain_matching_columns=True,
        retain_intermediate_calculation_columns=False,
        # The name of the model is part of its tables' names; a fixed one keeps runs comparable.
        linker_uid="trade_credit",
    )


def _significant(value: float) -> float:
    """Six significant digits: enough for any decision, too few to show in which order threads added up."""
    return float(f"{value:.6g}")


def _scalar(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(con.execute(sql).fetchall()[0][0])
