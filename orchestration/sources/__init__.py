"""Connectors that land source systems into `raw`; nothing here knows the orchestrator."""
