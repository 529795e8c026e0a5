"""What dbt must know of the contract tables, made from the contract: sources, and the lists that models loop over."""

from __future__ import annotations

from orchestration.dbt_project import PROJECT_DIR
from orchestration.sources.contract import TABLES, Table

SOURCES_FILE = PROJECT_DIR / "models" / "contract_sources.yml"
MACROS_FILE = PROJECT_DIR / "macros" / "contract_tables.sql"

# Tables whose rows become the ledger: the reconciliation follows them from before the gate.
_POSTED = ("invoices", "payments", "payment_applications")
_COMMAND = "python -m orchestration.sources.contract_doc"
_MADE = f"Made from orchestration/sources/contract.py by `{_COMMAND}`; a test holds the two together."


def sources_file() -> str:
    """The contract tables as dbt sources: every version landed, what passed the gate, what waits in quarantine."""
    sections = [
        f"# {_MADE}\nversion: 2\n\nsources:",
        _source(
            "staging",
            "Landed rows that passed the gate, as delivered (text), one row a source key; created by quality.",
            [
                *(
                    (f"accepted_{table.name}", f"{_capital(table.grain)} that passed the gate.")
                    for table in TABLES
                ),
                *(
                    (f"landed_{name}", f"Rows of {name} as landed, latest version, before the gate.")
                    for name in _POSTED
                ),
            ],
        ),
        _source(
            "raw",
            "Every version of every row ever landed, append-only; created by landing. _extra holds, as a JSON object, "
            "the values of new source columns that no field is mapped to.",
            [
                (table.name, f"Every landed version of {table.grain}, as the mapping wrote it.")
                for table in TABLES
            ],
        ),
        _source(
            "quarantine",
            "Rows that failed a rule of quarantine severity, with rule, owner and original values.",
            [
                *(
                    (
                        table.name,
                        f"Rows of {table.name} withheld by a rule, with rule, owner and original values.",
                    )
                    for table in TABLES
                ),
                ("withheld_value", "Optional values taken out of rows that went on without them."),
                ("released", "Rows that left quarantine, with the day they did."),
            ],
        ),
    ]
    return "\n".join(sections) + "\n"


def macros_file() -> str:
    """Macros that list the contract tables."""
    return "\n".join(
        [
            f"{{# {_MADE} #}}",
            "",
            *_list_macro("contract_tables", "Every contract table.", [table.name for table in TABLES]),
            "",
            *_list_macro(
                "tables_of_customers",
                "Contract tables whose rows cannot be used before their customer has a code.",
                [table.name for table in TABLES if _is_of_a_customer(table)],
            ),
            "",
        ]
    )


def _is_of_a_customer(table: Table) -> bool:
    return table.name != "customers" and "customer_id" in table.required_fields


def _source(name: str, description: str, tables: list[tuple[str, str]]) -> str:
    lines = [f"  - name: {name}", f'    description: "{description}"', f"    schema: {name}", "    tables:"]
    for table, said in tables:
        lines += [f"      - name: {table}", f'        description: "{said}"']
    return "\n".join(lines)


def _list_macro(name: str, description: str, values: list[str]) -> list[str]:
    return [
        f"{{# {description} #}}",
        f"{{% macro {name}() -%}}",
        "    {{ return([",
        *(f"        '{value}'," for value in values),
        "    ]) }}",
        "{%- endmacro %}",
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
