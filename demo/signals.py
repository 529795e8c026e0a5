"""What surrounds the ledger: limits, requests, dunning, statements, bureau reports and public notices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from demo.accounts import Accounts
from demo.bills import CLEAN, CREDIT_MEMO
from demo.companies import Companies
from demo.orders import Orders
from demo.receivables import Documents
from demo.world import (
    NEVER,
    Bools,
    Floats,
    Ints,
    World,
    add_months,
    business_day,
    to_date,
    to_day,
)

APPROVERS = ("credit.analyst", "credit.manager", "cfo")
LIMIT_REASONS = ("initial limit", "annual review")
DECISIONS = ("approved", "reduced", "declined")
OVERRIDES = ("strategic account", "seasonal peak", "guarantee received")
NOTICES = ("insolvency", "ceased", "judgment", "lien")
_YEARS_AHEAD = 2


@dataclass
class Limits:
    account: Ints
    valid_from: Ints
    valid_to: Ints
    currency: Ints
    amount: Ints
    insured: Ints
    approver: Ints
    reason: Ints


@dataclass
class Requests:
    account: Ints
    currency: Ints
    requested_day: Ints
    requested_minute: Ints
    decided_day: Ints
    decided_minute: Ints
    decision: Ints
    amount: Ints
    override: Ints


@dataclass
class Actions:
    document: Ints
    day: Ints
    level: Ints
    promise: Ints
    amount: Ints


@dataclass
class Statements:
    company: Ints
    period_end: Ints
    published: Ints
    figures: Ints  # shape (statements, 9): see STATEMENT_FIGURES, cents
    audited: Bools


STATEMENT_FIGURES = (
    "total_assets", "current_assets", "current_liabilities", "total_liabilities", "retained_earnings",
    "equity", "revenue", "ebit", "net_income",
)  # fmt: skip


@dataclass
class Reports:
    company: Ints
    day: Ints
    score: Ints
    risk_class: Ints
    limit: Ints


@dataclass
class Notices:
    company: Ints
    day: Ints
    published: Ints
    kind: Ints
    amount: Ints


def _first_account(companies: Companies, erp: Accounts) -> Ints:
    first = np.zeros(companies.count, dtype=np.int64)
    first[erp.company[~erp.is_duplicate]] = np.flatnonzero(~erp.is_duplicate)
    return first


def _monthly_sales(world: World, companies: Companies, orders: Orders) -> Floats:
    """Ordered amount by company and month, shape (n, months), currency units."""
    months = world.month_count
    key = orders.company * months + world.month_of(orders.day)
    flat = np.bincount(key, weights=orders.amount / 100.0, minlength=companies.count * months)
    return np.asarray(flat, dtype=np.float64).reshape(companies.count, months)


def _round_limit(values: Floats) -> Ints:
    step = np.where(values < 10_000, 500.0, np.where(values < 100_000, 2_500.0, 10_000.0))
    return (np.maximum(np.rint(values / step), 1) * step).astype(np.int64) * 100


def build_limits(world: World, companies: Companies, erp: Accounts, orders: Orders, block: int) -> Limits:
    """Limits reviewed each year from the last twelve months of orders; each row is final when written."""
    rng = world.rng(block, 20)
    count = companies.count
    cumulative = np.concatenate(
        [np.zeros((count, 1)), _monthly_sales(world, companies, orders).cumsum(axis=1)], axis=1
    )
    expected = companies.ticket * companies.order_rate.mean(axis=1) * 12
    joined = companies.since >= world.start
    valid_from = np.where(joined, companies.since, world.start - rng.integers(0, 360, count))
    has_limit = ~companies.is_prospect & (rng.random(count) < 0.97)
    headroom = rng.lognormal(np.log(2.6), 0.28, count)
    insured_share = np.where(rng.random(count) < 0.2, rng.uniform(0.5, 0.9, count), 0.0)
    rows: list[tuple[Ints, Ints, Ints, Ints, Ints]] = []
    for review in range(world.months // 12 + _YEARS_AHEAD + 2):
        month = world.month_of(valid_from)
        trailing = (
            cumulative[np.arange(count), month] - cumulative[np.arange(count), np.maximum(month - 12, 0)]
        )
        months_seen = np.clip(month, 1, 12)
        yearly = np.where(month >= 6, trailing * 12 / months_seen, expected)
        need = np.maximum(yearly, 0.25 * expected) / 365 * (companies.terms + 25) * headroom
        amount = _round_limit(need)
        alive = valid_from < np.minimum(companies.default_day, companies.leaves_day)
        keep = np.flatnonzero(has_limit & alive & (valid_from <= world.end))
        insured = np.rint(amount * insured_share / 100_000).astype(np.int64) * 100_000
        rows.append((keep, valid_from[keep], amount[keep], insured[keep], np.full(len(keep), min(review, 1))))
        # Most reviews are in time; some come late and leave a gap without a valid limit.
        gap = np.where(rng.random(count) < 0.07, rng.integers(10, 75, count), 0)
        valid_from = valid_from + 365 + gap
        headroom = headroom * rng.lognormal(0.0, 0.12, count)
    company, start, amount, insured, reason = (
        np.concatenate([row[position] for row in rows]) for position in range(5)
    )
    order = np.lexsort((company, start))
    company, start, amount, insured, reason = (
        values[order] for values in (company, start, amount, insured, reason)
    )
    return Limits(
        account=_first_account(companies, erp)[company],
        valid_from=start,
        valid_to=start + 364,
        currency=companies.currency[company],
        amount=amount,
        insured=insured,
        approver=np.where(amount > 25_000_000, 2, np.where(amount > 5_000_000, 1, 0)),
        reason=reason,
    )


def build_requests(world: World, companies: Companies, erp: Accounts, limits: Limits, block: int) -> Requests:
    """Requests for credit, about one a company every two years, decided within hours or, at times, days."""
    rng = world.rng(block, 21)
    span = world.end - world.start + 1
    counts = rng.poisson(0.5 * span / 365, companies.count)
    company = np.repeat(np.arange(companies.count), counts)
    total = len(company)
    day = business_day(world.start + (rng.random(total) * span).astype(np.int64))
    alive = (day >= companies.since[company]) & (
        day < np.minimum(companies.default_day, companies.leaves_day)[company]
    )
    company, day = company[alive], day[alive]
    order = np.lexsort((company, day))
    company, day = company[order], day[order]
    total = len(company)
    minute = rng.integers(8 * 60, 17 * 60, total)
    hours = np.minimum(rng.lognormal(np.log(4.0), 1.7, total), 24.0 * 25)
    decided = day * 1440 + minute + np.maximum(np.rint(hours * 60).astype(np.int64), 4)
    # Nobody decides on a weekend.
    decided_day = business_day(decided // 1440)
    decided_minute = np.where(decided_day > decided // 1440, 9 * 60 + decided % 60, decided % 1440)
    stress = companies.stress[company, world.month_of(day)]
    draw = (
        rng.random(total)
        - 0.25 * stress
        - 0.04 * np.clip(-companies.health[company, world.month_of(day)], 0, 2)
    )
    decision = np.where(draw > 0.22, 0, np.where(draw > 0.07, 1, 2))
    account = _first_account(companies, erp)[company]
    usual = np.zeros(erp.count, dtype=np.int64)
    usual[limits.account] = limits.amount
    base = np.where(usual[account] > 0, usual[account], 500_000)
    return Requests(
        account=account,
        currency=companies.currency[company],
        requested_day=day,
        requested_minute=minute,
        decided_day=decided_day,
        decided_minute=decided_minute,
        decision=decision,
        amount=_round_limit(base / 100 * rng.uniform(0.7, 1.7, total)),
        override=np.where(rng.random(total) < 0.06, rng.integers(0, 3, total), -1),
    )


def build_actions(world: World, documents: Documents, write_off: Ints, block: int) -> Actions:
    """Dunning steps on what is still open, with promises that are kept more often by those who pay anyway."""
    rng = world.rng(block, 22)
    total = len(documents.kind)
    parts: list[tuple[Ints, Ints, Ints]] = []
    eligible = (documents.dirt == CLEAN) & (documents.kind != CREDIT_MEMO)
    for step, wait in enumerate((10, 25, 45, 65, 90), start=1):
        day = business_day(documents.due + wait)
        is_open = (day < documents.final_day) & (day < write_off) & (day > documents.recorded)
        chosen = np.flatnonzero(eligible & is_open & (rng.random(total) < 0.75) & (day <= world.end))
        parts.append((chosen, day[chosen], np.full(len(chosen), step)))
    document, day, level = (np.concatenate([part[position] for part in parts]) for position in range(3))
    order = np.lexsort((document, day))
    document, day, level = document[order], day[order], level[order]
    count = len(document)
    promises = rng.random(count) < np.array([0.0, 0.12, 0.4, 0.45, 0.4, 0.3])[level]
    until_paid = documents.final_day[document] - day
    sincere = (until_paid < 25) & (rng.random(count) < 0.8)
    promise = np.where(
        sincere, documents.final_day[document] + rng.integers(0, 4, count), day + rng.integers(5, 15, count)
    )
    promise = np.where(promises, business_day(promise), NEVER)
    return Actions(
        document=document,
        day=day,
        level=level,
        promise=promise,
        amount=documents.amount[document] - documents.credited[document],
    )


def build_statements(world: World, companies: Companies, block: int) -> Statements:
    """Yearly accounts of about 55 % of the companies, public three to nine months after the year's end."""
    rng = world.rng(block, 23)
    covered = np.flatnonzero(rng.random(companies.count) < 0.55)
    fiscal_month = rng.choice([12, 12, 12, 12, 3, 6, 9], companies.count)
    first_year, last_year = to_date(world.start).year - 2, to_date(world.end).year
    base_revenue = (
        companies.ticket * companies.order_rate.mean(axis=1) * 12 * rng.lognormal(2.6, 0.8, companies.count)
    )
    base_revenue = np.maximum(base_revenue, 150_000.0)
    margin_base = rng.normal(0.045, 0.03, companies.count)
    equity_base = rng.normal(0.34, 0.13, companies.count)
    company_list, end_list, figure_list = [], [], []
    for year in range(first_year, last_year + 1):
        ends = np.array([0] + [to_day(add_months(date(year, month, 1), 1)) - 1 for month in range(1, 13)])
        period_end = ends[fiscal_month[covered]]
        month = world.month_of(period_end)
        strength = companies.health[covered, month] - 1.1 * companies.stress[covered, month]
        noise = rng.normal(size=(6, len(covered)))
        revenue = base_revenue[covered] * np.exp(
            0.03 * (year - first_year) + 0.05 * strength + 0.05 * noise[0]
        )
        margin = margin_base[covered] + 0.022 * strength + 0.02 * noise[1]
        assets = revenue * np.exp(-0.25 + 0.12 * noise[2])
        equity_ratio = np.clip(equity_base[covered] + 0.075 * strength + 0.05 * noise[3], -0.3, 0.85)
        current_share = np.clip(0.58 + 0.06 * noise[4], 0.3, 0.85)
        current_ratio = np.exp(0.38 + 0.13 * strength + 0.18 * noise[5])
        equity = assets * equity_ratio
        liabilities = assets - equity
        current_assets = assets * current_share
        current_liabilities = np.minimum(current_assets / current_ratio, liabilities)
        ebit = revenue * margin
        net = ebit * np.where(ebit > 0, 0.7, 1.0) - 0.02 * liabilities
        retained = equity * 0.65 + net * 0.3
        figures = np.stack(
            [assets, current_assets, current_liabilities, liabilities, retained, equity, revenue, ebit, net],
            axis=1,
        )
        # Assets must equal liabilities plus equity to the cent, so equity is the exact remainder.
        cents = np.rint(figures).astype(np.int64) * 100
        cents[:, 5] = cents[:, 0] - cents[:, 3]
        company_list.append(covered)
        end_list.append(period_end)
        figure_list.append(cents)
    company, period_end = np.concatenate(company_list), np.concatenate(end_list)
    figures = np.concatenate(figure_list)
    published = period_end + rng.integers(90, 271, len(company))
    filed = (published < companies.default_day[company] + 30) & (rng.random(len(company)) < 0.95)
    filed &= published <= world.end
    audited = rng.random(len(company)) < np.array([0.95, 0.7, 0.25])[companies.segment[company]]
    order = np.lexsort((company[filed], published[filed]))
    return Statements(
        company=company[filed][order],
        period_end=period_end[filed][order],
        published=published[filed][order],
        figures=figures[filed][order],
        audited=audited[filed][order],
    )


