"""How many decimals the amounts of each currency have (ISO 4217), in Python and in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from quality.catalog import read_groups


@cache
def currencies_by_minor_units() -> Mapping[int, tuple[str, ...]]:
    """Every currency of ISO 4217 under the number of decimals its amounts have."""
    return {int(places): codes for places, codes in read_groups("iso_4217").items()}


def minor_units(currency: str) -> int | None:
    """How many decimals the amounts of a currency have; None where it is none of ISO 4217."""
    return next((places for places, codes in currencies_by_minor_units().items() if currency in codes), None)


def by_currency(form: str, otherwise: str) -> str:
    """SQL: `form` with the decimals (`{places}`) of the currency `c`; `otherwise` for what is none of ISO 4217."""
    cases = " ".join(
        f"when c in ({', '.join(repr(code) for code in codes)}) then {form.format(places=places)}"
        # Nearly every currency has two decimals: asked first.
        for places, codes in sorted(currencies_by_minor_units().items(), key=lambda group: -len(group[1]))
    )
    return f"case {cases} else {otherwise} end"
