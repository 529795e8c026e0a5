"""Writes docs/data_contract.md from the contract itself: `python -m orchestration.sources.contract_doc`."""

from __future__ import annotations

from pathlib import Path

from orchestration.sources.contract import TABLES, Table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data_contract.md"

_INTRODUCTION = """\
# The data contract

What a source gives. Made from `orchestration/sources/contract.py` by `python -m orchestration.sources.contract_doc`; a test holds the two together.

- **Required** tables must come from some source; what an optional table would feed is *not available* when it is absent, never zero and never a guess.
- A column marked *required* must be mapped wherever its table is delivered. Other columns may be left out; their value is then unknown.
- **date** is written `YYYY-MM-DD`, **timestamp** `YYYY-MM-DD HH:MM:SS`, **decimal** `1234.56` (a point, no grouping, at most two decimals for amounts), **boolean** `true` or `false`. Other spellings are told to the mapping with `format`. A value that cannot be read lands as it is and waits in quarantine with the rule that found it.
- Every amount stands beside its currency (ISO 4217). `fx_rates` is needed as soon as more than one currency occurs.
- Rows are recognised again by source system and key. A row that comes back changed is a new version; a row that has gone from a table read in full is a deletion. Both are kept.
- `updated_at` is the cursor of incremental loads, and says when the source knew what the row tells.
"""


def contract_page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_INTRODUCTION, *(_table_section(table) for table in TABLES)])


def _table_section(table: Table) -> str:
    lines = [
        f"## {table.name} ({table.need})",
        f"One row is {table.grain}; key: {', '.join(f'`{column}`' for column in table.key)}.",
        "",
        "| column | type | required | meaning |",
        "|---|---|---|---|",
    ]
    for field in table.fields:
        lines.append(
            f"| `{field.name}` | {field.type} | {'yes' if field.required else ''} | {field.description} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(contract_page(), encoding="utf-8")