def build_notices(world: World, companies: Companies, block: int) -> Notices:
    """Insolvencies and closures after default, judgments and liens before it, and some that mean nothing."""
    rng = world.rng(block, 24)
    count = companies.count
    default = companies.default_day
    failed = default < NEVER
    rows: list[tuple[Ints, Ints, int]] = []

    def add(chosen: Bools, day: Ints, kind: int) -> None:
        index = np.flatnonzero(chosen)
        rows.append((index, day[index], kind))

    add(failed & (rng.random(count) < 0.58), default + rng.integers(3, 70, count), 0)
    add(failed & (rng.random(count) < 0.15), default + rng.integers(60, 200, count), 1)
    add(failed & ~companies.is_sudden & (rng.random(count) < 0.28), default - rng.integers(0, 130, count), 2)
    add(failed & (rng.random(count) < 0.12), default - rng.integers(-30, 100, count), 3)
    span = world.end - world.start
    for kind in (2, 3):
        day = world.start + (rng.random(count) * span).astype(np.int64)
        weak = np.clip(1.0 - 0.5 * companies.health[np.arange(count), world.month_of(day)], 0.3, 3.0)
        add(rng.random(count) < 0.006 * span / 365 * weak, day, kind)
    company = np.concatenate([row[0] for row in rows])
    day = business_day(np.concatenate([row[1] for row in rows]))
    kind_codes = np.concatenate([np.full(len(row[0]), row[2]) for row in rows])
    published = business_day(day + rng.integers(2, 25, len(day)))
    amount = np.rint(companies.ticket[company] * rng.uniform(0.5, 6.0, len(day))).astype(np.int64) * 100
    keep = (published <= world.end) & (day >= world.start)
    order = np.lexsort((kind_codes[keep], company[keep], published[keep]))
    return Notices(
        company=company[keep][order],
        day=day[keep][order],
        published=published[keep][order],
        kind=kind_codes[keep][order],
        amount=amount[keep][order],
    )


