"""The `trade-credit` command: run a night, show where things stand, look for trouble, document, open the interface.

Exit codes: 0 done (for `run`: published), 1 a gate or step failed and nothing published changed,
2 wrong usage or configuration.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from orchestration import telemetry

if TYPE_CHECKING:
    from orchestration.settings import Settings

FAILED = 1
MISUSED = 2


class _Day(click.ParamType[date]):
    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"received {value!r}; valid is a day written YYYY-MM-DD, for example 2026-10-31", param, ctx
            )


def entry() -> None:
    """Run the command as a program of its own.

    Exit functions run as always, then the process ends without tearing the interpreter down: importing Great
    Expectations keeps modules alive to the very end, and DuckDB's Python module would print a page of notes on
    types that were not freed.
    """
    code: int | str | None = 0
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


_config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Configuration file; without it the demo company is used.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trade-credit")
def main() -> None:
    """Which business customers can we safely sell to on credit? One mart, every night."""
    telemetry.switch_off()


@main.command()
@_config_option
@click.option("--as-of", type=_Day(), help="Day the run answers for; later events are unknown to it.")
@click.option("--full-refresh", is_flag=True, help="Read every source in full instead of only what is new.")
def run(config: Path | None, as_of: date | None, full_refresh: bool) -> None:
    """Run one night and publish it, or change nothing."""
    settings = _settings(config)
    from orchestration import nightly_run
    from orchestration.settings import ConfigurationError
    from orchestration.summary import night_summary
    from orchestration.warehouse import WarehouseError

    try:
        day = as_of or _next_day(settings)
        outcome = nightly_run.run_night(settings, config=config, as_of=day, full_refresh=full_refresh)
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        sys.exit(MISUSED)
    except WarehouseError as error:
        _fail(str(error))
    if outcome.publication is None:
        _fail(
            f"The night of {day} was not published. Failed step: {outcome.failed_step}\n\n{outcome.error}\n\n"
            f"What was published before is unchanged ({settings.publication_dir / 'current'})."
        )
    click.echo(night_summary(outcome.publication, settings))


@main.command()
@_config_option
@click.option("--json", "as_json", is_flag=True, help="Print facts for a program to read.")
def status(config: Path | None, as_json: bool) -> None:
    """Show what is published, how the last run ended, and what needs someone."""
    settings = _settings(config)
    from orchestration.status import current_status, status_text

    facts = current_status(settings)
    click.echo(json.dumps(facts, indent=2) if as_json else status_text(facts))


@main.command()
@_config_option
def doctor(config: Path | None) -> None:
    """Check the machine, the configuration, the sources and the publication; exit 1 where something is wrong."""
    settings = _settings(config)
    from orchestration.doctor import examine

    findings = examine(settings, today=datetime.now(settings.zone).date())
    for finding in findings:
        click.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.subject}: {finding.text}")
    if not all(finding.ok for finding in findings):
        sys.exit(FAILED)


@main.command()
@_config_option
def docs(config: Path | None) -> None:
    """Write the documentation of every table and column of the last published night as one HTML page."""
    settings = _settings(config)
    from orchestration.dbt_runner import DbtError, generate_docs
    from orchestration.night import Night
    from orchestration.warehouse import (
        WarehouseError,
        current_publication,
        hold_night_lock,
        release_night_lock,
    )

    try:
        publication = current_publication(settings.publication_dir)
        if publication is None:
            _fail("Nothing is published yet, so there is nothing to document. Run `trade-credit run` first.")
        hold_night_lock(settings.home)
        try:
            night = Night(as_of=publication.as_of, config_file=str(config) if config else "")
            page = generate_docs(settings.home, settings.warehouse_path, variables=night.dbt_variables())
        finally:
            release_night_lock(settings.home)
    except (WarehouseError, DbtError) as error:
        _fail(str(error))
    click.echo(page)


@main.command()
@_config_option
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True, type=int)
def ui(config: Path | None, host: str, port: int) -> None:
    """Open Dagster's web interface on the same state, with the nightly schedule."""
    settings = _settings(config)
    from orchestration.instance import prepare_instance

    prepare_instance(settings.dagster_dir)
    os.environ["TRADE_CREDIT_HOME"] = str(settings.home.resolve())
    if config is not None:
        os.environ["TRADE_CREDIT_CONFIG"] = str(config.resolve())
    click.echo(f"Dagster: http://{host}:{port} (stop with Ctrl-C)", err=True)
    arguments = ["dev", "-m", "orchestration.definitions", "-h", host, "-p", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "dagster", *arguments])


def _settings(config: Path | None) -> Settings:
    from orchestration.settings import ConfigurationError, load_settings

    try:
        return load_settings(config, env=os.environ)
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        sys.exit(MISUSED)


def _next_day(settings: Settings) -> date:
    """The day a run without --as-of answers for: the demo lives on by a day, real companies live today."""
    from orchestration.nightly_run import next_demo_day

    if settings.demo is not None:
        return next_demo_day(settings)
    return datetime.now(settings.zone).date()


def _fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(FAILED)
