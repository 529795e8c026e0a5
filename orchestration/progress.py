"""Shows a run as it goes: one line when a step starts, one when it ends, and what the step says between."""

from __future__ import annotations

import logging
import sys
import time

import dagster as dg

STEP_TITLES = {
    "land_raw": "Landing new source rows",
    "quality_gate": "Checking landed rows against the rules",
    "dbt_staging": "Typing accepted rows (dbt)",
    "resolve_customers": "Finding the one customer behind many numbers",
    "dbt_transform": "Building ledger, marts and features (dbt)",
    "learn_model": "Training and judging the risk model",
    "score_customers": "Scoring customers",
    "dbt_serve": "Limits, warnings, worklist and KPIs (dbt)",
    "mart_gate": "Checking the marts against the rules",
    "publication__current": "Publishing the mart",
}


class _ProgressHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self._started: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "dagster_event", None)
        meta = getattr(record, "dagster_meta", {})
        if event is None:
            # What is logged outside a started step is the engine talking about its own plan.
            if record.levelno >= logging.INFO and meta.get("step_key") in self._started:
                self._write(f"      {meta.get('orig_message', record.getMessage())}")
            return
        step = event.step_key or ""
        if event.event_type_value == "STEP_START":
            self._started[step] = time.monotonic()
            number = list(STEP_TITLES).index(step) + 1 if step in STEP_TITLES else len(STEP_TITLES)
            self._write(f"[{number}/{len(STEP_TITLES)}] {STEP_TITLES.get(step, step)}")
        elif event.event_type_value in {"STEP_SUCCESS", "STEP_FAILURE"}:
            seconds = time.monotonic() - self._started.pop(step, time.monotonic())
            verb = "done" if event.event_type_value == "STEP_SUCCESS" else "FAILED"
            self._write(f"      {verb} in {seconds:.1f} s")

    @staticmethod
    def _write(text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _progress_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.Logger("trade_credit.progress", level=logging.DEBUG)
    logger.addHandler(_ProgressHandler())
    return logger


# Chosen by the command line's run configuration; the web interface keeps Dagster's own logger.
progress_logger = dg.LoggerDefinition(
    _progress_logger, description="Progress lines for a person at a terminal"
)
