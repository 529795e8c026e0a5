"""Departments that own data and rules, written the way the orchestrator accepts owners."""

from __future__ import annotations


def owner_team(department: str) -> str:
    """`Accounts Receivable` -> `team:accounts_receivable`."""
    return "team:" + department.strip().lower().replace(" & ", "_").replace(" ", "_").replace("-", "_")
