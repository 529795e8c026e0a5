"""WHEN things run: connectors, settings, the asset graph and the `trade-credit` command."""
