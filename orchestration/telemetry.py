"""Switches off the usage statistics of every dependency, before any of them is imported."""

from __future__ import annotations

import os

_OFF = {
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DAGSTER_DISABLE_TELEMETRY": "true",
}


def switch_off() -> None:
    """Set each dependency's own switch; what the user has set already stays as it is."""
    for name, value in _OFF.items():
        os.environ.setdefault(name, value)


def left_on() -> list[str]:
    """Variables that the user has set to something else than off."""
    off = {"false", "0", "no", "off"}
    return [
        name
        for name, value in _OFF.items()
        if name in os.environ
        # What is named as forbidding statistics forbids them by any value but none.
        and (os.environ[name].lower() not in off) != (value not in off)
    ]
