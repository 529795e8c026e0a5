"""Tells whether the process that worked on something still lives, though its number may have been given again."""

from __future__ import annotations

import os
from pathlib import Path

# The tag by which a run of Dagster says which process works on it; so begun, the web interface does not show it.
PROCESS_TAG = ".dagster/trade_credit_process"


def this_process() -> str:
    """This process in a form that no later one shares: its number and when it started."""
    return f"{os.getpid()}@{_started(os.getpid())}"


def is_alive(process: str) -> bool:
    """Whether the process that `this_process` once named still runs."""
    number, _, started = process.partition("@")
    return number.isdigit() and _started(int(number)) == started != ""


def _started(number: int) -> str:
    """When the process of this number started, in the kernel's ticks since boot; empty where there is none."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text(encoding="ascii", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{stat.rpartition(')')[2].split()[19]}"
    except OSError:
        pass
    # Without /proc (macOS) the number alone must do.
    if Path("/proc").is_dir():
        return ""
    try:
        os.kill(number, 0)
    except OSError:
        return ""
    return "running"
