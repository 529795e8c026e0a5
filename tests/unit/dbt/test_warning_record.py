"""Were the warnings right: what past month-ends would have said, and what nights said, against what came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.factories import fetch, run_dbt
from tests.unit.dbt.planted import plant

AS_OF = "2026-10-31"
CUTOFFS = ("2025-01-31", "2025-02-28", "2025-03-31")
# customer: PD at each of CUTOFFS, day of default, amount owed then, and what else a month-end knew
CUSTOMERS: dict[str, tuple[tuple[float, float, float], str | None, int, dict[str, Any]]] = {
    "standing": ((0.5, 0.5, 0.5), "2025-08-01", 500, {}),  # warned of since nobody knows when
    "came": ((0.1, 0.2, 0.2), "2025-06-30", 1000, {}),  # warned of on 28 February, 122 days before
    "sound": ((0.1, 0.2, 0.1), None, 0, {}),
    "late": ((0.1, 0.1, 0.35), "2025-04-20", 700, {}),  # warned of 20 days before, too late to act
    "missed": ((0.1, 0.1, 0.1), "2025-07-31", 3000, {}),
    "in_default": ((0.1, 0.9, 0.9), None, 0, {"is_in_default_at_cutoff": True}),
    "owes_nothing": ((0.1, 0.9, 0.9), None, 0, {"exposure_amount_reporting": 0}),
    # The plain rule sees three customers overdue in February and is given two, as many as the warnings took.
    "overdue_most": ((0.1, 0.1, 0.1), None, 0, {"oldest_days_past_due": 40, "overdue_share": 0.3}),
    "overdue_more": ((0.1, 0.1, 0.1), "2025-09-30", 1000, {"oldest_days_past_due": 40, "overdue_share": 0.2}),
    "overdue_least": ((0.1, 0.1, 0.1), None, 0, {"oldest_days_past_due": 40, "overdue_share": 0.1}),
}


def _cutoff_rows() -> list[dict[str, Any]]:
    return [
        {
            "customer_code": code,
            "cutoff_date": day,
            "is_as_of": False,
            "is_in_default_at_cutoff": False,
            "exposure_amount_reporting": 1000,
            "open_amount_reporting": 1000,
            **({} if day == CUTOFFS[0] and "overdue_share" in known else known),
        }
        for code, (_, _, _, known) in CUSTOMERS.items()
        for day in CUTOFFS
    ]


def _label_rows() -> list[dict[str, Any]]:
    rows = []
    for code, (_, event_date, amount, _) in CUSTOMERS.items():
        for day in CUTOFFS:
            rows.append(
                {
                    "customer_code": code,
                    "cutoff_date": day,
                    "horizon_end_date": f"2026-{day[5:]}",
                    "label_known": True,
                    "is_event": int(event_date is not None),
                    "event_kind": "past_due" if event_date else None,
                    "event_date": event_date,
                    "event_amount_reporting": amount if event_date else None,
                }
            )
    return rows


def _lived(code: str, opened_on: str, *, state: str) -> dict[str, Any]:
    return {
        "warning_id": f"{code}|default_risk|{opened_on}",
        "customer_code": code,
        "family": "default_risk",
        "rule_id": "pd_level",
        "state": state,
        "worst_severity": "red",
        "opened_on": opened_on,
        "last_seen_on": f"{opened_on[:8]}28",
        "rule_version": 1,
    }


LIVED = [
    _lived("lived_right", "2025-01-10", state="expired"),
    _lived("lived_wrong", "2025-01-10", state="resolved"),
    _lived("lived_soon", "2026-10-01", state="defaulted"),  # not matured, but it came already
    _lived("lived_open", "2026-10-01", state="open"),  # nothing can be said of it yet
]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tables = {
        "features.customer_cutoff": _cutoff_rows(),
        "features.customer_label": _label_rows(),
        "ml.walk_forward_score": [
            {"customer_code": code, "cutoff_date": day, "pd": pd}
            for code, (pds, *_) in CUSTOMERS.items()
            for day, pd in zip(CUTOFFS, pds, strict=True)
        ],
        "mart.warning": LIVED,
        "core.warning_signal": [
            {
                "as_of_date": day,
                "customer_code": row["customer_code"],
                "rule_id": "pd_level",
                "level": "red",
                "amount_at_risk_reporting": amount,
            }
            for row in LIVED
            for day, amount in ((row["opened_on"], 100), (row["last_seen_on"], 999))
        ],
        "core.default_period": [
            {"basis": "occurred", "customer_code": code, "cause": "insolvency", "default_from": day}
            for code, day in (("lived_right", "2025-12-01"), ("lived_soon", "2026-10-20"))
        ],
    }
    path = plant(
        tmp_path_factory.mktemp("record") / "warehouse.duckdb",
        tables,
        policy=["warning_rule", "warning_setting"],
        as_of=AS_OF,
    )
    run_dbt(
        path,
        select=[
            "stg_collection_actions",
            "warning_population",
            "warning_replay",
            "warning_outcome",
            "kpi_warning",
        ],
        as_of=AS_OF,
        command="run",
    )
    return path


def _row(record: Path, **where: str) -> dict[str, Any]:
    asked = " and ".join(f"{name} = '{value}'" for name, value in where.items())
    (row,) = fetch(record, f"select * from mart.kpi_warning where {asked}")
    return row


def test_precision_counts_matured_warnings_alone_and_says_how_sure_it_is(record: Path) -> None:
    row = _row(record, basis="replayed", scope="all", severity="any")
    assert (row["episode_count"], row["event_episode_count"]) == (3, 2), "came, sound, late"
    assert row["precision_share"] == pytest.approx(2 / 3)
    # Wilson (1927) for 2 of 3, by hand: (2 + 1.9207 +- 1.96 sqrt(2/3 + 0.9604)) / 6.8415
    assert row["precision_lower_95"] == pytest.approx(0.20766, abs=1e-5)
    assert row["precision_upper_95"] == pytest.approx(0.93851, abs=1e-5)
    assert _row(record, basis="replayed", scope="all", severity="red")["episode_count"] == 1


def test_recall_asks_for_warnings_that_came_in_time(record: Path) -> None:
    """Of came, missed and overdue_more one was warned of 60 days before; standing and late are in no count."""
    row = _row(record, basis="replayed", scope="all", severity="any")
    assert (row["event_count"], row["caught_event_count"]) == (3, 1)
    assert row["recall_share"] == pytest.approx(1 / 3)
    assert row["recall_amount_share"] == pytest.approx(1000 / 5000)
    assert (row["lead_days_median"], row["lead_days_first_quartile"]) == (71, 45.5), "122 and 20 days"


def test_a_plain_rule_is_given_as_many_customers(record: Path) -> None:
    row = _row(record, scope="baseline", scope_id="overdue_more_than_30_days")
    assert (row["episode_count"], row["event_episode_count"]) == (2, 1)


def test_nobody_is_asked_about_who_is_in_default_or_owes_nothing(record: Path) -> None:
    asked = fetch(record, "select distinct customer_code from core.warning_population")
    assert {row["customer_code"] for row in asked} == set(CUSTOMERS) - {"in_default", "owes_nothing"}


def test_a_rule_that_no_month_end_can_be_asked_about_says_so(record: Path) -> None:
    row = _row(record, scope="rule", scope_id="utilisation")
    assert (row["status"], row["episode_count"], row["precision_share"]) == ("no_matured_warning", 0, None)


def test_warnings_of_nights_are_judged_when_they_mature_or_come_true(record: Path) -> None:
    lived = fetch(record, "select * from mart.warning_outcome where basis = 'lived' order by customer_code")
    assert [(row["customer_code"], row["is_event"], row["lead_days"]) for row in lived] == [
        ("lived_right", True, 325),
        ("lived_soon", True, 19),
        ("lived_wrong", False, None),
    ]
    assert {row["was_treated"] for row in lived} == {None}, "no collection actions are delivered"
    assert {row["amount_at_risk_reporting"] for row in lived} == {100}, "as at the opening"
    # The one that came early waits for its horizon: others of its day are not known to be wrong yet.
    row = _row(record, basis="lived", scope="all", severity="any")
    assert (row["episode_count"], row["precision_share"]) == (2, 1 / 2)
