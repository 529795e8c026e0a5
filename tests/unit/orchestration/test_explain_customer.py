"""The account of one score in words: its parts add up, and so does what changed."""

from __future__ import annotations

import math

import pytest

from orchestration.explain_customer import Account, Part, account_text, changes


def account(day: str, points: int, *parts: tuple[str, float, str, str | None]) -> Account:
    total = sum(part[1] for part in parts)
    return Account(
        "C000001", "Elm 4 Ltd", day, "scored", "Scored by scorecard model s", 1 / (1 + math.exp(-total)), points, "R09",
        tuple(Part(*part) for part in parts),
    )  # fmt: skip


JUNE = account(
    "2026-06-30", 560,
    ("days_beyond_terms_3m", 0.4, "Days beyond terms are 9", None),
    ("equity_ratio", -0.3, "The equity ratio is 0.41", None),
    ("all_other_facts", 0.1, "All other facts taken together (30)", None),
    ("starting_point", -3.0, "The starting point of every score, before anything is known", None),
)  # fmt: skip
JULY = account(
    "2026-07-31", 530,
    ("days_beyond_terms_3m", 1.2, "Days beyond terms rose from 9 to 24 since January 2026", "Pay earlier"),
    ("overdue_share", 0.2, "The overdue share of the open amount is 31 %", None),
    ("all_other_facts", -0.2, "All other facts taken together (30)", None),
    ("starting_point", -3.0, "The starting point of every score, before anything is known", None),
)  # fmt: skip


def test_parts_and_changes_add_up_by_hand() -> None:
    # -2.8 in June, -1.8 in July: up by 1.0, of which days beyond terms are 0.8.
    assert changes(JULY, JUNE) == [
        ("Days beyond terms rose from 9 to 24 since January 2026", pytest.approx(0.8)),
        ("everything else", pytest.approx(0.2)),
    ]
    text = account_text(JULY, JUNE)
    assert "scored on 2026-07-31: probability of default 14.19%, 530 points, grade R09" in text
    assert "   -1.800  together: 1 / (1 + exp(-x)) is 14.19%" in text
    assert "What would lower it, as tried on the model one by one\n  Pay earlier" in text
    assert "Since 2026-06-30, when it was 5.73% and 560 points" in text
    assert text.endswith("   +1.000  together")


def test_a_customer_without_a_score_is_told_why() -> None:
    unscored = Account(
        "C000002", "New Ltd", "2026-07-31", "not_scored", "Ledger history of 2 months, at least 3 are needed",
        None, None, None, (),
    )  # fmt: skip
    assert account_text(unscored, JUNE) == (
        "C000002  New Ltd\nnot scored on 2026-07-31: Ledger history of 2 months, at least 3 are needed"
    )
