"""Arrays into tables, and single numbers out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import numpy as np


def load_labels(con: duckdb.DuckDBPyConnection, table: str, labels: np.ndarray) -> None:
    """Create `table` (record_no, cluster_no) from labels; cluster_no is the smallest record_no of each."""
    import numpy as np

    load_arrays(
        con,
        "label",
        {"record_no": np.arange(1, len(labels) + 1, dtype=np.int32), "label": labels.astype(np.int64)},
    )
    con.execute(f"""
        CREATE OR REPLACE TABLE {table} AS
        SELECT record_no, min(record_no) OVER (PARTITION BY label) AS cluster_no FROM label ORDER BY record_no
    """)


def load_arrays(con: duckdb.DuckDBPyConnection, table: str, columns: dict[str, np.ndarray]) -> None:
    """Create `table` from columns of equal length."""
    import pyarrow as pa

    con.register("arrays_to_load", pa.table(columns))
    con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM arrays_to_load")
    con.unregister("arrays_to_load")


def count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    """The rows of a table."""
    return scalar(con, f"SELECT count(*) FROM {table}")


def scalar(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The one whole number a query gives."""
    return int(con.execute(sql).fetchall()[0][0])
