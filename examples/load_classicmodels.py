"""Loads the classicmodels MySQL dump into an SQLite file: `python examples/load_classicmodels.py DUMP.sql FILE.db`.

SQLite takes the dump's statements once what only MySQL writes is put in standard SQL: backquoted names,
backslash escapes in texts, keys and engine inside `CREATE TABLE`. Amounts stay texts, so they stay exact.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

_TOKEN = re.compile(r"/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|`[^`]*`|;|[^'`;/]+|/", re.DOTALL)
_ESCAPE = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_KEYS = re.compile(r",\s*(?:KEY|CONSTRAINT)\b[^\n]*?(?=,?\s*\n)")


def statements(dump: str) -> list[str]:
    """The dump's `CREATE TABLE` and `INSERT` statements as SQLite takes them, in the dump's order."""
    found, parts = [], []
    for token in _TOKEN.findall(dump):
        if token == ";":
            found.append("".join(parts).strip())
            parts = []
        elif token.startswith("'"):
            text = re.sub(
                r"\\(.)", lambda match: _ESCAPE.get(match[1], match[1]), token[1:-1], flags=re.DOTALL
            )
            parts.append("'" + text.replace("''", "'").replace("'", "''") + "'")
        elif token.startswith("`"):
            parts.append('"' + token[1:-1] + '"')
        elif not token.startswith("/*"):
            parts.append(token)
    return [_table(text) for text in found if re.match(r"(?i)create table|insert", text)]


def load(dump: Path, database: Path) -> dict[str, int]:
    """Write a new SQLite file `database` from `dump`; the number of rows of each table.

    Raises FileExistsError where `database` exists: a loaded company is never overwritten.
    """
    if database.exists():
        raise FileExistsError(f"{database} exists; remove it to load the dump again")
    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements(dump.read_text(encoding="utf-8")):
            connection.execute(statement)
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def _table(statement: str) -> str:
    if not re.match(r"(?i)create table", statement):
        return statement
    body = statement[: statement.rindex(")") + 1]
    body = _KEYS.sub("", body)
    return re.sub(r"\bdecimal\(\d+,\d+\)", "TEXT", body)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/load_classicmodels.py DUMP.sql FILE.db")
    try:
        loaded = load(Path(sys.argv[1]), Path(sys.argv[2]))
    except OSError as error:
        sys.exit(str(error))
    print(", ".join(f"{name} {rows}" for name, rows in loaded.items()))
