"""One customer code over all source systems: who is the same company, who is not, and who must be asked."""

from models_ml.entities.resolution import resolve
from models_ml.entities.settings import DecisionError, ResolveOutcome, ResolveSettings

__all__ = ["DecisionError", "ResolveOutcome", "ResolveSettings", "resolve"]
