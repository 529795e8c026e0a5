"""The rule catalogue: reads quality/rules/ into typed rules and reports every mistake at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

Dimension = Literal["completeness", "uniqueness", "validity", "consistency", "timeliness", "accuracy"]
Severity = Literal["block", "quarantine", "warn"]
Scope = Literal["all", "new"]
Owner = Literal[
    "Accounts Receivable",
    "Credit Management",
    "Sales Operations",
    "Treasury",
    "Master Data",
    "IT Data Platform",
    "Finance",
]

# Rules over landed tables; those over published marts lie in the folder beneath.
RULES_FOLDER = Path(__file__).parent / "rules"
MART_RULES_FOLDER = RULES_FOLDER / "mart"
MART = "mart."
LISTS_FOLDER = Path(__file__).parent / "lists"

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Kind:
    """One kind of expectation: which parameters it takes and what it looks at.

    `looks_at` is 'row' where one row alone decides (all such rules of a table share one scan), 'rows' where
    other rows or tables decide, and 'table' where the table as a whole fails rather than rows in it.
    `of_marts` says whether it may judge a mart: marts are typed already, landed columns are text.
    """

    looks_at: Literal["row", "rows", "table"]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    expectation: str = ""
    of_marts: bool = False


KINDS: dict[str, Kind] = {
    "not_blank": Kind("row", ("columns",), ("unless",), "{columns}: given"),
    "is_date": Kind("row", ("columns",), expectation="{columns}: a calendar date written YYYY-MM-DD"),
    "is_timestamp": Kind("row", ("columns",), expectation="{columns}: a time written YYYY-MM-DD HH:MM:SS"),
    "is_decimal": Kind("row", ("columns",), expectation="{columns}: a plain decimal number such as 1234.56"),
    "is_integer": Kind("row", ("columns",), expectation="{columns}: a whole number"),
    "is_boolean": Kind("row", ("columns",), expectation="{columns}: true or false"),
    "in_set": Kind("row", ("columns",), ("values", "list"), "{columns}: one of the agreed values"),
    "matches": Kind("row", ("columns", "pattern"), expectation="{columns}: matches {pattern}"),
    "between": Kind("row", ("columns",), ("min", "max"), "{columns}: {bounds}"),
    # `of` is the column that holds the currency.
    "decimals_of_currency": Kind(
        "row", ("columns", "of"), expectation="{columns}: no more decimals than {of} has (ISO 4217)"
    ),
    "not_before": Kind("row", ("column", "other"), expectation="{column} is not before {other}"),
    "dated_by_delivery": Kind(
        "row", ("columns",), ("days",), "{columns}: not after the night, or in the first load"
    ),
    "delivered_once": Kind("row", (), ("apart", "parts", "agree"), expectation="the key is delivered once"),
    "check_digit": Kind(
        "row", ("column", "kind_column"), expectation="{column} carries the right check digit"
    ),
    "fails_when": Kind("row", ("predicate",), of_marts=True),
    "refers_to": Kind(
        "rows",
        ("column", "table", "key", "among"),
        ("when",),
        "{column} is found among {among} {table}.{key}",
        of_marts=True,
    ),
    "failing_rows": Kind("rows", ("query",), of_marts=True),
    "finds_nothing": Kind("table", ("query",), of_marts=True),
    "not_empty": Kind("table", (), ("required_table",), "the table holds at least one row", of_marts=True),
    "fresh": Kind(
        "table",
        ("column", "max_age_days"),
        expectation="newest {column} at most {max_age_days} days old",
        of_marts=True,
    ),
    "source_totals": Kind(
        "table", expectation="rows and amounts landed equal those read, by file and currency"
    ),
}


@dataclass(frozen=True)
class Rule:
    """One data-quality rule, as written in a rules file.

    `severity_old` is the severity for rows whose event date lies before the cut-over date (None: same as
    `severity`). `withhold` keeps the row but hides the failing value from what is accepted, for optional
    columns whose row must not vanish with them. `max_failed_share` is the share of rows that may fail before
    the rule does (0 to 1). `needs` names optional contract tables without which the rule does not apply.
    `event_date` is the column that says whether a row is old. `table` is a contract table, or `mart.<name>`:
    then `key` holds the columns that name a row. `show` names columns whose values are given with each
    failing key.
    """

    id: str
    table: str
    dimension: Dimension
    severity: Severity
    owner: Owner
    reason: str
    remedy: str
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    scope: Scope = "all"
    severity_old: Literal["warn"] | None = None
    withhold: bool = False
    max_failed_share: float = 0.0
    needs: tuple[str, ...] = ()
    event_date: str | None = None
    key: tuple[str, ...] = ()
    show: tuple[str, ...] = ()

    @property
    def relation(self) -> str:
        """The table in the warehouse whose rows are judged."""
        return self.table if self.table.startswith(MART) else f"staging.landed_{self.table}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of `table` the rule names, in the order given; empty for predicates and queries."""
        named = self.params.get("columns") or [self.params[key] for key in ("column",) if key in self.params]
        return tuple(named)

    @property
    def expected(self) -> str:
        """What the rule demands, in one sentence."""
        if self.kind in ("fails_when", "failing_rows", "finds_nothing"):
            return f"no case of: {self.reason}"
        values = {key: _shown(value) for key, value in self.params.items()}
        low, high = self.params.get("min"), self.params.get("max")
        values["bounds"] = (
            f"at least {low}"
            if high is None
            else f"at most {high}"
            if low is None
            else f"between {low} and {high}"
        )
        return KINDS[self.kind].expectation.format(**values)


