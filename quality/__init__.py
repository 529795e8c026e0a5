"""WHAT MUST HOLD: data-quality rules, quarantine and reconciliation."""
