"""Numbers rows that share a key within a delivery, so that each keeps its own history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.sources.landing.planning import Plan
from orchestration.sources.landing.temporary import make

if TYPE_CHECKING:
    import duckdb


def number_occurrences(connection: duckdb.DuckDBPyConnection, plan: Plan) -> int:
    """Split the delivery into new_rows (with their occurrence) and vanished_rows; returns the live rows compared.

    A row is known where a live latest version has its key and content; content counts, not position, so
    that rows sharing a key keep their occurrence when only some of them are delivered again. What is left
    over updates the key's remaining occurrences in order, then opens new ones.
    """
    table = plan.table.name
    # A database promises no order of its rows: those that share a key go by their content.
    order = "_feed, _seq" if plan.read_files else "updated_at nulls first, _row_hash"
    held = connection.execute(
        f"select count(*) from raw.{table} where source_system = ?", [plan.source_system]
    ).fetchone()
    if held is None or held[0] == 0:
        # Most keys stand alone; only where some do not, the order of their rows is needed.
        repeated = "select _row_key from delivery group by _row_key having count(*) > 1"
        if connection.execute(f"{repeated} limit 1").fetchone() is None:
            make(connection, plan, "view", "new_rows", "select *, 1 as _occurrence from delivery")
        else:
            number = f"cast(row_number() over (partition by _row_key order by {order}) as integer)"
            make(
                connection,
                plan,
                "table",
                "new_rows",
                f"select *, 1 as _occurrence from delivery where _row_key not in ({repeated}) union all "
                f"select *, {number} from delivery where _row_key in ({repeated})",
            )
        connection.execute("create or replace temp table vanished_rows (latest_rowid bigint)")
        return 0
    only_read = "" if plan.is_full else "and _row_key in (select _row_key from delivery)"
    connection.execute(
        f"""
        create or replace temp table held_rows as
        with latest as (
            select _row_key, _occurrence, max(rowid) as latest_rowid,
                   arg_max(_row_hash, rowid) as _row_hash, arg_max(_is_deleted, rowid) as _is_deleted
            from raw.{table} where source_system = $system {only_read}
            group by _row_key, _occurrence
        )
        select *,
               row_number() over (partition by _row_key, _row_hash, _is_deleted order by _occurrence) as nth
        from latest
        """,
        {"system": plan.source_system},
    )
    connection.execute(
        f"""
        create or replace temp table left_over as
        with numbered as (
            select *, row_number() over (partition by _row_key, _row_hash order by {order}) as nth
            from delivery
        )
        select numbered.* exclude (nth),
               row_number() over (partition by numbered._row_key order by {order}) as place
        from numbered
        anti join (select * from held_rows where not _is_deleted) as held
          on held._row_key = numbered._row_key and held._row_hash = numbered._row_hash
         and held.nth = numbered.nth
        """
    )
    connection.execute(
        f"""
        create or replace temp table free_rows as
        with numbered as (
            select _row_key, _row_hash,
                   row_number() over (partition by _row_key, _row_hash order by {order}) as nth from delivery
        ),
        unmatched as (
            select held.* from held_rows as held
            anti join numbered
              on numbered._row_key = held._row_key and numbered._row_hash = held._row_hash
             and numbered.nth = held.nth and not held._is_deleted
        )
        select *, row_number() over (partition by _row_key order by _is_deleted, _occurrence) as place
        from unmatched
        """
    )
    make(
        connection,
        plan,
        "table",
        "new_rows",
        """
        with per_key as (
            select held_rows._row_key, max(held_rows._occurrence) as last_occurrence,
                   any_value(coalesce(free.free_count, 0)) as free_count
            from held_rows
            left join (select _row_key, count(*) as free_count from free_rows group by _row_key) as free
              using (_row_key)
            where held_rows._row_key in (select _row_key from left_over)
            group by held_rows._row_key
        )
        select left_over.* exclude (place),
               cast(coalesce(free_rows._occurrence, coalesce(per_key.last_occurrence, 0)
                    + left_over.place - coalesce(per_key.free_count, 0)) as integer) as _occurrence
        from left_over
        left join free_rows on free_rows._row_key = left_over._row_key and free_rows.place = left_over.place
        left join per_key on per_key._row_key = left_over._row_key
        """,
    )
    # What an open-item list has lost once is cleared, and not lost again.
    is_cleared = f"latest_rowid in (select rowid from raw.{table} where cleared_date is not null)"
    still_there = f"not _is_deleted and not {is_cleared}" if plan.lists_open_items else "not _is_deleted"
    connection.execute(
        f"""
        create or replace temp table vanished_rows as
        select latest_rowid from free_rows
        where {still_there}
          and (_row_key, _occurrence) not in (select (_row_key, _occurrence) from new_rows)
        """
    )
    live = connection.execute(f"select count(*) from held_rows where {still_there}").fetchone()
    for name in ("held_rows", "left_over", "free_rows"):
        connection.execute(f"drop table temp.{name}")
    return int(live[0]) if live else 0
