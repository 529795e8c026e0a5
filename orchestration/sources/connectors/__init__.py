"""Connectors: how a night asks a database, a folder of files or a REST service for its rows."""
