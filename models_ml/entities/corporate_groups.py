"""Companies under one parent: the group of every customer code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models_ml.entities.tables import count, load_arrays

if TYPE_CHECKING:
    import duckdb


def create_group_table(con: duckdb.DuckDBPyConnection) -> int:
    """Create `code_group` (customer_code, group_code); returns the records whose parent is unknown.

    A customer's parent is the one most of its records name (ties: the older code). The group's code is the
    code of the topmost parent; where parents run in a circle, the oldest code on the circle stands for the
    top.
    """
    import numpy as np

    con.execute("""
        CREATE OR REPLACE TABLE code_parent AS
        SELECT a.customer_code, b.customer_code AS parent_code
        FROM record r JOIN assignment a USING (record_no)
        JOIN record q ON q.source_system = r.source_system AND q.customer_id = r.parent_customer_id
        JOIN assignment b ON b.record_no = q.record_no
        WHERE a.customer_code <> b.customer_code
        GROUP BY a.customer_code, b.customer_code
        QUALIFY row_number() OVER (PARTITION BY a.customer_code ORDER BY count(*) DESC, b.customer_code) = 1
    """)
    con.execute("""
        CREATE OR REPLACE TABLE code_list AS
        SELECT customer_code,
            (row_number() OVER (ORDER BY length(customer_code), customer_code) - 1)::INTEGER AS code_index
        FROM (SELECT DISTINCT customer_code FROM assignment)
    """)
    parents = con.execute("""
        SELECT c.code_index AS child, p.code_index AS parent
        FROM code_parent JOIN code_list c USING (customer_code)
            JOIN code_list p ON p.customer_code = parent_code
    """).fetchnumpy()
    size = count(con, "code_list")
    parent = np.arange(size, dtype=np.int32)
    parent[parents["child"]] = parents["parent"]
    # Pointer jumping: after k doublings every customer points 2^k parents up, past any top or onto its
    # circle; alongside, the oldest code met on the way is kept, which on a circle of that length is the
    # oldest of the circle.
    top, oldest = parent.copy(), parent.copy()
    for _ in range(max(size, 2).bit_length()):
        oldest = np.minimum(oldest, oldest[top])
        top = top[top]
    is_top = parent[top] == top
    group = np.where(is_top, top, oldest[top])
    load_arrays(
        con,
        "group_index",
        {"code_index": np.arange(size, dtype=np.int32), "group_index": group.astype(np.int32)},
    )
    con.execute("""
        CREATE OR REPLACE TABLE code_group AS
        SELECT c.customer_code, g.customer_code AS group_code
        FROM group_index i JOIN code_list c ON c.code_index = i.code_index
        JOIN code_list g ON g.code_index = i.group_index
        ORDER BY c.code_index
    """)
    return int(
        con.execute("""
        SELECT count(*) FROM record r WHERE parent_customer_id IS NOT NULL AND NOT EXISTS (FROM record q
            WHERE q.source_system = r.source_system AND q.customer_id = r.parent_customer_id)
    """).fetchall()[0][0]
    )
