"""Warning triggers at their bounds, and warnings as episodes over several nights."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.factories import fetch, insert_rows, run_dbt
from tests.unit.dbt.planted import plant, replant

AS_OF = "2026-10-31"
POLICY = ["warning_rule", "warning_setting"]


def _night_tables(night: str, facts: dict[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What warnings read on `night`: `facts` by customer, features but for those of exposure and score."""
    apart = ("utilisation", "pd_ratio_30d", "pd", "exposure", "industry_code", "country")
    return {
        "mart.dim_customer": [
            {
                "customer_code": code,
                "industry_code": values.get("industry_code"),
                "country": values.get("country"),
            }
            for code, values in facts.items()
        ],
        "features.customer_cutoff": [
            {
                "customer_code": code,
                "cutoff_date": night,
                "is_as_of": True,
                **{name: value for name, value in values.items() if name not in apart},
            }
            for code, values in facts.items()
        ],
        "features.customer_cutoff_prior": [
            {
                "customer_code": code,
                "cutoff_date": night,
                "prior_cutoff_date": "2026-04-30",
                "overdue_share": 0.12,
                "discount_taken_share_6m": 0.9,
            }
            for code in facts
            if code == "with_prior" or code.startswith("discount")
        ],
        "mart.fct_exposure": [
            {
                "customer_code": code,
                "net_exposure_reporting": 30000,
                "exposure_reporting": values.get("exposure", 30000),
                "open_receivables_reporting": values.get("exposure", 30000),
                "overdue_amount_reporting": 20000,
                "utilisation": values.get("utilisation"),
            }
            for code, values in facts.items()
        ],
        "mart.customer_score": [
            {
                "customer_code": code,
                "score_status": "scored",
                "pd": values.get("pd", 0.05),
                "pd_ratio_30d": values.get("pd_ratio_30d"),
            }
            for code, values in facts.items()
        ],
    }


def _against_spread(change: float, spread: float) -> dict[str, float]:
    return {"days_beyond_terms_change": change, "days_beyond_terms_spread_12m": spread}


BOUNDS: list[tuple[str, dict[str, Any], str, str | None]] = [
    # customer, features, rule, expected level
    ("level_under", {"pd": 0.1499}, "pd_level", None),
    ("level_amber", {"pd": 0.15}, "pd_level", "amber"),
    ("level_red", {"pd": 0.30}, "pd_level", "red"),
    ("owes_nothing", {"pd": 0.90, "exposure": 0}, "pd_level", None),
    ("exposure_unknown", {"pd": 0.90, "exposure": None}, "pd_level", "red"),
    ("in_default", {"pd": 0.90, "is_in_default_at_cutoff": True}, "pd_level", None),
    ("rise_under", {"days_beyond_terms_change": 19.99}, "days_beyond_terms_rise", None),
    ("rise_amber", {"days_beyond_terms_change": 20}, "days_beyond_terms_rise", "amber"),
    ("rise_of_a_safe_one", {"days_beyond_terms_change": 20, "pd": 0.0499}, "days_beyond_terms_rise", None),
    ("discount_kept", {"discount_taken_share_6m": 0.41}, "lost_discount", None),
    ("discount_lost", {"discount_taken_share_6m": 0.40}, "lost_discount", "amber"),
    ("group_late", {"group_late_share_6m": 0.8}, "group_contagion", "red"),
    ("trend_under", _against_spread(7.9, 4), "days_beyond_terms_trend", None),
    ("trend_amber", _against_spread(8, 4), "days_beyond_terms_trend", "amber"),
    ("trend_steady", _against_spread(8, 0.5), "days_beyond_terms_trend", None),
    ("overdue_under", {"overdue_share": 0.2499}, "overdue_share", None),
    ("overdue_amber", {"overdue_share": 0.25}, "overdue_share", "amber"),
    ("overdue_red", {"overdue_share": 0.5}, "overdue_share", "red"),
    ("material_under", {"material_days_past_due": 1}, "material_overdue", None),
    ("material_amber", {"material_days_past_due": 31}, "material_overdue", "amber"),
    ("material_red", {"material_days_past_due": 61}, "material_overdue", "red"),
    ("used_100", {"utilisation": 1.0}, "utilisation", None),
    ("used_over_100", {"utilisation": 1.0001}, "utilisation", "amber"),
    ("used_over_120", {"utilisation": 1.2001}, "utilisation", "red"),
    ("used_by_a_safe_one", {"utilisation": 1.5, "pd": 0.001}, "utilisation", "red"),
    ("jump_amber", {"utilisation_change_60d": 0.30}, "utilisation_rise", "amber"),
    ("promise_under", {"broken_promises_90d": 3}, "broken_promise", None),
    ("promise_amber", {"broken_promises_90d": 4}, "broken_promise", "amber"),
    ("surge_amber", {"order_surge_ratio": 2, "days_beyond_terms_change": 0}, "order_surge", "amber"),
    ("surge_red", {"order_surge_ratio": 3, "days_beyond_terms_change": 1}, "order_surge", "red"),
    ("surge_faster", {"order_surge_ratio": 5, "days_beyond_terms_change": -1}, "order_surge", None),
    ("surge_unknown", {"order_surge_ratio": 5}, "order_surge", None),
    ("bureau_amber", {"bureau_class_change_6m": 1}, "bureau_downgrade", "amber"),
    ("bureau_red", {"bureau_class_change_6m": 2}, "bureau_downgrade", "red"),
    ("pd_under", {"pd_ratio_30d": 1.99}, "pd_doubled", None),
    ("pd_amber", {"pd_ratio_30d": 2.0, "pd": 0.10}, "pd_doubled", "amber"),
    ("pd_low", {"pd_ratio_30d": 9.0, "pd": 0.0999}, "pd_doubled", None),
    ("notice_none", {"legal_notice_count_90d": 0}, "legal_notice", None),
    ("notice_red", {"legal_notice_count_90d": 1}, "legal_notice", "red"),
    ("z_safe", {"altman_z2": 2.6}, "altman_distress", None),
    ("z_amber", {"altman_z2": 2.59}, "altman_distress", "amber"),
    ("z_edge", {"altman_z2": 1.1}, "altman_distress", "amber"),
    ("z_red", {"altman_z2": 1.09}, "altman_distress", "red"),
    ("share_amber", {"concentration_share": 0.10}, "concentration", "amber"),
    ("share_red", {"concentration_share": 0.20}, "concentration", "red"),
    ("with_prior", {"overdue_share": 0.42}, "overdue_share", "amber"),
]  # fmt: skip


