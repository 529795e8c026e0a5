"""Candidate pairs and their match probability: shared keys, and a Splink model trained on the data."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models_ml.entities.comparisons import COMPARED_COLUMNS, COMPARISONS
from models_ml.entities.tables import scalar

if TYPE_CHECKING:
    import duckdb

    from models_ml.entities.settings import ResolveSettings


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
    return scalar(con, "SELECT count(*) FROM candidate")


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
    records = scalar(con, "SELECT count(*) FROM record")
    names = scalar(con, "SELECT count(DISTINCT name_key) FROM record")
    sure_pairs = scalar(
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
        pairs = scalar(
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
