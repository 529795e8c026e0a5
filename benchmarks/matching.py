"""How well source customers are matched, against the demo company's truth and a public set of labelled pairs.

    python -m benchmarks.matching [--customers N] [--seed N] [--labelled-pairs FILE]

Pairwise figures count pairs of records: precision is the share of joined pairs that are one company, recall
the share of true pairs that are joined. Cluster figures count whole customers that are complete and free of
strangers. Beside them stands plain exact match on normalised names. Labelled pairs carry names only: "merge"
is what the name alone would allow, "merge or ask" adds what a steward would be shown.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sqlite3
import tempfile
import time
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import yaml

from demo import advance
from models_ml.entities import resolve
from models_ml.entities.comparisons import NAME_SPELLING, create_name_level_table
from models_ml.entities.normalise import INPUT_COLUMNS, create_name_table, install_name_macros
from models_ml.policy import read_match_rules
from orchestration.migrations import bring_forward
from orchestration.policy import policy_keys
from orchestration.settings import DEMO_CONFIG

_DAY = datetime.date(2026, 10, 31)
_MATCH_RULES = Path(__file__).parents[1] / "dbt_project" / "seeds" / "policy" / "match_rule.csv"
_LABELLED_PAIRS = Path(__file__).parents[1] / "../shared/data/company_names/labelled_pairs.csv"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--labelled-pairs", type=Path, default=_LABELLED_PAIRS)
    arguments = parser.parse_args()
    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")
    bring_forward(con)
    try:
        _demo(con, arguments.customers, arguments.seed)
        if arguments.labelled_pairs.is_file():
            _labelled(con, arguments.labelled_pairs)
        else:
            print(f"\nlabelled pairs: skipped, {arguments.labelled_pairs} is not there")
    finally:
        con.close()


def _demo(con: duckdb.DuckDBPyConnection, customers: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        advance(home, day=_DAY, customers=customers, seed=seed)
        _load_demo(con, home)
    rules = read_match_rules(pd.read_csv(_MATCH_RULES), keys=policy_keys(), as_of=_DAY)
    started = time.perf_counter()
    outcome = resolve(con, customers="customer", as_of=_DAY, decisions=None, seed=seed, settings=rules)
    seconds = time.perf_counter() - started
    install_name_macros(con)
    create_name_table(con, "SELECT legal_name AS raw_name FROM customer", "written_name")
    con.execute("""
        CREATE TABLE judged AS
        SELECT t.company, x.customer_code, coalesce(n.name_key, c.legal_name) AS name_key
        FROM truth t JOIN customer c USING (source_system, customer_id)
        JOIN core.customer_xref x USING (source_system, customer_id)
        JOIN written_name n ON n.raw_name = c.legal_name
    """)
    print(f"demo company, seed {seed}: {outcome.records} records resolved in {seconds:.1f} s")
    print(f"weights {outcome.model}: {outcome.model_reason}; {outcome.review_pairs} pairs for a steward")
    print(f"{'':32}{'precision':>9}{'recall':>9}{'F1':>8}")
    for label, column in (("resolved", "customer_code"), ("exact normalised name", "name_key")):
        _print_row(f"{label}, pairs", *_pairwise(con, column))
        _print_row(f"{label}, clusters", *_clusterwise(con, column))


def _load_demo(con: duckdb.DuckDBPyConnection, home: Path) -> None:
    """Create `customer` (columns INPUT_COLUMNS) and `truth` (source_system, customer_id, company)."""
    erp = sqlite3.connect(home / "erp.sqlite")
    names = INPUT_COLUMNS[1:]
    columns = zip(*erp.execute(f"SELECT {', '.join(names)} FROM customers").fetchall(), strict=True)
    erp.close()
    erp_rows = pa.table({n: pa.array(list(v), pa.string()) for n, v in zip(names, columns, strict=True)})
    fields = yaml.safe_load(DEMO_CONFIG.read_text())["sources"]["crm"]["tables"]["customers"]["fields"]
    crm = ", ".join(f'"{fields[name]}" AS {name}' if name in fields else f"NULL AS {name}" for name in names)
    newest = max((home / "crm").glob("customers_*.csv"))
    con.register("erp_rows", erp_rows)
    con.execute(f"""
        CREATE TABLE customer AS
        SELECT 'erp' AS source_system, * FROM erp_rows
        UNION ALL SELECT 'crm', {crm}
        FROM read_csv('{newest}', delim = ';', all_varchar = true, header = true)
    """)
    con.unregister("erp_rows")
    identity = json.loads((home / "manifest.json").read_text())["identity"]
    rows = [(system, key, company) for system, known in identity.items() for key, company in known.items()]
    con.register(
        "truth_rows", pa.table(dict(zip(("s", "c", "company"), zip(*rows, strict=True), strict=True)))
    )
    con.execute("CREATE TABLE truth AS SELECT s AS source_system, c AS customer_id, company FROM truth_rows")
    con.unregister("truth_rows")


def _pairwise(con: duckdb.DuckDBPyConnection, column: str) -> tuple[float, float]:
    """Precision and recall over pairs of records that `column` joins."""

    def pairs(by: str) -> int:
        sql = f"SELECT sum(n * (n - 1) // 2) FROM (SELECT count(*) AS n FROM judged GROUP BY {by})"
        return int(con.execute(sql).fetchall()[0][0])

    both = pairs(f"company, {column}")
    return both / pairs(column), both / pairs("company")


def _clusterwise(con: duckdb.DuckDBPyConnection, column: str) -> tuple[float, float]:
    """Precision and recall over whole customers: the same records in it, no more and no less."""
    exact, found, true = con.execute(f"""
        WITH part AS (SELECT company, {column} AS cluster, count(*) AS n FROM judged GROUP BY ALL),
        cluster AS (SELECT {column} AS cluster, count(*) AS n FROM judged GROUP BY ALL),
        company AS (SELECT company, count(*) AS n FROM judged GROUP BY ALL)
        SELECT (SELECT count(*) FROM part JOIN cluster USING (cluster, n) JOIN company USING (company, n)),
            (SELECT count(*) FROM cluster), (SELECT count(*) FROM company)
    """).fetchall()[0]
    return exact / found, exact / true


def _labelled(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    con.execute(
        "CREATE TABLE labelled AS SELECT name_x AS name_l, name_y AS name_r, same = 1 AS is_same"
        " FROM read_csv(?, header = true)",
        [str(path)],
    )
    create_name_level_table(con, "labelled", "labelled_level")
    same, total = con.execute("SELECT count(*) FILTER (is_same), count(*) FROM labelled").fetchall()[0]
    print(f"\nlabelled pairs: {total}, {same} of them the same company")
    print(f"{'':32}{'precision':>9}{'recall':>9}{'F1':>8}")
    for label, least in (("exact normalised name", 6), ("merge", NAME_SPELLING), ("merge or ask", 1)):
        right, said = con.execute(
            "SELECT count(*) FILTER (is_same), count(*) FROM labelled_level WHERE name_level >= ?", [least]
        ).fetchall()[0]
        _print_row(label, right / said, right / same)
    apart = con.execute("SELECT count(*) FROM labelled_level WHERE is_same AND name_level = -1").fetchall()[
        0
    ][0]
    print(f"{apart} of the same pairs are written in two scripts, which names alone cannot join")


def _print_row(label: str, precision: float, recall: float) -> None:
    print(f"{label:32}{precision:9.4f}{recall:9.4f}{2 * precision * recall / (precision + recall):8.4f}")


if __name__ == "__main__":
    main()
