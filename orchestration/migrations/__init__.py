"""Every table that outlives a night: made and changed here, by numbered migrations, and nowhere else.

A migration is a module `m<number>_<what>.py` with one docstring line, which `trade-credit doctor` tells, and a function
`apply(connection, published)`; it runs once in a state folder, in one transaction, and is never edited once released.
To change a table, add the next number to `MIGRATIONS`. Tables that repeat the source contract (`raw.*`, and
`quarantine.*` by table) need none: they follow it by themselves (contract_tables.py). Tables that a night makes
anew (`staging.*`, the marts, what resolution replaces) are their makers' own.
"""

from orchestration.migrations.forward import (
    MIGRATIONS,
    SchemaState,
    bring_forward,
    refuse_newer,
    schema_state,
)

__all__ = ["MIGRATIONS", "SchemaState", "bring_forward", "refuse_newer", "schema_state"]
