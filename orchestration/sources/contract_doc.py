"""Writes all that is made from the contract, docs/data_contract.md and files of dbt: `python -m orchestration.sources.contract_doc`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from orchestration.sources.contract import TABLES, Table
from orchestration.sources.contract_dbt import MACROS_FILE, SOURCES_FILE, macros_file, sources_file

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data_contract.md"

_INTRODUCTION = """\
# The data contract

What a source gives. Made from `orchestration/sources/contract.py` by `python -m orchestration.sources.contract_doc`; a test holds the two together.

- **Required** tables must come from some source; what an optional table would feed is *not available* when it is absent, never zero and never a guess.
- A column marked *required* must be mapped wherever its table is delivered. Other columns may be left out; their value is then unknown.
- **date** is written `YYYY-MM-DD`, **timestamp** `YYYY-MM-DD HH:MM:SS`, **decimal** `1234.56` (a point, no grouping; an amount has no more decimals than its currency by ISO 4217: none in JPY, three in KWD, four in CLF, and at most 16 digits before the point), **boolean** `true` or `false`. Other spellings are told to the mapping with `format`. A value that cannot be read lands as it is and waits in quarantine with the rule that found it.
- Every amount stands beside its currency (ISO 4217). `fx_rates` is needed as soon as more than one currency occurs.
- **Keys and several systems.** A row is recognised again by source system and key, so two systems may use the same numbers. The source system is the name of the source in the configuration; `key_space` lets one source deliver a table for another's numbers.
- **Changes, repeats and deletions.** A row that comes back changed is a new version; one that comes back equal is no news. A file read before is not read again. A row that has gone from a table read in full (a database table without `cursor`, `delivery: snapshot` or `latest_snapshot`) is a deletion; with a `cursor` or `delivery: changes` no deletion is seen. A table read in full that is suddenly empty, or much smaller than known (`landing` in the configuration says by how much), stops the night before anything lands; `--accept-drop SOURCE.TABLE` accepts it once. Two rows of one delivery with the same key are a repeat, which the gate holds back; but rows of one invoice number that differ in `legal_entity` or `due_date` (instalments, one of each company) stand as documents of their own, and limits of one day that differ in `legal_entity` or amount add up.
- **Columns no field is mapped to.** Those there when a table first lands are left alone. One that appears later is told once, and its values are kept as they came in the JSON column `_extra` of `raw.<table>`, beside every row that lands from then on, until a field is mapped to it or the mapping says `ignore`. A row in which only such a column differs is no news, so rows that stay as they are show no value; `--full-refresh` does not change that. Binary values, and new columns of an Oracle database, are told but not kept. `ops.source_column` lists every column seen. A mapped column that has gone stops the night with an error that names it.
- **Late rows.** With `cursor`, each night reads again the last `look_back_days` before the newest `updated_at` it has. `trade-credit run --full-refresh` reads everything once more; it accepts no loss of rows.
- **When a row was known.** Rows of the first load count as known from the day of `created_at`, or from their event date where that is not mapped (never from `updated_at`, which moves when a document is paid); a clearing, reversal or settlement from the date it carries itself; later rows on the night that landed them. Nothing is used before it was known. A night lands whole or not at all; later nights that were landed and never published are taken back before a night reads, and where a later one was published, it reads nothing and is made of what had landed by then.
- **Time zones.** A timestamp with an offset is turned into the company's `time_zone`; one without is taken to be in it.

How to map a new source: [mapping_guide.md](mapping_guide.md); every key of the configuration: [configuration.md](configuration.md).
"""


def contract_page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_INTRODUCTION, *(_table_section(table) for table in TABLES)])


def _table_section(table: Table) -> str:
    lines = [
        f"## {table.name} ({table.need})",
        f"One row is {table.grain}; key: {', '.join(f'`{column}`' for column in table.key)}.",
        "",
        f"Feeds {table.feeds}. Where no source gives it: {table.without}.",
        "",
        "| column | type | required | meaning |",
        "|---|---|---|---|",
    ]
    for field in table.fields:
        lines.append(
            f"| `{field.name}` | {field.type} | {'yes' if field.required else ''} | {field.description} |"
        )
    return "\n".join([*lines, ""])


# Every file made from the contract, with what it must say.
MADE: Mapping[Path, Callable[[], str]] = {
    PAGE: contract_page,
    SOURCES_FILE: sources_file,
    MACROS_FILE: macros_file,
}


if __name__ == "__main__":
    for path, text in MADE.items():
        path.write_text(text(), encoding="utf-8")
