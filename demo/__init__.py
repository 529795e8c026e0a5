"""The demo company: a seeded simulator of its ERP, CRM, bank and credit bureau, one day at a time."""

from demo.writer import DemoError, DemoSummary, advance

__all__ = ["DemoError", "DemoSummary", "advance"]