@pytest.fixture(scope="module")
def signals(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    facts = {customer: values for customer, values, _, _ in BOUNDS}
    folder = tmp_path_factory.mktemp("signals")
    path = plant(folder / "warehouse.duckdb", _night_tables(AS_OF, facts), policy=POLICY, as_of=AS_OF)
    run_dbt(path, select="warning_signal", as_of=AS_OF, command="run")
    rows = fetch(path, "select * from core.warning_signal")
    return {(row["customer_code"], row["rule_id"]): row for row in rows}


@pytest.mark.parametrize(("customer", "facts", "rule", "level"), BOUNDS, ids=[bound[0] for bound in BOUNDS])
def test_each_rule_fires_at_its_trigger_and_not_before(
    signals: dict[tuple[str, str], dict[str, Any]],
    customer: str,
    facts: dict[str, Any],
    rule: str,
    level: str | None,
) -> None:
    signal = signals.get((customer, rule))
    assert (signal["level"] if signal else None) == level, facts


def test_a_signal_carries_its_evidence(signals: dict[tuple[str, str], dict[str, Any]]) -> None:
    signal = signals[("with_prior", "overdue_share")]
    assert signal["evidence_text"] == (
        "Overdue share of the open amount: 42.0 % (amber 25.0 %, red 50.0 %); on 30 April 2026 12.0 %"
    )
    assert signal["rule_version"] == 1
    assert signal["amount_at_risk_reporting"] == 30000


def test_nights_record_raising_clearing_and_nothing_between(tmp_path: Path) -> None:
    """Overdue share by night: raised, near its trigger (kept, not resolved), not measurable, safely back."""
    nights = {
        "2026-10-01": 0.30,
        "2026-10-02": 0.24,
        "2026-10-03": None,
        "2026-10-04": 0.20,
        "2026-10-05": 0.10,
    }
    path = plant(tmp_path / "warehouse.duckdb", {}, policy=POLICY, as_of="2026-10-01")
    for night, value in nights.items():
        replant(path, _night_tables(night, {"C": {"overdue_share": value}}))
        run_dbt(path, select="warning_signal", as_of=night, command="run")

    def recorded() -> list[tuple[str, str]]:
        rows = fetch(path, "select as_of_date, level from core.warning_signal order by as_of_date")
        return [(str(row["as_of_date"]), row["level"]) for row in rows]

    assert recorded() == [("2026-10-01", "amber"), ("2026-10-02", "near"), ("2026-10-04", "clear")]

    replant(path, _night_tables("2026-10-02", {"C": {"overdue_share": 0.60}}))
    run_dbt(path, select="warning_signal", as_of="2026-10-02", command="run")
    assert recorded() == [("2026-10-01", "amber"), ("2026-10-02", "red")], "later nights are replaced"


def _signals(
    customer: str, *nights: tuple[int, str], rule: str = "pd_level", role: str = "leads"
) -> list[dict[str, Any]]:
    """Signals of one rule that lives 60 days, on days counted from 2026-01-01."""
    return [
        {
            "as_of_date": date(2026, 1, 1) + timedelta(days=day),
            "customer_code": customer,
            "rule_id": rule,
            "family": "default_risk",
            "role": role,
            "level": level,
            "metric": "pd",
            "value": {"clear": 0.1, "near": 0.14, "amber": 0.2, "red": 0.6}[level],
            "unit": "share",
            "direction": "at_least",
            "valid_days": 60,
            "urgency": 1.5,
            "amount_at_risk_reporting": 1000,
            "evidence_text": f"{level} on day {day}",
            "rule_version": 1,
        }
        for day, level in nights
    ]


EPISODES: dict[str, tuple[list[dict[str, Any]], list[tuple[int, int, str, str]]]] = {
    # signals -> (opened on day, last seen on day, worst severity, state), as known on day 100
    "open": (_signals("open", (90, "amber"), (91, "amber"), (95, "red")), [(90, 95, "red", "open")]),
    "resolved": (
        _signals("resolved", (10, "amber"), (11, "amber"), (12, "clear")),
        [(10, 11, "amber", "resolved")],
    ),
    # not seen on day 61..: it expired on day 70 and nothing says it was safely back
    "expired": (_signals("expired", (10, "amber")), [(10, 10, "amber", "expired")]),
    # closed on day 12, cool-down until day 42: raised on 30 and cleared within it is not repeated
    "cooled": (
        _signals("cooled", (10, "amber"), (12, "clear"), (30, "amber"), (35, "clear")),
        [(10, 10, "amber", "resolved")],
    ),
    "after": (
        _signals("after", (10, "amber"), (12, "clear"), (42, "amber")),
        [(10, 10, "amber", "resolved"), (42, 42, "amber", "open")],
    ),
    # still there when the cool-down ends: it opens that day
    "persists": (
        _signals("persists", (10, "amber"), (12, "clear"), (30, "amber"), (50, "amber")),
        [(10, 10, "amber", "resolved"), (42, 50, "amber", "open")],
    ),
    # more severe than before: at once
    "escalated": (
        _signals("escalated", (10, "amber"), (12, "clear"), (20, "red"), (21, "clear")),
        [(10, 10, "amber", "resolved"), (20, 20, "red", "resolved")],
    ),
    "not_worse": (
        _signals("not_worse", (10, "red"), (12, "clear"), (20, "red"), (21, "clear")),
        [(10, 10, "red", "resolved")],
    ),
    # what the cool-down suppressed starts none of its own: day 45 is 33 days after the episode closed
    "third": (
        _signals("third", (10, "amber"), (12, "clear"), (30, "amber"), (40, "clear"), (45, "amber")),
        [(10, 10, "amber", "resolved"), (45, 45, "amber", "open")],
    ),
    # two rules of a family are one warning, and it ends when the last of them is safely back
    "together": (
        _signals("together", (10, "amber"), (12, "clear"))
        + _signals("together", (11, "red"), (13, "amber"), (15, "clear"), rule="material_overdue"),
        [(10, 13, "red", "resolved")],
    ),
    "near": (
        _signals("near", (10, "amber"), (12, "clear"))
        + _signals("near", (11, "amber"), (12, "near"), (14, "clear"), rule="material_overdue"),
        [(10, 11, "amber", "resolved")],
    ),
    "evidence": (_signals("evidence", (90, "red"), rule="overdue_share", role="evidence"), []),
    # a night from before there were roles: as the rule has it now
    "older": (_signals("older", (90, "red"), rule="overdue_share", role=""), []),
    # what was warned of came, 30 days later, and its signals stopped with it
    "came": (_signals("came", (40, "amber"), (69, "red")), [(40, 69, "red", "defaulted")]),
}


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[int, int, str, str]]]:
    as_of = str(date(2026, 1, 1) + timedelta(days=100))
    planted = [row for rows, _ in EPISODES.values() for row in rows]
    folder = tmp_path_factory.mktemp("episodes")
    planted = [row | {"role": row["role"] or None} for row in planted]
    defaults = [
        {"basis": "known", "customer_code": "came", "cause": "past_due", "default_from": "2026-03-12"},
        {"basis": "occurred", "customer_code": "open", "cause": "past_due", "default_from": "2026-04-05"},
    ]
    tables = {"core.warning_signal": planted, "core.default_period": defaults}
    path = plant(folder / "warehouse.duckdb", tables, policy=POLICY, as_of=as_of)
    # A later night must not be seen from here.
    with duckdb.connect(str(path)) as con:
        insert_rows(con, "core.warning_signal", _signals("resolved", (101, "red")))
    run_dbt(path, select="warning", as_of=as_of, command="run")
    found: dict[str, list[tuple[int, int, str, str]]] = {}
    for row in fetch(path, "select * from mart.warning order by customer_code, opened_on"):
        opened, seen = ((row[name] - date(2026, 1, 1)).days for name in ("opened_on", "last_seen_on"))
        found.setdefault(row["customer_code"], []).append((opened, seen, row["worst_severity"], row["state"]))
    return found


@pytest.mark.parametrize("scenario", EPISODES)
def test_a_warning_is_an_episode(episodes: dict[str, list[tuple[int, int, str, str]]], scenario: str) -> None:
    assert episodes.get(scenario, []) == EPISODES[scenario][1]
