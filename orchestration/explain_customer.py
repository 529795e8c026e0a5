"""One customer's score in the published mart, said in full: what it is made of, and what changed since the last one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.plain_text import plain
from orchestration.publication import Publication, current_publication, open_publication, whole_publications

if TYPE_CHECKING:
    import duckdb

    from orchestration.settings import Settings


class UnknownCustomerError(ValueError):
    """No such customer is published; the message says what was received and what is valid."""


@dataclass(frozen=True)
class Part:
    """One line of a score's account. log_odds: what it adds; text: the fact; improvement: what would lower the PD."""

    feature: str
    log_odds: float
    text: str
    improvement: str | None


@dataclass(frozen=True)
class Account:
    """A published score. pd is a fraction, None where the customer has no score; parts add up to its log-odds."""

    customer_code: str
    name: str
    scored_on: str
    status: str
    status_reason: str
    pd: float | None
    points: int | None
    grade: str | None
    parts: tuple[Part, ...]


# The rows that close an account in mart.score_reason.
OTHERS, BASE = "all_other_facts", "starting_point"
# Closes the account of a change: what was told of one of the two scores only, and the sums of what was told of neither.
OTHER_CHANGES = "everything else"


def explain_customer(settings: Settings, customer_code: str) -> str:
    """The account of a customer's score as published, and of its change since the publication of an earlier night.

    Raises UnknownCustomerError, and WarehouseError where a publication cannot be read.
    """
    publication = current_publication(settings.publication_dir)
    if publication is None:
        raise UnknownCustomerError(
            "No night is published yet, so no score either: `trade-credit run` makes the first"
        )
    now = _account(publication, customer_code)
    if now is None:
        raise UnknownCustomerError(
            f"received customer {customer_code!r}, which the night of {publication.as_of} does not hold; valid is a "
            f"customer_code of mart.customer_score, for example {_examples(publication)}"
        )
    earlier = (p for p in whole_publications(settings.publication_dir) if p.as_of < publication.as_of)
    before = next(iter(sorted(earlier, key=lambda p: p.as_of, reverse=True)), None)
    return account_text(now, None if before is None else _account(before, customer_code))


def account_text(now: Account, before: Account | None) -> str:
    """The account in words: parts with what each adds to the log-odds, their sum, and the change by part."""
    title = f"{now.customer_code}  {now.name}"
    if now.pd is None or not now.parts:
        return f"{title}\n{now.status.replace('_', ' ')} on {now.scored_on}: {now.status_reason}"
    lines = [
        title,
        f"scored on {now.scored_on}: probability of default {now.pd:.2%}, {now.points} points, grade {now.grade}",
        now.status_reason,
        "",
        "Log-odds of default, and what they are made of (plus raises the risk)",
        *(f"  {part.log_odds:+7.3f}  {part.text}" for part in now.parts),
        f"  {sum(part.log_odds for part in now.parts):+7.3f}  together: 1 / (1 + exp(-x)) is {now.pd:.2%}",
    ]
    advice = [part.improvement for part in now.parts if part.improvement]
    if advice:
        lines += [
            "",
            "What would lower it, as tried on the model one by one",
            *(f"  {text}" for text in advice),
        ]
    # A night of before accounts were closed told some reasons only; nothing can be taken from it.
    if (
        before is not None
        and before.pd is not None
        and before.parts[-1:]
        and before.parts[-1].feature == BASE
    ):
        moved = changes(now, before)
        lines += [
            "",
            f"Since {before.scored_on}, when it was {before.pd:.2%} and {before.points} points",
            *(f"  {delta:+7.3f}  {what}" for what, delta in moved),
            f"  {sum(delta for _, delta in moved):+7.3f}  together",
        ]
    return "\n".join(lines)


def changes(now: Account, before: Account) -> list[tuple[str, float]]:
    """What moved the log-odds from one score to the other, largest first: facts told of both by name, all others in
    one sum, so that they add up to the whole change."""
    then = {part.feature: part.log_odds for part in before.parts}
    told = [(part, part.log_odds - then[part.feature]) for part in now.parts if part.feature in then]
    named = [(part.text, delta) for part, delta in told if part.feature != OTHERS and abs(delta) >= 0.0005]
    whole = sum(part.log_odds for part in now.parts) - sum(then.values())
    rest = whole - sum(delta for _, delta in named)
    return [*sorted(named, key=lambda line: -abs(line[1])), (OTHER_CHANGES, rest)]


def _account(publication: Publication, customer_code: str) -> Account | None:
    with open_publication(publication) as connection:
        head = connection.execute(
            "select customer_code, customer_name, scored_on, score_status, status_reason, pd, points, grade "
            "from mart.customer_score where upper(customer_code) = upper(?)",
            [customer_code.strip()],
        ).fetchone()
        if head is None:
            return None
        return Account(
            head[0], plain(str(head[1] or "")), str(head[2]), head[3], head[4], head[5], head[6], head[7],
            _parts(connection, head[0]),
        )  # fmt: skip


def _parts(connection: duckdb.DuckDBPyConnection, customer_code: str) -> tuple[Part, ...]:
    rows = connection.execute(
        "select feature, contribution_log_odds, reason_text, improvement_text from mart.score_reason "
        "where customer_code = ? order by reason_rank",
        [customer_code],
    ).fetchall()
    return tuple(Part(*row) for row in rows)


def _examples(publication: Publication) -> str:
    with open_publication(publication) as connection:
        codes = connection.execute(
            "select customer_code from mart.customer_score where score_status = 'scored' order by 1 limit 3"
        ).fetchall()
    return ", ".join(code for (code,) in codes) or "none: it holds no customer"
