"""What docs/extending.md promises: a rule, a feature, a KPI and a table are added in the files it names alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import tests.factories
from orchestration import dbt_runner
from orchestration.dbt_runner import NodeOutcome, build
from orchestration.migrations import contract_tables
from orchestration.sources import contract_dbt, contract_doc
from orchestration.sources.contract import CONTRACT, TABLES, Field, Table
from quality.catalog import RULES_FOLDER, load_rules
from tests.factories import PROJECT_DIR, company_variables, fetch, make_warehouse
from tests.unit.dbt.test_features import Company

AS_OF = "2026-03-31"
MODELS = "+warning_signal +kpi_target +quarantine_summary +waiting_summary +metric_definition stg_visits"

VISITS = Table(
    "visits",
    "optional",
    "one visit",
    ("visit_id",),
    (
        Field("visit_id", "text", "Visit number", required=True),
        Field("customer_id", "text", "Customer visited", required=True),
        Field("visit_date", "date", "Day of the visit", required=True),
        Field("created_at", "timestamp", "When the source first wrote the row"),
        Field("updated_at", "timestamp", "When the source last wrote the row"),
    ),
    feeds="staged alone",
    without="nothing changes",
)
STG_VISITS = """
select
    accepted.source_system,
    accepted.visit_id,
    accepted.customer_id,
    cast(accepted.visit_date as date) as visit_date,
    {{ known_at('cast(accepted.visit_date as date)') }} as known_at,
    accepted._load_id as load_id,
    accepted._row_key as row_key,
    accepted._occurrence as occurrence
from {{ accepted_rows('visits') }}
"""
STG_VISITS_YML = """
version: 2
models:
  - name: stg_visits
    description: One visit.
    config: {meta: {dagster: {group: gate}, owner: data engineering}}
"""
VISIT_RULES = """
table: visits
event_date: visit_date
rules:
  - id: visit_value_missing
    dimension: completeness
    severity: quarantine
    owner: Sales Operations
    reason: A visit needs its number, customer and day.
    remedy: Complete the visit.
    expect: {kind: not_blank, columns: [visit_id, customer_id, visit_date]}
"""
FEATURE = """
      - name: disputes_to_sales_share
        data_type: double
        description: Amount in open disputes over the sales of 12 months.
        config:
          meta:
            metric:
              unit: share
              direction: lower_is_better
              is_feature: true
              expression: case when has_disputes then cast(disputed_amount as double) / nullif(sales_12m_amount, 0) end
"""
KPI = """
      - name: oldest_to_sales_share
        data_type: double
        description: Receivables 91 or more days past due over the sales of 365 days.
        config:
          meta:
            metric:
              unit: share
              direction: lower_is_better
              expression: cast(overdue_91_plus_amount as double) / nullif(cast(sales_12m_amount as double), 0)

unit_tests:"""
RULES = """\
1,2000-01-01,disputed,disputes,evidence,disputes_open_share,0.2,0.9,share,at_least,60,1,,,,Disputed share
1,2000-01-01,disputed_sales,disputes,leads,disputes_to_sales_share,0.1,0.3,share,at_least,60,1,,,,Disputes against sales
"""
GOAL = "1,2000-01-01,oldest_to_sales_share,share,at_most,0.01,2027-12-31,,,collections,Old receivables against sales\n"


class Copy:
    """A copy of the dbt project with a home of its own, built by what a night builds with."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "dbt_project"
        self.home = folder / "home"
        self.warehouse = self.home / "warehouse.duckdb"
        shutil.copytree(PROJECT_DIR, self.project)
        self.home.mkdir()

    def write(self, file: str, text: str) -> None:
        (self.project / file).write_text(text, encoding="utf-8")

    def append(self, file: str, text: str, *, before: str = "") -> None:
        """Add `text` at the end of a file, or in the place of the one `before` in it."""
        found = (self.project / file).read_text(encoding="utf-8")
        assert not before or found.count(before) == 1
        self.write(file, found.replace(before, text) if before else found + text)

    def build(self, select: str) -> dict[str, NodeOutcome]:
        outcomes = build(self.home, self.warehouse, select=select, variables=company_variables(AS_OF))
        return {outcome.name: outcome for outcome in outcomes}

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return fetch(self.warehouse, sql)


