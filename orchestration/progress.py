"""Shows a run as it goes: one line when a step starts, one when it ends, and what the step says between."""

from __future__ import annotations

import logging
import sys
import time

import dagster as dg

from orchestration.masking import mask
from orchestration.night_book import STEPS
from orchestration.plain_text import plain_lines


class _ProgressHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self._started: dict[str, float] = {}
        # The terminal's, whatever a step's log collects meanwhile.
        self._terminal = sys.stderr

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
            number = list(STEPS).index(step) + 1 if step in STEPS else len(STEPS)
            self._write(f"[{number}/{len(STEPS)}] {STEPS.get(step, step)}")
        elif event.event_type_value in {"STEP_SUCCESS", "STEP_FAILURE"}:
            seconds = time.monotonic() - self._started.pop(step, time.monotonic())
            verb = "done" if event.event_type_value == "STEP_SUCCESS" else "FAILED"
            self._write(f"      {verb} in {seconds:.1f} s")

    def _write(self, text: str) -> None:
        print(plain_lines(mask(text)), file=self._terminal, flush=True)


def _progress_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.Logger("trade_credit.progress", level=logging.DEBUG)
    logger.addHandler(_ProgressHandler())
    return logger


# Chosen by the command line's run configuration; the web interface keeps Dagster's own logger.
progress_logger = dg.LoggerDefinition(
    _progress_logger, description="Progress lines for a person at a terminal"
)
