"""Customer records of ERP and CRM: the same companies as different clerks write them, mistakes included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo import registration
from demo.companies import Companies
from demo.names import misspell, rewrite_city, rewrite_street
from demo.world import NEVER, Bools, Ints, Texts, World, business_day

# Stride of record numbers between blocks; a block never holds as many records.
ACCOUNT_STRIDE = 20_000


@dataclass(frozen=True)
class Accounts:
    """Records of one system, one a row, in the order of their numbers. Arrays have shape (records,)."""

    company: Ints  # index in the block
    number: Ints
    created: Ints
    changed: Ints  # day the phone number and contact changed, or NEVER
    name: Texts
    trade_name: Texts
    registration_no: Texts  # None where the clerk left it empty
    registration_kind: Texts
    city: Texts
    street: Texts
    phone: Texts
    phone_after: Texts
    email: Texts
    parent: Ints  # row of the parent record, -1 for none
    is_duplicate: Bools
    is_misspelt: Bools
    is_wrong_registration: Bools

    @property
    def count(self) -> int:
        return len(self.company)


def _spoil_numbers(numbers: Texts, wrong: Bools) -> None:
    for index in np.flatnonzero(wrong):
        if numbers[index] is None:
            continue
        numbers[index] = registration.spoil(str(numbers[index]))


def _spoil_names(names: Texts, wrong: Bools, rng: np.random.Generator) -> None:
    for index in np.flatnonzero(wrong):
        names[index] = misspell(str(names[index]), rng)


def _new_phone(phone: Texts, line: Ints) -> Texts:
    head = np.array([str(text).rsplit(" ", 1)[0] for text in phone], dtype=object)
    return np.asarray(head + " " + line.astype(str).astype(object))


def _parent_rows(company: Ints, parent_company: Ints, companies: Companies) -> Ints:
    """Row of the first record of each record's parent company, -1 where there is none in the system."""
    first_row = np.full(companies.count, -1, dtype=np.int64)
    first_row[company[::-1]] = np.arange(len(company))[::-1]
    return np.where(parent_company >= 0, first_row[parent_company], -1)


def _change_days(rng: np.random.Generator, world: World, created: Ints) -> Ints:
    span = world.end - world.start
    day = business_day(world.start + (rng.random(len(created)) * span).astype(np.int64))
    return np.where((rng.random(len(created)) < 0.45) & (day > created + 30), day, NEVER)


def build_erp(world: World, companies: Companies, block: int) -> Accounts:
    """ERP customers: one record a company, and a second one for about 2.5 % of the companies that buy."""
    rng = world.rng(block, 2)
    count = companies.count
    twice = np.flatnonzero((rng.random(count) < 0.025) & ~companies.is_prospect)
    second_created = companies.since[twice] + 30 + rng.integers(0, 1_200, len(twice))
    in_life = second_created < np.minimum(companies.default_day, companies.leaves_day)[twice] - 30
    twice, second_created = twice[in_life], second_created[in_life]
    company = np.concatenate([np.arange(count), twice])
    is_duplicate = np.arange(len(company)) >= count
    created = np.concatenate([companies.since, business_day(second_created)])
    total = len(company)

    name = companies.books.local[company].copy()
    latin = companies.books.latin[company]
    use_latin = is_duplicate & (rng.random(total) < 0.6)
    name[use_latin] = latin[use_latin]
    is_misspelt = rng.random(total) < np.where(is_duplicate, 0.35, 0.012)
    _spoil_names(name, is_misspelt, rng)
    number = companies.registration_no[company].copy()
    missing = rng.random(total) < np.where(is_duplicate, 0.4, 0.10)
    number[missing] = None
    wrong = (rng.random(total) < 0.009) & ~missing
    _spoil_numbers(number, wrong)
    kind = companies.registration_kind[company].copy()
    kind[missing] = None
    phone = companies.address.phone[company]
    email = "accounts@" + companies.books.email_domain[company]
    email[rng.random(total) < 0.12] = None
    street = companies.address.street[company].copy()
    for index in np.flatnonzero(is_duplicate):
        street[index] = rewrite_street(str(street[index]))
    # Numbers in the order in which the records were opened.
    order = np.lexsort((np.arange(total), created))
    company, created, is_duplicate = company[order], created[order], is_duplicate[order]
    parent = _parent_rows(company, companies.parent[company], companies)
    own = parent == np.arange(total)
    parent[own | is_duplicate] = -1
    return Accounts(
        company=company,
        number=block * ACCOUNT_STRIDE + 100_000 + np.arange(total),
        created=created,
        changed=_change_days(rng, world, created),
        name=name[order],
        trade_name=companies.books.trade[company],
        registration_no=number[order],
        registration_kind=kind[order],
        city=companies.address.city[company],
        street=street[order],
        phone=phone[order],
        phone_after=_new_phone(phone[order], rng.integers(2_000_000, 9_999_999, total)),
        email=email[order],
        parent=parent,
        is_duplicate=is_duplicate,
        is_misspelt=is_misspelt[order],
        is_wrong_registration=wrong[order],
    )


def build_crm(world: World, companies: Companies, block: int) -> Accounts:
    """CRM accounts: 85 % of the companies, other numbers and names, 60 % with a registration number."""
    rng = world.rng(block, 3)
    company = np.flatnonzero(rng.random(companies.count) < 0.85).astype(np.int64)
    rng.shuffle(company)
    total = len(company)
    created = business_day(companies.since[company] - rng.integers(0, 90, total))
    style = rng.random(total)
    name = companies.books.local[company].copy()
    latin = companies.books.latin[company]
    name[style < 0.45] = latin[style < 0.45]
    upper = style > 0.88
    name[upper] = np.array([str(text).upper() for text in name[upper]], dtype=object)
    is_misspelt = rng.random(total) < 0.07
    _spoil_names(name, is_misspelt, rng)
    number = companies.registration_no[company].copy()
    missing = rng.random(total) < 0.40
    number[missing] = None
    wrong = (rng.random(total) < 0.012) & ~missing
    _spoil_numbers(number, wrong)
    kind = companies.registration_kind[company].copy()
    kind[missing] = None
    street = companies.address.street[company].copy()
    city = companies.address.city[company].copy()
    for index in np.flatnonzero(rng.random(total) < 0.5):
        street[index] = rewrite_street(str(street[index]))
    for index in np.flatnonzero(style < 0.45):
        city[index] = rewrite_city(str(city[index]))
    phone = companies.address.phone[company].copy()
    moved = rng.random(total) < 0.3
    phone[moved] = _new_phone(phone, rng.integers(2_000_000, 9_999_999, total))[moved]
    email = np.array(["sales@", "info@", "purchasing@"], dtype=object)[rng.integers(0, 3, total)]
    email = email + companies.books.email_domain[company]
    email[rng.random(total) < 0.15] = None
    order = np.lexsort((np.arange(total), created))
    company = company[order]
    return Accounts(
        company=company,
        number=block * ACCOUNT_STRIDE + 500_000 + np.arange(total),
        created=created[order],
        changed=_change_days(rng, world, created[order]),
        name=name[order],
        trade_name=np.full(total, None, dtype=object),
        registration_no=number[order],
        registration_kind=kind[order],
        city=city[order],
        street=street[order],
        phone=phone[order],
        phone_after=_new_phone(phone[order], rng.integers(2_000_000, 9_999_999, total)),
        email=email[order],
        parent=_parent_rows(company, companies.parent[company], companies),
        is_duplicate=np.zeros(total, dtype=bool),
        is_misspelt=is_misspelt[order],
        is_wrong_registration=wrong[order],
    )