class RuleError(ValueError):
    """The rules files hold mistakes; `problems` lists every one of them with its file and rule."""

    def __init__(self, problems: Collection[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            f"{len(self.problems)} mistake(s) in the data-quality rules:\n"
            + "\n".join(f"- {p}" for p in self.problems)
        )


_FILE_KEYS = {"table", "event_date", "key", "rules"}
_RULE_REQUIRED = ("id", "dimension", "severity", "owner", "reason", "remedy", "expect")
_RULE_OPTIONAL = ("scope", "severity_old", "withhold", "max_failed_share", "needs", "show")
_CHOICES: dict[str, tuple[str, ...]] = {
    "dimension": get_args(Dimension),
    "severity": get_args(Severity),
    "owner": get_args(Owner),
    "scope": get_args(Scope),
    "severity_old": ("warn",),
}


def load_rules(
    folder: Path | None = None, *, contract: Mapping[str, Collection[str]] | None = None
) -> tuple[Rule, ...]:
    """Every rule of the catalogue, ordered by file name and position in the file.

    Parameters
    ----------
    folder: where the *.yml files lie; None for the rules over landed tables that come with the project,
    MART_RULES_FOLDER for those over published marts.
    contract: columns of every contract table (and, for marts, of every `mart.<name>`); where given, a rule
    that names an unknown table or column is a mistake.

    Raises RuleError with all mistakes of all files.
    """
    import yaml

    # The C reader is ten times faster, and the rules are read whenever the code location loads.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    folder = folder or RULES_FOLDER
    files = sorted(folder.glob("*.yml"))
    problems: list[str] = [] if files else [f"{folder}: no *.yml file with rules was found"]
    rules: list[Rule] = []
    first_seen: dict[str, str] = {}
    for path in files:
        try:
            content = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            problems.append(f"{path.name}: not readable as YAML: {' '.join(str(error).split())}")
            continue
        if not isinstance(content, dict):
            problems.append(f"{path.name}: expected a mapping with the keys {', '.join(sorted(_FILE_KEYS))}")
            continue
        for rule, found in _read_file(path.name, content, contract):
            problems.extend(found)
            if rule is None:
                continue
            if rule.id in first_seen:
                problems.append(
                    f"{path.name}: rule {rule.id}: this id is already used in {first_seen[rule.id]}"
                )
            first_seen.setdefault(rule.id, path.name)
            rules.append(rule)
    if problems:
        raise RuleError(problems)
    return tuple(rules)


def read_list(name: str) -> tuple[str, ...]:
    """The values of quality/lists/<name>.txt, those of all its groups."""
    return tuple(value for values in read_groups(name).values() for value in values)


def read_groups(name: str) -> dict[str, tuple[str, ...]]:
    """The values of quality/lists/<name>.txt under the group they stand in: `group:` begins one, '#' a comment.

    Values before the first group stand under ''.
    """
    groups: dict[str, list[str]] = {"": []}
    group = ""
    for line in (LISTS_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        for word in line.split("#")[0].split():
            if word.endswith(":"):
                group = word.removesuffix(":")
            else:
                groups.setdefault(group, []).append(word)
    return {name: tuple(values) for name, values in groups.items() if values}


def _read_file(
    file_name: str, content: dict[str, Any], contract: Mapping[str, Collection[str]] | None
) -> list[tuple[Rule | None, list[str]]]:
    header: list[str] = [
        f"{file_name}: unknown key '{key}', valid keys are {', '.join(sorted(_FILE_KEYS))}"
        for key in content
        if key not in _FILE_KEYS
    ]
    table = content.get("table")
    if not isinstance(table, str):
        header.append(f"{file_name}: 'table' is missing, it names the contract table the rules are about")
        table = ""
    elif contract is not None and table not in contract:
        header.append(f"{file_name}: unknown table '{table}', the contract has {', '.join(sorted(contract))}")
    event_date = content.get("event_date")
    columns = set(contract[table]) if contract is not None and table in contract else None
    if event_date is not None and columns is not None and event_date not in columns:
        header.append(f"{file_name}: event_date: table {table} has no column '{event_date}'")
    key = content.get("key")
    if table.startswith(MART):
        if not isinstance(key, list) or not key:
            header.append(f"{file_name}: 'key' is missing, it lists the columns that name a row of {table}")
            key = []
        if event_date is not None:
            header.append(f"{file_name}: event_date is for landed tables: a mart has no tolerant rules")
        header += [
            f"{file_name}: key: table {table} has no column '{name}'"
            for name in key
            if columns is not None and name not in columns
        ]
    elif key is not None:
        header.append(f"{file_name}: 'key' is for marts: landed rows are named by their source key")
    entries = content.get("rules")
    if not isinstance(entries, list) or not entries:
        header.append(f"{file_name}: 'rules' must be a list with at least one rule")
        entries = []
    read: list[tuple[Rule | None, list[str]]] = [(None, header)]
    for position, entry in enumerate(entries, start=1):
        where = f"{file_name}: rule {position}"
        if not isinstance(entry, dict):
            read.append((None, [f"{where}: expected a mapping, received {entry!r}"]))
            continue
        if isinstance(entry.get("id"), str):
            where = f"{file_name}: rule {entry['id']}"
        problems = _rule_problems(entry, event_date, contract, columns)
        if table.startswith(MART):
            problems += _mart_problems(entry)
        rule = None if problems else _build(entry, table, event_date, tuple(key or ()))
        read.append((rule, [f"{where}: {problem}" for problem in problems]))
    return read


def _rule_problems(
    entry: dict[str, Any],
    event_date: str | None,
    contract: Mapping[str, Collection[str]] | None,
    columns: set[str] | None,
) -> list[str]:
    valid = (*_RULE_REQUIRED, *_RULE_OPTIONAL)
    problems = [
        f"unknown key '{key}', valid keys are {', '.join(valid)}" for key in entry if key not in valid
    ]
    problems += [f"'{key}' is missing" for key in _RULE_REQUIRED if entry.get(key) in (None, "")]
    if isinstance(entry.get("id"), str) and not _IDENTIFIER.fullmatch(entry["id"]):
        problems.append("id must be lower_case_with_underscores")
    for key, choices in _CHOICES.items():
        if entry.get(key) is not None and entry[key] not in choices:
            problems.append(f"{key} '{entry[key]}' is not known, valid are {', '.join(choices)}")
    if (entry.get("scope") == "new" or entry.get("severity_old")) and event_date is None:
        problems.append("scope 'new' and severity_old need the file's 'event_date' to tell old rows from new")
    if entry.get("scope") == "new" and entry.get("severity_old"):
        problems.append("severity_old has no effect with scope 'new': old rows are not looked at")
    share = entry.get("max_failed_share", 0)
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share < 1:
        problems.append(f"max_failed_share must be a number from 0 to below 1, received {share!r}")
    elif share and entry.get("severity") == "quarantine":
        problems.append("max_failed_share is for warn and block: quarantine judges each row by itself")
    expect = entry.get("expect")
    if expect not in (None, ""):
        problems += _expect_problems(expect, columns, contract)
    if isinstance(expect, dict) and entry.get("severity") == "quarantine":
        kind = KINDS.get(str(expect.get("kind")))
        if kind is not None and kind.looks_at == "table":
            problems.append(f"{expect['kind']} judges the table as a whole: severity must be block or warn")
    if entry.get("withhold"):
        names_columns = isinstance(expect, dict) and (expect.get("columns") or expect.get("column"))
        if entry.get("severity") != "warn" or not names_columns:
            problems.append("withhold is for rules of severity warn that name the columns to hide")
    for name in entry.get("needs") or ():
        if contract is not None and name not in contract:
            problems.append(f"needs: unknown table '{name}'")
    for name in entry.get("show") or ():
        if columns is not None and name not in columns:
            problems.append(f"show: the table has no column '{name}'")
    return problems


def _mart_problems(entry: dict[str, Any]) -> list[str]:
    """What a rule over a mart may not say: its rows are results, so none can be taken out or excused."""
    problems = []
    if entry.get("severity") == "quarantine":
        problems.append("a row of a mart is no delivery to keep apart: severity must be block or warn")
    problems += [
        f"{option} is for landed tables"
        for option in ("scope", "severity_old", "withhold")
        if entry.get(option) is not None
    ]
    expect = entry.get("expect")
    name = str(expect.get("kind")) if isinstance(expect, dict) else ""
    if name in KINDS and not KINDS[name].of_marts:
        valid = ", ".join(sorted(name for name, known in KINDS.items() if known.of_marts))
        problems.append(f"{name} reads columns as delivered text; over marts valid kinds are {valid}")
    return problems


def _expect_problems(
    expect: Any, columns: set[str] | None, contract: Mapping[str, Collection[str]] | None
) -> list[str]:
    if not isinstance(expect, dict) or not isinstance(expect.get("kind"), str):
        return ["expect must be a mapping with a 'kind'"]
    kind = KINDS.get(expect["kind"])
    if kind is None:
        return [f"unknown expectation kind '{expect['kind']}', valid kinds are {', '.join(sorted(KINDS))}"]
    valid = (*kind.required, *kind.optional)
    problems = [
        f"{expect['kind']} takes no '{key}', it takes {', '.join(valid) or 'nothing'}"
        for key in expect
        if key != "kind" and key not in valid
    ]
    problems += [
        f"{expect['kind']} needs '{key}'" for key in kind.required if expect.get(key) in (None, "", [])
    ]
    if "columns" in expect and not isinstance(expect["columns"], list):
        problems.append("columns must be a list")
    elif columns is not None:
        named = list(expect.get("columns") or [])
        named += [
            expect[key] for key in ("column", "other", "kind_column") if isinstance(expect.get(key), str)
        ]
        problems += [f"the table has no column '{name}'" for name in named if name not in columns]
    if expect["kind"] == "in_set":
        if ("values" in expect) == ("list" in expect):
            problems.append("in_set needs either 'values' or 'list'")
        elif "list" in expect and not (LISTS_FOLDER / f"{expect['list']}.txt").is_file():
            problems.append(f"unknown list '{expect['list']}'")
        elif "values" in expect and not all(isinstance(value, str) for value in expect["values"]):
            problems.append("in_set values must be text: put numbers, yes and no in quotes")
    if expect["kind"] == "between" and "min" not in expect and "max" not in expect:
        problems.append("between needs 'min', 'max' or both")
    if expect["kind"] == "refers_to":
        valid_among = (
            ("published",)
            if str(expect.get("table")).startswith(MART)
            else ("delivered", "ever delivered", "accepted")
        )
        if expect.get("among") not in (None, *valid_among):
            problems.append(f"among must be {' or '.join(map(repr, valid_among))}")
        target = expect.get("table")
        if contract is not None and target is not None:
            if target not in contract:
                problems.append(f"unknown table '{target}'")
            elif expect.get("key") not in (None, *contract[target]):
                problems.append(f"table {target} has no column '{expect['key']}'")
    return problems


def _build(entry: dict[str, Any], table: str, event_date: str | None, key: tuple[str, ...]) -> Rule:
    params = {key: value for key, value in entry["expect"].items() if key != "kind"}
    if "list" in params:
        params["values"] = list(read_list(params["list"]))
    return Rule(
        id=entry["id"],
        table=table,
        dimension=entry["dimension"],
        severity=entry["severity"],
        owner=entry["owner"],
        reason=" ".join(str(entry["reason"]).split()),
        remedy=" ".join(str(entry["remedy"]).split()),
        kind=entry["expect"]["kind"],
        params=params,
        scope=entry.get("scope", "all"),
        severity_old=entry.get("severity_old"),
        withhold=bool(entry.get("withhold", False)),
        max_failed_share=float(entry.get("max_failed_share", 0)),
        needs=tuple(entry.get("needs") or ()),
        event_date=event_date,
        key=key,
        show=tuple(entry.get("show") or ()),
    )


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return " ".join(str(value).split())
