"""What can go wrong with a source: terminal errors a person must mend, and transient ones worth a retry."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from orchestration.masking import mask
from orchestration.plain_text import plain


def closest(received: str, valid: Iterable[str]) -> str | None:
    """The valid name most like `received`, or None where none comes near; case does not count."""
    by_folded = {name.casefold(): name for name in valid}
    found = difflib.get_close_matches(received.casefold(), list(by_folded), n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


class SourceError(Exception):
    """A source cannot be read as configured; running again without a change gives the same result.

    Attributes hold the parts of the message: `where` (source, table or file), `received`, `valid`
    (what would have been accepted) and `remedy`. Secrets are masked in all of them, and each
    is one line, whatever the names and values from the source hold.
    """

    is_transient = False

    def __init__(self, where: str, received: str, *, valid: str = "", remedy: str = "") -> None:
        self.where = plain(mask(where))
        self.received = plain(mask(received))
        self.valid = plain(mask(valid))
        self.remedy = plain(mask(remedy))
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.received}"]
        if self.valid:
            parts.append(f"valid: {self.valid}")
        if self.remedy:
            parts.append(f"to mend: {self.remedy}")
        return "; ".join(parts)


class TransientSourceError(SourceError):
    """A source did not answer this time (unreachable, overloaded); the same call may succeed later."""

    is_transient = True
