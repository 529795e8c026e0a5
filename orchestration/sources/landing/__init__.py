"""Landing: what the connectors deliver becomes new versions of rows in `raw`, a whole night or nothing."""

from orchestration.sources.landing.records import LandingResult
from orchestration.sources.landing.transaction import land

__all__ = ["LandingResult", "land"]