def _company() -> Company:
    company = Company()
    company.customer("C")
    company.bill("old", "C", "2025-09-01", "2025-10-01", 400)
    company.bill("new", "C", "2026-03-01", "2026-05-01", 3600)
    company.add(
        "disputes",
        dispute_id="d",
        customer_id="C",
        opened_date="2026-03-05",
        currency="USD",
        amount="1000.00",
    )
    company.add("visits", visit_id="v1", customer_id="C", visit_date="2026-03-01")
    company.add("visits", visit_id="v2", customer_id="nobody", visit_date="2026-03-01")
    return company


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """The project with a rule on an existing feature, one on a new one, a KPI with its goal, and a contract table."""
    copy = Copy(tmp_path_factory.mktemp("copy"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt_runner, "PROJECT_DIR", copy.project)
        for module in (contract_dbt, contract_doc, contract_tables, tests.factories):
            patch.setattr(module, "TABLES", (*TABLES, VISITS))
        patch.setattr(tests.factories, "CONTRACT", {**CONTRACT, "visits": VISITS})
        copy.append("seeds/policy/warning_rule.csv", RULES)
        copy.append("models/features/customer_cutoff.yml", FEATURE)
        copy.append("models/marts/serve/kpi_monthly.yml", KPI, before="\nunit_tests:")
        copy.append("seeds/policy/kpi_goal.csv", GOAL)
        copy.write("models/staging/stg_visits.sql", STG_VISITS)
        copy.write("models/staging/stg_visits.yml", STG_VISITS_YML)
        for path, text in contract_doc.MADE.items():  # python -m orchestration.sources.contract_doc
            if path.is_relative_to(PROJECT_DIR):
                copy.write(str(path.relative_to(PROJECT_DIR)), text())
        make_warehouse(
            copy.warehouse,
            _company().tables,
            as_of=AS_OF,
            xref={("erp", "C"): "C"},
            rows={
                "quarantine.visits": [
                    {
                        "rule_id": "visit_value_missing",
                        "owner": "Sales Operations",
                        "reason": "r",
                        "remedy": "r",
                        "source_system": "erp",
                        "_row_key": "v3",
                        "_occurrence": 1,
                        "first_quarantined_on": AS_OF,
                    }
                ]
            },
        )
        outcomes = copy.build(MODELS)
        assert {name: outcome.message for name, outcome in outcomes.items() if not outcome.ok} == {}
        yield copy


def test_a_rule_on_an_existing_feature_is_one_row_of_the_seed(copy: Copy) -> None:
    (signal,) = copy.rows("select * from core.warning_signal where rule_id = 'disputed'")
    assert (signal["customer_code"], signal["level"], signal["value"]) == ("C", "amber", 0.25)


def test_a_rule_on_a_new_feature_needs_its_column_and_the_row(copy: Copy) -> None:
    (signal,) = copy.rows("select * from core.warning_signal where rule_id = 'disputed_sales'")
    assert (signal["level"], signal["value"]) == ("amber", 0.25)
    columns = copy.rows("from (describe features.customer_cutoff_prior)")
    assert "disputes_to_sales_share" in {row["column_name"] for row in columns}


def test_a_kpi_is_a_column_and_its_goal(copy: Copy) -> None:
    (target,) = copy.rows("select * from mart.kpi_target where kpi = 'oldest_to_sales_share'")
    assert (target["actual_value"], target["status"]) == (0.1, "missed")
    assert {"oldest_to_sales_share": 0.1}.items() <= copy.rows(
        f"select * from mart.kpi_monthly where measured_on = '{AS_OF}' and currency_view = 'reporting'"
        " and legal_entity = 'all' and segment = 'all'"
    )[0].items()


def test_what_was_added_is_defined_for_readers(copy: Copy) -> None:
    assert copy.rows(
        "select metric, grain, table_name, is_feature from mart.metric_definition "
        "where metric like '%_to_sales_share' order by all"
    ) == [
        {"metric": name, "grain": grain, "table_name": table, "is_feature": is_feature}
        for name, grain, table, is_feature in (
            ("disputes_to_sales_share", "customer", "features.customer_cutoff", True),
            ("oldest_to_sales_share", "company", "mart.kpi_monthly", False),
        )
    ]


def test_a_contract_table_is_staged_held_and_waited_for(copy: Copy, tmp_path: Path) -> None:
    assert [row["visit_id"] for row in copy.rows("select visit_id from staging.stg_visits order by 1")] == [
        "v1",
        "v2",
    ]
    assert copy.rows("select count(*) as n from mart.quarantine_summary where table_name = 'visits'") == [
        {"n": 1}
    ]
    waiting = copy.rows("select row_key, reason from core.waiting_row where source_table = 'visits'")
    assert waiting == [{"row_key": "v2", "reason": "customer nobody has no customer code"}]
    shutil.copytree(RULES_FOLDER, tmp_path / "rules")
    (tmp_path / "rules" / "visits.yml").write_text(VISIT_RULES, encoding="utf-8")
    columns = {table.name: table.field_names for table in (*TABLES, VISITS)}
    assert "visits" in {rule.table for rule in load_rules(tmp_path / "rules", contract=columns)}
    assert "## visits (optional)" in contract_doc.contract_page()


def test_policy_that_contradicts_the_catalogue_is_refused_with_what_is_right(copy: Copy) -> None:
    copy.append(
        "seeds/policy/warning_rule.csv",
        "1,2000-01-01,slip,f,leads,disputes_open_shar,0.2,,share,at_least,60,1,,,,A slip\n"
        "1,2000-01-01,whole,f,leads,overdue_91_plus_share,20,,percent,at_least,60,1,,,,In another unit\n"
        "1,2000-01-01,around,f,leads,equity_ratio,0.2,,ratio,at_least,60,1,,,,Warns of the good ones\n",
    )
    copy.append(
        "seeds/policy/kpi_goal.csv",
        "1,2000-01-01,dso_day,days,at_most,45,2027-12-31,,,finance,A slip\n"
        "1,2000-01-01,best_possible_dso_days,days,at_least,45,2027-12-31,,,finance,Wants the bad\n",
    )
    outcomes = copy.build("warning_rule kpi_goal")
    refused = [outcome for outcome in outcomes.values() if outcome.status == "fail"]
    problems = {}
    for outcome in refused:
        for row in copy.rows(outcome.compiled_sql):
            problems[row.get("metric") or row.get("kpi")] = row["problem"]
    assert problems == {
        "disputes_open_shar": (
            "is no metric of a customer; did you mean disputes_open_share? mart.metric_definition lists all"
        ),
        "overdue_91_plus_share": "has unit percent, which is share in the catalogue of metrics",
        "equity_ratio": "is higher_is_better in the catalogue of metrics, so at_least is the wrong way round",
        "dso_day": "is no metric of a company; did you mean dso_days? mart.metric_definition lists all",
        "best_possible_dso_days": (
            "is lower_is_better in the catalogue of metrics, so at_least is the wrong way round"
        ),
    }
    assert [outcome.name for outcome in refused if not outcome.name.startswith("metric_of_catalogue")] == []


def test_every_metric_is_whole(copy: Copy) -> None:
    described = copy.rows("select metric, unit, direction, definition from mart.metric_definition")
    assert len(described) > 50
    assert [row for row in described if not all(str(value).strip() for value in row.values())] == []
    assert yaml.safe_load(FEATURE)[0]["name"] in {row["metric"] for row in described}