def build_reports(world: World, companies: Companies, notices: Notices, block: int) -> Reports:
    """Bureau reports on about 70 % of the companies; the score sees their health one to four months late."""
    rng = world.rng(block, 25)
    count, months = companies.count, world.month_count
    covered = rng.random(count) < 0.70
    bias = rng.normal(scale=0.35, size=count)
    reports = (rng.random((count, months)) < 0.42) & covered[:, None]
    company, month = np.nonzero(reports)
    day = business_day(world.month_start[month] + rng.integers(0, 28, len(month)))
    seen = np.maximum(month - rng.integers(1, 5, len(month)), 0)
    strength = companies.health[company, seen] - 1.4 * companies.stress[company, seen] + bias[company]
    strength = strength + rng.normal(scale=0.45, size=len(month))
    score = np.clip(np.rint(520 + 75 * strength), 101, 850).astype(np.int64)
    insolvent_from = np.full(count, NEVER, dtype=np.int64)
    is_insolvency = notices.kind <= 1
    np.minimum.at(insolvent_from, notices.company[is_insolvency], notices.published[is_insolvency])
    known = day >= insolvent_from[company]
    score[known] = 100
    risk_class = 5 - np.searchsorted(np.array([330, 430, 530, 620]), score, side="right")
    limit = _round_limit(companies.ticket[company] * np.exp((score - 400) / 220.0) * 3)
    limit[known] = 0
    keep = (day >= world.start) & (day <= world.end) & (day < companies.default_day[company] + 400)
    order = np.lexsort((company[keep], day[keep]))
    return Reports(
        company=company[keep][order],
        day=day[keep][order],
        score=score[keep][order],
        risk_class=risk_class[keep][order],
        limit=limit[keep][order],
    )
