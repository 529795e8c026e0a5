"""The worklist: who is on it, in which order, and where it is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.factories import fetch, run_dbt
from tests.unit.dbt.planted import plant

AS_OF = "2026-10-31"
# customer: (score status, pd, net exposure, warnings as (family, rule, severity, urgency, state))
CUSTOMERS: dict[str, tuple[str, float | None, int, list[tuple[str, str, str, float, str]]]] = {
    # 0.10 x 1,000 x (2.0 + 1.5): the two overdue rules tell of one trouble, the greater counts
    "two_families": ("scored", 0.10, 1000, [
        ("overdue", "oldest_days_past_due", "amber", 2.0, "open"),
        ("overdue", "overdue_share", "red", 1.0, "open"),
        ("utilisation", "utilisation", "amber", 1.5, "open"),
    ]),
    # work of another list, however much is at stake
    "in_default": ("in_default", None, 300_000, [("overdue", "overdue_share", "red", 2.0, "open")]),
    # the average of the scored, (0.10 + 0.30 + 0.20 + 60 x 0.20) / 63 = 0.20, x 1,000 x 1
    "not_scored": ("not_scored", None, 1000, [("legal", "legal_notice", "red", 1.0, "open")]),
    "insured": ("scored", 0.30, 0, [("legal", "legal_notice", "red", 4.0, "open")]),
    "over": ("scored", 0.20, 1000, [("legal", "legal_notice", "red", 4.0, "resolved")]),
}  # fmt: skip


@pytest.fixture(scope="module")
def worklist(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    tables: dict[str, list[dict[str, Any]]] = {
        "mart.dim_customer": [{"customer_code": code} for code in CUSTOMERS],
        "mart.customer_score": [
            {"customer_code": code, "score_status": status, "pd": pd}
            for code, (status, pd, _, _) in CUSTOMERS.items()
        ],
        "mart.fct_exposure": [
            {"customer_code": code, "net_exposure_reporting": exposure}
            for code, (_, _, exposure, _) in CUSTOMERS.items()
        ],
        "mart.warning": [
            {
                "customer_code": code,
                "family": family,
                "rule_id": rule,
                "severity": severity,
                "urgency": urgency,
                "state": state,
                "opened_on": AS_OF,
                "evidence_text": f"{rule} is {severity}",
            }
            for code, (*_, warnings) in CUSTOMERS.items()
            for family, rule, severity, urgency, state in warnings
        ],
        "mart.limit_recommendation": [],
        "mart.score_reason": [
            {
                "customer_code": "two_families",
                "reason_rank": 1,
                "direction": "raises",
                "reason_text": "Pays late",
            },
            {
                "customer_code": "not_scored",
                "reason_rank": 1,
                "direction": "lowers",
                "reason_text": "Pays early",
            },
        ],
    }
    # Forty-five cases a day: three analysts, fifteen each. Sixty small cases stand behind the ones above.
    for number in range(60):
        code = f"small_{number:02d}"
        tables["mart.dim_customer"].append({"customer_code": code})
        tables["mart.customer_score"].append({"customer_code": code, "score_status": "scored", "pd": 0.2})
        tables["mart.fct_exposure"].append({"customer_code": code, "net_exposure_reporting": 1})
        tables["mart.warning"].append(
            {"customer_code": code, "family": "overdue", "rule_id": "overdue_share", "severity": "amber",
             "urgency": 1, "state": "open", "opened_on": AS_OF, "evidence_text": "small"}
        )  # fmt: skip
    folder: Path = tmp_path_factory.mktemp("worklist")
    path = plant(folder / "warehouse.duckdb", tables, policy=["warning_setting"], as_of=AS_OF)
    run_dbt(path, select="worklist", as_of=AS_OF, command="run")
    return fetch(path, "select * from mart.worklist order by work_rank")


def test_cases_rank_by_pd_times_net_exposure_times_urgency(worklist: list[dict[str, Any]]) -> None:
    assert [(row["customer_code"], row["priority"]) for row in worklist[:2]] == [
        ("two_families", pytest.approx(350)),
        ("not_scored", pytest.approx(200)),
    ]


def test_a_case_needs_an_open_warning_and_something_to_lose(worklist: list[dict[str, Any]]) -> None:
    assert not {"insured", "over", "in_default"} & {row["customer_code"] for row in worklist}


def test_a_case_says_why_with_the_worst_first(worklist: list[dict[str, Any]]) -> None:
    case = worklist[0]
    assert case["warnings_text"] == (
        "overdue_share is red. oldest_days_past_due is amber. utilisation is amber"
    )
    assert (case["open_warning_count"], case["red_warning_count"]) == (3, 1)
    assert case["top_reason"] == "Pays late"
    assert worklist[1]["top_reason"] is None, "a reason that lowers the PD is no reason to call"
    assert worklist[1]["pd"] is None, "the average ranks it and is not shown as its PD"


def test_the_list_is_cut_to_what_analysts_can_work(worklist: list[dict[str, Any]]) -> None:
    assert [row["work_rank"] for row in worklist] == list(range(1, 46))
    assert worklist[-1]["customer_code"] == "small_42", "ties are broken by customer code"
